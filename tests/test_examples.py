"""Every example runs on the toy recording and says what it promises."""

import io
import runpy
import shutil
import subprocess
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import yaml

import ace_nwb
from ace_nwb import pipeline
from ace_nwb.manifest import load_manifest
from ace_nwb.stages.table import STAGES
from tests.fixtures.recordings import METADATA
from tests.simulators import onix

USUAL_STAGES = {
    name
    for name, stage in STAGES.items()
    if not stage.on_request and name not in ("regroup", "curate")  # nobody has decided
}
EXAMPLES = Path(ace_nwb.__file__).parent.parent / "examples"


def run_example(name, *arguments):
    """Run a script in this process, where all that it imports is loaded; return what it prints."""
    shown = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(), redirect_stdout(shown):
        warnings.simplefilter("ignore")  # of packages that are not ours
        patch.setattr(sys, "argv", [str(EXAMPLES / name), *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return shown.getvalue()


def test_results_are_read_with_pynwb_alone(session):
    script = [sys.executable, "-W", "ignore", str(EXAMPLES / "read_results.py"), str(session)]
    shown = subprocess.run(script, capture_output=True, text=True, check=True).stdout
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
    assert {states[name] for name in states if name in USUAL_STAGES} == {"done"}
    assert shown.count("done") >= 12


def test_an_onix_acquisition_becomes_a_valid_file(tmp_path):
    onix.write_acquisition(tmp_path / "raw", n_frames=40)
    metadata = tmp_path / "meta.yaml"
    metadata.write_text(yaml.safe_dump(METADATA), encoding="utf-8")
    shown = run_example("onix_session.py", tmp_path / "raw", metadata, tmp_path / "session.nwb")
    assert "OnePhotonSeries" in shown
    assert shown.splitlines()[-1] == "valid"


def test_two_extractions_are_compared_in_one_valid_file(session_beside_videos):
    shown = run_example("compare_settings.py", session_beside_videos)
    assert [line.split()[0] for line in shown.splitlines()[:2]] == [
        "ImageSegmentation_first",
        "ImageSegmentation",
    ]
    assert shown.splitlines()[-1] == "valid"


@pytest.mark.interop
def test_a_session_is_laid_out_for_dandi(session_beside_videos, demo, tmp_path):
    metadata = demo[1] / "recording" / "meta.yaml"
    shown = run_example("publish.py", session_beside_videos, metadata, tmp_path / "set", "000123")
    assert shown.splitlines()[-1] == "ready for upload", shown


def test_the_manifest_names_sessions_and_their_parameters(demo, tmp_path):
    shutil.copy(demo[1] / "recording" / "meta.yaml", tmp_path)
    manifest = load_manifest(shutil.copy(EXAMPLES / "sessions.yaml", tmp_path))
    assert [entry.name for entry in manifest.sessions] == ["day-1", "day-1-again"]


@pytest.fixture
def session_beside_videos(session, tmp_path):
    copy = tmp_path / "lab" / "session.nwb"
    copy.parent.mkdir()
    shutil.copy(session, copy)
    shutil.copytree(session.parent / "recording" / "raw", copy.parent / "recording" / "raw")
    return copy


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*pipeline*.yaml")), ids=lambda p: p.name)
def test_pipeline_files_are_understood(path):
    assert pipeline.read_plan(path).is_explicit
