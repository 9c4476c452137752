"""Which recordings lie in a folder, by scored evidence; never by a guess between equals."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ace_nwb.errors import FormatError
from ace_nwb.forms.commands import quoted
from ace_nwb.interfaces.base import SEARCH_DEPTH, Candidate, Format
from ace_nwb.registry import FORMATS

LISTED_ENDINGS = 6
"""Endings of files that are told of a folder in which nothing was recognised: one line of text."""


def load_format(name: str) -> Format:
    """Return a format of the registry."""
    loaded: Format = FORMATS.load(name)
    return loaded


def find_candidates(folder_path: Path, *, format_name: str | None = None) -> list[Candidate]:
    """Return every recording that any format sees at or below a folder, best first.

    Parameters
    ----------
    folder_path
        Where to look.
    format_name
        The only format to ask.

    Raises
    ------
    FormatError
        If the folder does not exist.
    """
    if not folder_path.is_dir():
        found = "is a file" if folder_path.exists() else "does not exist"
        raise FormatError(
            f"{folder_path} {found}. The folder of a recording was expected; check the path."
        )
    candidates = [
        candidate
        for name in (FORMATS.names() if format_name is None else [format_name])
        for candidate in load_format(name).find(folder_path.resolve())
    ]
    return sorted(candidates, key=lambda item: (-item.score, str(item.folder_path)))


MANY = {
    "imaging": "give the folder of one of them, or --segments if they are parts of one session",
    "ephys": "give the folder of one of them with --ephys",
}
"""Modality -> what to do where there are several recordings."""


def detect(folder_path: Path, modality: str, *, format_name: str | None = None) -> Candidate | None:
    """Return the one recording of a modality at or below a folder, None if there is none.

    Raises
    ------
    FormatError
        If there are several recordings, or two formats claim one folder with equal evidence.
    """
    candidates = [
        candidate
        for candidate in find_candidates(folder_path, format_name=format_name)
        if load_format(candidate.format_name).modality == modality
    ]
    if not candidates:
        return None
    folders = sorted({candidate.folder_path for candidate in candidates})
    if len(folders) > 1:
        listing = "\n".join(f"  {path}" for path in folders)
        raise FormatError(
            f"{folder_path} holds {len(folders)} {modality} recordings:\n{listing}\n"
            f"One was expected; {MANY[modality]}."
        )
    best, *others = candidates
    if others and others[0].score == best.score:
        raise FormatError(
            f"{best.folder_path} is claimed by {best.format_name} and {others[0].format_name} with "
            f"equal evidence ({best.score} points):\n{explain(best)}\n{explain(others[0])}\n"
            "One format was expected; give --format, or move foreign files away."
        )
    return best


def detect_required(
    folder_path: Path, modality: str, *, format_name: str | None = None
) -> Candidate:
    """Return the one recording of a modality at or below a folder.

    Raises
    ------
    FormatError
        If there is none or more than one.
    """
    candidate = detect(folder_path, modality, format_name=format_name)
    if candidate is None:
        raise FormatError(
            f"{folder_path} holds no {modality} recording of a known format "
            f"({format_name or ', '.join(_names(modality))}). `ace-nwb inspect "
            f"{quoted(folder_path)}` says what was looked for; give the folder of the recording, "
            "or describe movies of another program with --format movie-files and --mapping."
        )
    return candidate


def describe_search(folder_path: Path) -> str:
    """Say what a folder holds in which nothing was recognised, and what was looked for."""
    looked = [
        f"  {found.name}: {found.looks_for or found.title}"
        for found in map(load_format, FORMATS.names())
    ]
    return "\n".join(
        [
            f"No recording was recognised in {folder_path}: {_content(folder_path)}.",
            f"Looked for, there and up to {SEARCH_DEPTH} folders below:",
            *looked,
            "Give the folder that the recorder wrote, or one above it; for movies of another "
            "program see `ace-nwb inspect --help`, --mapping.",
        ]
    )


def _content(folder_path: Path) -> str:
    """Return what stands in a folder: folders, and files by their ending."""
    try:
        entries = list(folder_path.iterdir())
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    endings = Counter(path.suffix.lower() or "no ending" for path in entries if path.is_file())
    parts = [f"{count} x {ending}" for ending, count in endings.most_common(LISTED_ENDINGS)]
    n_folders = sum(path.is_dir() for path in entries)
    if n_folders:
        parts.append(f"{n_folders} folder{'s' if n_folders > 1 else ''}")
    return f"it holds {', '.join(parts)}" if parts else "it is empty"


def _names(modality: str) -> list[str]:
    """Return the formats of a modality."""
    return [name for name in FORMATS.names() if load_format(name).modality == modality]


def is_segment(folder_path: Path, segments: bool | Sequence[Path | str]) -> bool:
    """Return whether a recording is a segment: every one is, unless folders are listed."""
    if isinstance(segments, bool):
        return segments
    listed = {Path(path).resolve() for path in segments}
    return bool(listed & {folder_path.resolve(), *folder_path.resolve().parents})


def explain(candidate: Candidate) -> str:
    """Return the evidence for a candidate, one line per observation."""
    lines = [f"  {item.points:+d}  {item.finding}" for item in candidate.evidence]
    return "\n".join([f"{candidate.format_name} ({candidate.score} points)", *lines])
