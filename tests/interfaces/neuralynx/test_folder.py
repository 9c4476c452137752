import numpy as np
import pytest

from ace_nwb.errors import EphysError
from ace_nwb.interfaces.imaging_recording import ReadOptions
from ace_nwb.interfaces.neuralynx.folder import (
    find_recordings,
    read_recording,
    summarise_recording,
)
from ace_nwb.interfaces.neuralynx.interface import group_labels
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
    (group,) = read_recording(folder).groups
    assert [channel.name for channel in group] == ["CSC1", "CSC2", "CSC10"]
    assert group_labels([group]) == [""]


def test_channels_of_other_rate_form_their_own_group(folder):
    write_ncs(folder / "EMG.ncs", draw_samples(9000), rate_hz=6000.0)
    groups = read_recording(folder).groups
    assert [[channel.name for channel in group] for group in groups] == [
        ["CSC1", "CSC2", "CSC10"],
        ["EMG"],
    ]
    assert group_labels(groups) == ["2000Hz", "6000Hz"]


def test_channels_with_other_gaps_form_their_own_group(folder):
    starts = FIRST_US + np.array([0, 256000, 512000, 1768000, 2024000, 2280000])
    write_ncs(folder / "EMG.ncs", draw_samples(3000), starts_us=starts)
    groups = read_recording(folder).groups
    assert [len(group) for group in groups] == [3, 1]
    assert group_labels(groups) == ["2000HzA", "2000HzB"]


def test_zero_is_the_first_sample_of_any_channel(folder):
    starts = FIRST_US - 1000 + 256000 * np.arange(2)
    write_ncs(folder / "EMG.ncs", draw_samples(1024), starts_us=starts)
    assert read_recording(folder).zero_us == FIRST_US - 1000


def test_empty_channels_are_left_out_and_named(folder):
    (folder / "CSC3.ncs").write_bytes(header_bytes({"SamplingFrequency": "2000"}))
    recording = read_recording(folder)
    assert len(recording.channels) == 3
    assert "CSC3.ncs holds a header and no samples" in recording.warnings[0]


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
    summary = summarise_recording(folder, ReadOptions())
    channel = summary.channels[0]
    assert (channel.name, channel.rate_hz, channel.n_samples) == ("CSC1", 2000.0, 3000)
    assert channel.microvolt_per_bit == pytest.approx(0.03051851)
    (line,) = summary.lines
    assert (line.name, line.n_edges) == ("TTLBoard0Port0Bit0", 2)
    assert (line.first_s, line.last_s) == (0.005, 0.009)
    assert line.edge_rate_hz == pytest.approx(250.0)


def test_summary_of_a_damaged_folder_says_what_is_wrong(tmp_path):
    (tmp_path / "CSC3.ncs").write_bytes(b"nonsense" * 4000)
    summary = summarise_recording(tmp_path, ReadOptions())
    assert "begins with" in summary.problems[0]
