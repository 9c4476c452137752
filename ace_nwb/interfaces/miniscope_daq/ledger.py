"""One row for every frame a device is known to have captured, recorded or lost."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ace_nwb.interfaces.miniscope_daq.timestamps import FrameTimes
from ace_nwb.interfaces.video import MovieProbe

RECORDED = "recorded"
DROPPED = "dropped"

RESEED_FRAMES = 8
"""A jump of the DAQ number that its time gap leaves unexplained by more frames is no loss."""


@dataclass(frozen=True)
class FrameLedger:
    """What became of every frame of one device, in the order of capture.

    Parameters
    ----------
    movie_frame
        Index in the converted movie, -1 for a lost frame.
    file
        Movie file relative to the recording folder, empty for a lost frame.
    index_in_file
        Frame within that file, -1 for a lost frame.
    device_frame
        The recorder's own frame number, -1 for a lost frame.
    daq_frame
        Number given by the acquisition board, unwrapped; -1 where unknown.
    device_time_s
        Seconds since the record button after repair of the first stamps; NaN for a lost frame.
    device_time_raw_s
        The stamp as the recorder wrote it; NaN for a lost frame.
    buffer_index
        Frames that waited in the recorder's buffer, -1 where unknown.
    status
        "recorded" or "dropped".
    """

    movie_frame: np.ndarray
    file: np.ndarray
    index_in_file: np.ndarray
    device_frame: np.ndarray
    daq_frame: np.ndarray
    device_time_s: np.ndarray
    device_time_raw_s: np.ndarray
    buffer_index: np.ndarray
    status: np.ndarray

    @property
    def n_dropped(self) -> int:
        """Number of frames known to be lost."""
        return int(np.count_nonzero(self.status == DROPPED))


def build_ledger(
    times: FrameTimes, probes: tuple[MovieProbe, ...], *, base_path: Path
) -> FrameLedger:
    """Join time stamps and movie files, and insert the frames that the board counted in between.

    Parameters
    ----------
    times
        One row per recorded frame.
    probes
        The movie files, together of as many frames.
    base_path
        Folder that file names are relative to.
    """
    n_recorded = len(times.raw_s)
    lost_before = count_lost_frames(times)
    position = np.arange(n_recorded) + np.cumsum(lost_before)
    n_rows = n_recorded + int(lost_before.sum())
    names = np.repeat(
        [probe.file_path.relative_to(base_path).as_posix() for probe in probes],
        [probe.n_frames for probe in probes],
    )
    index_in_file = np.concatenate([np.arange(probe.n_frames) for probe in probes])
    status = _spread(np.full(n_recorded, RECORDED), position, n_rows=n_rows, fill=DROPPED)
    return FrameLedger(
        movie_frame=_spread(np.arange(n_recorded), position, n_rows=n_rows, fill=-1),
        file=_spread(names, position, n_rows=n_rows, fill=""),
        index_in_file=_spread(index_in_file, position, n_rows=n_rows, fill=-1),
        device_frame=_spread(times.frame_number, position, n_rows=n_rows, fill=-1),
        daq_frame=_daq_of_all(times, lost_before, position=position, n_rows=n_rows),
        device_time_s=_spread(times.device_time_s, position, n_rows=n_rows, fill=np.nan),
        device_time_raw_s=_spread(times.raw_s, position, n_rows=n_rows, fill=np.nan),
        buffer_index=_spread(times.buffer_index, position, n_rows=n_rows, fill=-1),
        status=status,
    )


def count_lost_frames(times: FrameTimes) -> np.ndarray:
    """Return how many frames the board counted between each row and the row before it.

    A step of the board's number counts as loss where the time that passed can hold the frames;
    otherwise the number was seeded anew (the recorder reconnected) and nothing is known.
    """
    lost = np.zeros(len(times.raw_s), dtype=np.int64)
    if times.daq_frame is None:
        return lost
    known = np.flatnonzero(times.daq_frame != -1)
    for before, after in pairwise(known):
        missing = int(times.daq_frame[after] - times.daq_frame[before]) - int(after - before)
        if missing <= 0:
            continue
        intervals_s = np.diff(times.device_time_s[before : after + 1])
        room = float(intervals_s.sum()) * times.frame_rate_hz - int(after - before)
        if missing <= room + RESEED_FRAMES:
            lost[before + 1 + int(np.argmax(intervals_s))] = missing
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


def _spread(
    values: np.ndarray, position: np.ndarray, *, n_rows: int, fill: float | str
) -> np.ndarray:
    """Put values at their rows among `n_rows`, the rest filled."""
    dtype = values.dtype
    if dtype.kind == "U":
        dtype = np.dtype(f"U{max(dtype.itemsize // 4, len(str(fill)))}")
    spread = np.full(n_rows, fill, dtype=dtype)
    spread[position] = values
    return spread
