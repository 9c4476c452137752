"""An alignment moves all series of the device, keeps their own times, and can be repeated."""

from datetime import timedelta

import h5py
import numpy as np
import pynwb
import pytest

from ace_nwb.errors import TimestampError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.events import read_events
from ace_nwb.nwb.content.sync import (
    list_device_series,
    read_clock_fit,
    read_device_times,
    read_ledger,
    read_low_confidence,
    undo_alignment,
    write_alignment,
)
from ace_nwb.nwb.session import edit_session, open_session
from tests.fixtures.changes import make_alignment
from tests.fixtures.session_files import START

HEAD = "/processing/behavior/HeadOrientation"


def align(path, shift_s):
    with edit_session(path) as writer:
        write_alignment(writer, make_alignment(shift_s))


def test_everything_on_the_device_clock_is_listed(recorded):
    with open_session(recorded.path) as session:
        assert set(list_device_series(session)) == {layout.MOVIE, HEAD, "/events/Notes"}


@pytest.mark.parametrize("shifts", [(3.25,), (1.0, 2.0, -1.5)])
def test_however_often_aligned_the_device_times_and_the_last_alignment_stand(recorded, shifts):
    for shift_s in shifts:
        align(recorded.path, shift_s)
    times = recorded.frame_times_s
    with open_session(recorded.path) as session:
        assert np.array_equal(session.get(layout.MOVIE).timestamps[:], times + shifts[-1])
        assert np.array_equal(session.get(HEAD).timestamps[:], times + 0.001 + shifts[-1])
        assert list(read_events(session, "/events/Notes")[0]) == [
            value + shifts[-1] for value in (0.5, 1.5, 2.5)
        ]
        assert np.array_equal(read_device_times(session, layout.MOVIE), times)
        assert np.array_equal(read_device_times(session, HEAD), times + 0.001)
        assert np.array_equal(read_device_times(session, "/events/Notes"), [0.5, 1.5, 2.5])
        reference = session.nwbfile.timestamps_reference_time
        assert reference == START - timedelta(seconds=shifts[-1])
        assert session.nwbfile.session_start_time == START
    assert pynwb.validate(path=str(recorded.path)) == []


def test_descriptions_say_which_clock_the_times_are_of(recorded):
    scope = "Raw movie; time stamps of the scope's clock."
    with h5py.File(recorded.path, "r+") as h5:
        h5[layout.MOVIE].attrs["description"] = scope
    for _ in range(2):
        align(recorded.path, 3.25)
        with open_session(recorded.path) as session:
            said = session.get(layout.MOVIE).description
        assert said == f"{scope[:-1]}, aligned to the session clock."
    with edit_session(recorded.path) as writer:
        undo_alignment(writer, [])
    with open_session(recorded.path) as session:
        assert session.get(layout.MOVIE).description == scope


def test_wall_clock_times_of_frames_stay_true(recorded):
    align(recorded.path, 3.25)
    with open_session(recorded.path) as session:
        first = float(session.get(layout.MOVIE).timestamps[0])
        wall = session.nwbfile.timestamps_reference_time + timedelta(seconds=first)
    expected = START + timedelta(seconds=float(recorded.frame_times_s[0]))
    assert abs((wall - expected).total_seconds()) < 2e-6


def test_ledger_fit_and_doubtful_stretches_come_back(recorded):
    align(recorded.path, 3.25)
    with open_session(recorded.path) as session:
        ledger = read_ledger(session)
        fit = read_clock_fit(session)
        assert read_low_confidence(session).tolist() == [[4.0, 4.5], [5.0, 5.25]]
    assert np.array_equal(ledger["session_time_s"], recorded.frame_times_s + 3.25)
    assert list(ledger["file"][:2]) == ["0.avi", "0.avi"]
    assert list(fit["verdict"]) == ["good", "good"]
    assert fit["offset_s"][0] == 3.25


def test_before_an_alignment_there_is_nothing_doubtful(recorded):
    with open_session(recorded.path) as session:
        assert read_low_confidence(session).shape == (0, 2)


def test_an_alignment_with_times_that_go_back_changes_nothing(recorded):
    before = recorded.path.read_bytes()
    alignment = make_alignment()
    alignment.times_s[HEAD][7] = 0  # type: ignore[index]
    with pytest.raises(TimestampError, match="HeadOrientation"):
        write(recorded.path, alignment)
    assert recorded.path.read_bytes() == before


def write(path, alignment):
    with edit_session(path) as writer:
        write_alignment(writer, alignment)
