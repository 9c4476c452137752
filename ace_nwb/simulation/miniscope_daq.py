"""Writes the folder of a Miniscope-DAQ-QT v2 recording: videos, clocks, settings, notes."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import av
import numpy as np

CONTAINER_RATE_HZ = 60  # the program writes this whatever the camera does
JUNK_STAMP_MS = 935703178  # ms: a first stamp as found in a recording of Miniscope-DAQ-QT v2
BUFFER_SIZE = 128  # frames of the ring buffer of Miniscope-DAQ-QT, as in its source


@dataclass(frozen=True)
class FrameClock:
    """What the program notes about the frames it saves.

    Parameters
    ----------
    saved
        Index of every saved frame among all frames the sensor took, shape (saved frame,).
    stamps_ms
        Software time stamps since the record press, shape (saved frame,).
    daq_numbers
        The DAQ's frame counter, shape (saved frame,), or None for programs without the column.
    buffer_index
        Frames waiting in the ring buffer, shape (saved frame,).
    """

    saved: np.ndarray
    stamps_ms: np.ndarray
    daq_numbers: np.ndarray | None
    buffer_index: np.ndarray


def draw_frame_clock(
    device_times_s: np.ndarray,
    dropped: np.ndarray,
    *,
    daq_first_raw: int | None,
    n_daq_failures: int = 0,
    has_junk_stamp: bool,
    rng: np.random.Generator,
) -> FrameClock:
    """Draw the time stamps of a recording: late by 0 to 30 ms, never out of order.

    Parameters
    ----------
    device_times_s
        When the sensor took every frame, s since the record press, shape (frame,).
    dropped
        Frames that were lost on the way, shape (dropped,).
    daq_first_raw
        Raw 16-bit counter at the first frame (it wraps); None to leave the column out.
    n_daq_failures
        How many times reading the counter failed: it says -1 there.
    has_junk_stamp
        Whether the first stamp is nonsense.
    """
    saved = np.setdiff1d(np.arange(len(device_times_s)), dropped)
    late_s = np.minimum(rng.exponential(0.003, len(saved)), 0.030)
    late_s[rng.uniform(size=len(saved)) < 0.01] = 0.030
    stamps = np.maximum.accumulate(np.round((device_times_s[saved] + late_s) * 1000)).astype(int)
    if has_junk_stamp:
        stamps[0] = JUNK_STAMP_MS
    daq = None if daq_first_raw is None else (daq_first_raw + saved) % 65536 - daq_first_raw
    if daq is not None:
        daq[rng.choice(np.arange(1, len(daq)), n_daq_failures, replace=False)] = -1
    waiting = rng.poisson(0.3, len(saved)) + (late_s >= 0.030)
    return FrameClock(saved, stamps, daq, waiting % BUFFER_SIZE)


def write_videos(
    folder: Path, blocks: Iterable[np.ndarray], *, frames_per_file: int, codec: str
) -> None:
    """Write frames as 0.avi, 1.avi, ... with a fixed number of frames each.

    Parameters
    ----------
    blocks
        Frames in order, each block of shape (frame, row, column), uint8.
    codec
        "ffv1" (lossless grey) or "mjpeg".
    """
    for number, frames in enumerate(_regroup(blocks, frames_per_file)):
        _write_video(folder / f"{number}.avi", frames, codec=codec)


def write_numbered_videos(
    folder: Path, frames: np.ndarray, *, stem: str, first: int, frames_per_file: int
) -> None:
    """Write frames as <stem><first>.avi, ... uncompressed, as the legacy program does."""
    for number, start in enumerate(range(0, len(frames), frames_per_file), start=first):
        part = frames[start : start + frames_per_file]
        write_video(folder / f"{stem}{number}.avi", part, codec="rawvideo", pixel_format="bgr24")


def write_video(
    path: Path, frames: np.ndarray, *, codec: str, pixel_format: str | None = None
) -> None:
    """Write one movie file from an array (frame, row, column)."""
    _write_video(path, iter(frames), codec=codec, pixel_format=pixel_format)


def _regroup(blocks: Iterable[np.ndarray], size: int) -> Iterator[Iterator[np.ndarray]]:
    """Deal single frames out in groups of the given size."""
    frames = (frame for block in blocks for frame in block)
    for first in frames:
        yield _take(first, frames, size - 1)


def _take(first: np.ndarray, frames: Iterator[np.ndarray], n_more: int) -> Iterator[np.ndarray]:
    """Yield one frame and up to that many more."""
    yield first
    for _, frame in zip(range(n_more), frames, strict=False):
        yield frame


def _write_video(
    path: Path, frames: Iterator[np.ndarray], *, codec: str, pixel_format: str | None = None
) -> None:
    """Write one AVI file."""
    with av.open(path, "w", format="avi") as container:
        stream: Any = None
        for image in frames:
            if stream is None:
                stream = container.add_stream(codec, rate=CONTAINER_RATE_HZ)
                stream.height, stream.width = image.shape
                stream.pix_fmt = pixel_format or ("yuvj420p" if codec == "mjpeg" else "gray")
                stream.codec_context.thread_count = 1
            frame = av.VideoFrame.from_ndarray(image, format="gray")
            if pixel_format is not None:
                frame = frame.reformat(format=pixel_format)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def read_saved_blocks(
    read: Callable[[int, int], np.ndarray], saved: np.ndarray, *, block_frames: int
) -> Iterator[np.ndarray]:
    """Yield the saved frames of a movie block by block, shape (frame, row, column)."""
    for start in range(0, int(saved[-1]) + 1, block_frames):
        kept = saved[(saved >= start) & (saved < start + block_frames)]
        if len(kept):
            yield read(start, int(kept[-1]) + 1)[kept - start]


def write_timestamps(path: Path, clock: FrameClock) -> None:
    """Write timeStamps.csv, with the column of the DAQ's counter if there is one."""
    columns: dict[str, np.ndarray] = {
        "Frame Number": np.arange(len(clock.saved)),
        "Time Stamp (ms)": clock.stamps_ms,
        "Buffer Index": clock.buffer_index,
    }
    if clock.daq_numbers is not None:
        columns["DAQ Frame Number"] = clock.daq_numbers
    _write_csv(path, list(columns), zip(*columns.values(), strict=True))


