"""The whole way on a toy recording: raw folders to a valid, scored, readable session file."""

import json
from dataclasses import replace
from pathlib import Path

import av
import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO

from ace_nwb import pipeline
from ace_nwb.cli import run
from ace_nwb.demo import MARKER, _prepare_folder, run_demo
from ace_nwb.errors import OutputError, RequirementError
from ace_nwb.nwb.content.imaging import read_pixel_size
from ace_nwb.nwb.session import open_session
from ace_nwb.simulation.truth import load_truth
from ace_nwb.stages.table import STAGES
from tests.fixtures.coupling_scores import score_coupling

USUAL_STAGES = [stage.name for stage in STAGES.values() if not stage.on_request]
BY_PEOPLE = ("regroup", "curate")
"""Stages that find nothing to do, because nobody has decided on a ROI."""
SUMMARY_KEYS = {
    "f1",
    "precision",
    "recall",
    "trace_correlation_median",
    "sync_error_ms_max",
    "preferred_phase_error_rad_max",
    "cpu_s",
    "wall_s",
    "peak_memory_mb",
    "files",
}


def test_summary_holds_the_promised_figures_and_files(demo):
    summary, folder = demo
    stored = json.loads((folder / "summary.json").read_text())
    assert stored.keys() >= SUMMARY_KEYS
    assert all(Path(path).exists() for path in stored["files"].values())
    assert summary.is_valid


def test_a_demo_that_ended_while_it_replaced_an_earlier_one_can_be_repeated(tmp_path, monkeypatch):
    def end(_folder):
        raise KeyboardInterrupt

    (tmp_path / MARKER).touch()
    (tmp_path / "raw").mkdir()
    monkeypatch.setattr("shutil.rmtree", end)
    with pytest.raises(KeyboardInterrupt):
        _prepare_folder(tmp_path)
    monkeypatch.undo()
    assert list(_prepare_folder(tmp_path).iterdir()) == [tmp_path / MARKER]


def test_a_demo_that_ended_before_it_had_marked_its_folder_can_be_repeated(tmp_path):
    (tmp_path / f"{MARKER}.lock").touch()
    assert list(_prepare_folder(tmp_path).iterdir()) == [tmp_path / MARKER]


def test_a_recording_that_was_not_finished_has_not_its_name(tmp_path, monkeypatch):
    def end(folder, *_arguments, **_options):
        folder.mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr("ace_nwb.demo.simulate_recording", end)
    with pytest.raises(KeyboardInterrupt):
        run_demo(tmp_path, size="toy")
    assert not (tmp_path / "recording").exists()


def test_result_agrees_with_the_truth(demo):
    figures = demo[0].to_json()
    assert figures["f1"] >= 0.85
    assert figures["trace_correlation_median"] >= 0.9
    assert figures["motion_error_px"] <= 0.3
    assert figures["sync_error_ms_max"] <= 2
    assert figures["preferred_phase_error_rad_max"] <= 0.3


def test_locked_neurons_and_only_these_are_found_at_their_phases(demo, session_copy):
    for stage in ("ephys-filter", "filter"):  # of 20 s too little is left without the edges
        pipeline.process(session_copy, stage, {"mask_edges": False})
    for stage in ("phase", "coupling"):
        pipeline.process(session_copy, stage)
    truth = load_truth(demo[1] / "recording" / "truth")
    found = score_coupling(session_copy, truth, channel="CSC1")
    assert found.n_locked_found >= max(1, found.n_locked - 1)
    assert found.n_free_found == 0
    assert np.abs(found.phase_errors_rad).max() < 0.3


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])


def test_raw_movie_equals_the_decoded_video_bit_for_bit(demo, session):
    videos = sorted(
        (demo[1] / "recording").rglob("My_V4_Miniscope/*.avi"), key=lambda p: int(p.stem)
    )
    decoded = np.concatenate([decode(path) for path in videos])
    with h5py.File(session) as file:
        stored = file["/acquisition/OnePhotonSeries/data"][:]
    np.testing.assert_array_equal(stored.swapaxes(1, 2), decoded)


def test_every_stage_is_done_and_a_second_run_does_nothing(session):
    before = session.read_bytes()
    outcomes = pipeline.run(session)
    assert [o.stage for o in outcomes] == USUAL_STAGES
    assert {o.action for o in outcomes if o.stage not in BY_PEOPLE} == {"already done"}
    assert session.read_bytes() == before


def test_second_run_says_that_there_is_nothing_to_do(session, capsys):
    assert run(["run", str(session)]) == 0
    assert "Nothing to do" in capsys.readouterr().out


def test_report_is_one_file_with_pictures(demo):
    page = (demo[1] / "report.html").read_text()
    with open_session(demo[1] / "session.nwb") as session:
        assert read_pixel_size(session) == pytest.approx(1.655)  # so pictures have scale bars
    assert "<img" in page or "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert 50_000 < len(page) < 10_000_000


def test_history_tells_every_stage_with_all_parameters(session, capsys):
    assert run(["history", str(session), "--json"]) == 0
    runs = {entry["stage"]: entry for entry in json.loads(capsys.readouterr().out)}
    for stage in (STAGES[name] for name in USUAL_STAGES if name not in BY_PEOPLE):
        recorded = {p["name"] for p in runs[stage.name]["parameters"]}
        assert recorded == set(stage.params.model_fields)
    chosen = {p["name"]: p["source"] for p in runs["spectrogram"]["parameters"]}
    assert chosen["window_s"] == "command line"
    assert chosen["time_bandwidth"] == "default"


