"""Follow the camera's software clock along the pulse train, stretch by stretch.

Within a stretch the offset between the clocks is constant to a millisecond, so the time stamps
modulo the frame interval pile up at one phase with a one-sided tail (the grab jitter). The phase
is followed from stretch to stretch; where it breaks the camera's clock has jumped. Only the phase
is decided here; which frame a row is, up to whole frames, is decided in placement.py.
"""

from dataclasses import dataclass

import numpy as np

from ace_nwb.sync.prices import PRICES
from ace_nwb.sync.train import PulseTrain

_N_BINS = 100
"""Bins of a frame interval: half a millisecond at 20 frames a second."""

_MAX_DRIFT = 6e-4
"""Most that two clocks drift apart, as a share: twice the worst crystals seen."""

_WANDER = 5e-5
"""Most that this changes within one recording: a crystal that warms up."""

_BURST_S = 4.0
"""Longest burst of late time stamps, seconds, twice that of busy Windows hosts: a clock that fits
again behind it was not set."""

_LEAST_PAUSE = 6
"""Frames from which on a silence that frames and pulses share is a pause of the camera: in shorter
ones pulses may be missing (the holes that a train fills)."""


@dataclass(frozen=True)
class ClockTrack:
    """The clock offset followed along the rows.

    Parameters
    ----------
    offset_s
        Ephys time minus device time where the jitter is zero, at each row, shape (n_rows,).
    segment
        Number of the jump-free segment of each row, shape (n_rows,).
    """

    offset_s: np.ndarray
    segment: np.ndarray


