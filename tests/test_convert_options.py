"""Choices of the user: time zone, format, segments, template; and what several devices become."""

import json
import re
import subprocess
import sys

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO

from ace_nwb.conversion import convert
from ace_nwb.errors import FormatError, MetadataError, OutputError, UnknownNameError
from ace_nwb.inspection import inspect_folder, write_template_file
from ace_nwb.interfaces.data_interfaces import MiniscopeDaqInterface
from ace_nwb.interfaces.extractor import MovieExtractor
from ace_nwb.interfaces.metadata import load_metadata
from ace_nwb.interfaces.sources import SourceOptions
from tests.fixtures.recordings import (
    METADATA,
    START,
    draw_frames,
    make_tiny_recording,
    write_base,
    write_device,
)


def convert_tiny(tiny, options=None):
    return convert(tiny.folder, tiny.folder.parent / "o.nwb", metadata=METADATA, options=options)


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (None, "2025-06-12T15:26:31.176000-04:00"),
        ("Europe/Berlin", "2025-06-12T15:26:31.176000+02:00"),
        ("+05:45", "2025-06-12T15:26:31.176000+05:45"),
        ("UTC", "2025-06-12T15:26:31.176000+00:00"),
    ],
)
def test_a_stated_zone_replaces_the_derived_one(tiny, zone, expected):
    path = convert_tiny(tiny, SourceOptions(timezone=zone))
    with h5py.File(path) as h5:
        assert h5["session_start_time"].asstr()[()] == expected


def test_an_unknown_zone_is_refused(tiny):
    with pytest.raises(MetadataError, match="Mars/Olympus"):
        convert_tiny(tiny, SourceOptions(timezone="Mars/Olympus"))


def make_second(tiny, *, later_s: int, name: str = "15_40_00"):
    second = make_tiny_recording(tiny.folder.parent / name)
    start = START | {"minute": 26, "msecSinceEpoch": START["msecSinceEpoch"] + later_s * 1000}
    minutes, start["second"] = divmod(31 + later_s, 60)
    start["minute"] += minutes
    content = {"animalName": "m1", "miniscopes": ["My Scope"], "recordingStartTime": start}
    (second.folder / "metaData.json").write_text(json.dumps(content))
    return second


def test_segments_are_one_movie_with_their_true_gap(tiny):
    second = make_second(tiny, later_s=600)
    (second.folder / "notes.csv").write_text("Time Stamp (ms), Note\n1000,back again\n")
    path = convert(
        tiny.folder.parent,
        tiny.folder.parents[1] / "o.nwb",
        metadata=METADATA,
        options=SourceOptions(segments=True),
    )
    with NWBHDF5IO(path, "r") as io:
        nwbfile = io.read()
        series = nwbfile.acquisition["OnePhotonSeries"]
        assert np.array_equal(series.data[57:].transpose(0, 2, 1), second.frames)
        expected = np.concatenate([tiny.stamps_ms / 1000, 600 + second.stamps_ms / 1000])
        assert series.timestamps[:] == pytest.approx(expected, abs=1e-9)
        ledger = nwbfile.processing["sync"]["FrameLedger"][:]
        assert ledger["movie_frame"].tolist() == list(range(114))
        assert ledger["file"][57] == "15_40_00/My_Scope/0.avi"
        segments = nwbfile.processing["sync"]["RecordingSegments"][:]
        assert segments["folder"].tolist() == ["15_26_31", "15_40_00"]
        assert segments["device_start_s"].tolist() == pytest.approx([0.04, 600.04])
        assert nwbfile.events["Notes"]["timestamp"].data[:].tolist() == [601.0]
        assert nwbfile.session_start_time.isoformat().startswith("2025-06-12T15:26:31.176")


def test_segments_that_overlap_are_refused(tiny):
    make_second(tiny, later_s=1)
    said = inspect_folder(tiny.folder.parent, options=SourceOptions(segments=True)).problems
    assert any("overlap in time" in problem for problem in said)
    with pytest.raises(FormatError, match="overlap in time"):
        convert(
            tiny.folder.parent,
            tiny.folder.parents[1] / "o.nwb",
            metadata=METADATA,
            options=SourceOptions(segments=True),
        )


def test_segments_of_other_devices_are_refused(tiny):
    second = make_second(tiny, later_s=600)
    write_base(second.folder, ["My Scope"], ["Cam"])
    write_device(second.folder / "Cam", draw_frames(3), 10 + 50 * np.arange(3))
    said = inspect_folder(tiny.folder.parent, options=SourceOptions(segments=True)).problems
    assert any("have other devices" in problem for problem in said)
    with pytest.raises(FormatError, match="The same devices in all segments"):
        convert(
            tiny.folder.parent,
            tiny.folder.parents[1] / "o.nwb",
            metadata=METADATA,
            options=SourceOptions(segments=True),
        )


def test_a_stated_format_is_the_only_one_asked(tiny):
    with pytest.raises(FormatError, match=r"known format \(miniscope-v3\)"):
        convert_tiny(tiny, SourceOptions(formats=["miniscope-v3"]))
    with pytest.raises(UnknownNameError, match="no format 'miniscop'"):
        convert_tiny(tiny, SourceOptions(formats=["miniscop"]))
    assert convert_tiny(tiny, SourceOptions(formats=["miniscope-daq"])).is_file()


