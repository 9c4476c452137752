"""Many sessions on one page: a thumbnail, the five verdicts and a link to the report of each."""

import base64
import io
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from PIL import Image, ImageDraw

from ace_nwb.archive import Finding
from ace_nwb.errors import AceNwbError, OutputError
from ace_nwb.report import theme
from ace_nwb.report.content import SessionContent, judge, read_content
from ace_nwb.report.page import MARKS, render
from ace_nwb.report.sections.parts import Verdict
from ace_nwb.report.wording import format_duration
from ace_nwb.report.writing import refuse_overwriting, save_file
from ace_nwb.stages.running.status import StageStatus

TOPICS = ("Sync", "Frames", "Motion", "ROIs", "Validation")
THUMBNAIL_PX = 200  # px; four or five stand side by side, and cells can be told
_WORST_FIRST = ("problem", "look", "missing", "good")
_STATE_NAMES = {
    "problem": "to fix",
    "look": "worth a look",
    "missing": "unfinished",
    "good": "good",
}


@dataclass(frozen=True)
class Entry:
    """One row of the table.

    Parameters
    ----------
    title, file_name
        Subject and session, and the file.
    link
        The report of the session, relative to the page; empty if there is none.
    facts
        Start and duration.
    verdicts
        In the order of `TOPICS`; empty if the file cannot be read.
    thumbnail
        A small picture as data URI; may be empty.
    error
        Why the file cannot be read.
    """

    title: str
    file_name: str
    link: str = ""
    facts: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    thumbnail: str = ""
    error: str = ""

    @property
    def state(self) -> str:
        """The worst of the verdicts."""
        if self.error:
            return "problem"
        states = {verdict.state for verdict in self.verdicts}
        return next(state for state in _WORST_FIRST if state in states)


def find_sessions(paths: Sequence[Path]) -> list[Path]:
    """Return the NWB files among files and folders, those of a folder with all below it.

    Raises
    ------
    OutputError
        If there is none.
    """
    found: list[Path] = []
    for path in paths:
        found += sorted(path.rglob("*.nwb")) if path.is_dir() else [path]
    unique = list(dict.fromkeys(found))
    if not unique:
        raise OutputError(
            f"{', '.join(map(str, paths))} holds no .nwb file. Give session files, or folders "
            "that hold some."
        )
    return unique


def write_gallery(
    nwb_paths: Sequence[Path],
    html_path: Path,
    *,
    check: Callable[[Path], tuple[Sequence[Finding], Sequence[StageStatus]]],
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> list[Entry]:
    """Write the report of every session beside its file, and a page that leads to them.

    A file that cannot be read has a row that says why.

    Parameters
    ----------
    nwb_paths
        Session files; they are only read.
    html_path
        The page to write.
    check
        Returns the findings of a validation and the status of every stage of a file.
    progress
        Called with (sessions done, of how many).

    Returns
    -------
    list of Entry
        One per session.
    """
    entries = []
    for number, nwb_path in enumerate(nwb_paths, start=1):
        refuse_overwriting(nwb_path, html_path)
        entries.append(_enter(nwb_path, html_path, check))
        progress(number, len(nwb_paths))
    save_file(render_gallery(entries).encode("utf-8", errors="replace"), html_path)
    return entries


def render_gallery(entries: Sequence[Entry]) -> str:
    """Return the page as text."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    resources = files("ace_nwb.report")
    template = environment.from_string(resources.joinpath("gallery.html").read_text("utf-8"))
    return template.render(
        version=version("ace-nwb"),
        style=Markup(resources.joinpath("style.css").read_text("utf-8")),
        headline=describe_states(entries),
        topics=TOPICS,
        marks=MARKS,
        entries=entries,
    )


def describe_states(entries: Sequence[Entry]) -> str:
    """Return how many sessions are in which state, in words."""
    counts = Counter(entry.state for entry in entries)
    parts = [f"{counts[state]} {_STATE_NAMES[state]}" for state in _WORST_FIRST if counts[state]]
    noun = "session" if len(entries) == 1 else "sessions"
    return f"{len(entries)} {noun}: {', '.join(parts)}"


def make_thumbnail(content: SessionContent) -> str:
    """Return the local correlation with the accepted neurons' outlines as a small data URI."""
    if not content.images:
        return ""
    image = content.images.get("correlation", next(iter(content.images.values())))
    finite = image[np.isfinite(image)]
    low, high = np.percentile(finite, (1, 99.7)) if finite.size else (0.0, 1.0)
    grey = np.clip((np.nan_to_num(image) - low) / max(high - low, 1e-12) * 255, 0, 255)
    scale = THUMBNAIL_PX / max(image.shape)
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = Image.fromarray(grey.astype(np.uint8)).resize(size).convert("RGB")
    if content.outlines is not None:
        pen = ImageDraw.Draw(small)
        for lines in content.outlines.of_accepted().contours:
            for line in lines:
                points = [(x, y) for y, x in (line + 0.5) * scale]
                pen.line(points, fill=theme.ACCEPTED, width=1)
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=82)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _enter(
    nwb_path: Path,
    html_path: Path,
    check: Callable[[Path], tuple[Sequence[Finding], Sequence[StageStatus]]],
) -> Entry:
    """Write the report of one session and return its row."""
    report_path = nwb_path.with_suffix(".html")
    if report_path.resolve() == html_path.resolve():
        raise OutputError(
            f"{html_path} is the place of the report of {nwb_path.name}. Give the table another "
            "path with --output."
        )
    try:
        findings, statuses = check(nwb_path)
        content = read_content(nwb_path, statuses)
        page = render(content, nwb_path.name, findings)
    except (AceNwbError, OSError) as error:
        return Entry(
            nwb_path.stem, nwb_path.name, error=str(error).replace(str(nwb_path), nwb_path.name)
        )
    save_file(page.encode("utf-8", errors="replace"), report_path)
    facts = [value for label, value in content.facts.rows if label == "Start"]
    if content.frames is not None:
        facts.append(format_duration(content.frames.duration_s))
    relative = Path(os.path.relpath(report_path, html_path.resolve().parent)).as_posix()
    return Entry(
        content.facts.title,
        nwb_path.name,
        link=quote(relative),
        facts=tuple(facts),
        verdicts=tuple(judge(content, findings, nwb_path.name)),
        thumbnail=make_thumbnail(content),
    )
