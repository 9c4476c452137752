"""Frame times of a device: read from timeStamps.csv by column name, and repaired by stated rules.

The only repair is that of the first stamps, which the recorder writes negative or absurd: a
leading stamp that cannot be true is replaced by the next good one minus the median interval
(times the step of the DAQ frame number, where known). Everything else irregular is an error.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ace_nwb.errors import TimestampError
from ace_nwb.interfaces.miniscope_daq.folder import TIME_COLUMN, TIMESTAMPS_FILE

FRAME_COLUMN = "Frame Number"
BUFFER_COLUMN = "Buffer Index"
DAQ_COLUMN = "DAQ Frame Number"

DAQ_WRAP = 1 << 16

LARGEST_NUMBER = 2**53
"""Whole numbers beyond this one are not exact in float64; infinity and NaN are beyond it too."""

LEADING_ROWS = 10
"""Rows at the start whose stamps may be junk."""


@dataclass(frozen=True)
class FrameTimes:
    """The rows of a timeStamps.csv.

    Parameters
    ----------
    file_path
        The file.
    frame_number
        Column "Frame Number", int64.
    raw_s
        Column "Time Stamp (ms)" in seconds since the record button, as written.
    device_time_s
        The same after repair, strictly increasing.
    daq_frame
        Column "DAQ Frame Number" unwrapped over 65536; -1 where it was not read; None if the
        recorder did not write the column.
    buffer_index
        Column "Buffer Index"; -1 if the recorder did not write it.
    n_repaired
        Number of leading stamps that were replaced.
    """

    file_path: Path
    frame_number: np.ndarray
    raw_s: np.ndarray
    device_time_s: np.ndarray
    daq_frame: np.ndarray | None
    buffer_index: np.ndarray
    n_repaired: int

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second by the median interval; 0 for a single frame."""
        if len(self.device_time_s) < 2:
            return 0.0
        return float(1 / np.median(np.diff(self.device_time_s)))


def read_frame_times(device_path: Path) -> FrameTimes:
    """Read and check the time stamps of a device folder.

    Raises
    ------
    TimestampError
        If the file is missing, empty, lacks the time column, holds a cell that is no number, or
        stamps that do not increase.
    """
    file_path = device_path / TIMESTAMPS_FILE
    columns = read_number_table(file_path, required=(TIME_COLUMN,))
    raw_s = columns[TIME_COLUMN] / 1000.0
    daq_frame = None
    if DAQ_COLUMN in columns:
        daq_frame = unwrap_daq_frames(columns[DAQ_COLUMN].astype(np.int64))
    n_junk = count_junk_stamps(raw_s)
    device_time_s = repair_leading_stamps(raw_s, n_junk=n_junk, daq_frame=daq_frame)
    _check_increasing(device_time_s, raw_s, file_path=file_path)
    frame_number = columns.get(FRAME_COLUMN, np.arange(len(raw_s)))
    return FrameTimes(
        file_path=file_path,
        frame_number=frame_number.astype(np.int64),
        raw_s=raw_s,
        device_time_s=device_time_s,
        daq_frame=daq_frame,
        buffer_index=columns.get(BUFFER_COLUMN, np.full(len(raw_s), -1)).astype(np.int64),
        n_repaired=n_junk,
    )


