import numpy as np
import pytest

from ace_nwb.errors import SyncError
from ace_nwb.sync.alignment import align_frames
from ace_nwb.sync.evidence import TRIGGERED, Evidence
from ace_nwb.sync.markers import check_flashes, detect_flashes, fit_barcodes, fit_flashes
from tests.sync.sessions import Faults, Recording, simulate


def flashing_movie(recording: Recording, captured: np.ndarray) -> np.ndarray:
    """Mean brightness of the saved frames when the captured frames of these times flash."""
    rng = np.random.default_rng(0)
    n_frames = recording.true_time_s.size
    trace = 100 + np.cumsum(rng.normal(0, 0.05, n_frames)) + rng.normal(0, 0.3, n_frames)
    for time in captured:
        lit = np.abs(recording.true_time_s - time) < 0.01
        trace[lit] += 15
    return trace


def test_flashes_every_200_frames_are_recovered_to_within_one_frame() -> None:
    recording = simulate(Faults(n_captured=4000, lost=0.005, drift_ppm=200), seed=2)
    result = align_frames(
        recording.device_time_s, recording.pulse_times_s, evidence=Evidence(recorder=TRIGGERED)
    )
    markers = recording.true_time_s[100::200] + 0.004
    trace = flashing_movie(recording, recording.true_time_s[100::200])
    check = check_flashes(trace, result.session_time_s, markers)
    assert check.agrees
    assert check.n_agreeing == check.n_markers == markers.size
    np.testing.assert_array_equal(check.offset_frames, 0)


def test_the_check_fails_if_the_alignment_is_three_frames_off() -> None:
    recording = simulate(Faults(n_captured=2000), seed=2)
    markers = recording.true_time_s[100::200] + 0.004
    trace = flashing_movie(recording, recording.true_time_s[100::200])
    check = check_flashes(trace, recording.true_time_s + 3 / 30, markers)
    assert not check.agrees
    assert np.median(check.offset_frames) == 3


def test_a_movie_without_flashes_does_not_agree() -> None:
    rng = np.random.default_rng(4)
    check = check_flashes(rng.normal(100, 1, 500), np.arange(500) / 20, np.array([3.0, 9.0]))
    assert not check.agrees
    assert "0 flashes in the movie" in check.summary


def test_a_flash_over_several_frames_counts_once() -> None:
    trace = np.full(300, 50.0) + np.random.default_rng(0).normal(0, 0.1, 300)
    trace[[40, 41, 42, 200]] += 5
    np.testing.assert_array_equal(detect_flashes(trace), [40, 200])


def test_irregular_flashes_align_two_clocks_without_frame_pulses() -> None:
    rng = np.random.default_rng(5)
    markers = 20 + np.cumsum(rng.uniform(4, 20, 30))
    device = (markers[3:27] - 31.7) * (1 + 150e-6) + rng.uniform(0, 0.03, 24)
    fit = fit_flashes(device, markers, tolerance_s=0.05)
    assert fit.n_matched == 24
    np.testing.assert_allclose(fit.slope * device + fit.offset_s, markers[3:27], atol=0.04)


def test_regular_flashes_fewer_than_markers_are_refused() -> None:
    markers = 10.0 * np.arange(30)
    with pytest.raises(SyncError, match="several offsets"):
        fit_flashes(markers[:20] + 2.0, markers, tolerance_s=0.05)


def test_foreign_markers_are_refused() -> None:
    rng = np.random.default_rng(6)
    flashes, markers = (np.sort(rng.uniform(0, 3000, 12)) for _ in range(2))
    with pytest.raises(SyncError, match=r"At most \d+ of 12 flashes"):
        fit_flashes(flashes, markers, tolerance_s=0.05)


def barcodes(n: int, seed: int) -> np.ndarray:
    """Edges of a code of 32 random bits of 30 ms every 30 s."""
    rng, edges = np.random.default_rng(seed), []
    for code in range(n):
        bits = np.concatenate([[1], rng.integers(0, 2, 32), [0]])
        changes = np.flatnonzero(np.diff(np.concatenate([[0], bits])))
        edges.append(30.0 * code + 0.03 * changes)
    return np.concatenate(edges)


def test_barcodes_of_which_each_side_missed_some_tie_both_clocks():
    edges = barcodes(20, 1)
    device = np.delete(edges / (1 + 80e-6), np.arange(40, 75))
    ephys = np.delete(edges + 512.25, np.arange(200, 230))
    fit = fit_barcodes(np.round(device * 1e3) / 1e3, ephys)
    at = np.array([0.0, 600.0])
    np.testing.assert_allclose(fit.slope * at + fit.offset_s, at * (1 + 80e-6) + 512.25, atol=5e-4)


def test_random_pulses_tie_them_too():
    edges = np.cumsum(np.random.default_rng(2).uniform(0.5, 4.0, 120))
    fit = fit_barcodes(edges - 3.0, edges[30:])
    assert fit.slope * 0.0 + fit.offset_s == pytest.approx(3.0, abs=1e-6)
    assert fit.n_matched > 60


@pytest.mark.parametrize("other", ["steady", "foreign"])
def test_lines_that_have_nothing_irregular_in_common_are_refused(other):
    steady = np.arange(0, 3000, 1.0)
    mine, theirs = (steady, steady) if other == "steady" else (barcodes(8, 3), barcodes(8, 4))
    with pytest.raises(SyncError, match="irregular line"):
        fit_barcodes(mine, theirs + 5.0)
