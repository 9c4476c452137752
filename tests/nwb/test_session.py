"""Opening, changing, removing: the whole or nothing, and nothing left that points at nothing."""

from datetime import datetime, timedelta

import h5py
import numpy as np
import pynwb
import pytest
from pynwb import NWBHDF5IO, TimeSeries

from ace_nwb.errors import SessionFileError, TimestampError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.roi_series import write_roi_series
from ace_nwb.nwb.content.rois import read_segmentation
from ace_nwb.nwb.content.series import read_series, write_series
from ace_nwb.nwb.content.spectra import BandPower, write_spectrogram
from ace_nwb.nwb.objects.links import find_dangling_links, iterate_references
from ace_nwb.nwb.session import edit_session, open_session
from tests.fixtures.changes import add_motion, as_ours, replace_rois
from tests.fixtures.session_files import START, file_content


def test_what_is_written_is_read_by_plain_pynwb(recorded):
    with edit_session(recorded.path) as writer:
        add_motion(writer)
    with NWBHDF5IO(recorded.path, "r") as io:
        shifts = io.read().processing["ophys"]["MotionShifts"]
        assert shifts.data.shape == (60, 2)
        assert np.array_equal(shifts.timestamps[:], recorded.frame_times_s)
    assert pynwb.validate(path=str(recorded.path)) == []


def test_what_a_change_does_not_touch_stays_identical(recorded):
    before = file_content(recorded.path)
    with edit_session(recorded.path) as writer:
        add_motion(writer)
    after = file_content(recorded.path)
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {"file_create_date", "processing", "general/was_generated_by"}


def test_every_change_is_dated(recorded):
    with edit_session(recorded.path) as writer:
        add_motion(writer)
    with open_session(recorded.path) as session:
        dates = session.nwbfile.file_create_date
        assert len(dates) == 2
        assert dates[0] < dates[1]


def test_an_object_just_added_is_found(recorded):
    with edit_session(recorded.path) as writer:
        about = {"unit": "m", "description": "d"}
        write_series(writer, "/processing/misc/a", np.ones(1), **about, rate_hz=1.0)
        assert writer.find("/processing/misc/a").unit == "m"
        assert writer.find("/processing/misc/b") is None


def test_what_is_added_to_the_view_of_pynwb_is_refused_not_lost(recorded):
    before = recorded.path.read_bytes()
    with pytest.raises(ValueError, match="create_table"), edit_session(recorded.path) as writer:
        writer.nwbfile.add_acquisition(TimeSeries(name="a", data=[1.0], unit="m", rate=1.0))
    assert recorded.path.read_bytes() == before


def test_asking_for_what_is_not_there_names_the_file_and_the_remedy(recorded):
    message = r"session\.nwb has no /processing/ophys"
    with open_session(recorded.path) as session, pytest.raises(SessionFileError, match=message):
        session.get(layout.FLUORESCENCE)


def test_removing_rois_removes_what_refers_to_them(analysed):
    with edit_session(analysed) as writer:
        removed = writer.remove([layout.IMAGE_SEGMENTATION])
        assert not writer.has(layout.DF_OVER_F)
    assert layout.DF_OVER_F in removed
    assert "/processing/events/CalciumEventsDerivative" in removed
    assert "/processing/events" in removed, "an empty module goes too"
    with h5py.File(analysed) as h5:
        assert all(target for _, target in iterate_references(h5))
        assert layout.MOTION_SHIFTS in h5
    assert pynwb.validate(path=str(analysed)) == []


def test_replaced_rois_are_the_new_ones_and_old_results_on_them_are_gone(analysed):
    with edit_session(analysed) as writer:
        replace_rois(writer)
        assert layout.DF_OVER_F in writer.removed
    with open_session(analysed) as session:
        assert read_segmentation(session).n_rois == 4
        assert not session.has(layout.DF_OVER_F)
    assert pynwb.validate(path=str(analysed)) == []


def test_a_link_to_a_replaced_series_stays(recorded):
    path = "/processing/spectral/S"
    series = np.arange(60.0)

    @as_ours
    def write(writer):
        write_series(writer, layout.MEAN_FLUORESCENCE, series, unit="n.a.", description="d")
        write_spectrogram(
            writer,
            path,
            BandPower(
                np.ones((9, 1, 2)),
                band_limits_hz=np.array([[0.0, 1.0], [1.0, 2.0]]),
                unit="1/Hz",
                description="d",
                source=layout.MEAN_FLUORESCENCE,
            ),
            rate_hz=1.0,
        )

    with edit_session(recorded.path) as writer:
        write(writer)
    with edit_session(recorded.path) as writer:
        writer.remove([layout.MEAN_FLUORESCENCE])
        assert writer.nwbfile.identifier, "pynwb can read the file meanwhile"
        write_series(writer, layout.MEAN_FLUORESCENCE, -series, unit="n.a.", description="d")
    assert path not in writer.removed
    with open_session(recorded.path) as session:
        assert session.get(path).source_timeseries.data[1] == -1


