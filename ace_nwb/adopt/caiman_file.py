"""CaImAn's HDF5 file of estimates: read, and written so that CaImAn loads it.

Pixels are in column-major order there. A, C, S, YrA, W and b0 are named as in that program.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.sparse import csc_array, csr_array

from ace_nwb.adopt.results import ForeignResult, refuse_no_rois, turn_pixels
from ace_nwb.errors import FormatError, OutputError
from ace_nwb.imaging.segmentation import RingBackground
from ace_nwb.nwb import layout
from ace_nwb.nwb.commit.new_file import new_h5
from ace_nwb.nwb.content.imaging import read_field
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.roi_series import read_roi_series, read_roi_table
from ace_nwb.nwb.content.rois import read_segmentation
from ace_nwb.nwb.history import current_runs
from ace_nwb.nwb.session import Session

_NOTHING = (b"NoneType", "NoneType")
_LARGEST_PARAMETER = 16  # elements; longer ones are data (shifts, masks), no settings
NORM = "footprint_norm"
"""Column of the ROI table: Euclidean norm that a footprint had in the program it came from."""


def can_read(path: Path) -> bool:
    """Return whether a file looks like estimates of CaImAn."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as h5:
        return "estimates/A" in h5 and "estimates/C" in h5


def read(path: Path) -> ForeignResult:
    """Read the estimates.

    Raises
    ------
    FormatError
        If the size of the field is not stated, or sizes do not fit.
    """
    with h5py.File(path, "r") as h5:
        estimates = h5["estimates"]
        footprints = _sparse(estimates["A"])
        shape = _dims(h5, path)
        if footprints.shape[0] != shape[0] * shape[1]:
            raise FormatError(
                f"{path}: A has {footprints.shape[0]} pixels, dims are {shape[0]} x {shape[1]}. "
                "One image of that size was expected; the file is not whole."
            )
        refuse_no_rois(path, footprints.shape[1])
        denoised = _array(estimates, "C")
        if denoised is None or denoised.shape[0] != footprints.shape[1]:
            raise FormatError(f"{path}: C does not have one row per footprint; it is not whole.")
        b0 = _array(estimates, "b0")
        level = None if b0 is None or b0.size != shape[0] * shape[1] else _image(b0, shape)
        parameters = _parameters(h5)
        return ForeignResult(
            program=_program(h5),
            footprints=turn_pixels(footprints, shape),
            field_shape=shape,
            denoised=denoised.T,
            deconvolved=_transposed(estimates, "S"),
            residual=_transposed(estimates, "YrA"),
            baseline_image=level,
            background_trace=_low_rank(estimates, footprints),
            ring=_ring(estimates, shape, level, parameters),
            snr=_array(estimates, "SNR_comp"),
            r_value=_array(estimates, "r_values"),
            accepted=_accepted(estimates, footprints.shape[1]),
            noise=_per_roi(estimates, "neurons_sn", footprints.shape[1]),
            frame_rate_hz=_number(parameters, "data.fr"),
            parameters=parameters,
        )


def write(session: Session, path: Path) -> int:
    """Write the ROIs of a session for CaImAn; return their number.

    Traces and footprints get the scale back that they had in CaImAn if they came from there.
    """
    if path.exists():
        raise OutputError(f"{path} exists. A new file was expected; give another name.")
    segmentation = read_segmentation(session)
    table = read_roi_table(session)
    shape = segmentation.field_shape
    norms = np.asarray(table.get(NORM, np.ones(segmentation.n_rois)), float)
    footprints = turn_pixels(
        csc_array(segmentation.footprints * norms[None, :]), (shape[1], shape[0])
    )
    content: dict[str, Any] = {
        "A": footprints,
        "C": (segmentation.denoised / norms).T,
        "S": (segmentation.deconvolved / norms).T,
        "YrA": ((segmentation.raw - segmentation.denoised) / norms).T,
        "sn": None,
        "dims": np.array(shape),
        "nr": segmentation.n_rois,
        "neurons_sn": segmentation.noise / norms,
    }
    content |= _quality(table) | _background(segmentation.background, shape)
    if session.has(layout.DFF_TRACES):
        content["F_dff"] = read_roi_series(session, layout.DFF_TRACES).T
    with new_h5(path) as h5:
        for name, value in content.items():
            _store(h5, f"estimates/{name}", value)
        for name, value in _settings(session, segmentation.background).items():
            _store(h5, f"params/{name}", value)
        _store(h5, "dims", np.array(shape))
    return segmentation.n_rois