def read_number_table(file_path: Path, *, required: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Read a CSV file of numbers into columns by name.

    Raises
    ------
    TimestampError
        Naming file, line and column of what is wrong.
    """
    if not file_path.is_file():
        raise TimestampError(
            f"{file_path} does not exist. The time stamps that the recorder writes beside the "
            "movie were expected; copy the file from the acquisition computer."
        )
    rows = _csv_rows(file_path)
    header = [name.strip() for name in next(rows, [])]
    missing = [name for name in required if name not in header]
    if missing:
        raise TimestampError(
            f"{file_path} has the columns {', '.join(header) or '(none)'}. A column "
            f'"{missing[0]}" was expected; is this the file of the recorder?'
        )
    values = [
        _numbers(row, header, file_path=file_path, line=line)
        for line, row in enumerate(rows, start=2)
        if row
    ]
    if not values:
        raise TimestampError(
            f"{file_path} has a header but no rows. One row per frame was expected; copy the file "
            "again."
        )
    table = np.array(values, dtype=np.float64)
    return {name: table[:, index] for index, name in enumerate(header)}


def unwrap_daq_frames(daq_frame: np.ndarray) -> np.ndarray:
    """Continue a 16-bit frame number, kept minus an offset, beyond its wraps.

    A number of -1 marks a failed read; it is filled in where the numbers around it leave one
    possibility, else stays -1.
    """
    known = np.flatnonzero(daq_frame != -1)
    unwrapped = np.full(len(daq_frame), -1, dtype=np.int64)
    if not len(known):
        return unwrapped
    steps = (np.diff(daq_frame[known]) + DAQ_WRAP // 2) % DAQ_WRAP - DAQ_WRAP // 2
    numbers = daq_frame[known[0]] + np.concatenate([[0], np.cumsum(steps)])
    unwrapped[known] = numbers
    for index in np.flatnonzero((np.diff(known) > 1) & (steps == np.diff(known))):
        between = np.arange(known[index] + 1, known[index + 1])
        unwrapped[between] = numbers[index] + between - known[index]
    return unwrapped


def count_junk_stamps(raw_s: np.ndarray) -> int:
    """Return how many leading stamps cannot be true.

    A leading stamp is junk if it is not before the first good one, or negative and further
    before it than ten median intervals per frame.
    """
    most = min(LEADING_ROWS, len(raw_s) - 2)
    for n_junk in range(most, 0, -1):
        before_s = raw_s[n_junk] - raw_s[:n_junk]
        longest_s = 10 * float(np.median(np.diff(raw_s))) * np.arange(n_junk, 0, -1)
        is_junk = (before_s <= 0) | ((raw_s[:n_junk] < 0) & (before_s > longest_s))
        if is_junk.all():
            return n_junk
    return 0


def repair_leading_stamps(
    raw_s: np.ndarray, *, n_junk: int, daq_frame: np.ndarray | None
) -> np.ndarray:
    """Replace leading junk stamps by times counted back from the first good one."""
    repaired = raw_s.copy()
    if n_junk == 0:
        return repaired
    interval_s = float(np.median(np.diff(raw_s[n_junk:])))
    for row in reversed(range(n_junk)):
        repaired[row] = repaired[row + 1] - interval_s * _daq_step(daq_frame, row)
    return repaired


def _daq_step(daq_frame: np.ndarray | None, row: int) -> int:
    """Return how many frames the device captured from one row to the next, as far as known."""
    if daq_frame is None or -1 in daq_frame[row : row + 2]:
        return 1
    return max(1, int(daq_frame[row + 1] - daq_frame[row]))


def _check_increasing(device_time_s: np.ndarray, raw_s: np.ndarray, *, file_path: Path) -> None:
    """Raise if a stamp is not finite or not after the one before it."""
    bad = np.flatnonzero(~(np.diff(device_time_s) > 0))
    if not len(bad):
        return
    row = int(bad[0]) + 1
    raise TimestampError(
        f"{file_path} line {row + 2}: the time stamp {raw_s[row] * 1000:.0f} ms follows "
        f"{raw_s[row - 1] * 1000:.0f} ms ({len(bad)} such place(s)). Time stamps that increase "
        "from row to row were expected; the file was edited, or the clock of the computer jumped."
    )


def _csv_rows(file_path: Path) -> Iterator[list[str]]:
    """Yield the rows of a CSV file as text cells."""
    try:
        with file_path.open(encoding="utf-8-sig", newline="") as file:
            yield from csv.reader(line.replace("\0", "") for line in file)
    except (UnicodeDecodeError, csv.Error) as error:
        raise TimestampError(
            f"{file_path} is no CSV text ({error}). Comma-separated UTF-8 was expected; copy the "
            "file again."
        ) from error


def _numbers(row: list[str], header: list[str], *, file_path: Path, line: int) -> list[float]:
    """Return the cells of a row as numbers."""
    if len(row) < len(header):
        raise TimestampError(
            f"{file_path} line {line} has {len(row)} of {len(header)} cells. Whole rows were "
            "expected; the file was cut off while it was written: remove the broken line."
        )
    numbers = [_number(cell) for cell in row[: len(header)]]
    for name, cell, number in zip(header, row, numbers, strict=False):
        if number is None:
            raise TimestampError(
                f'{file_path} line {line}, column "{name}" holds {cell!r}. A number was expected; '
                "correct the cell or copy the file again."
            )
    return [number for number in numbers if number is not None]


def _number(cell: str) -> float | None:
    """Return a cell as a number, None if it is none that a recorder writes."""
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if abs(number) <= LARGEST_NUMBER else None
