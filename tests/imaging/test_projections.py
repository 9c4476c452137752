"""Projections against numpy on the whole array."""

import numpy as np
import pytest

from ace_nwb.imaging.binning import BinnedMovie, bin_traces
from ace_nwb.imaging.blocks import block_frames, map_blocks
from ace_nwb.imaging.correlation import compute_peak_images
from ace_nwb.imaging.filtering import filter_frames
from ace_nwb.imaging.movie import ArrayMovie, no_progress
from ace_nwb.imaging.projections import compute_projections


@pytest.fixture(scope="module")
def movie() -> ArrayMovie:
    frames = np.random.default_rng(0).integers(0, 200, (290, 40, 56), dtype=np.uint8)
    return ArrayMovie(frames, 20.0)


def test_every_projection_equals_numpy(movie: ArrayMovie) -> None:
    found = compute_projections(movie, workers=2)
    frames = movie.frames.astype(float)
    for name in ("mean", "max", "min", "std", "median"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(np, name)(frames, axis=0), atol=1e-3
        )
    np.testing.assert_array_equal(found.range, found.max - found.min)
    np.testing.assert_allclose(found.mean_fluorescence, frames.mean((1, 2)))
    np.testing.assert_allclose(found.median_brightness, np.median(frames, axis=(1, 2)))


def test_progress_ends_at_the_last_frame(movie: ArrayMovie) -> None:
    calls: list[tuple[int, int]] = []
    compute_projections(movie, progress=lambda done, of: calls.append((done, of)))
    assert calls[-1] == (290, 290)
    assert calls == sorted(calls)


def test_blocks_come_in_order_for_any_number_of_workers() -> None:
    movie = ArrayMovie(np.zeros((1000, 300, 300), np.uint8), 20.0)
    assert block_frames(movie) < 100
    for workers in (1, 3):
        starts = list(
            map_blocks(movie, lambda start, _b: start, workers=workers, progress=no_progress)
        )
        assert starts == sorted(starts)
        assert starts[0] == 0


def test_bins_are_means_and_the_last_may_be_short(movie: ArrayMovie) -> None:
    binned = BinnedMovie(movie, 4)
    assert binned.shape == (73, 40, 56)
    assert binned.frame_rate_hz == 5
    expected = movie.frames[:288].reshape(72, 4, 40, 56).mean(1)
    np.testing.assert_allclose(binned.read(0, 72), expected, rtol=1e-5)
    np.testing.assert_allclose(binned.read(72, 73)[0], movie.frames[288:].mean(0), rtol=1e-5)
    np.testing.assert_allclose(bin_traces(movie.frames[:, 3, 5], 4)[:72], expected[:, 3, 5])


def test_the_filter_ignores_constants_and_slopes_and_keeps_cells() -> None:
    rows, columns = np.mgrid[:60, :80]
    slope = (3.0 * rows - 2.0 * columns)[None].astype(np.float32)
    assert np.abs(filter_frames(slope, 10.0)[0, 15:-15, 15:-15]).max() < 1e-2
    cell = np.exp(-((rows - 30) ** 2 + (columns - 44) ** 2) / (2 * 2.5**2))[None]
    filtered = filter_frames(cell.astype(np.float32), 10.0)[0]
    assert np.unravel_index(filtered.argmax(), filtered.shape) == (30, 44)


def test_peak_images_stand_out_at_a_cell_and_not_at_noise() -> None:
    rng = np.random.default_rng(5)
    rows, columns = np.mgrid[:50, :70]
    cell = np.exp(-((rows - 20) ** 2 + (columns - 45) ** 2) / (2 * 2.5**2))
    events = np.repeat(rng.random(100) < 0.03, 6)
    frames = 50 + 12 * events[:, None, None] * cell + rng.normal(0, 2, (600, 50, 70))
    images = compute_peak_images(ArrayMovie(frames.astype(np.float32), 20.0), cell_diameter_px=10.0)
    assert images.correlation[20, 45] > 0.9
    assert images.peak_to_noise[20, 45] > 12
    assert np.median(images.peak_to_noise) < 5
    assert np.median(images.correlation) < 0.6


def test_peak_images_of_a_constant_movie_are_zero() -> None:
    movie = ArrayMovie(np.full((100, 30, 44), 7, np.uint8), 20.0)
    images = compute_peak_images(movie, cell_diameter_px=8.0)
    assert images.peak_to_noise.max() == 0
    assert np.isfinite(images.correlation).all()
