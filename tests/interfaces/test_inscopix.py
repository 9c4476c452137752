"""Inscopix movies: with a stand-in for Inscopix' reader, and with the reader where it is there."""

import sys

import h5py
import numpy as np
import pytest

from ace_nwb.conversion import convert
from ace_nwb.errors import FormatError, MissingPackageError, MovieError
from ace_nwb.inspection import inspect_folder
from ace_nwb.interfaces.inscopix import read_recording
from tests.fixtures.fake_isx import write_isxd
from tests.fixtures.recordings import METADATA

FRAMES = np.random.default_rng(0).integers(0, 4096, (12, 14, 22), dtype=np.uint16)
LOST = [3, 4, 9]
KEPT = np.setdiff1d(np.arange(12), LOST)


def check_file(path, times_s):
    with h5py.File(path) as h5:
        series = h5["acquisition/OnePhotonSeries"]
        assert np.array_equal(series["data"][:].transpose(0, 2, 1), FRAMES[KEPT])
        assert series["data"].dtype == np.uint16
        assert series["timestamps"][:] == pytest.approx(times_s, abs=1e-9)
        ledger = h5["processing/sync/FrameLedger"]
        status = ledger["status"].asstr()[:]
        assert np.flatnonzero(status == "dropped").tolist() == LOST
        assert h5["session_start_time"].asstr()[()].startswith("2025-06-12T15:26:31.176")


@pytest.mark.usefixtures("fake_isx")
@pytest.mark.parametrize("has_stamps", [False, True])
def test_a_movie_round_trips_without_the_frames_that_were_lost(tmp_path, has_stamps):
    stamps_us = (50_000 * np.arange(12) + 7 * np.arange(12) ** 2 + 10**9).tolist()
    info = {"Microscope Type": "nVista3", "Exposure Time (ms)": 50, "Animal ID": "m7"}
    facts = {"dropped": LOST, "info": info, "stamps_us": stamps_us if has_stamps else None}
    write_isxd(tmp_path / "raw" / "movie.isxd", FRAMES, **facts)
    path = convert(tmp_path / "raw", tmp_path / "out.nwb", metadata=METADATA)
    true_s = (np.array(stamps_us)[KEPT] - stamps_us[0]) / 1e6 if has_stamps else KEPT * 0.05
    check_file(path, true_s)
    with h5py.File(path) as h5:
        table = h5["processing/misc/DeviceSettings"]
        settings = dict(zip(table["setting"].asstr(), table["value"].asstr(), strict=True))
        assert h5["general/devices/models/NVista3"].attrs["manufacturer"] == "Inscopix"
        assert settings["Exposure Time (ms)"] == "50"
        assert h5["session_start_time"].asstr()[()].endswith("-04:00")
    inspection = inspect_folder(tmp_path / "raw", metadata=METADATA)
    (recording,) = inspection.recordings
    assert recording.summary.subject_id == "m7"
    assert "9 frames (counted by pages), 9 time stamps, 3 lost" in inspection.to_text()


def test_a_missing_reader_is_named_with_the_extra_to_install(tmp_path, monkeypatch):
    write_isxd(tmp_path / "movie.isxd", FRAMES)
    monkeypatch.setitem(sys.modules, "isx", None)
    with pytest.raises(MissingPackageError, match=r'pip install "ace-nwb\[inscopix\]"'):
        read_recording(tmp_path)
    assert any("ace-nwb[inscopix]" in problem for problem in inspect_folder(tmp_path).problems)


@pytest.mark.usefixtures("fake_isx")
def test_a_cut_movie_and_several_movies_are_refused(tmp_path):
    path = write_isxd(tmp_path / "movie.isxd", FRAMES)
    write_isxd(tmp_path / "movie-PP.isxd", FRAMES)
    with pytest.raises(FormatError, match=r"movie-PP\.isxd, movie\.isxd\. One raw movie"):
        read_recording(tmp_path)
    (tmp_path / "movie-PP.isxd").unlink()
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(MovieError, match=r"movie\.isxd \(900 bytes\) cannot be read as an Insco"):
        read_recording(tmp_path)


@pytest.mark.interop
def test_a_real_file_round_trips_and_roiextractors_shows_lost_frames_as_black(tmp_path):
    isx = pytest.importorskip("isx")
    from roiextractors import InscopixImagingExtractor

    path = tmp_path / "raw" / "movie.isxd"
    path.parent.mkdir()
    start = isx.Time._from_secs_since_epoch(isx.Duration.from_msecs(1749756391176), -14400)
    timing = isx.Timing(
        num_samples=12, period=isx.Duration.from_msecs(50), dropped=LOST, start=start
    )
    movie = isx.Movie.write(str(path), timing, isx.Spacing(num_pixels=(14, 22)), np.uint16)
    for index in KEPT.tolist():
        movie.set_frame_data(index, FRAMES[index])
    movie.flush()
    del movie
    check_file(convert(path.parent, tmp_path / "out.nwb", metadata=METADATA), KEPT * 0.05)
    theirs = InscopixImagingExtractor(str(path))
    assert theirs.get_num_samples() == 12  # lost frames counted as pictures
    assert not theirs.get_series(3, 5).any()  # and given as black ones
    assert np.array_equal(theirs.get_series(5, 9), FRAMES[5:9])
