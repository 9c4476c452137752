"""Parameters of the stages that work on signals, from dF/F to the comparison of conditions.

Found through `params`, like all others.
"""

from typing import Literal

from pydantic import Field

from ace_nwb.stages.stage import CHANNELS, ROIS, SEED, Rois, StageParams


class DffParams(StageParams):
    """Express the traces relative to their baseline fluorescence."""

    window_s: float = Field(
        default=60.0,
        gt=0,
        description="Length of the baseline window, s; at most the length of the recording.",
    )
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

    autoregressive_order: Literal[1, 2] | None = Field(
        default=None,
        description="Order of the calcium model: 1 decay only, 2 rise and decay; whichever "
        "explains a trace better if not given.",
    )
    decay_time_s: float | None = Field(
        default=None,
        gt=0,
        description="Decay time of a transient, s; estimated per ROI if not given.",
    )
    indicator: str | None = Field(
        default=None,
        description="Calcium indicator, such as GCaMP6f; as the file states if not given. Bounds "
        "rise and decay, and says whether dF/F grows faster than calcium.",
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
    mask_edges: bool = Field(
        default=True,
        description="Whether samples beside ends and gaps, where the filter feels what is not "
        "there, become NaN; false keeps them (legacy).",
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
    mask_edges: bool = Field(
        default=True,
        description="Whether samples beside ends and gaps, where the filter feels what is not "
        "there, become NaN; false keeps them (legacy).",
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
