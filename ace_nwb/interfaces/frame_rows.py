"""Movie files and rows of time stamps put together: which row belongs to which picture.

Rows and captured frames are counted from the start. A file that is cut off or missing leaves the
rows of its frames without a picture; rows beyond the last frame are extra.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from ace_nwb.errors import MovieError, TimestampError
from ace_nwb.interfaces.frame_times import FrameTimes, add_rows, are_places_told
from ace_nwb.interfaces.policies import REFUSE, Irregularity, Policies
from ace_nwb.interfaces.video import MovieProbe, cut_off_sentence, probe_movie

RECORDED = "recorded"
DUPLICATED = "duplicated"
UNREADABLE = "unreadable"
EXTRA_ROW = "extra_row"


@dataclass(frozen=True)
class MovieFile:
    """A file of a movie: what it should hold, and what can be read.

    Parameters
    ----------
    file_path
        Where it is, or should be.
    probe
        What was measured; None if it is missing or cannot be opened.
    n_frames
        Frames that can be read.
    n_expected
        Frames that it should hold, None where only the others say.
    """

    file_path: Path
    probe: MovieProbe | None
    n_frames: int
    n_expected: int | None

    @property
    def is_whole(self) -> bool:
        """Whether every frame can be read."""
        return self.n_expected == self.n_frames


@dataclass(frozen=True)
class FrameRows:
    """One entry per row of time stamps.

    Parameters
    ----------
    movie_frame
        Index in the converted movie, -1 where there is no picture.
    file_index, index_in_file
        Which file and frame within it; -1 for extra rows.
    status
        "recorded", "duplicated", "unreadable" or "extra_row".
    """

    movie_frame: np.ndarray
    file_index: np.ndarray
    index_in_file: np.ndarray
    status: np.ndarray


def probe_files(
    paths: Sequence[Path],
    *,
    missing: Sequence[Path] = (),
    order: Sequence[Path] | None = None,
    policies: Policies,
    device: str,
    frames_per_file: int | None = None,
    decode: bool = False,
) -> tuple[tuple[MovieFile, ...], list[Irregularity]]:
    """Measure the files of a movie.

    Parameters
    ----------
    paths, missing
        Files that are there, and gaps in their numbering.
    order
        All of them in order; `paths` if not given.
    policies
        With `cut_movies=salvage` frames are counted by decoding.
    frames_per_file
        As the recorder was set; the commonest count of whole files if not given.
    decode
        Count by decoding.

    Raises
    ------
    MovieError
        If no file can be read at all.
    """
    is_decoded = decode or policies["cut_movies"] == "salvage"
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        measured = list(pool.map(partial(_try_measure, decode=is_decoded), paths))
    pairs = list(zip(paths, measured, strict=True))
    found = {path: item for path, item in pairs if isinstance(item, MovieFile)}
    broken = [(path, item) for path, item in pairs if isinstance(item, MovieError)]
    if not found or not any(file.n_frames for file in found.values()):
        raise broken[0][1] if broken else MovieError(_say_empty(paths))
    whole = [file.n_frames for file in found.values() if file.is_whole]
    usual = frames_per_file or (max(set(whole), key=whole.count) if whole else None)
    ordered = [*(paths if order is None else order)]
    files = []
    for path in ordered:
        file = found.get(path, MovieFile(path, None, 0, None))
        if not file.is_whole:
            is_last = path == ordered[-1]
            file = replace(file, n_expected=None if is_last else _expected(file, usual))
        files.append(file)
    noted = [
        _cut_file(file, policies, device) for file in files if file.probe and not file.is_whole
    ]
    noted += [_broken_file(error, policies, device) for _path, error in broken]
    noted += _missing_files(missing, ordered, policies=policies, device=device)
    return tuple(files), noted


def usable_probes(files: Sequence[MovieFile]) -> tuple[MovieProbe, ...]:
    """Return the files that hold pictures, with the number that can be read."""
    return tuple(
        replace(file.probe, n_frames=file.n_frames)
        for file in files
        if file.probe and file.n_frames
    )


def assign_rows(
    files: Sequence[MovieFile], times: FrameTimes, *, policies: Policies, device: str
) -> tuple[FrameRows, FrameTimes, list[Irregularity]]:
    """Give every row of time stamps its picture, and every picture a row.

    Returns
    -------
        The rows, the times (extended where frames have none), and what is irregular.
    """
    counts = expected_counts(files, n_rows=len(times.raw_s))
    file_index = np.repeat(np.arange(len(files)), counts)
    index_in_file = np.concatenate([np.arange(count) for count in counts])
    is_readable = index_in_file < np.array([file.n_frames for file in files])[file_index]
    n_slots = len(file_index)
    noted = _count_irregularities(files, times, n_slots=n_slots, policies=policies, device=device)
    if n_slots > len(times.raw_s):
        times = add_rows(times, n_slots)
    n_extra = len(times.raw_s) - n_slots
    status = np.where(is_readable, RECORDED, UNREADABLE).astype("U12")
    movie_frame = np.where(is_readable, np.cumsum(is_readable) - 1, -1)
    status = _mark_duplicated(status, times)
    nowhere = np.full(n_extra, -1)
    rows = FrameRows(
        movie_frame=np.concatenate([movie_frame, nowhere]),
        file_index=np.concatenate([file_index, nowhere]),
        index_in_file=np.concatenate([index_in_file, nowhere]),
        status=np.concatenate([status, np.full(n_extra, EXTRA_ROW)]),
    )
    return rows, times, noted


def expected_counts(files: Sequence[MovieFile], *, n_rows: int) -> list[int]:
    """Return how many frames each file should hold; rows left over belong to the last unknown."""
    counts = [file.n_frames if file.n_expected is None else file.n_expected for file in files]
    unknown = [index for index, file in enumerate(files) if file.n_expected is None]
    if unknown:
        left = n_rows - sum(counts)
        last = unknown[-1]
        probe = files[last].probe
        stated = 0 if probe is None else probe.n_frames_header - files[last].n_frames
        counts[last] += max(0, min(left, stated) if stated > 0 else left)
    return counts


def _try_measure(path: Path, *, decode: bool) -> MovieFile | MovieError:
    """Measure one file, or return why it cannot be read."""
    try:
        return _measure(path, decode=decode)
    except MovieError as error:
        return error


def _measure(path: Path, *, decode: bool) -> MovieFile:
    """Measure one file; a file that breaks off is counted by decoding."""
    probe = probe_movie(path, decode=decode)
    if not probe.is_cut_off:
        return MovieFile(path, probe, probe.n_frames, probe.n_frames)
    if not decode:
        probe = replace(probe_movie(path, decode=True), is_cut_off=True)
    return MovieFile(path, probe, probe.n_frames, None)


def _expected(file: MovieFile, usual: int | None) -> int:
    """Return how many frames a damaged file should hold."""
    header = file.probe.n_frames_header if file.probe else 0
    return max(file.n_frames, header or usual or file.n_frames)


def _mark_duplicated(status: np.ndarray, times: FrameTimes) -> np.ndarray:
    """Mark frames whose board number is that of the frame before."""
    if times.daq_frame is None:
        return status
    daq = times.daq_frame[: len(status)]
    again = np.flatnonzero((np.diff(daq) == 0) & (daq[1:] != -1)) + 1
    status[again[status[again] == RECORDED]] = DUPLICATED
    return status


def _count_irregularities(
    files: Sequence[MovieFile],
    times: FrameTimes,
    *,
    n_slots: int,
    policies: Policies,
    device: str,
) -> list[Irregularity]:
    """Say whether there are more or fewer rows than frames."""
    n_rows = len(times.raw_s)
    if n_rows == n_slots:
        return []
    policy = "missing_rows" if n_rows < n_slots else "extra_rows"
    which = "fewer" if n_rows < n_slots else "more"
    told = "; their numbers say which" if are_places_told(times, n_slots) else ""
    too_many = abs(n_rows - n_slots) > max(10, 0.1 * n_slots)
    return [
        Irregularity(
            policy=policy,
            choice=REFUSE if too_many else policies[policy],
            device=device,
            count=abs(n_rows - n_slots),
            found=f"{times.file_path} has {n_rows} rows, {which} than the {n_slots} frames in "
            f"{files[0].file_path.name} to {files[-1].file_path.name}{told}",
            expected="One row per frame was expected; complete the copy of the folder, or correct "
            "the file of time stamps.",
            error=TimestampError,
            has_way_out=not too_many,
        )
    ]


CUT_EXPECTED = "A whole file was expected. Copy the file again from its source."


def _cut_file(file: MovieFile, policies: Policies, device: str) -> Irregularity:
    """Note a file that breaks off."""
    found = "" if file.probe is None else cut_off_sentence(file.probe)
    return Irregularity(
        "cut_movies", policies["cut_movies"], device, 1, found, CUT_EXPECTED, MovieError
    )


def _broken_file(error: MovieError, policies: Policies, device: str) -> Irregularity:
    """Note a file that cannot be opened."""
    return Irregularity(
        "cut_movies", policies["cut_movies"], device, 1, error.found, error.expected, MovieError
    )


def _missing_files(
    missing: Sequence[Path], ordered: Sequence[Path], *, policies: Policies, device: str
) -> list[Irregularity]:
    """Note gaps in the numbering."""
    if not missing:
        return []
    there = [path.name for path in ordered if path not in missing]
    first, last = ordered[0], ordered[-1]
    return [
        Irregularity(
            policy="missing_movies",
            choice=policies["missing_movies"],
            device=device,
            count=len(missing),
            found=f"{first.parent} holds the movies {', '.join(there)}",
            expected=f"Each number from {first.stem} to {last.stem} was expected once; find the "
            "missing file or move the extra one away.",
            error=MovieError,
        )
    ]


def _say_empty(paths: Sequence[Path]) -> str:
    """Say that files hold no frames."""
    return (
        f"{paths[0].parent} holds movies without a single frame. At least one whole frame was "
        "expected; copy the files again."
    )
