import numpy as np
import pytest

from ace_nwb.errors import EphysError
from ace_nwb.interfaces.imaging_recording import ReadOptions
from ace_nwb.interfaces.neuralynx import FORMAT
from ace_nwb.interfaces.neuralynx.folder import find_recordings, read_recording
from tests.fixtures.neuralynx_files import (
    FIRST_US,
    draw_samples,
    header_bytes,
    ttl,
    write_ncs,
    write_nev,
)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "2025-06-12_15-26-23"
    folder.mkdir()
    for name in ("CSC10", "CSC2", "CSC1"):
        write_ncs(folder / f"{name}.ncs", draw_samples(3000))
    write_nev(folder / "Events.nev", [ttl(FIRST_US + 5000, 1), ttl(FIRST_US + 9000, 0)])
    return folder


def test_channels_that_share_their_time_form_one_group_in_natural_order(folder):
    (stream,) = read_recording(folder).streams
    assert stream.listed == ("CSC1", "CSC2", "CSC10")
    assert stream.name == "ElectricalSeries"


def test_channels_of_other_rate_form_their_own_group(folder):
    write_ncs(folder / "EMG.ncs", draw_samples(9000), rate_hz=6000.0)
    recording = read_recording(folder)
    first, second = recording.streams
    assert (first.listed, first.electrodes) == (("CSC1", "CSC2", "CSC10"), (0, 1, 2))
    assert (second.listed, second.electrodes) == (("EMG",), (3,))
    assert (first.name, second.name) == ("ElectricalSeries2000Hz", "ElectricalSeries6000Hz")
    assert [one.name for one in recording.electrodes] == ["CSC1", "CSC2", "CSC10", "EMG"]


def test_channels_with_other_gaps_form_their_own_group(folder):
    starts = FIRST_US + np.array([0, 256000, 512000, 1768000, 2024000, 2280000])
    write_ncs(folder / "EMG.ncs", draw_samples(3000), starts_us=starts)
    streams = read_recording(folder).streams
    assert [len(stream.electrodes) for stream in streams] == [3, 1]
    assert [stream.name[-7:] for stream in streams] == ["2000HzA", "2000HzB"]


def test_zero_is_the_first_sample_of_any_channel(folder):
    starts = FIRST_US - 1000 + 256000 * np.arange(2)
    write_ncs(folder / "EMG.ncs", draw_samples(1024), starts_us=starts)
    starts_s = [stream.segments[0].start_s for stream in read_recording(folder).streams]
    assert starts_s == [0.001, 0.0]


def test_empty_channels_are_left_out_and_named(folder):
    (folder / "CSC3.ncs").write_bytes(header_bytes({"SamplingFrequency": "2000"}))
    recording = read_recording(folder)
    assert len(recording.electrodes) == 3
    assert "CSC3.ncs holds a header and no samples" in recording.told()[0]


def test_a_folder_of_empty_channels_is_refused(tmp_path):
    (tmp_path / "CSC3.ncs").write_bytes(header_bytes({"SamplingFrequency": "2000"}))
    with pytest.raises(EphysError, match=r"has 1 \.ncs files and no samples"):
        read_recording(tmp_path)


def test_a_recording_is_found_below_a_folder_with_its_evidence(folder):
    (found,) = find_recordings(folder.parent)
    assert found.folder_path == folder
    assert [item.finding for item in found.evidence] == [
        "3 .ncs files",
        "CSC1.ncs begins with a Neuralynx header",
        "events in Events.nev",
    ]


def test_summary_names_channels_gaps_and_lines(folder):
    summary = FORMAT.summarise(folder, ReadOptions())
    channel = summary.channels[0]
    assert (channel.name, channel.rate_hz, channel.n_samples) == ("CSC1", 2000.0, 3000)
    assert channel.microvolt_per_bit == pytest.approx(0.03051851)
    (line,) = summary.lines
    assert (line.name, line.n_edges) == ("TTLBoard0Port0Bit0", 2)
    assert (line.first_s, line.last_s) == (0.005, 0.009)
    assert line.edge_rate_hz == pytest.approx(250.0)


def test_summary_of_a_damaged_folder_says_what_is_wrong(tmp_path):
    (tmp_path / "CSC3.ncs").write_bytes(b"nonsense" * 4000)
    summary = FORMAT.summarise(tmp_path, ReadOptions())
    assert "begins with" in summary.problems[0]


@pytest.mark.parametrize(
    "line",
    [
        "## Time Opened (m/d/y): 6/2/2009  (h:m:s.ms) 18:4:5.421",
        "## Time Opened: (m/d/y): 06/02/2009 At Time: 18:04:05.421",
    ],
)
def test_headers_of_older_versions_say_when_the_file_was_opened(folder, line):
    for path in folder.glob("*.ncs"):
        content = path.read_bytes()
        header = (
            content[:16384].decode("latin-1").rstrip("\0").replace("-TimeCreated", line + "\n-X")
        )
        path.write_bytes(header.encode("latin-1").ljust(16384, b"\0") + content[16384:])
    assert read_recording(folder).start_time.isoformat() == "2009-06-02T18:04:05"


def test_files_that_are_not_read_are_named(folder):
    for name in ("VT1.nvt", "TT1.ntt", ".DS_Store"):
        (folder / name).write_bytes(b"x")
    assert read_recording(folder).remarks == ("Not read: TT1.ntt, VT1.nvt.",)
