"""Every knob of every stage, with its default: the only home of scientific defaults.

Field names equal the keyword arguments of the pure functions in `imaging`, `signals`, `sync` and
`engines` that they steer. Those of the signals stand in `signal_params`.
"""

from datetime import datetime
from typing import Literal

from pydantic import Field, field_validator

from ace_nwb.stages.settings.signal_params import (
    BoutsParams,
    CoherenceParams,
    CompareParams,
    ConditionsParams,
    CorrelationParams,
    CorrelogramsParams,
    CouplingParams,
    DeconvolveParams,
    DffParams,
    EphysArtifactsParams,
    EphysFilterParams,
    EventsParams,
    FilterParams,
    PerieventParams,
    PhaseParams,
    SpectrogramParams,
)
from ace_nwb.stages.stage import ROIS, Rois, StageParams

__all__ = [
    "BoutsParams",
    "CoherenceParams",
    "CompareParams",
    "ConditionsParams",
    "CorrelationParams",
    "CorrelogramsParams",
    "CouplingParams",
    "CurateParams",
    "DeconvolveParams",
    "DffParams",
    "EphysArtifactsParams",
    "EphysFilterParams",
    "EvaluateParams",
    "EventsParams",
    "ExtractParams",
    "FilterParams",
    "FlashCheckParams",
    "MotionParams",
    "PerieventParams",
    "PhaseParams",
    "PreprocessParams",
    "RegisterSessionsParams",
    "RegroupParams",
    "SpectrogramParams",
    "StageParams",
    "SummaryParams",
    "SyncParams",
]


class SyncParams(StageParams):
    """Align the camera's clock to the ephys clock: by frame pulses, or a clock that both share."""

    method: Literal[
        "auto", "pulses", "hardware-clock", "flashes", "barcodes", "gate", "offset", "wall-clock"
    ] = Field(
        default="auto",
        description="How; auto takes a clock that movie and ephys share, else frame pulses.",
    )
    line: str | None = Field(
        default=None,
        description="Events table with the frame pulses, or several with commas between; found by "
        "its rate if not given.",
    )
    pulse_mode: Literal["auto", "toggle", "pulse"] = Field(
        default="auto",
        description="Whether every edge marks a frame (toggle) or one edge of each pulse (pulse).",
    )
    pulse_edge: Literal["auto", "rising", "falling"] = Field(
        default="auto",
        description="Which edge of a pulse marks the frame; auto takes the steadier one.",
    )
    frames_per_pulse: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Frames per pulse where a line marks every nth; the rig file may say it.",
    )
    analog_line: str | None = Field(
        default=None,
        description="Analog channel (series/channel) whose wave carries the frame pulses.",
    )
    camera_lines: str | None = Field(
        default=None,
        description="Cameras with a frame line of their own: 'BehaviorCamera=TTL3', ...",
    )
    bit_mask: int | None = Field(
        default=None, ge=1, description="Bits of the pulses where a table holds words of a port."
    )
    debounce_ms: float = Field(
        default=0.5, ge=0, description="Levels of the line that last shorter are glitches, ms."
    )
    max_jitter_ms: float = Field(
        default=30.0,
        gt=0,
        description="Usual jitter of the camera's software time stamps at the most, ms; a host "
        "that stalls may be later.",
    )
    recorder: Literal[
        "auto", "miniscope-daq-qt", "miniscope-v3", "trigger", "free-running", "unknown"
    ] = Field(
        default="auto",
        description="How the recorder begins and ends: trigger makes one pulse per saved frame, a "
        "free-running line says nothing about start and stop; auto takes what the rig file or the "
        "movie's device says.",
    )
    frames_before_first_edge: int | None = Field(
        default=None,
        ge=-20,
        le=20,
        description="Saved frames before the first edge, as measured on this rig; -1: one edge "
        "before the first saved frame.",
    )
    edges_after_last_frame: int | None = Field(
        default=None, ge=-20, le=20, description="Edges after the last saved frame, as measured."
    )
    accept_ambiguity: bool = Field(
        default=False,
        description="Whether to write an alignment that leaves open more frames than the recorder "
        "itself does; the file says how many.",
    )
    silent_before_recording: bool = Field(
        default=True,
        description="Whether the line toggles only while recording: its first edge is frame one.",
    )
    max_latency_ms: float = Field(
        default=150.0,
        ge=0,
        description="Longest constant delay of time stamps behind their pulses, ms, where the "
        "record press must decide which frame is the first.",
    )
    start_s: float | None = Field(
        default=None, description="Pulses before this time of the ephys clock are left out, s."
    )
    stop_s: float | None = Field(
        default=None, description="Pulses after this time of the ephys clock are left out, s."
    )
    lost_at_start: int | None = Field(
        default=None,
        ge=0,
        description="Pulses before the first saved frame, if known; 0 says that the first pulse is "
        "the first frame.",
    )
    lost_at_end: int | None = Field(
        default=None,
        ge=0,
        description="Pulses after the last saved frame, if known; 0 says that the last pulse is "
        "the last frame.",
    )
    corrections: str | None = Field(
        default=None,
        description="Corrections by hand with reason and author, such as 'pin frame 120 to edge "
        "133: flash seen (A. Meyer)' or 'exclude edges 10-57: cable plugged (A. Meyer)', with "
        "semicolons between.",
    )
    marker_line: str | None = Field(
        default=None, description="Events table that marks flashes of light, for method flashes."
    )
    min_flash_z: float = Field(
        default=8.0, gt=0, description="Least height of a flash in robust standard deviations."
    )
    offset_s: float | None = Field(
        default=None,
        description="Ephys time of device time zero, s, for method offset; narrows method flashes.",
    )
    ephys_start: str | None = Field(
        default=None,
        description="Wall-clock time of ephys time zero with its UTC offset, for method "
        "wall-clock: 2025-06-12T15:26:24.5-04:00.",
    )
    uncertainty_s: float | None = Field(
        default=None,
        ge=0,
        description="How far offset_s or the wall clocks may be off, s; 0 and 1 if not given.",
    )
    drift_ppm: float = Field(
        default=0.0,
        ge=-1000,
        le=1000,
        description="How much faster the camera's clock runs, ppm, for methods that cannot "
        "measure it.",
    )

    @field_validator("ephys_start")
    @classmethod
    def _is_a_time(cls, text: str | None) -> str | None:
        """Refuse a mistyped time at once, not when it comes to be needed."""
        try:
            has_offset = text is None or datetime.fromisoformat(text).tzinfo is not None
        except ValueError:
            has_offset = False
        if not has_offset:
            raise ValueError(
                "the wall-clock time of the first ephys sample with its UTC offset was expected, "
                "such as 2025-06-12T15:26:24.5-04:00"
            )
        return text


