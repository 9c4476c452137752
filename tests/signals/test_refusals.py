"""What makes no sense is refused with the numbers that do not fit: what has no better place."""

import numpy as np
import pytest

from ace_nwb.errors import InputError, ParameterError
from ace_nwb.signals.conditions import compare_conditions
from ace_nwb.signals.coupling import compute_trace_phase_coupling
from ace_nwb.signals.events import interpolate_frame_times
from ace_nwb.signals.multitaper import plan_spectrogram
from ace_nwb.signals.phase import interpolate_phase
from ace_nwb.signals.resampling import decimate, place_on_grid
from ace_nwb.signals.runs import estimate_rate_hz
from ace_nwb.signals.spectral_lines import compute_line_test
from ace_nwb.signals.surrogates import to_elapsed
from ace_nwb.signals.wavelets import compute_wavelet_power

BAND = {"step_s": 1.0, "low_hz": 0.0, "high_hz": 10.0}
REFUSED = {
    "pairs of different length": (
        lambda: compare_conditions(
            np.ones(8), np.ones(7), is_paired=True, n_permutations=99, seed=0
        ),
        InputError,
        "8 and 7 values",
    ),
    "fewer frames than bins": (
        lambda: compute_trace_phase_coupling(
            np.ones((30, 1)), np.zeros(30), n_bins=18, n_surrogates=99, seed=0
        ),
        InputError,
        "30 frames .* 18 bins",
    ),
    "frames without an interval": (
        lambda: interpolate_frame_times(np.array([0.5]), np.array([3.0])),
        InputError,
        "1 time stamps",
    ),
    "a window shorter than its tapers": (
        lambda: plan_spectrogram(sampling_rate_hz=20.0, window_s=0.2, time_bandwidth=2.0, **BAND),
        ParameterError,
        "window_s = 0.2 is 4 samples at 20 Hz, too short for 3 tapers",
    ),
    "one sample of phase": (
        lambda: interpolate_phase(np.zeros(1), np.zeros(1), times_s=np.zeros(1)),
        InputError,
        "1 samples cannot be interpolated",
    ),
    "a factor of zero": (
        lambda: decimate(np.zeros(9), factor=0),
        ParameterError,
        "factor 0 is not positive",
    ),
    "times that are not known": (
        lambda: place_on_grid(np.zeros(3), np.array([0.0, np.nan, 2.0])),
        InputError,
        "1 of 3 time stamps",
    ),
    "times that never end": (
        lambda: place_on_grid(np.zeros(3), np.array([0.0, 1.0, np.inf])),
        InputError,
        "1 of 3 time stamps",
    ),
    "the rate of one frame": (
        lambda: estimate_rate_hz(np.zeros(1)),
        InputError,
        "1 time stamps give no sampling rate",
    ),
    "a line test of one taper": (
        lambda: compute_line_test(
            np.zeros(200),
            plan_spectrogram(sampling_rate_hz=20.0, window_s=10.0, time_bandwidth=1.0, **BAND),
        ),
        ParameterError,
        "time_bandwidth of 1.5 or more",
    ),
    "intervals out of order": (
        lambda: to_elapsed(np.zeros(1), np.array([[5.0, 9.0], [0.0, 3.0]])),
        InputError,
        "2 recorded intervals",
    ),
    "wavelets beyond Nyquist": (
        lambda: compute_wavelet_power(
            np.zeros(200),
            sampling_rate_hz=20.0,
            frequencies_hz=np.array([1.0, 12.0]),
            n_cycles=7,
            step_samples=1,
        ),
        ParameterError,
        "from 1 to 12 Hz .* Nyquist frequency 10 Hz",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_nonsense_is_refused_with_its_numbers(case):
    run, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        run()
