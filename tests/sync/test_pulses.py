import numpy as np
import pytest

from ace_nwb.errors import SyncError
from ace_nwb.sync.pulses import LineScore, choose_line, find_pulses, score_line, split_word

T = 1 / 20


def toggling(n: int = 400, first_level: int = 1) -> tuple[np.ndarray, np.ndarray]:
    return 3.0 + T * np.arange(n), (np.arange(n) + first_level) % 2


def pulsing(n: int, width_s: float, *, active: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rise = 3.0 + T * np.arange(n)
    times = np.column_stack([rise, rise + width_s]).ravel()
    return times, np.tile([active, 1 - active], n)


@pytest.mark.parametrize("first_level", [0, 1])
def test_every_edge_of_a_toggling_line_is_a_frame_whatever_its_polarity(first_level: int) -> None:
    times, levels = toggling(first_level=first_level)
    pulses = find_pulses(times, levels, frame_interval_s=T)
    assert pulses.mode == "toggle"
    np.testing.assert_array_equal(pulses.times_s, times)


@pytest.mark.parametrize("width_s", [0.0002, 0.004, T / 2, 0.8 * T])
@pytest.mark.parametrize("active", [0, 1])
def test_one_pulse_per_frame_gives_one_time_per_frame(width_s: float, active: int) -> None:
    if width_s == T / 2 and active == 0:
        pytest.skip("half on, half off: the leading edge is a convention")
    edges = pulsing(300, width_s, active=active)
    pulses = find_pulses(*edges, frame_interval_s=T)
    assert pulses.mode == "pulse"
    assert pulses.times_s.size == 300
    np.testing.assert_allclose(np.diff(pulses.times_s), T)


def test_a_bit_that_rested_high_has_no_edge_at_the_first_word_of_its_port() -> None:
    times, levels = toggling(first_level=0)
    first = times[0] - 0.3 * T  # another line rises while the frame line rests high
    lines = split_word(np.append(first, times), np.append(3, levels + 2))
    np.testing.assert_array_equal(lines[1][0], times)
    np.testing.assert_array_equal(lines[2][0], [first])


def test_the_mode_can_be_overridden() -> None:
    times, levels = toggling()
    pulses = find_pulses(times, levels, frame_interval_s=T, pulse_mode="pulse")
    assert pulses.mode == "pulse"
    np.testing.assert_array_equal(levels[pulses.edge], 1)


def test_glitches_are_debounced_and_counted() -> None:
    times, _ = toggling()
    at = np.array([3.013, 7.72])
    glitch = np.column_stack([at, at + 5e-5]).ravel()
    order = np.argsort(np.concatenate([times, glitch]))
    both = np.concatenate([times, glitch])[order]
    pulses = find_pulses(both, np.arange(both.size) % 2, frame_interval_s=T)
    assert pulses.n_glitches == 4
    np.testing.assert_array_equal(pulses.times_s, times)
    np.testing.assert_array_equal(both[pulses.edge], pulses.times_s)


def test_the_frame_line_is_chosen_among_others_by_rate_and_count() -> None:
    rng = np.random.default_rng(0)
    lick = np.sort(rng.uniform(0, 30, 300))
    camera = 1.0 + np.arange(900) / 30
    lines = {
        "Port0Bit0": toggling(),
        "Port0Bit1": (lick, np.arange(300) % 2),
        "Port0Bit2": (camera, np.arange(900) % 2),
        "Port0Bit3": (np.array([1.0]), np.array([1])),
    }
    scores = {
        name: score_line(*edges, frame_interval_s=T, n_frames=395) for name, edges in lines.items()
    }
    assert choose_line(scores) == "Port0Bit0"


def test_no_fitting_line_is_refused_with_the_figures() -> None:
    scores = {"A": LineScore(0.1, "toggle", "12 edges")}
    with pytest.raises(SyncError, match=r"'A' 0\.10 \(12 edges\)"):
        choose_line(scores)


def test_two_fitting_lines_are_refused_by_name() -> None:
    edges = toggling()
    score = score_line(*edges, frame_interval_s=T, n_frames=400)
    with pytest.raises(SyncError, match=r"'A'.*'B'"):
        choose_line({"A": score, "B": score})


def test_a_line_with_far_too_few_pulses_scores_low() -> None:
    score = score_line(*toggling(60), frame_interval_s=T, n_frames=2000)
    assert score.score < 0.1
    assert "60 such pulses for 2000 frames" in score.evidence


@pytest.mark.parametrize("steady", ["rising", "falling"])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_of_a_pulse_the_steadier_edge_marks_the_frame(steady: str, share: float) -> None:
    rng = np.random.default_rng(1)
    exact = 3.0 + T * np.arange(300) + rng.normal(0, 2e-5, 300)
    loose = share * T * (1 + 0.02 * rng.random(300))
    rise, fall = (exact, exact + loose) if steady == "rising" else (exact - loose, exact)
    times = np.column_stack([rise, fall]).ravel()
    pulses = find_pulses(times, np.tile([1, 0], 300), frame_interval_s=T)
    np.testing.assert_array_equal(pulses.times_s, exact)
    assert f"{steady} edges are steadier" in pulses.evidence


def test_a_stated_edge_is_taken_whatever_the_evidence() -> None:
    times, levels = pulsing(300, 0.8 * T)
    pulses = find_pulses(times, levels, frame_interval_s=T, pulse_edge="rising")
    np.testing.assert_array_equal(pulses.times_s, times[::2])


def test_an_edge_that_bounces_counts_once_at_its_first_instant() -> None:
    edges = 1.0 + np.arange(60) / 30
    times = np.sort(np.concatenate([edges, edges[20] + np.array([1e-4, 3e-4]), [1.51, 1.5101]]))
    found = find_pulses(times, np.arange(times.size) % 2, frame_interval_s=1 / 30)
    np.testing.assert_allclose(found.times_s, edges)


@pytest.mark.parametrize(("share", "first_level"), [(0.65, 1), (0.75, 1), (0.1, 1), (0.9, 0)])
def test_a_gate_begins_with_its_rise_and_a_pulse_with_its_rare_level(share, first_level):
    frames = 1.0 + np.arange(80) / 20
    width = share if first_level else 1 - share
    times = np.sort(np.concatenate([frames, frames + width / 20]))
    levels = (np.arange(times.size) + first_level) % 2
    found = find_pulses(times, levels, frame_interval_s=1 / 20)
    np.testing.assert_allclose(found.times_s, frames)
