"""Writes the folder of a legacy Miniscope V3 recording, with its truth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ace_nwb.simulation.miniscope_daq import write_numbered_videos


@dataclass(frozen=True)
class V3Truth:
    """What was written: frames (frame, row, column) and true device times (s) of both cameras."""

    folder: Path
    frames: np.ndarray
    times_s: np.ndarray
    camera_frames: np.ndarray
    camera_times_s: np.ndarray
    scope_number: int


def write_recording(
    folder: Path,
    *,
    n_frames: int = 57,
    n_camera_frames: int = 43,
    frames_per_file: int = 20,
    scope_number: int = 1,
    seed: int = 0,
) -> V3Truth:
    """Write `<folder>/6_12_2025/H15_M6_S3` with scope, behaviour camera and notes.

    The rows of both cameras stand interleaved in timestamp.dat; the first stamp of each is junk.
    """
    rng = np.random.default_rng(seed)
    base = folder / "6_12_2025" / "H15_M6_S3"
    base.mkdir(parents=True)
    frames = rng.integers(0, 256, (n_frames, 20, 28), np.uint8)
    camera = rng.integers(0, 256, (n_camera_frames, 16, 24), np.uint8)
    write_numbered_videos(base, frames, stem="msCam", first=1, frames_per_file=frames_per_file)
    write_numbered_videos(base, camera, stem="behavCam", first=1, frames_per_file=frames_per_file)
    times_ms = 50 * np.arange(n_frames) + rng.integers(0, 4, n_frames)
    camera_ms = 66 * np.arange(n_camera_frames) + rng.integers(0, 4, n_camera_frames)
    times_ms[0] = camera_ms[0] = 0
    rows = [
        (int(stamp), number, index + 1)
        for number, stamps in ((scope_number, times_ms), (1 - scope_number, camera_ms))
        for index, stamp in enumerate(stamps)
    ]
    lines = ["camNum\tframeNum\tsysClock\tbuffer"]
    for stamp, number, frame in sorted(rows):
        written = 3_401_234_567 if frame == 1 else stamp
        lines.append(f"{number}\t{frame}\t{written}\t{1 + frame % 3}")
    (base / "timestamp.dat").write_text("\n".join(lines) + "\n", encoding="utf-8")
    notes = "elapsedTime\tNote\n1200\tgrooming\n2500\tsleeps, then wakes\n"
    (base / "settings_and_notes.dat").write_text(
        f"animal\texcitation\tmsCamExposure\trecordLength\nm7\t12\t255\t600\n\n{notes}",
        encoding="utf-8",
    )
    return V3Truth(base, frames, times_ms / 1000, camera, camera_ms / 1000, scope_number)