def _quality(table: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return SNR, spatial correlation and accepted ROIs under CaImAn's names."""
    found: dict[str, Any] = {}
    for name, ours in (("SNR_comp", "snr"), ("r_values", "r_value")):
        if ours in table:
            found[name] = np.asarray(table[ours], float)
    if "accepted" in table:
        accepted = np.asarray(table["accepted"], bool)
        found["idx_components"] = np.flatnonzero(accepted)
        found["idx_components_bad"] = np.flatnonzero(~accepted)
    return found


def _background(ring: RingBackground | None, shape: tuple[int, int]) -> dict[str, Any]:
    """Return ring weights and constant background with column-major pixels."""
    if ring is None:
        return {"b": None, "f": None, "W": None, "b0": None}
    coarse = _coarse_shape(shape, ring.downsampling)
    order = np.arange(coarse[0] * coarse[1]).reshape(coarse).ravel(order="F")
    weights = csr_array(csr_array(ring.weights)[order][:, order])
    return {"b": None, "f": None, "W": weights, "b0": ring.baseline.ravel(order="F")}


def _settings(session: Session, ring: RingBackground | None) -> dict[str, Any]:
    """Return the few parameters that other functions of CaImAn ask for."""
    found: dict[str, Any] = {
        "data/fr": float(NwbMovie(session).frame_rate_hz),
        "data/dims": np.array(read_field(session).shape),
        "init/center_psf": True,
        "init/ssub_B": 1 if ring is None else ring.downsampling,
        "init/nb": 0,
    }
    run = current_runs(session).get("extract")
    chosen = {p.name: p.value for p in run.parameters} if run else {}
    if "cell_diameter_px" in chosen:
        sigma = (float(chosen["cell_diameter_px"]) - 1) / 4
        found["init/gSig"] = np.full(2, sigma)
        found["init/gSiz"] = np.full(2, round(4 * sigma + 1))
    if chosen.get("autoregressive_order") in ("1", "2"):
        found["preprocess/p"] = found["temporal/p"] = int(chosen["autoregressive_order"])
    return found


def _store(h5: h5py.File, path: str, value: Any) -> None:
    """Store a value in the way that CaImAn reads back."""
    if value is None:
        h5[path] = "NoneType"
    elif isinstance(value, (csc_array, csr_array)):
        columns = csc_array(value)
        for name in ("data", "indices", "indptr"):
            h5[f"{path}/{name}"] = getattr(columns, name)
        h5[f"{path}/shape"] = np.array(columns.shape)
    else:
        h5[path] = value


def _sparse(group: h5py.Group) -> csc_array:
    """Return a sparse matrix; dense ones of other versions too."""
    if isinstance(group, h5py.Dataset):
        return csc_array(group[()])
    parts = (group["data"][:], group["indices"][:], group["indptr"][:])
    matrix = csc_array(parts, shape=tuple(int(n) for n in group["shape"][:]))
    matrix.sort_indices()
    return matrix


def _array(group: h5py.Group, name: str) -> np.ndarray | None:
    """Return an array, None if it is absent or says that it is nothing."""
    found = group.get(name)
    if not isinstance(found, h5py.Dataset):
        return None
    value = found[()]
    if np.ndim(value) == 0 or np.size(value) == 0:
        return None
    if value.dtype.kind in "SO":  # arrays of objects were saved as texts
        try:
            return value.astype(float)
        except ValueError:
            return None
    return np.asarray(value)


def _transposed(group: h5py.Group, name: str) -> np.ndarray | None:
    found = _array(group, name)
    return None if found is None else found.T


def _per_roi(group: h5py.Group, name: str, n_rois: int) -> np.ndarray | None:
    found = _array(group, name)
    return found if found is not None and found.shape == (n_rois,) else None


def _image(values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return np.ascontiguousarray(values.reshape(shape, order="F"))


def _dims(h5: h5py.File, path: Path) -> tuple[int, int]:
    """Return (rows, columns) of the field."""
    for place in ("estimates/dims", "dims", "params/data/dims"):
        found = h5.get(place)
        if isinstance(found, h5py.Dataset) and np.shape(found) == (2,):
            rows, columns = (int(side) for side in found[()])
            return rows, columns
    raise FormatError(
        f"{path} does not say how large the field is (dims). Two numbers were expected; save it "
        "again with CaImAn's CNMF.save."
    )


def _low_rank(group: h5py.Group, footprints: csc_array) -> np.ndarray | None:
    """Return the low-rank background b f as each unit footprint sees it, shape (frame, roi)."""
    spatial, temporal = _array(group, "b"), _array(group, "f")
    if spatial is None or temporal is None or spatial.shape[0] != footprints.shape[0]:
        return None
    weights = footprints.multiply(1 / np.maximum(_norms(footprints), 1e-12)[None])
    return np.asarray((weights.T @ spatial) @ temporal).T


def _norms(footprints: csc_array) -> np.ndarray:
    return np.sqrt(np.asarray(footprints.multiply(footprints).sum(0)).ravel())


def _ring(
    group: h5py.Group, shape: tuple[int, int], level: np.ndarray | None, parameters: dict[str, str]
) -> RingBackground | None:
    """Return the ring model with row-major pixels."""
    if level is None or not isinstance(group.get("W"), h5py.Group):
        return None
    weights = csr_array(_sparse(group["W"]))
    side = int(_number(parameters, "init.ssub_B") or 1)
    coarse = _coarse_shape(shape, side)
    if weights.shape[0] != coarse[0] * coarse[1]:
        return None
    order = np.arange(weights.shape[0]).reshape(coarse[::-1]).ravel(order="F")
    return RingBackground(csr_array(weights[order][:, order]), level, side)


def _coarse_shape(shape: tuple[int, int], side: int) -> tuple[int, int]:
    return -(-shape[0] // side), -(-shape[1] // side)


def _accepted(group: h5py.Group, n_rois: int) -> np.ndarray | None:
    """Return which ROIs were accepted; None if nobody has judged."""
    found = _array(group, "idx_components")
    if found is None:
        is_judged = isinstance(group.get("idx_components_bad"), h5py.Dataset)
        is_empty = is_judged and np.ndim(group["idx_components_bad"][()]) > 0
        return np.zeros(n_rois, bool) if is_empty and n_rois else None
    accepted = np.zeros(n_rois, bool)
    accepted[found.astype(int)] = True
    return accepted


def _program(h5: h5py.File) -> str:
    """Return name and version of the program."""
    for name in ("params/data/caiman_version",):
        parent, _, key = name.rpartition("/")
        if parent in h5:
            value = h5[parent].attrs.get(key) or (h5[name][()] if name in h5 else None)
            if value is not None and value not in _NOTHING:
                return f"CaImAn {value.decode() if isinstance(value, bytes) else value}"
    return "CaImAn"


def _parameters(h5: h5py.File) -> dict[str, str]:
    """Return the parameters by group.name; file names and long arrays are left out."""
    found: dict[str, str] = {}
    if "params" not in h5:
        return found

    def keep(name: str, value: Any) -> None:
        if "fname" in name or "path" in name or np.size(value) > _LARGEST_PARAMETER:
            return
        plain = value.decode() if isinstance(value, bytes) else value
        text = str(plain.tolist() if isinstance(plain, (np.ndarray, np.generic)) else plain)
        found[name] = "none" if text in _NOTHING else text

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            keep(name.replace("/", "."), item[()])
        else:
            for key, value in item.attrs.items():
                keep(f"{name}.{key}".replace("/", "."), value)

    h5["params"].visititems(visit)
    return dict(sorted(found.items()))


def _number(parameters: dict[str, str], name: str) -> float | None:
    try:
        return float(parameters[name])
    except (KeyError, ValueError):
        return None
