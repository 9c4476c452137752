"""What speaks for a placement and against others, term by term."""

import re

import numpy as np
import pytest

from ace_nwb.errors import SyncError
from ace_nwb.sync.alignment import Alignment, align_frames
from ace_nwb.sync.evidence import Evidence
from ace_nwb.sync.recorders import MINISCOPE_DAQ_QT, TRIGGERED
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
