"""The hidden chain along the rows: exact, monotone, and patient with a host that stalls."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from ace_nwb.sync.chain import Decoded, JitterModel, decode_rows
from ace_nwb.sync.frames import Rows, Timeline
from ace_nwb.sync.prices import PRICES, FaultRates

PERIOD_S = 0.05
RATES = FaultRates(0.01, 0.001)
JITTER = JitterModel.learn(np.full(1000, 1e-3), period_s=PERIOD_S)


def make_timeline(n: int) -> Timeline:
    frames = np.arange(n)
    held = np.ones(n, dtype=bool)
    return Timeline(
        frames * PERIOD_S, frames.astype(np.int32), held, np.full(n, PERIOD_S), 0 * frames
    )


def decode(
    late_s: np.ndarray,
    frames: np.ndarray,
    daq_step: np.ndarray | None = None,
    *,
    jitter: JitterModel = JITTER,
) -> Decoded:
    """Decode rows of known frames whose time stamps are so late."""
    n = frames.size
    steps = np.zeros(n, dtype=np.int32) if daq_step is None else daq_step
    aligned = frames * PERIOD_S + late_s
    rows = Rows(aligned, np.zeros(n, dtype=bool), steps, PERIOD_S)
    return decode_rows(rows, aligned, make_timeline(int(frames[-1]) + 12), RATES, jitter)


def test_posterior_agrees_with_enumeration() -> None:
    aligned = np.array([0.051, 0.149, 0.153, 0.171, 0.2005, 0.31])
    rows = Rows(aligned, np.zeros(6, dtype=bool), np.zeros(6, np.int32), PERIOD_S)
    timeline = make_timeline(8)
    decoded = decode_rows(rows, aligned, timeline, RATES, JITTER)
    total = np.zeros((6, 8))
    for path in itertools.combinations(range(8), 6):
        frames = np.array(path)
        late = aligned - timeline.times_s[frames]
        if (late < -0.008).any():
            continue
        density = np.exp(JITTER.score(late))
        since = np.diff(aligned)
        queued = PRICES.queued / (PRICES.service_s * 1e3) * np.exp(-since / PRICES.service_s)
        density[1:] += np.where(late[1:] > since, queued, 0.0)
        skipped = np.diff(frames) - 1
        step = np.where(skipped == 0, 1 - 0.01, 0.01 / np.maximum(skipped * (skipped + 1), 1))
        total[np.arange(6), frames] += density.prod() * step.prod()
    expected = total / total.sum(axis=1, keepdims=True)
    np.testing.assert_array_equal(decoded.captured, expected.argmax(axis=1))
    np.testing.assert_allclose(decoded.probability, expected.max(axis=1), rtol=1e-5)


@pytest.mark.parametrize("stall_s", [0.045, 0.3, 1.5])
def test_frames_that_queue_during_a_stall_are_not_taken_for_lost(stall_s: float) -> None:
    frames = np.arange(200)
    stamps = frames * PERIOD_S + 1e-3
    behind = np.arange(200) - 80
    stamps = np.where(behind >= 0, np.maximum(stamps, stamps[80] + stall_s + behind * 1e-3), stamps)
    decoded = decode(stamps - frames * PERIOD_S, frames)
    np.testing.assert_array_equal(decoded.captured, frames)
    assert decoded.probability[[20, 150]].min() > 0.9999


def test_a_gap_without_a_queue_behind_it_is_a_loss() -> None:
    frames = np.concatenate([np.arange(80), np.arange(86, 200)])
    decoded = decode(np.full(frames.size, 1e-3), frames)
    np.testing.assert_array_equal(decoded.captured, frames)
    assert decoded.probability.min() > 0.999


def test_a_daq_number_says_where_a_frame_was_lost_between_late_time_stamps() -> None:
    frames = np.concatenate([np.arange(50), np.arange(51, 100)])
    late = np.full(99, 1e-3)
    late[44:50] = 0.052  # as if the frame had been lost five rows earlier
    steps = np.diff(frames, prepend=-1).astype(np.int32)
    decoded = decode(late, frames, steps)
    np.testing.assert_array_equal(decoded.captured, frames)


def test_frames_are_never_given_twice() -> None:
    rng = np.random.default_rng(3)
    decoded = decode(rng.uniform(0, 0.12, 200), np.arange(200))
    assert np.all(np.diff(decoded.captured) >= 1)


@pytest.mark.parametrize("n_late", [20, 60, 120])
def test_a_burst_as_late_as_two_frames_does_not_carry_frames_beyond_it(n_late: int) -> None:
    rng = np.random.default_rng(1)
    late = np.full(2000, 1e-3)
    late[500 : 500 + n_late] = rng.uniform(0.07, 0.12, n_late)  # all later than a frame
    late[500 + n_late // 2] = 0.02  # one caught its breath: a frame more would be early here
    decoded = decode(late, np.arange(2000), jitter=JitterModel.broad())
    np.testing.assert_array_equal(decoded.captured, np.arange(2000))


def test_a_stamp_earlier_than_its_frame_moves_none_beside_it() -> None:
    late = np.full(400, 1e-3)
    late[200] = -0.07  # before its frame and the one before
    late[300:303] = -0.03  # before a clock that was set is seen to be
    decoded = decode(late, np.arange(400))
    np.testing.assert_array_equal(decoded.captured, np.arange(400))


def test_frames_of_before_the_first_pulse_are_lost_as_others_are() -> None:
    timeline = make_timeline(60)
    silent = np.arange(60) < 10
    timeline = replace(timeline, pulse=np.where(silent, -1, timeline.pulse), is_held=~silent)
    frames = np.arange(5, 50)
    late = np.full(45, 0.025)
    late[0] = 1e-3  # a coarse clock: as likely 51 ms behind the frame before, were that free
    aligned = frames * PERIOD_S + late
    rows = Rows(aligned, np.zeros(45, dtype=bool), np.zeros(45, np.int32), PERIOD_S)
    jitter = JitterModel.learn(np.linspace(0, 0.054, 1000), period_s=PERIOD_S)
    decoded = decode_rows(rows, aligned, timeline, RATES, jitter)
    np.testing.assert_array_equal(decoded.captured, frames)
    assert decoded.first[0] > 0.98


def test_the_last_row_may_be_the_frame_behind_one_that_was_lost() -> None:
    frames = np.arange(100)
    late = np.full(100, 1e-3)
    late[-1] += PERIOD_S
    last = decode(late, frames).last
    assert len(set(last) & {-1, 0, 1}) == 2
    assert sum(last.values()) == pytest.approx(1.0)
