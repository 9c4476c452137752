"""What a movie file holds: codec, size, whole frames. `movie_source` gives its pixels.

Frames are counted from the packets in the file or by decoding, never from the header, which a
crash or a foreign writer leaves wrong. Used by every imaging interface.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import av
import numpy as np
from av.error import FFmpegError

from ace_nwb.errors import MovieError
from ace_nwb.interfaces.ffv1_checksum import has_right_checksum
from ace_nwb.interfaces.isxd_movie import SUFFIX as ISXD
from ace_nwb.interfaces.isxd_movie import probe_isxd
from ace_nwb.interfaces.tiff_movie import SUFFIXES, probe_tiff

_VIDEO = (b"00dc", b"00db")
_KEY_FRAME = 0x10  # AVIIF_KEYFRAME, bit of an entry in the AVI index
_INDEX_ENTRY = struct.Struct("<4sIII")


@dataclass(frozen=True)
class AviCount:
    """Frames of a movie, and the largest number of them from one key frame to the next."""

    n_frames: int
    key_interval: int


def count_avi_frames(file_path: Path, *, n_stated: int) -> AviCount | None:
    """Count the frames of an AVI file of one stream.

    Parameters
    ----------
    file_path
        The file.
    n_stated
        Frames by its header.

    Returns
    -------
    AviCount or None
        None if the file is not one in which everything agrees.
    """
    with file_path.open("rb", buffering=0) as file:
        try:
            parts = dict(_list_parts(file, file_path.stat().st_size))
            if not {b"movi", b"idx1"} <= parts.keys():
                return None
            sizes = [size for _name, size in _video_chunks(file, *parts[b"movi"])]
            entries = _read_index(file, *parts[b"idx1"])
        except (ValueError, struct.error):
            return None
    if [entry[3] for entry in entries] != sizes or len(sizes) != n_stated or 0 in sizes:
        return None
    return AviCount(len(sizes), _key_interval([bool(entry[1] & _KEY_FRAME) for entry in entries]))


def _list_parts(file: BinaryIO, n_bytes: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Yield (name, (start, stop)) of the parts of the only RIFF chunk of a file."""
    name, size = _read_head(file, 0)
    if name != b"RIFF" or file.read(4) != b"AVI " or size + 8 != n_bytes:
        raise ValueError("not one whole RIFF chunk")
    at = 12
    while at < n_bytes:
        name, size = _read_head(file, at)
        start = at + 8
        if name == b"LIST":
            name = file.read(4)
            start += 4
        if at + 8 + size > n_bytes:
            raise ValueError("a part beyond the end")
        yield name, (start, at + 8 + size)
        at += 8 + size + size % 2


def _video_chunks(file: BinaryIO, start: int, stop: int) -> Iterator[tuple[bytes, int]]:
    """Yield (name, size) of the chunks of the movie list, which must all be pictures."""
    while start < stop:
        name, size = _read_head(file, start)
        start += 8 + size + size % 2
        if name not in _VIDEO or start > stop + 1:
            raise ValueError("a chunk that is no whole picture")
        yield name, size


def _read_index(file: BinaryIO, start: int, stop: int) -> list[tuple[bytes, int, int, int]]:
    """Return (name, flags, offset, size) of the entries of the index."""
    file.seek(start)
    content = file.read(stop - start)
    return list(_INDEX_ENTRY.iter_unpack(content))


def _read_head(file: BinaryIO, at: int) -> tuple[bytes, int]:
    """Return name and size of the chunk at a place."""
    file.seek(at)
    name, size = struct.unpack("<4sI", file.read(8))
    return name, size


def _key_interval(is_key: list[bool]) -> int:
    """Return the largest number of frames from one key frame to the next."""
    longest, length = 0, 0
    for key in is_key:
        length = 1 if key else length + 1
        longest = max(longest, length)
    return longest


GREY_FORMATS = {
    "gray": np.uint8,
    "gray10le": np.uint16,
    "gray12le": np.uint16,
    "gray16le": np.uint16,
    "grayf32le": np.float32,
}
"""Pixel formats whose only plane is the picture itself."""

LAST = 20
"""Frames at the end of a file among which a cut can leave a hole."""

MICROSECONDS = 1e6
"""Units of a container's duration, per second."""

BROKEN_TEXT = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
"""Opens a container whose metadata are no UTF-8; PyAV 19 opens every one, and has no option."""


@dataclass(frozen=True)
class MovieProbe:
    """What a movie file holds, found without trusting its header.

    `key_interval` is the largest number of frames from one key frame to the next, 0 if unknown.
    """

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
    key_interval: int = 0

    @property
    def dtype(self) -> np.dtype:
        """Type of the decoded pixels."""
        grey = grey_of_deep_luma(self.pixel_format) or self.pixel_format
        return np.dtype(GREY_FORMATS.get(grey, np.uint8))