def test_devices_whose_cleaned_names_collide_are_numbered(tiny):
    write_base(tiny.folder, ["My Scope", "My-Scope"])
    other = draw_frames(6, 10, 14, seed=5)
    write_device(tiny.folder / "My-Scope", other, 10 + 50 * np.arange(6))
    with NWBHDF5IO(convert_tiny(tiny), "r") as io:
        nwbfile = io.read()
        assert set(nwbfile.devices) == {"MyScope", "MyScope2"}
        first, second = (nwbfile.acquisition[f"OnePhotonSeriesMyScope{n}"] for n in ("", "2"))
        assert {len(first.data), len(second.data)} == {57, 6}


def test_the_clock_of_the_computer_and_ledgers_of_cameras_are_kept(tiny):
    header = "Frame Number,Time Stamp (ms),Buffer Index,DAQ Frame Number,Unix Time Stamp (ms)"
    rows = [f"{n},{t},0,{n},{1749756391176 + t}" for n, t in enumerate(tiny.stamps_ms)]
    (tiny.scope / "timeStamps.csv").write_text("\n".join([header, *rows]) + "\n")
    write_base(tiny.folder, ["My Scope"], ["Cam"])
    write_device(tiny.folder / "Cam", draw_frames(6), 10 + 50 * np.arange(6), device_type="WebCam")
    with h5py.File(convert_tiny(tiny)) as h5:
        unix_s = h5["processing/sync/FrameLedger/unix_time_s"][:]
        assert unix_s == pytest.approx(1749756391.176 + tiny.stamps_ms / 1000, abs=1e-6)
        assert len(h5["processing/sync/FrameLedgerCam/status"]) == 6


def test_a_template_can_be_read_and_holds_what_the_recording_says(tiny, tmp_path):
    path = tmp_path / "meta.yaml"
    write_template_file(path, inspect_folder(tiny.folder))
    text = path.read_text()
    assert '  # REQUIRED. Latin name, such as "Mus musculus".\n  species:\n' in text
    metadata = load_metadata(path)
    assert metadata.Subject.subject_id == "m1"
    assert metadata.NWBFile.session_start_time.isoformat() == "2025-06-12T15:26:31.176000-04:00"
    with pytest.raises(OutputError, match=r"meta\.yaml exists"):
        write_template_file(path, inspect_folder(tiny.folder))


def test_a_template_is_filled_in_without_touching_its_shape(tiny, tmp_path):
    text = inspect_folder(tiny.folder).to_template()
    answers = {"species": "Mus musculus", "sex": "F", "age": "P90D", "indicator": "GCaMP6f"}
    for key, answer in answers.items():
        text = re.sub(rf"^( +{key}:)$", rf"\1 {answer}", text, flags=re.MULTILINE)
    path = tmp_path / "meta.yaml"
    path.write_text(text)
    metadata = load_metadata(path)
    assert (metadata.Subject.species, metadata.Subject.age) == ("Mus musculus", "P90D")
    assert metadata.Ophys.ImagingPlane.indicator == "GCaMP6f"
    assert metadata.Ophys.ImagingPlane.location is None  # left blank


def test_a_template_names_every_key_of_the_schema(tiny):
    text = inspect_folder(tiny.folder).to_template()
    for key in ("session_description", "species", "excitation_lambda_nm", "Ecephys", "genotype"):
        assert f"{key}:" in text


def test_the_movie_is_an_extractor_of_roiextractors(tiny):
    recording = MiniscopeDaqInterface(folder_path=tiny.folder).recording
    extractor = MovieExtractor(recording.scopes[0])
    assert extractor.get_num_samples() == 57
    assert extractor.get_image_shape() == tiny.frames.shape[1:]
    assert np.array_equal(extractor.get_series(3, 9), tiny.frames[3:9])
    assert extractor.get_timestamps() == pytest.approx(tiny.stamps_ms / 1000)


def test_the_command_line_takes_policies_zone_and_template(tiny, tmp_path):
    stamps = tiny.scope / "timeStamps.csv"
    stamps.write_text(stamps.read_text() + "57,3000,0,57\n")
    code = "import sys; from ace_nwb.cli import run; sys.exit(run(sys.argv[1:]))"
    base = [sys.executable, "-W", "ignore", "-c", code]
    options = ["--policy", "extra_rows=leave_out", "--timezone", "-04:00"]
    said = subprocess.run(
        [*base, "inspect", str(tiny.folder), *options, "--template", str(tmp_path / "m.yaml")],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "(extra_rows=leave_out)" in said
    out = tmp_path / "o.nwb"
    done = subprocess.run(
        [*base, "convert", str(tiny.folder), str(out), *options,
         "--metadata", str(tmp_path / "m.yaml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with h5py.File(out) as h5:
        assert b"extra_row" in h5["processing/sync/FrameLedger/status"][:].tolist()