class FlashCheckParams(StageParams):
    """Check the alignment by flashes of light in the movie and the TTL line that marks them."""

    marker_line: str | None = Field(
        default=None, description="Events table whose rising edges mark the flashes."
    )
    min_flash_z: float = Field(
        default=8.0, gt=0, description="Least height of a flash in robust standard deviations."
    )


class PreprocessParams(StageParams):
    """Crop the field and remove bleaching, applied while reading; the raw movie is kept."""

    crop_row_start: int = Field(default=0, ge=0, description="First row kept.")
    crop_row_stop: int | None = Field(default=None, ge=1, description="Row after the last kept.")
    crop_column_start: int = Field(default=0, ge=0, description="First column kept.")
    crop_column_stop: int | None = Field(
        default=None, ge=1, description="Column after the last kept."
    )
    detrend: Literal["none", "exponential", "linear"] = Field(
        default="exponential",
        description="Shape of the bleaching curve fitted to the median brightness of the frames.",
    )


class MotionParams(StageParams):
    """Register every frame to a template."""

    engine: Literal["own", "caiman"] = Field(
        default="own", description="Our registration, or CaImAn's where it is installed."
    )
    max_shift_px: int = Field(
        default=20, ge=0, description="Largest shift searched and applied, pixels; 0 for none."
    )
    filter_radius_px: float = Field(
        default=12.0, gt=0, description="Radius of the structures that guide registration, pixels."
    )
    piecewise: bool | None = Field(
        default=None,
        description="Whether parts of the field move alone; the movie decides if None.",
    )
    patch_size_px: float = Field(
        default=48.0, ge=16, description="Distance between the parts that may do so, pixels."
    )
    max_deviation_px: float = Field(
        default=3.0, gt=0, description="Largest deviation of a part from the frame, pixels."
    )


class SummaryParams(StageParams):
    """Compute projections, local correlation and peak-to-noise images of the corrected movie."""

    cell_diameter_px: float = Field(default=12.0, gt=2, description="Diameter of a cell, pixels.")


