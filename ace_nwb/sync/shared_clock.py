"""Alignment without pulses: one hardware clock for both, a known offset, or wall-clock times."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ace_nwb.errors import SyncError

_CERTAIN_SHARE = 0.25  # of a frame: what times must be certain to


@dataclass(frozen=True)
class KnownClock:
    """Device clock to ephys clock by a straight line that is known, not fitted.

    Parameters
    ----------
    slope, offset_s
        ephys = slope * device + offset_s.
    uncertainty_s
        How far times may be off, seconds.
    confidence
        Probability that a frame's time is right within a quarter of a frame.
    verdict, reasons
        Whether to trust it, and why it is not "pass".
    evidence
        What it rests on, one sentence each.
    n_lost
        Frames that the time stamps show to be lost.
    """

    slope: float
    offset_s: float
    uncertainty_s: float
    confidence: float
    verdict: Literal["pass", "warn"]
    reasons: tuple[str, ...]
    evidence: tuple[str, ...]
    n_lost: int

    @property
    def drift_ppm(self) -> float:
        """How much faster the device clock runs."""
        return (1 / self.slope - 1) * 1e6

    def to_session_time(self, device_time_s: np.ndarray) -> np.ndarray:
        """Map device times to the ephys clock."""
        return self.slope * np.asarray(device_time_s, dtype=float) + self.offset_s


def check_shared_clock(
    frame_times_s: np.ndarray,
    ephys_spans_s: np.ndarray,
    *,
    clock: str,
    movie_rate_hz: float,
    ephys_rates_hz: np.ndarray,
    n_movie_frames: int,
) -> KnownClock:
    """Check that movie and ephys really share one hardware clock.

    Parameters
    ----------
    frame_times_s
        Time of each frame by the clock, shape (n_frames,).
    ephys_spans_s
        First and last sample of each ephys series by the same clock, shape (n_series, 2).
    clock
        Its name.
    movie_rate_hz, ephys_rates_hz
        Counts per second that were used for the movie and for each ephys series.
    n_movie_frames
        Pictures in the movie.

    Raises
    ------
    SyncError
        If the counts differ, time runs backwards, the rates differ, or movie and ephys do not
        overlap: then it is not one acquisition.
    """
    times = np.asarray(frame_times_s, dtype=float)
    rates = np.asarray(ephys_rates_hz, dtype=float)
    if times.size != n_movie_frames:
        raise SyncError(
            f"The {clock} gives {times.size} times for {n_movie_frames} frames. One per frame was "
            "expected; convert the recording again."
        )
    if np.any(np.diff(times) <= 0):
        raise SyncError(f"The {clock} runs backwards between frames. It should only run forwards.")
    if np.any(np.abs(rates / movie_rate_hz - 1) > 1e-9):
        raise SyncError(
            f"The {clock} is counted at {movie_rate_hz:.0f} Hz for the movie and at "
            f"{rates.min():.0f} to {rates.max():.0f} Hz for ephys. One rate was expected; the "
            "streams are of different acquisitions. Align them through a TTL line (method pulses)."
        )
    start, stop = float(ephys_spans_s[:, 0].min()), float(ephys_spans_s[:, 1].max())
    inside = float(np.mean((times >= start) & (times <= stop)))
    if inside == 0.0:
        raise SyncError(
            f"By the {clock} the movie runs from {times[0]:.3f} to {times[-1]:.3f} s and ephys "
            f"from {start:.3f} to {stop:.3f} s. They were expected to overlap; are they of one "
            "acquisition?"
        )
    n_lost, n_odd = _count_gaps(times)
    reasons = []
    if inside < 0.99:
        reasons.append(f"{1 - inside:.1%} of frames lie outside the ephys recording")
    if n_lost > 0.02 * times.size:
        reasons.append(f"{n_lost} frames were lost by the clock")
    if n_odd > 0.01 * times.size:
        reasons.append(f"{n_odd} frame intervals are no whole number of frames")
    evidence = (
        f"Movie and {len(ephys_spans_s)} ephys series are stamped by one {clock} at "
        f"{movie_rate_hz:.0f} Hz: nothing had to be matched.",
        f"{times.size} frames, {n_lost} lost by the clock's intervals; {inside:.1%} of frames lie "
        "within the ephys recording.",
    )
    verdict: Literal["pass", "warn"] = "warn" if reasons else "pass"
    return KnownClock(1.0, 0.0, 0.0, 1.0, verdict, tuple(reasons), evidence, n_lost)


def apply_known_offset(
    frame_times_s: np.ndarray,
    *,
    offset_s: float,
    uncertainty_s: float,
    drift_ppm: float,
    source: str,
) -> KnownClock:
    """Take a clock whose start and drift are known.

    Parameters
    ----------
    frame_times_s
        Device times of the frames, shape (n_frames,).
    offset_s, uncertainty_s
        Ephys time of device time zero, and how far it may be off.
    drift_ppm
        How much faster the device clock runs, parts per million.
    source
        Where the offset comes from, for the evidence.
    """
    times = np.asarray(frame_times_s, dtype=float)
    period = float(np.median(np.diff(times)))
    certain = _CERTAIN_SHARE * period
    confidence = 1.0 if uncertainty_s <= certain else certain / uncertainty_s
    reasons = (
        ()
        if confidence == 1.0
        else (
            f"times are certain to {uncertainty_s:g} s only, which is "
            f"{uncertainty_s / period:.1f} frames",
        )
    )
    evidence = (
        f"{source}: device time 0 is {offset_s:.6f} s of the ephys clock, give or take "
        f"{uncertainty_s:g} s; drift taken as {drift_ppm:g} ppm, not measured.",
    )
    return KnownClock(
        slope=1 / (1 + drift_ppm * 1e-6),
        offset_s=offset_s,
        uncertainty_s=uncertainty_s,
        confidence=confidence,
        verdict="warn" if reasons else "pass",
        reasons=reasons,
        evidence=evidence,
        n_lost=_count_gaps(times)[0],
    )


def _count_gaps(times_s: np.ndarray) -> tuple[int, int]:
    """Return how many frames are lost by the intervals, and how many intervals are odd."""
    intervals = np.diff(times_s)
    if intervals.size == 0:
        return 0, 0
    frames = intervals / np.median(intervals)
    whole = np.maximum(np.round(frames), 1)
    return int((whole - 1).sum()), int(np.count_nonzero(np.abs(frames - whole) > 0.2))
