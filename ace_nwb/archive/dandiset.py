"""Sessions laid out as a dandiset: copied, named by dandi's rules, checked by dandi itself.

The sessions stay where they are. A copy appears under its final name only when it is whole, with
the videos it refers to beside it. Nothing is sent anywhere; upload.py does that.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py

from ace_nwb.archive.requirements import Requirement, missing_requirements
from ace_nwb.archive.validation import Finding, breaks_off_without_rows, is_valid
from ace_nwb.errors import MissingPackageError, OutputError, SessionFileError
from ace_nwb.forms.yaml_files import read_yaml
from ace_nwb.nwb.checks import check_session
from ace_nwb.nwb.commit.new_file import copy_bytes, make_folder, new_file, new_h5, write_new
from ace_nwb.nwb.faults import blamed_on
from ace_nwb.nwb.opening import existing_file
from ace_nwb.nwb.safety import file_beside
from ace_nwb.nwb.session import open_session

DANDI = (sys.executable, "-W", "ignore", "-c", "from dandi.cli.command import main; main()")
"""The dandi package's own command line."""

PLACEHOLDER = "000000"
"""Number of a dandiset that has none yet."""

VIDEOS = (".mp4", ".avi", ".wmv", ".mov", ".flv", ".mkv")
"""Endings of the videos that the archive takes beside NWB files."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PreparedSession:
    """A session of a dandiset.

    Parameters
    ----------
    source
        The session file.
    asset
        Its copy, relative to the dandiset; None if a requirement is missing.
    missing
        What a person must or should still say.
    videos
        Copies of the videos that it refers to, relative to the dandiset.
    """

    source: Path
    asset: Path | None
    missing: list[Requirement]
    videos: tuple[Path, ...] = ()


@dataclass(frozen=True)
class PreparedDandiset:
    """A folder ready for upload, or what keeps it from being ready."""

    folder: Path
    number: str
    sessions: list[PreparedSession]
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_ready(self) -> bool:
        """Whether every session is there, dandi finds no error, and the dandiset has a number."""
        whole = all(session.asset is not None for session in self.sessions)
        return whole and not self.findings and self.number != PLACEHOLDER


def prepare_dandiset(
    folder: Path,
    sessions: Iterable[Path],
    *,
    number: str | None = None,
    progress: Progress | None = None,
) -> PreparedDandiset:
    """Copy sessions into a dandiset folder and let the dandi package check it, offline.

    Parameters
    ----------
    folder
        The dandiset; made if missing, else added to. Sessions in it of the same name are replaced.
    sessions
        Session files.
    number
        Six digits given by the archive, such as "000123"; by default that of the folder, or a
        placeholder.
    progress
        Called with (bytes copied, of how many).

    Returns
    -------
        What was copied, what a person must still say, and what dandi found wrong.

    Raises
    ------
    MissingPackageError
        If the dandi package is not installed.
    OutputError
        If the disk has no room, or a video that a session refers to is missing.
    """
    require_dandi()
    folder, sources = Path(folder), [existing_file(path) for path in sessions]
    number = _write_description(folder, number)
    missing = {source: _read_missing(source) for source in sources}
    complete = [s for s in sources if not any(m.need == "required" for m in missing[s])]
    for source in complete:
        with open_session(source) as session:
            list(_list_videos(session.h5, source))  # refused before anything is copied
    assets = _asset_names(complete)
    report = _total_progress(folder, complete, progress)
    prepared = []
    for source in sources:
        if source not in assets:
            prepared.append(PreparedSession(source, None, missing[source]))
            continue
        videos = _copy_session(source, folder, assets[source], report)
        prepared.append(PreparedSession(source, assets[source], missing[source], videos))
    findings = check_dandiset(folder) if complete else []
    findings += [finding for source in complete for finding in _broken_rules(source)]
    return PreparedDandiset(folder, number, prepared, findings)


def check_dandiset(folder: Path) -> list[Finding]:
    """Return the errors that the dandi package finds in a dandiset, offline.

    Raises
    ------
    MissingPackageError
        If the dandi package is not installed.
    """
    require_dandi()
    with tempfile.TemporaryDirectory() as scratch:
        found = Path(scratch) / "found.json"
        arguments = ["validate", "-f", "json", "-o", str(found), str(folder)]
        done = run_dandi(arguments, home=Path(scratch))
        if not found.exists():
            raise OutputError(
                f"dandi could not check {folder}: {done.stderr.strip()[-300:]}. A list of "
                f"findings was expected; run `dandi validate {folder}` by hand."
            )
        results = json.loads(found.read_text(encoding="utf-8"))
    return [
        Finding("ERROR", str(r["id"]), _relative(r.get("path"), folder), str(r["message"]))
        for r in results
        if r.get("severity") in ("ERROR", "CRITICAL")
        and not breaks_off_without_rows(f"{r['id']} {r['message']}")
    ]


def require_dandi() -> None:
    """Raise MissingPackageError unless the dandi package is installed."""
    from importlib.util import find_spec

    if find_spec("dandi") is None:
        raise MissingPackageError(
            "The dandi package is not installed; it names and checks the files. "
            'Install it with `pip install "ace-nwb[dandi]"`.'
        )


def run_dandi(arguments: list[str], *, home: Path) -> subprocess.CompletedProcess[str]:
    """Run dandi's own command without telemetry; its logs go below `home`."""
    environment = os.environ | {
        "NO_ET": "1",
        "DANDI_NO_ET": "1",
        "XDG_STATE_HOME": str(home),
        "XDG_CACHE_HOME": str(home),
    }
    return subprocess.run(
        [*DANDI, *arguments], capture_output=True, text=True, env=environment, check=False
    )


