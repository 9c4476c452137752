"""Reading the movie: every frame and patch as stored, whichever way it was stored."""

import h5py
import numpy as np
import pytest

from ace_nwb.errors import SessionFileError
from ace_nwb.imaging.movie import iterate_blocks
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.session import open_session

STORAGES = {
    "gzip": {"chunks": (16, 7, 9), "compression": "gzip"},
    "gzip and shuffle": {"chunks": (16, 7, 9), "compression": "gzip", "shuffle": True},
    "whole frames": {"chunks": (1, 20, 14), "compression": "gzip", "compression_opts": 1},
    "chunks without filter": {"chunks": (16, 7, 9)},
    "other filter": {"chunks": (16, 7, 9), "compression": "lzf"},
    "contiguous": {},
}


def store(path, frames, **storage):
    with h5py.File(path, "r+") as h5:
        series = h5["acquisition/OnePhotonSeries"]
        attributes = dict(series["data"].attrs)
        del series["data"]
        data = series.create_dataset("data", data=frames.transpose(0, 2, 1), **storage)
        data.attrs.update(attributes)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("storage", STORAGES)
def test_any_storage_gives_the_same_frames(recorded, storage, dtype):
    frames = recorded.frames.astype(dtype) * dtype(1 if dtype == np.uint8 else 201)
    store(recorded.path, frames, **STORAGES[storage])
    with open_session(recorded.path) as session:
        movie = NwbMovie(session)
        assert movie.shape == (60, 14, 20)
        assert movie.dtype == dtype
        assert np.array_equal(movie.read(0, 60), frames)
        assert np.array_equal(movie.read(17, 18), frames[17:18])


@pytest.mark.parametrize("workers", [1, 3])
def test_a_patch_is_read_without_the_rest(recorded, workers):
    with open_session(recorded.path) as session:
        movie = NwbMovie(session, workers=workers)
        patch = movie.read(5, 50, rows=slice(3, 11), columns=slice(6, 20))
    assert np.array_equal(patch, recorded.frames[5:50, 3:11, 6:20])


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (10, 10), (10, 5), (58, 100)])
def test_a_range_beyond_the_movie_is_cut_like_a_slice(recorded, start, stop):
    with open_session(recorded.path) as session:
        frames = NwbMovie(session).read(start, stop)
    assert np.array_equal(frames, recorded.frames[start:stop])


def test_chunks_never_written_hold_zeros(recorded):
    store(
        recorded.path, np.zeros((0, 14, 20), np.uint8), chunks=(16, 7, 9), maxshape=(None, 20, 14)
    )
    with h5py.File(recorded.path, "r+") as h5:
        data = h5["acquisition/OnePhotonSeries/data"]
        data.resize((60, 20, 14))
        data[30:40] = 7
    with open_session(recorded.path) as session:
        frames = NwbMovie(session).read(0, 60)
    assert set(np.unique(frames[30:40])) == {7}
    assert not frames[:30].any()


def test_the_frame_rate_is_measured_from_the_time_stamps(recorded):
    with open_session(recorded.path) as session:
        movie = NwbMovie(session)
        assert movie.frame_rate_hz == pytest.approx(20.0, rel=0.01)
        assert np.array_equal(movie.timestamps, recorded.frame_times_s)


def test_walking_through_the_movie_in_blocks_gives_every_frame(recorded):
    with open_session(recorded.path) as session:
        blocks = [block for _, block in iterate_blocks(NwbMovie(session), 7)]
    assert np.array_equal(np.concatenate(blocks), recorded.frames)


def test_a_series_that_is_no_movie_is_refused(recorded):
    with open_session(recorded.path) as session, pytest.raises(SessionFileError, match="shape"):
        NwbMovie(session, "/processing/behavior/HeadOrientation")
