"""Validation finds what is wrong, and nothing in the files that we write."""

import h5py
import numpy as np
import pynapple
import pytest
from pynwb import NWBHDF5IO
from roiextractors import NwbImagingExtractor, NwbSegmentationExtractor

from ace_nwb import process, read_events, run
from ace_nwb.archive import is_valid, validate
from ace_nwb.archive.validation import breaks_off_without_rows
from ace_nwb.cli import run as command
from ace_nwb.conversion import convert
from ace_nwb.errors import SessionFileError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.rois import read_segmentation
from ace_nwb.nwb.session import edit_session, open_session
from tests.fixtures.foreign_results import add_with_pynwb
from tests.fixtures.recordings import METADATA, draw_frames, write_base, write_device
from tests.fixtures.session_files import Recorded

MOVIE = "acquisition/OnePhotonSeries"


def test_what_we_write_is_valid(analysed):
    findings = validate(analysed)
    assert is_valid(findings), findings
    assert {f.check for f in findings} <= {
        "check_processing_module_name",
        "check_column_binary_capability",
        "check_layout_version",  # the fixture is not made by `convert`
    }


def test_a_session_without_events_is_as_valid_as_one_with(session_copy):
    def failing():
        return {f.check for f in validate(session_copy) if not is_valid([f])}

    before = failing()  # the videos, which the copy has left behind
    process(session_copy, "events", {"threshold_sd": 100.0})
    with open_session(session_copy) as session:
        assert len(read_events(session, "/processing/events/CalciumEventsDeconvolution")[0]) == 0
    assert failing() == before


@pytest.mark.parametrize("jitter_ms", [0, 3])
def test_a_movie_of_fewer_frames_than_pixels_a_side_is_valid(tmp_path, jitter_ms):
    write_base(tmp_path / "raw", ["My Scope"])
    stamps_ms = 50 * np.arange(6) + jitter_ms * (np.arange(6) % 2)
    write_device(tmp_path / "raw" / "My_Scope", draw_frames(6), stamps_ms)
    path = convert(tmp_path / "raw", tmp_path / "few.nwb", metadata=METADATA)
    findings = validate(path)
    assert "check_data_orientation" in {finding.check for finding in findings}
    assert is_valid(findings), findings


def test_a_session_in_which_no_roi_was_found_is_as_valid_as_one_with(session_copy):
    def failing():
        return {f.check for f in validate(session_copy) if not is_valid([f])}

    before = failing()
    process(session_copy, "extract", {"min_peak_to_noise": 10_000.0})
    outcomes = {one.stage: one.action for one in run(session_copy)}
    with open_session(session_copy) as session:
        assert read_segmentation(session).raw.shape[1] == 0
    assert outcomes["spectrogram"] == outcomes["coupling"] == "not applicable"
    assert failing() == before


BROKEN = "During evaluation of 'check_x' - "


@pytest.mark.parametrize(
    ("text", "is_told"),
    [
        (f"{BROKEN}IndexError: Index (0) out of range for empty dimension", True),
        (f"{BROKEN}IndexError: index 0 is out of bounds for axis 0 with size 0", True),
        (f"{BROKEN}OSError: Can't read data", False),
        ("check_single_row", False),
    ],
)
def test_only_a_check_that_asks_for_a_first_row_is_passed_over(text, is_told):
    assert breaks_off_without_rows(text) == is_told


def own_checks(path):
    """Run without the slow programs."""
    from ace_nwb.nwb.checks import check_session

    with open_session(path) as session:
        return check_session(session)


def test_our_own_checks_find_nothing_in_a_good_file(analysed):
    assert own_checks(analysed) == []


def put(path, name, index, value):
    with h5py.File(path, "r+") as h5:
        h5[name][index] = value


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "index", "value", "location", "message"),
    [
        (
            "acquisition/OnePhotonSeries/timestamps",
            7,
            np.nan,
            "/OnePhotonSeries",
            "7 is not finite",
        ),
        ("acquisition/OnePhotonSeries/timestamps", 7, 0.0, "/OnePhotonSeries", "7 is not later"),
        ("events/Notes/timestamp", 1, np.inf, "/Notes", "Event 1 has no finite time"),
        ("processing/sync/FrameLedger/movie_frame", 3, 4, "FrameLedger", "lists 60 recorded"),
        ("processing/sync/FrameLedger/movie_frame", 3, -1, "FrameLedger", "lists 59 recorded"),
        (
            "processing/events/CalciumEventsDerivative/roi",
            0,
            9,
            "CalciumEventsDerivative",
            "row 9 of a table with 3 rows",
        ),
    ],
)
def test_damage_that_others_overlook_is_found(analysed, name, index, value, location, message):
    put(analysed, name, index, value)
    findings = own_checks(analysed)
    assert any(message in f.message and f.location.endswith(location) for f in findings), findings
    assert not is_valid(findings)


def resize(path, name, length):
    with h5py.File(path, "r+") as h5:
        attributes, values = dict(h5[name].attrs), h5[name][:length]
        del h5[name]
        h5[name] = values
        h5[name].attrs.update(attributes)


@pytest.mark.filterwarnings("ignore")
def test_a_series_with_fewer_times_than_samples_is_found(analysed):
    resize(analysed, "processing/behavior/HeadOrientation/timestamps", 50)
    messages = [finding.message for finding in own_checks(analysed)]
    assert "There are 60 samples but 50 times." in messages


def test_a_table_with_columns_of_unequal_length_is_found(analysed):
    resize(analysed, "processing/sync/FrameLedger/status", 50)
    assert not is_valid(validate(analysed))


EPHYS = ["/acquisition/ElectricalSeries0", "/acquisition/ElectricalSeries1"]


