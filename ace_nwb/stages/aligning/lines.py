"""The lines that may carry frame pulses: TTL tables, port bits, analog channels; and which does."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ace_nwb.errors import ParameterError, SyncError, UnknownNameError
from ace_nwb.nwb.content.ephys import list_ephys
from ace_nwb.nwb.content.events import list_ttl_lines, read_ttl_line
from ace_nwb.nwb.content.sync import list_device_lines
from ace_nwb.nwb.session import Session
from ace_nwb.stages.aligning.recorder import find_frames_per_pulse
from ace_nwb.stages.settings.params import SyncParams
from ace_nwb.sync.alignment import align_frames
from ace_nwb.sync.analog import find_edges
from ace_nwb.sync.frames import frame_interval
from ace_nwb.sync.pulses import choose_line, find_gate, find_pulses, score_line, split_word

_BITS = "&"
"""Joins the name of a table of port words and the mask of the bits taken from it."""

_TIMES_MORE, _MORE_LEFT = 3, 10
"""How many more frames and pulses without a partner another camera's line must leave: ten are a
third of a second, which two programs started by hand are apart."""

Edges = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Times (s, session clock), levels, and rows of the table."""


@dataclass(frozen=True)
class LinePulses:
    """Pulses of one or several lines; arrays have shape (pulse,)."""

    names: tuple[str, ...]
    times_s: np.ndarray
    edge: np.ndarray
    line: np.ndarray
    evidence: str


def list_ephys_lines(session: Session) -> list[str]:
    """Return the names of the TTL lines that are on the ephys clock."""
    of_device = list_device_lines(session)
    return [name for name in list_ttl_lines(session) if name not in of_device]


def find_line_pulses(session: Session, params: SyncParams, device_time_s: np.ndarray) -> LinePulses:
    """Return one pulse per captured frame, or per nth, of the lines named or of the one that fits.

    Parameters
    ----------
    session, params
        The open session, and what was chosen.
    device_time_s
        Time stamp of each saved frame of the camera, device clock, shape (n_frames,).
    """
    n_per_pulse = find_frames_per_pulse(session, params)
    interval_s = frame_interval(device_time_s) * n_per_pulse
    n_pulses = len(device_time_s) // n_per_pulse
    lines = _read_lines(session, params)
    if params.line is None:
        scores = {
            line: score_line(times, levels, frame_interval_s=interval_s, n_frames=n_pulses)
            for line, (times, levels, _) in lines.items()
        }
        decide = partial(_decide_by_frames, lines, device_time_s)
        otherwise = _say_gates(lines, device_time_s)
        names = [choose_line(scores, otherwise=otherwise, decide=decide)]
    else:
        names = [name.strip() for name in params.line.split(",")]
    found = []
    for name in names:
        if name not in lines:
            raise UnknownNameError.among("TTL line", name, lines)
        times, levels, table_rows = lines[name]
        one = find_pulses(
            times,
            levels,
            frame_interval_s=interval_s,
            pulse_mode=params.pulse_mode,
            pulse_edge=params.pulse_edge,
            debounce_ms=params.debounce_ms,
        )
        found.append((one.times_s, table_rows[one.edge], one))
    times = np.concatenate([times for times, _, _ in found])
    edge = np.concatenate([edges for _, edges, _ in found])
    line = np.repeat(np.arange(len(found)), [len(times) for times, _, _ in found])
    order = np.argsort(times, kind="stable")
    evidence = "; ".join(_say_how(one) for _, _, one in found)
    return LinePulses(tuple(names), times[order], edge[order], line[order], evidence)


def _say_how(found: Any) -> str:
    """Say how a line was reduced to pulses."""
    glitches = f"; {found.n_glitches} edges of glitches left out" if found.n_glitches else ""
    return f"{found.mode} by {found.evidence}{glitches}"


def _read_lines(session: Session, params: SyncParams) -> dict[str, Edges]:
    """Return the edges of every line within the window; words of a port bit by bit."""
    wanted = None if params.line is None else {n.strip() for n in params.line.split(",")}
    lines: dict[str, Edges] = {}
    if params.analog_line is not None:
        return {params.analog_line: _read_analog(session, params.analog_line)}
    seen_s: list[float] = []
    for name in list_ephys_lines(session):
        if wanted is not None and not any(n.split(_BITS)[0] == name for n in wanted):
            lines[name] = (np.zeros(0), np.zeros(0), np.zeros(0, int))
            continue
        times, values = read_ttl_line(session, name)
        inside = np.ones(times.size, dtype=bool)
        if params.start_s is not None:
            inside &= times >= params.start_s
        if params.stop_s is not None:
            inside &= times <= params.stop_s
        table_rows = np.flatnonzero(inside)
        seen_s += [float(times.min()), float(times.max())] if times.size else []
        lines |= _split(name, times[inside], values[inside], table_rows, params.bit_mask)
    if seen_s and not any(times.size for times, _, _ in lines.values()):
        raise ParameterError(
            f"No edge lies between sync.start_s = {params.start_s} and sync.stop_s = "
            f"{params.stop_s}. Lines have edges from {min(seen_s):.3f} to {max(seen_s):.3f} s of "
            "the ephys clock; choose a window there."
        )
    return lines


