"""The movie of a recording as an array: frames of one or many files, read in order."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from queue import SimpleQueue
from typing import Any

import av
import numpy as np
from av.error import FFmpegError

from ace_nwb.errors import MovieError
from ace_nwb.imaging.storage import empty_pages, movie_chunk_shape, turn_axes
from ace_nwb.interfaces.ffv1_checksum import find_damaged_frame
from ace_nwb.interfaces.isxd_movie import iterate_isxd
from ace_nwb.interfaces.tiff_movie import SUFFIXES, iterate_tiff
from ace_nwb.interfaces.video import (
    GREY_FORMATS,
    MovieProbe,
    grey_of_deep_luma,
    open_container,
    video_stream,
    whole_packets,
)


class MovieFiles:
    """Movie files that form one movie; reading forwards decodes every frame once.

    Parameters
    ----------
    probes
        The files in order.
    """

    def __init__(self, probes: Sequence[MovieProbe]) -> None:
        self.probes = tuple(probes)
        self._frames: Iterator[np.ndarray] = iter(())
        self._position = -1

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_frames, n_rows, n_columns)."""
        first = self.probes[0]
        return sum(probe.n_frames for probe in self.probes), first.n_rows, first.n_columns

    @property
    def dtype(self) -> np.dtype:
        """Type of the pixels."""
        return self.probes[0].dtype

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return frames start..stop, shape (frame, row, column)."""
        if start != self._position:
            self._seek(start)
        if stop == start + 1:
            self._position = stop
            return next(self._frames)[np.newaxis]
        frames = empty_pages((stop - start, *self.shape[1:]), self.dtype)
        for index in range(stop - start):
            frames[index] = next(self._frames)
        self._position = stop
        return frames

    def _seek(self, start: int) -> None:
        """Open at the file that holds frame `start` and skip to it."""
        first_of_file = 0
        for index, probe in enumerate(self.probes):
            if start < first_of_file + probe.n_frames or index == len(self.probes) - 1:
                break
            first_of_file += probe.n_frames
        self._frames = iterate_frames(self.probes[index:])
        for _skipped in range(start - first_of_file):
            next(self._frames)


class NwbMovie:
    """The same movie in NWB's axis order (frame, x, y)."""

    def __init__(self, movie: MovieFiles) -> None:
        self._movie = movie
        n_frames, n_rows, n_columns = movie.shape
        self.shape = (n_frames, n_columns, n_rows)
        self.dtype = movie.dtype
        self.chunk_shape = movie_chunk_shape(self.shape, itemsize=self.dtype.itemsize)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return frames start..stop, shape (frame, x, y)."""
        return turn_axes(self._movie.read(start, stop))


GROUPED_CODECS = {"ffv1", "mjpeg"}
"""Codecs that give one frame per packet at once and start afresh at every key frame."""

GROUP_FRAMES = 12
"""Frames of a group at least; FFV1 of Miniscope-DAQ has a key frame every 12."""

LIMITED_BLACK, LIMITED_WHITE = 16, 235
"""Luminance of black and white in pictures of limited range."""

LONGEST_GROUP = 60
"""Frames between key frames beyond which groups would take too much memory."""

SALVAGE = "Or give --policy cut_movies=salvage to take the frames before it."

FULL_RANGE = 2
"""libav's number for luminance from 0 to 255."""


@dataclass
class _Group:
    """Packets of one file that decode by themselves."""

    probe: MovieProbe
    decoders: "SimpleQueue[Any]"
    first_frame: int
    has_checksums: bool
    packets: list[Any] = field(default_factory=list)


