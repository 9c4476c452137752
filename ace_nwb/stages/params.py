"""Every knob of every stage, with its default: the only home of scientific defaults.

Field names equal the keyword arguments of the pure functions in `imaging`, `signals`, `sync` and
`engines` that they steer.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class StageParams(BaseModel):
    """Parameters of one stage: frozen, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Rois = Literal["accepted", "all"]
ROIS = "Which ROIs are analysed."
CHANNELS = "Ephys channels analysed, with commas between; all if not given."
SEED = "Seed of the random numbers."


class SyncParams(StageParams):
    """Align the camera's clock to the ephys clock: by frame pulses, or a clock that both share."""

    method: Literal["auto", "pulses", "hardware-clock", "flashes", "offset", "wall-clock"] = Field(
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
        description="Whether every edge marks a frame (toggle) or every rising edge (pulse).",
    )
    bit_mask: int | None = Field(
        default=None, ge=1, description="Bits of the pulses where a table holds words of a port."
    )
    debounce_ms: float = Field(
        default=0.5, ge=0, description="Levels of the line that last shorter are glitches, ms."
    )
    max_jitter_ms: float = Field(
        default=30.0, gt=0, description="Largest jitter of the camera's software time stamps, ms."
    )
    silent_before_recording: bool = Field(
        default=True,
        description="Whether the line toggles only while recording: its first edge is frame one.",
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
    max_shift_px: int = Field(default=20, ge=0, description="Largest shift searched, pixels.")
    filter_radius_px: float = Field(
        default=8.0,
        gt=0,
        description="Radius of the structures that guide registration, pixels.",
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


class DffParams(StageParams):
    """Express the traces relative to their baseline fluorescence."""

    window_s: float = Field(default=15.0, gt=0, description="Length of the baseline window, s.")
    quantile: float = Field(
        default=8.0, ge=0, le=100, description="Percentile taken as the baseline, percent."
    )
    method: Literal["delta_f_over_f", "delta_f_over_sqrt_f"] = Field(
        default="delta_f_over_f", description="What the difference is divided by."
    )
    interpolation: Literal["centred", "legacy"] = Field(
        default="centred",
        description="Where a window's percentile stands: at its centre, or as the predecessor had "
        "it, the first and last at the ends (traces and background then share one percentile).",
    )


class DeconvolveParams(StageParams):
    """Infer neural activity from the dF/F traces (OASIS)."""

    autoregressive_order: Literal[1, 2] = Field(
        default=1, description="Order of the calcium model: 1 decay only, 2 rise and decay."
    )
    decay_time_s: float | None = Field(
        default=None,
        gt=0,
        description="Decay time of a transient, s; estimated per ROI if not given.",
    )
    min_spike_snr: float = Field(
        default=0.0, ge=0, description="Least size of an inferred spike in noise SDs."
    )


class EventsParams(StageParams):
    """Detect calcium events."""

    method: Literal["derivative", "deconvolution"] = Field(
        default="deconvolution", description="How events are found."
    )
    derivative: Literal["zeroth", "first", "second"] = Field(
        default="first", description="Derivative of the trace in which peaks are sought."
    )
    threshold_sd: float = Field(
        default=4.0, gt=0, description="Least height of an event in noise SDs."
    )
    absolute_height: float | None = Field(
        default=None,
        gt=0,
        description="Least height in the trace's own units, instead of noise SDs (legacy mode).",
    )


class EphysArtifactsParams(StageParams):
    """Find artefacts of the ephys channels; the recorded samples stay as they are."""

    threshold_uv: float = Field(
        default=1500.0, gt=0, description="Greatest believable absolute value, microvolts."
    )
    merge_gap_samples: int = Field(
        default=75, ge=0, description="Artefacts at most so many samples apart become one."
    )
    pad_samples: int = Field(default=0, ge=0, description="Samples added at both ends.")
    channels: str | None = Field(
        default=None, description="Channels searched, with commas between; all if not given."
    )


class EphysFilterParams(StageParams):
    """Band-pass the ephys channels without their artefacts, zero phase."""

    low_hz: float = Field(default=0.5, gt=0, description="Lower edge of the band, Hz.")
    high_hz: float = Field(default=4.0, gt=0, description="Upper edge of the band, Hz.")
    order: int = Field(default=2, ge=1, le=10, description="Order of the filter.")
    kind: Literal["butterworth", "fir"] = Field(default="butterworth", description="Filter family.")
    treatment: Literal["none", "missing", "interpolate", "hann"] = Field(
        default="missing",
        description="What artefacts become: a gap, a straight line, or faded out (legacy).",
    )
    taper_samples: int = Field(
        default=75, ge=0, description="Length of the whole Hann window that fades out, samples."
    )


class FilterParams(StageParams):
    """Filter the dF/F traces to a band, zero phase."""

    low_hz: float = Field(default=0.1, gt=0, description="Lower edge of the band, Hz.")
    high_hz: float = Field(default=1.5, gt=0, description="Upper edge of the band, Hz.")
    order: int = Field(default=2, ge=1, le=10, description="Order of the filter.")
    kind: Literal["butterworth", "fir", "fir_filtfilt"] = Field(
        default="butterworth",
        description="Filter family; fir_filtfilt has order + 1 taps, forwards and backwards "
        "(legacy).",
    )
    band_type: Literal["bandpass", "lowpass", "highpass", "bandstop"] = Field(
        default="bandpass",
        description="What is kept: the band, what is below high_hz, above low_hz, or beside the "
        "band. A phase needs a band.",
    )
    padding: Literal["settled", "scipy"] = Field(
        default="settled",
        description="Padding at the ends: until the filter has settled, or as filtfilt (legacy).",
    )


class PhaseParams(StageParams):
    """Compute Hilbert phase and amplitude of the filtered signals, and the phase at each event."""

    calcium_signal: Literal["filtered", "broadband"] = Field(
        default="filtered",
        description="Traces whose phase is taken; broadband (legacy) means dF/F as it is.",
    )
    keep_amplitude: bool = Field(
        default=True, description="Whether the instantaneous amplitude is stored beside the phase."
    )


class SpectrogramParams(StageParams):
    """Compute spectrograms of the mean trace, of every ephys channel, and of ROIs if wanted."""

    window_s: float = Field(default=30.0, gt=0, description="Length of a window, s.")
    step_s: float = Field(default=3.0, gt=0, description="Distance between windows, s.")
    time_bandwidth: float = Field(default=2.0, ge=1, description="Time-bandwidth product.")
    low_hz: float = Field(default=0.0, ge=0, description="Lowest frequency kept, Hz.")
    high_hz: float = Field(default=15.0, gt=0, description="Highest frequency of calcium, Hz.")
    ephys_high_hz: float = Field(default=50.0, gt=0, description="Highest frequency of ephys, Hz.")
    method: Literal["dpss", "multitaper", "wavelet"] = Field(
        default="dpss",
        description="Our multitaper, that of the package multitaper, or Morlet wavelets.",
    )
    weights: Literal["equal", "adaptive"] = Field(
        default="equal", description="Weights of the tapers; adaptive keeps leakage out."
    )
    n_cycles: float = Field(default=7.0, gt=1, description="Length of a wavelet in cycles.")
    per_roi: bool = Field(
        default=False, description="Whether every accepted ROI gets a spectrogram of its own."
    )
    lines: bool = Field(
        default=False, description="Whether windows are searched for sinusoids (F-test)."
    )
    treatment: Literal["none", "missing", "interpolate", "hann"] = Field(
        default="interpolate",
        description="What artefacts of ephys become: a gap, a straight line, or faded out.",
    )
    taper_samples: int = Field(
        default=75, ge=0, description="Length of the whole Hann window that fades out, samples."
    )


class ConditionsParams(StageParams):
    """Name windows of the session (baseline, drug, ...), to be compared by later stages."""

    windows: str | None = Field(
        default=None,
        description='Such as "baseline=0-60,drug=60-120": seconds of the session clock; a name may '
        "have several. Without it, the file's own intervals with condition, label or tags count.",
    )


class BoutsParams(StageParams):
    """Find bouts of the band-passed oscillation in every ephys channel."""

    edge_sd: float = Field(
        default=1.0, ge=0, description="A bout lasts while the envelope is so many SDs up."
    )
    peak_sd: float = Field(default=3.0, ge=0, description="SDs that the envelope must once reach.")
    merge_gap_s: float = Field(default=0.5, ge=0, description="Bouts closer than this become one.")
    min_duration_s: float = Field(default=1.0, ge=0, description="Shorter bouts are dropped.")


class CouplingParams(StageParams):
    """Test whether calcium events and traces prefer a phase of the ephys channels."""

    min_events: int = Field(default=10, ge=2, description="ROIs with fewer events are not tested.")
    null: Literal["circular_shift", "interval_shuffle"] = Field(
        default="circular_shift", description="How events are moved to see what chance does."
    )
    n_surrogates: int = Field(default=1000, ge=99, description="Number of moved copies.")
    n_bins: int = Field(default=18, ge=4, description="Bins of phase.")
    rois: Rois = Field(default="accepted", description=ROIS)
    channels: str | None = Field(default=None, description=CHANNELS)
    seed: int = Field(default=0, ge=0, description=SEED)


class CoherenceParams(StageParams):
    """Compute the multitaper coherence of calcium and ephys, and its course."""

    window_s: float = Field(default=10.0, gt=0, description="Length of a window, s.")
    step_s: float = Field(default=1.0, gt=0, description="Distance of the coherogram's windows, s.")
    time_bandwidth: float = Field(default=3.0, ge=1.5, description="Time-bandwidth product.")
    low_hz: float = Field(default=0.1, ge=0, description="Lowest frequency, Hz.")
    high_hz: float = Field(default=5.0, gt=0, description="Highest frequency, Hz.")
    n_surrogates: int = Field(
        default=500, ge=99, description="Number of shuffles of the windows that show chance."
    )
    confidence: float = Field(
        default=0.95, gt=0, lt=1, description="Probability that the limits enclose the coherence."
    )
    rois: Rois = Field(default="accepted", description=ROIS)
    channels: str | None = Field(default=None, description=CHANNELS)
    seed: int = Field(default=0, ge=0, description=SEED)


class CorrelationParams(StageParams):
    """Correlate calcium traces with ephys at lags, against circular shifts."""

    ephys_signal: Literal["resampled", "filtered", "amplitude"] = Field(
        default="resampled",
        description="Channel at the frames' rate, its band of ephys-filter, or that amplitude.",
    )
    max_lag_s: float = Field(default=1.0, gt=0, description="Greatest lag, s.")
    n_surrogates: int = Field(default=500, ge=99, description="Number of circular shifts.")
    rois: Rois = Field(default="accepted", description=ROIS)
    channels: str | None = Field(default=None, description=CHANNELS)
    seed: int = Field(default=0, ge=0, description=SEED)


class CorrelogramsParams(StageParams):
    """Count the lags between calcium events: of a ROI, with all others, and of pairs of ROIs."""

    bin_s: float = Field(default=0.1, gt=0, description="Width of a bin, s.")
    max_lag_s: float = Field(default=2.0, gt=0, description="Greatest lag, s.")
    min_events: int = Field(default=10, ge=2, description="ROIs with fewer events are left out.")
    n_surrogates: int = Field(default=200, ge=99, description="Number of circular shifts.")
    pairs: bool = Field(
        default=False, description="Whether every pair of ROIs is counted, which takes its time."
    )
    rois: Rois = Field(default="accepted", description=ROIS)
    seed: int = Field(default=0, ge=0, description=SEED)


class PerieventParams(StageParams):
    """Average traces and ephys bands around TTL pulses, notes and bouts."""

    around: str | None = Field(
        default=None,
        description="Names of TTL lines, events tables or OscillationBouts, with commas between; "
        "all but the line of the frames if not given.",
    )
    before_s: float = Field(default=2.0, ge=0, description="Seconds before the event.")
    after_s: float = Field(default=5.0, gt=0, description="Seconds after the event.")
    step_s: float = Field(default=0.1, gt=0, description="Distance between lags, s.")
    min_events: int = Field(default=5, ge=2, description="Lines with fewer events are left out.")
    null: Literal["circular_shift", "interval_shuffle"] = Field(
        default="circular_shift",
        description="How events are moved to see what chance does; shuffled intervals find more "
        "where events come at irregular times.",
    )
    n_surrogates: int = Field(default=200, ge=99, description="Number of moved copies.")
    rois: Rois = Field(default="accepted", description=ROIS)
    seed: int = Field(default=0, ge=0, description=SEED)


class CompareParams(StageParams):
    """Compare the conditions: event rates, dF/F and ephys bands, by permutation."""

    epoch_s: float = Field(
        default=10.0, gt=0, description="Length of the epochs that count as one value, s."
    )
    n_permutations: int = Field(default=2000, ge=99, description="Random arrangements.")
    rois: Rois = Field(default="accepted", description=ROIS)
    seed: int = Field(default=0, ge=0, description=SEED)


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
