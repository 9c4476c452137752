"""Global, monotone matching of saved frames (rows) to captured frames (pulses).

Steps: possible starts from blocks and pauses; the clock followed from each (tracking.py); whole
frames decided with their posterior (placement.py); each row decoded (decoding.py) with a jitter
distribution and a clock learned from the rows themselves, twice.
"""

from dataclasses import dataclass, replace

import numpy as np

from ace_nwb.errors import SyncError
from ace_nwb.sync.clock import ClockFit, fit_clock
from ace_nwb.sync.decoding import MAX_STATES, Decoded, FaultRates, decode
from ace_nwb.sync.placement import Placement, Segments, allowed_shifts, place_segments
from ace_nwb.sync.rows import Rows
from ace_nwb.sync.timeline import Timeline, continue_train
from ace_nwb.sync.tracking import ClockTrack, follow_clock
from ace_nwb.sync.train import PulseTrain

_BIN_S = 5e-4
_EARLY_S = 4e-3
_MAX_SEGMENTS = 200
_CLEAR_CUT = 7.0  # nats between two starts


@dataclass(frozen=True)
class Match:
    """Rows matched to the timeline; arrays have shape (n_rows,).

    Parameters
    ----------
    timeline
        Possible captured frames.
    captured
        Captured frame of each row.
    probability
        Posterior that it is this one, placement and decoding together.
    placed
        Posterior of the placement alone.
    segment
        Jump-free segment of the device clock.
    late_s
        Time stamp minus the clock at the captured frame: the grab jitter.
    clock
        Device clock against ephys clock.
    placement
        Whole-frame decision and its rivals.
    rates
        Shares of lost rows and missing pulses found inside the recording.
    """

    timeline: Timeline
    captured: np.ndarray
    probability: np.ndarray
    placed: np.ndarray
    segment: np.ndarray
    late_s: np.ndarray
    clock: ClockFit
    placement: Placement
    rates: FaultRates


@dataclass(frozen=True)
class _Start:
    """One start followed to the end."""

    track: ClockTrack
    timeline: Timeline
    segments: Segments
    placement: Placement
    rates: FaultRates

    @property
    def score(self) -> float:
        n_rows = self.segments.captured.size
        return self.track.log_likelihood * n_rows + self.placement.log_evidence


def match_rows(
    rows: Rows, train: PulseTrain, *, max_jitter_s: float, record_press_s: float | None
) -> Match:
    """Match every row to a captured frame.

    Parameters
    ----------
    rows
        Saved frames.
    train
        Captured frames by the pulses.
    max_jitter_s
        Largest grab jitter of a time stamp.
    record_press_s
        Device time at which recording began, if the line toggles only from then on; None if
        that is not known.

    Raises
    ------
    SyncError
        If two placements explain the rows nearly equally well.
    """
    good = np.flatnonzero(~rows.is_junk)
    starts = [
        _follow(rows, good, train, offset, max_jitter_s, record_press_s)
        for offset in _possible_offsets(rows.device_time_s[good], train)
    ]
    starts.sort(key=lambda start: -start.score)
    _refuse_rival_start(starts)
    return _refine(rows, good, starts[0], max_jitter_s)


def _refuse_rival_start(starts: list[_Start]) -> None:
    """Raise if another start, elsewhere on the timeline, does nearly as well."""
    best = starts[0]
    first = _first_time(best)
    for other in starts[1:]:
        apart = abs(_first_time(other) - first)
        if best.score - other.score < _CLEAR_CUT and apart > 0.5 * best.timeline.period_s[0]:
            raise SyncError(
                f"The frames fit the pulses in two places nearly equally well: first frame at "
                f"{first:.3f} s or at {_first_time(other):.3f} s of the ephys clock (log odds "
                f"{best.score - other.score:.1f}). DAQ frame numbers, the known start time, or "
                "the pulses of this recording alone would decide."
            )


