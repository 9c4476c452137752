"""Evidence at the ends, and in the texture of the intervals, on single recordings."""

import numpy as np
import pytest

from ace_nwb.sync.alignment import TRUSTED, Alignment, align_frames
from ace_nwb.sync.ends import End, Press, Strays, score_end, score_start
from ace_nwb.sync.evidence import MINISCOPE_DAQ_QT, TRIGGERED, Evidence
from ace_nwb.sync.frames import Timeline, clean_rows, continue_train
from ace_nwb.sync.prices import FaultRates
from ace_nwb.sync.result import Stretch
from ace_nwb.sync.texture import LAGS, score_lags
from ace_nwb.sync.train import build_train
from tests.sync.sessions import Faults, Recording, draw_faults, simulate

PERIOD_S = 0.05
TRIGGER = Evidence(record_press_s=0.0, max_latency_s=0.01, recorder=TRIGGERED)
END = End(TRIGGERED.start, None, FaultRates(0.001, 0.001))


def make_timeline(pulse_times_s: np.ndarray) -> tuple[Timeline, Strays, int]:
    """Return the timeline of pulses, its strays, and the place of the frame at second 1."""
    train = build_train(pulse_times_s, frame_interval_s=PERIOD_S)
    timeline = continue_train(train, n_outside=20)
    return timeline, Strays.of(train), int(np.argmin(np.abs(timeline.times_s - 1.0)))


def test_frames_lost_before_the_first_row_cost_more_the_more_they_are() -> None:
    timeline, strays, first = make_timeline(1.0 + PERIOD_S * np.arange(100))
    scores = score_start(first + np.arange(4), timeline, END, strays=strays, recorded_s=None)
    assert np.all(np.diff(scores) < 0)
    assert scores[0] == pytest.approx(0.0, abs=1e-6)
    ends = score_end(first + 99 - np.arange(4), timeline, END, strays=strays, recorded_s=None)
    np.testing.assert_allclose(ends, scores, atol=1e-6)


@pytest.mark.parametrize("n_lost", [0, 1, 3])
def test_the_press_tells_how_many_frames_were_lost_before_the_first_row(n_lost: int) -> None:
    timeline, strays, first = make_timeline(1.0 + PERIOD_S * np.arange(100))
    shifts = np.arange(6)
    # the first frame was captured 30 ms after the press; row 0 is frame n_lost
    press = Press(0.97 + PERIOD_S * (shifts - n_lost), error_s=3e-4, max_latency_s=0.01)
    scores = score_start(first + shifts, timeline, END, strays=strays, recorded_s=None, press=press)
    assert int(np.argmax(scores)) == n_lost