class ExtractParams(StageParams):
    """Find neurons, their footprints and traces."""

    engine: str = Field(default="cnmfe", description="Source-extraction engine.")
    cell_diameter_px: float = Field(default=12.0, gt=2, description="Diameter of a cell, pixels.")
    min_correlation: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Least local correlation of a seed; proposed from the data if not given.",
    )
    min_peak_to_noise: float | None = Field(
        default=None,
        gt=0,
        description="Least peak-to-noise ratio of a seed; proposed from the data if not given.",
    )
    ring_size_factor: float = Field(
        default=1.4, gt=1, description="Radius of the background ring in cell diameters."
    )
    merge_correlation: float = Field(
        default=0.7, ge=0, le=1, description="Trace correlation above which touching ROIs merge."
    )
    autoregressive_order: Literal[1, 2] = Field(
        default=1, description="Order of the calcium model: 1 decay only, 2 rise and decay."
    )
    decay_time_s: float | None = Field(
        default=None,
        gt=0,
        description="Decay time of a transient, s; estimated from the data if not given.",
    )
    caiman_temporal_downsampling: int = Field(
        default=2, ge=1, description="Frames that CaImAn averages while it looks for neurons."
    )
    caiman_spatial_downsampling: int = Field(
        default=2, ge=1, description="Side of the squares CaImAn averages meanwhile, pixels."
    )
    caiman_background_downsampling: int = Field(
        default=2, ge=1, description="Side of the squares of CaImAn's background, pixels."
    )
    caiman_patch_radius_px: int | None = Field(
        default=40, ge=8, description="Half side of CaImAn's patches; none takes the whole field."
    )
    caiman_patch_overlap_px: int = Field(
        default=20, ge=0, description="Overlap of CaImAn's patches, pixels."
    )
    caiman_min_snr: float = Field(
        default=2.5, ge=0, description="Signal-to-noise ratio with which CaImAn accepts a ROI."
    )
    caiman_min_r_value: float = Field(
        default=0.85, ge=-1, le=1, description="Spatial correlation with which CaImAn accepts one."
    )


class RegroupParams(StageParams):
    """Make the ROIs that reviewers merged or split, with traces measured in the movie."""

    autoregressive_order: Literal[1, 2] = Field(
        default=1, description="Order of the calcium model: 1 decay only, 2 rise and decay."
    )


class EvaluateParams(StageParams):
    """Judge every ROI against the movie and propose which ones to accept."""

    min_snr: float = Field(default=3.0, ge=0, description="Least signal-to-noise ratio.")
    min_r_value: float = Field(
        default=0.6,
        ge=-1,
        le=1,
        description="Least correlation of the footprint with the movie at the ROI's own events.",
    )
    min_size_px: int = Field(default=9, ge=1, description="Least number of pixels.")
    min_asymmetry: float = Field(
        default=0.0,
        description="Least skewness of the trace's changes, whatever else speaks for it: calcium "
        "rises faster than it decays (about 2), out-of-focus light swells and ebbs alike (0).",
    )
    min_probability: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Least probability that a ROI is a cell in focus, by rim, surround, shape and "
        "kinetics.",
    )
    cell_diameter_px: float | None = Field(
        default=None,
        gt=2,
        description="Diameter of a cell, pixels; that of the extraction if not given.",
    )
    judge: Literal["movie", "engine"] = Field(
        default="movie",
        description="Whose figures decide: ours, measured against the movie, or those of an engine "
        "that judges its ROIs itself (caiman), with its own thresholds.",
    )


class CurateParams(StageParams):
    """Count the votes of reviewers on every ROI and say which ones are accepted in the end."""

    agreement: Literal["majority", "unanimous", "latest"] = Field(
        default="majority",
        description="Whose vote counts when reviewers differ; without agreement it is a conflict.",
    )
    undecided: Literal["automatic", "reject"] = Field(
        default="automatic",
        description="What becomes of ROIs without a verdict, unsure ones and conflicts: the "
        "proposal of the evaluate stage holds, or they are rejected.",
    )


class RegisterSessionsParams(StageParams):
    """Find which ROIs of this and other sessions are the same cell."""

    sessions: str | None = Field(
        default=None,
        description="The other session files, with commas between, relative to this one.",
    )
    rois: Rois = Field(default="accepted", description=ROIS)
    cell_diameter_px: float | None = Field(
        default=None, gt=2, description="Diameter of a cell, pixels; measured if not given."
    )
    max_rotation_deg: float = Field(
        default=10.0, ge=0, le=45, description="Largest rotation of the field, degrees."
    )
    max_distance_px: float | None = Field(
        default=None,
        gt=0,
        description="Farthest that aligned centroids may be apart, pixels; three quarters of a "
        "diameter if not given.",
    )
    min_probability: float = Field(
        default=0.5, gt=0, lt=1, description="Least probability of a match."
    )