def read_number(folder: Path) -> str | None:
    """Return the number in a dandiset's description, None if there is none."""
    description = folder / "dandiset.yaml"
    if not description.exists():
        return None
    found = read_yaml(description, expected="The description of a dandiset", error=OutputError)
    content = found.content if isinstance(found.content, dict) else {}
    number = str(content.get("identifier", "")).rpartition(":")[2]
    return number or None


def _write_description(folder: Path, number: str | None) -> str:
    """Write dandiset.yaml unless it stands; return the dandiset's number."""
    known = read_number(folder)
    if number is None and known is not None:
        return known
    number = number or PLACEHOLDER
    if not (len(number) == 6 and number.isdigit()):
        raise OutputError(
            f"The dandiset number {number!r} was given; six digits such as 000123 were expected. "
            "The archive's page of the dandiset shows it."
        )
    if known not in (None, number, PLACEHOLDER):
        raise OutputError(
            f"{folder} belongs to dandiset {known}, not {number}. Use another folder, or leave "
            "the number out."
        )
    make_folder(folder)
    write_new(folder / "dandiset.yaml", f"identifier: DANDI:{number}\n", replace=True)
    return number


def _read_missing(source: Path) -> list[Requirement]:
    with open_session(source) as session:
        return missing_requirements(session.nwbfile)


def _broken_rules(source: Path) -> list[Finding]:
    """Return the rules of ours that a session breaks; dandi does not know them."""
    with open_session(source) as session:
        found = check_session(session)
    return [
        replace(finding, location=f"{source.name}{finding.location}")
        for finding in found
        if not is_valid([finding])
    ]


def _asset_names(sources: list[Path]) -> dict[Path, Path]:
    """Return source -> path in the dandiset, by the rules of dandi's own organizer."""
    if not sources:
        return {}
    from dandi.metadata.nwb import get_metadata
    from dandi.organize import create_unique_filenames_from_metadata

    rows: list[dict[str, Any]] = []
    for source in sources:
        with blamed_on(source):
            rows.append(get_metadata(str(source)) | {"path": str(source)})
    named = create_unique_filenames_from_metadata(rows, required_fields=["session_id"])
    return {Path(row["path"]): Path(row["dandi_path"]) for row in named}


def _copy_session(
    source: Path, folder: Path, asset: Path, report: Callable[[int], None]
) -> tuple[Path, ...]:
    """Copy a session and its videos; return the videos, relative to the dandiset."""
    target = folder / asset
    make_folder(target.parent)
    with new_h5(target, replace=True, copy_of=source, report=report) as h5:
        renamed = _rename_videos(h5, source, asset)
        for video, place in renamed.items():
            destination = target.parent / place
            make_folder(destination.parent)
            with new_file(destination, replace=True) as stream:
                copy_bytes(video, stream, report)
            shutil.copystat(video, destination)
    shutil.copystat(source, target)
    return tuple(asset.parent / place for place in renamed.values())


def _rename_videos(h5: h5py.File, source: Path, asset: Path) -> dict[Path, Path]:
    """Point a copy at its videos by dandi's names; return video -> path beside the copy."""
    renamed: dict[Path, Path] = {}
    for dataset, index, video in _list_videos(h5, source):
        object_id, suffix = dataset.parent.attrs["object_id"], video.suffix.lower()
        renamed[video] = Path(asset.stem, f"{object_id}_external_file_{index}{suffix}")
        dataset[index] = renamed[video].as_posix()
    return renamed


def _list_videos(h5: h5py.File, source: Path) -> Iterator[tuple[h5py.Dataset, int, Path]]:
    """Yield (names, index, video) of every video that a session refers to.

    What is copied is sent to a public archive: nothing but videos in the session's own folder.
    """
    for dataset in _external_files(h5):
        for index, name in enumerate(dataset.asstr()[:]):
            video = file_beside(source, name)
            if video.suffix.lower() not in VIDEOS:
                raise SessionFileError(
                    f"{source}: {dataset.parent.name} refers to {name!r}, which is no video that "
                    f"DANDI takes ({', '.join(VIDEOS)}). Do not trust this file, or remove "
                    f"{dataset.parent.name} from the session."
                )
            if not video.is_file():
                raise OutputError(
                    f"{source} refers to the video {name}, which is not there. Put it back at "
                    f"{video}, or remove {dataset.parent.name} from the session."
                )
            yield dataset, index, video


def _external_files(h5: h5py.File) -> list[h5py.Dataset]:
    found: list[h5py.Dataset] = []
    h5.visititems(
        lambda name, item: found.append(item) if name.endswith("/external_file") else None
    )
    return found


def _total_progress(
    folder: Path, sources: list[Path], progress: Progress | None
) -> Callable[[int], None]:
    """Refuse what the disk cannot hold; return a function that takes the bytes just copied."""
    total, done = sum(s.stat().st_size for s in sources), 0
    free = shutil.disk_usage(folder).free
    if total > free:
        raise OutputError(
            f"The copies need {total / 1e9:.1f} GB and the disk of {folder} has {free / 1e9:.1f} "
            "GB free. Choose a folder on a larger disk; nothing was copied."
        )

    def report(n_bytes: int) -> None:
        nonlocal done
        done += n_bytes
        if progress is not None:
            progress(min(done, total), total)

    return report


def _relative(path: str | None, folder: Path) -> str:
    """Return a path that dandi named, seen from the dandiset."""
    found = Path(path or folder).resolve()
    return (
        found.relative_to(folder.resolve()).as_posix()
        if found.is_relative_to(folder.resolve())
        else str(path)
    )
