"""Frame times of a device: raw stamps, what is irregular in them, times that increase.

`stamps` holds the rules; here they meet the policies and become sentences with file and line.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ace_nwb.errors import TimestampError
from ace_nwb.interfaces.policies import REFUSE, SINGLE, Irregularity, Policies
from ace_nwb.interfaces.stamps import (
    Classification,
    are_single,
    classify_stamps,
    frame_positions,
    interpolate_times,
    median_interval,
    repair_stamps,
)

DAQ_WRAP = 1 << 16  # frame numbers of the DAQ have 16 bits and begin anew

LONG_JUMP_S = 600.0
"""A clock that leaps by so much was set (summer time, a time server), s: no recorder waits that
long for a frame. It has to be said whether the animal, too, was without a camera for that time."""

NO_REPAIR = ""


@dataclass(frozen=True)
class StampTable:
    """Time stamps as a recorder wrote them, one row per frame.

    Parameters
    ----------
    file_path
        The file.
    frame_number
        The recorder's own number, int64.
    raw_s
        Stamps in seconds, NaN where they cannot be read.
    daq_frame
        Number given by the acquisition board, unwrapped; -1 where unknown; None without it.
    buffer_index
        Frames that waited in the recorder's buffer; -1 where unknown.
    unix_time_s
        The computer's clock, seconds since the epoch; None if the recorder did not write it.
    lines
        Line of the file of every row.
    first_number
        Number that the recorder gives to its first frame.
    """

    file_path: Path
    frame_number: np.ndarray
    raw_s: np.ndarray
    daq_frame: np.ndarray | None
    buffer_index: np.ndarray
    unix_time_s: np.ndarray | None
    lines: np.ndarray
    first_number: int = field(default=0, kw_only=True)


@dataclass(frozen=True)
class FrameTimes(StampTable):
    """Rows with times after repair.

    Parameters
    ----------
    device_time_s
        Strictly increasing.
    repair
        Policy by which the time of a row was made, empty where it is the raw stamp.
    irregularities
        What is irregular in the rows.
    """

    device_time_s: np.ndarray
    repair: np.ndarray
    irregularities: tuple[Irregularity, ...]

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second by the median interval; 0 for a single frame."""
        interval_s = median_interval(self.device_time_s)
        return 1 / interval_s if interval_s > 0 else 0.0

    @property
    def n_repaired(self) -> int:
        """Number of rows whose time is not the raw stamp."""
        return int(np.count_nonzero(self.repair != NO_REPAIR))


def make_stamp_table(
    file_path: Path,
    raw_s: np.ndarray,
    *,
    frame_number: np.ndarray | None = None,
    daq_frame: np.ndarray | None = None,
    buffer_index: np.ndarray | None = None,
    lines: np.ndarray | None = None,
    first_line: int = 2,
    first_number: int = 0,
) -> StampTable:
    """Return a table of stamps, what the recorder did not write marked as unknown."""
    n_rows = len(raw_s)
    return StampTable(
        file_path=file_path,
        frame_number=np.arange(n_rows) if frame_number is None else frame_number,
        raw_s=np.asarray(raw_s, np.float64),
        daq_frame=daq_frame,
        buffer_index=np.full(n_rows, -1) if buffer_index is None else buffer_index,
        unix_time_s=None,
        lines=first_line + np.arange(n_rows) if lines is None else lines,
        first_number=first_number,
    )


def repair_table(
    table: StampTable,
    *,
    policies: Policies,
    device: str,
    irregularities: Sequence[Irregularity] = (),
) -> FrameTimes:
    """Classify the stamps of a table and give every row a time by the rules of the policies."""
    position = frame_positions(len(table.raw_s), table.daq_frame)
    found = classify_stamps(table.raw_s, position, is_counted=table.daq_frame is not None)
    bridge_forward = policies["forward_jumps"] == "bridge"
    times_s = repair_stamps(table.raw_s, position, found=found, bridge_forward=bridge_forward)
    if found.is_shuffled or not (np.diff(times_s) > 0).all():
        times_s = table.raw_s
    noted = _irregularities(table, found, times_s, policies=policies, device=device)
    noted += _unsorted_rows(table, policies=policies, device=device)
    return FrameTimes(
        **vars(table),
        device_time_s=times_s,
        repair=_repairs(table.raw_s, found, bridge_forward=bridge_forward),
        irregularities=(*irregularities, *noted, *_still_wrong(table, times_s, noted, device)),
    )


