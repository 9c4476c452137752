"""Movies of any program, as a mapping describes them."""

import h5py
import numpy as np
import pytest

from ace_nwb.conversion import convert
from ace_nwb.errors import FormatError, InputError, MetadataError
from ace_nwb.inspection import inspect_folder
from ace_nwb.interfaces.mapped_movie import read_recording
from ace_nwb.interfaces.sources import SourceOptions
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.session import open_session
from ace_nwb.pipeline import process, undo_sync
from tests.fixtures.neuralynx_files import FIRST_US, draw_samples, ttl, write_ncs, write_nev
from tests.fixtures.recordings import (
    MAPPED_STAMPS_US,
    METADATA,
    draw_frames,
    write_mapped_recording,
    write_movie,
)

START = "2025-06-12T15:26:31.176-04:00"


def test_a_mapping_in_the_folder_is_taken(tmp_path):
    write_mapped_recording(tmp_path)
    path = convert(tmp_path, tmp_path / "out.nwb", metadata=METADATA)
    with h5py.File(path) as h5:
        series = h5["acquisition/OnePhotonSeries"]
        assert np.array_equal(series["data"][:].transpose(0, 2, 1), draw_frames(12))
        assert series["timestamps"][:] == pytest.approx(MAPPED_STAMPS_US[:12] / 1e6)
        assert h5["session_start_time"].asstr()[()] == "2025-06-12T15:26:31.176000-04:00"
        told = h5["processing/misc/stage_runs/warnings"].asstr()[0]
        assert "times=t.csv, time_column=usec, time_unit=us" in told


def test_a_mapping_can_be_given(tmp_path):
    write_movie(tmp_path / "a.avi", draw_frames(6))
    mapping = {"movies": "*.avi", "frame_rate_hz": 20, "start_time": START}
    options = SourceOptions(formats=["movie-files"], mapping=mapping)
    inspection = inspect_folder(tmp_path, metadata=METADATA, options=options)
    assert "6 frames (counted by packets)" in inspection.to_text()
    assert inspection.problems == ()
    path = convert(tmp_path, tmp_path / "out.nwb", metadata=METADATA, options=options)
    with h5py.File(path) as h5:
        series = h5["acquisition/OnePhotonSeries"]
        assert "timestamps" not in series  # regular stamps would be a violation
        assert series["starting_time"][()] == 0
        assert series["starting_time"].attrs["rate"] == pytest.approx(20, rel=1e-12)


def test_regular_frames_are_moved_to_the_pulses_by_sync_and_back_by_undo(tmp_path):
    raw, ephys = tmp_path / "raw", tmp_path / "ephys"
    raw.mkdir()
    ephys.mkdir()
    write_movie(raw / "a.avi", draw_frames(60))
    write_ncs(ephys / "CSC1.ncs", draw_samples(12_000))
    edges_us = FIRST_US + 1_000_000 + 50_010 * np.arange(60)
    write_nev(ephys / "Events.nev", [ttl(t, i % 2) for i, t in enumerate(edges_us, 1)])
    mapping = {"movies": "*.avi", "frame_rate_hz": 20, "start_time": START}
    options = SourceOptions(formats=["movie-files", "neuralynx"], mapping=mapping)
    path = convert(
        raw, tmp_path / "out.nwb", ephys_folder=ephys, metadata=METADATA, options=options
    )
    process(path, "sync", {"recorder": "trigger"})
    with open_session(path) as session:
        times_s = NwbMovie(session).timestamps
    assert times_s == pytest.approx((edges_us - FIRST_US) / 1e6, abs=1e-6)
    undo_sync(path)
    with open_session(path) as session:
        assert NwbMovie(session).timestamps == pytest.approx(np.arange(60) / 20, abs=1e-9)


def test_tiff_stacks_are_movies(tmp_path):
    from PIL import Image

    frames = np.random.default_rng(0).integers(0, 2**16, (5, 14, 22), np.uint16)
    pages = [Image.fromarray(frame) for frame in frames]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    mapping = {"movies": "*.tif", "frame_rate_hz": 20, "start_time": START}
    options = SourceOptions(formats=["movie-files"], mapping=mapping)
    path = convert(tmp_path, tmp_path / "out.nwb", metadata=METADATA, options=options)
    with h5py.File(path) as h5:
        data = h5["acquisition/OnePhotonSeries/data"]
        assert data.dtype == np.uint16
        assert np.array_equal(data[:].transpose(0, 2, 1), frames)


def test_movies_without_a_mapping_are_of_no_known_format(tmp_path):
    write_movie(tmp_path / "a.avi", draw_frames(6))
    with pytest.raises(FormatError, match="known format"):
        convert(tmp_path, tmp_path / "out.nwb", metadata=METADATA)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("movies: '*.avi'\n", "Either a table of times or a rate"),
        ("movie: '*.avi'\n", "movie"),
        ("movies: 'none*.avi'\nframe_rate_hz: 20\n", "holds no file none"),
        ("movies: '../*.avi'\nframe_rate_hz: 20\n", "within"),
        ("[1, 2]\n", "does not fit"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(tmp_path, text, words):
    folder = tmp_path / "in"
    folder.mkdir()
    write_mapped_recording(folder)
    write_movie(tmp_path / "outside.avi", draw_frames(2))
    (folder / "ace-nwb.yaml").write_text(text)
    with pytest.raises((MetadataError, InputError), match=words):
        read_recording(folder)
