"""Every step of CNMF-E against a known truth, without the others."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.sparse import csc_array, csr_array

from ace_nwb.engines.cnmfe.background import Background, CoarseGrid, fit_background
from ace_nwb.engines.cnmfe.footprints import (
    TraceProducts,
    centroids,
    normalise,
    trim_footprints,
    update_footprints,
)
from ace_nwb.engines.cnmfe.joining import join_alike, share_one
from ace_nwb.engines.cnmfe.merging import find_ghosts, find_groups, merge_groups
from ace_nwb.engines.cnmfe.passes import correlate, project
from ace_nwb.engines.cnmfe.seeds import disc_support
from ace_nwb.engines.cnmfe.splitting import split_footprints
from ace_nwb.engines.cnmfe.traces import Projections
from ace_nwb.engines.cnmfe.unmixing import find_shares, take_shares
from ace_nwb.imaging.movie import ArrayMovie

FIELD = (36, 52)
N_PIXELS = FIELD[0] * FIELD[1]


def blob(row: float, column: float, sd_px: float = 2.2) -> np.ndarray:
    rows, columns = np.mgrid[: FIELD[0], : FIELD[1]]
    image = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sd_px**2))
    return np.where(image > 0.05, image, 0).ravel()


def as_footprints(*images: np.ndarray) -> csc_array:
    return csc_array(np.column_stack(images).astype(np.float32))


def spiking(n_frames: int, n_rois: int, seed: int = 0) -> np.ndarray:
    spikes = np.random.default_rng(seed).random((n_frames, n_rois)) < 0.03
    traces = np.zeros((n_frames, n_rois))
    for frame in range(1, n_frames):
        traces[frame] = 0.9 * traces[frame - 1] + spikes[frame]
    return traces


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.fixture(scope="module")
def overlapping() -> tuple[ArrayMovie, np.ndarray, np.ndarray]:
    """A movie of two overlapping cells and a third, with noise; footprints; traces."""
    cells = np.column_stack([blob(14, 18), blob(16, 23), blob(26, 40)])
    traces = spiking(800, 3)
    frames = traces @ cells.T + np.random.default_rng(1).normal(0, 0.1, (800, N_PIXELS))
    movie = ArrayMovie(frames.reshape(-1, *FIELD).astype(np.float32), 20.0)
    return movie, cells, traces


def test_the_spatial_update_tells_overlapping_cells_apart(overlapping: tuple) -> None:
    movie, cells, traces = overlapping
    centred = traces - traces.mean(0)
    support = disc_support(np.array([[14, 18], [16, 23], [26, 40]]), FIELD, 9.0)
    products = TraceProducts(
        correlate(movie, centred, support, workers=1), centred.T @ centred, np.zeros((0, 3))
    )
    start = csc_array((N_PIXELS, 3), dtype=np.float32)
    found = update_footprints(start, support, products, np.zeros((N_PIXELS, 0), np.float32))
    assert found.data.min() > 0
    for roi in range(3):
        image = found[:, [roi]].toarray().ravel()
        assert cosine(image, cells[:, roi]) > 0.98
        assert image.max() == pytest.approx(1, abs=0.1)
        assert (image[support[:, [roi]].toarray().ravel() == 0] == 0).all()


def test_projection_and_correlation_are_matrix_products(overlapping: tuple) -> None:
    movie, cells, traces = overlapping
    pixels = movie.frames.reshape(800, -1)
    footprints = as_footprints(*cells.T)
    np.testing.assert_allclose(
        project(movie, footprints, workers=2), pixels @ footprints.toarray(), rtol=1e-3, atol=1e-3
    )
    for strip, product in correlate(movie, traces, footprints, workers=2):
        expected = pixels[:, strip.first : strip.last].T @ traces[:, strip.rois]
        np.testing.assert_allclose(product, expected, rtol=1e-3, atol=1e-2)


def test_trimming_drops_what_is_apart_or_not_significant() -> None:
    image = blob(14, 18) + 0.5 * blob(28, 45)
    noise = np.full(N_PIXELS, 1.0)
    noise[: 14 * FIELD[1]] = 1e6
    trimmed = trim_footprints(
        as_footprints(image), FIELD, noise=noise, trace_energy=np.array([1000.0])
    )
    kept = trimmed.toarray().reshape(FIELD)
    assert kept[14:, :30].max() == pytest.approx(1, abs=0.01)
    assert kept[:14].max() == 0
    assert kept[:, 36:].max() == 0


def test_a_footprint_that_is_all_noise_is_emptied() -> None:
    trimmed = trim_footprints(
        as_footprints(blob(14, 18)), FIELD, noise=np.full(N_PIXELS, 1e6), trace_energy=np.ones(1)
    )
    assert trimmed.nnz == 0


def test_norms_and_centroids() -> None:
    scaled, norms = normalise(as_footprints(3 * blob(10, 12), blob(20, 30)))
    np.testing.assert_allclose(np.linalg.norm(scaled.toarray(), axis=0), 1, rtol=1e-5)
    assert norms[0] / norms[1] == pytest.approx(3, rel=1e-3)
    np.testing.assert_allclose(centroids(scaled, FIELD), [[10, 12], [20, 30]], atol=1e-3)


def test_two_cells_in_one_footprint_are_split() -> None:
    both = blob(16, 15) + 0.7 * blob(16, 26)
    alone = blob(28, 40)
    parts = split_footprints(as_footprints(both, alone), FIELD, cell_diameter_px=9.0)
    assert parts.shape[1] == 3
    found = centroids(parts, FIELD)
    np.testing.assert_allclose(found, [[16, 15], [16, 26], [28, 40]], atol=1)
    assert parts.sum() == pytest.approx(both.sum() + alone.sum(), rel=1e-5)


@pytest.mark.parametrize("ring", [False, True])
def test_one_cell_is_not_split(ring: bool) -> None:
    image = blob(16, 20, 3.0) - (0.6 * blob(16, 20, 1.2) if ring else 0)
    footprints = as_footprints(np.maximum(image, 0))
    assert split_footprints(footprints, FIELD, cell_diameter_px=9.0) is footprints


def test_overlapping_footprints_with_one_activity_merge_and_others_do_not() -> None:
    traces = spiking(500, 2)
    footprints, _ = normalise(as_footprints(blob(14, 18), blob(15, 20), blob(15, 22)))
    same = np.column_stack([traces[:, 0], 0.5 * traces[:, 0], traces[:, 1]])
    groups = find_groups(footprints, same, merge_correlation=0.7)
    assert groups[0] == groups[1] != groups[2]
    merged, joined, join = merge_groups(footprints, same, groups)
    assert merged.shape[1] == 2
    np.testing.assert_allclose(merged.toarray(), (footprints @ join).toarray(), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(merged.toarray(), axis=0), 1, rtol=1e-5)
    assert np.corrcoef(joined[:, 0], traces[:, 0])[0, 1] > 0.999


@pytest.mark.parametrize(("distance_px", "n_neurons"), [(0.4, 1), (1.0, 2)])
def test_traces_shared_out_at_random_between_equal_footprints_are_one_neuron(
    distance_px: float, n_neurons: int
) -> None:
    rng = np.random.default_rng(3)
    events = np.flatnonzero(rng.random(600) < 0.05)
    share = rng.beta(0.6, 0.6, len(events))
    traces = np.zeros((600, 2))
    traces[events] = np.column_stack([share, 1 - share])
    images = as_footprints(blob(14, 18), blob(14, 18 + distance_px))
    footprints, _ = normalise(images)
    groups = find_groups(footprints, traces, merge_correlation=0.9)
    overlap = (footprints.T @ footprints).toarray()
    shares = find_shares(overlap, np.corrcoef(traces.T), traces, max_correlation=0.9)
    assert len(set(groups)) == n_neurons
    assert shares.any() == (n_neurons == 2)


@pytest.mark.parametrize("n_neurons", [1, 2])
def test_alike_footprints_are_joined_in_projections_if_they_share_one_activity(
    n_neurons: int,
) -> None:
    grid = CoarseGrid(FIELD, 4)
    squares = grid.shape[0] * grid.shape[1]
    background = Background(
        csr_array((squares, squares)),
        np.zeros((squares, 1), np.float32),
        np.zeros((N_PIXELS, 1), np.float32),
        grid,
    )
    images = as_footprints(blob(14, 18), blob(14, 18.7), blob(28, 40))
    footprints, _ = normalise(images)
    activity = spiking(1500, 3)
    activity[:, 1] = activity[:, 0] if n_neurons == 1 else activity[:, 1]
    frames = activity @ footprints.T + np.random.default_rng(5).normal(0, 0.02, (1500, N_PIXELS))
    seen = Projections((frames @ footprints).astype(np.float32), np.zeros((1500, 1)))
    found, joined = join_alike(footprints, seen, background, frame_rate_hz=20.0, decay_time_s=0.5)
    assert found.shape[1] == 1 + n_neurons
    np.testing.assert_allclose(joined.footprints, frames @ found, atol=1e-3)


@pytest.mark.parametrize("is_one", [True, False])
def test_a_neuron_that_shows_at_two_places_is_told_from_two_neurons(is_one: bool) -> None:
    rng = np.random.default_rng(6)
    own = spiking(2000, 2)
    place = np.clip(np.cumsum(rng.normal(0, 0.2, 2000)) * 0.2 + 0.5, 0.1, 0.9)
    truth = own[:, :1] * np.column_stack([place, 1 - place]) if is_one else own
    measured = truth + 0.05 * rng.normal(size=(2000, 2))
    avoiding = np.where(truth >= truth[:, ::-1], truth, 0)  # each event to the brighter of two
    denoised = avoiding if is_one else own
    overlap = np.array([[1, 0.9], [0.9, 1]])
    assert share_one(overlap, measured, denoised, 20.0)[0, 1] == is_one
    assert not share_one(0.5 * overlap, measured, denoised, 20.0).any()


def test_merging_keeps_the_light_of_the_movie() -> None:
    traces = spiking(300, 1)
    footprints, _ = normalise(as_footprints(blob(14, 18), blob(15, 20)))
    both = np.column_stack([traces[:, 0], 0.5 * traces[:, 0]])
    merged, joined, _ = merge_groups(footprints, both, np.zeros(2, int))
    before = footprints @ both.T
    np.testing.assert_allclose(merged @ joined.T, before, atol=1e-3 * before.max())


def test_same_activity_far_apart_does_not_merge() -> None:
    trace = spiking(500, 1)
    footprints, _ = normalise(as_footprints(blob(10, 10), blob(26, 40)))
    groups = find_groups(footprints, np.hstack([trace, trace]), merge_correlation=0.7)
    assert groups[0] != groups[1]


def test_a_copy_of_a_stronger_neighbour_is_a_ghost_and_a_neuron_is_not() -> None:
    traces = spiking(1000, 2)
    noise = np.random.default_rng(2).normal(0, 0.03, (1000, 3))
    raw = np.column_stack([traces[:, 0], 0.3 * traces[:, 0], 0.5 * traces[:, 1]]) + noise
    centres = np.array([[10, 10], [14, 12], [12, 16]])
    found = find_ghosts(raw, centres, reach_px=15.0, min_peak_to_noise=5.0)
    assert found.tolist() == [False, True, False]
    far = centres + np.array([[0, 0], [40, 40], [0, 0]])
    assert not find_ghosts(raw, far, reach_px=15.0, min_peak_to_noise=5.0).any()


def test_the_ring_background_predicts_what_a_ring_of_squares_can() -> None:
    rng = np.random.default_rng(3)
    grid = CoarseGrid((60, 84), 3)
    courses = gaussian_filter(rng.normal(size=(400, 4)), (5, 0))
    smooth = gaussian_filter(rng.normal(size=(4, *grid.shape)), (0, 4, 4)).reshape(4, -1)
    background = courses @ smooth
    background -= background.mean(0)
    noisy = background + rng.normal(0, 0.3 * background.std(), background.shape)
    model = fit_background(noisy.astype(np.float32), grid, ring_radius_px=12.0, n_components=8)
    predicted = (noisy @ model.basis) @ (model.weights @ model.basis).T
    explained = 1 - np.var(predicted - background) / np.var(background)
    assert explained > 0.9
    assert isinstance(model.weights, csr_array)


def test_the_ring_does_not_look_at_its_own_square() -> None:
    rng = np.random.default_rng(4)
    grid = CoarseGrid((60, 84), 3)
    lonely = np.zeros((300, grid.shape[0] * grid.shape[1]))
    lonely[:, 200] = rng.normal(size=300)
    model = fit_background(lonely.astype(np.float32), grid, ring_radius_px=12.0, n_components=8)
    predicted = (lonely @ model.basis) @ (model.weights @ model.basis).T
    assert np.abs(predicted[:, 200]).max() < 0.05 * np.abs(lonely).max()


def test_grid_and_interpolation_keep_a_constant() -> None:
    grid = CoarseGrid((31, 44), 4)
    assert grid.shape == (8, 11)
    ones = grid.reduce(np.ones((2, 31, 44), np.float32))
    np.testing.assert_allclose(ones, 1, rtol=1e-6)
    np.testing.assert_allclose(grid.interpolate() @ ones[0], 1, rtol=1e-6)
    movie = np.random.default_rng(0).normal(size=(3, 31, 44)).astype(np.float32)
    np.testing.assert_allclose(
        grid.reduce(movie), (grid.average() @ movie.reshape(3, -1).T).T, atol=1e-5
    )


@pytest.fixture
def activities() -> np.ndarray:
    """Three neurons that fire on their own, shape (frame, roi)."""
    rng = np.random.default_rng(5)
    return np.where(rng.random((600, 3)) < 0.04, rng.uniform(1, 3, (600, 3)), 0.0)


def shares_of(activity: np.ndarray, overlap: float = 0.8) -> np.ndarray:
    return find_shares(np.full((3, 3), overlap), np.zeros((3, 3)), activity, max_correlation=0.7)


def test_the_share_of_a_trace_in_another_is_found_and_taken_out(activities: np.ndarray) -> None:
    mixed = activities.copy()
    mixed[:, 0] += 0.4 * activities[:, 1]
    shares = shares_of(mixed)
    assert shares[1, 0] == pytest.approx(0.4, abs=0.03)
    assert np.count_nonzero(shares) == 1
    assert take_shares(mixed, shares) == pytest.approx(activities, abs=0.1)


def test_neurons_that_sometimes_fire_together_keep_their_events(activities: np.ndarray) -> None:
    together = activities.copy()
    together[:, 0] += np.where(np.arange(600) % 2, activities[:, 1], 0)
    assert not shares_of(together).any()


def test_neurons_apart_and_one_neuron_seen_twice_are_left_alone(activities: np.ndarray) -> None:
    twice = activities.copy()
    twice[:, 0] = 0.9 * activities[:, 1]
    assert not shares_of(twice).any()
    mixed = activities + 0.4 * activities[:, [1, 0, 2]]
    assert not shares_of(mixed, overlap=0.1).any()
