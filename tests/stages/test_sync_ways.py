"""Ways to align a session file: words of a port, windows, several lines, no pulses at all."""

from datetime import timedelta
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest
from pynwb.core import VectorData
from pynwb.event import EventsTable, TimestampVectorData
from pynwb.image import ImageSeries

from ace_nwb import pipeline
from ace_nwb.cli import run
from ace_nwb.errors import ParameterError, SessionFileError, SyncError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.events import read_events
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.series import read_times
from ace_nwb.nwb.content.sync import list_device_series, read_clock_fit, read_ledger
from ace_nwb.nwb.objects.columns import read_columns
from ace_nwb.nwb.session import edit_session, open_session
from ace_nwb.report.sections.sync import read_sync
from ace_nwb.stages.common.doubt import possible_moves_s
from tests.fixtures.foreign_results import add_with_pynwb
from tests.fixtures.session_files import START, frame_times, write_session_file

N_FRAMES = 600
HEAD = "/processing/behavior/HeadOrientation"
LINE = "/events/FrameLine"
FLASHES = np.sort(np.random.default_rng(3).choice(np.arange(20, N_FRAMES - 20, 8), 9, False))


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    frames = np.random.default_rng(0).integers(90, 110, (N_FRAMES, 10, 12), dtype=np.uint8)
    frames[FLASHES] += 60
    path = tmp_path_factory.mktemp("ways") / "session.nwb"
    write_session_file(path, frames=frames)
    return path


@pytest.fixture
def file(template, tmp_path) -> Path:
    path = tmp_path / "session.nwb"
    path.write_bytes(template.read_bytes())
    return path


@pytest.fixture
def truth() -> np.ndarray:
    """Capture time of every frame, ephys clock."""
    return frame_times(n_frames=N_FRAMES) * (1 + 40e-6) + 3.25


def put_line(path, name, times, values, description="Edges of a line."):
    stamps = TimestampVectorData(name="timestamp", description="Time.", data=times)
    level = VectorData(name="level", description="Level or word.", data=np.asarray(values))
    with edit_session(path) as writer:
        writer.remove([f"/events/{name}"])
    line = EventsTable(name=name, description=description, columns=[stamps, level])
    add_with_pynwb(path, lambda nwbfile: nwbfile.add_events_table(line))


def drop_line(path):
    with edit_session(path) as writer:
        writer.remove([LINE])


def put_clock_facts(path, clocks):
    """Say which clock stamped which series: path -> (clock, counts per second)."""
    columns = {
        "series": ("Path.", list(clocks)),
        "clock": ("Clock.", [clock for clock, _ in clocks.values()]),
        "rate_hz": ("Rate.", [rate for _, rate in clocks.values()]),
        "first_count": ("Count.", [0 for _ in clocks]),
    }
    with edit_session(path) as writer:
        writer.create_table(layout.CLOCK_FACTS, "Clocks.", columns)


def align(path, params=None, **options):
    """Run sync; the line of these files makes one pulse per saved frame."""
    return pipeline.process(path, "sync", {"recorder": "trigger"} | (params or {}), **options)


def movie_times(path):
    with open_session(path) as session:
        return NwbMovie(session).timestamps


def fit_of(path):
    with open_session(path) as session:
        return {name: values[0] for name, values in read_clock_fit(session).items()}


def test_words_of_a_port_are_taken_apart_bit_by_bit(file, truth):
    rng = np.random.default_rng(1)
    other = np.sort(rng.uniform(1, 35, 151))
    times = np.concatenate([truth, other])
    frame_bit = np.concatenate([(np.arange(truth.size) + 1) % 2, np.zeros(other.size, int)])
    order = np.argsort(times)
    is_frame = order < truth.size
    words = np.zeros(times.size, int)
    low, high = 0, 0
    for place, index in enumerate(order):
        low, high = (frame_bit[index], high) if is_frame[place] else (low, 1 - high)
        words[place] = 4 * low + high
    drop_line(file)
    put_line(file, "Port0", times[order], words)
    align(file)
    assert fit_of(file)["line"] == "Port0&4"
    np.testing.assert_allclose(movie_times(file), truth, atol=1e-6)
    with open_session(file) as session:
        pulse = read_ledger(session)["pulse"]
    np.testing.assert_array_equal(times[order][pulse], truth)
    align(file, {"line": "Port0", "bit_mask": 4})
    assert fit_of(file)["n_matched"] == N_FRAMES
    with pytest.raises(ParameterError, match=r"bit_mask = 8.*bits of 5"):
        align(file, {"line": "Port0", "bit_mask": 8})


