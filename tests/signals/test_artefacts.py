import numpy as np
import pytest

from ace_nwb.errors import ParameterError
from ace_nwb.signals.artefacts import (
    TreatedSamples,
    compute_fading,
    detect_artefacts,
    treat_artefacts,
)

SETTINGS = {"threshold_uv": 1500.0, "merge_gap_samples": 5, "pad_samples": 2}


def detect(values, **settings):
    return detect_artefacts(values[:, np.newaxis], **SETTINGS | settings)[0]


def signal_with_artefacts():
    values = 100 * np.random.default_rng(0).standard_normal(5000)
    values[1000:1010] = 2000
    values[1018:1020] = -3000
    values[3000] = 1501
    values[4999] = -9000
    return values


def test_artefacts_are_found_padded_and_merged():
    found = detect(signal_with_artefacts())
    assert found.tolist() == [[998, 1022], [2998, 3003], [4997, 5000]]


@pytest.mark.parametrize("block_samples", [1, 7, 1005, 10_000])
def test_the_block_size_does_not_matter(block_samples):
    found = detect(signal_with_artefacts(), block_samples=block_samples)
    assert np.array_equal(found, detect(signal_with_artefacts()))


def test_a_clean_signal_has_none():
    assert detect(np.zeros(100)).shape == (0, 2)


def test_detection_and_treatment_leave_the_raw_signal_as_it_is():
    values = signal_with_artefacts()
    before = values.copy()
    for treatment in ("missing", "interpolate", "hann"):
        treated = treat_artefacts(values, detect(values), treatment=treatment, taper_samples=75)
        assert np.array_equal(values, before)
        assert np.nanmax(np.abs(treated)) < 1500


def test_missing_and_interpolated_samples_are_the_artefacts_only():
    values = signal_with_artefacts()
    artefacts = detect(values)
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
        detect(np.zeros(9), threshold_uv=0.0)


def test_channels_have_their_own_artefacts():
    values = np.column_stack([np.zeros(5000), signal_with_artefacts()])
    quiet, noisy = detect_artefacts(values, **SETTINGS)
    assert quiet.shape == (0, 2)
    assert np.array_equal(noisy, detect(values[:, 1]))


@pytest.mark.parametrize("treatment", ["interpolate", "hann"])
@pytest.mark.parametrize("block_samples", [1, 13, 1010, 5000])
def test_treated_slices_do_not_depend_on_where_they_begin(treatment, block_samples):
    values = np.column_stack([signal_with_artefacts(), signal_with_artefacts()[::-1]])
    artefacts = detect_artefacts(values, **SETTINGS)
    treated = TreatedSamples(values, artefacts, treatment=treatment, taper_samples=75)
    parts = [treated[first : first + block_samples] for first in range(0, 5000, block_samples)]
    whole = [
        treat_artefacts(values[:, i], artefacts[i], treatment=treatment, taper_samples=75)
        for i in range(2)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), np.column_stack(whole))


def test_an_artefact_at_the_end_of_a_channel_takes_its_last_good_value():
    values = np.array([1.0, 2.0, 3.0, 9000.0, 9000.0])
    treated = treat_artefacts(
        values, detect(values, pad_samples=0), treatment="interpolate", taper_samples=0
    )
    assert treated.tolist() == [1, 2, 3, 3, 3]
