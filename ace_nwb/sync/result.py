"""What an alignment is: times, confidence, the shifts that remain possible, counts, the verdict."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ace_nwb.sync.clock import ClockFit

TRUSTED = 0.999
"""Least confidence of a frame that is not flagged."""

STATUS = ("matched", "interpolated", "predicted")


@dataclass(frozen=True)
class SyncReport:
    """Numbers of one alignment.

    Parameters
    ----------
    n_frames, n_pulses
        Saved frames; pulses given.
    n_matched
        Frames that stand on a pulse of their own.
    n_interpolated
        Frames whose own pulse is missing, timed between the pulses around.
    n_predicted
        Frames where no pulses are, timed by the clock model.
    n_lost
        Pulses between the first and the last frame without a saved frame.
    n_spurious
        Pulses between the first and the last frame that belong to no captured frame.
    n_before, n_after
        Pulses before the first and after the last saved frame.
    n_flagged
        Frames with confidence below `TRUSTED`.
    drift_ppm
        Device clock against the ephys clock, positive if the device runs fast.
    residual_ms
        Percentiles 1, 5, 50, 95, 99 of the time-stamp lateness against the fitted clock.
    """

    n_frames: int
    n_pulses: int
    n_matched: int
    n_interpolated: int
    n_predicted: int
    n_lost: int
    n_spurious: int
    n_before: int
    n_after: int
    n_flagged: int
    drift_ppm: float
    residual_ms: tuple[float, float, float, float, float]


Verdict = Literal["pass", "warn", "ambiguous", "fail"]


@dataclass(frozen=True)
class Stretch:
    """Frames that were placed together.

    Parameters
    ----------
    first, stop
        First frame, and the one after the last.
    shifts
        Frames by which all of them may stand aside (0: as aligned; +1: each was captured one frame
        later) -> probability.
    """

    first: int
    stop: int
    shifts: Mapping[int, float]

    def reach_of(self, least: float) -> int:
        """Return the most frames by which they may stand aside with some probability.

        If no other shift is as probable by itself, it is the most probable other one.
        """
        others = {shift: chance for shift, chance in self.shifts.items() if shift}
        if not others:
            return 0
        likely = [abs(shift) for shift, chance in others.items() if chance >= least]
        most_probable = max(others, key=lambda shift: others[shift])
        return max(likely, default=abs(most_probable))


@dataclass(frozen=True)
class Alignment:
    """Saved frames on the ephys clock; per-frame arrays have shape (n_frames,).

    Parameters
    ----------
    session_time_s
        Capture time, ephys clock, strictly increasing.
    pulse
        Index of the frame's pulse, -1 if it has none.
    confidence
        Probability that the frame is the one it was taken for.
    status
        "matched", "interpolated" or "predicted" (see `SyncReport`).
    residual_s
        Time stamp minus fitted clock (grab jitter); nan for unusable time stamps.
    segment
        Jump-free segment of the device clock.
    clock
        Device clock against ephys clock.
    report
        Counts and percentiles.
    verdict, reasons
        Whether to trust it: "pass", "warn", "ambiguous" (up to whole frames, as the first reason
        says) or "fail", and why not "pass".
    evidence
        What the alignment rests on, one sentence each.
    terms
        What speaks for it and against the likeliest other placements, term by term.
    low_confidence
        Intervals (start_s, stop_s, reason) of flagged frames, ephys clock.
    stretches
        Stretches of frames that were placed together, with the shifts that remain possible.
    """

    session_time_s: np.ndarray
    pulse: np.ndarray
    confidence: np.ndarray
    status: np.ndarray
    residual_s: np.ndarray
    segment: np.ndarray
    clock: ClockFit
    report: SyncReport
    verdict: Verdict
    reasons: tuple[str, ...]
    evidence: tuple[str, ...]
    terms: tuple[str, ...]
    low_confidence: tuple[tuple[float, float, str], ...]
    stretches: tuple[Stretch, ...]

    @property
    def shifts(self) -> tuple[tuple[int, float], ...]:
        """Possible shifts of the longest stretch (0: as aligned) and their probabilities."""
        longest = max(self.stretches, key=lambda one: one.stop - one.first)
        return tuple(longest.shifts.items())

    def to_session_time(self, device_time_s: np.ndarray) -> np.ndarray:
        """Map other times of the same device clock, in recorded order, to the ephys clock.

        Parameters
        ----------
        device_time_s
            Shape (n,), device clock. At a backward jump of the clock the order decides on which
            side of it a time lies.
        """
        times = np.asarray(device_time_s, dtype=float)
        return self.clock.to_session_time(times, self.clock.find_segments(times))
