"""How likely a time stamp is for a frame: the grab jitter, learned from the rows themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from ace_nwb.sync.decoding import MAX_STATES, Decoded, FaultRates, decode
from ace_nwb.sync.rows import Rows
from ace_nwb.sync.timeline import Timeline

_BIN_S = 5e-4
_BLOCK_ROWS = 16384
_EARLY_S = 8e-3  # time stamps are not early, but the clock's floor is known to a millisecond or two


@dataclass(frozen=True)
class JitterModel:
    """Log density of time stamp minus clock, in bins from -8 ms, shape (n_bins,)."""

    log_density: np.ndarray
    max_jitter_s: float

    @classmethod
    def broad(cls, max_jitter_s: float) -> Self:
        """Return the jitter assumed before anything is learned: most frames are hardly late."""
        late = np.arange(_n_bins(max_jitter_s)) * _BIN_S - _EARLY_S
        above = -np.maximum(late, 0) / (0.3 * max_jitter_s)
        return cls(above + np.minimum(late, 0) / 1e-3, max_jitter_s)

    @classmethod
    def learn(cls, late_s: np.ndarray, max_jitter_s: float, *, period_s: float) -> Self:
        """Learn the density from the lateness of decoded rows, shape (n,).

        A row later than a frame interval is taken for the frame behind, and so hardly ever seen:
        beyond it the density is not let fall below that just before.
        """
        n_bins = _n_bins(max_jitter_s)
        bins = np.clip(((late_s + _EARLY_S) / _BIN_S).astype(int), 0, n_bins - 1)
        counts = np.bincount(bins, minlength=n_bins).astype(float)
        # no wider: what seems likely beside a sharp edge would be taken for certain
        smooth = np.convolve(np.pad(counts, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
        smooth += 0.02 + 1e-4 * late_s.size / n_bins
        before, beyond = ((np.array([0.5, 0.95]) * period_s + _EARLY_S) / _BIN_S).astype(int)
        hidden = smooth[before : max(beyond, before + 1)].mean() if beyond < n_bins else 0.0
        smooth[beyond:] = np.maximum(smooth[beyond:], hidden)
        return cls(np.log(smooth / smooth.max()), max_jitter_s)

    def score(self, late_s: np.ndarray) -> np.ndarray:
        """Return the log density at each lateness."""
        bins = ((late_s + _EARLY_S) / _BIN_S).astype(int)
        return self.log_density[np.clip(bins, 0, self.log_density.size - 1)]


def _n_bins(max_jitter_s: float) -> int:
    return int((max_jitter_s + 2 * _EARLY_S) / _BIN_S)


def decode_rows(
    rows: Rows,
    aligned_s: np.ndarray,
    timeline: Timeline,
    rates: FaultRates,
    jitter: JitterModel,
    *,
    pinned: Mapping[int, int] | None = None,
) -> Decoded:
    """Decode rows whose time stamps are already on the ephys clock.

    Parameters
    ----------
    rows
        Saved frames.
    aligned_s
        Their time stamps on the ephys clock, shape (n_rows,).
    timeline
        Possible captured frames.
    rates, jitter
        What faults and what lateness to expect.
    pinned
        Row -> captured frame that it is known to be.
    """
    first, count = _find_states(rows, aligned_s, timeline, jitter.max_jitter_s)
    for row, frame in (pinned or {}).items():
        first[row], count[row] = frame, 1
    emission = _emission(rows, aligned_s, timeline, rates, jitter, first=first, count=count)
    return decode(
        first,
        emission,
        count,
        is_held=timeline.is_held,
        daq_step=rows.daq_step,
        lost_rate=rates.lost,
    )


def _find_states(
    rows: Rows, aligned_s: np.ndarray, timeline: Timeline, max_jitter_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first captured frame that each row may be, and how many there are."""
    times, junk = timeline.times_s, 3 * rows.interval_s
    last = np.searchsorted(times, aligned_s + np.where(rows.is_junk, junk, _EARLY_S), side="right")
    last -= 1
    first = np.searchsorted(
        times, aligned_s - np.where(rows.is_junk, junk, max_jitter_s + _EARLY_S)
    )
    first = np.clip(np.minimum(first, last), 0, times.size - 1)
    first = np.maximum(first, last - MAX_STATES + 1)
    last -= first - 1
    return first, np.clip(last, 1, MAX_STATES)


def _emission(
    rows: Rows,
    aligned_s: np.ndarray,
    timeline: Timeline,
    rates: FaultRates,
    jitter: JitterModel,
    *,
    first: np.ndarray,
    count: np.ndarray,
) -> np.ndarray:
    """Return the log probability of each row under each of its states, row after row."""
    times, missing = timeline.times_s, np.log(rates.missing)
    columns = np.arange(count.max())
    found, filled = np.empty(int(count.sum()), dtype=np.float32), 0
    for start in range(0, first.size, _BLOCK_ROWS):  # hours of rows would take their memory
        block = slice(start, start + _BLOCK_ROWS)
        frames = np.minimum(first[block, None] + columns, times.size - 1)
        score = jitter.score(aligned_s[block, None] - times[frames])
        score[rows.is_junk[block]] = 0.0
        score += np.where(timeline.is_real[frames], 0.0, missing)
        score = score[columns < count[block, None]]
        found[filled : filled + score.size] = score
        filled += score.size
    return found