def _first_time(start: _Start) -> float:
    """Return the capture time of the first row."""
    frame = start.segments.captured[0] + start.placement.shift[0]
    return float(start.timeline.times_s[frame])


def _possible_offsets(times: np.ndarray, train: PulseTrain) -> list[float]:
    """Return clock offsets under which blocks and pauses of rows and pulses coincide."""
    bounds = train.block_starts
    starts, stops = train.times_s[bounds[:-1]], train.times_s[bounds[1:] - 1]
    offsets = [*(starts - times[0]), *(stops - times[-1])]
    steps = np.diff(times)
    pauses = np.flatnonzero(steps > max(3 * float(np.median(steps)), 0.1))
    pauses = pauses[np.argsort(-steps[pauses])][:20]
    if starts.size > 1:
        silent = starts[1:] - stops[:-1]
        row, block = np.nonzero(np.abs(steps[pauses][:, None] - silent[None, :]) < 0.05)
        offsets += list(starts[block + 1] - times[pauses[row] + 1])
    cover = np.array([_coverage(times + offset, times, starts, stops) for offset in offsets])
    kept: list[float] = []
    for index in np.argsort(-cover, kind="stable"):
        new = all(abs(offsets[index] - k) > 40 * train.period_s[0] for k in kept)
        if cover[index] > cover.max() - 0.1 and new and len(kept) < 4:
            kept.append(float(offsets[index]))
    return kept


