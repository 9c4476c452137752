import numpy as np
import pytest

from ace_nwb.errors import ParameterError
from ace_nwb.signals.artefacts import compute_fading, detect_artefacts, treat_artefacts

SETTINGS = {"threshold_uv": 1500.0, "merge_gap_samples": 5, "pad_samples": 2}


def signal_with_artefacts():
    values = 100 * np.random.default_rng(0).standard_normal(5000)
    values[1000:1010] = 2000
    values[1018:1020] = -3000
    values[3000] = 1501
    values[4999] = -9000
    return values


def test_artefacts_are_found_padded_and_merged():
    found = detect_artefacts(signal_with_artefacts(), **SETTINGS)
    assert found.tolist() == [[998, 1022], [2998, 3003], [4997, 5000]]


@pytest.mark.parametrize("block_samples", [1, 7, 1005, 10_000])
def test_the_block_size_does_not_matter(block_samples):
    found = detect_artefacts(signal_with_artefacts(), block_samples=block_samples, **SETTINGS)
    assert np.array_equal(found, detect_artefacts(signal_with_artefacts(), **SETTINGS))


def test_a_clean_signal_has_none():
    assert detect_artefacts(np.zeros(100), **SETTINGS).shape == (0, 2)


def test_detection_and_treatment_leave_the_raw_signal_as_it_is():
    values = signal_with_artefacts()
    before = values.copy()
    for treatment in ("missing", "interpolate", "hann"):
        treated = treat_artefacts(
            values, detect_artefacts(values, **SETTINGS), treatment=treatment, taper_samples=75
        )
        assert np.array_equal(values, before)
        assert np.nanmax(np.abs(treated)) < 1500


def test_missing_and_interpolated_samples_are_the_artefacts_only():
    values = signal_with_artefacts()
    artefacts = detect_artefacts(values, **SETTINGS)
    missing = treat_artefacts(values, artefacts, treatment="missing", taper_samples=0)
    assert np.isnan(missing).sum() == 24 + 5 + 3
    line = treat_artefacts(values, artefacts, treatment="interpolate", taper_samples=0)
    assert np.array_equal(line[np.isfinite(missing)], values[np.isfinite(missing)])
    assert np.allclose(np.diff(line[997:1023], n=2), 0, atol=1e-9)


def test_the_fading_is_an_inverted_hann_window():
    gain = compute_fading(500, np.array([[200, 210]]), taper_samples=75)
    assert np.all(gain[200:210] == 0)
    assert np.all(gain[:163] == 1)
    assert np.all(gain[247:] == 1)
    assert np.allclose(gain[210:247], gain[163:200][::-1])
    assert np.all(np.diff(gain[210:247]) > 0)


def test_a_threshold_of_zero_is_refused():
    with pytest.raises(ParameterError, match="threshold_uv = 0"):
        detect_artefacts(np.zeros(9), **SETTINGS | {"threshold_uv": 0.0})