def grey_of_deep_luma(pixel_format: str) -> str | None:
    """Return the grey format for luminance of more than 8 bits, None for other pictures."""
    if not pixel_format.startswith("yuv"):
        return None
    return next((grey for grey in GREY_FORMATS if pixel_format.endswith(grey[4:] or "-")), None)


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
    if file_path.suffix.lower() in (*SUFFIXES, ISXD):
        is_isxd = file_path.suffix.lower() == ISXD
        facts = probe_isxd(file_path) if is_isxd else probe_tiff(file_path)
        pages = facts["n_frames_header"]
        return MovieProbe(
            file_path=file_path, n_frames=pages, counted_by="pages", is_cut_off=False, **facts
        )
    n_whole, is_cut_off, facts = _walk_packets(file_path)
    n_header = facts["n_frames_header"]
    is_cut_off = is_cut_off or n_header > n_whole
    if decode:
        n_decoded = count_decoded_frames(file_path, is_cut_off=is_cut_off)
        is_cut_off = is_cut_off or n_decoded < n_whole
        n_whole = n_decoded
    return MovieProbe(
        file_path=file_path,
        n_frames=n_whole,
        counted_by="decoding" if decode else "packets",
        is_cut_off=is_cut_off,
        **facts,
    )


def count_decoded_frames(file_path: Path, *, is_cut_off: bool = False) -> int:
    """Return how many frames decode before the end of the file or its first broken frame.

    In a file that is cut off, pictures that lean on later ones may be missing before its end:
    the count stops at the first of these holes.
    """
    times: list[int | None] = []
    is_reordered = False
    has_checksums = False
    try:
        with open_container(file_path) as container:
            stream = video_stream(container, file_path)
            is_reordered = stream.codec_context.has_b_frames
            is_checked = stream.codec_context.name == "ffv1"
            for packet in whole_packets(container, stream):
                is_right = is_checked and has_right_checksum(bytes(packet))
                has_checksums |= is_right
                if has_checksums and not is_right:
                    break
                times += [frame.pts for frame in packet.decode()]
            times += [frame.pts for frame in stream.decode(None)]
    except (FFmpegError, EOFError):
        pass
    return _frames_before_hole(times) if is_cut_off and is_reordered else len(times)


def whole_packets(container: Any, stream: Any) -> Iterator[Any]:
    """Yield the packets of a stream that hold something, up to the first that is cut off."""
    for packet in container.demux(stream):
        if packet.is_corrupt:
            return
        if packet.size:
            yield packet


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


def _walk_packets(file_path: Path) -> tuple[int, bool, dict[str, Any]]:
    """Count whole packets of the video stream; say whether the file breaks off."""
    n_whole, last_key, key_interval = 0, 0, 0
    times: list[int] = []
    is_broken = False
    try:
        with open_container(file_path) as container:
            stream = video_stream(container, file_path)
            counted = _count_by_chunks(container, stream, file_path)
            if counted is not None:
                facts = _stream_facts(stream, file_path) | {"key_interval": counted.key_interval}
                return counted.n_frames, False, facts
            for packet in container.demux(stream):
                if is_broken := packet.is_corrupt:
                    break
                if not packet.size:
                    continue
                if packet.is_keyframe:
                    last_key = n_whole
                n_whole += 1
                key_interval = max(key_interval, n_whole - last_key)
                if packet.pts is not None:
                    times.append(packet.pts)
            facts = _stream_facts(stream, file_path) | {"key_interval": key_interval}
            return n_whole, is_broken or _breaks_off(container, stream, sorted(times)), facts
    except FFmpegError as error:
        raise _unreadable(file_path, str(error.strerror)) from error


def _count_by_chunks(container: Any, stream: Any, file_path: Path) -> AviCount | None:
    """Return the count of a whole AVI file without reading its pictures, else None."""
    if container.format.name != "avi" or len(container.streams) != 1:
        return None
    return count_avi_frames(file_path, n_stated=stream.frames)


def _breaks_off(container: Any, stream: Any, times: list[int]) -> bool:
    """Whether a file that states a duration but no count of frames holds less than it states.

    Its last frames end too early, or a frame that others were coded from stands alone behind a
    hole, where all frames before were regular.
    """
    is_stated = "matroska" in container.format.name and len(container.streams) == 1
    if not is_stated or not container.duration or not stream.average_rate or len(times) < 3:
        return False
    interval = 1 / float(stream.average_rate * stream.time_base)
    stated = container.duration / MICROSECONDS / float(stream.time_base)
    steps = np.diff(times) > 1.5 * interval
    is_hole = stream.codec_context.has_b_frames and steps[-LAST:].any() and not steps[:-LAST].any()
    return bool(is_hole) or stated - times[-1] > 1.5 * interval + 1


def _frames_before_hole(times: Sequence[int | None]) -> int:
    """Return how many frames come before a step in time that is longer than one frame."""
    if None in times or len(times) < 3:
        return len(times)
    intervals = np.diff(np.array(times, np.float64))
    holes = np.flatnonzero(intervals > 1.5 * np.median(intervals))
    return int(holes[0]) + 1 if len(holes) else len(times)


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


def open_container(file_path: Path) -> Any:
    """Open a movie file for reading."""
    try:
        return av.open(str(file_path), mode="r", **BROKEN_TEXT)
    except (FFmpegError, OSError) as error:
        raise _unreadable(file_path, str(error.strerror)) from error


def video_stream(container: Any, file_path: Path) -> Any:
    """Return the first video stream."""
    if not container.streams.video:
        raise _unreadable(file_path, "no video stream in it")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    return stream


def _unreadable(file_path: Path, reason: str) -> MovieError:
    """Build the error for a file that is no movie."""
    size = file_path.stat().st_size if file_path.exists() else 0
    return MovieError(
        f"{file_path} ({size} bytes) cannot be read as a movie: {reason}",
        "A movie file was expected; copy it again from its source.",
    )