def test_two_clocks_that_are_not_aligned_are_a_violation(recorded):
    found = [f for f in own_checks(recorded.path) if f.check == "check_clocks"]
    assert [f.location for f in found] == EPHYS
    assert "Two clocks, not aligned" in found[0].message
    assert not is_valid(found)


def test_aligned_clocks_are_none(analysed):
    assert not [f for f in own_checks(analysed) if f.check == "check_clocks"]


@pytest.mark.parametrize(("clock", "n_found"), [("one", 0), ("another", 2)])
def test_one_clock_of_the_recorder_for_both_needs_no_alignment(recorded, clock, n_found):
    facts = {
        "series": ("s", [layout.MOVIE, *EPHYS]),
        "clock": ("c", ["one", clock, clock]),
        "rate_hz": ("r", [1e6] * 3),
    }
    with edit_session(recorded.path) as writer:
        writer.create_table(layout.CLOCK_FACTS, "d", facts)
    found = [f for f in own_checks(recorded.path) if f.check == "check_clocks"]
    assert len(found) == n_found


def test_a_missing_or_absolute_video_is_found(recorded: Recorded):
    from pynwb.image import ImageSeries

    def add_cameras(nwbfile):
        for name, file in (("A", "gone.avi"), ("B", "/tmp/x.avi"), ("C", "../x.avi")):
            series = ImageSeries(
                name=name,
                external_file=[file],
                format="external",
                timestamps=[0.0, 1.5],
                starting_frame=[0],
                unit="n.a.",
            )
            nwbfile.add_acquisition(series)

    add_with_pynwb(recorded.path, add_cameras)
    messages = {f.location: f.message for f in own_checks(recorded.path)}
    assert "missing beside" in messages["/A"]
    assert "named relative to" in messages["/B"]
    assert "named relative to" in messages["/C"]


@pytest.mark.filterwarnings("ignore")
def test_a_link_to_nothing_is_found(analysed):
    with h5py.File(analysed, "r+") as h5:
        h5["processing/ophys/x"] = h5py.SoftLink("/nowhere")
    findings = own_checks(analysed)
    assert [(f.check, f.location) for f in findings] == [("check_links", "/processing/ophys/x")]


def test_what_breaks_the_schema_is_found(analysed):
    with h5py.File(analysed, "r+") as h5:
        del h5["session_description"]
    assert not is_valid(validate(analysed))


def test_a_violation_of_the_dandi_rules_is_found(analysed):
    with h5py.File(analysed, "r+") as h5:
        del h5["general/subject/species"]
    findings = validate(analysed)
    assert any(f.check == "check_subject_species_exists" for f in findings)
    assert not is_valid(findings)


def test_a_file_that_cannot_be_opened_is_one_finding(tmp_path):
    path = tmp_path / "x.nwb"
    path.write_bytes(b"nothing of the kind")
    (finding,) = validate(path)
    assert (finding.severity, finding.check) == ("ERROR", "check_open")


def test_a_file_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(SessionFileError, match="does not exist"):
        validate(tmp_path / "x.nwb")


@pytest.mark.interop
@pytest.mark.filterwarnings("ignore")
def test_roiextractors_reads_movie_footprints_and_traces(analysed, recorded_template):
    imaging = NwbImagingExtractor(analysed, optical_series_name="OnePhotonSeries")
    assert np.array_equal(np.squeeze(imaging.get_series()), recorded_template.frames)
    extractor = NwbSegmentationExtractor(analysed)
    with open_session(analysed) as session:
        segmentation = read_segmentation(session)
    assert np.array_equal(extractor.get_traces(name="raw"), segmentation.raw)
    assert np.array_equal(extractor.get_traces(name="denoised"), segmentation.denoised)
    masks = np.moveaxis(extractor.get_roi_image_masks(), -1, 0)
    assert np.array_equal(masks[:, 1:12, 2:18], segmentation.image_masks())


@pytest.mark.interop
@pytest.mark.filterwarnings("ignore")
def test_pynapple_reads_traces_with_aligned_times(analysed, recorded_template):
    data = pynapple.load_file(str(analysed))
    traces = data["Denoised"]
    assert traces.shape == (60, 3)
    assert np.allclose(traces.index.values, recorded_template.frame_times_s + 3.25)


@pytest.mark.interop
@pytest.mark.filterwarnings("ignore")
def test_dandi_accepts_what_we_write(analysed, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_ET", "1")  # no call home
    monkeypatch.setenv("DANDI_NO_ET", "1")
    from dandi.validate._core import validate as validate_dandi

    (tmp_path / "dandiset.yaml").write_text("identifier: DANDI:000001\nname: n\n")
    (tmp_path / "sub-m1").mkdir()
    path = analysed.rename(tmp_path / "sub-m1" / "sub-m1_ses-s1_ophys.nwb")
    worst = [str(f.severity) for f in validate_dandi(path) if f.severity and f.severity.value >= 40]
    assert worst == []


@pytest.mark.interop
def test_plain_pynwb_reads_everything(analysed):
    with NWBHDF5IO(analysed, "r") as io:
        for found in io.read().all_children():
            assert found.name


def test_a_reference_to_a_removed_object_is_found_and_named(session_copy, tmp_path, capsys):
    with h5py.File(session_copy, "r+") as file:
        groups = file["general/extracellular_ephys"]
        removed = next(name for name in groups if name != "electrodes")
        del groups[removed]
    found = [one for one in validate(session_copy) if one.check == "check_links"]
    assert {"ERROR"} == {one.severity for one in found}
    assert "/general/extracellular_ephys/electrodes/group" in {one.location for one in found}
    assert command(["export", str(session_copy), "--zarr", str(tmp_path / "z.zarr")]) == 1
    assert "electrodes/group" in capsys.readouterr().err