def row_order(frame_number: np.ndarray) -> np.ndarray:
    """Return the rows in the order of the recorder's frame numbers, if each of them comes once."""
    if frame_number.min() < 0 or len(np.unique(frame_number)) < len(frame_number):
        return np.arange(len(frame_number))
    return np.argsort(frame_number)


def are_places_told(times: StampTable, n_rows: int) -> bool:
    """Return whether frame numbers say which of `n_rows` rows are missing before the last one."""
    place = times.frame_number - times.first_number
    is_ordered = bool((np.diff(place) > 0).all())
    return is_ordered and place[0] >= 0 and len(place) <= place[-1] < n_rows


def add_rows(times: FrameTimes, n_rows: int) -> FrameTimes:
    """Return times with a row for every frame.

    Missing ones are put where frame numbers say, at times between their neighbours; else at the
    end, at the median interval.
    """
    is_told = are_places_told(times, n_rows)
    place = times.frame_number - times.first_number if is_told else np.arange(len(times.raw_s))

    def spread(values: np.ndarray, fill: object) -> np.ndarray:
        whole = np.full(n_rows, fill, values.dtype)
        whole[place] = values
        return whole

    is_there = spread(np.ones(len(place), bool), False)
    times_s = interpolate_times(
        spread(times.device_time_s, np.nan), np.arange(n_rows, dtype=float), is_there
    )
    return replace(
        times,
        frame_number=spread(times.frame_number, -1),
        raw_s=spread(times.raw_s, np.nan),
        daq_frame=None if times.daq_frame is None else spread(times.daq_frame, -1),
        buffer_index=spread(times.buffer_index, -1),
        unix_time_s=None if times.unix_time_s is None else spread(times.unix_time_s, np.nan),
        lines=spread(times.lines, -1),
        device_time_s=times_s,
        repair=spread(times.repair, "missing_rows"),
    )


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


def _repairs(raw_s: np.ndarray, found: Classification, *, bridge_forward: bool) -> np.ndarray:
    """Return by which policy each row's time was made."""
    repair = np.full(len(raw_s), NO_REPAIR, "U32")
    for row, _jump_s in found.jumps:
        repair[row:] = "clock_jumps"
    for row, _jump_s in found.forward_jumps if bridge_forward else ():
        repair[row:] = "forward_jumps"
    repair[: found.n_junk] = "junk_stamps"
    repair[found.unreadable] = "unreadable_stamps"
    repair[found.duplicate] = "duplicate_stamps"
    repair[found.backward] = "backward_stamps"
    return repair


INCREASING_EXPECTED = (
    "Time stamps that increase from row to row were expected; the file was edited, or the clock "
    "of the computer jumped."
)
TRUE_EXPECTED = "Stamps since the record button were expected; correct the first rows."


def _unsorted_rows(table: StampTable, *, policies: Policies, device: str) -> list[Irregularity]:
    """Say that rows stood in another order than their frame numbers."""
    back = np.flatnonzero(np.diff(table.lines) < 0)
    if not len(back):
        return []
    row = int(back[0]) + 1
    found = (
        f"{table.file_path} line {table.lines[row]} holds frame {table.frame_number[row]}, behind "
        f"frame {table.frame_number[row - 1]} in line {table.lines[row - 1]} ({len(back)} such "
        "place(s))"
    )
    expected = "Rows in the order of their frames were expected; was the file sorted?"
    choice = policies["unsorted_rows"]
    return [
        Irregularity("unsorted_rows", choice, device, len(back), found, expected, TimestampError)
    ]


