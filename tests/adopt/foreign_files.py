"""Files of other programs, laid out as those programs write them, with known content."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import zarr
from scipy.sparse import csc_matrix


@dataclass(frozen=True)
class Known:
    """What a foreign file holds: footprints (roi, row, column), traces (frame, roi)."""

    footprints: np.ndarray
    denoised: np.ndarray
    deconvolved: np.ndarray
    residual: np.ndarray
    level: np.ndarray
    weights: np.ndarray
    accepted: np.ndarray
    snr: np.ndarray


def draw_known(field_shape, n_frames, *, n_rois=4, seed=0, is_unit=True):
    """Return random results; footprints of norm 1 unless told otherwise."""
    rng = np.random.default_rng(seed)
    footprints = np.zeros((n_rois, *field_shape))
    for roi in range(n_rois):
        row, column = rng.integers(2, np.array(field_shape) - 2)
        footprints[roi, row - 2 : row + 2, column - 2 : column + 3] = rng.uniform(0.2, 1, (4, 5))[
            : footprints[roi, row - 2 : row + 2].shape[0],
            : footprints[roi, :, column - 2 : column + 3].shape[1],
        ]
    norms = np.sqrt((footprints**2).sum((1, 2)))[:, None, None]
    footprints = footprints / norms * (1 if is_unit else 3.0)
    coarse = -(-field_shape[0] // 2) * -(-field_shape[1] // 2)
    return Known(
        footprints,
        rng.random((n_frames, n_rois)) * 10,
        np.where(rng.random((n_frames, n_rois)) < 0.1, rng.random((n_frames, n_rois)), 0),
        rng.standard_normal((n_frames, n_rois)),
        rng.random(field_shape) * 100,
        np.where(rng.random((coarse, coarse)) < 0.1, rng.random((coarse, coarse)), 0),
        np.arange(n_rois) % 2 == 0,
        rng.random(n_rois) * 10,
    )


def write_caiman(path: Path, known: Known) -> Path:
    """Write estimates.hdf5: column-major pixels, traces (roi, frame)."""
    n_rois, *shape = known.footprints.shape
    flat = known.footprints.transpose(2, 1, 0).reshape(shape[0] * shape[1], n_rois)
    coarse = [-(-side // 2) for side in shape]
    order = np.arange(coarse[0] * coarse[1]).reshape(coarse).ravel(order="F")
    with h5py.File(path, "w") as h5:
        for name, matrix in (("A", flat), ("W", known.weights[order][:, order])):
            sparse = csc_matrix(matrix)
            for part in ("data", "indices", "indptr"):
                h5[f"estimates/{name}/{part}"] = getattr(sparse, part)
            h5[f"estimates/{name}/shape"] = sparse.shape
        h5["estimates/C"] = known.denoised.T
        h5["estimates/S"] = known.deconvolved.T
        h5["estimates/YrA"] = known.residual.T
        h5["estimates/b0"] = known.level.ravel(order="F")
        h5["estimates/b"] = "NoneType"
        h5["estimates/f"] = "NoneType"
        h5["estimates/dims"] = shape
        h5["estimates/idx_components"] = np.flatnonzero(known.accepted)
        h5["estimates/idx_components_bad"] = np.flatnonzero(~known.accepted)
        h5["estimates/SNR_comp"] = known.snr
        h5["estimates/r_values"] = known.snr / 20
        h5["estimates/neurons_sn"] = np.full(n_rois, "0.5").astype("S32")  # as objects end up
        h5["params/init/ssub_B"] = 2
        h5["params/init/min_corr"] = 0.85
        h5["params/init/gSig"] = [3, 3]
        h5["params/merging/merge_thr"] = 7.0  # out of our bounds
        h5["params/data/fr"] = 20.0
        h5["params/data/dims"] = shape
        h5["params/data"].attrs["fnames"] = "/home/somebody/movie.avi"
        h5["params/data"].attrs["caiman_version"] = "1.9.99"
    return path


def write_minian(folder: Path, known: Known, *, labels: list[int] | None = None) -> Path:
    """Write A, C, S, b, f as xarray lays them out in Zarr 2; labels are decisions of people."""
    n_rois, n_rows, n_columns = known.footprints.shape
    axes = {
        "unit_id": np.arange(n_rois) * 3 + 1,
        "height": np.arange(n_rows),
        "width": np.arange(n_columns),
        "frame": np.arange(len(known.denoised)),
    }
    variables = {
        "A": (known.footprints, ("unit_id", "height", "width")),
        "C": (known.denoised.T, ("unit_id", "frame")),
        "S": (known.deconvolved.T, ("unit_id", "frame")),
        "b": (known.level, ("height", "width")),
        "f": (np.ones(len(known.denoised)), ("frame",)),
    }
    for name, (values, dims) in variables.items():
        group = zarr.open_group(str(folder / f"{name}.zarr"), mode="w")
        group.array(name, values).attrs["_ARRAY_DIMENSIONS"] = list(dims)
        for axis in dims:
            group.array(axis, axes[axis]).attrs["_ARRAY_DIMENSIONS"] = [axis]
        if labels is not None and "unit_id" in dims:
            group.array("unit_labels", labels).attrs["_ARRAY_DIMENSIONS"] = ["unit_id"]
    return folder
