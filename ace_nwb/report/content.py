"""What a report shows, as arrays: filled by `reading`, drawn and judged by the other modules.

Every part may be absent (None): the stage that makes it has not been run. All times are seconds
on the session clock.
"""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Facts:
    """Who, when and with what.

    Parameters
    ----------
    title
        Subject and session in a few words.
    rows
        (label, value) pairs for the page's head.
    free_text
        (label, text) pairs of what people wrote: description, notes.
    """

    title: str
    rows: tuple[tuple[str, str], ...]
    free_text: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Frames:
    """Which frames of the movie exist.

    Parameters
    ----------
    n_recorded, n_lost
        Frames in the file, and frames that were captured but not stored.
    rate_hz
        Median frame rate.
    start_s, duration_s
        Time of the first frame, and from it to the last.
    lost_times_s
        When frames were lost, shape (lost,).
    longest_gap_s
        Longest time without a frame.
    n_irregular
        Time stamps that do not increase or are not finite.
    intervals_s
        Time between frames, shape (frame - 1,).
    """

    n_recorded: int
    n_lost: int
    rate_hz: float
    start_s: float
    duration_s: float
    lost_times_s: np.ndarray
    longest_gap_s: float
    n_irregular: int = 0
    intervals_s: np.ndarray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class SyncFit:
    """How well the camera's clock was aligned to the ephys clock.

    Parameters
    ----------
    times_s, residuals_ms
        Aligned time of each matched frame, and how late its device time is, shape (frame,).
    clock_times_s, clock_difference_ms
        The fitted device clock minus the session clock, less its first value, shape (frame,).
    drift_ppm
        How much faster the camera's clock runs, parts per million.
    n_matched, n_frames
        Frames with a pulse of their own, and all frames.
    verdict, reasons
        What the alignment says of itself ("pass" or "warn"), and why.
    line
        Name of the TTL line with the frames' pulses.
    method
        How the clocks were aligned.
    low_confidence_s
        (start, stop) of spans that were interpolated, shape (span, 2).
    evidence
        What the alignment rests on.
    corrections
        Corrections by people that it obeyed, one sentence each.
    flashes
        The independent check by flashes of light, if it was made.
    """

    times_s: np.ndarray
    residuals_ms: np.ndarray
    clock_times_s: np.ndarray
    clock_difference_ms: np.ndarray
    drift_ppm: float
    n_matched: int
    n_frames: int
    verdict: str = "pass"
    reasons: str = ""
    line: str = ""
    method: str = "pulses"
    low_confidence_s: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    evidence: str = ""
    corrections: tuple[str, ...] = ()
    flashes: "Flashes | None" = None


@dataclass(frozen=True)
class Flashes:
    """Flashes in the movie against their markers.

    Parameters
    ----------
    times_s, offset_frames
        Time of each marker, and frames from there to its flash, shape (marker,); NaN without one.
    summary
        The check in words.
    """

    times_s: np.ndarray
    offset_frames: np.ndarray
    summary: str

    @property
    def agree(self) -> bool:
        """Whether every marker has its flash within one frame."""
        return bool(len(self.times_s) and np.all(np.abs(self.offset_frames) <= 1))


@dataclass(frozen=True)
class Motion:
    """Shift (row, column) of every frame, pixels, shape (frame, 2), and how sure it is."""

    times_s: np.ndarray
    shifts_px: np.ndarray
    quality: np.ndarray | None
    max_shift_px: float | None = None


@dataclass(frozen=True)
class Brightness:
    """Mean fluorescence of every frame and the bleaching trend fitted to it, same unit."""

    times_s: np.ndarray
    mean: np.ndarray
    trend: np.ndarray | None


@dataclass(frozen=True)
class Outlines:
    """Contours of the footprints.

    Parameters
    ----------
    numbers
        Number of each ROI in the segmentation table, shape (roi,).
    contours
        Per ROI its closed lines, each of shape (vertex, 2) as (row, column).
    accepted
        Whether the ROI is kept, shape (roi,).
    """

    numbers: np.ndarray
    contours: tuple[tuple[np.ndarray, ...], ...]
    accepted: np.ndarray

    def of_accepted(self) -> "Outlines":
        """Return the outlines without those of rejected ROIs."""
        kept = np.flatnonzero(self.accepted)
        contours = tuple(self.contours[i] for i in kept)
        return Outlines(self.numbers[kept], contours, self.accepted[kept])