def test_a_coarse_clock_does_not_put_the_press_behind_the_first_frame() -> None:
    tick_s, latency_s = 0.015625, 0.005
    captured = 1.0 + np.arange(600) / 30
    since = captured - (captured[0] - 1e-3) + latency_s
    rows = clean_rows(np.round(since // tick_s * tick_s * 1e3) / 1e3, None, max_jitter_s=0.03)
    assert rows.tick_s == tick_s
    assert clean_rows(np.round(since * 1e3) / 1e3, None, max_jitter_s=0.03).tick_s == 1e-3
    offset_s = float((captured - rows.device_time_s).max())
    late_s = rows.device_time_s + offset_s - captured
    press = Press.of(TRIGGER, offset_s=offset_s, late_s=late_s, tick_s=rows.tick_s)
    assert press is not None
    assert press.score(captured[:1], 1 / 30, 1e-3)[0] > -3


def test_a_stray_on_the_lattice_before_the_press_is_likelier_where_strays_are_about() -> None:
    regular = 1.0 + PERIOD_S * np.arange(100)
    lonely = np.sort(np.append(regular, 1.0 - PERIOD_S))
    busy = np.sort(np.concatenate([lonely, 0.9 - np.cumsum([0.031, 0.083, 0.047, 0.066, 0.043])]))
    cost = {}
    for name, pulses in (("lonely", lonely), ("busy", busy)):
        timeline, strays, first = make_timeline(pulses)
        # before the first regular pulse, after the stray
        press = Press(np.array([0.97]), error_s=3e-4, max_latency_s=0.01)
        cost[name] = score_start(
            np.array([first]), timeline, END, strays=strays, recorded_s=None, press=press
        )[0]
    assert cost["lonely"] < cost["busy"] < -3


def test_irregular_intervals_tell_which_pulse_is_which_frames() -> None:
    rng = np.random.default_rng(0)
    true_s = 1.0 + PERIOD_S * np.arange(900) + rng.normal(0, 1e-4, 900)
    timeline, _, first = make_timeline(true_s)
    stamps_s = np.round(true_s * (1 + 1e-4) + rng.uniform(0, 2e-4, 900), 4) - 1e-4 * true_s
    captured = first + np.arange(200, 700)
    for shift in (0, -3, 7):
        moved_s = stamps_s[200:700] + shift * PERIOD_S  # as a clock fitted to that shift says
        scores = score_lags(moved_s, captured + shift, timeline)
        assert LAGS[np.argmax(scores)] == -shift
        assert np.sort(scores)[-1] - np.sort(scores)[-2] > 7  # a thousand to one


def test_coarse_time_stamps_and_exactly_regular_pulses_tell_nothing() -> None:
    rng = np.random.default_rng(0)
    regular = 1.0 + PERIOD_S * np.arange(900)
    for true_s, jitter_s in ((regular, 0.0), (regular + rng.normal(0, 2e-5, 900), 0.02)):
        timeline, _, first = make_timeline(true_s)
        stamps_s = np.round(true_s + rng.uniform(0, jitter_s, 900), 3)
        rows = slice(150, 750)
        scores = score_lags(stamps_s[rows], first + np.arange(900)[rows], timeline)
        assert np.ptp(scores) < 7


def vary_exposure(edge_at: str) -> np.ndarray:
    """Return the scores where intervals vary by 1 ms and time stamps tick every 15.6 ms."""
    rng = np.random.default_rng(2)
    true_s = 1.0 + np.cumsum(PERIOD_S + np.abs(rng.normal(0, 2e-3, 1500)))
    train = build_train(true_s, frame_interval_s=PERIOD_S)
    timeline = continue_train(train, n_outside=20)
    captured = 20 + np.arange(150, 1350)
    stamps_s = np.floor(true_s[150:1350] / 0.015625) * 0.015625
    return score_lags(stamps_s, captured - 1, timeline, edge_at=edge_at)


def test_an_exposure_that_varies_tells_the_frame_under_coarse_time_stamps() -> None:
    scores = vary_exposure("end")
    assert LAGS[np.argmax(scores)] == 1
    assert np.sort(scores)[-1] - np.sort(scores)[-2] > 7  # a thousand to one


def test_an_edge_at_the_start_of_a_varying_exposure_leaves_the_frame_before_open() -> None:
    scores = vary_exposure("start")
    best = np.argsort(-scores)[:3]
    assert set(LAGS[best[:2]]) == {0, 1}  # stamps may follow the readout, or the edge itself
    assert scores[best[0]] - scores[best[1]] < 0.1
    assert scores[best[1]] - scores[best[2]] > 7


# refused or wrong before: lost frames at an end, with strays before them; jumps; only texture
@pytest.mark.parametrize("seed", [80018, 80071, 80119, 80432, 80269])
def test_sessions_that_the_evidence_at_the_ends_decides_are_right(seed: int) -> None:
    recording = simulate(draw_faults(seed), seed=seed)
    result = align_frames(
        recording.device_time_s,
        recording.pulse_times_s,
        daq_frame=recording.daq_frame,
        evidence=TRIGGER,
    )
    wrong = np.abs(result.session_time_s - recording.true_time_s) * recording.faults.fps > 0.25
    sure = result.confidence >= TRUSTED
    assert not np.any(wrong & sure)
    assert sure.mean() > 0.995


def test_strays_and_lost_frames_that_explain_as_much_are_ambiguous_and_say_so() -> None:
    recording = simulate(draw_faults(201299), seed=201299)
    result = align_frames(
        recording.device_time_s,
        recording.pulse_times_s,
        daq_frame=recording.daq_frame,
        evidence=TRIGGER,
    )
    assert result.verdict == "ambiguous"
    assert_within_shifts(result, recording)


def test_a_line_that_goes_on_after_the_recording_is_ambiguous_however_the_record_was_pressed() -> (
    None
):
    faults = Faults(n_captured=3000, jitter_s=0.01, extra_after=40, extra_kind="regular")
    recording = simulate(faults, seed=0)
    result = align_frames(recording.device_time_s, recording.pulse_times_s, evidence=TRIGGER)
    assert_within_shifts(result, recording)


@pytest.mark.parametrize(("n_before", "n_after"), [(0, 0), (1, 1), (2, 1), (1, 2), (0, 2), (2, 0)])
def test_frames_before_the_first_edge_are_within_the_stated_shifts(
    n_before: int, n_after: int
) -> None:
    recording = simulate(Faults(fps=20.0, lost_at_end=n_after, daq=True), seed=n_before)
    result = align_frames(
        recording.device_time_s,
        recording.pulse_times_s[n_before:],
        daq_frame=recording.daq_frame,
        evidence=Evidence(record_press_s=0.0, recorder=MINISCOPE_DAQ_QT),
    )
    assert result.verdict == "ambiguous"
    assert result.reasons[0].startswith("ambiguous by ")
    assert result.confidence.max() < TRUSTED
    assert_within_shifts(result, recording)


@pytest.mark.parametrize(("n_before", "n_after"), [(0, 0), (1, 1), (2, 1), (1, 2), (0, 2), (2, 0)])
def test_a_rig_that_was_measured_leaves_nothing_open(n_before: int, n_after: int) -> None:
    recording = simulate(Faults(fps=20.0, lost_at_end=n_after), seed=n_before)
    result = align_frames(
        recording.device_time_s,
        recording.pulse_times_s[n_before:],
        evidence=Evidence(record_press_s=0.0, recorder=MINISCOPE_DAQ_QT.measured(n_before)),
    )
    off = np.abs(result.session_time_s - recording.true_time_s) * recording.faults.fps
    assert off.max() < 0.5
    assert np.mean(result.confidence >= TRUSTED) > 0.99
    assert any("measured on this rig" in sentence for sentence in result.evidence)


def assert_within_shifts(result: Alignment, recording: Recording) -> None:
    """Check that the truth is one of the shifts that the alignment states."""
    off = (recording.true_time_s - result.session_time_s) * recording.faults.fps
    assert round(float(np.median(off))) in dict(result.shifts)
    assert sum(chance for _, chance in result.shifts) > 0.99


def test_an_ambiguity_made_of_many_unlikely_shifts_still_names_one() -> None:
    assert Stretch(0, 9, {-1: 0.0007, 0: 0.9985, 2: 0.0005}).reach_of(1e-3) == 1
    assert Stretch(0, 9, {-1: 0.002, 0: 0.99, 3: 0.005}).reach_of(1e-3) == 3
    assert Stretch(0, 9, {0: 1.0}).reach_of(1e-3) == 0
