"""One row for every frame a device is known to have captured, recorded or lost."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from ace_nwb.interfaces.frame_rows import (
    DUPLICATED,
    EXTRA_ROW,
    RECORDED,
    UNREADABLE,
    FrameRows,
    MovieFile,
)
from ace_nwb.interfaces.frame_times import FrameTimes

DROPPED = "dropped"

STATUS_TEXT = {
    RECORDED: "saved",
    DROPPED: "counted by the board but not saved",
    DUPLICATED: "saved, with the board number of the frame before",
    UNREADABLE: "saved into a file that is missing or breaks off before it",
    EXTRA_ROW: "a time stamp beyond the last frame",
}

RESEED_FRAMES = 8
"""A jump of the DAQ number that its time gap leaves unexplained by more frames is no loss."""


@dataclass(frozen=True)
class FrameLedger:
    """What became of every frame of one device, in the order of capture.

    Parameters
    ----------
    movie_frame
        Index in the converted movie, -1 for a frame without a picture.
    file
        Movie file relative to the recording folder, empty for a lost frame.
    index_in_file
        Frame within that file, -1 for a lost frame.
    device_frame
        The recorder's own frame number, -1 where it gave none.
    daq_frame
        Number given by the acquisition board, unwrapped; -1 where unknown.
    device_time_s
        Seconds since the record button after repair; NaN for a lost frame.
    device_time_raw_s
        The stamp as the recorder wrote it; NaN where it wrote none.
    unix_time_s
        The computer's clock, seconds since the epoch; NaN where unknown.
    buffer_index
        Frames that waited in the recorder's buffer, -1 where unknown.
    repair
        Policy by which the time was made, empty where it is the raw stamp.
    status
        One of `STATUS_TEXT`.
    """

    movie_frame: np.ndarray
    file: np.ndarray
    index_in_file: np.ndarray
    device_frame: np.ndarray
    daq_frame: np.ndarray
    device_time_s: np.ndarray
    device_time_raw_s: np.ndarray
    unix_time_s: np.ndarray
    buffer_index: np.ndarray
    repair: np.ndarray
    status: np.ndarray

    @property
    def n_dropped(self) -> int:
        """Number of frames known to be lost."""
        return int(np.count_nonzero(self.status == DROPPED))

    @property
    def movie_times_s(self) -> np.ndarray:
        """Device times of the frames of the movie, shape (movie frame,)."""
        return self.device_time_s[self.movie_frame >= 0]

    def count(self, status: str) -> int:
        """Return the number of frames of a status."""
        return int(np.count_nonzero(self.status == status))


def first_frames(ledger: FrameLedger, n_frames: int | None) -> FrameLedger:
    """Return the rows of a ledger before frame `n_frames` of the movie; all if that is None."""
    if n_frames is None:
        return ledger
    beyond = np.flatnonzero(ledger.movie_frame >= n_frames)
    stop = int(beyond[0]) if len(beyond) else None
    return replace(
        ledger, **{item.name: getattr(ledger, item.name)[:stop] for item in fields(ledger)}
    )


def build_ledger(
    times: FrameTimes, rows: FrameRows, files: Sequence[MovieFile], *, base_path: Path
) -> FrameLedger:
    """Join time stamps and movie files, and insert the frames that the board counted in between.

    Parameters
    ----------
    times, rows
        One entry per row of time stamps.
    files
        The movie files.
    base_path
        Folder that file names are relative to.
    """
    n_recorded = len(times.raw_s)
    lost_before = count_lost_frames(times)
    position = np.arange(n_recorded) + np.cumsum(lost_before)
    n_rows = n_recorded + int(lost_before.sum())
    names = np.array([*(_relative(file.file_path, base_path) for file in files), ""])
    unix_s = np.full(n_recorded, np.nan) if times.unix_time_s is None else times.unix_time_s

    def spread(values: np.ndarray, fill: float | str) -> np.ndarray:
        return _spread(values, position, n_rows=n_rows, fill=fill)

    return FrameLedger(
        movie_frame=spread(rows.movie_frame, -1),
        file=spread(names[rows.file_index], ""),
        index_in_file=spread(rows.index_in_file, -1),
        device_frame=spread(times.frame_number, -1),
        daq_frame=_daq_of_all(times, lost_before, position=position, n_rows=n_rows),
        device_time_s=spread(times.device_time_s, np.nan),
        device_time_raw_s=spread(times.raw_s, np.nan),
        unix_time_s=spread(unix_s, np.nan),
        buffer_index=spread(times.buffer_index, -1),
        repair=spread(times.repair, ""),
        status=spread(rows.status, DROPPED),
    )


def join_ledgers(ledgers: Sequence[FrameLedger]) -> FrameLedger:
    """Return one ledger of a movie that was recorded in several stretches."""
    columns = {}
    for field in fields(FrameLedger):
        columns[field.name] = np.concatenate([getattr(ledger, field.name) for ledger in ledgers])
    lengths = [int((ledger.movie_frame >= 0).sum()) for ledger in ledgers]
    offsets = np.repeat(
        np.concatenate([[0], np.cumsum(lengths)[:-1]]), [len(led.status) for led in ledgers]
    )
    frames = columns["movie_frame"]
    columns["movie_frame"] = np.where(frames >= 0, frames + offsets, -1)
    return FrameLedger(**columns)


def shift_ledger(ledger: FrameLedger, offset_s: float, *, file_prefix: str) -> FrameLedger:
    """Return a ledger whose times count from an earlier zero, files below a folder."""
    names = np.array([f"{file_prefix}/{name}" if name else "" for name in ledger.file])
    return replace(ledger, device_time_s=ledger.device_time_s + offset_s, file=names)


def count_lost_frames(times: FrameTimes) -> np.ndarray:
    """Return how many frames the board counted between each row and the row before it.

    A step of the board's number counts as loss where the time that passed can hold the frames;
    otherwise the number was seeded anew (the recorder reconnected) and nothing is known.
    """
    lost = np.zeros(len(times.raw_s), dtype=np.int64)
    if times.daq_frame is None:
        return lost
    known = np.flatnonzero(times.daq_frame != -1)
    missing = np.diff(times.daq_frame[known]) - np.diff(known)
    for index in np.flatnonzero(missing > 0):
        before, after = int(known[index]), int(known[index + 1])
        intervals_s = np.diff(times.device_time_s[before : after + 1])
        room = float(intervals_s.sum()) * times.frame_rate_hz - (after - before)
        if missing[index] <= room + RESEED_FRAMES:
            lost[before + 1 + int(np.argmax(intervals_s))] = missing[index]
    return lost


def _daq_of_all(
    times: FrameTimes, lost_before: np.ndarray, *, position: np.ndarray, n_rows: int
) -> np.ndarray:
    """Return the board's numbers of recorded and lost frames."""
    if times.daq_frame is None:
        return np.full(n_rows, -1, dtype=np.int64)
    numbers = _spread(times.daq_frame, position, n_rows=n_rows, fill=-1)
    for row in np.flatnonzero(lost_before):
        if times.daq_frame[row] == -1:
            continue
        last, count = int(position[row]), int(lost_before[row])
        numbers[last - count : last] = times.daq_frame[row] - np.arange(count, 0, -1)
    return numbers


def _relative(file_path: Path, base_path: Path) -> str:
    """Return the name of a movie file within its recording."""
    return file_path.relative_to(base_path).as_posix()


def _spread(
    values: np.ndarray, position: np.ndarray, *, n_rows: int, fill: float | str
) -> np.ndarray:
    """Put values at their rows among `n_rows`, the rest filled."""
    dtype = values.dtype
    if dtype.kind == "U":
        dtype = np.dtype(f"U{max(dtype.itemsize // 4, len(str(fill)), 1)}")
    spread = np.full(n_rows, fill, dtype=dtype)
    spread[position] = values
    return spread