def iterate_frames(
    probes: Sequence[MovieProbe], *, workers: int | None = None
) -> Iterator[np.ndarray]:
    """Decode movie files one after the other, in order.

    Parameters
    ----------
    probes
        The files, as measured by `probe_movie`.
    workers
        Threads that decode; all cores if not given.

    Yields
    ------
    numpy.ndarray
        One frame of shape (row, column), uint8 or uint16.

    Raises
    ------
    MovieError
        If a file yields fewer frames than it was measured to hold, or frames of another size.
    """
    n_workers = workers or os.cpu_count() or 1
    for is_grouped, alike in groupby(probes, key=_is_grouped):
        if is_grouped:
            yield from _decode_groups(list(alike), n_workers)
            continue
        for probe in alike:
            if probe.file_path.suffix.lower() in SUFFIXES:
                yield from iterate_tiff(probe.file_path)
            elif probe.codec == "isxd":
                yield from iterate_isxd(probe.file_path)
            else:
                yield from _decode_in_order(probe, n_workers)


def _is_grouped(probe: MovieProbe) -> bool:
    """Whether a file can be decoded in groups."""
    return probe.codec in GROUPED_CODECS and 0 < probe.key_interval <= LONGEST_GROUP


def _decode_in_order(probe: MovieProbe, workers: int) -> Iterator[np.ndarray]:
    """Yield the frames of one file and check that all of them came."""
    n_frames = 0
    try:
        with open_container(probe.file_path) as container:
            stream = video_stream(container, probe.file_path)
            stream.codec_context.thread_count = workers
            for frame in _frames_in_order(container, stream):
                if n_frames == probe.n_frames and probe.is_cut_off:
                    return
                yield _grey_plane(frame, probe)
                n_frames += 1
    except FFmpegError as error:
        raise _undecodable(probe, n_frames, error) from error
    _check_count(probe, n_frames)


def _frames_in_order(container: Any, stream: Any) -> Iterator[Any]:
    """Yield all frames, those that the decoder holds back at the end too."""
    for packet in whole_packets(container, stream):
        yield from packet.decode()
    yield from stream.decode(None)


