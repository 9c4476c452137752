import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from ace_nwb.errors import UnknownNameError
from ace_nwb.simulation.movie import MovieSpec, build_movie, draw_spikes, move, simulate_movie
from tests.simulators.families import FAMILIES, movie_spec

SPEC = MovieSpec(n_frames=120, n_rows=60, n_columns=84, n_cells=6)
STILL = {"drift_px": 0.0, "jump_px": 0.0, "jumps_per_minute": 0.0}


def build(spec: MovieSpec, seed: int = 0):
    times = np.arange(spec.n_frames) / spec.frame_rate_hz
    return build_movie(spec, seed, spike_times_s=draw_spikes(spec, seed), frame_times_s=times)


def test_the_same_seed_gives_the_same_movie_and_another_seed_another():
    first, second, other = (simulate_movie(SPEC, seed)[0] for seed in (5, 5, 6))
    assert first.shape == (120, 60, 84)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, second)
    assert (first != other).mean() > 0.5


def test_frames_do_not_depend_on_how_they_are_read():
    movie, _ = build(SPEC)
    whole = movie.read(0, 120)
    np.testing.assert_array_equal(movie.read(37, 53), whole[37:53])
    np.testing.assert_array_equal(movie.read(119, 500), whole[119:])
    assert movie.read(7, 7).shape == (0, 60, 84)


def test_a_whole_pixel_of_motion_is_a_roll():
    scene = np.random.default_rng(0).normal(size=(2, 20, 30)).astype(np.float32)
    moved = move(scene, np.array([[3, -4], [0, 7]]))
    np.testing.assert_allclose(moved[0], np.roll(scene[0], (3, -4), (0, 1)), atol=1e-5)
    np.testing.assert_allclose(moved[1], np.roll(scene[1], 7, 1), atol=1e-5)


def test_motion_moves_the_tissue_by_the_true_displacement():
    movie, truth = build(replace(SPEC, vignette_depth=0.0))
    still = replace(movie, displacement_px=np.zeros_like(movie.displacement_px))
    frame = int(np.abs(truth.displacement_px).sum(axis=1).argmax())
    down, right = truth.displacement_px[frame]
    moved, rested = (m.render_light(frame, frame + 1)[0, 15:-15, 15:-15] for m in (movie, still))
    slopes = np.gradient(rested)
    design = np.column_stack([slope.ravel() for slope in slopes])
    tiny = replace(movie, displacement_px=0.05 * movie.displacement_px)
    change = tiny.render_light(frame, frame + 1)[0, 15:-15, 15:-15] - rested
    fitted, *_ = np.linalg.lstsq(-design, change.ravel(), rcond=None)
    np.testing.assert_allclose(fitted, [0.05 * down, 0.05 * right], rtol=0.1, atol=2e-3)
    assert np.abs(moved - rested).max() > 1


def test_the_vignette_stays_while_the_tissue_moves():
    spec = replace(SPEC, vessel_depth=0.0, n_cells=0, neuropil_grey=0.0, bleached_share=0.0)
    movie, _ = build(spec)
    flat = replace(movie, resting_light=np.full_like(movie.resting_light, 100.0))
    light = flat.render_light(0, 120)
    np.testing.assert_allclose(light, light[:1].repeat(120, axis=0), atol=1e-2)
    assert light[0, 0, 0] == pytest.approx(50, abs=0.1)
    assert light[0].max() == pytest.approx(100, abs=0.1)


def test_the_true_footprints_and_traces_are_the_light_of_the_cells():
    spec = replace(SPEC, **STILL, local_neuropil_share=0.0)
    movie, truth = build(spec)
    dark = replace(movie, calcium=np.zeros_like(movie.calcium))
    cells = movie.render_light(0, 120) - dark.render_light(0, 120)
    expected = np.einsum("kij,tk,t->tij", truth.image_masks(), truth.calcium, truth.brightness)
    np.testing.assert_allclose(cells, expected, atol=0.02)
    assert expected.max() > 5


def test_the_light_bleaches_as_the_truth_says():
    spec = replace(SPEC, **STILL, n_cells=0, neuropil_grey=0.0, bleached_share=0.4, bleach_time_s=3)
    movie, truth = build(spec)
    mean = movie.render_light(0, 120).mean(axis=(1, 2))
    np.testing.assert_allclose(mean / mean[0], truth.brightness, rtol=1e-4)
    assert truth.brightness[-1] < 0.7


def test_the_noise_is_as_large_as_the_truth_says():
    spec = replace(SPEC, **STILL, n_cells=0, neuropil_grey=0.0, bleached_share=0.0)
    frames, truth = simulate_movie(spec, 1)
    measured = frames.std(axis=0)
    expected = np.sqrt(truth.pixel_noise**2 + 1 / 12)
    assert np.median(measured / expected) == pytest.approx(1, abs=0.02)


def test_brightness_is_that_of_a_miniscope():
    frames, _ = simulate_movie(SPEC, 0)
    assert 60 < frames.mean() < 120
    assert frames.min() > 0
    assert frames.max() < 255


def test_neuropil_fluctuates_between_the_cells():
    movie, _ = build(replace(SPEC, n_frames=600, n_cells=0))
    levels = movie.neuropil.render(0, 600)
    assert 1.5 < levels.std(axis=0).mean() < 6
    step = np.abs(np.diff(levels, axis=1)).mean()
    assert step < 0.05 * levels.std(), "it is smooth in space"


def test_reading_a_block_of_a_long_movie_needs_little_memory():
    spec = replace(SPEC, n_frames=12_000)
    movie, _ = build(spec)
    tracemalloc.start()
    movie.read(9000, 9100)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    whole_bytes = 12_000 * 60 * 84
    assert peak_bytes < 30e6 < whole_bytes


def test_a_movie_without_cells_has_no_footprints():
    spec = replace(movie_spec("empty"), n_frames=20)
    frames, truth = simulate_movie(spec, 0)
    assert frames.shape == (20, 96, 112)
    assert truth.n_cells == 0
    assert truth.image_masks().shape == (0, 96, 112)
    assert truth.calcium.shape == (20, 0)


def test_families_are_known_by_name():
    assert {"small", "medium", "large", "hard", "empty"} <= set(FAMILIES)
    with pytest.raises(UnknownNameError, match="Did you mean 'medium'"):
        movie_spec("mediun")
