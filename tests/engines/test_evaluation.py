"""Planted neurons are accepted, and what is no neuron is not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.sparse import csc_array

from ace_nwb.engines.evaluation import ComponentMetrics, evaluate_components
from ace_nwb.imaging.movie import ArrayMovie
from ace_nwb.imaging.segmentation import Segmentation

FIELD = (44, 60)
N_FRAMES = 800
NAMES = ("cell", "noise", "speck", "misplaced", "other cell")


def disc(row: float, column: float, sd_px: float = 2.5) -> np.ndarray:
    rows, columns = np.mgrid[: FIELD[0], : FIELD[1]]
    image = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sd_px**2))
    image[image < 0.05] = 0
    return image / np.linalg.norm(image)


def calcium(seed: int) -> np.ndarray:
    spikes = np.random.default_rng(seed).random(N_FRAMES) < 0.03
    trace = np.zeros(N_FRAMES)
    for frame in range(1, N_FRAMES):
        trace[frame] = 0.9 * trace[frame - 1] + spikes[frame]
    return trace


@pytest.fixture(scope="module")
def scene() -> tuple[ArrayMovie, Segmentation]:
    """Two cells in noise and slow background, and five ROIs of which two are right."""
    rng = np.random.default_rng(0)
    cells = [disc(14, 16), disc(30, 44)]
    traces = [150 * calcium(1), 150 * calcium(2)]
    slow = gaussian_filter(rng.normal(size=N_FRAMES), 40)
    frames = 100 + 5 * (slow / slow.std())[:, None, None] * np.ones(FIELD)
    for cell, trace in zip(cells, traces, strict=True):
        frames += trace[:, None, None] * cell
    frames += rng.normal(0, 3, frames.shape)
    movie = ArrayMovie(frames.astype(np.float32), 20.0)
    images = [
        cells[0],
        np.where(rng.random(FIELD) < 0.03, 1.0, 0) / 8,
        np.zeros(FIELD),
        disc(32, 14),
        cells[1],
    ]
    images[2][8, 50] = 1
    denoised = np.column_stack([traces[0], 40 * calcium(5), 20 * calcium(6), traces[1], traces[1]])
    shape = denoised.shape
    return movie, Segmentation(
        footprints=csc_array(np.array(images).reshape(len(images), -1).T.astype(np.float32)),
        field_shape=FIELD,
        raw=(denoised + rng.normal(0, 3, shape)).astype(np.float32),
        denoised=denoised.astype(np.float32),
        deconvolved=np.zeros(shape, np.float32),
        baseline=np.ones(shape, np.float32),
        noise=np.full(shape[1], 3.0),
        decay_time_s=np.full(shape[1], 0.5),
        background=None,
        seeds=np.zeros((0, 2), int),
    )


@pytest.fixture(scope="module")
def metrics(scene: tuple) -> ComponentMetrics:
    return evaluate(*scene)


def evaluate(movie: ArrayMovie, found: Segmentation, **settings) -> ComponentMetrics:
    settings = {"min_probability": 0.5} | settings
    return evaluate_components(
        movie,
        found,
        min_snr=3.0,
        min_r_value=0.6,
        min_size_px=9,
        min_asymmetry=0.0,
        **settings,
    )


def test_only_the_two_cells_are_accepted(metrics: ComponentMetrics) -> None:
    accepted = [name for name, kept in zip(NAMES, metrics.accepted, strict=True) if kept]
    assert accepted == ["cell", "other cell"]


def test_footprints_of_cells_look_like_the_movie_at_their_events(
    metrics: ComponentMetrics,
) -> None:
    right = metrics.r_value[[0, 4]]
    wrong = metrics.r_value[[1, 3]]
    assert right.min() > 0.9
    assert wrong.max() < 0.4


def test_a_cell_that_rises_little_above_its_background_still_looks_like_itself(
    scene: tuple,
) -> None:
    movie, found = scene
    rng = np.random.default_rng(4)
    wave = gaussian_filter(rng.normal(size=N_FRAMES), 20)
    bright = movie.frames + 60 * (wave / wave.std())[:, None, None] * disc(14, 16, 30.0)[None] * 40
    metrics = evaluate(ArrayMovie(bright.astype(np.float32), 20.0), found)
    assert metrics.r_value[0] > 0.8
    assert metrics.r_value[[1, 3]].max() < 0.4


def test_the_signal_to_noise_ratio_is_the_peak_over_the_noise(scene: tuple) -> None:
    movie, found = scene
    binned = found.denoised[:, 0].reshape(-1, 4).mean(1)
    expected = (binned.max() - np.median(binned)) / (3 / 2)
    assert evaluate(movie, found).snr[0] == pytest.approx(expected, rel=0.3)


def test_a_copy_counts_as_duplicate_of_the_better_one_only(scene: tuple) -> None:
    movie, found = scene
    copy = csc_array(disc(15, 17).reshape(-1, 1).astype(np.float32))
    pair = _with_footprints(found, [found.footprints[:, [0]], copy])
    pair = replace(pair, denoised=np.repeat(found.denoised[:, :1], 2, axis=1))
    duplicate = evaluate(movie, pair).duplicate_score
    assert duplicate.max() > 0.8
    assert duplicate.min() == 0


def test_compactness_is_high_for_discs_and_low_for_lines_and_dust(scene: tuple) -> None:
    movie, found = scene
    line = np.zeros(FIELD)
    line[20, 10:40] = 0.2
    images = [found.footprints[:, [0]], csc_array(line.reshape(-1, 1).astype(np.float32))]
    images.append(found.footprints[:, [1]])
    values = evaluate(movie, _with_footprints(found, images)).compactness
    assert values[0] > 0.9
    assert values[1] < 0.4
    assert values[2] < 0.3


def test_what_swells_and_ebbs_alike_is_no_cell(scene: tuple, metrics: ComponentMetrics) -> None:
    movie, found = scene
    rng = np.random.default_rng(7)
    swell = gaussian_filter(rng.normal(size=N_FRAMES), 8)
    swell = 60 * (swell - swell.min()) / np.ptp(swell)
    place = disc(24, 30)
    frames = movie.frames + swell[:, None, None] * place
    images = [found.footprints[:, [0]], csc_array(place.reshape(-1, 1).astype(np.float32))]
    pair = _with_footprints(found, images)
    denoised = np.column_stack([found.denoised[:, 0], swell])
    noisy = denoised + rng.normal(0, 3, denoised.shape)
    pair = replace(pair, raw=noisy.astype(np.float32), denoised=denoised.astype(np.float32))
    result = evaluate(ArrayMovie(frames.astype(np.float32), 20.0), pair)
    assert result.r_value.min() > 0.7
    assert result.accepted.tolist() == [True, False]
    assert abs(result.asymmetry[1]) < 0.5
    assert metrics.asymmetry[[0, 4]].min() > 1.5


def _with_footprints(found: Segmentation, images: list) -> Segmentation:
    few = slice(0, len(images))
    return replace(
        found,
        footprints=csc_array(np.hstack([image.toarray() for image in images])),
        raw=found.raw[:, few],
        denoised=found.denoised[:, few],
        deconvolved=found.deconvolved[:, few],
        baseline=found.baseline[:, few],
        noise=found.noise[few],
        decay_time_s=found.decay_time_s[few],
    )


def test_workers_and_memory_change_no_bit(scene: tuple, metrics: ComponentMetrics) -> None:
    for settings in ({"workers": 2}, {"max_memory_bytes": 2**20}, {"max_memory_bytes": 0}):
        other = evaluate(*scene, **settings)
        for name in ("snr", "r_value", "compactness", "duplicate_score"):
            assert getattr(other, name).tobytes() == getattr(metrics, name).tobytes()


def test_progress_ends_at_all(scene: tuple) -> None:
    calls: list[tuple[int, int]] = []
    evaluate(*scene, progress=lambda done, of: calls.append((done, of)))
    assert calls == sorted(calls)
    assert calls[-1][0] == calls[-1][1]


def test_no_rois_give_no_metrics(scene: tuple) -> None:
    movie, found = scene
    none = _with_footprints(found, [csc_array((FIELD[0] * FIELD[1], 0), dtype=np.float32)])
    none = replace(none, raw=none.raw[:, :0], denoised=none.denoised[:, :0])
    assert evaluate(movie, none).accepted.shape == (0,)


def _pair_with(scene: tuple, place: np.ndarray, image: np.ndarray) -> tuple:
    """Return the scene with more light in it, and two ROIs: the first cell, and one at the light.

    The light has its own calcium and the shape of `place`; its ROI has the footprint `image`.
    """
    movie, found = scene
    trace = 150 * calcium(8)
    images = [found.footprints[:, [0]], csc_array(image.reshape(-1, 1).astype(np.float32))]
    pair = _with_footprints(found, images)
    denoised = np.column_stack([found.denoised[:, 0], trace])
    noise = np.random.default_rng(9).normal(0, 3, denoised.shape)
    pair = replace(
        pair, raw=(denoised + noise).astype(np.float32), denoised=denoised.astype(np.float32)
    )
    return ArrayMovie((movie.frames + trace[:, None, None] * place).astype(np.float32), 20.0), pair


def test_light_from_out_of_focus_is_no_cell_however_cell_like_its_footprint(scene: tuple) -> None:
    footprint = disc(22, 32)
    blob = disc(22, 32, 10.0)
    movie, pair = _pair_with(scene, blob * footprint.max() / blob.max(), footprint)
    result = evaluate(movie, pair)
    assert result.accepted.tolist() == [True, False]
    assert result.surround[0] < 0.15 < 0.3 < result.surround[1]
    assert result.extent[0] < 2 < 3.3 < result.extent[1]
    assert result.cell_probability[1] < 0.3 < 0.8 < result.cell_probability[0]


def test_light_that_a_footprint_follows_to_its_end_is_too_large_for_a_cell(scene: tuple) -> None:
    halo = disc(22, 32, 8.0)
    movie, pair = _pair_with(scene, 2 * halo, halo)
    result = evaluate(movie, pair, cell_diameter_px=9.0)
    assert result.cell_probability[1] < 0.1 < 0.8 < result.cell_probability[0]
    assert result.relative_size[1] > 4 > 2 > result.relative_size[0]


def test_fibres_that_are_active_together_are_no_cell(scene: tuple) -> None:
    rows, columns = np.mgrid[: FIELD[0], : FIELD[1]]
    stripes = np.clip(0.6 + np.cos(2 * np.pi * (rows + 0.5 * columns) / 5), 0, None)
    tuft = disc(22, 32, 9.0) * stripes
    footprint = disc(22, 32) * stripes
    movie, pair = _pair_with(scene, 2 * tuft, footprint / np.linalg.norm(footprint))
    result = evaluate(movie, pair, cell_diameter_px=9.0)
    assert result.accepted.tolist() == [True, False]
    assert result.roundness[1] < 0.7 < 0.8 < result.roundness[0]


def test_noise_in_the_image_of_the_events_is_not_sharpness(scene: tuple) -> None:
    movie, found = scene
    noise = np.random.default_rng(3).normal(0, 9, movie.frames.shape)
    noisy = evaluate(ArrayMovie((movie.frames + noise).astype(np.float32), 20.0), found)
    assert noisy.sharpness[0] == pytest.approx(evaluate(movie, found).sharpness[0], rel=0.1)


def test_the_threshold_of_probability_decides(scene: tuple) -> None:
    movie, pair = _pair_with(scene, disc(22, 32), disc(22, 32))
    likely = evaluate(movie, pair).cell_probability
    assert evaluate(movie, pair, min_probability=float(likely.min())).accepted.all()
    strict = evaluate(movie, pair, min_probability=float(likely.max()))
    assert strict.accepted.tolist() == (likely == likely.max()).tolist()


def test_a_silent_roi_is_measured_without_a_warning(scene: tuple) -> None:
    movie, found = scene
    silent = replace(found, denoised=np.zeros_like(found.denoised))
    result = evaluate(movie, silent)
    assert not result.accepted.any()
    assert np.isfinite(result.cell_probability).all()
