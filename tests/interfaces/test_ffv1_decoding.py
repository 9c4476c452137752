"""Our decoder of the recorders' FFV1: the pixels that were coded; what else, libav decodes."""

from fractions import Fraction

import av
import numpy as np
import pytest

from ace_nwb.interfaces import ffv1_decoding, video_decoding
from ace_nwb.interfaces.ffv1_decoding import decode_group
from ace_nwb.interfaces.ffv1_header import read_frame_start
from ace_nwb.interfaces.video import probe_movie
from ace_nwb.interfaces.video_decoding import iterate_frames
from tests.fixtures.recordings import draw_frames

RNG = np.random.default_rng(3)


def coded(
    frames: np.ndarray, *, options: dict[str, str] | None = None, pixels="gray"
) -> list[bytes]:
    context = av.CodecContext.create("ffv1", "w")
    context.height, context.width = frames.shape[1:]
    context.pix_fmt, context.time_base = pixels, Fraction(1, 60)
    context.options = {"level": "1"} | (options or {})
    packets = []
    for frame in [*(av.VideoFrame.from_ndarray(image, format="gray") for image in frames), None]:
        packets += [
            bytes(packet) for packet in context.encode(frame and frame.reformat(format=pixels))
        ]
    return packets


def striped(shape: tuple[int, int, int]) -> np.ndarray:
    """Long runs of equal pixels that end anywhere, also beyond the end of a line."""
    lengths = RNG.geometric(0.02, np.prod(shape))
    return np.repeat(RNG.integers(0, 256, len(lengths)), lengths)[: np.prod(shape)].reshape(shape)


MOVIES = {
    "noise on tissue": 90 + 9 * np.arange(37) + RNG.normal(0, 3, (13, 29, 37)),
    "any values": RNG.integers(0, 256, (13, 29, 37)),
    "black": np.zeros((12, 8, 70)),
    "saturated with single pixels": np.where(RNG.random((14, 30, 41)) < 0.01, 3, 255),
    "long runs": striped((13, 40, 53)),
    "checks of the extremes": 255 * (np.indices((12, 9, 11)).sum(0) % 2),
    "one column": RNG.integers(0, 256, (12, 9, 1)),
    "one row": RNG.integers(90, 110, (12, 1, 300)),
}


@pytest.mark.parametrize("name", MOVIES)
def test_pixels_are_those_that_were_coded(name):
    frames = np.clip(MOVIES[name], 0, 255).astype(np.uint8)
    decoded = np.zeros_like(frames)
    for start in (0, 12):  # a key frame every twelve
        assert not len(frames[start:]) or decode_group(
            coded(frames)[start : start + 12], decoded[start : start + 12]
        )
    assert np.array_equal(decoded, frames)


@pytest.mark.parametrize(
    "options",
    [{"level": "3"}, {"context": "1"}, {"coder": "1"}],
    ids=["version 3", "contexts of five differences", "range coder"],
)
def test_other_kinds_are_left_to_libav(options):
    assert read_frame_start(coded(draw_frames(2), options=options)[0]) is None


def test_pictures_of_more_than_one_plane_are_left_to_libav():
    assert read_frame_start(coded(draw_frames(2), pixels="yuv420p")[0]) is None


def test_a_group_that_begins_amid_others_is_left_to_libav():
    frames = draw_frames(5)
    assert not decode_group(coded(frames)[1:], frames[1:])


def test_damaged_packets_never_lead_beyond_their_end():
    frames = RNG.integers(0, 256, (3, 20, 30), dtype=np.uint8)
    packets = coded(frames)
    for length in (0, 1, 2, 20, 30, len(packets[0]) // 2, len(packets[0]) - 30):
        assert not decode_group([packets[0][:length]], frames[:1].copy())
    for _trial in range(200):
        content = bytearray(packets[0])
        for place in RNG.integers(0, len(content), 5):
            content[place] = RNG.integers(256)
        decode_group([bytes(content), *packets[1:]], frames.copy())


def write(path, packets: list[bytes], shape: tuple[int, int]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=60, options={"level": "1"})
        stream.height, stream.width, stream.pix_fmt = *shape, "gray"
        container.start_encoding()
        for number, content in enumerate(packets):
            packet = av.Packet(content)
            packet.stream, packet.pts, packet.dts = stream, number, number
            packet.is_keyframe = number % 12 == 0
            container.mux(packet)


def test_long_movies_are_decoded_by_it_with_the_same_pixels(tmp_path, monkeypatch):
    frames = np.clip(MOVIES["noise on tissue"], 0, 255).astype(np.uint8)
    write(tmp_path / "0.avi", coded(frames), frames.shape[1:])
    calls = []
    monkeypatch.setattr(
        ffv1_decoding, "decode_group", lambda *group: calls.append(1) or decode_group(*group)
    )
    probe = probe_movie(tmp_path / "0.avi")
    assert np.array_equal(np.stack(list(iterate_frames([probe]))), frames)
    assert not calls
    monkeypatch.setattr(video_decoding, "LONG_MOVIE_PIXELS", 1)
    assert np.array_equal(np.stack(list(iterate_frames([probe]))), frames)
    assert len(calls) == 2


def test_what_it_cannot_decode_is_judged_by_libav(tmp_path, monkeypatch):
    frames = RNG.integers(0, 256, (13, 29, 37), dtype=np.uint8)
    packets = coded(frames)
    write(tmp_path / "0.avi", [packets[0][:40], *packets[1:]], frames.shape[1:])
    probe = probe_movie(tmp_path / "0.avi")
    by_libav = np.stack(list(iterate_frames([probe])))
    monkeypatch.setattr(video_decoding, "LONG_MOVIE_PIXELS", 1)
    assert np.array_equal(np.stack(list(iterate_frames([probe]))), by_libav)
