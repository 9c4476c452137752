"""What speaks for a placement and against others, term by term."""

import re
from dataclasses import replace

import numpy as np
import pytest

from ace_nwb.errors import SyncError
from ace_nwb.sync.alignment import Alignment, align_frames
from ace_nwb.sync.ends import price_silence
from ace_nwb.sync.evidence import MINISCOPE_DAQ_QT, TRIGGERED, Evidence
from ace_nwb.sync.frames import Timeline
from ace_nwb.sync.placement import Placement
from ace_nwb.sync.prices import PRICES, FaultRates
from ace_nwb.sync.terms import CLOCK, CUT_TERMS, INNER_TERMS, MISSING, Cut, Segments
from tests.sync.sessions import Faults, Recording, simulate


def align(recording: Recording, evidence: Evidence) -> Alignment:
    return align_frames(
        recording.device_time_s,
        recording.pulse_times_s,
        daq_frame=recording.daq_frame,
        evidence=evidence,
    )


def read_terms(sentence: str) -> tuple[dict[str, float], float]:
    """Return the terms that a sentence names, and the sum that it states."""
    said, total = sentence.rsplit("; sum ", 1)
    terms = re.findall(r"([a-z][A-Za-z ,]+?) ([+-]\d+\.\d)", said.split("log odds: ")[1])
    return {name.strip(" ,"): float(odds) for name, odds in terms}, float(total.rstrip("."))


def test_the_terms_of_an_ambiguity_add_up_to_the_odds_between_its_shifts() -> None:
    result = align(simulate(Faults(), seed=1), Evidence(recorder=MINISCOPE_DAQ_QT))
    assert result.verdict == "ambiguous"
    chances = dict(result.shifts)
    for sentence in result.terms:
        terms, total = read_terms(sentence)
        assert {"start of the recorder", "end of the recorder"} <= set(terms)
        assert sum(terms.values()) == pytest.approx(total, abs=0.2)
        rival = 1 if "later" in sentence else -1
        assert total == pytest.approx(np.log(chances[0] / chances[rival]), abs=0.1)


def test_a_pass_says_which_term_excludes_its_neighbours() -> None:
    faults = Faults(daq=True, pauses=1, camera_jitter_s=0.0)
    result = align(simulate(faults, seed=3), Evidence(recorder=TRIGGERED))
    assert result.verdict == "pass"
    terms, total = read_terms(result.terms[0])
    assert total > 6.9  # a thousand to one
    assert max(terms, key=lambda name: terms[name]) in {
        "start of the recorder",
        "end of the recorder",
        "missing pulses",
        "steps of the device clock",
    }


def test_a_pinned_frame_is_a_term_of_its_own() -> None:
    recording = simulate(Faults(), seed=1)
    pins = {700: int(recording.true_pulse[700])}
    result = align(recording, Evidence(recorder=MINISCOPE_DAQ_QT, pins=pins))
    terms, _ = read_terms(result.terms[0])
    assert terms["pinned frames"] == pytest.approx(12.0)


def test_two_places_are_refused_with_the_terms_between_them() -> None:
    recording = simulate(Faults(n_captured=600), seed=12)
    span = recording.pulse_times_s[-1] - recording.pulse_times_s[0]
    pulses = np.concatenate([recording.pulse_times_s, recording.pulse_times_s + span + 30.0])
    with pytest.raises(SyncError, match=r"lateness of the time stamps .*frames in silence"):
        align_frames(recording.device_time_s, pulses, evidence=Evidence(recorder=TRIGGERED))


RATES = FaultRates(lost=1e-3, missing=1e-3)
SHIFTS = np.arange(-1, 2)


def make_timeline(marked: np.ndarray) -> Timeline:
    """Frames at 20 a second, those marked with a pulse."""
    marked = marked.astype(bool)
    times, pulse = np.arange(marked.size) / 20, np.where(marked, np.cumsum(marked) - 1, -1)
    block = np.zeros(marked.size, dtype=np.int32)
    return Timeline(times, pulse, marked, np.full(marked.size, 0.05), block)


def make_segments(*pieces: range) -> Segments:
    """Rows that were taken for these frames, with a possible jump of the clock between pieces."""
    frames = np.concatenate([np.array(piece) for piece in pieces])
    starts = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])
    unknown = np.full(len(pieces), np.nan)
    return Segments(starts, frames, np.zeros(frames.size), daq_step=unknown)


@pytest.mark.parametrize("is_start", [True, False])
def test_frames_lost_where_the_pulses_begin_or_end_are_counted_on_both_sides(
    is_start: bool,
) -> None:
    line = make_timeline(np.repeat([0, 1], [5, 15]))
    segments = make_segments(range(1, 3), range(7, 15))  # 3 and 4 unheard, 5 and 6 with a pulse
    if not is_start:
        line = make_timeline(np.repeat([1, 0], [15, 5]))
        segments = make_segments(range(5, 13), range(17, 19))
    left = Cut(segments, line, RATES, SHIFTS, number=1).left
    assert left.tolist() == [[4, 5, 6], [3, 4, 5], [2, 3, 4]]


@pytest.mark.parametrize("shift", [0, -8, 8])
def test_a_line_that_falls_silent_between_two_pieces_is_paid_for_once(shift: int) -> None:
    line = make_timeline(np.repeat([1, 0, 1], [20, 6, 30]))
    segments = make_segments(range(10, 24), range(24, 40))  # unmoved: four of the six, and two
    scores = INNER_TERMS[MISSING](segments, line, RATES, np.array([shift]))
    assert scores.sum() == pytest.approx(price_silence(np.array(6), RATES.missing))


def test_late_stamps_make_only_a_clock_that_is_set_back_likelier() -> None:
    line = make_timeline(np.ones(60))
    segments = replace(
        make_segments(range(10, 20), range(21, 31)),
        offset_error_s=np.full(2, 1e-3),
        jump_price=np.array([0.0, PRICES.jump_at_stall]),
    )
    scores = CUT_TERMS[CLOCK](Cut(segments, line, RATES, SHIFTS, number=1))
    assert scores[0, 1:] == pytest.approx(PRICES.jump_at_stall)
    assert np.diag(scores) == pytest.approx(0.0, abs=1e-2)
    assert scores[2, :2] == pytest.approx(PRICES.clock_jump)


def test_a_placement_that_does_not_settle_leaves_the_shifts_around_open() -> None:
    shifts = np.arange(-3, 4)
    posterior = np.array([[0, 0, 0.0, 0.9, 0.0, 0.1, 0]])
    found = Placement(np.array([0]), np.array([0.9]), 0.0, shifts, posterior, None, {})  # type: ignore[arg-type]
    wide = found.widened()
    assert wide.posterior.sum() == pytest.approx(1.0)
    assert (wide.posterior[0, 2:] > 1e-3).all()
    assert not wide.posterior[0, :2].any()
    assert wide.probability[0] < 0.9