class _Follower:
    """State of one pass along the rows."""

    def __init__(self, times: np.ndarray, train: PulseTrain, offset: float, max_jitter: float):
        self.times, self.train, self.max_jitter = times, train, max_jitter
        self.period = float(np.median(train.period_s))
        self.stretch = int(np.clip(round(6.0 / self.period), 40, 240))
        self.density = _learn_jitter_phases(times, self.period, self.stretch)
        self.known_scores: dict[float, np.ndarray] = {}
        self.tune(self.period)
        self.offset, self.slope = offset, 0.0
        self.anchor: tuple[float, float] | None = None
        self.at = float(times[0])
        self.offsets = np.empty(times.size)
        self.segment = np.zeros(times.size, dtype=int)

    def begin(self, row: int, offset: float) -> None:
        """Begin a new segment at a row."""
        self.offset, self.at, self.anchor = offset, float(self.times[row]), None
        self.segment[row:] = self.segment[row - 1] + 1

    def tune(self, period: float) -> None:
        """Take the frame interval of the stretch at hand; the jitter is the same in seconds."""
        self.local_period = period
        key = round(period, 6)
        if key not in self.known_scores:
            density = _at_period(self.density, self.period, period)
            shift = np.arange(_N_BINS)
            turned = (shift[None, :] + shift[:, None]) % _N_BINS
            self.known_scores[key] = _log_density(density)[turned]
        self.scores = self.known_scores[key]

    @property
    def most_drift(self) -> float:
        """Most that the clocks drift apart beside what is known already, as a share."""
        return _MAX_DRIFT if self.slope == 0.0 else _WANDER

    def predict(self, times: np.ndarray) -> np.ndarray:
        return self.offset + self.slope * (times - self.at)

    def phases(self, aligned: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the phase bin of each time, and whether pulses stand around it."""
        captured, period = self.train.times_s, self.train.period_s
        index = np.clip(np.searchsorted(captured, aligned + 1e-3) - 1, 0, captured.size - 1)
        late = (aligned - captured[index]) / period[index]
        at_rate = np.abs(period[index] - self.local_period) < 0.02 * self.local_period
        valid = (late > -0.5) & (late < 1.5) & at_rate
        return np.floor(late * _N_BINS).astype(int) % _N_BINS, valid

    def likelihoods(self, aligned: np.ndarray) -> tuple[np.ndarray, int]:
        """Return the log likelihood of each phase shift (bins), and the rows that tell."""
        captured = self.train.times_s
        middle = np.searchsorted(captured, aligned[aligned.size // 2]) - 1
        self.tune(float(self.train.period_s[np.clip(middle, 0, captured.size - 1)]))
        bins, valid = self.phases(aligned)
        counts = np.bincount(bins[valid], minlength=_N_BINS)
        return self.scores @ counts, int(valid.sum())


def follow_clock(
    device_time_s: np.ndarray,
    train: PulseTrain,
    *,
    offsets_s: dict[int, float],
    max_jitter_s: float,
) -> ClockTrack:
    """Follow the offset of the device clock from a first guess that is right to whole frames.

    Parameters
    ----------
    device_time_s
        Time stamps of the rows without junk, shape (n_rows,).
    train
        Captured frames.
    offsets_s
        Ephys time minus device time to start with at row 0 and, where jumps are known already,
        at other rows.
    max_jitter_s
        Largest grab jitter.
    """
    state = _Follower(device_time_s, train, offsets_s[0], max_jitter_s)
    steps = np.diff(device_time_s)
    cuts = np.flatnonzero(
        (steps < -max_jitter_s - 2e-3) | (steps > 3 * state.period + max_jitter_s)
    )
    known = np.array(sorted(offsets_s), dtype=int)
    cuts = np.unique(np.concatenate([cuts + 1, known[1:], [device_time_s.size]]))
    start, first = 0, True
    while start < device_time_s.size:
        next_cut = int(cuts[np.searchsorted(cuts, start, side="right")])
        stop = min(start + state.stretch, next_cut)
        if next_cut - stop < state.stretch // 4:
            stop = min(next_cut, stop + state.stretch // 4)
        if start > 0 and start in offsets_s:
            state.begin(start, offsets_s[start])
            first = True
        elif start > 0 and steps[start - 1] < -max_jitter_s - 2e-3:
            _jump(state, start, stop)
        _advance(state, start, stop, first=first)
        start, first = stop, False
    return ClockTrack(state.offsets, state.segment)


def _learn_jitter_phases(times: np.ndarray, period: float, stretch: int) -> np.ndarray:
    """Return the density of rows by phase, the beginning of the jitter at bin 0, shape (bin,).

    It is learned from the stretches themselves: each is turned to fit the mean of the others
    best, which is then renewed.
    """
    n_stretches = max(times.size // stretch, 1)
    rows = np.arange(times.size) // stretch
    bins = np.floor(times % period / period * _N_BINS).astype(int) % _N_BINS
    counts = np.bincount(
        np.minimum(rows, n_stretches - 1) * _N_BINS + bins, minlength=n_stretches * _N_BINS
    ).reshape(n_stretches, _N_BINS)
    late = np.arange(_N_BINS) / _N_BINS
    density = np.exp(-late / 0.15) + 0.5 * np.exp((late - 1) / 0.03)
    shift = np.arange(_N_BINS)
    turned = (shift[None, :] + shift[:, None]) % _N_BINS
    for _ in range(6):
        scores = _log_density(density)[turned]
        best = np.argmax(counts @ scores.T, axis=1)
        aligned = np.take_along_axis(counts, (shift - best[:, None]) % _N_BINS, axis=1)
        density = aligned.sum(axis=0) + 1.0
    return _put_floor_first(density)


def _at_period(density: np.ndarray, period: float, other: float) -> np.ndarray:
    """Return the same jitter, in seconds, by phase of another frame interval."""
    if abs(other / period - 1) < 1e-3:
        return density
    n_folds = int(np.ceil(period / other))
    late = (np.arange(_N_BINS * n_folds) + 0.5) / _N_BINS * other
    bins = (late / period * _N_BINS).astype(int)
    floor = float(np.quantile(density, 0.1))
    spread = np.where(bins < _N_BINS, density[np.minimum(bins, _N_BINS - 1)], floor)
    return spread.reshape(n_folds, _N_BINS).sum(axis=0)


def _log_density(density: np.ndarray) -> np.ndarray:
    """Smooth a circular density a little, add a floor, and normalise to mean 1 before the log."""
    smooth = (np.roll(density, 1) + 2 * density + np.roll(density, -1)) / 4
    smooth = smooth / smooth.mean() + 0.05
    return np.log(smooth / smooth.mean())


def _put_floor_first(density: np.ndarray) -> np.ndarray:
    """Turn a circular density so that the jitter begins at bin 0: the steepest rise."""
    width = _N_BINS // 12
    kernel = np.arange(-width, width)
    around = density[(np.arange(_N_BINS)[:, None] + kernel) % _N_BINS]
    rise = around[:, width:].sum(axis=1) - around[:, :width].sum(axis=1)
    return np.roll(density, -int(np.argmax(rise)))


def _advance(state: _Follower, start: int, stop: int, *, first: bool) -> None:
    """Follow one stretch: correct the offset a little, or find a jump."""
    times = state.times[start:stop]
    likelihoods, n_told = state.likelihoods(times + state.predict(times))
    if n_told < max(3, 0.3 * times.size):
        if not first and _jump_explains(state, start, stop):
            _advance(state, start, stop, first=True)
            return
        state.offsets[start:stop] = state.predict(times)
        return
    elapsed = times[-1] - state.at
    reach = 1e-3 + state.most_drift * max(elapsed, 0.0)
    width = _N_BINS // 2 if first else int(np.ceil(reach / state.local_period * _N_BINS))
    window = np.arange(-width, width + 1)
    here = likelihoods[window % _N_BINS] - 1e-3 * np.abs(window)
    shift = int(window[np.argmax(here)])
    is_other = not first and likelihoods.max() - here.max() > PRICES.other_phase
    if is_other and _goes_on_later(state, start, int(np.argmax(likelihoods)) - shift):
        state.offsets[start:stop] = state.predict(times)
        return
    if is_other:
        state.offset += shift * state.local_period / _N_BINS
        split = _locate_jump(state, start, stop, 0, (int(np.argmax(likelihoods)) - shift) % _N_BINS)
        state.offsets[start:split] = state.predict(state.times[start:split])
        _jump(state, split, stop)
        _advance(state, split, stop, first=True)
        return
    middle = float(times.mean())
    state.offset = (
        float(state.predict(np.array([middle]))[0]) + shift * state.local_period / _N_BINS
    )
    state.at = middle
    _update_slope(state)
    state.offsets[start:stop] = state.predict(times)


def _update_slope(state: _Follower) -> None:
    """Estimate the drift from the first stretch of the segment to this one."""
    if state.anchor is None:
        state.anchor = (state.at, state.offset)
        return
    elapsed = state.at - state.anchor[0]
    if elapsed > 20.0:
        slope = (state.offset - state.anchor[1]) / elapsed
        state.slope = float(np.clip(slope, -_MAX_DRIFT, _MAX_DRIFT))


def _locate_jump(state: _Follower, start: int, stop: int, old: int, new: int) -> int:
    """Return the row at which the phase changes; the stretch before may hold it as well."""
    begin = max(start - state.stretch // 2, 0)
    begin = max(begin, int(np.searchsorted(state.segment[:start], state.segment[start - 1])) + 1)
    begin = min(begin, start)
    times = state.times[begin:stop]
    bins, valid = state.phases(times + state.predict(times))
    gain = np.where(valid, state.scores[new, bins] - state.scores[old, bins], 0.0)
    after = np.cumsum(gain[::-1])[::-1]
    return begin + int(np.argmax(after + _oddity(state, begin, stop)))


def _oddity(state: _Follower, begin: int, stop: int) -> np.ndarray:
    """Log prior of a jump before each row: time steps that jitter cannot explain come first."""
    rows = np.arange(begin, stop)
    step = state.times[rows] - state.times[np.maximum(rows - 1, 0)]
    periods = step / state.local_period
    fraction = np.abs(periods - np.maximum(np.round(periods), 1.0))
    unusual = np.abs(step - state.local_period) > state.max_jitter + 2e-3
    return np.where(unusual, 10.0 + 6.0 * np.minimum(fraction, 0.5), 0.0)


def _offset_after_jump(state: _Follower, start: int, stop: int) -> tuple[float, float, int]:
    """Return the offset if no frame was lost at a jump before `start`, its likelihood, rows."""
    captured = state.train.times_s
    before = state.times[start - 1] + state.offsets[start - 1]
    index = int(np.clip(np.searchsorted(captured, before + 1e-3), 0, captured.size - 1))
    offset = float(captured[index] - state.times[start])
    if _pauses_with_line(state, start, index):
        offset = float(state.predict(state.times[start : start + 1])[0])
    times = state.times[start:stop]
    likelihoods, n_told = state.likelihoods(times + offset + state.slope * (times - times[0]))
    shift = int(np.argmax(likelihoods)) / _N_BINS * state.local_period
    if shift > state.max_jitter + 2e-3:
        shift -= state.local_period
    return offset + shift, float(likelihoods.max()), n_told


def _pauses_with_line(state: _Follower, start: int, index: int) -> bool:
    """Say whether before a row the clock ran on while the line was silent: a pause, not a jump."""
    captured, here = state.train.times_s, state.times[start : start + 1]
    arrives = float(here[0] + state.predict(here)[0])
    waited = arrives - float(state.times[start - 1] + state.offsets[start - 1])
    passed = int(np.searchsorted(captured, arrives - 1.5 * state.local_period)) - index
    return waited > _LEAST_PAUSE * state.local_period and passed < 0.5 * _LEAST_PAUSE


def _jump_explains(state: _Follower, start: int, stop: int) -> bool:
    """Take a jump before `start` if the rows then stand on pulses; say whether it was taken."""
    _, _, n_told = _offset_after_jump(state, start, stop)
    before = state.times[start - 1] + state.offsets[start - 1]
    # ephys that begins late or ends early leaves rows without pulses: no clock jumped there
    inside = state.train.times_s[0] < before < state.train.times_s[-1]
    if n_told < 0.8 * (stop - start) or not inside or stop - start < 5:
        return False
    if _goes_on_behind(state, start, before):
        return False
    _jump(state, start, stop)
    return True


def _goes_on_behind(state: _Follower, start: int, before_s: float) -> bool:
    """Say whether the clock as it is fits the pulses behind a silence: the line fell silent."""
    captured = state.train.times_s
    ahead = int(np.searchsorted(captured, before_s + 1.5 * state.local_period))
    if ahead >= captured.size:
        return False
    times = state.times[start:]
    first = int(
        np.searchsorted(np.maximum.accumulate(times + state.predict(times)), captured[ahead])
    )
    return _goes_on(state, times[first : first + state.stretch])


def _goes_on_later(state: _Follower, start: int, phase: int) -> bool:
    """Say whether the clock as it is fits when a burst of late time stamps is over.

    And better than another phase (bins), which a burst shows only as long as it lasts.
    """
    later = start + int(np.argmax(state.times[start:] > state.times[start] + _BURST_S))
    if later == start or state.slope == 0.0:  # a drift that is not known hides a step
        return False
    period = state.local_period
    goes_on = _goes_on(state, state.times[later : later + state.stretch], phase)
    state.tune(period)
    return goes_on


def _goes_on(state: _Follower, times: np.ndarray, phase: int | None = None) -> bool:
    """Say whether the clock as it is fits time stamps further on, and no worse than a phase."""
    if times.size < 5:
        return False
    likelihoods, n_told = state.likelihoods(times + state.predict(times))
    reach_s = 2e-3 + state.most_drift * (times[-1] - state.at)
    width = min(int(np.ceil(reach_s / state.local_period * _N_BINS)), _N_BINS // 4)
    window = np.arange(-width, width + 1)
    here = likelihoods[window % _N_BINS].max()
    other = -np.inf if phase is None else likelihoods[(window + phase) % _N_BINS].max()
    fits = likelihoods.max() - here < PRICES.other_phase and here > other
    return bool(n_told > 0.8 * times.size and fits)


def _jump(state: _Follower, start: int, stop: int) -> None:
    """Begin a new segment at a row."""
    if start > 0:
        state.begin(start, _offset_after_jump(state, start, stop)[0])
