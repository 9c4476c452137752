"""What the page `curate` asks and does, without a browser."""

import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from ace_nwb import pipeline
from ace_nwb.apps.curating import build_curate_app
from ace_nwb.apps.outlines import bin_edges, thin_out, trace_outline
from ace_nwb.curation import Draft, decide, load_curation
from ace_nwb.errors import CurationError
from ace_nwb.nwb.session import open_session
from ace_nwb.stages.common.corrected import open_corrected_movie
from tests.apps.serving import served
from tests.fixtures.traces_only import N_FRAMES, N_ROIS, dff_file

TABLE = "/processing/ophys/ImageSegmentation/PlaneSegmentation"
TRACES = "/processing/ophys/Fluorescence"


@pytest.fixture
def page(session_copy):
    with served(build_curate_app(session_copy, reviewer="Ann")) as client:
        client.path = session_copy
        yield client


def post(page, *decisions, reviewer="Ann", seen=None):
    known = page.json("/api/decisions")[1]["seen"] if seen is None else seen
    body = {"reviewer": reviewer, "seen": known, "decisions": list(decisions)}
    return page.json("/api/decide", body)


def test_page_is_told_what_the_file_holds(page):
    _, session = page.json("/api/session")
    _, rois = page.json("/api/rois")
    with h5py.File(page.path) as file:
        np.testing.assert_array_equal(rois["columns"]["id"], file[f"{TABLE}/id"][:])
        np.testing.assert_allclose(rois["columns"]["snr"], file[f"{TABLE}/snr"][:], rtol=1e-6)
    assert session["reviewer"] == "Ann"
    assert session["file"] == page.path.name
    assert {"mean", "max", "correlation", "peak_to_noise"} <= set(session["images"])
    assert str(page.path.parent) not in str(session)


def test_outlines_lie_around_the_footprints(page):
    found = page.arrays("/api/outlines?first=0&count=50")
    ends = np.cumsum(found["length"])
    assert found["n_rois"] == len(found["roi"])
    with h5py.File(page.path) as file:
        masks = file[f"{TABLE}/image_mask"][:].swapaxes(1, 2)
    for index, centre in enumerate(found["centre"]):
        rows, columns = np.nonzero(masks[index])
        np.testing.assert_allclose(
            centre, np.average([rows, columns], axis=1, weights=masks[index][rows, columns]), 1e-4
        )
        parts = [
            found["points"][end - length : end]
            for end, length, owner in zip(ends, found["length"], found["owner"], strict=True)
            if owner == index
        ]
        points = np.concatenate(parts)
        assert points[:, 0].min() >= rows.min() - 1
        assert points[:, 1].max() <= columns.max() + 1


def test_thinned_trace_keeps_every_peak():
    trace = np.zeros(10_000, np.float32)
    trace[[17, 5_003, 9_999]] = [5, -7, 3]
    thin = thin_out(trace, 0, 10_000, 300)
    assert thin.shape == (300, 2)
    assert (thin.max(), thin.min(), thin[-1, 1]) == (5, -7, 3)
    assert thin_out(trace, 10, 30, 300)[7].tolist() == [5, 5]
    assert bin_edges(100, 1100, 10).tolist() == list(range(100, 1100, 100))


def test_outline_of_one_pixel_is_a_closed_line_around_it():
    (line,) = trace_outline(np.array([3 * 10 + 4]), np.array([1.0]), (8, 10))
    np.testing.assert_allclose(line.mean(0), [3, 4], atol=0.2)
    assert np.abs(line - [3, 4]).max() < 1


def test_trace_is_the_stored_one_with_its_residual_and_events(page):
    found = page.arrays("/api/trace?roi=2&start=10&stop=60&bins=1000")
    with h5py.File(page.path) as file:
        raw = file[f"{TRACES}/RoiResponseSeries/data"][10:60, 2]
        denoised = file[f"{TRACES}/Denoised/data"][10:60, 2]
        table = file["/processing/events/CalciumEventsDeconvolution"]
        times = table["timestamp"][:][table["roi"][:] == 2]
    np.testing.assert_array_equal(found["raw"][:, 0], raw)
    np.testing.assert_allclose(found["residual"][:, 1], raw - denoised, atol=1e-4)
    np.testing.assert_allclose(np.sort(found["events_s"]), np.sort(times))
    assert found["is_preview"] is False


def test_clip_is_the_corrected_movie_around_the_roi(page):
    times_s = page.arrays("/api/trace?roi=1&bins=4000")["time_s"]
    clip = page.arrays(f"/api/clip?roi=1&time={times_s[200]}")
    with open_session(page.path) as session:
        movie = open_corrected_movie(session, workers=1)
        frames = movie.read(180, 260)
    first = int(np.argmin(np.abs(times_s - clip["time_s"][0]))) - 180
    n_frames, n_rows, n_columns = clip["movie"].shape
    patch = frames[
        first : first + n_frames,
        clip["row"] : clip["row"] + n_rows,
        clip["column"] : clip["column"] + n_columns,
    ]
    assert np.corrcoef(patch.ravel(), clip["movie"].ravel())[0, 1] > 0.995


def test_decision_is_in_the_file_before_it_is_acknowledged(page):
    status, news = post(page, {"action": "reject", "rois": [3], "reason": "a vessel"})
    assert status == 200
    assert news["outcomes"] == {"3": "reject"}
    assert load_curation(page.path).votes[3]["Ann"].reason == "a vessel"
    _, later = page.json("/api/decisions?since=0&stages=yes")
    assert "curate" in {stage["stage"] for stage in later["stale"]}


