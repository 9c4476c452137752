"""A clip of a session: raw, corrected, neural, background and residual movie above the signals.

`clip_frames` draws the pictures; here they are taken from the file, block by block, and encoded.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from ace_nwb.engines.components import ComponentMovie
from ace_nwb.errors import ParameterError, UnknownNameError
from ace_nwb.imaging.corrected import CorrectedMovie, CroppedMovie
from ace_nwb.imaging.movie import Movie
from ace_nwb.nwb import layout
from ace_nwb.nwb.commit.new_file import new_file
from ace_nwb.nwb.content.ephys import list_ephys
from ace_nwb.nwb.content.imaging import read_pixel_size
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.rois import read_segmentation
from ace_nwb.nwb.session import Session, open_session
from ace_nwb.report.clip_frames import ClipCanvas, choose_levels, draw_strip
from ace_nwb.report.ephys_line import read_ephys_line
from ace_nwb.report.sections.field import read_rois
from ace_nwb.report.sections.traces import Traces, busiest_span, read_traces
from ace_nwb.report.writing import refuse_overwriting
from ace_nwb.stages.common.corrected import open_corrected_movie

DEFAULT_S = 30.0  # seconds: events of many cells show, and a talk has time for it
N_TRACES = 8  # traces below the movie; each needs 24 px
N_LEVEL_FRAMES = 12  # frames over the clip, whose quantiles set the grey levels
BLOCK_PIXELS = 4_000_000
"""Pixels read at a time: about 100 MB with all their parts."""
QUALITY = "20"
MIN_WIDTH_PX = 900  # px, so that the times on the axis below do not touch


@dataclass(frozen=True)
class ClipRequest:
    """What to show.

    Parameters
    ----------
    start_s, stop_s
        Seconds of the session clock; by default the 30 s of most activity.
    channel
        Ephys channel; the first by default.
    speed
        How many times faster than life.
    """

    start_s: float | None = None
    stop_s: float | None = None
    channel: str | None = None
    speed: float = 1.0


@dataclass(frozen=True)
class Clip:
    """What was written: frames first..stop of the movie, at a rate, in panels; pace in words.

    `n_rois` is None before the extraction.
    """

    first_frame: int
    stop_frame: int
    rate_hz: float
    stage: ClipCanvas
    pace: str = ""
    n_rois: int | None = None

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.stop_frame - self.first_frame


def write_clip(
    nwb_path: Path,
    mp4_path: Path,
    request: ClipRequest | None = None,
    *,
    workers: int = 2,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Clip:
    """Write an MP4 of a span of time: the movie and its parts, traces, an ephys channel.

    Parameters
    ----------
    nwb_path
        A session file; it is only read. Parts whose stage has not been run are left out.
    mp4_path
        The video to write; an existing one is replaced.
    request
        Span, channel, speed.
    workers
        Threads that decompress the movie.
    progress
        Called with (frames written, of how many).

    Returns
    -------
    Clip
        Frames and panels.

    Raises
    ------
    ParameterError
        If no frame lies in the span.
    OutputError
        If the video cannot be written there.
    """
    request = request or ClipRequest()
    if not request.speed > 0:
        raise ParameterError(f"speed = {request.speed:g} is not positive. Give 1 for real time.")
    refuse_overwriting(nwb_path, mp4_path)
    with open_session(nwb_path) as session:
        source = _Source.open(session, workers=workers)
        clip = _plan(session, source, request)
        pictures = _draw(source, clip, progress)
        _encode(pictures, mp4_path, rate_hz=clip.rate_hz, shape=clip.stage.shape, workers=workers)
    return clip


@dataclass(frozen=True)
class _Source:
    """Every movie of the session, read together."""

    times_s: np.ndarray
    raw: Movie
    corrected: CorrectedMovie
    components: ComponentMovie | None

    @classmethod
    def open(cls, session: Session, *, workers: int) -> "_Source":
        """Find what the file holds."""
        corrected = open_corrected_movie(session, workers=workers)
        crop = corrected.crop
        raw = corrected.source if crop is None else CroppedMovie(corrected.source, crop)
        has_rois = session.has(layout.PLANE_SEGMENTATION) and session.has(layout.DENOISED_TRACES)
        parts = ComponentMovie(corrected, read_segmentation(session)) if has_rois else None
        times_s = NwbMovie(session).timestamps
        return cls(times_s, raw, corrected, parts)

    def read(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Return the frames of every panel, each of shape (frame, row, column)."""
        found = {"raw": self.raw.read(start, stop)}
        if self.components is None:
            return found | {"corrected": self.corrected.read(start, stop)}
        parts = self.components.read(start, stop)
        return found | {
            name: getattr(parts, name) for name in ("corrected", "neural", "background", "residual")
        }


