"""Windows that the file already holds, from any tool that writes NWB."""

import numpy as np
import pytest
from pynwb import NWBHDF5IO
from pynwb.epoch import TimeIntervals

from ace_nwb import pipeline
from ace_nwb.nwb import layout
from ace_nwb.nwb.content import coupling as stored
from ace_nwb.nwb.content.conditions import read_conditions
from ace_nwb.nwb.session import open_session
from ace_nwb.stages.common.channels import list_windows
from tests.fixtures.coupled_sessions import FIRST, run_stages


@pytest.fixture
def file(coupled_template, tmp_path):
    path = tmp_path / "session.nwb"
    path.write_bytes(coupled_template.path.read_bytes())
    return path


def add_intervals(path, name, column, rows):
    with NWBHDF5IO(path, "a") as io:
        nwbfile = io.read()
        table = TimeIntervals(name=name, description="By another tool.")
        table.add_column(column, "What it is.", index=column == "tags")
        for start, stop, label in rows:
            table.add_row(start_time=start, stop_time=stop, **{column: label})
        nwbfile.add_time_intervals(table)
        io.write(nwbfile)


@pytest.mark.parametrize("column", ["condition", "label", "tags"])
def test_intervals_of_other_tools_are_conditions(file, column):
    rows = [(5.0, 60.0, "baseline"), (60.0, 120.0, "drug"), (130.0, 150.0, "baseline")]
    if column == "tags":
        rows = [(start, stop, [label, "second tag"]) for start, stop, label in rows]
        rows.append((160.0, 170.0, []))
    add_intervals(file, "drugs", column, rows)
    with open_session(file) as session:
        found = {name: spans.tolist() for name, spans in read_conditions(session).items()}
        windows = list_windows(session)
    assert found == {"baseline": [[5, 60], [130, 150]], "drug": [[60, 120]]}
    assert list(windows) == ["whole", "baseline", "drug"]


def test_intervals_without_names_are_no_conditions(file):
    add_intervals(file, "trials", "stimulus", [(5.0, 6.0, "A")])
    add_intervals(file, "numbers", "label", [(5.0, 6.0, 3)])
    with open_session(file) as session:
        assert read_conditions(session) == {}


def test_coupling_is_told_apart_by_the_files_own_conditions(file):
    add_intervals(file, "drugs", "condition", [(5.0, 100.0, "baseline"), (100.0, 195.0, "drug")])
    run_stages(file, {stage: {} for stage in FIRST} | {"coupling": {"n_surrogates": 99}})
    with open_session(file) as session:
        rows = stored.read_result_table(session, layout.EVENT_PHASE_COUPLING)
    assert set(rows["condition"]) == {"whole", "baseline", "drug"}
    own = {name: rows["n_events"][rows["condition"] == name].sum() for name in rows["condition"]}
    assert 0 < own["baseline"] < own["drug"] < own["whole"]


def test_windows_that_are_named_come_before_those_of_the_file(file):
    add_intervals(file, "drugs", "condition", [(5.0, 100.0, "baseline")])
    outcome = pipeline.process(file, "conditions")
    assert any("baseline 95 s" in remark for remark in outcome.remarks)
    pipeline.process(file, "conditions", {"windows": "rest=10-50"})
    with open_session(file) as session:
        found = read_conditions(session)
    assert list(found) == ["rest", "baseline"]
    np.testing.assert_array_equal(found["rest"], [[10, 50]])
