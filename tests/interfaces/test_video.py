import hashlib
from pathlib import Path

import numpy as np
import pytest

from ace_nwb.errors import MovieError
from ace_nwb.interfaces.movie_source import iterate_frames
from ace_nwb.interfaces.video import (
    check_movies_alike,
    count_decoded_frames,
    cut_off_sentence,
    probe_movie,
)
from tests.fixtures.recordings import cut_file, draw_frames, write_movie


def read_all(*paths: Path) -> np.ndarray:
    return np.stack(list(iterate_frames([probe_movie(path) for path in paths])))


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("a.avi", "ffv1", "gray"),
        ("a.avi", "rawvideo", "gray"),
        ("a.avi", "ffv1", "bgr0"),
        ("a.avi", "rawvideo", "bgr24"),
        ("a.mkv", "ffv1", "gray"),
    ],
)
def test_lossless_codecs_give_the_pixels_that_were_written(tmp_path, name, codec, pixel_format):
    frames = draw_frames(7)
    write_movie(tmp_path / name, frames, codec=codec, pixel_format=pixel_format)
    assert np.array_equal(read_all(tmp_path / name), frames)


def test_sixteen_bit_movies_keep_all_bits(tmp_path):
    frames = np.random.default_rng(1).integers(0, 2**16, (4, 12, 20), dtype=np.uint16)
    import av

    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=20)
        stream.height, stream.width, stream.pix_fmt = 12, 20, "gray16le"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray16le")))
        container.mux(stream.encode())
    decoded = read_all(tmp_path / "a.mkv")
    assert decoded.dtype == np.uint16
    assert np.array_equal(decoded, frames)


def test_motion_jpeg_is_decoded_to_the_luminance(tmp_path):
    smooth = np.tile(np.linspace(20, 230, 64).astype(np.uint8), (3, 48, 1))
    write_movie(tmp_path / "a.avi", smooth, codec="mjpeg", pixel_format="yuvj420p")
    assert np.abs(read_all(tmp_path / "a.avi").astype(int) - smooth).max() <= 8


def test_files_are_joined_in_the_order_given(tmp_path):
    frames = draw_frames(9)
    for number, part in enumerate((frames[:4], frames[4:8], frames[8:])):
        write_movie(tmp_path / f"{number}.avi", part)
    paths = [tmp_path / f"{number}.avi" for number in range(3)]
    assert np.array_equal(read_all(*paths), frames)


def test_probe_counts_packets_and_says_so(tmp_path):
    write_movie(tmp_path / "a.avi", draw_frames(11))
    probe = probe_movie(tmp_path / "a.avi")
    assert (probe.n_frames, probe.n_rows, probe.n_columns) == (11, 18, 26)
    assert (probe.codec, probe.counted_by, probe.is_cut_off) == ("ffv1", "packets", False)
    assert probe.container_rate_hz == 60


def test_probe_can_count_by_decoding(tmp_path):
    write_movie(tmp_path / "a.avi", draw_frames(11))
    probe = probe_movie(tmp_path / "a.avi", decode=True)
    assert (probe.n_frames, probe.counted_by) == (11, "decoding")


def test_raw_grey_video_is_named_by_its_four_characters(tmp_path):
    write_movie(tmp_path / "a.avi", draw_frames(2), codec="rawvideo")
    assert probe_movie(tmp_path / "a.avi").codec == "Y800"


@pytest.mark.parametrize("codec", ["ffv1", "rawvideo"])
@pytest.mark.parametrize("share", [0.6, 0.985])
def test_a_cut_file_is_measured_by_its_whole_frames(tmp_path, codec, share):
    path = tmp_path / "a.avi"
    write_movie(path, draw_frames(40, 60, 80), codec=codec)
    cut_file(path, share)
    probe = probe_movie(path)
    assert probe.is_cut_off
    assert probe.n_frames_header == 40
    assert probe.n_frames == count_decoded_frames(path)
    assert 40 * share - 2 <= probe.n_frames < 40 * share + 1


def test_a_cut_file_is_described_with_the_recoverable_and_expected_frames(tmp_path):
    path = tmp_path / "3.avi"
    write_movie(path, draw_frames(40, 60, 80))
    cut_file(path, 0.6)
    probe = probe_movie(path)
    assert f"3.avi is cut off: {probe.n_frames} of 40 frames" in cut_off_sentence(probe)


