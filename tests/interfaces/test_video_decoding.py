"""The pixels of every codec, by hash; what is saved of files that break off; groups of frames."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from ace_nwb.errors import MovieError
from ace_nwb.interfaces import movie_source
from ace_nwb.interfaces.frame_rows import probe_files
from ace_nwb.interfaces.movie_source import iterate_frames
from ace_nwb.interfaces.policies import Policies
from ace_nwb.interfaces.video import probe_movie
from tests.fixtures.recordings import cut_file, draw_frames, write_movie

MOVIES = Path(__file__).parents[1] / "fixtures" / "movies"
"""A drawn pattern of 48 x 64 pixels that moves for twelve frames, encoded once and for all."""

PIXELS = {
    "ffv1_single_slice.avi": "f1b37e92b6699ea36b6e28ea19c787034b9db16a3106daf31bb7164a613db8b8",
    "mjpg.avi": "f751bd17e0812e5dee20a336b8d11bf84bcaac0a6dd51608dcc805d5957e0e6e",
    "xvid.avi": "bc3fece0483ba7ba2e9711ce7ccabcc3e0a08b687b01a1c13a4ec73f20abdce0",
    "hevc.mkv": "780f9877b7e48a01abcc86caa9ee3fea9fdec57c85b242e79999697c96e9bea7",
}
"""Of the decoded grey frames, uint8, in C order; as found on Linux, x86-64, libavcodec 62."""

WRITTEN = {
    "ffv1.avi": ("ffv1", "gray"),
    "ffv1_colour.avi": ("ffv1", "bgr0"),
    "ffv1.mkv": ("ffv1", "gray"),
    "grey.avi": ("rawvideo", "gray"),
    "dib.avi": ("rawvideo", "bgr24"),
    "mjpg.avi": ("mjpeg", "yuvj420p"),
    "xvid.avi": ("mpeg4", "yuv420p"),
    "hevc.mkv": ("libx265", "yuv420p"),
}


def decode(path: Path, **options: int) -> np.ndarray:
    return np.stack(list(iterate_frames([probe_movie(path)], **options)))


@pytest.mark.parametrize("name", PIXELS)
@pytest.mark.parametrize("workers", [1, 3])
def test_stored_movies_decode_to_the_same_pixels_everywhere(name, workers):
    frames = decode(MOVIES / name, workers=workers)
    assert frames.shape == (12, 48, 64)
    assert hashlib.sha256(frames.tobytes()).hexdigest() == PIXELS[name]


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("movies")
    for name, (codec, pixel_format) in WRITTEN.items():
        write_movie(folder / name, draw_frames(30, 48, 64), codec=codec, pixel_format=pixel_format)
    return folder


@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_that_breaks_off_is_saved_up_to_its_last_whole_frame(written, tmp_path, name):
    whole = decode(written / name)
    assert len(whole) == 30
    path = tmp_path / name
    for share in (0.35, 0.5, 0.62, 0.75, 0.9):
        path.write_bytes((written / name).read_bytes())
        cut_file(path, share)
        (file,), (irregularity,) = probe_files(
            [path], policies=Policies({"cut_movies": "salvage"}), device="S"
        )
        saved = np.stack(list(iterate_frames([file.probe])))
        assert irregularity.policy == "cut_movies"
        assert f"{len(saved)} of " in irregularity.found, share
        assert 1 <= len(saved) < 30
        assert np.array_equal(saved, whole[: len(saved)]), share


def test_older_recorders_write_frames_that_libav_decodes_on_one_core(written):
    """So that decoding in groups matters: one slice a frame, a key frame every twelve."""
    assert probe_movie(MOVIES / "ffv1_single_slice.avi").key_interval == 12
    assert probe_movie(written / "mjpg.avi").key_interval == 1


def test_groups_of_several_files_come_in_order(tmp_path):
    frames = draw_frames(70)
    paths = [tmp_path / f"{number}.avi" for number in range(4)]
    for path, part in zip(paths, np.split(frames, [31, 32, 57]), strict=True):
        write_movie(path, part)
    probes = [probe_movie(path) for path in paths]
    assert np.array_equal(np.stack(list(iterate_frames(probes, workers=3))), frames)


def test_a_movie_with_rare_key_frames_is_decoded_in_one_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(movie_source, "LONGEST_GROUP", 11)
    monkeypatch.setattr(movie_source, "_decode_groups", None)
    frames = draw_frames(30)
    write_movie(tmp_path / "a.avi", frames)
    assert np.array_equal(decode(tmp_path / "a.avi"), frames)


def test_a_movie_that_is_not_read_to_its_end_leaves_no_thread_at_work(tmp_path):
    import threading

    write_movie(tmp_path / "a.avi", draw_frames(60))
    before = threading.active_count()
    frames = iterate_frames([probe_movie(tmp_path / "a.avi")])
    next(frames)
    frames.close()
    assert threading.active_count() == before


def test_changed_bytes_are_noticed_where_frames_carry_a_checksum(tmp_path):
    path = tmp_path / "a.avi"
    write_movie(path, draw_frames(40, 60, 80))  # FFV1 version 3
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(content)
    with pytest.raises(MovieError, match=r"a\.avi cannot be decoded beyond frame (19|20) of 40"):
        decode(path)
    probe = probe_movie(path, decode=True)
    assert (probe.is_cut_off, probe.n_frames) == (True, 19)
    assert np.array_equal(np.stack(list(iterate_frames([probe]))), draw_frames(40, 60, 80)[:19])


def test_deep_luminance_keeps_its_bits(tmp_path):
    import av

    frames = np.random.default_rng(0).integers(0, 1024, (4, 16, 24), dtype=np.uint16)
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=20)
        stream.height, stream.width, stream.pix_fmt = 16, 24, "yuv420p10le"
        stream.codec_context.color_range = 2
        for image in frames:
            luma = image.tobytes()
            frame = av.VideoFrame(24, 16, "yuv420p10le")
            frame.color_range = 2
            plane = frame.planes[0]
            lines = np.zeros((16, plane.line_size // 2), np.uint16)
            lines[:, :24] = np.frombuffer(luma, np.uint16).reshape(16, 24)
            plane.update(lines.tobytes())
            for chroma in frame.planes[1:]:
                chroma.update(bytes([0, 2]) * (chroma.buffer_size // 2))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    decoded = decode(tmp_path / "a.mkv")
    assert decoded.dtype == np.uint16
    assert np.array_equal(decoded, frames)
