"""Movies with known truth for the table of engines: ours, those of minisim, those of a script.

Every movie is kept in a folder of its own: `movie.npy`, and the truth as its simulator wrote it.
"""

import json
import pickle
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from ace_nwb.imaging.piecewise import hats_along
from ace_nwb.simulation.movie import simulate_movie
from ace_nwb.simulation.scoring import motion_rmse_px
from ace_nwb.simulation.truth import MovieTruth
from tests.simulators.families import FAMILIES

MINISIM = Path(__file__).with_name("minisim_movie.py")
TISSUE = Path(__file__).with_name("tissue_movie.py")
RATE_HZ = 20.0
ELECTRONS_PER_PHOTON = 0.7
"""Grey levels of minisim's movie per unit of light, measured on its movies."""

OWN = FAMILIES | {
    "dense": replace(FAMILIES["medium"], n_cells=190, min_distance_diameters=0.5),
    "neuropil": replace(FAMILIES["medium"], neuropil_grey=9.0, local_neuropil_share=0.3),
}
"""Our families, and two more that are hard in one way each."""


@dataclass(frozen=True)
class Benchmark:
    """A movie in a folder, what is true of it, and the diameter that every engine is told."""

    folder: Path
    truth: MovieTruth
    cell_diameter_px: float
    frame_rate_hz: float

    def motion_error_px(self, shifts: np.ndarray, deviations: np.ndarray | None) -> float:
        """Return how far tissue stands from its rest, root mean square over frames and places.

        Parameters
        ----------
        shifts
            To add to coordinates, shape (frame, 2), pixels.
        deviations
            To add to that at each node, shape (frame, node row, node column, 2), pixels.
        """
        if not (self.folder / "bending.npz").exists():
            return motion_rmse_px(shifts, self.truth.displacement_px)
        with np.load(self.folder / "bending.npz") as file:
            places, rest = file["places"], file["bend"]
        rest = rest + (shifts + self.truth.displacement_px)[:, None]
        if deviations is not None:
            near = [
                hats_along(side, nodes)[:, np.round(at).astype(int)]
                for side, nodes, at in zip(
                    self.truth.field_shape, deviations.shape[1:3], places.T, strict=True
                )
            ]
            rest += np.einsum("fabk,ap,bp->fpk", deviations, *near)
        rest -= rest.mean(0)
        return float(np.sqrt(np.square(rest).sum(-1).mean()))


def open_benchmark(
    name: str, seed: int, cache: Path, *, minisim_python: str | None, tissue: Path | None = None
) -> Benchmark:
    """Return the movie of a family, simulated now unless it is there already.

    Parameters
    ----------
    name
        A family of ours, or "minisim:" and one of minisim's, or "tissue:" and one of the script's.
    """
    source, _, family = name.rpartition(":")
    folder = cache / f"{source or 'own'}-{family}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    if source == "tissue":
        if not (folder / "bending.npz").exists():
            if tissue is None:
                raise SystemExit("give --tissue for the families of a generator of tissue")
            python = minisim_python or sys.executable
            command = [python, str(TISSUE), str(tissue), family, str(seed), str(folder)]
            subprocess.run(command, check=True)
        return _open_tissue(folder)
    if source == "minisim":
        if not (folder / "minisim.npz").exists():
            if minisim_python is None:
                raise SystemExit("give --minisim-python for the families of minisim")
            command = [minisim_python, str(MINISIM), family, str(seed), str(folder)]
            subprocess.run(command, check=True)
        return Benchmark(folder, read_minisim(folder), 12.0, RATE_HZ)
    spec = OWN[family]
    if not (folder / "truth.pickle").exists():
        frames, truth = simulate_movie(spec, seed)
        np.save(folder / "movie.npy", frames)
        (folder / "truth.pickle").write_bytes(pickle.dumps(truth))
    truth = pickle.loads((folder / "truth.pickle").read_bytes())
    return Benchmark(folder, truth, spec.cell_diameter_px, spec.frame_rate_hz)


def _open_tissue(folder: Path) -> Benchmark:
    """Return a movie of the generator, in our terms."""
    with np.load(folder / "truth.npz") as file:
        arrays = dict(file)
    shape = tuple(arrays["A_shape"])
    sparse = arrays["A_data"], arrays["A_indices"], arrays["A_indptr"]
    spec = json.loads((folder / "spec.json").read_text())
    mean, rate_hz = arrays["mean"], float(arrays["fps"])
    times = np.arange(len(arrays["shifts"])) / rate_hz
    noise = np.sqrt(mean / spec["gain"] + spec["read"] ** 2 + spec["rown"] ** 2)
    truth = MovieTruth(
        footprints=csr_array(sparse, shape=shape),
        field_shape=mean.shape,
        centres_px=arrays["centers_px"],
        calcium=arrays["C"].T,
        spike_times_s=tuple(np.repeat(times, np.ceil(train).astype(int)) for train in arrays["S"]),
        displacement_px=arrays["shifts"] - np.median(arrays["shifts"], axis=0),
        brightness=np.ones(len(times)),
        frame_times_s=times,
        pixel_noise=noise,
    )
    return Benchmark(folder, truth, 12.0, rate_hz)


def read_minisim(folder: Path) -> MovieTruth:
    """Return minisim's truth in our terms: footprints as the sensor sees them."""
    with np.load(folder / "minisim.npz") as file:
        arrays = dict(file)
    movie = np.load(folder / "movie.npy", mmap_mode="r")
    part = movie[:1000].astype(np.float32)
    noise = np.abs(np.diff(part, axis=0)).mean(0) * np.sqrt(np.pi) / 2
    n_frames, *field = movie.shape
    light = arrays["photons"] * ELECTRONS_PER_PHOTON
    seen = light * arrays["illum"] * arrays["vig"] * arrays["vess"] * np.ones(field)
    masks = arrays["A"].astype(np.float32) * seen
    times = np.arange(n_frames) / RATE_HZ
    rows, columns = np.mgrid[: field[0], : field[1]]
    total = np.maximum(masks.sum((1, 2)), 1e-12)
    centres = np.column_stack([(masks * axis).sum((1, 2)) / total for axis in (rows, columns)])
    return MovieTruth(
        footprints=csr_array(masks.reshape(len(masks), -1)),
        field_shape=(field[0], field[1]),
        centres_px=centres,
        calcium=np.asarray(arrays["C"]).T,
        spike_times_s=tuple(np.repeat(times, train.astype(int)) for train in arrays["S"]),
        displacement_px=np.asarray(arrays["shifts"], float),
        brightness=np.broadcast_to(arrays["bleaching"].astype(float).ravel()[:n_frames], n_frames)
        if arrays["bleaching"].size == 1
        else np.ones(n_frames),
        frame_times_s=times,
        pixel_noise=noise,
    )
