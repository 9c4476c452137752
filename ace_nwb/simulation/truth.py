"""What is true of a simulated movie and recording, and the two files that keep it.

truth.npz holds the arrays, truth.json the numbers that a person may want to read.
"""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array


@dataclass(frozen=True)
class MovieTruth:
    """What is true of a simulated movie.

    Parameters
    ----------
    footprints
        As they appear at rest in the raw field, behind vessels and vignette, shape
        (roi, n_rows * n_columns); pixel = row * n_columns + column.
    field_shape
        (n_rows, n_columns).
    centres_px
        (row, column) of the cells at rest, shape (roi, 2).
    calcium
        Shape (frame, roi); footprint x calcium x brightness = light in grey levels.
    spike_times_s
        Spike times per cell, on the clock of `frame_times_s`.
    displacement_px
        Where the tissue stands, shape (frame, 2): what rests at (row, column) appears at
        (row, column) + displacement. Median 0.
    brightness
        Bleaching relative to the start, shape (frame,).
    frame_times_s
        Time of every frame, shape (frame,).
    pixel_noise
        Standard deviation of the sensor noise at rest, shape (row, column), grey levels.
    """

    footprints: csr_array
    field_shape: tuple[int, int]
    centres_px: np.ndarray
    calcium: np.ndarray
    spike_times_s: tuple[np.ndarray, ...]
    displacement_px: np.ndarray
    brightness: np.ndarray
    frame_times_s: np.ndarray
    pixel_noise: np.ndarray

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(self.footprints.shape[0])

    @property
    def correction_px(self) -> np.ndarray:
        """(row, column) to add to coordinates in a raw frame to come to rest, shape (frame, 2)."""
        return -self.displacement_px

    @property
    def max_displacement_px(self) -> float:
        """Largest displacement along either axis."""
        return float(np.abs(self.displacement_px).max(initial=0.0))

    def image_masks(self) -> np.ndarray:
        """Return the footprints as images, shape (roi, row, column), float32."""
        dense = self.footprints.toarray().astype(np.float32)
        return dense.reshape(self.n_cells, *self.field_shape)


@dataclass(frozen=True)
class RecordingTruth:
    """What is true of a simulated recording. All times are seconds of the ephys clock.

    The ephys clock is 0 at the first sample of the continuous channels. Ephys time of the camera's
    device time d is `clock_offset_s + d * (1 + clock_drift_ppm * 1e-6)`.

    Parameters
    ----------
    movie
        The truth of the saved frames: calcium, displacement and times have one row per saved frame.
        A frame's time is that of its edge on the frame line.
    saved_frames
        Index among all frames taken of every saved frame, shape (saved frame,).
    taken_times_s, device_times_s
        Time of every frame taken, on the ephys clock and on the device's, shape (taken frame,).
    stray_pulses_s
        Edges on the frame line that belong to no frame.
    clock_offset_s, clock_drift_ppm
        See above.
    preferred_phase_rad
        Phase of the slow oscillation that a cell prefers (0 = peak), NaN if it is not locked,
        shape (roi,).
    slow_phase_rad
        Phase of the slow oscillation at every saved frame, -pi..pi, shape (saved frame,).
    gap_s
        (start, stop) of the gap in the continuous channels, or None.
    """

    movie: MovieTruth
    saved_frames: np.ndarray
    taken_times_s: np.ndarray
    device_times_s: np.ndarray
    stray_pulses_s: np.ndarray
    clock_offset_s: float
    clock_drift_ppm: float
    preferred_phase_rad: np.ndarray
    slow_phase_rad: np.ndarray
    gap_s: tuple[float, float] | None

    @property
    def dropped_frames(self) -> np.ndarray:
        """Index among all frames taken of every lost frame."""
        return np.setdiff1d(np.arange(len(self.taken_times_s)), self.saved_frames)

    @property
    def locked_cells(self) -> np.ndarray:
        """Cells locked to the slow oscillation."""
        return np.flatnonzero(np.isfinite(self.preferred_phase_rad))


RECORDING_ARRAYS = (
    "saved_frames",
    "taken_times_s",
    "device_times_s",
    "stray_pulses_s",
    "preferred_phase_rad",
    "slow_phase_rad",
)
MOVIE_ARRAYS = (
    "centres_px",
    "calcium",
    "displacement_px",
    "brightness",
    "frame_times_s",
    "pixel_noise",
)


def save_truth(folder: Path, truth: RecordingTruth) -> None:
    """Write truth.npz and truth.json; the same truth gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    movie, footprints = truth.movie, truth.movie.footprints
    spikes = movie.spike_times_s
    arrays = {name: getattr(truth, name) for name in RECORDING_ARRAYS}
    arrays |= {name: getattr(movie, name) for name in MOVIE_ARRAYS}
    arrays |= {
        "footprint_weights": footprints.data,
        "footprint_pixels": footprints.indices,
        "footprint_starts": footprints.indptr,
        "spike_times_s": np.concatenate([np.empty(0), *spikes]),
        "spike_counts": np.array([len(times) for times in spikes], int),
    }
    _write_npz(folder / "truth.npz", arrays)
    facts = {
        "field_shape": movie.field_shape,
        "n_cells": movie.n_cells,
        "n_saved_frames": len(truth.saved_frames),
        "dropped_frames": truth.dropped_frames.tolist(),
        "clock_offset_s": truth.clock_offset_s,
        "clock_drift_ppm": truth.clock_drift_ppm,
        "gap_s": truth.gap_s,
        "stray_pulses_s": truth.stray_pulses_s.tolist(),
        "locked_cells": truth.locked_cells.tolist(),
        "preferred_phase_rad": truth.preferred_phase_rad[truth.locked_cells].tolist(),
    }
    text = json.dumps(facts, indent=2) + "\n"
    (folder / "truth.json").write_text(text, encoding="utf-8", newline="\n")


def load_truth(folder: Path) -> RecordingTruth:
    """Read what `save_truth` wrote."""
    facts = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    n_rows, n_columns = facts["field_shape"]
    with np.load(folder / "truth.npz") as arrays:
        sparse = [arrays[f"footprint_{part}"] for part in ("weights", "pixels", "starts")]
        ends = np.cumsum(arrays["spike_counts"])[:-1]
        movie = MovieTruth(
            footprints=csr_array(tuple(sparse), shape=(facts["n_cells"], n_rows * n_columns)),
            field_shape=(n_rows, n_columns),
            spike_times_s=tuple(np.split(arrays["spike_times_s"], ends)),
            **{name: arrays[name] for name in MOVIE_ARRAYS},
        )
        return RecordingTruth(
            movie=movie,
            clock_offset_s=facts["clock_offset_s"],
            clock_drift_ppm=facts["clock_drift_ppm"],
            gap_s=tuple(facts["gap_s"]) if facts["gap_s"] else None,
            **{name: arrays[name] for name in RECORDING_ARRAYS},
        )


def _write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an .npz without the time of writing, which `numpy.savez` would put in."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
