"""From the edges of a TTL line to one time per captured frame; and which line is the camera's."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ace_nwb.errors import SyncError

PulseMode = Literal["auto", "toggle", "pulse"]
PulseEdge = Literal["auto", "rising", "falling"]
DEBOUNCE_MS = 0.5
"""Levels of a toggling line that last shorter are glitches."""

_MIN_SCORE = 0.5
"""Least score of a line that carries frames: half of its pulses follow the frame rate."""

_CLEAR_LEAD = 0.1
"""Lead in score by which one line is taken without asking the frames: cameras of one rate differ by
less, lines of another purpose by far more."""

_STEADIER = 0.6
"""Share of the other edge's spread below which one edge is clearly the steadier one."""

_SAMPLE_S = 1e-5
"""Spread that sampling leaves on every edge, seconds: a third of a sample at 30 kHz."""

_GATE_SLACK_S, _GATE_SHARE = 2.0, 0.01
"""How much longer or shorter than the recording a gate may be: files are opened and closed within
it, and both clocks differ."""

_PULSE_SHARE = 0.2
"""Share of the time below which a level is a pulse and not the rest of an exposure gate."""

_LEAST_LEVELS = 4  # to say how long levels last


@dataclass(frozen=True)
class FramePulses:
    """One time per captured frame.

    Parameters
    ----------
    times_s
        Pulse times, ephys clock, shape (n_pulses,).
    edge
        Index of the edge that each pulse is, shape (n_pulses,).
    mode
        "toggle": every edge is a frame; "pulse": every leading edge.
    n_glitches
        Edges left out because they come in pairs closer than a glitch.
    evidence
        Why this mode.
    """

    times_s: np.ndarray
    edge: np.ndarray
    mode: Literal["toggle", "pulse"]
    n_glitches: int
    evidence: str


@dataclass(frozen=True)
class LineScore:
    """How well a line fits a camera: 0 not at all, 1 perfectly, and why."""

    score: float
    mode: Literal["toggle", "pulse"]
    evidence: str


def find_pulses(
    times_s: np.ndarray,
    levels: np.ndarray,
    *,
    frame_interval_s: float,
    pulse_mode: PulseMode = "auto",
    pulse_edge: PulseEdge = "auto",
    debounce_ms: float = DEBOUNCE_MS,
) -> FramePulses:
    """Reduce the edges of a line to one time per captured frame.

    Parameters
    ----------
    times_s, levels
        Time (ephys clock) and new level (0 or 1) of each edge, shape (n_edges,).
    frame_interval_s
        Frame interval by the camera's time stamps.
    pulse_mode
        "toggle": every edge marks a frame; "pulse": every leading edge; "auto": by the intervals.
    pulse_edge
        Which edge of a pulse marks the frame; "auto": the one whose intervals are clearly steadier,
        else the one that begins the pulse, or the exposure.
    debounce_ms
        Levels that last shorter are glitches of a toggling line, milliseconds; at most a
        twentieth of the frame interval.
    """
    order = np.argsort(times_s, kind="stable")
    times, levels = np.asarray(times_s, dtype=float)[order], np.asarray(levels)[order] > 0
    keep = _without_glitches(times, min(debounce_ms / 1e3, 0.05 * frame_interval_s))
    if pulse_mode != "toggle":  # a pulse may be as short as a glitch: it repeats every frame
        leading, which = _choose_edge(times, levels, frame_interval_s, pulse_edge)
        as_pulse = _fit(times[leading], frame_interval_s)
    else:
        leading, which, as_pulse = np.zeros(times.size, dtype=bool), "", -1.0
    as_toggle = _fit(times[keep], frame_interval_s) if pulse_mode != "pulse" else -1.0
    mode: Literal["toggle", "pulse"] = "toggle" if as_toggle >= as_pulse else "pulse"
    chosen = np.flatnonzero(keep if mode == "toggle" else leading)
    evidence = (
        f"{mode} given by the user"
        if pulse_mode != "auto"
        else f"intervals near {frame_interval_s * 1e3:.2f} ms: "
        f"{max(as_toggle, 0):.0%} of all edges, "
        f"{max(as_pulse, 0):.0%} of leading edges"
    )
    if mode == "pulse":
        evidence += f"; {which}"
    glitches = int((~keep).sum()) if mode == "toggle" else 0
    return FramePulses(times[chosen], order[chosen], mode, glitches, evidence)