@dataclass(frozen=True)
class Rois:
    """The table of ROIs: what the evaluation found, shape (roi,) each.

    Parameters
    ----------
    snr, r_value
        Signal-to-noise ratio and footprint correlation; None before evaluation.
    accepted
        Kept or not; all kept before evaluation.
    """

    n_rois: int
    accepted: np.ndarray
    snr: np.ndarray | None
    r_value: np.ndarray | None
    is_evaluated: bool


@dataclass(frozen=True)
class Traces:
    """Traces of the best ROIs, shape (frame, roi), best first."""

    times_s: np.ndarray
    numbers: np.ndarray
    raw: np.ndarray
    denoised: np.ndarray | None
    unit: str


@dataclass(frozen=True)
class Events:
    """Calcium events: when, in which of `n_rois` ROIs, within which span, from which table."""

    times_s: np.ndarray
    rois: np.ndarray
    n_rois: int
    span_s: tuple[float, float]
    table: str = ""


@dataclass(frozen=True)
class Spectrogram:
    """Linear power, shape (window, frequency), at the windows' centres."""

    name: str
    times_s: np.ndarray
    frequencies_hz: np.ndarray
    power: np.ndarray
    is_ephys: bool


@dataclass(frozen=True)
class Line:
    """A signal over time for the overview picture, shape (sample,)."""

    name: str
    times_s: np.ndarray
    values: np.ndarray
    unit: str


@dataclass(frozen=True)
class Phases:
    """At which phase of an ephys channel calcium events happen.

    Parameters
    ----------
    channel
        Name of the ephys channel.
    event_phases_rad
        Phase at every event of the accepted ROIs, shape (event,); may be empty.
    numbers, preferred_rad, vector_length, p_value
        Per ROI: number, circular mean, mean vector length, Rayleigh p, shape (roi,).
    """

    channel: str
    event_phases_rad: np.ndarray
    numbers: np.ndarray
    preferred_rad: np.ndarray
    vector_length: np.ndarray
    p_value: np.ndarray


@dataclass(frozen=True)
class Band:
    """A curve with an interval around it and what chance would give, arrays of shape (point,).

    Parameters
    ----------
    name
        What it is of: a channel, a trigger.
    x
        Phase (radians), frequency (Hz) or lag (s).
    values, lower, upper
        The curve and its interval; equal where there is none.
    null_lower, null_upper
        Band that chance keeps to.
    note
        What the numbers say.
    """

    name: str
    x: np.ndarray
    values: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    null_lower: np.ndarray
    null_upper: np.ndarray
    note: str = ""


@dataclass(frozen=True)
class Course:
    """Coherence of the mean trace with a channel over time, shape (window, frequency)."""

    channel: str
    times_s: np.ndarray
    frequencies_hz: np.ndarray
    coherence: np.ndarray


@dataclass(frozen=True)
class Effects:
    """Effect sizes of one measure between two conditions, shape (subject,)."""

    measure: str
    first: str
    second: str
    subjects: np.ndarray
    effect: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    q_value: np.ndarray


@dataclass(frozen=True)
class Relations:
    """Everything that was found; parts whose stage has not been run are empty."""

    histograms: tuple[Band, ...] = ()
    coherence: tuple[Band, ...] = ()
    course: Course | None = None
    perievent: tuple[Band, ...] = ()
    effects: tuple[Effects, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been related."""
        found = (self.histograms, self.coherence, self.course, self.perievent, self.effects)
        return not any(found)


@dataclass(frozen=True)
class StageRow:
    """One stage: its state, what was changed from the default, its last run, and remarks on it."""

    name: str
    status: str
    changed: tuple[str, ...]
    duration_s: float | None
    version: str
    remark: str = ""


@dataclass(frozen=True)
class HistoryRow:
    """One run of a stage with all its parameters."""

    run_id: str
    stage: str
    started: str
    version: str
    duration_s: float | None
    parameters: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class SessionContent:
    """Everything a report can show of a session; `span_s` is the time axis of all figures."""

    facts: Facts
    span_s: tuple[float, float]
    frames: Frames | None = None
    sync: SyncFit | None = None
    motion: Motion | None = None
    brightness: Brightness | None = None
    images: dict[str, np.ndarray] = field(default_factory=dict)
    pixel_size_um: float | None = None
    outlines: Outlines | None = None
    rois: Rois | None = None
    traces: Traces | None = None
    events: Events | None = None
    spectrograms: tuple[Spectrogram, ...] = ()
    phases: Phases | None = None
    relations: Relations | None = None
    stages: tuple[StageRow, ...] = ()
    history: tuple[HistoryRow, ...] = ()
