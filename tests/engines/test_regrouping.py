"""Merged and split ROIs: where they lie, and that their traces are those of the planted cells."""

import numpy as np
import pytest
from scipy.sparse import csc_array

from ace_nwb.engines.cnmfe.background import CoarseGrid
from ace_nwb.engines.regrouping import (
    Shape,
    left_of_line,
    measure_shapes,
    merge_shapes,
    replace_rois,
    shape_of,
    split_shape,
)
from ace_nwb.errors import CurationError
from ace_nwb.imaging.movie import ArrayMovie
from ace_nwb.imaging.segmentation import RingBackground, Segmentation

FIELD = (24, 40)
RATE_HZ = 10.0
N_FRAMES = 900
CENTRES = ((8, 8), (8, 14), (14, 30))


def disc(centre, radius=2.6):
    rows, columns = np.mgrid[: FIELD[0], : FIELD[1]]
    image = np.exp(-((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) / radius**2)
    image[image < 0.15] = 0
    return image.ravel() / np.linalg.norm(image)


def calcium(rng):
    spikes = rng.random(N_FRAMES) < 0.01
    kernel = np.exp(-np.arange(40) / (0.5 * RATE_HZ))
    return 100 * np.convolve(spikes, kernel)[:N_FRAMES]


@pytest.fixture(scope="module")
def scene():
    """Three planted cells, the first two far enough apart to be told from each other."""
    rng = np.random.default_rng(3)
    images = np.column_stack([disc(centre) for centre in CENTRES])
    traces = np.column_stack([calcium(rng) for _ in CENTRES])
    glow = 40 + 8 * np.sin(np.arange(N_FRAMES) / 35.0)
    pixels = traces @ images.T + glow[:, None] + rng.normal(0, 1.0, (N_FRAMES, images.shape[0]))
    movie = ArrayMovie(pixels.reshape(N_FRAMES, *FIELD).astype(np.float32), RATE_HZ)
    return movie, images, traces


def segmentation(images, traces):
    """A perfect segmentation with a background model that averages over the whole field."""
    grid = CoarseGrid(FIELD, 4)
    n_squares = int(np.prod(grid.shape))
    weights = csc_array(np.full((n_squares, n_squares), 1 / n_squares)).tocsr()
    n_rois = images.shape[1]
    return Segmentation(
        footprints=csc_array(images.astype(np.float32)),
        field_shape=FIELD,
        raw=traces.astype(np.float32),
        denoised=traces.astype(np.float32),
        deconvolved=np.zeros_like(traces, np.float32),
        baseline=np.full_like(traces, 40, np.float32),
        noise=np.ones(n_rois),
        decay_time_s=np.full(n_rois, 0.5),
        background=RingBackground(weights, np.full(FIELD, 40, np.float32), 4),
        seeds=np.zeros((0, 2), int),
        metrics={"score": np.arange(n_rois)},
    )


def similarity(first, second):
    return np.corrcoef(first, second)[0, 1]


def test_halves_of_a_wrongly_merged_pair_have_the_traces_of_the_planted_cells(scene):
    movie, images, traces = scene
    lumped = merge_shapes([shape_of(segmentation(images, traces), roi) for roi in (0, 1)])
    halves = split_shape(lumped, FIELD, (0.0, 11.0, 24.0, 11.0))
    others = replace_rois(segmentation(images, traces), np.array([2]), None)
    found = measure_shapes(movie, list(halves), others, autoregressive_order=1)
    assert found.n_rois == 2
    # seen along the line, which runs down, the cell with the greater column lies to the left
    assert similarity(found.denoised[:, 0], traces[:, 1]) > 0.98
    assert similarity(found.denoised[:, 1], traces[:, 0]) > 0.98
    assert abs(similarity(found.raw[:, 0], traces[:, 0])) < 0.2


def test_merged_halves_of_one_cell_have_its_trace_and_the_glow_as_baseline(scene):
    movie, images, traces = scene
    whole = shape_of(segmentation(images, traces), 2)
    halves = split_shape(whole, FIELD, (0.0, 30.2, 24.0, 30.2))
    merged = merge_shapes(list(halves))
    others = replace_rois(segmentation(images, traces), np.array([0, 1]), None)
    found = measure_shapes(movie, [merged], others, autoregressive_order=1)
    assert (merged.footprint.T @ whole.footprint).toarray() > 0.999
    assert similarity(found.raw[:, 0], traces[:, 2]) > 0.98
    gain = found.denoised[:, 0].max() / traces[:, 2].max()
    assert 0.9 < gain < 1.05
    glow = 40 + 8 * np.sin(np.arange(N_FRAMES) / 35.0)
    assert similarity(found.baseline[:, 0], glow) > 0.9
    assert found.baseline.mean() == pytest.approx(40 * images[:, 2].sum(), rel=0.05)


def test_stronger_roi_weighs_more_in_a_merge():
    weak, strong = (
        Shape(csc_array(column[:, None]), trace, 0.5)
        for column, trace in zip(np.eye(6)[:2], (np.ones(5), 3 * np.ones(5)), strict=True)
    )
    merged = merge_shapes([weak, strong]).footprint.toarray().ravel()
    np.testing.assert_allclose(merged[:2], np.array([1, 3]) / np.sqrt(10), rtol=1e-6)


def test_line_beside_a_roi_does_not_split_it(scene):
    _, images, traces = scene
    with pytest.raises(CurationError, match="across the ROI"):
        split_shape(shape_of(segmentation(images, traces), 0), FIELD, (0.0, 35.0, 9.0, 35.0))


def test_left_is_left_of_the_line_seen_along_it():
    # a line that runs right along row 1: above it, at smaller rows, is its left side
    is_left = left_of_line(np.array([0, 20]), (3, 10), (1.0, 0.0, 1.0, 9.0))
    assert is_left.tolist() == [True, False]


def test_numbers_of_the_engine_are_unknown_for_new_rois(scene):
    _, images, traces = scene
    whole = segmentation(images, traces)
    both = replace_rois(whole, np.array([0, 2]), replace_rois(whole, np.array([1]), None))
    assert both.metrics["score"][:2].tolist() == [0, 2]
    assert np.isnan(both.metrics["score"][2])
    assert both.n_rois == 3
