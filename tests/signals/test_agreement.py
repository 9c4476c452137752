"""Our numbers beside pynapple's on the same data."""

import numpy as np
import pytest

from ace_nwb.signals.circular import wrap_phase
from ace_nwb.signals.filters import apply_filter, design_filter
from ace_nwb.signals.perievent import align_to_events, compute_correlogram
from ace_nwb.signals.phase import compute_phase

pytestmark = pytest.mark.interop
RATE_HZ = 50.0
TIMES_S = np.arange(5000) / RATE_HZ


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
