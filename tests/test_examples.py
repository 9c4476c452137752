"""Every example runs on the toy recording and says what it promises."""

import subprocess
import sys
from pathlib import Path

import pytest

import ace_nwb
from ace_nwb import pipeline
from ace_nwb.stages.table import STAGES

EXAMPLES = Path(ace_nwb.__file__).parent.parent / "examples"


def run_example(name, *arguments):
    command = [sys.executable, "-W", "ignore", str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_results_are_read_with_pynwb_alone(session):
    shown = run_example("read_results.py", session)
    assert "ROIs accepted" in shown
    assert "events" in shown


@pytest.mark.interop
def test_traces_phase_and_events_are_read_with_pynapple(session):
    shown = run_example("read_with_pynapple.py", session)
    assert [line.split(":")[0] for line in shown.splitlines()[-3:]] == ["traces", "phase", "events"]


def test_recording_is_converted_and_processed_in_python(demo, tmp_path):
    recording = demo[1] / "recording"
    shown = run_example(
        "convert_and_process.py",
        next((recording / "raw").rglob("15_26_31")),
        next((recording / "ephys").iterdir()),
        recording / "meta.yaml",
        tmp_path / "session.nwb",
    )
    states = {status.stage: status.state for status in pipeline.status(tmp_path / "session.nwb")}
    assert {states[name] for name in states if not STAGES[name].on_request} == {"done"}
    assert shown.count("done") >= 12


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*pipeline*.yaml")), ids=lambda p: p.name)
def test_pipeline_files_are_understood(path):
    assert pipeline.read_plan(path).is_explicit
