"""Writes the files of an ONIX acquisition as Bonsai does, with their truth."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ace_nwb.simulation.miniscope_daq import write_video

CLOCK_HZ = 250_000_000
SAMPLE_STEP = 8280  # 30193 samples a second
START_TEXT = "2024-03-01T12:34:56.1234567+00:00"
N_ROWS_OF_SENSOR = 608


@dataclass(frozen=True)
class OnixTruth:
    """What was written; times in seconds of the ONIX clock.

    Parameters
    ----------
    frames, frame_times_s
        The movie (frame, row, column), and when each frame began.
    ac, dc, sample_times_s
        Raw samples (sample, channel) and their times.
    quaternions, quaternion_times_s
        Order w, x, y, z.
    edges_s, levels
        Of digital input 2.
    analog
        Volts, shape (sample, 12).
    """

    folder: Path
    frames: np.ndarray
    frame_times_s: np.ndarray
    ac: np.ndarray
    dc: np.ndarray
    recovery: np.ndarray
    sample_times_s: np.ndarray
    quaternions: np.ndarray
    quaternion_times_s: np.ndarray
    edges_s: np.ndarray
    levels: np.ndarray
    analog: np.ndarray
    analog_times_s: np.ndarray


def write_acquisition(
    folder: Path,
    *,
    n_frames: int = 30,
    n_samples: int = 6000,
    n_channels: int = 32,
    values_per_frame: int = N_ROWS_OF_SENSOR,
    is_tutorial: bool = True,
    has_header: bool = True,
    has_flag: bool = False,
    gap_at_sample: int | None = None,
    suffix: str = "2024-03-01T12_34_56",
    seed: int = 0,
) -> OnixTruth:
    """Write Miniscope, RHS2116, BNO055, port status, digital and analog inputs.

    Parameters
    ----------
    values_per_frame
        Values of the frame clock: 608 as the writers store them, or 1.
    is_tutorial
        Names of the current tutorial, else the older `video_`.
    has_header
        Whether start-time has a header line.
    has_flag
        Whether the BNO055 writes a flag, 16 columns.
    gap_at_sample
        Where 0.1 s of samples are missing.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    header = "Timestamp,AcquisitionClockHz,BlockReadSize,BlockWriteSize\n" if has_header else ""
    _write_text(folder / f"start-time_{suffix}.csv", f"{header}{START_TEXT},{CLOCK_HZ},2048,2048\n")
    frames, frame_clock = _write_miniscope(
        folder, suffix, n_frames, values_per_frame, is_tutorial=is_tutorial, rng=rng
    )
    clock = 1_000_000 + SAMPLE_STEP * np.arange(n_samples, dtype=np.uint64)
    if gap_at_sample is not None:
        clock[gap_at_sample:] += np.uint64(CLOCK_HZ // 10)
    ac = rng.integers(0, 65536, (n_samples, n_channels), np.uint16)
    dc = rng.integers(0, 1024, (n_samples, n_channels), np.uint16)
    recovery = rng.integers(0, 2, (n_samples, n_channels), np.uint16)
    stem = "rhs2116pair" if n_channels == 32 else "rhs2116"
    for kind, values in (("clock", clock), ("ac", ac), ("dc", dc), ("recovery", recovery)):
        values.tofile(folder / f"{stem}-{kind}_{suffix}.raw")
    quaternions, bno_clock = _write_bno(folder, suffix, has_flag=has_flag, rng=rng)
    edge_clock = np.sort(rng.choice(40_000_000, 21, replace=False)).astype(np.uint64) + 900_000
    pins = ((np.arange(21) % 2) << 2).astype(np.uint8)
    edge_clock.tofile(folder / f"digital-clock_{suffix}.raw")
    pins.tofile(folder / f"digital-pins_{suffix}.raw")
    np.zeros(21, np.uint16).tofile(folder / f"digital-buttons_{suffix}.raw")
    analog_clock = 1_000_000 + 2500 * np.arange(400, dtype=np.uint64)
    analog = rng.normal(0, 1, (400, 12)).astype(np.float32)
    analog_clock.tofile(folder / f"analog-clock_{suffix}.raw")
    analog.tofile(folder / f"analog-data_{suffix}.raw")
    analog[:, 0].tofile(folder / f"CO2_{suffix}.raw")
    _write_text(
        folder / f"port-status_{suffix}.csv",
        f"Timestamp,Clock,StatusCode\n{START_TEXT},1500000,1\n{START_TEXT},2500000,4\n",
    )
    return OnixTruth(
        folder=folder,
        frames=frames,
        frame_times_s=frame_clock / CLOCK_HZ,
        ac=ac,
        dc=dc,
        recovery=recovery,
        sample_times_s=clock / CLOCK_HZ,
        quaternions=quaternions,
        quaternion_times_s=bno_clock / CLOCK_HZ,
        edges_s=edge_clock[1:] / CLOCK_HZ,
        levels=pins[1:] >> 2,
        analog=analog,
        analog_times_s=analog_clock / CLOCK_HZ,
    )


def _write_miniscope(
    folder: Path,
    suffix: str,
    n_frames: int,
    values_per_frame: int,
    *,
    is_tutorial: bool,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Write the movie and its clock."""
    frames = rng.integers(0, 256, (n_frames, 24, 32), np.uint8)
    frame_clock = 2_000_000 + 8_333_333 * np.arange(n_frames, dtype=np.uint64)
    frame_clock[1:] += rng.integers(0, 5000, n_frames - 1, np.uint64)
    rows = np.arange(values_per_frame, dtype=np.uint64) * 13_000
    stems = ("ucla-miniscope-v4-image", "ucla-miniscope-v4-clock")
    movie, clock = stems if is_tutorial else ("video", "video-clock")
    write_video(folder / f"{movie}_{suffix}.avi", frames, codec="ffv1")
    (frame_clock[:, None] + rows).tofile(folder / f"{clock}_{suffix}.raw")
    return frames, frame_clock


def _write_bno(
    folder: Path, suffix: str, *, has_flag: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Write the orientation sensor: clock, Euler angles, quaternion x y z w, and the rest."""
    clock = 1_800_000 + 2_500_000 * np.arange(50, dtype=np.uint64)
    clock[1:] += rng.integers(0, 5000, 49, np.uint64)
    quaternions = rng.normal(0, 1, (50, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    quaternions = np.round(quaternions, 6)
    lines = []
    for count, (w, x, y, z) in zip(clock, quaternions, strict=True):
        cells = [count, 10.5, -3.25, 4, x, y, z, w, *([3] * has_flag), 0.1, 0.2, 9.7, 0, 0, 9.8, 31]
        lines.append(",".join(map(str, cells)))
    _write_text(folder / f"bno055_{suffix}.csv", "\n".join(lines) + "\n")
    return quaternions, clock


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