def _irregularities(
    table: StampTable,
    found: Classification,
    times_s: np.ndarray,
    *,
    policies: Policies,
    device: str,
) -> list[Irregularity]:
    """Say what is irregular in the stamps."""
    decided = _decide(table, found, times_s, policies)
    jumps = [row for row, _jump_s in found.jumps]
    forward = [row for row, _jump_s in found.forward_jumps]
    kinds: list[tuple[str, np.ndarray | list[int], str, str]] = [
        ("junk_stamps", np.arange(found.n_junk), _say_junk(table, found.n_junk), TRUE_EXPECTED),
        ("negative_stamps", found.negative, _say_negative(table, found.negative), TRUE_EXPECTED),
        ("clock_jumps", jumps, _say_jump(table, found.jumps), INCREASING_EXPECTED),
        ("forward_jumps", forward, _say_jump(table, found.forward_jumps), INCREASING_EXPECTED),
        ("duplicate_stamps", found.duplicate, _say_back(table, found.duplicate), ""),
        ("backward_stamps", found.backward, _say_back(table, found.backward), ""),
    ]
    return [
        Irregularity(
            policy=policy,
            choice=decided.get(policy, policies[policy]),
            device=device,
            count=len(rows),
            found=text,
            expected=expected or INCREASING_EXPECTED,
            error=TimestampError,
            has_way_out=not found.is_shuffled,
        )
        for policy, rows, text, expected in kinds
        if len(rows)
    ]


STAMP_POLICIES = (
    "junk_stamps",
    "negative_stamps",
    "clock_jumps",
    "forward_jumps",
    "duplicate_stamps",
    "backward_stamps",
)


def _decide(
    table: StampTable, found: Classification, times_s: np.ndarray, policies: Policies
) -> dict[str, str]:
    """Return policy -> choice where it depends on what was found."""
    if found.is_shuffled:
        return dict.fromkeys(STAMP_POLICIES, REFUSE)
    decided = {}
    single = np.concatenate([found.duplicate, found.backward]).astype(int)
    if not are_single(table.raw_s, times_s, single):
        for policy in ("duplicate_stamps", "backward_stamps"):
            if policies[policy] == SINGLE:
                decided[policy] = REFUSE
    longest_s = max((jump_s for _row, jump_s in found.forward_jumps), default=0.0)
    if longest_s >= LONG_JUMP_S and "forward_jumps" not in policies.stated:
        decided["forward_jumps"] = REFUSE
    return decided


def _still_wrong(
    table: StampTable, times_s: np.ndarray, noted: list[Irregularity], device: str
) -> list[Irregularity]:
    """Return a refusal if times do not increase and nothing said so."""
    bad = np.flatnonzero(~(np.diff(times_s) > 0)) + 1
    if not len(bad) or any(item.is_refused for item in noted):
        return []
    text = _say_back(table, bad)
    return [
        Irregularity(
            policy="backward_stamps",
            choice=REFUSE,
            device=device,
            count=len(bad),
            found=text,
            expected=INCREASING_EXPECTED,
            error=TimestampError,
            has_way_out=False,
        )
    ]


def _say_junk(table: StampTable, n_junk: int) -> str:
    """Say which leading stamps cannot be true."""
    raw_ms = ", ".join(f"{value * 1000:.0f}" for value in table.raw_s[:n_junk])
    return f"{table.file_path}: the first {n_junk} time stamp(s) ({raw_ms} ms) cannot be true"


def _say_negative(table: StampTable, rows: np.ndarray) -> str:
    """Say that stamps lie before the record button."""
    if not len(rows):
        return ""
    return (
        f"{table.file_path} line {table.lines[rows[0]]}: {len(rows)} time stamp(s) from "
        f"{table.raw_s[rows[0]] * 1000:.0f} ms lie before the record button"
    )


def _say_jump(table: StampTable, jumps: Sequence[tuple[int, float]]) -> str:
    """Say where the clock jumped."""
    if not jumps:
        return ""
    row, jump_s = jumps[0]
    more = f" ({len(jumps)} such places)" if len(jumps) > 1 else ""
    return (
        f"{table.file_path} line {table.lines[row]}: the time stamp {_ms(table, row)} ms follows "
        f"{_ms(table, row - 1)} ms; the clock jumped by {jump_s * 1000:+.0f} ms there{more}"
    )


def _say_back(table: StampTable, rows: np.ndarray) -> str:
    """Say which rows do not come after the row before them."""
    if not len(rows):
        return ""
    bad = np.flatnonzero(~(np.diff(table.raw_s) > 0)) + 1
    row = int(bad[0]) if len(bad) else int(rows[0])
    return (
        f"{table.file_path} line {table.lines[row]}: the time stamp {_ms(table, row)} ms follows "
        f"{_ms(table, row - 1)} ms ({len(rows)} such place(s))"
    )


def _ms(table: StampTable, row: int) -> str:
    """Return a raw stamp in milliseconds."""
    return f"{table.raw_s[row] * 1000:.0f}"