def test_what_links_to_a_removed_series_is_removed_at_the_end(recorded):
    first, second = "/processing/ophys/A", "/processing/ophys/B"

    @as_ours
    def write(writer):
        data = {"data": np.arange(4.0), "unit": "m", "description": "d"}
        write_series(writer, first, **data, timestamps=np.array([0.0, 1.0, 2.0, 4.0]))
        write_series(writer, second, **data, timestamps_from=first)

    with edit_session(recorded.path) as writer:
        write(writer)
    with edit_session(recorded.path) as writer:
        assert writer.remove([first]) == [first]
    assert set(writer.removed) == {first, second, "/processing/ophys"}
    with open_session(recorded.path) as session:
        assert find_dangling_links(session.h5) == []
        assert not session.has("/processing/ophys")


def test_what_others_link_to_is_kept_and_their_link_follows(recorded):
    with edit_session(recorded.path) as writer:
        writer.h5["acquisition/Linked"] = h5py.SoftLink("/processing/sync/FrameLedger")
    with edit_session(recorded.path) as writer:
        assert writer.remove(["/processing/sync/FrameLedger"]) == []
    assert writer.superseded == {
        "/processing/sync/FrameLedger": "/processing/sync/FrameLedger_superseded"
    }
    with h5py.File(recorded.path) as h5:
        assert h5["acquisition/Linked"] == h5["processing/sync/FrameLedger_superseded"]


def test_replacing_large_results_keeps_the_old_part_of_the_file_untouched(analysed):
    traces = np.random.default_rng(0).random((60, 3)).astype(np.float32)
    with edit_session(analysed) as writer:
        for _ in range(3):
            write_roi_series(writer, layout.DFF_TRACES, traces, unit="n.a.", description="d")
        n_pages = len(writer._overlay.pages)
    with open_session(analysed) as session:
        assert np.array_equal(session.get(layout.DFF_TRACES).data[:], traces)
    assert n_pages < 40


def test_whole_columns_are_created_and_replaced(analysed):
    table = layout.PLANE_SEGMENTATION
    with edit_session(analysed) as writer:
        writer.set_columns(table, {"snr": ("Ratio.", np.arange(3.0))})
        decisions = ["keep", "", "reject"]
        writer.set_columns(table, {"snr": ("New.", np.arange(3)), "decision": ("D.", decisions)})
    with open_session(analysed) as session:
        columns = session.get(table)
        assert columns["snr"].description == "New."
        assert list(columns["snr"].data[:]) == [0, 1, 2]
        assert list(columns["decision"].data[:]) == decisions
        assert columns.colnames.count("snr") == 1
    assert pynwb.validate(path=str(analysed)) == []


def test_a_column_of_the_wrong_length_is_refused(analysed):
    before = analysed.read_bytes()
    with pytest.raises(ValueError, match="3 rows"), edit_session(analysed) as writer:
        writer.set_columns(layout.PLANE_SEGMENTATION, {"snr": ("Ratio.", np.arange(4.0))})
    assert analysed.read_bytes() == before


def test_new_times_reach_everything_that_shares_them(analysed, recorded_template):
    times = recorded_template.frame_times_s * 1.00004 + 7
    with edit_session(analysed) as writer:
        writer.replace_timestamps(layout.MOVIE, times)
        writer.replace_timestamps(layout.MOTION_SHIFTS, times + 1)  # linked: left alone
    with open_session(analysed) as session:
        for path in (layout.MOVIE, layout.MOTION_SHIFTS, layout.RAW_TRACES):
            assert np.array_equal(session.get(path).timestamps[:], times)


def test_a_regular_series_can_be_given_explicit_times(recorded):
    path = "/processing/misc/Regular"
    with edit_session(recorded.path) as writer:
        write_series(writer, path, np.arange(4.0), unit="m", description="d", rate_hz=2.0)
    with edit_session(recorded.path) as writer:
        writer.replace_timestamps(path, np.array([0.0, 0.6, 1.0, 1.4]))
    with open_session(recorded.path) as session:
        times, _ = read_series(session, path)
        assert list(times) == [0.0, 0.6, 1.0, 1.4]
        assert session.get(path).rate is None
    assert pynwb.validate(path=str(recorded.path)) == []


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [(5, np.nan, "time 5 is nan"), (5, 0.0, "time 5 .* is not later")],
)
def test_times_that_go_back_or_are_no_numbers_are_refused(recorded, index, value, message):
    times = recorded.frame_times_s.copy()
    times[index] = value
    with pytest.raises(TimestampError, match=message), edit_session(recorded.path) as writer:
        writer.replace_timestamps(layout.MOVIE, times)


