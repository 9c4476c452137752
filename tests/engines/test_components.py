import numpy as np
import pytest
from scipy.sparse import csc_array, csr_array

from ace_nwb.engines.components import ComponentMovie
from ace_nwb.imaging.movie import ArrayMovie
from ace_nwb.imaging.segmentation import RingBackground, Segmentation

N_FRAMES, N_ROWS, N_COLUMNS, SIDE = 90, 12, 16, 2


@pytest.fixture
def planted():
    """Two cells over a field that flickers as a whole and has a constant pattern."""
    rng = np.random.default_rng(0)
    footprints = np.zeros((N_ROWS, N_COLUMNS, 2), np.float32)
    footprints[2:5, 3:6, 0] = footprints[7:9, 10:13, 1] = 1
    footprints /= np.linalg.norm(footprints, axis=(0, 1))
    traces = 20 * rng.exponential(size=(N_FRAMES, 2))
    pattern = rng.uniform(50, 80, (N_ROWS, N_COLUMNS))
    flicker = 10 * rng.standard_normal(N_FRAMES)
    neural = np.einsum("rck,tk->trc", footprints, traces)
    frames = neural + pattern + flicker[:, np.newaxis, np.newaxis]
    return footprints, traces, neural, frames


def segment(footprints, traces, background):
    return Segmentation(
        footprints=csc_array(footprints.reshape(-1, 2)),
        field_shape=(N_ROWS, N_COLUMNS),
        raw=traces,
        denoised=traces,
        deconvolved=traces,
        baseline=traces,
        noise=np.ones(2),
        decay_time_s=np.ones(2),
        background=background,
        seeds=np.zeros((0, 2), int),
    )


def ring_of_everything(frames, neural):
    """Every square is predicted by the mean of all squares."""
    n_squares = N_ROWS * N_COLUMNS // SIDE**2
    weights = csr_array(np.full((n_squares, n_squares), 1 / n_squares))
    return RingBackground(weights, (frames - neural).mean(axis=0), SIDE)


def test_the_parts_are_those_that_were_planted(planted):
    footprints, traces, neural, frames = planted
    model = ring_of_everything(frames, neural)
    parts = ComponentMovie(ArrayMovie(frames, 20.0), segment(footprints, traces, model)).read(5, 40)
    np.testing.assert_allclose(parts.corrected, frames[5:40], rtol=1e-6)
    np.testing.assert_allclose(parts.neural, neural[5:40], atol=1e-4)
    np.testing.assert_allclose(parts.background, (frames - neural)[5:40], atol=1e-2)
    assert np.abs(parts.residual).max() < 1e-2


def test_parts_add_up_and_do_not_depend_on_the_blocks_they_are_read_in(planted):
    footprints, traces, neural, frames = planted
    noisy = frames + np.random.default_rng(1).standard_normal(frames.shape)
    movie = ComponentMovie(
        ArrayMovie(noisy, 20.0), segment(footprints, traces, ring_of_everything(frames, neural))
    )
    whole = movie.read(0, 30)
    total = whole.neural + whole.background + whole.residual
    np.testing.assert_allclose(total, noisy[:30], atol=1e-3)
    for start in range(0, 30, 7):
        part = movie.read(start, min(start + 7, 30))
        for name in ("neural", "background", "residual"):
            np.testing.assert_array_equal(
                getattr(part, name), getattr(whole, name)[start : start + 7]
            )


def test_without_a_model_the_background_is_constant(planted):
    footprints, traces, neural, frames = planted
    movie = ComponentMovie(ArrayMovie(frames, 20.0), segment(footprints, traces, None))
    found = movie.read(0, N_FRAMES).background
    assert np.ptp(found, axis=0).max() == 0
    np.testing.assert_allclose(found[0], (frames - neural).mean(axis=0), atol=3)
