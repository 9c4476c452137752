"""The history grows over sessions and comes back as it was written."""

import pytest
from pynwb import NWBHDF5IO, NWBFile

from ace_nwb.nwb.history import (
    RunParameter,
    add_history,
    append_run,
    current_runs,
    next_run_id,
    read_runs,
)
from ace_nwb.nwb.session import edit_session, open_session
from tests.fixtures.changes import make_run
from tests.fixtures.session_files import START


def test_a_file_without_history_has_no_runs(recorded):
    with open_session(recorded.path) as session:
        assert read_runs(session) == []
        assert next_run_id(session) == 0


def test_runs_written_over_several_sessions_come_back(recorded):
    runs = [
        make_run(0, "convert", parameters=()),
        make_run(1, "motion", warnings="Jumps; 3 frames | Ünïcode µm"),
        make_run(2, "extract", engine="cnmfe", inputs={"motion": "f1", "preprocess": "x"}),
    ]
    for run in runs:
        with edit_session(recorded.path) as writer:
            append_run(writer, run)
    with open_session(recorded.path) as session:
        assert read_runs(session) == runs
        assert next_run_id(session) == 3


def test_several_runs_in_one_session_come_back(recorded):
    runs = [make_run(number, f"stage{number}") for number in range(4)]
    with edit_session(recorded.path) as writer:
        for run in runs:
            assert next_run_id(writer) == run.run_id
            append_run(writer, run)
    with open_session(recorded.path) as session:
        assert read_runs(session) == runs


def test_a_history_begun_in_a_new_file_is_continued(tmp_path):
    path = tmp_path / "new.nwb"
    nwbfile = NWBFile(session_description="d", identifier="i", session_start_time=START)
    add_history(nwbfile, make_run(0, "convert"))
    with NWBHDF5IO(path, "w") as io:
        io.write(nwbfile)
    with edit_session(path) as writer:
        append_run(writer, make_run(1, "sync"))
    with open_session(path) as session:
        assert [run.stage for run in read_runs(session)] == ["convert", "sync"]


def test_the_current_run_of_a_stage_is_its_last_unless_removed(recorded):
    with edit_session(recorded.path) as writer:
        append_run(writer, make_run(0, "motion"))
        append_run(writer, make_run(1, "extract"))
        append_run(writer, make_run(2, "motion"))
        append_run(writer, make_run(3, "extract", action="remove"))
    with open_session(recorded.path) as session:
        current = current_runs(session)
    assert {stage: run.run_id for stage, run in current.items()} == {"motion": 2}


@pytest.mark.parametrize("value", ["", "none", "0.30000000000000004", "a; b = c", "[1, 2]"])
def test_parameter_values_come_back_as_texts(recorded, value):
    parameters = (RunParameter("p", value, "file"), RunParameter("q", "1"))
    with edit_session(recorded.path) as writer:
        append_run(writer, make_run(0, parameters=parameters))
    with open_session(recorded.path) as session:
        assert read_runs(session)[0].parameters == parameters
