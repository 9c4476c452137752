"""Gap-free stretches of records: lost samples told from late time stamps.

Samples are lost in whole numbers and never come back: a loss shifts every later time stamp against
the count of samples. A stamp may also be late by itself (22 to 38 us every eighth record on some
ATLAS systems, 20 us now and then on any): the next ones are right again. So a gap is where the
*level* of the stamps, compared with the count of samples, changes for good.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

RECORD_SAMPLES = 512
"""Samples of a full record (Neuralynx file format)."""

LEAST_CHANGE = 0.5
"""Samples by which the level must change: half of the smallest loss, one sample."""

LEVEL_RECORDS = 32
"""Records whose median is the level on either side of a change. Jitter evenly spread over one
sample moves it by .09 samples (SD). More records would follow the wander of the clock too late."""

RECORDS_AHEAD = 8
"""Records by which a change is noticed: most of them must be off, so that a few may be late."""

END_RECORDS = 3  # records
LATEST_US = 100.0
"""With fewer records than this before or after it, a change is a gap only if it is longer than
this, us: a late stamp (38 us are known) cannot be told there from a loss of few samples."""

STAMP_ERROR_US = 2.0
"""Time stamps are whole microseconds: nominal and true rate are told apart beyond this error."""

PLAUSIBLE_RATE = 0.1
"""Share by which a measured rate may differ from the header's; beyond it, it comes of gaps."""

STEP_ERROR_US = 1.0
"""Error of a step between two stamps of whole microseconds: steps by 1 and by many agree in it."""


@dataclass(frozen=True)
class Segment:
    """Samples without a gap: records `first_record` to before `stop_record` of a start."""

    first_record: int
    stop_record: int
    start_us: int
    n_samples: int
    start: int = 0


def find_segments(
    stamps: np.ndarray, n_valid: np.ndarray, *, nominal_hz: float
) -> tuple[Segment, ...]:
    """Cut the records where samples were lost between one record and the next.

    Parameters
    ----------
    stamps
        Time of the first sample of every record, microseconds, increasing, shape (record,).
    n_valid
        Samples in every record, shape (record,).
    nominal_hz
        Rate by the header.
    """
    sample_us = _sample_us(stamps, n_valid, nominal_hz=nominal_hz)
    late_us = np.diff(stamps) - n_valid[:-1] * sample_us
    shifts = np.concatenate([[0.0], np.cumsum(late_us)]) / sample_us
    cuts = _find_cuts(shifts, latest=LATEST_US / sample_us)
    starts, stops = [0, *cuts], [*cuts, len(stamps)]
    return tuple(
        Segment(
            start,
            stop,
            int(stamps[start] - round(_lateness(shifts[start:stop]) * sample_us)),
            int(n_valid[start:stop].sum()),
        )
        for start, stop in zip(starts, stops, strict=True)
    )


def measure_rate(
    stamps: np.ndarray,
    n_valid: np.ndarray,
    *,
    segments: Sequence[Segment],
    nominal_hz: float,
) -> float:
    """Return the rate by the time stamps of the longest segment; the nominal one if it agrees."""
    longest = max(segments, key=lambda segment: segment.n_samples)
    last = longest.stop_record - 1
    elapsed_us = int(stamps[last] - stamps[longest.first_record])
    n_samples = int(n_valid[longest.first_record : last].sum())
    if elapsed_us == 0 or abs(n_samples / nominal_hz * 1e6 - elapsed_us) <= STAMP_ERROR_US:
        return nominal_hz
    return n_samples / elapsed_us * 1e6


def _sample_us(stamps: np.ndarray, n_valid: np.ndarray, *, nominal_hz: float) -> float:
    """Return the interval of samples by the median step of full records, microseconds.

    Steps over many records give it more finely, where most of them hold no gap.
    """
    record_us = RECORD_SAMPLES / nominal_hz * 1e6
    n_partial = np.concatenate([[0], np.cumsum(n_valid != RECORD_SAMPLES)])
    tolerance_us = PLAUSIBLE_RATE * record_us
    for n_steps in (1, LEVEL_RECORDS):
        is_full = n_partial[n_steps:-1] == n_partial[: -n_steps - 1]
        if is_full.any():
            steps_us = (stamps[n_steps:] - stamps[:-n_steps])[is_full]
            measured_us = float(np.median(steps_us)) / n_steps
            if abs(measured_us - record_us) <= tolerance_us:
                record_us = measured_us
            spread_us = np.median(np.abs(steps_us - np.median(steps_us)))
            # 7.4: four standard errors of a median, 1.25 x 1.48 x the median deviation / sqrt(n)
            tolerance_us = max(STEP_ERROR_US, 7.4 * float(spread_us) / np.sqrt(len(steps_us)))
    return record_us / RECORD_SAMPLES