def test_the_reference_time_is_moved(recorded):
    moved = START - timedelta(seconds=3.25)
    with edit_session(recorded.path) as writer:
        writer.set_reference_time(moved)
    with open_session(recorded.path) as session:
        assert session.nwbfile.timestamps_reference_time == moved
        assert session.nwbfile.session_start_time == START


def test_a_reference_time_without_zone_is_refused(recorded):
    with pytest.raises(ValueError, match="time zone"), edit_session(recorded.path) as writer:
        writer.set_reference_time(datetime(2024, 1, 1))


@pytest.mark.parametrize("content", [b"", b"no HDF5", b"\x89HDF\r\n\x1a\n" + bytes(80)])
def test_what_is_no_nwb_file_is_refused(tmp_path, content):
    path = tmp_path / "x.nwb"
    path.write_bytes(content)
    with pytest.raises(SessionFileError):
        open_session(path)
    with pytest.raises(SessionFileError):
        edit_session(path).__enter__()
    assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["x.nwb"]


def test_a_file_cut_short_is_refused(recorded):
    content = recorded.path.read_bytes()[:-100]
    recorded.path.write_bytes(content)
    with pytest.raises(SessionFileError, match="cut off"):
        open_session(recorded.path)
    with pytest.raises(SessionFileError, match="cut off"):
        edit_session(recorded.path).__enter__()
    assert recorded.path.read_bytes() == content


def test_an_hdf5_file_that_is_no_nwb_is_refused(tmp_path):
    path = tmp_path / "x.nwb"
    with h5py.File(path, "w") as h5:
        h5["a"] = 1
    with open_session(path) as session, pytest.raises(SessionFileError, match="not a readable NWB"):
        _ = session.nwbfile


def test_a_file_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(SessionFileError, match="does not exist"):
        open_session(tmp_path / "none.nwb")
    assert list(tmp_path.iterdir()) == []


def test_two_extractions_stand_side_by_side(analysed):
    kept = ["/processing/ophys/ImageSegmentation", "/processing/ophys/Fluorescence"]
    kept += [layout.DF_OVER_F, "/processing/events/CalciumEventsDerivative"]
    with open_session(analysed) as session:
        raw = session.get(layout.RAW_TRACES).data[:]
        object_id = session.get(layout.RAW_TRACES).object_id
    with edit_session(analysed) as writer:
        names = writer.keep_as(kept, "first-try")
        replace_rois(writer)
        assert "/processing/ophys/Fluorescence_first-try" not in writer.removed
    assert names[layout.DF_OVER_F] == "/processing/ophys/DfOverF_first-try"
    with open_session(analysed) as session:
        old = session.get("/processing/ophys/Fluorescence_first-try/RoiResponseSeries")
        assert np.array_equal(old.data[:], raw)
        assert old.object_id == object_id
        assert len(old.rois.table) == 3
        events = session.get("/processing/events/CalciumEventsDerivative_first-try")
        assert events["roi"].table.object_id == old.rois.table.object_id
        assert len(session.get(layout.RAW_TRACES).rois.table) == 4
    assert pynwb.validate(path=str(analysed)) == []


def test_links_follow_a_renamed_object(recorded):
    first, second = "/processing/ophys/A", "/processing/ophys/B"
    with edit_session(recorded.path) as writer:
        data = {"data": np.arange(4.0), "unit": "m", "description": "d"}
        write_series(writer, first, **data, timestamps=np.array([0.0, 1.0, 2.0, 4.0]))
        write_series(writer, second, **data, timestamps_from=first)
    with edit_session(recorded.path) as writer:
        writer.keep_as([first, second], "x")
    with open_session(recorded.path) as session:
        assert list(session.get(f"{second}_x").timestamps[:]) == [0, 1, 2, 4]
        link = session.h5.get(f"{second}_x/timestamps", getlink=True)
        assert link.path == f"{first}_x/timestamps"


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "a b"])
def test_a_name_that_nwb_cannot_hold_is_refused(analysed, name):
    with edit_session(analysed) as writer, pytest.raises(SessionFileError, match="another name"):
        writer.keep_as([layout.FLUORESCENCE], name)


def test_a_name_that_is_taken_is_refused(analysed):
    with edit_session(analysed) as writer:
        writer.keep_as([layout.MOTION_SHIFTS], "x")
        write_series(
            writer, layout.MOTION_SHIFTS, np.zeros((60, 2)), unit="pixels", description="d"
        )
        with pytest.raises(SessionFileError, match="which exists"):
            writer.keep_as([layout.MOTION_SHIFTS], "x")