def _decode_groups(probes: Sequence[MovieProbe], workers: int) -> Iterator[np.ndarray]:
    """Yield the frames of files whose groups decode side by side, a few groups ahead."""
    waiting: deque[Future[list[np.ndarray]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for group in _packet_groups(probes, workers):
                waiting.append(pool.submit(_decode_group, group))
                if len(waiting) > workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _packet_groups(probes: Sequence[MovieProbe], workers: int) -> Iterator[_Group]:
    """Yield the packets of files, cut into groups at key frames."""
    for probe in probes:
        n_packets = 0
        try:
            with open_container(probe.file_path) as container:
                stream = video_stream(container, probe.file_path)
                decoders: SimpleQueue[Any] = SimpleQueue()
                for _worker in range(workers):
                    decoders.put(_copy_decoder(stream.codec_context))
                has_checksums = probe.codec == "ffv1" and stream.codec_context.extradata is not None
                group = _Group(probe, decoders, 0, has_checksums)
                for packet in whole_packets(container, stream):
                    if n_packets == probe.n_frames and probe.is_cut_off:
                        break
                    if packet.is_keyframe and len(group.packets) >= GROUP_FRAMES:
                        yield group
                        group = _Group(probe, decoders, n_packets, has_checksums)
                    group.packets.append(packet)
                    n_packets += 1
                if group.packets:
                    yield group
        except FFmpegError as error:
            raise _undecodable(probe, n_packets, error) from error
        _check_count(probe, n_packets)


def _decode_group(group: _Group) -> list[np.ndarray]:
    """Return the frames of a group."""
    if group.has_checksums:
        _check_checksums(group)
    decoder = group.decoders.get()
    frames: list[np.ndarray] = []
    try:
        for packet in group.packets:
            frames += [_grey_plane(frame, group.probe) for frame in decoder.decode(packet)]
    except FFmpegError as error:
        raise _undecodable(group.probe, group.first_frame + len(frames), error) from error
    finally:
        group.decoders.put(decoder)
    if len(frames) != len(group.packets):
        n_missing = len(group.packets) - len(frames)
        _check_count(group.probe, group.probe.n_frames - n_missing)
    return frames


def _check_checksums(group: _Group) -> None:
    """Raise if a frame was changed since it was recorded."""
    damaged = find_damaged_frame([bytes(packet) for packet in group.packets])
    if damaged is not None:
        raise MovieError(
            f"{group.probe.file_path} cannot be decoded beyond frame "
            f"{group.first_frame + damaged} of {group.probe.n_frames} (its checksum is wrong). "
            "Every frame was expected as it was recorded; copy the file again. " + SALVAGE
        )


def _copy_decoder(context: Any) -> Any:
    """Return another decoder for the packets of a stream, on one thread."""
    decoder = av.CodecContext.create(context.name, "r")
    decoder.extradata = context.extradata
    decoder.width, decoder.height = context.width, context.height
    decoder.codec_tag = context.codec_tag
    decoder.thread_count = 1
    return decoder


def _grey_plane(frame: Any, probe: MovieProbe) -> np.ndarray:
    """Return a decoded frame as one grey plane, copied out of libav's memory."""
    name = frame.format.name
    if name in GREY_FORMATS:
        grey = _first_plane(frame, np.dtype(GREY_FORMATS[name]))
    elif grey_of_deep_luma(name):  # 10 bits and more are kept as they are coded
        grey = _first_plane(frame, np.dtype(np.uint16))
    elif name.startswith(("yuv", "nv")):
        grey = _first_plane(frame, np.dtype(np.uint8))
        if not name.startswith("yuvj") and frame.color_range != FULL_RANGE:
            grey = FULL_OF_LIMITED[grey]
    else:
        grey = _equal_plane(frame.to_ndarray(format="bgr24"), probe)
    if grey.shape != (probe.n_rows, probe.n_columns):
        raise MovieError(
            f"{probe.file_path} changes its frame size from {(probe.n_rows, probe.n_columns)} to "
            f"{grey.shape}. One size was expected; split the file where it changes."
        )
    return grey


def _first_plane(frame: Any, dtype: np.dtype) -> np.ndarray:
    """Return the first plane, copied while it is in the cache; lines may be longer than rows."""
    plane = frame.planes[0]
    if plane.line_size <= 0:  # lines stored from below; libav turns them
        return frame.to_ndarray()
    lines = np.frombuffer(plane, dtype).reshape(plane.height, -1)
    return lines[:, : plane.width].copy()


def _equal_plane(colours: np.ndarray, probe: MovieProbe) -> np.ndarray:
    """Return one of three equal colour planes of an array (row, column, colour)."""
    blue = np.ascontiguousarray(colours[..., 0])
    if not (np.array_equal(blue, colours[..., 1]) and np.array_equal(blue, colours[..., 2])):
        raise MovieError(
            f"{probe.file_path} holds colour pictures (its planes differ). Grey pictures of a "
            "sensor were expected; if it is a behaviour camera, give it its own device folder."
        )
    return blue


def _full_of_limited() -> np.ndarray:
    """Return the grey level from 0 to 255 of every luminance of limited range."""
    span = LIMITED_WHITE - LIMITED_BLACK
    grey = ((np.arange(256) - LIMITED_BLACK) * 255 + span // 2) // span
    return np.clip(grey, 0, 255).astype(np.uint8)


FULL_OF_LIMITED = _full_of_limited()


def _check_count(probe: MovieProbe, n_frames: int) -> None:
    """Raise if a file gave another number of frames than was measured."""
    if n_frames != probe.n_frames:
        raise MovieError(
            f"{probe.file_path} decodes to {n_frames} frames but holds {probe.n_frames} packets. "
            "One frame per packet was expected; copy the file again."
        )


def _undecodable(probe: MovieProbe, n_frames: int, error: FFmpegError) -> MovieError:
    """Build the error for a file that breaks while it is decoded."""
    return MovieError(
        f"{probe.file_path} cannot be decoded beyond frame {n_frames} of {probe.n_frames} "
        f"({error.strerror}). Every frame was expected to decode; copy the file again. " + SALVAGE
    )