def test_of_two_equal_recordings_in_one_ephys_session_the_window_chooses(file, truth):
    twice = np.concatenate([truth - 60.0, truth])
    put_line(file, "FrameLine", twice, np.arange(twice.size) % 2)
    before = file.read_bytes()
    with pytest.raises(SyncError, match=r"two places.*start_s and stop_s"):
        align(file)
    assert file.read_bytes() == before
    align(file, {"start_s": 0.0})
    np.testing.assert_allclose(movie_times(file), truth, atol=1e-6)
    align(file, {"stop_s": 0.0})
    np.testing.assert_allclose(movie_times(file), truth - 60.0, atol=1e-6)
    with open_session(file) as session:  # rows of the whole table, not of the window
        np.testing.assert_array_equal(read_ledger(session)["pulse"], np.arange(N_FRAMES))


def test_a_window_without_edges_is_refused_with_where_they_are(file):
    with pytest.raises(ParameterError, match=r"No edge lies between.*from 3\.\d+ to"):
        align(file, {"start_s": 5000.0})


def test_a_file_of_two_scopes_is_refused_with_what_to_do(file):
    with h5py.File(file, "r+") as h5:
        ledger = h5[layout.FRAME_LEDGER]
        h5.copy(ledger, f"{layout.FRAME_LEDGER}ScopeA")
        h5.move(layout.FRAME_LEDGER, f"{layout.FRAME_LEDGER}ScopeB")
    with pytest.raises(SessionFileError, match=r"holds 2 scopes.*file of its own"):
        align(file)


def test_pulses_in_the_lines_of_two_ephys_files_are_joined(file, truth):
    drop_line(file)
    for name, part in (("FirstFile", truth[:350]), ("SecondFile", truth[350:])):
        put_line(file, name, part, np.arange(part.size) % 2)
    align(file, {"line": "FirstFile, SecondFile"})
    np.testing.assert_allclose(movie_times(file), truth, atol=1e-6)
    with open_session(file) as session:
        ledger = read_ledger(session)
    assert list(ledger["pulse_line"][[0, 349, 350]]) == ["FirstFile", "FirstFile", "SecondFile"]
    assert ledger["pulse"][350] == 0


def test_a_steady_line_is_refused_until_somebody_states_what_decides(file, truth):
    period = np.diff(truth).mean()
    line = truth[0] + period * np.arange(-30, N_FRAMES + 30)  # no irregularity tells frames apart
    captured = line[30:-30]
    put_line(file, "FrameLine", line, np.arange(line.size) % 2)
    with pytest.raises(SyncError, match=r"more than one way.*lost_at_start.*correction"):
        align(file, {"silent_before_recording": False})
    window = {"start_s": captured[0] - 0.01, "stop_s": captured[-1] + 0.01}
    for known in ({"lost_at_start": 30}, {"lost_at_end": 30}, window):
        align(file, {"silent_before_recording": False, **known})
        np.testing.assert_allclose(movie_times(file), captured, atol=1e-6)
    assert "stated" not in fit_of(file)["evidence"]
    align(file, {"silent_before_recording": False, "lost_at_start": 30})
    assert "30 captured frames are lost before the first" in fit_of(file)["evidence"]


def test_the_irregularity_of_the_intervals_decides_where_counts_leave_a_choice(file, truth):
    period = np.diff(truth).mean()
    line = np.concatenate(
        [truth[0] - period * np.arange(30, 0, -1), truth, truth[-1] + period * np.arange(1, 31)]
    )
    put_line(file, "FrameLine", line, np.arange(line.size) % 2)
    align(file, {"silent_before_recording": False})
    np.testing.assert_allclose(movie_times(file), truth, atol=1e-6)
    assert "irregularity of the single frame intervals" in fit_of(file)["evidence"]


