"""Time stamps that are coarse, late by bursts, late once, or set while frames are numbered."""

import numpy as np
import pytest

from ace_nwb.sync.alignment import TRUSTED, Alignment, align_frames
from ace_nwb.sync.evidence import TRIGGERED, Evidence
from ace_nwb.sync.frames import clean_rows, continue_train
from ace_nwb.sync.texture import LAGS, score_lags
from ace_nwb.sync.tracking import follow_clock
from ace_nwb.sync.train import build_train

FPS = 60.0
SURE = np.log(1000.0)


def captures(n: int, rng: np.random.Generator, *, fps: float = FPS) -> np.ndarray:
    """Return capture times with the irregularity of a camera, 20 us, as ephys samples them."""
    times = 5.0 + np.arange(n) / fps + rng.normal(0, 2e-5, n)
    return np.round(times * 32000) / 32000


def stamp(captured_s: np.ndarray, late_s: np.ndarray) -> np.ndarray:
    """Return time stamps in milliseconds that keep the order of frames, 1 ms apart at least."""
    served = np.arange(captured_s.size) * 1e-3
    queued = np.maximum.accumulate(captured_s + late_s - served) + served
    return np.round((queued - captured_s[0]) * 1e3) / 1e3


def bursts(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return how late frames are on a host that is busy for up to two seconds, thrice a minute."""
    late = rng.gamma(2.0, 6e-4, n) + np.minimum(rng.pareto(1.6, n) * 1.5e-3, 0.08)
    for start in np.flatnonzero(rng.random(n) < 2e-3):
        size = int(rng.uniform(0.2, 2) * FPS)
        late[start : start + size] += rng.uniform(0, 0.06, late[start : start + size].size)
    return np.minimum(late, 0.08)


def align(device_s: np.ndarray, captured_s: np.ndarray, daq: np.ndarray | None = None) -> Alignment:
    """Align frames of a line that a trigger drives."""
    known = Evidence(record_press_s=0.0, recorder=TRIGGERED)
    return align_frames(device_s, captured_s, daq_frame=daq, evidence=known)


def frames_off(result: Alignment, captured_s: np.ndarray) -> np.ndarray:
    """Return by how many frames each stands aside."""
    return np.round((result.session_time_s - captured_s) * FPS).astype(int)


@pytest.mark.parametrize("seed", [1, 4])
def test_bursts_of_late_frames_move_no_frame_where_none_was_lost(seed: int) -> None:
    rng = np.random.default_rng(seed)
    captured = captures(12_000, rng)
    result = align(stamp(captured, 0.02 + bursts(captured.size, rng)), captured)
    assert not frames_off(result, captured).any()
    assert abs(result.clock.drift_ppm) < 150


def test_numbers_hold_frames_together_through_bursts() -> None:
    rng = np.random.default_rng(0)
    captured = captures(12_000, rng)
    saved = np.flatnonzero(rng.random(captured.size) > 1e-3)
    numbers = np.where(rng.random(saved.size) < 3e-3, -1, saved + 500)
    device = stamp(captured, 0.02 + bursts(captured.size, rng))[saved]
    off = frames_off(align(device, captured, numbers), captured[saved])
    assert not off.any()


@pytest.mark.parametrize("seed", [103, 132, 145, 160])
def test_frames_lost_in_bursts_of_late_ones_are_flagged_or_right(seed: int) -> None:
    rng = np.random.default_rng(seed)
    captured = captures(6000, rng, fps=30.0)
    saved = np.flatnonzero(rng.random(captured.size) > 5e-3)
    result = align(stamp(captured, 0.02 + bursts(captured.size, rng))[saved], captured)
    wrong = np.abs(result.session_time_s - captured[saved]) * 30.0 > 0.5
    assert not np.any(wrong & (result.confidence >= TRUSTED))


def test_a_clock_set_by_whole_frames_is_a_jump_if_numbers_count_none() -> None:
    rng = np.random.default_rng(1)
    captured = captures(6000, rng)
    device = stamp(captured, rng.gamma(2.0, 6e-4, captured.size))
    device[4000:] += 137 / FPS
    result = align(device, captured, np.arange(captured.size))
    assert not frames_off(result, captured).any()
    np.testing.assert_allclose(result.clock.jumps_s, [137 / FPS], atol=2e-3)
    assert abs(result.clock.drift_ppm) < 150


def test_numbers_that_a_short_stall_contradicts_make_no_clock_jump() -> None:
    rng = np.random.default_rng(2)
    captured = captures(6000, rng)
    late = rng.gamma(2.0, 6e-4, captured.size)
    late[3000] += 1.5
    result = align(stamp(captured, late), captured, np.arange(captured.size))
    assert not frames_off(result, captured).any()
    assert result.clock.jumps_s.size == 0


def test_a_pause_that_the_line_shares_is_no_jump_by_its_length() -> None:
    captured = captures(4000, np.random.default_rng(0))
    captured[2000:] += 12.2
    train = build_train(captured, frame_interval_s=1 / FPS)
    device = (captured - 5.0) * (1 + 5e-5)
    device[2000:] += 8e-3  # set by half a frame: another phase behind the pause
    saved = np.arange(captured.size) != 1999
    track = follow_clock(device[saved], train, offsets_s={0: 5.0}, max_jitter_s=0.03)
    assert np.abs(track.offset_s - 5.0).max() < 0.5 / FPS + 1e-3


@pytest.mark.parametrize(("late_s", "is_junk"), [(0.05, True), (0.03, False)])
def test_a_time_stamp_later_than_the_next_is_no_clock_that_was_set(
    late_s: float, is_junk: bool
) -> None:
    times = np.arange(200) / FPS
    times[100] += late_s
    assert clean_rows(times, None, max_jitter_s=0.03).is_junk[100] == is_junk
    times[100:] = np.arange(100, 200) / FPS
    times[100:] -= late_s  # set back: the stamp before is as it should be
    assert not clean_rows(times, None, max_jitter_s=0.03).is_junk.any()


def score_lags_of(rng: np.random.Generator, n: int, late_s: np.ndarray) -> np.ndarray:
    """Return what stamps so late say of each lag of their frames."""
    captured = captures(n + 400, rng, fps=59.7)
    timeline = continue_train(build_train(captured, frame_interval_s=1 / 59.7), n_outside=110)
    frame = np.arange(310, 310 + n)
    stamps = np.round((timeline.times_s[frame] + late_s) * 1e3) / 1e3
    return score_lags(stamps, frame, timeline)


def test_stamps_without_jitter_tell_their_own_frame() -> None:
    rng = np.random.default_rng(3)
    scores = score_lags_of(rng, 4000, np.zeros(4000))
    ahead = scores - scores[LAGS == 0]
    assert ahead[LAGS != 0].max() < -SURE


def test_no_lag_stands_out_where_stamps_do_not_follow_pulses() -> None:
    rng, most = np.random.default_rng(4), []
    for _ in range(60):
        scores = score_lags_of(rng, 1300, rng.uniform(0, 2e-3, 1300) + rng.gamma(2.0, 6e-4, 1300))
        most.append(scores[np.abs(LAGS) > 1].max() - np.median(scores))
    assert np.max(most) < SURE


@pytest.mark.parametrize(("most", "are_counted"), [(2, True), (4, False)])
def test_numbers_that_count_no_frames_are_left_out(most: int, are_counted: bool) -> None:
    rng = np.random.default_rng(5)
    captured = captures(3000, rng)
    device = stamp(captured, rng.gamma(2.0, 6e-4, captured.size))
    numbers = np.cumsum(rng.integers(1, most, captured.size))
    rows = clean_rows(device, numbers, max_jitter_s=0.03).check_numbers(np.array([1 / FPS]))
    assert (rows.daq_step > 0).any() == are_counted
    assert not frames_off(align(device, captured, numbers), captured).any()


@pytest.mark.parametrize("seed", [200, 222])
def test_a_busy_host_is_no_clock_that_was_set_and_set_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    captured = captures(12_000, rng)
    train = build_train(captured, frame_interval_s=1 / FPS)
    device = stamp(captured, 0.02 + bursts(captured.size, rng))
    track = follow_clock(device, train, offsets_s={0: 5.0}, max_jitter_s=0.03)
    assert track.segment[-1] == 0


@pytest.mark.parametrize("seed", [0, 46])
def test_two_bursts_in_a_row_beside_lost_frames_are_no_jump_of_the_clock(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, size = 4000, 120
    captured = captures(n, rng)
    late = 0.02 + rng.gamma(2.0, 6e-4, n)
    first = int(rng.integers(1300, 1500))
    for start in (first, first + int(rng.uniform(60, 130)), first + 1500):
        late[start : start + size] += rng.uniform(0, 0.06, size)
    lost = first + np.array([rng.integers(20), 1500 + rng.integers(20)])
    saved = np.delete(np.arange(n), lost)
    result = align(stamp(captured, late)[saved], captured)
    wrong = frames_off(result, captured[saved]) != 0
    assert wrong.sum() < size
    assert not np.any(wrong & (result.confidence >= TRUSTED))


@pytest.mark.parametrize("seed", [3007, 3035])
def test_a_piece_that_lies_in_a_burst_moves_none_of_those_around_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    captured = captures(4000, rng)
    saved = np.flatnonzero(rng.random(captured.size) > 8e-3)
    result = align(stamp(captured, 0.02 + bursts(captured.size, rng))[saved], captured)
    assert result.verdict == "warn"
    wrong = frames_off(result, captured[saved]) != 0
    assert not np.any(wrong & (result.confidence >= TRUSTED))
    assert np.mean(result.confidence >= TRUSTED) > 0.7


@pytest.mark.parametrize("seed", [138, 156, 550])
def test_a_frame_lost_in_a_burst_of_half_a_second_is_flagged_or_right(seed: int) -> None:
    rng = np.random.default_rng(seed)
    captured = captures(3000, rng, fps=20.0)
    saved = np.flatnonzero(rng.random(captured.size) > 1e-2)
    late = 0.02 + rng.gamma(2.0, 6e-4, captured.size)
    for start in np.flatnonzero(rng.random(captured.size) < 0.01):
        late[start : start + 9] += rng.uniform(0, 0.06, late[start : start + 9].size)
    result = align(stamp(captured, late)[saved], captured)
    wrong = np.abs(result.session_time_s - captured[saved]) * 20.0 > 0.5
    assert not np.any(wrong & (result.confidence >= TRUSTED))
