"""The one movie decoder: grey frames of shape (frame, row, column) from any file libav reads.

Frames are counted from the packets in the file or by decoding, never from the header, which a
crash or a foreign writer leaves wrong. Used by every imaging interface.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.error import FFmpegError

from ace_nwb.errors import MovieError
from ace_nwb.interfaces.tiff_movie import SUFFIXES, iterate_tiff, probe_tiff

GREY_FORMATS = {
    "gray": np.uint8,
    "gray10le": np.uint16,
    "gray12le": np.uint16,
    "gray16le": np.uint16,
}
"""Pixel formats whose only plane is the picture itself."""

THREAD_TYPE = "AUTO"
"""How libav decodes on several cores."""


@dataclass(frozen=True)
class MovieProbe:
    """What a movie file holds, found without trusting its header."""

    file_path: Path
    codec: str
    pixel_format: str
    n_frames: int
    n_rows: int
    n_columns: int
    n_frames_header: int
    counted_by: Literal["packets", "decoding", "pages"]
    is_cut_off: bool
    container_rate_hz: float
    size_bytes: int

    @property
    def dtype(self) -> np.dtype:
        """Type of the decoded pixels."""
        return np.dtype(GREY_FORMATS.get(self.pixel_format, np.uint8))


def probe_movie(file_path: Path, *, decode: bool = False) -> MovieProbe:
    """Measure a movie file: codec, size, number of whole frames.

    Parameters
    ----------
    file_path
        The movie.
    decode
        Count by decoding every frame instead of walking through the packets.

    Raises
    ------
    MovieError
        If the file is not a movie that can be opened.
    """
    if file_path.suffix.lower() in SUFFIXES:
        facts = probe_tiff(file_path)
        pages = facts["n_frames_header"]
        return MovieProbe(
            file_path=file_path, n_frames=pages, counted_by="pages", is_cut_off=False, **facts
        )
    n_whole, is_cut_off, facts = _walk_packets(file_path)
    if decode:
        n_whole = count_decoded_frames(file_path)
    n_header = facts["n_frames_header"]
    return MovieProbe(
        file_path=file_path,
        n_frames=n_whole,
        counted_by="decoding" if decode else "packets",
        is_cut_off=is_cut_off or n_header > n_whole,
        **facts,
    )


def count_decoded_frames(file_path: Path) -> int:
    """Return how many frames decode before the end of the file or its first broken frame."""
    n_frames = 0
    try:
        with _open_container(file_path) as container:
            for _frame in container.decode(_video_stream(container, file_path)):
                n_frames += 1
    except FFmpegError:
        return n_frames
    return n_frames


def iterate_frames(probes: Sequence[MovieProbe]) -> Iterator[np.ndarray]:
    """Decode movie files one after the other, in order.

    Parameters
    ----------
    probes
        The files, as measured by `probe_movie`.

    Yields
    ------
    numpy.ndarray
        One frame of shape (row, column), uint8 or uint16.

    Raises
    ------
    MovieError
        If a file yields fewer frames than it was measured to hold, or frames of another size.
    """
    for probe in probes:
        if probe.file_path.suffix.lower() in SUFFIXES:
            yield from iterate_tiff(probe.file_path)
        else:
            yield from _decode(probe)


def check_movies_alike(probes: Sequence[MovieProbe]) -> None:
    """Raise if the files of one movie differ in frame size or pixel type."""
    first = probes[0]
    for probe in probes:
        if (probe.n_rows, probe.n_columns, probe.dtype) != (
            first.n_rows,
            first.n_columns,
            first.dtype,
        ):
            raise MovieError(
                f"{probe.file_path} has frames of {probe.n_rows} x {probe.n_columns} "
                f"{probe.dtype}, {first.file_path.name} of {first.n_rows} x {first.n_columns} "
                f"{first.dtype}. All files of one movie must be alike: move foreign files away."
            )


def cut_off_sentence(probe: MovieProbe) -> str:
    """Say that a movie file ends too early."""
    expected = max(probe.n_frames_header, probe.n_frames + 1)
    return f"{probe.file_path} is cut off: {probe.n_frames} of {expected} frames can be recovered"


def _decode(probe: MovieProbe) -> Iterator[np.ndarray]:
    """Yield the frames of one file and check that all of them came."""
    n_frames = 0
    try:
        with _open_container(probe.file_path) as container:
            for frame in container.decode(_video_stream(container, probe.file_path)):
                yield _grey_plane(frame, probe)
                n_frames += 1
                if n_frames == probe.n_frames and probe.is_cut_off:
                    return
    except FFmpegError as error:
        raise MovieError(
            f"{probe.file_path} cannot be decoded beyond frame {n_frames} of {probe.n_frames} "
            f"({error.strerror}). Every frame was expected to decode; copy the file again."
        ) from error
    if n_frames != probe.n_frames:
        raise MovieError(
            f"{probe.file_path} decodes to {n_frames} frames but holds {probe.n_frames} packets. "
            "One frame per packet was expected; copy the file again."
        )


def _grey_plane(frame: Any, probe: MovieProbe) -> np.ndarray:
    """Return a decoded frame as one grey plane."""
    name = frame.format.name
    if name in GREY_FORMATS:
        grey = frame.to_ndarray()
    elif name.startswith("yuv"):
        grey = frame.to_ndarray(format="gray")
    else:
        grey = _equal_plane(frame.to_ndarray(format="rgb24"), probe.file_path)
    if grey.shape != (probe.n_rows, probe.n_columns):
        raise MovieError(
            f"{probe.file_path} changes its frame size from {(probe.n_rows, probe.n_columns)} to "
            f"{grey.shape}. One size was expected; split the file where it changes."
        )
    return grey


def _equal_plane(colours: np.ndarray, file_path: Path) -> np.ndarray:
    """Return one of three equal colour planes of an array (row, column, colour)."""
    red = colours[..., 0]
    if not (np.array_equal(red, colours[..., 1]) and np.array_equal(red, colours[..., 2])):
        raise MovieError(
            f"{file_path} holds colour pictures (its planes differ). Grey pictures of a sensor "
            "were expected; if it is a behaviour camera, give it its own device folder."
        )
    return red


def _walk_packets(file_path: Path) -> tuple[int, bool, dict[str, Any]]:
    """Count whole packets of the video stream; say whether the last one is broken."""
    n_whole = 0
    is_broken = False
    try:
        with _open_container(file_path) as container:
            stream = _video_stream(container, file_path)
            for packet in container.demux(stream):
                n_whole += bool(packet.size) and not packet.is_corrupt
                is_broken |= packet.is_corrupt
            return n_whole, is_broken, _stream_facts(stream, file_path)
    except FFmpegError as error:
        raise _unreadable(file_path, str(error.strerror)) from error


def _stream_facts(stream: Any, file_path: Path) -> dict[str, Any]:
    """Return the facts of a stream that do not depend on counting."""
    context = stream.codec_context
    if context.pix_fmt is None or not context.width or not context.height:
        raise _unreadable(file_path, "no decodable picture in it")
    return {
        "codec": context.codec_tag if context.name == "rawvideo" else context.name,
        "pixel_format": context.pix_fmt,
        "n_rows": context.height,
        "n_columns": context.width,
        "n_frames_header": stream.frames,
        "container_rate_hz": float(stream.average_rate or 0),
        "size_bytes": file_path.stat().st_size,
    }


def _open_container(file_path: Path) -> Any:
    """Open a movie file for reading."""
    try:
        return av.open(str(file_path), mode="r", metadata_errors="replace")
    except (FFmpegError, OSError) as error:
        raise _unreadable(file_path, str(error.strerror)) from error


def _video_stream(container: Any, file_path: Path) -> Any:
    """Return the first video stream, set to decode on all cores."""
    if not container.streams.video:
        raise _unreadable(file_path, "no video stream in it")
    stream = container.streams.video[0]
    stream.thread_type = THREAD_TYPE
    return stream


def _unreadable(file_path: Path, reason: str) -> MovieError:
    """Build the error for a file that is no movie."""
    size = file_path.stat().st_size if file_path.exists() else 0
    return MovieError(
        f"{file_path} ({size} bytes) cannot be read as a movie: {reason}. "
        "A movie file was expected; copy it again from its source."
    )
