"""What our engine does beyond the contract of engines: splitting, AR(2), memory, progress."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

from ace_nwb.engines.base import EngineSettings
from ace_nwb.engines.cnmfe import extract
from ace_nwb.imaging.movie import ArrayMovie, no_progress
from ace_nwb.imaging.segmentation import Segmentation

FIELD = (44, 60)
RATE_HZ = 20.0
ARRAYS = ("raw", "denoised", "deconvolved", "baseline", "noise", "decay_time_s")


def blob(row: float, column: float) -> np.ndarray:
    rows, columns = np.mgrid[: FIELD[0], : FIELD[1]]
    return np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 2.3**2))


def calcium(n_frames: int, seed: int, rise_frames: float = 0.0) -> np.ndarray:
    spikes = (np.random.default_rng(seed).random(n_frames) < 0.025).astype(float)
    time = np.arange(60)
    kernel = np.exp(-time / 10)
    if rise_frames:
        kernel = kernel - np.exp(-time / rise_frames)
    return np.convolve(spikes, kernel / kernel.max())[:n_frames]


def make_movie(
    places: list[tuple[float, float]], n_frames: int = 700, rise_frames: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    traces = np.column_stack([calcium(n_frames, seed, rise_frames) for seed in range(len(places))])
    cells = np.array([blob(*place) for place in places])
    frames = 100 + 20 * np.tensordot(traces, cells, 1)
    frames += np.random.default_rng(9).normal(0, 3, frames.shape)
    return np.clip(frames, 0, 255).astype(np.uint8), traces


def run(frames: np.ndarray, **changes) -> Segmentation:
    parameters = {
        "settings": EngineSettings(),
        "progress": no_progress,
        "cell_diameter_px": 9.0,
        "min_correlation": None,
        "min_peak_to_noise": None,
        "ring_size_factor": 1.4,
        "merge_correlation": 0.7,
        "autoregressive_order": 1,
        "decay_time_s": None,
    }
    return extract(ArrayMovie(frames, RATE_HZ), **(parameters | changes))


def best_match(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the highest correlation of each true trace with a found one."""
    n_true = truth.shape[1]
    return np.corrcoef(truth.T, found.T)[:n_true, n_true:].max(1)


@pytest.fixture(scope="module")
def touching() -> tuple[np.ndarray, np.ndarray]:
    return make_movie([(20, 20), (20, 27), (30, 45)])


@pytest.fixture(scope="module")
def found(touching: tuple) -> Segmentation:
    return run(touching[0])


def test_two_touching_cells_become_two_rois_with_their_own_calcium(
    touching: tuple, found: Segmentation
) -> None:
    assert found.n_rois == 3
    assert best_match(found.denoised, touching[1]).min() > 0.97


@pytest.mark.parametrize("max_memory_bytes", [2**23, 0])
def test_memory_and_workers_change_no_bit(
    touching: tuple, found: Segmentation, max_memory_bytes: int
) -> None:
    other = run(touching[0], settings=EngineSettings(2, max_memory_bytes))
    assert (other.footprints != found.footprints).nnz == 0
    for name in ARRAYS:
        assert getattr(other, name).tobytes() == getattr(found, name).tobytes()


def test_what_does_not_fit_in_memory_goes_to_files_that_vanish(
    touching: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    largest = 0

    def look(_done: int, _of: int) -> None:
        nonlocal largest
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        largest = max(largest, sum(path.stat().st_size for path in files))

    run(touching[0], settings=EngineSettings(1, 0), progress=look)
    assert 0 < largest <= touching[0].nbytes
    assert list(tmp_path.iterdir()) == []


def test_progress_rises_to_its_end(touching: tuple) -> None:
    calls: list[tuple[int, int]] = []
    run(touching[0], progress=lambda done, of: calls.append((done, of)))
    shares = [done / of for done, of in calls]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(set(shares)) > 12


def test_a_finite_rise_is_followed_by_the_second_order_model() -> None:
    frames, truth = make_movie([(16, 18), (30, 44)], n_frames=1200, rise_frames=1.6)
    first, second = (run(frames, autoregressive_order=n, decay_time_s=0.5) for n in (1, 2))
    assert second.n_rois == first.n_rois == 2
    assert best_match(second.denoised, truth).min() > 0.97
    assert np.isfinite(second.deconvolved).all()
    assert second.deconvolved.min() >= 0
    assert np.all(best_match(second.denoised, truth) > best_match(first.denoised, truth))
    n_active = [np.sum(s.deconvolved > 0) for s in (first, second)]
    assert n_active[1] < 0.8 * n_active[0]  # a rise is no series of events


def test_the_background_rebuilt_from_the_model_is_the_one_that_was_planted() -> None:
    rng = np.random.default_rng(3)
    frames, traces = make_movie([(20, 20), (30, 45)])
    course = np.cumsum(rng.normal(0, 1, len(frames)))
    course = 6 * (course - course.mean()) / course.std()
    rows = np.linspace(-1, 1, FIELD[0])[:, None]
    waves = course[:, None, None] * (1 + 0.4 * rows) * np.ones(FIELD)
    planted = np.clip(frames + waves, 0, 255).astype(np.float32)
    found = run(planted)
    assert best_match(found.raw, traces).min() > 0.9
    model = found.background
    side = model.downsampling
    neural = found.denoised @ found.footprints.T.toarray()
    rest = planted.reshape(len(planted), -1) - neural - model.baseline.ravel()
    grid = rest.reshape(-1, *FIELD)[:, : FIELD[0] // side * side, : FIELD[1] // side * side]
    coarse = grid.reshape(len(grid), FIELD[0] // side, side, -1, side).mean((2, 4))
    assert model.weights.shape[0] >= coarse[0].size
    full = np.zeros((len(grid), -(-FIELD[0] // side), -(-FIELD[1] // side)))
    full[:, : coarse.shape[1], : coarse.shape[2]] = coarse
    rebuilt = (model.weights @ full.reshape(len(full), -1).T).T.reshape(full.shape)
    middle = (slice(None), slice(4, -4), slice(4, -4))
    truth = waves[:, side // 2 :: side, side // 2 :: side][:, : full.shape[1], : full.shape[2]]
    truth = truth - truth.mean(0)
    error = np.std(
        (rebuilt - rebuilt.mean(0))[:, : truth.shape[1], : truth.shape[2]][middle] - truth[middle]
    )
    assert error < 0.35 * truth[middle].std()