def _split(
    name: str, times: np.ndarray, values: np.ndarray, table_rows: np.ndarray, mask: int | None
) -> dict[str, Edges]:
    """Return a line under its name, or one line per bit if the table holds words of a port."""
    is_line = np.isin(values, (0, 1)).all()
    if is_line and mask is None:
        return {name: (times, values, table_rows)}
    if mask is not None and values.size and not np.any(values.astype(np.int64) & mask):
        if is_line:  # another line's table: the mask is not meant for it
            return {name: (times, values, table_rows)}
        raise ParameterError(
            f"sync.bit_mask = {mask}: no word of {name} has one of these bits. Its words have the "
            f"bits of {int(np.bitwise_or.reduce(values.astype(np.int64)))}; choose among them."
        )
    found: dict[str, Edges] = {}
    for one, (edge_times, levels) in split_word(times, values, mask=mask).items():
        rows = table_rows[np.searchsorted(times, edge_times)]
        key = name if mask is not None else f"{name}{_BITS}{one}"
        found[key] = (edge_times, levels, rows)
    return found


def _read_analog(session: Session, name: str) -> Edges:
    """Return the edges of a wave on an analog channel, named alone or after its series."""
    known = {
        f"{series.name}/{channel}": (series, number)
        for series in list_ephys(session)
        for number, channel in enumerate(series.channel_names)
    }
    alike = [key for key in known if name in (key, key.partition("/")[2])]
    if len(alike) != 1:
        raise UnknownNameError.among("analog channel (series/channel)", name, known)
    series, number = known[alike[0]]

    def read(first: int, stop: int) -> np.ndarray:
        return series.read(first, stop, [number])[:, 0]

    times, levels = find_edges(
        read, series.n_samples, start_s=series.start_s, rate_hz=series.rate_hz
    )
    return times, levels, np.arange(times.size)


def _decide_by_frames(
    lines: dict[str, Edges], device_time_s: np.ndarray, names: list[str]
) -> str | None:
    """Return the line whose pulses the frames leave hardly one of, if every other leaves many.

    Cameras of one rate start and stop at times of their own, and lose frames of their own.
    """
    left = sorted((_count_left(lines[name], device_time_s), name) for name in names)
    (best, name), (second, _) = left[:2]
    return name if second > _TIMES_MORE * best + _MORE_LEFT else None


def _count_left(line: Edges, device_time_s: np.ndarray) -> float:
    """Return how many frames and pulses find no partner; infinite if they do not align."""
    interval_s = frame_interval(device_time_s)
    try:
        pulses = find_pulses(line[0], line[1], frame_interval_s=interval_s)
        report = align_frames(device_time_s, pulses.times_s).report
    except SyncError:
        return float("inf")
    without_pulse = report.n_interpolated + report.n_predicted
    return report.n_lost + report.n_before + report.n_after + without_pulse


def find_gate_of(
    lines: dict[str, Edges], device_time_s: np.ndarray
) -> dict[str, tuple[float, float]]:
    """Return name -> (rise, fall) of the lines that are high while the frames were recorded."""
    span_s = float(np.nanmax(device_time_s) - np.nanmin(device_time_s))
    found = {
        name: find_gate(times, levels, span_s=span_s) for name, (times, levels, _) in lines.items()
    }
    return {name: gate for name, gate in found.items() if gate is not None}


def _say_gates(lines: dict[str, Edges], device_time_s: np.ndarray) -> str:
    """Say which lines are gates, and how to align by one."""
    gates = find_gate_of(lines, device_time_s)
    return "".join(
        f" {name} is high from {rise:.3f} to {fall:.3f} s, about as long as the recording lasts: a "
        f"gate. To take its rise for the record press: --line {name} --set method=gate, or --set "
        f"method=offset --set offset_s={rise:.6f} (--offset-s of ace-nwb process sync)."
        for name, (rise, fall) in gates.items()
    )