def _coverage(
    aligned: np.ndarray, times: np.ndarray, starts: np.ndarray, stops: np.ndarray
) -> float:
    """Return the share of rows inside blocks, less the share of silence between rows inside."""
    aligned = aligned[:: max(aligned.size // 4000, 1)]
    slack = 0.02 + 3e-4 * abs(float(times[-1] - times[0]))
    block = np.clip(np.searchsorted(starts, aligned + slack, side="right") - 1, 0, None)
    inside = (aligned >= starts[block] - slack) & (aligned <= stops[block] + slack)
    ends = np.count_nonzero((stops > aligned[0]) & (stops < aligned[-1] - slack))
    return float(inside.mean()) + 1e-3 * ends / max(stops.size, 1)


def _follow(
    rows: Rows,
    good: np.ndarray,
    train: PulseTrain,
    offset: float,
    max_jitter_s: float,
    record_press_s: float | None,
) -> _Start:
    """Follow the clock from one start and place its segments."""
    times = rows.device_time_s[good]
    track = follow_clock(times, train, start_offset_s=offset, max_jitter_s=max_jitter_s)
    aligned = times + track.offset_s
    overhang = max(train.times_s[0] - aligned.min(), aligned.max() - train.times_s[-1], 0.0)
    n_outside = int(overhang / train.period_s.min()) + 40
    timeline = continue_train(train, n_outside=n_outside)
    captured = np.searchsorted(timeline.times_s, aligned + 1e-3, side="right") - 1
    captured = np.clip(captured, 0, timeline.times_s.size - 1)
    segments = _cut(rows, good, track, timeline, captured, max_jitter_s)
    rates = _rates(timeline, captured)
    prior = None
    if record_press_s is not None:
        prior = _press_prior(segments, timeline, record_press_s, max_jitter_s)
    placement = place_segments(segments, timeline, rates, first_capture_log_prior=prior)
    return _Start(track, timeline, segments, placement, rates)


def _rates(timeline: Timeline, captured: np.ndarray) -> FaultRates:
    """Return the shares of lost rows and missing pulses between first and last row."""
    inside = slice(int(captured[0]), int(captured[-1]) + 1)
    held, real = timeline.is_held[inside], timeline.is_real[inside]
    n_held = max(int(held.sum()), 1)
    seen = np.zeros(timeline.times_s.size, dtype=bool)
    seen[captured] = True
    lost = int((real & ~seen[inside]).sum())
    missing = int((held & ~real).sum())
    return FaultRates((lost + 0.5) / (n_held + 1), (missing + 0.5) / (n_held + 1))


def _press_prior(
    segments: Segments, timeline: Timeline, record_press_s: float, max_jitter_s: float
) -> np.ndarray:
    """Log probability of each shift, given that toggling begins at the record press."""
    frame = int(segments.captured[0])
    shifts = allowed_shifts(segments, timeline)
    moved = segments.offset_s[0] + timeline.times_s[frame + shifts] - timeline.times_s[frame]
    first = np.array(
        [
            np.flatnonzero(timeline.is_real & (timeline.block == b))[:1]
            for b in timeline.block[frame + shifts]
        ],
        dtype=object,
    )
    began = np.array([timeline.times_s[f[0]] if f.size else np.nan for f in first])
    after_press = began - moved - record_press_s
    period = timeline.period_s[frame]
    early = np.maximum(-after_press - 0.1 * period, 0.0)
    late = np.maximum(after_press - 1.1 * period - max_jitter_s, 0.0)
    log_prior = -np.minimum((early + late) / (0.05 * period + 1e-3) * 1.5, 8.0)
    return np.where(np.isfinite(log_prior), log_prior, 0.0)


def _cut(
    rows: Rows,
    good: np.ndarray,
    track: ClockTrack,
    timeline: Timeline,
    captured: np.ndarray,
    max_jitter_s: float,
) -> Segments:
    """Cut the rows where the clock has jumped, and where a gap might hide a jump."""
    steps = np.diff(rows.device_time_s[good])
    jumped = np.diff(track.segment) != 0
    gap = np.where(jumped, np.inf, steps)
    wide = gap > 1.8 * rows.interval_s + max_jitter_s
    order = np.argsort(-gap)[: min(int(wide.sum() + jumped.sum()), _MAX_SEGMENTS)]
    starts = np.concatenate([[0], np.sort(order) + 1, [good.size]]).astype(int)
    # a frame later than the next row's cannot be: late stamps near a boundary are set back
    captured = np.minimum.accumulate(captured[::-1] - np.arange(good.size)[::-1] * 0)[::-1]
    steps_daq = np.full(starts.size - 1, np.nan)
    numbers = np.cumsum(rows.daq_step)[good]
    known = np.concatenate([[0], np.cumsum(rows.daq_step == 0)])
    for g in range(1, starts.size - 1):
        a, b = max(starts[g - 1], starts[g] - 40), min(starts[g + 1], starts[g] + 40)
        before, after = good[a : starts[g]], good[starts[g] : b]
        a_row = int(np.searchsorted(known, known[before[-1] + 1]) - 1)
        use_before = slice(max(a, int(np.searchsorted(good, a_row))), starts[g])
        stop_row = int(np.searchsorted(known, known[after[0] + 1], side="right") - 1)
        use_after = slice(starts[g], min(b, int(np.searchsorted(good, stop_row))))
        if rows.daq_step[after[0]] == 0 or use_after.stop <= use_after.start:
            continue
        lag = np.median(captured[use_before] - numbers[use_before])
        lead = np.median(captured[use_after] - numbers[use_after])
        at = starts[g]
        steps_daq[g] = captured[at] - captured[at - 1] - np.round(lead - lag)
    return Segments(starts, captured, track.offset_s, steps_daq)


def _refine(rows: Rows, good: np.ndarray, start: _Start, max_jitter_s: float) -> Match:
    """Decode the rows with learned jitter and clock."""
    timeline, placement, segments = start.timeline, start.placement, start.segments
    sizes = np.diff(segments.starts)
    shift = np.repeat(placement.shift, sizes)
    frame = segments.captured
    moved = np.clip(frame + shift, 0, timeline.times_s.size - 1)
    offset = segments.offset_s + timeline.times_s[moved] - timeline.times_s[frame]
    n_rows = rows.device_time_s.size
    aligned = np.interp(np.arange(n_rows), good, rows.device_time_s[good] + offset)
    nearest = np.clip(np.searchsorted(good, np.arange(n_rows)), 0, good.size - 1)
    segment = _clock_segments(start.track, segments, offset)[nearest]
    placed = np.repeat(placement.probability, sizes)[nearest]
    density = None
    rates = start.rates
    for _ in range(3):
        decoded, late = _decode_rows(rows, aligned, timeline, rates, density, max_jitter_s)
        density = _learn_jitter(late[good], max_jitter_s)
        matched = good[timeline.is_real[decoded.captured[good]]]
        clock = fit_clock(
            rows.device_time_s[matched], timeline.times_s[decoded.captured[matched]],
            segment[matched],
        )  # fmt: skip
        rates = _rates(timeline, decoded.captured)
        mapped = clock.to_session_time(rows.device_time_s, segment)
        aligned = np.where(rows.is_junk, aligned, mapped)
    late = aligned - timeline.times_s[decoded.captured]
    return Match(
        timeline, decoded.captured, decoded.probability * placed, placed, segment, late, clock,
        placement, rates,
    )  # fmt: skip


def _clock_segments(track: ClockTrack, segments: Segments, offset: np.ndarray) -> np.ndarray:
    """Number the stretches between true clock jumps: where the offset itself steps."""
    edges = segments.starts[1:-1]
    jumped = edges[np.abs(offset[edges] - offset[edges - 1]) > 5e-3]
    mark = np.zeros(offset.size, dtype=int)
    mark[jumped] = 1
    return np.cumsum(mark)


def _decode_rows(
    rows: Rows,
    aligned: np.ndarray,
    timeline: Timeline,
    rates: FaultRates,
    density: np.ndarray | None,
    max_jitter_s: float,
) -> tuple[Decoded, np.ndarray]:
    """Decode once with a given clock and jitter distribution."""
    times = timeline.times_s
    reach = np.where(rows.is_junk, 3 * rows.interval_s, max_jitter_s + _EARLY_S)
    ahead = np.where(rows.is_junk, 3 * rows.interval_s, _EARLY_S)
    first = np.searchsorted(times, aligned - reach)
    last = np.searchsorted(times, aligned + ahead, side="right") - 1
    first = np.clip(np.minimum(first, last), 0, times.size - 1)
    first = np.maximum(first, last - MAX_STATES + 1)
    count = np.clip(last - first + 1, 1, MAX_STATES)
    frames = np.minimum(first[:, None] + np.arange(count.max()), times.size - 1)
    late = aligned[:, None] - times[frames]
    if density is None:
        emission = -np.maximum(late, 0) / (0.3 * max_jitter_s) + np.minimum(late, 0) / 1e-3
    else:
        bins = np.clip(((late + 2 * _EARLY_S) / _BIN_S).astype(int), 0, density.size - 1)
        emission = density[bins]
    emission = np.where(rows.is_junk[:, None], 0.0, emission)
    emission = emission + np.where(timeline.is_real[frames], 0.0, np.log(rates.missing))
    decoded = decode(
        first, np.ascontiguousarray(emission), count, is_real=timeline.is_real,
        is_held=timeline.is_held, daq_step=rows.daq_step, lost_rate=rates.lost,
    )  # fmt: skip
    return decoded, aligned - times[decoded.captured]


def _learn_jitter(late_s: np.ndarray, max_jitter_s: float) -> np.ndarray:
    """Return the log density of the jitter in bins of half a millisecond."""
    n_bins = int((max_jitter_s + 4 * _EARLY_S) / _BIN_S)
    bins = np.clip(((late_s + 2 * _EARLY_S) / _BIN_S).astype(int), 0, n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins).astype(float)
    smooth = np.convolve(np.pad(counts, 2, mode="edge"), [0.1, 0.2, 0.4, 0.2, 0.1], mode="valid")
    smooth += 0.02 + 1e-4 * smooth.sum() / n_bins
    return np.log(smooth / smooth.max())