def test_file_holds_no_user_host_or_absolute_path(session, demo):
    with h5py.File(session) as file:
        texts: list[str] = []

        def collect(_name, item):
            if isinstance(item, h5py.Dataset) and h5py.check_string_dtype(item.dtype):
                texts.extend(str(v) for v in np.atleast_1d(item.asstr()[()]).ravel())

        file.visititems(collect)
    assert texts
    assert not [t for t in texts if str(demo[1]) in t or str(Path.home()) in t]


def test_validate_exits_with_0_for_a_valid_file(session, capsys):
    assert run(["validate", str(session), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["valid"] is True


def test_rerun_with_another_parameter_marks_later_stages_stale(session_copy):
    outcome = pipeline.process(session_copy, "motion", {"max_shift_px": 15})
    assert outcome.action == "ran"
    statuses = {s.stage: s for s in pipeline.status(session_copy)}
    assert statuses["motion"].state == "done"
    assert statuses["extract"].state == "stale"
    assert statuses["extract"].reason == "motion re-run with max_shift_px 15"
    assert statuses["preprocess"].state == "done"


def test_a_stale_result_leaves_the_file_valid_and_every_verb_calls_it_stale(
    session, monkeypatch, capsys
):
    newer = replace(STAGES["spectrogram"], revision=STAGES["spectrogram"].revision + 1)
    monkeypatch.setitem(STAGES, "spectrogram", newer)
    expected = "stale: spectrogram (made by revision"
    for verb in ("validate", "upgrade"):
        assert run([verb, str(session)]) == 0
        assert expected in capsys.readouterr().out
    assert run(["validate", str(session), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["valid"], [one["stage"] for one in told["stale"]]) == (True, ["spectrogram"])


def test_replacing_the_rois_takes_what_refers_to_them_with_it(session_copy):
    pipeline.process(session_copy, "extract", {"merge_correlation": 0.8})
    statuses = {s.stage: s.state for s in pipeline.status(session_copy)}
    assert statuses["extract"] == "done"
    assert statuses["dff"] == statuses["events"] == "missing"
    outcomes = [o for o in pipeline.run(session_copy) if o.stage not in BY_PEOPLE]
    assert {o.action for o in outcomes} == {"already done", "ran"}
    with NWBHDF5IO(session_copy, "r") as io:
        table = io.read().processing["ophys"]["ImageSegmentation"]["PlaneSegmentation"]
        assert "accepted" in table.colnames


def test_parameter_chosen_once_is_kept_by_a_later_run(session_copy):
    pipeline.process(session_copy, "dff", {"quantile": 12.0})
    pipeline.run(session_copy)
    with NWBHDF5IO(session_copy, "r") as io:
        table = io.read().processing["misc"]["stage_parameters"].to_dataframe()
    values = table[table.iloc[:, 1] == "quantile"].iloc[:, 2]
    assert list(values)[-1] == "12.0"


def test_stage_without_what_it_needs_names_the_stage_to_run(demo, tmp_path):
    from ace_nwb.conversion import convert

    recording = demo[1] / "recording"
    fresh = tmp_path / "fresh.nwb"
    convert(next((recording / "raw").rglob("15_26_31")), fresh, metadata=recording / "meta.yaml")
    with pytest.raises(RequirementError, match="ace-nwb process extract"):
        pipeline.process(fresh, "dff")


def test_recording_without_ephys_runs_and_says_that_there_is_nothing_to_align(demo, tmp_path):
    from ace_nwb.conversion import convert

    recording = demo[1] / "recording"
    fresh = tmp_path / "fresh.nwb"
    convert(next((recording / "raw").rglob("15_26_31")), fresh, metadata=recording / "meta.yaml")
    plan = pipeline.read_plan(settings=["spectrogram.window_s=5", "dff.window_s=8"])
    outcomes = {o.stage: o for o in pipeline.run(fresh, plan)}
    assert outcomes["sync"].action == "not applicable"
    assert outcomes["spectrogram"].action == "ran"


def test_same_recording_gives_the_same_results_for_any_number_of_workers(session, session_copy):
    from ace_nwb.engines.base import EngineSettings

    for stage in ("preprocess", "motion", "summary", "extract"):
        pipeline.process(session_copy, stage, settings=EngineSettings(workers=1), force=True)
    paths = (
        "MotionShifts/data",
        "Fluorescence/RoiResponseSeries/data",
        "Fluorescence/Denoised/data",
        "ImageSegmentation/PlaneSegmentation/image_mask",
        "SegmentationImages/correlation",
    )
    with h5py.File(session) as one, h5py.File(session_copy) as other:
        for path in paths:
            left, right = (f[f"/processing/ophys/{path}"][:] for f in (one, other))
            np.testing.assert_array_equal(left, right, err_msg=path)


def test_demo_refuses_a_folder_with_other_things_in_it(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="not empty"):
        run_demo(tmp_path, size="toy")
    assert (tmp_path / "thesis.txt").read_text() == "precious"
