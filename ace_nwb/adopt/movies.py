"""The movie of a session as TIFF, AVI (FFV1, lossless) or MP4, whole or by range."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from PIL import Image

from ace_nwb.adopt.tables import check_new
from ace_nwb.errors import ParameterError
from ace_nwb.imaging.movie import Movie
from ace_nwb.nwb.commit.new_file import new_files
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.session import Session
from ace_nwb.stages.common.corrected import open_corrected_movie

_BLOCK_FRAMES = 64  # frames; 23 MB at 608 x 608 in 8 bits
_CODECS = {".avi": ("ffv1", "gray", "gray16le"), ".mp4": ("libx264", "yuv420p", "")}
_RATE_DIGITS = 1000  # mHz: a rate is kept to a thousandth of a Hz, the fraction small


@dataclass(frozen=True)
class MovieRange:
    """Which frames, and of which movie.

    Parameters
    ----------
    start, stop
        First frame, and the one after the last; None for the end.
    is_corrected
        Cropped, debleached and motion corrected, in place of as recorded.
    """

    start: int = 0
    stop: int | None = None
    is_corrected: bool = False


def export_movie(
    session: Session,
    path: Path,
    *,
    part: MovieRange | None = None,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> int:
    """Write frames of the movie, and beside it a JSON with their times; return their number.

    Whole numbers are kept as they are in TIFF and AVI (8 or 16 bits); real numbers are kept in
    TIFF (float32) and scaled to 16 bits in AVI. MP4 is for looking at: 8 bits, lossy.

    Parameters
    ----------
    session
        The session.
    path
        Ending .tif, .tiff, .avi or .mp4.
    part
        Which frames; all as recorded by default.
    progress
        Called with (frames written, of how many).

    Raises
    ------
    ParameterError
        If the ending is unknown or the range is empty.
    """
    part = part or MovieRange()
    check_new(path)
    raw = NwbMovie(session)
    movie: Movie = open_corrected_movie(session, workers=1) if part.is_corrected else raw
    stop = min(movie.shape[0], movie.shape[0] if part.stop is None else part.stop)
    if not 0 <= part.start < stop:
        raise ParameterError(
            f"Frames {part.start} to {stop} of {movie.shape[0]} were asked for. A first frame "
            "before the last one was expected."
        )
    ending, scale = path.suffix.lower(), (0.0, 1.0)
    if ending not in (".tif", ".tiff", *_CODECS):
        raise ParameterError(f"{path} ends in {ending}. One of .tif, .avi, .mp4 was expected.")
    blocks = _read_blocks(movie, part.start, stop, progress)
    with new_files([path, path.with_suffix(path.suffix + ".json")]) as (stream, facts):
        if ending in _CODECS:
            scale = _find_scale(movie, part.start, stop, is_lossy=ending == ".mp4")
            _write_video(stream, ending, blocks, movie.frame_rate_hz, scale)
        else:
            _write_tiff(stream, blocks)
        found = _facts(session, raw, (part.start, stop), part.is_corrected, scale)
        facts.write(json.dumps(found).encode())
    return stop - part.start


def _read_blocks(
    movie: Movie, start: int, stop: int, progress: Callable[[int, int], None]
) -> Iterator[np.ndarray]:
    """Yield the frames in blocks."""
    for first in range(start, stop, _BLOCK_FRAMES):
        last = min(first + _BLOCK_FRAMES, stop)
        yield movie.read(first, last)
        progress(last - start, stop - start)


def _write_tiff(stream: BinaryIO, blocks: Iterator[np.ndarray]) -> None:
    """Write a stack; the frames are handed over one by one."""
    images = (Image.fromarray(_plain(frame)) for block in blocks for frame in block)
    first = next(images)
    first.save(stream, save_all=True, append_images=images, format="TIFF")


def _plain(frame: np.ndarray) -> np.ndarray:
    """Return a frame in a type that TIFF holds."""
    if frame.dtype in (np.uint8, np.uint16):
        return np.ascontiguousarray(frame)
    return np.ascontiguousarray(frame, np.float32)


def _find_scale(movie: Movie, start: int, stop: int, *, is_lossy: bool) -> tuple[float, float]:
    """Return offset and factor from a grey level to the pixels of a video."""
    frames = np.unique(np.linspace(start, stop - 1, 50).astype(int))
    sample = np.concatenate([movie.read(int(i), int(i) + 1) for i in frames])
    if sample.dtype in (np.uint8, np.uint16) and not is_lossy:
        return 0.0, 1.0
    low, high = np.percentile(sample, [0.1, 99.9]) if is_lossy else (sample.min(), sample.max())
    top = 255 if is_lossy else 60000
    return float(low), float(top / max(high - low, 1e-9))


def _write_video(
    target: BinaryIO,
    ending: str,
    blocks: Iterator[np.ndarray],
    rate_hz: float,
    scale: tuple[float, float],
) -> None:
    """Write a video of one stream."""
    codec, narrow, wide = _CODECS[ending]
    rate = Fraction(round(rate_hz * _RATE_DIGITS), _RATE_DIGITS)
    with av.open(target, "w", format=ending.lstrip(".")) as container:
        stream: Any = None
        for block in blocks:
            pixels = _scaled(block, scale, is_wide=bool(wide))
            if stream is None:
                stream = container.add_stream(codec, rate=rate)
                n_rows, n_columns = pixels.shape[1:]
                even = 2 if narrow == "yuv420p" else 1
                stream.width, stream.height = n_columns - n_columns % even, n_rows - n_rows % even
                stream.pix_fmt = wide if pixels.dtype == np.uint16 else narrow
            for image in pixels:
                _encode(container, stream, image[: stream.height, : stream.width])
        for packet in stream.encode():
            container.mux(packet)


def _encode(container: Any, stream: Any, image: np.ndarray) -> None:
    """Hand one frame to the encoder."""
    name = "gray16le" if image.dtype == np.uint16 else "gray"
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=name)
    for packet in stream.encode(frame):
        container.mux(packet)


def _scaled(block: np.ndarray, scale: tuple[float, float], *, is_wide: bool) -> np.ndarray:
    """Return frames as pixels of a video."""
    if scale == (0.0, 1.0) and block.dtype in (np.uint8, np.uint16):
        return block
    top = 65535 if is_wide else 255
    values = np.clip(np.rint((block - scale[0]) * scale[1]), 0, top)
    return values.astype(np.uint16 if is_wide else np.uint8)


def _facts(
    session: Session,
    raw: NwbMovie,
    frames: tuple[int, int],
    is_corrected: bool,
    scale: tuple[float, float],
) -> dict[str, Any]:
    """Return what the frames are, and when they were taken."""
    return {
        "session": session.identifier,
        "first_frame": frames[0],
        "n_frames": frames[1] - frames[0],
        "is_corrected": is_corrected,
        "grey_level": "pixel / factor + offset",
        "offset": scale[0],
        "factor": scale[1],
        "timestamps_s": raw.timestamps[frames[0] : frames[1]].tolist(),
    }