def test_a_pinned_frame_decides_and_stands_in_the_file_with_its_reason(file, truth):
    period = np.diff(truth).mean()
    line = np.concatenate(
        [truth[0] - period * np.arange(30, 0, -1), truth, truth[-1] + period * np.arange(1, 31)]
    )
    put_line(file, "FrameLine", line, np.arange(line.size) % 2)
    pin = "pin frame 200 to edge 230: lamp went off (A. Meyer)"
    align(file, {"corrections": pin})
    np.testing.assert_allclose(movie_times(file), truth, atol=1e-6)
    with open_session(file) as session:
        table = read_columns(session.get(layout.CORRECTIONS))
    assert (table["kind"][0], table["frame"][0], table["first_edge"][0]) == ("pin", 200, 230)
    assert (table["reason"][0], table["author"][0]) == ("lamp went off", "A. Meyer")
    assert pynwb.validate(path=str(file)) == []
    pipeline.undo_sync(file)
    with open_session(file) as session:
        assert not session.has(layout.CORRECTIONS)


def test_corrections_are_given_on_the_command_line_one_after_the_other(file, truth, capsys):
    pin = "pin frame 200 to edge 200: lamp went off (A. Meyer)"
    exclude = "exclude edges 300-302: cable moved (B. C.)"
    assert run(["sync", str(file), "--correction", pin]) == 0
    assert run(["sync", str(file), "--correction", exclude]) == 0
    with open_session(file) as session:
        table = read_columns(session.get(layout.CORRECTIONS))
        fit = read_sync(session)
    assert list(table["author"]) == ["A. Meyer", "B. C."]
    assert list(table["kind"]) == ["pin", "exclude"]
    assert fit.corrections == (pin.replace("  ", " "), exclude)
    assert "pinned to a pulse by hand" in fit.evidence
    assert run(["sync", str(file), "--correction", "pin frame 3 to edge 4"]) != 0
    assert "reason (author)" in capsys.readouterr().err
    assert run(["sync", str(file), "--undo"]) == 0
    with open_session(file) as session:
        assert not session.has(layout.CORRECTIONS)


def test_excluded_edges_belong_to_no_frame_and_keep_their_numbers(file, truth):
    align(file, {"corrections": "exclude edges 300-302: cable moved (B. C.)"})
    with open_session(file) as session:
        ledger = read_ledger(session)
    np.testing.assert_array_equal(
        ledger["pulse"][[299, 300, 301, 302, 303]], [299, -1, -1, -1, 303]
    )
    assert list(ledger["sync_status"][299:303]) == ["matched", *["interpolated"] * 3]
    np.testing.assert_allclose(movie_times(file), truth, atol=5e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pin frame 3 to edge 4", "cannot be read"),
        ("pin frame 3 to edge 4: because", "cannot be read"),
        ("exclude edges 9-4: noise (me)", "lower number"),
        ("pin frame 9000 to edge 4: seen (me)", "frame 9000 of 600"),
        ("pin frame 5 to edge 9: a (me); pin frame 6 to edge 8: b (me)", "Later frames"),
    ],
)
def test_corrections_that_make_no_sense_are_refused(file, text, message):
    before = file.read_bytes()
    with pytest.raises(ParameterError, match=message):
        align(file, {"corrections": text})
    assert file.read_bytes() == before


def test_inputs_read_by_the_scope_move_with_it_and_are_no_frame_line(file, truth):
    device_s = frame_times(n_frames=N_FRAMES)[5::20]
    text = "Edges of a digital input, seen at the frames; times of the scope's clock."
    put_line(file, "ScopeDigitalIn0", device_s, np.arange(device_s.size) % 2, text)
    align(file)
    with open_session(file) as session:
        assert "/events/ScopeDigitalIn0" in list_device_series(session)
        times, _ = read_events(session, "/events/ScopeDigitalIn0")
    np.testing.assert_allclose(times, truth[5::20], atol=5e-3)
    pipeline.undo_sync(file)
    with open_session(file) as session:
        np.testing.assert_array_equal(read_events(session, "/events/ScopeDigitalIn0")[0], device_s)