def test_merge_and_split_are_seen_at_once_and_undone(page):
    _, news = post(page, {"action": "merge", "rois": [0, 1]})
    (new,) = news["decisions"][0]["makes"]
    outline = page.arrays(f"/api/outlines?rois=0,1,{new}")
    np.testing.assert_array_less(outline["centre"].min(0) - 1e-3, outline["centre"][2] + 1e-3)
    trace = page.arrays(f"/api/trace?roi={new}&bins=200")
    assert trace["is_preview"] is True
    row, column = outline["centre"][0] + page.json("/api/session")[1]["origin"]
    line = [row - 20, column, row + 20, column]
    _, news = post(page, {"action": "split", "rois": [new], "line": line})
    halves = news["decisions"][0]["makes"]
    assert set(halves) <= set(news["active"])
    for number in (1, 0):
        status, news = post(page, {"action": "undo", "undoes": number})
        assert status == 200
    assert news["active"] == page.json("/api/rois")[1]["columns"]["id"]


def test_line_beside_the_roi_is_refused_before_it_is_written(page):
    status, answer = post(page, {"action": "split", "rois": [0], "line": [0, 0, 0, 5]})
    assert (status, "across the ROI" in answer["error"]) == (409, True)
    assert load_curation(page.path).decisions == ()


def test_two_tabs_of_one_reviewer_do_not_overrule_each_other_unseen(page):
    assert post(page, {"action": "accept", "rois": [1]}, seen=0)[0] == 200
    status, answer = post(page, {"action": "reject", "rois": [1]}, seen=0)
    assert (status, "another window" in answer["error"]) == (409, True)
    assert post(page, {"action": "reject", "rois": [1]}, seen=1)[0] == 200


def test_decisions_of_another_program_are_seen(page):
    decide(page.path, [Draft("accept", (4,), "Bob")])
    _, news = page.json("/api/decisions?since=0")
    assert news["outcomes"] == {"4": "accept"}
    assert post(page, {"action": "reject", "rois": [4]})[1]["disagreements"] == [4]


@pytest.mark.parametrize(
    "decision",
    [
        {"action": "delete", "rois": [1]},
        {"action": "accept", "rois": [999]},
        {"action": "accept", "rois": []},
        {"action": "split", "rois": [1], "line": [1, 2, 3]},
        {"action": "split", "rois": [1], "line": [1, 2, 3, "nan"]},
        {"action": "accept", "rois": ["x"]},
        {"action": "accept"},
        {"rois": [1]},
        {"action": "undo", "undoes": 3},
    ],
    ids=str,
)
def test_senseless_decision_changes_nothing(page, decision):
    status, _ = post(page, decision)
    assert status in (400, 409)
    assert load_curation(page.path).decisions == ()


def test_questions_about_what_does_not_exist_are_refused(page):
    for path in ("/api/trace?roi=999", "/api/image?name=../x", "/api/clip?roi=-5&time=1"):
        assert page.json(path)[0] == 409
    for path in ("/api/trace?roi=x", "/api/trace", "/api/clip?roi=1", "/api/outlines?rois=a"):
        assert page.json(path)[0] == 400


def test_button_runs_just_the_stale_stages(page):
    post(page, {"action": "reject", "rois": [2]})
    assert page.json("/api/run", {})[1]["state"] == "running"
    deadline = time.monotonic() + 300
    while (state := page.json("/api/run")[1])["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert state["state"] == "done", state
    assert state["done"] == ["curate", "spectrogram", "coupling"]
    _, news = page.json("/api/decisions?since=0&stages=yes")
    assert news["stale"] == []
    with h5py.File(page.path) as file:
        assert not file[f"{TABLE}/Accepted"][2]


def test_file_without_rois_is_refused_with_what_to_do(recorded):
    with pytest.raises(CurationError, match="ace-nwb run"):
        build_curate_app(recorded.path)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_rois_without_a_movie_are_judged_and_neither_merged_nor_shown_moving(tmp_path):
    path = dff_file(tmp_path / "other.nwb")
    pipeline.run(path)
    with served(build_curate_app(path, reviewer="Ann")) as page:
        _, session = page.json("/api/session")
        assert session["n_frames"] == N_FRAMES
        assert session["images"] == []
        assert page.arrays("/api/outlines?first=0&count=50")["n_rois"] == N_ROIS
        found = page.arrays(f"/api/trace?roi=1&bins={N_FRAMES}")
        with h5py.File(path) as file:
            stored = file["/processing/ophys/DfOverF/RoiResponseSeries/data"][:, 1]
        np.testing.assert_allclose(found["raw"].max(-1), stored, rtol=1e-6, atol=1e-7)
        status, answer = page.json("/api/clip?roi=1&time=10")
        assert status == 409
        assert "holds no movie" in answer["error"]
        status, answer = post(page, {"action": "merge", "rois": [1, 2]})
        assert status == 409
        status, _ = post(page, {"action": "reject", "rois": [3]})
        assert status == 200
    assert load_curation(path).outcome(3) == "reject"
    assert {one.stage for one in pipeline.run(path) if one.action == "ran"} >= {"curate"}


def test_killed_server_has_kept_every_decision_it_acknowledged(session_copy):
    command = [sys.executable, "-m", "ace_nwb", "curate", str(session_copy), "--no-browser"]
    server = subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True)
    address = server.stdout.readline().split()[1]

    class Address:
        port = int(address.split(":")[2].partition("/")[0])
        token = address.partition("token=")[2]
        server_address = ("127.0.0.1", port)

    from tests.apps.serving import Client

    page = Client(Address)
    for roi in (0, 1, 2):
        assert post(page, {"action": "accept", "rois": [roi]}, seen=roi)[0] == 200
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    server.stdout.close()
    assert [d.rois for d in load_curation(session_copy).decisions] == [(0,), (1,), (2,)]