def _find_cuts(shifts: np.ndarray, *, latest: float) -> list[int]:
    """Return the records before which the level of the shifts (samples) changes for good."""
    cuts = [0]
    for record in _candidates(shifts).tolist():
        if record <= cuts[-1]:
            continue
        level = np.median(shifts[max(cuts[-1], record - LEVEL_RECORDS) : record])
        change = shifts[record : record + RECORDS_AHEAD] - level
        if abs(np.median(change)) <= LEAST_CHANGE:
            continue
        cut = record + _place(change * np.sign(np.median(change)))
        is_told = END_RECORDS <= cut <= len(shifts) - END_RECORDS
        if is_told or abs(shifts[cut] - level) > latest:
            cuts.append(cut)
    return _confirmed(shifts, [*cuts, len(shifts)])


def _candidates(shifts: np.ndarray) -> np.ndarray:
    """Return the records around which the level may change, in order."""
    from scipy.ndimage import median_filter  # .3 s; to look for the format takes none of it

    trailing, leading = LEVEL_RECORDS // 2, -(RECORDS_AHEAD // 2)
    before = np.roll(median_filter(shifts, LEVEL_RECORDS, mode="nearest", origin=trailing - 1), 1)
    after = median_filter(shifts, RECORDS_AHEAD, mode="nearest", origin=leading)
    ends = np.isin(np.arange(len(shifts)), [1, len(shifts) - 1])
    return np.flatnonzero((np.abs(after - before) > LEAST_CHANGE) | ends)


def _place(change: np.ndarray) -> int:
    """Return where in a window the level rises by half a sample or more.

    Records below that must stand before it, those above it behind it; one on the wrong side counts
    by at most half a sample, however late it is. Of equal places the last: stamps are late, never
    early.
    """
    above = np.clip(change - LEAST_CHANGE, 0, LEAST_CHANGE)
    below = np.clip(LEAST_CHANGE - change, 0, LEAST_CHANGE)
    misfit = np.cumsum(above) - above + below.sum() - np.cumsum(below) + below
    return int(len(misfit) - 1 - np.argmin(misfit[::-1]))


def _confirmed(shifts: np.ndarray, bounds: list[int]) -> list[int]:
    """Return the cuts at which the level changes by all records around, and does not return.

    Lost samples do not come back: a stretch after which the former level returns is a burst of
    late stamps.
    """
    kept = bounds[:1]
    for cut, stop in pairwise(bounds[1:]):
        after = _level(shifts[cut : min(stop, cut + LEVEL_RECORDS)])
        if abs(after - _level_before(shifts, kept[-1], cut)) <= LEAST_CHANGE:
            continue
        is_burst = len(kept) > 1 and cut - kept[-1] <= LEVEL_RECORDS
        if is_burst and abs(after - _level_before(shifts, *kept[-2:])) <= LEAST_CHANGE:
            kept.pop()
        else:
            kept.append(cut)
    return kept[1:]


def _level_before(shifts: np.ndarray, start: int, stop: int) -> float:
    """Return the level at the end of the records start..stop, samples."""
    return _level(shifts[max(start, stop - LEVEL_RECORDS) : stop])


def _level(shifts: np.ndarray) -> float:
    """Return the mean of shifts, each counted at most half a sample from their median.

    Evenly spread jitter of one sample moves it by .05 samples (SD), half as much as the median.
    """
    middle = np.median(shifts)
    return float(middle + np.clip(shifts - middle, -LEAST_CHANGE, LEAST_CHANGE).mean())


def _lateness(shifts: np.ndarray) -> float:
    """Return by how many samples the first stamp of a segment is late, 0 within half a sample."""
    late = float(shifts[0] - np.median(shifts[:LEVEL_RECORDS]))
    return late if abs(late) > LEAST_CHANGE else 0.0