def test_a_series_with_a_rate_gets_time_stamps_and_its_rate_back(file):
    with edit_session(file) as writer:
        n_samples = len(writer.get(HEAD).data)
        writer.set_regular_times(HEAD, rate_hz=20.5, start_s=0.25)
    device_s = 0.25 + np.arange(n_samples) / 20.5
    for _ in range(2):  # the second alignment starts from the device times again
        align(file, force=True)
        with open_session(file) as session:
            assert session.get(HEAD).rate is None
            np.testing.assert_allclose(
                read_times(session.get(HEAD)), device_s * (1 + 40e-6) + 3.25, atol=5e-3
            )
    assert pynwb.validate(path=str(file)) == []
    pipeline.undo_sync(file)
    with open_session(file) as session:
        head = session.get(HEAD)
        assert (head.rate, head.starting_time, head.timestamps) == (20.5, 0.25, None)
        assert not session.has(layout.REGULAR_SERIES)
    assert pynwb.validate(path=str(file)) == []


def test_a_camera_with_a_rate_only_is_moved_and_moved_back(file):
    camera = ImageSeries(
        name="SideCamera",
        description="A camera of the same program.",
        external_file=["side.avi"],
        starting_frame=[0],
        format="external",
        unit="n.a.",
        rate=50.0,
        num_samples=1500,
        starting_time=0.5,
    )
    add_with_pynwb(file, lambda nwbfile: nwbfile.add_acquisition(camera))
    for _ in range(2):
        align(file, force=True)
        with open_session(file) as session:
            side = session.get("/acquisition/SideCamera")
            assert side.rate == pytest.approx(50.0 / (1 + 40e-6), rel=1e-5)
            assert side.starting_time == pytest.approx(0.5 * (1 + 40e-6) + 3.25, abs=5e-3)
    assert pynwb.validate(path=str(file)) == []
    pipeline.undo_sync(file)
    with open_session(file) as session:
        side = session.get("/acquisition/SideCamera")
        assert (side.rate, side.starting_time) == (50.0, 0.5)


def test_doubtful_stretches_name_their_frames_and_reason(file, truth):
    put_line(file, "FrameLine", truth[:590], np.arange(590) % 2)
    align(file, {"lost_at_start": 0})
    with open_session(file) as session:
        table = read_columns(session.get(layout.LOW_CONFIDENCE))
    assert (table["first_frame"][-1], table["last_frame"][-1]) == (590, 599)
    assert "no pulses" in table["reason"][-1]


def test_one_hardware_clock_is_checked_and_nothing_is_matched_or_moved(file):
    before = movie_times(file)
    clocks = {
        layout.MOVIE: ("ONIX clock", 250e6),
        "/acquisition/ElectricalSeries0": ("ONIX clock", 250e6),
    }
    put_clock_facts(file, clocks)
    outcome = align(file)
    assert "hardware-clock" in outcome.remarks[0]
    fit = fit_of(file)
    assert (fit["method"], fit["slope"], fit["offset_s"]) == ("hardware-clock", 1.0, 0.0)
    assert "one ONIX clock" in fit["evidence"]
    assert fit["verdict"] == "warn"  # ephys of this file ends long before the movie
    np.testing.assert_array_equal(movie_times(file), before)
    with open_session(file) as session:
        assert set(read_ledger(session)["sync_status"]) == {"mapped"}
    pipeline.undo_sync(file)
    np.testing.assert_array_equal(movie_times(file), before)


def test_a_clock_counted_at_two_rates_is_refused(file):
    clocks = {
        layout.MOVIE: ("ONIX clock", 250e6),
        "/acquisition/ElectricalSeries0": ("ONIX clock", 240e6),
    }
    put_clock_facts(file, clocks)
    with pytest.raises(SyncError, match="250000000 Hz for the movie"):
        align(file)


def test_a_scope_with_a_clock_of_its_own_is_matched_to_pulses(file, truth):
    put_clock_facts(file, {layout.MOVIE: ("Scope clock", 1000.0)})
    align(file)
    assert fit_of(file)["method"] == "pulses"
    np.testing.assert_allclose(movie_times(file), truth, atol=1e-6)


def test_a_known_offset_moves_everything_by_it(file):
    before = movie_times(file)
    align(file, {"method": "offset", "offset_s": 3.25, "drift_ppm": -40.0})
    np.testing.assert_allclose(movie_times(file), before * (1 + 40e-6) + 3.25, atol=1e-6)
    assert fit_of(file)["verdict"] == "pass"
    with pytest.raises(ParameterError, match=r"needs sync\.offset_s"):
        align(file, {"method": "offset"})


