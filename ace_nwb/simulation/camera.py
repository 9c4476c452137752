"""The behaviour camera beside the scope: a bright animal in a dark box, on its own clock."""

from pathlib import Path

import numpy as np

from ace_nwb.simulation import miniscope_daq
from ace_nwb.simulation.metadata import CAMERA_RATE_HZ, CAMERA_SHAPE, write_device_metadata

BLOCK_FRAMES = 100  # frames in memory at once
ANIMAL_SIZE = 0.07  # of the side of the box


def write_camera(
    folder: Path, *, duration_s: float, frames_per_file: int, rng: np.random.Generator
) -> None:
    """Write the camera's folder, for a recording of the given duration of device time."""
    times_s = np.arange(0.063, duration_s, 1 / CAMERA_RATE_HZ)
    clock = miniscope_daq.draw_frame_clock(
        times_s, np.empty(0, int), daq_first_raw=None, has_junk_stamp=False, rng=rng
    )
    miniscope_daq.write_timestamps(folder / "timeStamps.csv", clock)
    write_device_metadata(folder, None, frames_per_file=frames_per_file)
    path = 0.5 + 0.35 * np.column_stack([np.sin(times_s / 3.1), np.cos(times_s / 4.7)])
    starts = range(0, len(path), BLOCK_FRAMES)
    blocks = (draw_animal(path[start : start + BLOCK_FRAMES]) for start in starts)
    miniscope_daq.write_videos(folder, blocks, frames_per_file=frames_per_file, codec="mjpeg")


def draw_animal(positions: np.ndarray) -> np.ndarray:
    """Return frames with a bright blob at (row, column) positions of 0..1, uint8.

    Returns shape (frame, row, column) for positions of shape (frame, 2).
    """
    rows, columns = (np.linspace(0, 1, size, dtype=np.float32) for size in CAMERA_SHAPE)
    positions = positions.astype(np.float32)
    down = (rows[None] - positions[:, :1]) / ANIMAL_SIZE
    right = (columns[None] - positions[:, 1:]) / ANIMAL_SIZE
    blob = np.exp(-0.5 * down**2)[:, :, None] * np.exp(-0.5 * right**2)[:, None, :]
    return (30 + 180 * blob).astype(np.uint8)