def write_head_orientation(path: Path, stamps_ms: np.ndarray, quaternions: np.ndarray) -> None:
    """Write headOrientation.csv; quaternions of shape (row, 4) in the order w, x, y, z."""
    rows = (
        [stamp, *(f"{value:.6f}" for value in quaternion)]
        for stamp, quaternion in zip(stamps_ms, quaternions, strict=True)
    )
    _write_csv(path, ["Time Stamp (ms)", "qw", "qx", "qy", "qz"], rows)


def draw_head_orientation(n_rows: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a head that turns left and right and nods, unit quaternions of shape (row, 4)."""
    yaw = np.cumsum(rng.normal(0, 0.03, n_rows))
    pitch = 0.2 * np.sin(np.cumsum(rng.normal(0.02, 0.02, n_rows)))
    return np.column_stack(
        [
            np.cos(yaw / 2) * np.cos(pitch / 2),
            -np.sin(yaw / 2) * np.sin(pitch / 2),
            np.cos(yaw / 2) * np.sin(pitch / 2),
            np.sin(yaw / 2) * np.cos(pitch / 2),
        ]
    )


def write_notes(path: Path, notes: list[tuple[int, str]]) -> None:
    """Write notes.csv: (ms, text); the program does not quote commas, so neither do we."""
    lines = ["Time Stamp (ms), Note", *(f"{stamp_ms},{note}" for stamp_ms, note in notes)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def write_json(path: Path, content: dict[str, object]) -> None:
    """Write JSON as the program does: indented by four."""
    path.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8", newline="\n")


def describe_start(start: datetime) -> dict[str, int]:
    """Return the program's recordingStartTime: local fields, and ms since the epoch."""
    return {
        "year": start.year,
        "month": start.month,
        "day": start.day,
        "hour": start.hour,
        "minute": start.minute,
        "second": start.second,
        "msec": start.microsecond // 1000,
        "msecSinceEpoch": round(start.timestamp() * 1000),
    }


def _write_csv(path: Path, header: list[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table with a header line."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
