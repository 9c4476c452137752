import numpy as np
import pytest
from scipy import signal as scipy_signal

from ace_nwb.errors import InputError, ParameterError
from ace_nwb.signals.filters import apply_filter, design_filter
from ace_nwb.signals.runs import find_breaks

RATE_HZ = 100.0
BAND = {"sampling_rate_hz": RATE_HZ, "low_hz": 0.5, "high_hz": 4.0, "order": 2}


def oscillation(frequency_hz, n_samples=6000):
    return np.cos(2 * np.pi * frequency_hz * np.arange(n_samples) / RATE_HZ)


@pytest.mark.parametrize("kind", ["butterworth", "fir"])
def test_an_oscillation_inside_the_band_passes_without_delay(kind):
    wanted = oscillation(1.5)
    filtered, _ = apply_filter(wanted + oscillation(20) + 3, design_filter(kind=kind, **BAND))
    assert np.abs(filtered - wanted)[1000:-1000].max() < 0.03


@pytest.mark.parametrize("kind", ["butterworth", "fir"])
def test_oscillations_outside_the_band_are_removed(kind):
    outside = oscillation(0.05) + oscillation(25)
    filtered, _ = apply_filter(outside, design_filter(kind=kind, **BAND))
    assert np.abs(filtered)[1000:-1000].max() < 0.01


def test_scipy_padding_gives_the_predecessors_numbers():
    values = np.random.default_rng(0).standard_normal(3000)
    b, a = scipy_signal.butter(2, (0.5, 4.0), btype="bandpass", fs=RATE_HZ)
    filtered, _ = apply_filter(values, design_filter(kind="butterworth", **BAND), padding="scipy")
    assert np.allclose(filtered, scipy_signal.filtfilt(b, a, values), atol=1e-8)


@pytest.mark.parametrize("order", [2, 50])
def test_few_taps_forwards_and_backwards_give_filtfilts_numbers(order):
    values = np.random.default_rng(0).standard_normal(3000)
    design = design_filter(kind="fir_filtfilt", **BAND | {"order": order})
    taps = scipy_signal.firwin(order + 1, (0.5, 4.0), pass_zero=False, fs=RATE_HZ)
    filtered, _ = apply_filter(values, design)
    assert np.allclose(filtered, scipy_signal.filtfilt(taps, 1, values), atol=1e-12)


@pytest.mark.parametrize("kind", ["butterworth", "fir"])
@pytest.mark.parametrize(
    ("band_type", "kept_hz"),
    [("lowpass", (0.02, 2.0)), ("highpass", (2.0, 20.0)), ("bandstop", (0.02, 20.0))],
)
def test_other_bands_keep_what_they_say(kind, band_type, kept_hz):
    design = design_filter(kind=kind, band_type=band_type, **BAND)
    for frequency_hz in (0.02, 2.0, 20.0):
        values = oscillation(frequency_hz, 30_000)
        filtered, _ = apply_filter(values, design)
        gain = np.std(filtered[8000:-8000]) / np.std(values[8000:-8000])
        assert gain == pytest.approx(float(frequency_hz in kept_hz), abs=0.2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"band_type": "lowpass", "high_hz": 60.0}, "lowpass at 60 Hz .* 50 Hz at 100 Hz"),
        ({"band_type": "highpass", "low_hz": 50.0}, "highpass at 50 Hz"),
        ({"band_type": "highpass", "kind": "fir_filtfilt", "order": 3}, "4 taps .* even order"),
    ],
)
def test_edges_that_make_no_sense_are_refused_with_numbers(changes, message):
    with pytest.raises(ParameterError, match=message):
        design_filter(**BAND | {"kind": "butterworth"} | changes)


@pytest.mark.parametrize("kind", ["butterworth", "fir"])
def test_a_gap_spoils_nothing_but_itself(kind):
    values = oscillation(1.5)
    values[3000:3100] = np.nan
    filtered, skipped = apply_filter(values, design_filter(kind=kind, **BAND))
    assert np.array_equal(np.isnan(filtered), np.isnan(values))
    assert skipped == []
    alone, _ = apply_filter(values[3100:], design_filter(kind=kind, **BAND))
    assert np.array_equal(filtered[3100:], alone)


def test_a_gap_in_time_separates_what_stands_beside_it():
    times = np.arange(6000) / RATE_HZ
    times[3000:] += 7.3
    design = design_filter(kind="butterworth", **BAND)
    filtered, _ = apply_filter(oscillation(1.5), design, breaks=find_breaks(times))
    alone, _ = apply_filter(oscillation(1.5)[:3000], design)
    assert np.array_equal(filtered[:3000], alone)


def test_channels_with_different_gaps_do_not_disturb_each_other():
    values = np.column_stack([oscillation(1.5), oscillation(2.0), oscillation(2.5)])
    values[1000:1500, 1] = np.nan
    design = design_filter(kind="butterworth", **BAND)
    filtered, _ = apply_filter(values, design)
    for channel in range(3):
        alone, _ = apply_filter(values[:, channel], design)
        assert np.allclose(filtered[:, channel], alone, equal_nan=True, rtol=0, atol=1e-12)


def test_a_run_that_is_too_short_becomes_nan_and_is_reported_with_its_reason():
    values = oscillation(1.5)
    values[[500, 520]] = np.nan
    filtered, skipped = apply_filter(values, design_filter(kind="butterworth", **BAND))
    assert np.isnan(filtered[500:521]).all()
    assert [(run.start, run.stop) for run in skipped] == [(501, 520)]
    assert "19 samples, at least 200" in skipped[0].reason


def test_a_recording_without_a_long_enough_run_is_refused():
    with pytest.raises(InputError, match="150 samples, at least 200"):
        apply_filter(oscillation(1.5, 150), design_filter(kind="butterworth", **BAND))


def test_masked_edges_hide_the_transient_of_the_filter():
    design = design_filter(kind="butterworth", **BAND)
    wanted = oscillation(1.5)
    filtered, _ = apply_filter(wanted + 5, design, mask_edges=True)
    edge = design.edge_samples
    assert np.isnan(filtered[:edge]).all()
    assert np.isnan(filtered[-edge:]).all()
    assert np.abs(filtered - wanted)[edge:-edge].max() < 0.1


@pytest.mark.parametrize(
    ("low_hz", "high_hz", "message"),
    [
        (0.5, 50.0, r"Nyquist frequency, 50 Hz at 100 Hz"),
        (4.0, 0.5, "empty"),
        (2.0, 2.0, "empty"),
        (0.0, 2.0, "not above zero"),
    ],
)
def test_a_band_that_makes_no_sense_is_refused_with_numbers(low_hz, high_hz, message):
    with pytest.raises(ParameterError, match=message):
        design_filter(kind="fir", sampling_rate_hz=RATE_HZ, low_hz=low_hz, high_hz=high_hz, order=2)
