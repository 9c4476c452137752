"""Counting by the index agrees with walking through the packets, or is not done."""

import numpy as np
import pytest

from ace_nwb.interfaces import video
from ace_nwb.interfaces.video import AviCount, count_avi_frames, probe_movie
from tests.fixtures.recordings import draw_frames, write_movie


@pytest.fixture
def movie(tmp_path):
    write_movie(tmp_path / "0.avi", draw_frames(31))
    return tmp_path / "0.avi"


@pytest.mark.parametrize(
    ("codec", "pixels"), [("ffv1", "gray"), ("rawvideo", "gray"), ("mjpeg", "yuvj420p")]
)
def test_count_and_key_frames_are_those_of_the_packets(tmp_path, monkeypatch, codec, pixels):
    write_movie(tmp_path / "0.avi", draw_frames(31), codec=codec, pixel_format=pixels)
    assert count_avi_frames(tmp_path / "0.avi", n_stated=31) is not None
    quick = probe_movie(tmp_path / "0.avi")
    monkeypatch.setattr(video, "_count_by_chunks", lambda *_: None)
    assert quick == probe_movie(tmp_path / "0.avi")


def test_a_key_frame_every_twelve(movie):
    assert count_avi_frames(movie, n_stated=31) == AviCount(31, 12)


def test_a_file_in_which_anything_disagrees_is_not_counted(movie):
    content = movie.read_bytes()
    assert count_avi_frames(movie, n_stated=30) is None
    chunk = content.index(b"00dc", content.index(b"movi"))
    index = content.index(b"idx1")
    for name, changed in {
        "cut": content[:-1],
        "longer": content + bytes(8),
        "another chunk among the pictures": content[:chunk] + b"01wb" + content[chunk + 4 :],
        "a size that leads elsewhere": content[: chunk + 5] + b"\xff" + content[chunk + 6 :],
        "no index": content[:index] + b"JUNK" + content[index + 4 :],
        "an index of other sizes": content[: index + 20] + b"\xff" + content[index + 21 :],
        "nothing": b"",
        "no movie": b"RIFF",
        "zeros": bytes(len(content)),
    }.items():
        movie.write_bytes(changed)
        assert count_avi_frames(movie, n_stated=31) is None, name


def test_random_damage_never_changes_the_count_without_notice(movie):
    content = np.frombuffer(movie.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    for _trial in range(60):
        changed = content.copy()
        changed[rng.integers(0, len(content), 20)] = rng.integers(0, 256, 20)
        movie.write_bytes(changed.tobytes())
        assert count_avi_frames(movie, n_stated=31) in (None, AviCount(31, 12))