def test_wall_clocks_align_with_their_uncertainty_stated(file):
    before = movie_times(file)
    start = (START - timedelta(seconds=3)).isoformat()
    align(file, {"method": "wall-clock", "ephys_start": start})
    np.testing.assert_allclose(movie_times(file), before + 3.0, atol=1e-6)
    fit = fit_of(file)
    assert (fit["verdict"], fit["uncertainty_s"]) == ("warn", 1.0)
    with open_session(file) as session:
        low = read_columns(session.get(layout.LOW_CONFIDENCE))
        assert read_ledger(session)["confidence"].max() < 0.05
    assert (low["first_frame"][0], low["last_frame"][0]) == (0, N_FRAMES - 1)
    with pytest.raises(ParameterError, match="UTC offset"):
        align(file, {"method": "wall-clock", "ephys_start": "yesterday"})


def test_without_any_evidence_nothing_is_guessed(file):
    drop_line(file)
    with pytest.raises(SyncError, match="Nothing in the file tells"):
        align(file)


def put_markers(path, truth):
    on = truth[FLASHES] + 0.004
    times = np.sort(np.concatenate([on, on + 0.02]))
    put_line(path, "Lamp", times, 1 - np.arange(times.size) % 2)


def test_flashes_alone_align_to_one_frame(file, truth):
    drop_line(file)
    put_markers(file, truth)
    align(file, {"method": "flashes", "marker_line": "Lamp"})
    assert np.abs(movie_times(file) - truth).max() < 0.05
    assert fit_of(file)["verdict"] == "warn"


def test_flashes_confirm_an_alignment_or_contradict_it(file, truth):
    put_markers(file, truth)
    align(file)
    pipeline.process(file, "flash-check", {"marker_line": "Lamp"})
    with open_session(file) as session:
        table = read_columns(session.get(layout.FLASH_CHECK))
    np.testing.assert_array_equal(table["offset_frames"], 0)
    np.testing.assert_array_equal(table["due_frame"], FLASHES)
    with open_session(file) as session:
        fit = read_sync(session)
    assert fit.flashes.agree
    assert f"{len(FLASHES)} of {len(FLASHES)} markers" in fit.flashes.summary
    wrong = {"method": "offset", "offset_s": 3.25 + 3 / 20, "drift_ppm": -40.0}
    align(file, wrong)
    outcome = pipeline.process(file, "flash-check", {"marker_line": "Lamp"})
    assert "do not confirm" in " ".join(outcome.remarks)
    with open_session(file) as session:
        table = read_columns(session.get(layout.FLASH_CHECK))
    assert np.median(table["offset_frames"]) == 3
    with pytest.raises(ParameterError, match="No marker line is named"):
        pipeline.process(file, "flash-check")


@pytest.mark.parametrize(
    ("recorder", "before_edge_s"), [("miniscope-daq-qt", 0.03), ("trigger", -0.02)]
)
def test_flashes_measure_the_rig_at_either_end_of_the_exposure(
    file, truth, recorder, before_edge_s
):
    """One saved frame before the first edge, two edges after the last frame."""
    edges = np.append(truth[1:], truth[-1] + 0.05 * np.arange(1, 3))
    put_line(file, "FrameLine", edges, np.arange(edges.size) % 2)
    put_markers(file, truth - before_edge_s)
    align(file, {"recorder": recorder})
    outcome = pipeline.process(file, "flash-check", {"marker_line": "Lamp"})
    said = " ".join(outcome.remarks)
    assert "frames_before_first_edge: 1 and edges_after_last_frame: 2" in said
    measured = {"frames_before_first_edge": 1, "edges_after_last_frame": 2}
    align(file, {"recorder": recorder} | measured)
    np.testing.assert_allclose(movie_times(file), truth, atol=2e-3)  # the first by prediction
    assert fit_of(file)["verdict"] == "pass"


def test_another_way_leaves_nothing_of_the_former_alignment(file):
    before = movie_times(file)
    align(file)
    align(file, {"method": "offset", "offset_s": 0.0})
    np.testing.assert_array_equal(movie_times(file), before)
    with open_session(file) as session:
        ledger = read_ledger(session)
    assert "pulse" not in ledger
    np.testing.assert_array_equal(ledger["session_time_s"], before)


