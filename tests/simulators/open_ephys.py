"""Writes recordings of the Open Ephys Miniscope GUI and of the Bonsai tutorial, with truth."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from ace_nwb.simulation.miniscope_daq import write_video

START = datetime(2026, 3, 1, 12, 34, 56, 123000, timezone(timedelta(hours=-5)))


@dataclass(frozen=True)
class OpenEphysTruth:
    """What was written: frames, their times (s from the first), quaternions w x y z, input 0."""

    folder: Path
    frames: np.ndarray
    times_s: np.ndarray
    quaternions: np.ndarray
    levels: np.ndarray


def write_recording(
    folder: Path,
    *,
    n_frames: int = 40,
    lost: tuple[int, ...] = (),
    is_gui: bool = True,
    seed: int = 0,
) -> OpenEphysTruth:
    """Write a movie and the table of its frames; lost frames are counted but not saved."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    kept = np.setdiff1d(np.arange(n_frames), lost)
    frames = rng.integers(0, 256, (len(kept), 20, 28), np.uint8)
    times_ms = 33 * kept + rng.integers(0, 3, len(kept)) * (kept > 1)
    quaternions = np.round(rng.normal(0, 1, (len(kept), 4)), 6)
    levels = (kept // 7) % 2
    stamps = [(START + timedelta(milliseconds=int(t))).isoformat() for t in times_ms]
    if is_gui:
        movie, table = "scope1.avi", "scope1.csv"
        header = (
            "FrameNumber,HardwareTime,Quaternion_X,Quaternion_Y,Quaternion_Z,Quaternion_W,"
            "DigitalIn0,DigitalIn1,Timestamp"
        )
        rows = [
            [k, 5000 + t, q[1], q[2], q[3], q[0], level, 0, stamp]
            for k, t, q, level, stamp in zip(
                kept, times_ms, quaternions, levels, stamps, strict=True
            )
        ]
    else:
        movie, table = "uclaminiscopev4-image_0.avi", "uclaminiscopev4-quat_0.csv"
        header = "Timestamp,FrameNumber,W,X,Y,Z"
        rows = [[stamp, k, *q] for k, q, stamp in zip(kept, quaternions, stamps, strict=True)]
    write_video(folder / movie, frames, codec="rawvideo")
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    (folder / table).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return OpenEphysTruth(folder, frames, times_ms / 1000, quaternions, levels)
