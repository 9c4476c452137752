"""Our numbers beside those of other programs on the same data; the absent ones are skipped."""

import numpy as np
import pytest

from ace_nwb.signals.circular import wrap_phase
from ace_nwb.signals.coherence import compute_coherence
from ace_nwb.signals.filters import apply_filter, design_filter
from ace_nwb.signals.multitaper import compute_spectrogram, plan_spectrogram
from ace_nwb.signals.perievent import align_to_events, compute_correlogram
from ace_nwb.signals.phase import compute_phase

pytestmark = pytest.mark.interop
RATE_HZ = 50.0
TIMES_S = np.arange(5000) / RATE_HZ
SPECTRAL = {
    "sampling_rate_hz": RATE_HZ,
    "window_s": 12.0,
    "step_s": 12.0,
    "time_bandwidth": 2.0,
    "low_hz": 0.0,
    "high_hz": 25.0,
}


@pytest.fixture(scope="module")
def nap():
    return pytest.importorskip("pynapple")


@pytest.fixture
def values():
    return np.random.default_rng(0).standard_normal(5000).cumsum()


def test_band_passed_values_are_pynapples(nap, values):
    design = design_filter(
        sampling_rate_hz=RATE_HZ, low_hz=0.5, high_hz=4.0, order=4, kind="butterworth"
    )
    ours, _ = apply_filter(values, design, padding="scipy")
    theirs = nap.apply_bandpass_filter(nap.Tsd(TIMES_S, values), (0.5, 4.0), fs=RATE_HZ, order=4)
    assert np.allclose(ours, theirs.d, atol=1e-9)


def test_phases_are_pynapples_but_for_the_cut(nap, values):
    ours, _ = compute_phase(values)
    theirs = nap.compute_hilbert_phase(nap.Tsd(TIMES_S, values))
    assert np.abs(wrap_phase(ours - theirs.d)).max() < 1e-9


def test_correlograms_are_pynapples(nap):
    rng = np.random.default_rng(1)
    first, second = np.sort(rng.uniform(0, 500, 400)), np.sort(rng.uniform(0, 500, 300))
    lags, counts = compute_correlogram(first, second, bin_s=0.1, max_lag_s=0.9)
    group = nap.TsGroup({0: nap.Ts(first), 1: nap.Ts(second)}, time_support=nap.IntervalSet(0, 500))
    theirs = nap.compute_crosscorrelogram(group, binsize=0.1, windowsize=1.0, norm=False)
    assert np.allclose(theirs.index, lags)
    assert np.allclose(theirs.iloc[:, 0], counts / len(first) / 0.1)


def test_values_around_events_are_pynapples(nap, values):
    events = np.arange(10.0, 90.0, 7.0)
    lags = np.arange(-50, 51) / RATE_HZ
    ours = align_to_events(values, TIMES_S, event_times_s=events, lags_s=lags)
    theirs = nap.compute_perievent(nap.Tsd(TIMES_S, values), nap.Ts(events), window=(-1, 1))
    assert np.allclose(ours.T, np.asarray(theirs.d))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("is_adaptive", [False, True])
def test_multitaper_power_is_that_of_multitaper_but_for_its_scale(values, is_adaptive):
    mtspec = pytest.importorskip("multitaper.mtspec")
    window = values[:600]
    plan = plan_spectrogram(**SPECTRAL)
    ours = compute_spectrogram(window, plan, is_adaptive=is_adaptive).power[0, 0, 1:-1]
    estimate = mtspec.MTSpec(
        window - window.mean(), nw=2, kspec=3, dt=1 / RATE_HZ, nfft=600, iadapt=1 - is_adaptive
    )
    # It rescales the spectrum to the variance of the window, and takes the variance of the tapered
    # window for the leakage of the adaptive weights where we take that of the window.
    ratio = estimate.rspec()[1].ravel()[1:-1] / ours
    assert np.std(np.log(ratio)) < (0.05 if is_adaptive else 1e-9)


@pytest.mark.filterwarnings("ignore")
def test_coherence_is_that_of_spectral_connectivity(values):
    spectral_connectivity = pytest.importorskip("spectral_connectivity")
    other = values + 10 * np.random.default_rng(3).standard_normal(5000)
    plan = plan_spectrogram(**SPECTRAL)
    ours = compute_coherence(values[:4800], other[:4800], plan=plan)
    tapered = spectral_connectivity.Multitaper(
        np.stack([values, other], axis=-1)[:4800, np.newaxis],
        sampling_frequency=RATE_HZ,
        time_halfbandwidth_product=2,
        time_window_duration=12.0,
        n_tapers=3,
    )
    theirs = spectral_connectivity.Connectivity.from_multitaper(
        tapered, expectation_type="time_trials_tapers"
    ).coherence_magnitude()
    assert np.allclose(ours.coherence[0, 1:300], np.squeeze(theirs)[1:300, 0, 1], atol=1e-9)