def test_files_of_different_size_are_refused(tmp_path):
    write_movie(tmp_path / "0.avi", draw_frames(2))
    write_movie(tmp_path / "1.avi", draw_frames(2, 20, 26))
    with pytest.raises(MovieError, match=r"1\.avi has frames of 20 x 26 uint8, 0\.avi of 18 x 26"):
        check_movies_alike([probe_movie(tmp_path / "0.avi"), probe_movie(tmp_path / "1.avi")])


def test_true_colours_are_refused(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (2, 16, 24, 3), dtype=np.uint8)
    write_movie(tmp_path / "a.avi", colours, pixel_format="bgr0")
    with pytest.raises(MovieError, match="holds colour pictures"):
        read_all(tmp_path / "a.avi")


@pytest.mark.parametrize("content", [b"", b"no movie at all" * 100])
def test_a_file_that_is_no_movie_is_refused(tmp_path, content):
    (tmp_path / "0.avi").write_bytes(content)
    with pytest.raises(MovieError, match=rf"0\.avi \({len(content)} bytes\) cannot be read"):
        probe_movie(tmp_path / "0.avi")


def test_a_file_that_shrinks_after_it_was_measured_is_an_error(tmp_path):
    path = tmp_path / "0.avi"
    write_movie(path, draw_frames(10, 60, 80))
    probe = probe_movie(path)
    cut_file(path, 0.5)
    with pytest.raises(MovieError, match=r"(beyond frame \d of|decodes to \d frames but holds) 10"):
        list(iterate_frames([probe]))


PIXELS_SHA256 = "9374634ebad5dce219c75adf9137ceb97ad3cd9ead736668c0cde41c0948e1f8"
"""Of the frames that every lossless codec must give back."""

CODECS = {
    "FFV1": ("a.avi", "ffv1", "gray", True),
    "FFV1 in colour": ("a.avi", "ffv1", "bgr0", True),
    "FFV1 in MKV": ("a.mkv", "ffv1", "gray", True),
    "GREY": ("a.avi", "rawvideo", "gray", True),
    "DIB": ("a.avi", "rawvideo", "bgr24", True),
    "MJPG": ("a.avi", "mjpeg", "yuvj420p", False),
    "XVID": ("a.avi", "mpeg4", "yuv420p", False),
    "HEVC": ("a.mkv", "libx265", "gray", False),
}


@pytest.mark.parametrize("name", CODECS)
def test_every_codec_gives_the_same_pixels_whatever_the_number_of_threads(tmp_path, name):
    file_name, codec, pixel_format, is_lossless = CODECS[name]
    ramp = np.linspace(30, 220, 64).astype(np.uint8)
    frames = np.stack([np.roll(np.tile(ramp, (48, 1)), 3 * shift, 1) for shift in range(8)])
    write_movie(tmp_path / file_name, frames, codec=codec, pixel_format=pixel_format)
    decoded = read_all(tmp_path / file_name)
    assert decoded.shape == frames.shape
    if is_lossless:
        assert hashlib.sha256(decoded.tobytes()).hexdigest() == PIXELS_SHA256
    else:
        assert np.abs(decoded.astype(int) - frames).mean() < 4
    alone = list(iterate_frames([probe_movie(tmp_path / file_name)], workers=1))
    assert np.array_equal(np.stack(alone), decoded)


@pytest.mark.parametrize("name", CODECS)
def test_every_codec_is_counted_alike_by_packets_and_by_decoding(tmp_path, name):
    file_name, codec, pixel_format, _is_lossless = CODECS[name]
    write_movie(
        tmp_path / file_name, draw_frames(11, 48, 64), codec=codec, pixel_format=pixel_format
    )
    probe = probe_movie(tmp_path / file_name)
    assert (probe.n_frames, probe.is_cut_off) == (11, False)
    assert count_decoded_frames(tmp_path / file_name) == 11


@pytest.mark.parametrize("name", ["a.avi", "a.mkv"])
def test_a_movie_whose_metadata_are_no_utf_8_is_read_like_any_other(tmp_path, name):
    frames, path = draw_frames(5), tmp_path / name
    write_movie(path, frames, title="Tuesday")
    path.write_bytes(path.read_bytes().replace(b"Tuesday", b"Tues\xe9ay"))  # Latin 1
    assert b"Tues\xe9ay" in path.read_bytes()
    assert probe_movie(path).n_frames == 5
    assert np.array_equal(read_all(path), frames)