def test_a_gate_is_named_in_the_refusal_and_aligns_if_chosen(file, truth):
    drop_line(file)
    put_line(file, "Gate", np.array([3.25, 3.25 + np.ptp(truth) + 0.02]), [1, 0])
    with pytest.raises(
        SyncError, match=r"Gate is high from 3\.250 .*method=gate.*offset_s=3\.25.*--offset-s"
    ):
        align(file)
    align(file, {"method": "gate"})
    assert fit_of(file)["method"] == "gate"
    assert fit_of(file)["verdict"] == "warn"
    assert 0.02 < fit_of(file)["uncertainty_s"] < 0.2
    assert np.abs(movie_times(file) - truth).max() < fit_of(file)["uncertainty_s"]


def test_barcodes_read_by_scope_and_ephys_tie_their_clocks(file, truth):
    edges = 1.0 + np.cumsum(np.random.default_rng(5).uniform(0.05, 0.4, 80))
    drop_line(file)
    put_line(file, "ScopeIn", edges, np.arange(80) % 2, "Input, times of the scope's clock.")
    put_line(file, "Codes", edges * (1 + 40e-6) + 3.25, np.arange(80) % 2)
    align(file, {"method": "barcodes"})
    assert fit_of(file)["verdict"] == "pass"
    np.testing.assert_allclose(movie_times(file), truth, atol=1.5e-3)


def test_a_line_of_every_third_frame_is_refused_by_name_and_aligned_as_stated(file, truth):
    drop_line(file)
    put_line(file, "Thirds", truth[::3], (np.arange(truth[::3].size) + 1) % 2)
    with pytest.raises(SyncError, match="frames_per_pulse=3"):
        align(file, {"line": "Thirds"})
    stated = {"frames_per_pulse": 3, "lost_at_start": 0}
    align(file, stated)
    np.testing.assert_allclose(movie_times(file), truth, atol=6e-3)
    assert fit_of(file)["verdict"] == "pass"


def test_a_camera_is_aligned_by_its_own_line(file, truth):
    own_s = np.arange(400) * 0.04 + 0.5
    camera = ImageSeries(
        name="BehaviorCamera",
        external_file=["camera.avi"],
        format="external",
        starting_frame=[0],
        timestamps=np.round(own_s + 0.004, 3),
        unit="n.a.",
    )
    add_with_pynwb(file, lambda nwbfile: nwbfile.add_acquisition(camera))
    exact = own_s * (1 + 40e-6) + 3.25
    put_line(file, "CameraLine", exact, (np.arange(400) + 1) % 2)
    align(file, {"line": "FrameLine", "camera_lines": "BehaviorCamera=CameraLine"})
    with open_session(file) as session:
        times = read_times(session.get("/acquisition/BehaviorCamera"))
    np.testing.assert_allclose(times, exact, atol=1e-6)
    with pytest.raises(ParameterError, match="CAMERA=LINE with one of"):
        align(file, {"camera_lines": "Nobody=CameraLine"})


def test_shifts_that_remain_possible_are_moves_that_later_stages_try(file):
    align(file)
    with open_session(file) as session:
        assert possible_moves_s(session) == {}
    texts = np.array(["-1:0.24 +0:0.75 +2:0.0002"] * N_FRAMES)
    with edit_session(file) as writer:
        writer.set_columns(layout.FRAME_LEDGER, {"possible_shifts": ("Shifts.", texts)})
    with open_session(file) as session:
        moves = possible_moves_s(session)
    assert list(moves) == [-1]
    assert moves[-1] == pytest.approx(-0.05, rel=0.02)


def test_of_two_cameras_of_one_rate_the_frames_choose_the_line(file, truth):
    with open_session(file) as session:
        edges, columns = read_events(session, LINE)
    other = truth[0] - 2.0 + np.median(np.diff(truth)) * np.arange(N_FRAMES + 90)
    put_line(file, "OtherCamera", other, (np.arange(other.size) + 1) % 2)
    align(file)
    assert fit_of(file)["line"] == "FrameLine"
    put_line(file, "OtherCamera", edges, columns["level"])
    with pytest.raises(SyncError, match="Two TTL lines could carry"):
        align(file, force=True)