def split_word(
    times_s: np.ndarray, words: np.ndarray, *, mask: int | None = None
) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Take the words of a whole port apart into the edges of its bits.

    Parameters
    ----------
    times_s, words
        Time of each change and the word from then on, shape (n_changes,). Other bits of the same
        port make changes too, which are left out.
    mask
        Bits to take together as one line (high if any of them is); None for each bit by itself.

    Returns
    -------
        Mask of the bit (1, 2, 4, ...) or the mask given -> (times, levels 0 or 1) of its edges.
    """
    values = np.asarray(words).astype(np.int64)
    seen = int(np.bitwise_or.reduce(values)) if values.size else 0
    masks = [mask] if mask is not None else [1 << k for k in range(64) if seen >> k & 1]
    order = np.argsort(times_s, kind="stable")
    times, lines = np.asarray(times_s, dtype=float)[order], {}
    for one in masks:
        levels = (values[order] & one != 0).astype(np.uint8)
        changed = np.flatnonzero(np.diff(levels)) + 1
        is_edge = begins_with_edge(times, levels)
        edges = np.concatenate([[0], changed]) if is_edge else changed
        lines[one] = (times[edges], levels[edges])
    return lines


def begins_with_edge(times_s: np.ndarray, levels: np.ndarray) -> bool:
    """Say whether the first word of a port is an edge of one of its lines.

    What came before it is not recorded. Ports rest low, so a line that is high has risen; but one
    that toggles may have rested high: then its first level ends sooner than any other does.

    Parameters
    ----------
    times_s, levels
        Times of the words in order, and the line's level in each, shape (n_words,).
    """
    if not levels.size or not levels[0]:
        return False
    changed = np.flatnonzero(np.diff(levels)) + 1
    if changed.size < _LEAST_LEVELS:
        return True
    usual_s = float(np.quantile(np.diff(times_s[changed]), 0.05))
    return bool(times_s[changed[0]] - times_s[0] >= 0.5 * usual_s)


def score_line(
    times_s: np.ndarray, levels: np.ndarray, *, frame_interval_s: float, n_frames: int
) -> LineScore:
    """Say how well a line fits a camera by the rate and the number of its pulses.

    Parameters
    ----------
    times_s, levels
        Edges of the line, shape (n_edges,).
    frame_interval_s, n_frames
        Frame interval and number of the saved frames.
    """
    if np.size(times_s) < 10:
        return LineScore(0.0, "toggle", f"{np.size(times_s)} edges")
    pulses = find_pulses(times_s, levels, frame_interval_s=frame_interval_s)
    share = _fit(pulses.times_s, frame_interval_s)
    steps = np.diff(pulses.times_s)
    regular = np.abs(steps / frame_interval_s - 1) < 0.1
    n_regular = int(regular.sum()) + 1
    ratio = n_regular / max(n_frames, 1)
    enough = min(ratio / 0.9, 1.0) if ratio < 1 else 1.0
    evidence = (
        f"{np.size(times_s)} edges ({pulses.mode}): {share:.0%} of intervals within 10 % of the "
        f"frame interval {frame_interval_s * 1e3:.2f} ms; {n_regular} such pulses for {n_frames} "
        "frames"
    )
    return LineScore(float(share * enough), pulses.mode, evidence)


def find_gate(
    times_s: np.ndarray, levels: np.ndarray, *, span_s: float
) -> tuple[float, float] | None:
    """Return when a line rises and falls that is high while recording, or None.

    Parameters
    ----------
    times_s, levels
        Edges of the line, shape (n_edges,).
    span_s
        How long the recording lasts by the device clock; of several gates the most alike is taken.
    """
    order = np.argsort(times_s, kind="stable")
    times, high = np.asarray(times_s, dtype=float)[order], np.asarray(levels)[order] > 0
    rises = np.flatnonzero(high[:-1] & ~high[1:])
    if not rises.size:
        return None
    lasting = times[rises + 1] - times[rises]
    best = int(np.argmin(np.abs(lasting - span_s)))
    if abs(lasting[best] - span_s) > _GATE_SLACK_S + _GATE_SHARE * span_s:
        return None
    return float(times[rises[best]]), float(times[rises[best] + 1])


def choose_line(
    scores: dict[str, LineScore],
    *,
    otherwise: str = "",
    decide: Callable[[list[str]], str | None] = lambda _: None,
) -> str:
    """Return the name of the one line that fits the camera.

    Parameters
    ----------
    scores
        Of every line, by name.
    otherwise
        What else could be done, said if no line fits.
    decide
        Chooses among lines of one rate, by more than their rate, or returns None.

    Raises
    ------
    SyncError
        If no line fits, or two fit alike.
    """
    ranked = sorted(scores, key=lambda name: -scores[name].score)
    listing = "; ".join(f"{n!r} {scores[n].score:.2f} ({scores[n].evidence})" for n in ranked)
    if not ranked or scores[ranked[0]].score < _MIN_SCORE:
        raise SyncError(
            f"No TTL line carries the camera's frames. Found: {listing or 'no lines'}. Expected "
            "one pulse per captured frame at the frame rate. Name the line if it is there, or "
            f"check that the frame-sync output was connected.{otherwise}"
        )
    alike = [n for n in ranked if scores[n].score > scores[ranked[0]].score - _CLEAR_LEAD]
    if len(alike) > 1:
        chosen = decide(alike)
        if chosen is not None:
            return chosen
        raise SyncError(
            f"Two TTL lines could carry the camera's frames: {listing}. Expected one that fits "
            "clearly better. Name the line."
        )
    return ranked[0]


def _without_glitches(times: np.ndarray, shortest_s: float) -> np.ndarray:
    """Return a mask without edges that follow each other sooner than the shortest level lasts.

    An even number of them is a glitch: the level is what it was. An odd number is an edge that
    bounces: the first one is its time.
    """
    if not times.size:
        return np.ones(0, dtype=bool)
    begins = np.concatenate([[True], np.diff(times) >= shortest_s])
    count = np.bincount(np.cumsum(begins) - 1)
    begins[begins] = count % 2 == 1
    return begins


def _leading(times: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return a mask of the edges into a level that is rare, else of the rising ones.

    A line that rests high makes short low pulses. One that is low for longer is high while the
    frame is exposed: its rise begins the frame.
    """
    if times.size < 3:
        return levels
    lasting = np.diff(times)
    lasting = np.minimum(lasting, np.quantile(lasting, 0.95))
    high = float(lasting[levels[:-1]].sum())
    low = float(lasting[~levels[:-1]].sum())
    return ~levels if low < _PULSE_SHARE * (high + low) else levels