def _plan(session: Session, source: _Source, request: ClipRequest) -> Clip:
    """Choose frames, grey levels and layout, and draw what stays the same."""
    rois, outlines = read_rois(session)
    traces = read_traces(session, rois)
    span_s = _choose_span(source.times_s, traces, request)
    first, stop = (int(i) for i in np.searchsorted(source.times_s, span_s))
    if stop <= first:
        raise ParameterError(
            f"No frame lies between {span_s[0]:g} and {span_s[1]:g} s. The movie runs from "
            f"{source.times_s[0]:.3f} to {source.times_s[-1]:.3f} s of the session clock; give "
            "--start and --stop within it."
        )
    chosen = np.unique(np.linspace(first, stop - 1, N_LEVEL_FRAMES).astype(int))
    samples = [source.read(int(frame), int(frame) + 1) for frame in chosen]
    panels = choose_levels({name: [sample[name] for sample in samples] for name in samples[0]})
    stage = ClipCanvas(source.corrected.shape[1:], panels, pixel_um=read_pixel_size(session))
    shown = _most_active(traces, span_s)
    _check_channel(session, request.channel)
    strip = draw_strip(
        shown,
        read_ephys_line(session, span_s, request.channel),
        span_s=span_s,
        width_px=max(stage.shape[1], MIN_WIDTH_PX),
    )
    if outlines is not None and shown is not None:
        rows = [int(np.flatnonzero(outlines.numbers == number)[0]) for number in shown.numbers]
        outlines = replace(
            outlines,
            numbers=outlines.numbers[rows],
            contours=tuple(outlines.contours[row] for row in rows),
            accepted=outlines.accepted[rows],
        )
    rate_hz = request.speed * source.corrected.frame_rate_hz
    pace = "" if request.speed == 1 else f" · {request.speed:g} x"
    stage = replace(stage, strip=strip, outlines=outlines)
    return Clip(first, stop, rate_hz, stage, pace, None if rois is None else rois.n_rois)


def _choose_span(
    times_s: np.ndarray, traces: Traces | None, request: ClipRequest
) -> tuple[float, float]:
    """Return the span asked for, or the 30 s of most activity."""
    start_s, stop_s = request.start_s, request.stop_s
    first_s, last_s = float(times_s[0]), float(np.nextafter(times_s[-1], np.inf))
    if start_s is not None:
        return start_s, start_s + DEFAULT_S if stop_s is None else stop_s
    if stop_s is not None:
        return max(first_s, stop_s - DEFAULT_S), stop_s
    busiest = None
    if traces is not None:
        busiest = busiest_span(traces, from_s=DEFAULT_S, width_s=DEFAULT_S)
    return busiest or (first_s, min(first_s + DEFAULT_S, last_s))


def _most_active(traces: Traces | None, span_s: tuple[float, float]) -> Traces | None:
    """Return the traces that change most within the span, and only that part of them."""
    if traces is None:
        return None
    inside = (traces.times_s >= span_s[0]) & (traces.times_s <= span_s[1])
    values = traces.denoised if traces.denoised is not None else traces.raw
    change = np.nanstd(values[inside], axis=0) / np.maximum(np.nanstd(values, axis=0), 1e-12)
    chosen = np.sort(np.argsort(-change, kind="stable")[:N_TRACES])
    return Traces(
        traces.times_s[inside],
        traces.numbers[chosen],
        traces.raw[np.ix_(inside, chosen)],
        None if traces.denoised is None else traces.denoised[np.ix_(inside, chosen)],
        traces.unit,
    )


def _check_channel(session: Session, channel: str | None) -> None:
    """Refuse a channel that does not exist, with those that do."""
    known = [name for series in list_ephys(session) for name in series.channel_names]
    if channel is not None and channel not in known:
        raise UnknownNameError.among("channel", channel, dict.fromkeys(known))


def _draw(
    source: _Source, clip: Clip, progress: Callable[[int, int], None]
) -> Iterator[np.ndarray]:
    """Yield the pictures one by one, reading the movie in blocks."""
    n_rows, n_columns = source.corrected.shape[1:]
    block = max(1, BLOCK_PIXELS // (n_rows * n_columns))
    for start in range(clip.first_frame, clip.stop_frame, block):
        stop = min(start + block, clip.stop_frame)
        images = source.read(start, stop)
        for offset, time_s in enumerate(source.times_s[start:stop]):
            yield clip.stage.draw(
                {name: frames[offset] for name, frames in images.items()},
                time_s=float(time_s),
                note=f"{time_s:.3f} s · frame {start + offset}{clip.pace}",
            )
        progress(stop - clip.first_frame, clip.n_frames)


def _encode(
    pictures: Iterator[np.ndarray],
    path: Path,
    *,
    rate_hz: float,
    shape: tuple[int, int],
    workers: int,
) -> None:
    """Write H.264 in MP4."""
    with (
        new_file(path, replace=True) as target,
        av.open(target, "w", format="mp4") as container,
    ):
        stream: Any = container.add_stream(
            "libx264",
            rate=Fraction(rate_hz).limit_denominator(1000),
            options={"crf": QUALITY, "preset": "veryfast"},
        )
        stream.height, stream.width = shape
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = workers
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
