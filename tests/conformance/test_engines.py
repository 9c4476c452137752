"""What every engine promises: ours, CaImAn where it is installed, and plugged-in ones."""

import os

import numpy as np
import pytest

from ace_nwb.engines.base import EngineSettings
from ace_nwb.engines.caiman.environment import VARIABLE
from ace_nwb.engines.evaluation import evaluate_components
from ace_nwb.imaging.movie import ArrayMovie, no_progress
from ace_nwb.imaging.segmentation import Segmentation
from ace_nwb.registry import ENGINES
from ace_nwb.stages.extract import engine_parameters
from ace_nwb.stages.settings.params import ExtractParams

FIELD = (48, 64)
MARKS = {"caiman": pytest.mark.caiman}
DIAMETER_PX = 8.0


def make_cell(centre: tuple[float, float]) -> np.ndarray:
    rows, columns = np.mgrid[: FIELD[0], : FIELD[1]]
    return np.exp(-((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) / (2 * 2.5**2))


def make_calcium(n_frames: int, seed: int) -> np.ndarray:
    spikes = (np.random.default_rng(seed).random(n_frames) < 0.03).astype(float)
    calcium = np.zeros(n_frames)
    for frame in range(1, n_frames):
        calcium[frame] = 0.9 * calcium[frame - 1] + spikes[frame]
    return calcium


def make_movie(
    n_frames: int = 600, centres: tuple[tuple[float, float], ...] = ((20.0, 40.0),)
) -> tuple[np.ndarray, np.ndarray]:
    calcium = np.column_stack([make_calcium(n_frames, seed) for seed in range(len(centres))])
    cells = np.array([make_cell(centre) for centre in centres])
    frames = 100 + 20 * np.tensordot(calcium, cells, 1)
    frames += np.random.default_rng(9).normal(0, 3, frames.shape)
    return frames.astype(np.float32), calcium


def run(name: str, frames: np.ndarray, workers: int = 1) -> Segmentation:
    params = ExtractParams(
        engine=name,
        cell_diameter_px=DIAMETER_PX,
        caiman_spatial_downsampling=1,
        caiman_temporal_downsampling=1,
    )
    return ENGINES.load(name)(
        ArrayMovie(frames, 20.0),
        settings=EngineSettings(workers=workers),
        progress=no_progress,
        **engine_parameters(params),
    )


@pytest.fixture(params=[pytest.param(n, marks=MARKS.get(n, ())) for n in ENGINES.names()])
def engine(request: pytest.FixtureRequest) -> str:
    if request.param == "caiman" and not os.environ.get(VARIABLE):
        pytest.skip(f"{VARIABLE} does not name a Python with CaImAn")
    return request.param


@pytest.fixture(scope="module")
def two_cells() -> tuple[np.ndarray, np.ndarray]:
    return make_movie(centres=((20.0, 40.0), (32.0, 14.0)))


def test_one_cell_gives_one_roi_with_its_place_and_calcium(engine: str) -> None:
    frames, calcium = make_movie()
    found = run(engine, frames)
    assert found.n_rois == 1
    mask = found.image_masks()[0]
    cell = make_cell((20.0, 40.0))
    assert np.sum(mask * cell) / np.linalg.norm(mask) / np.linalg.norm(cell) > 0.9
    assert np.corrcoef(found.raw[:, 0], calcium[:, 0])[0, 1] > 0.9
    assert np.corrcoef(found.denoised[:, 0], calcium[:, 0])[0, 1] > 0.97


def test_shapes_agree_in_a_field_that_is_not_square(engine: str, two_cells: tuple) -> None:
    frames, _ = two_cells
    found = run(engine, frames)
    assert found.n_rois == 2
    assert found.field_shape == FIELD
    assert found.footprints.shape == (FIELD[0] * FIELD[1], 2)
    for traces in (found.raw, found.denoised, found.deconvolved, found.baseline):
        assert traces.shape == (len(frames), 2)
        assert np.isfinite(traces).all()
    assert found.noise.shape == found.decay_time_s.shape == (2,)
    assert found.seeds.shape[1] == 2


def test_footprints_have_norm_one_and_are_not_negative(engine: str, two_cells: tuple) -> None:
    found = run(engine, two_cells[0])
    np.testing.assert_allclose(np.linalg.norm(found.image_masks(), axis=(1, 2)), 1, rtol=1e-5)
    assert found.footprints.data.min() >= 0


def test_traces_and_baseline_are_in_units_of_the_movie(engine: str, two_cells: tuple) -> None:
    frames, calcium = two_cells
    found = run(engine, frames)
    for mask, trace, baseline in zip(
        found.image_masks(), found.denoised.T, found.baseline.T, strict=True
    ):
        assert mask.max() * trace.max() == pytest.approx(20 * calcium.max(), rel=0.35)
        assert np.median(baseline) == pytest.approx(100 * mask.sum(), rel=0.1)


def test_the_order_of_the_array_in_memory_does_not_matter(engine: str, two_cells: tuple) -> None:
    straight = run(engine, two_cells[0])
    turned = run(engine, np.asfortranarray(two_cells[0]))
    assert straight.raw.tobytes() == turned.raw.tobytes()
    assert (straight.footprints != turned.footprints).nnz == 0


def test_results_do_not_depend_on_workers_or_repetition(engine: str, two_cells: tuple) -> None:
    one, two, again = (run(engine, two_cells[0], workers) for workers in (1, 2, 1))
    for other in (two, again):
        assert (one.footprints != other.footprints).nnz == 0
        for name in ("raw", "denoised", "deconvolved", "baseline", "noise", "decay_time_s"):
            assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


@pytest.mark.parametrize(
    "frames",
    [
        np.full((300, *FIELD), 80, np.uint8),
        np.zeros((300, *FIELD), np.float32),
        np.full((300, *FIELD), 255, np.uint8),
    ],
    ids=["constant", "black", "saturated"],
)
def test_a_movie_without_any_change_gives_no_roi(engine: str, frames: np.ndarray) -> None:
    found = run(engine, frames)
    assert found.n_rois == 0
    assert found.raw.shape == (300, 0)


def test_noise_alone_gives_no_roi(engine: str) -> None:
    noise = np.random.default_rng(1).normal(100, 3, (500, *FIELD)).astype(np.float32)
    assert run(engine, noise).n_rois <= 1


def test_frames_that_repeat_do_no_harm(engine: str) -> None:
    frames, _ = make_movie()
    frames[100:110] = frames[100]
    found = run(engine, frames)
    assert np.isfinite(found.raw).all()
    metrics = evaluate_components(
        ArrayMovie(frames, 20.0),
        found,
        min_snr=3.0,
        min_r_value=0.5,
        min_size_px=9,
        min_asymmetry=0.0,
        min_probability=0.5,
        cell_diameter_px=DIAMETER_PX,
    )
    assert metrics.accepted.sum() == 1


def test_saturated_pixels_do_no_harm(engine: str) -> None:
    frames, calcium = make_movie()
    frames = np.minimum(frames, 125)
    frames[:, 5, 5] = 255
    found = run(engine, frames)
    assert np.isfinite(found.raw).all()
    assert max(np.corrcoef(trace, calcium[:, 0])[0, 1] for trace in found.raw.T) > 0.8


def test_a_cell_at_the_border_is_found_inside_the_field(engine: str) -> None:
    frames, _ = make_movie(centres=((1.0, 30.0),))
    found = run(engine, frames)
    assert 1 <= found.n_rois <= 2
    assert found.footprints.shape[0] == FIELD[0] * FIELD[1]


@pytest.mark.parametrize("n_frames", [1, 3, 20])
def test_a_very_short_movie_does_not_fail(engine: str, n_frames: int) -> None:
    frames, _ = make_movie(n_frames)
    found = run(engine, frames)
    assert found.raw.shape == (n_frames, found.n_rois)
    assert np.isfinite(found.raw).all()
