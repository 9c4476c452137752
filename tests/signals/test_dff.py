import numpy as np
import pytest

from ace_nwb.errors import InputError, ParameterError
from ace_nwb.signals.dff import (
    compute_baseline,
    compute_dff,
    compute_legacy_dff,
    compute_window_percentiles,
)

DEFAULTS = {"frame_rate_hz": 20.0, "window_s": 15.0, "quantile": 8.0, "method": "delta_f_over_f"}


def planted_traces(n_frames=2000, n_rois=3, seed=0):
    rng = np.random.default_rng(seed)
    transients = np.zeros((n_frames, n_rois))
    for start in range(50, n_frames - 60, 150):
        transients[start : start + 40] += np.exp(-np.arange(40) / 8)[:, None]
    return transients * np.array([10.0, 20.0, 40.0]), 100 + 0.1 * rng.standard_normal(
        (n_frames, n_rois)
    )


def test_planted_relative_amplitudes_are_recovered():
    raw, background = planted_traces()
    dff, baseline = compute_dff(raw, background, **DEFAULTS)
    assert np.allclose(dff.max(axis=0), [0.1, 0.2, 0.4], rtol=0.01)
    assert np.allclose(baseline, 100, rtol=0.01)


def test_the_baseline_follows_bleaching():
    frames = np.arange(3000.0)[:, None]
    decay = 200 * np.exp(-frames / 4000)
    _, baseline = compute_dff(np.zeros_like(decay), decay, **DEFAULTS | {"quantile": 50.0})
    assert np.abs(baseline / decay - 1)[150:-150].max() < 0.002


def test_the_square_root_method_divides_by_the_root_of_the_baseline():
    raw, background = planted_traces()
    relative, baseline = compute_dff(raw, background, **DEFAULTS)
    rooted, _ = compute_dff(raw, background, **DEFAULTS | {"method": "delta_f_over_sqrt_f"})
    assert np.allclose(rooted, relative * np.sqrt(baseline))


def test_a_roi_without_a_positive_baseline_is_nan_and_the_others_are_not():
    raw, background = planted_traces()
    raw[:, 1] -= 200
    dff, baseline = compute_dff(raw, background, **DEFAULTS)
    assert np.isnan(dff[:, 1]).all()
    assert np.isnan(baseline[:, 1]).all()
    assert np.isfinite(dff[:, [0, 2]]).all()


def test_f0_of_a_movie_without_background_is_that_of_the_whole_fluorescence():
    """Percentiles of parts that go up and down against each other may add up to less than zero."""
    transients, _ = planted_traces()
    wave = 5 * np.sin(np.arange(len(transients)) / 20)[:, None]
    _, baseline = compute_dff(transients - wave, 2 + wave + 0 * transients, **DEFAULTS)
    assert np.allclose(baseline, 2, atol=0.5)


def test_a_window_longer_than_the_data_is_refused_with_numbers():
    with pytest.raises(ParameterError, match=r"300 frames.*data have 100.*at most 5\.000 s"):
        compute_dff(np.ones((100, 1)), np.ones((100, 1)), **DEFAULTS)


def test_traces_and_background_of_different_shape_are_refused():
    with pytest.raises(InputError, match=r"\(100, 2\).*\(100, 1\)"):
        compute_dff(np.ones((100, 2)), np.ones((100, 1)), **DEFAULTS)


def test_window_percentiles_equal_numpy_on_the_reflected_trace():
    trace = np.random.default_rng(1).standard_normal((95, 2))
    levels, pad_before = compute_window_percentiles(trace, window_frames=20, quantile=8)
    padded = np.concatenate([trace[2:0:-1], trace, trace[-2:-5:-1]])
    assert pad_before == 2
    assert np.array_equal(levels[0], np.percentile(padded[:20], 8, axis=0))
    assert np.array_equal(levels[-1], np.percentile(padded[80:], 8, axis=0))


def test_missing_frames_are_left_out_of_the_baseline():
    raw, background = planted_traces()
    raw[400:480] = np.nan
    dff, baseline = compute_dff(raw, background, **DEFAULTS)
    assert np.isfinite(baseline).all()
    assert np.isnan(dff[400:480]).all()
    assert np.isfinite(dff[480:]).all()


def test_the_baseline_stands_at_window_centres():
    ramp = np.arange(100.0)[:, None]
    baseline = compute_baseline(ramp, window_frames=10, quantile=50)
    assert np.allclose(baseline[5:-5], ramp[5:-5])


def test_the_legacy_baseline_is_the_predecessors_formula():
    rng = np.random.default_rng(2)
    movie = 50 + rng.random((100, 4, 3))
    dff, baseline = compute_legacy_dff(movie, **DEFAULTS | {"window_s": 1.5})
    padded = np.pad(movie, ((10, 10), (0, 0), (0, 0)), mode="reflect")
    levels = np.percentile(padded.reshape(4, 30, 4, 3), 8, axis=1)
    at = np.arange(120) * 3 / 119
    expected = np.apply_along_axis(lambda pixel: np.interp(at, np.arange(4), pixel), 0, levels)
    assert np.allclose(baseline, expected[10:-10])
    assert np.allclose(dff, (movie - baseline) / baseline)


def test_a_field_without_rois_has_a_baseline_without_traces():
    assert compute_baseline(np.empty((25, 0)), window_frames=10, quantile=50).shape == (25, 0)
