"""What an ideal observer of a generator's session can know about the place of its frames.

It knows when every frame was captured, which of them have an edge, the law of the time stamps'
lateness and the course of the clock, and the same statements about the recorder that the alignment
is given. What it does not know is by how many whole frames the saved ones may be moved: each such
shift is weighed by the frames and edges left over at the ends and by what the irregularity of the
intervals (pauses, exposure) does to the time stamps.
"""

from typing import Any

import numpy as np
from scipy.ndimage import median_filter
from scipy.special import logsumexp

from ace_nwb.sync.ends import CUT_FRAMES, End
from ace_nwb.sync.evidence import Recorder
from ace_nwb.sync.prices import FaultRates

_SHIFTS = np.arange(-14, 15)
_WANDER_ROWS = 301
"""Rows over which the clock is known to run evenly."""

_BIN_S = 5e-4
_OUTLIER = 1e-8
"""Chance of a time stamp that the law of the lateness does not know."""

_OWN_S = 2e-4
"""How near to its frame an edge stands."""


def posterior_of_truth(one: dict[str, Any], recorder: Recorder) -> float:
    """Return the probability that the true place has for an ideal observer.

    Parameters
    ----------
    one
        A session as the generator returns it.
    recorder
        How frames and edges begin and end.
    """
    captured, edges = np.asarray(one["captured"]), np.asarray(one["edges"])
    saved = np.searchsorted(captured, one["truth"] - 1e-6)
    scores = _score_ends(one, captured, edges, saved, recorder)
    scores += _score_stamps(one, captured, saved)
    scores -= logsumexp(scores)
    return float(np.exp(scores[-_SHIFTS[0]])) * _chance_across_jumps(one)


def _score_ends(
    one: dict[str, Any],
    captured: np.ndarray,
    edges: np.ndarray,
    saved: np.ndarray,
    recorder: Recorder,
) -> np.ndarray:
    """Return the log probability of what is left over at both ends under each shift."""
    at = np.clip(np.searchsorted(edges, captured - _OWN_S), 0, edges.size - 1)
    heard = np.flatnonzero(np.abs(edges[at] - captured) < _OWN_S)
    n_lost = captured.size - saved.size
    rates = FaultRates((n_lost + 0.5) / captured.size, 0.2 / (captured.size + 1000))
    near_s = CUT_FRAMES * one["period"]
    is_cut = captured[heard[[0, -1]]] - np.array(one["span"])
    start = End(recorder.start, None, rates, recorder.end_loss)
    stop = End({-n: p for n, p in recorder.stop.items()}, None, rates, recorder.end_loss)
    first, last = heard[0] - (saved[0] + _SHIFTS), saved[-1] + _SHIFTS - heard[-1]
    return np.asarray(
        start.score(first, is_cut=np.full(first.size, abs(is_cut[0]) < near_s))
        + stop.score(last, is_cut=np.full(last.size, abs(is_cut[1]) < near_s))
    )


def _score_stamps(one: dict[str, Any], captured: np.ndarray, saved: np.ndarray) -> np.ndarray:
    """Return the log likelihood of the time stamps under each shift."""
    reach = int(_SHIFTS[-1])
    outside = one["period"] * np.arange(1, reach + 1)
    times = np.concatenate([captured[0] - outside[::-1], captured, captured[-1] + outside])
    late = []
    for shift in _SHIFTS:
        lag = one["device_time_s"] - times[saved + reach + shift]
        late.append(lag - median_filter(lag, _WANDER_ROWS, mode="nearest"))
    bins = np.round(np.array(late) / _BIN_S).astype(int)
    law = np.clip(bins[reach], -4000, 4000) + 4000
    counts = np.convolve(np.bincount(law, minlength=8001), [0.25, 0.5, 0.25], mode="same")
    density = np.log(counts / counts.sum() + _OUTLIER)
    scores = density[np.clip(bins, -4000, 4000) + 4000].sum(axis=1)
    return np.asarray(scores - scores.max())


def _chance_across_jumps(one: dict[str, Any]) -> float:
    """Return the chance that a jump of the clock hides no loss; 1 without jumps."""
    lag = one["device_time_s"] - one["truth"]
    window = 25
    level = median_filter(lag, window, mode="nearest")
    jumps = np.abs(level[window:] - level[:-window]) > 0.5 * one["period"]
    n_jumps = int(np.diff(jumps.astype(int), prepend=0).clip(0).sum())
    if n_jumps == 0 or one["daq"] is not None:
        return 1.0
    return float((1 - one["lost"] / one["captured"].size) ** n_jumps)