def _choose_edge(
    times: np.ndarray, levels: np.ndarray, interval_s: float, stated: PulseEdge
) -> tuple[np.ndarray, str]:
    """Return a mask of the edges that mark frames, and why these."""
    if stated != "auto":
        return (levels if stated == "rising" else ~levels), f"{stated} edges, as stated"
    spread = {
        "rising": _unsteadiness(times[levels], interval_s),
        "falling": _unsteadiness(times[~levels], interval_s),
    }
    steady, other = sorted(spread, key=spread.__getitem__)
    if spread[steady] < _STEADIER * spread[other]:
        said = ", ".join(f"{name} {value * 1e6:.0f} us" for name, value in spread.items())
        return (levels if steady == "rising" else ~levels), f"{steady} edges are steadier: {said}"
    leading = _leading(times, levels)
    name = "rising" if times.size and bool(levels[np.argmax(leading)]) else "falling"
    return leading, f"{name} edges, which begin the pulse or the exposure; both are as steady"


def _unsteadiness(times: np.ndarray, interval_s: float) -> float:
    """Return the typical departure of frame intervals from their median, seconds."""
    steps = np.diff(times)
    usual = steps[np.abs(steps / interval_s - 1) < 0.2]
    if usual.size < _LEAST_LEVELS:
        return np.inf
    return float(np.mean(np.abs(usual - np.median(usual)))) + _SAMPLE_S


def _fit(times: np.ndarray, interval_s: float) -> float:
    """Return the share of intervals that are one frame."""
    if times.size < 3:
        return 0.0
    return float(np.mean(np.abs(np.diff(times) / interval_s - 1) < 0.1))
