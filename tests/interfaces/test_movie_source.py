import numpy as np
import pytest

from ace_nwb.interfaces.arrays import SourceIterator
from ace_nwb.interfaces.movie_source import MovieFiles, NwbMovie
from ace_nwb.interfaces.video import probe_movie
from tests.fixtures.recordings import draw_frames, write_movie


@pytest.fixture
def movie(tmp_path) -> tuple[MovieFiles, np.ndarray]:
    frames = draw_frames(23)
    paths = [tmp_path / f"{number}.avi" for number in range(3)]
    for path, part in zip(paths, np.split(frames, [10, 20]), strict=True):
        write_movie(path, part)
    return MovieFiles([probe_movie(path) for path in paths]), frames


def test_shape_is_frame_row_column(movie):
    source, frames = movie
    assert source.shape == frames.shape == (23, 18, 26)
    assert source.dtype == np.uint8


def test_any_range_can_be_read_in_any_order(movie):
    source, frames = movie
    for start, stop in ((0, 4), (4, 12), (19, 23), (3, 5), (10, 11), (0, 23), (22, 23)):
        assert np.array_equal(source.read(start, stop), frames[start:stop]), (start, stop)


def test_reading_forwards_opens_every_file_once(movie, monkeypatch):
    import ace_nwb.interfaces.movie_source as decoding

    source, frames = movie
    opened = []
    open_container = decoding.open_container
    monkeypatch.setattr(decoding, "open_container", lambda p: opened.append(p) or open_container(p))
    blocks = [source.read(start, min(start + 5, 23)) for start in range(0, 23, 5)]
    assert np.array_equal(np.concatenate(blocks), frames)
    assert len(opened) == 3


def test_nwb_order_is_frame_x_y(movie):
    source, frames = movie
    turned = NwbMovie(source)
    assert turned.shape == (23, 26, 18)
    assert np.array_equal(turned.read(2, 9), frames[2:9].transpose(0, 2, 1))


def test_the_iterator_yields_the_whole_movie(movie):
    source, frames = movie
    iterator = SourceIterator(source=NwbMovie(source))
    out = np.zeros((23, 26, 18), np.uint8)
    for chunk in iterator:
        out[chunk.selection] = chunk.data
    assert iterator.maxshape == (23, 26, 18)
    assert np.array_equal(out.transpose(0, 2, 1), frames)
