"""ROIs of an NWB file of any program: the first plane segmentation and its traces."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from pynwb import NWBHDF5IO
from pynwb.ophys import DfOverF, PlaneSegmentation, RoiResponseSeries
from scipy.sparse import csc_array

from ace_nwb.adopt.results import ForeignResult, refuse_no_rois
from ace_nwb.errors import FormatError

_DENOISED = ("denoised", "denoisedtraces")
_BACKGROUND = ("baseline", "neuropil", "background")
_DECONVOLVED = ("deconvolved", "neuropil_deconvolved", "deconvolvedtraces")


def can_read(path: Path) -> bool:
    """Return whether a file is NWB."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as h5:
        return "nwb_version" in h5.attrs and "processing" in h5


def read(path: Path) -> ForeignResult:
    """Read the ROIs.

    Raises
    ------
    FormatError
        If there is no segmentation with masks and traces.
    """
    with NWBHDF5IO(path, "r", load_namespaces=True) as io:
        nwbfile = io.read()
        table = _first(nwbfile)
        if table is None:
            raise FormatError(f"{path} holds no PlaneSegmentation. One with ROIs was expected.")
        refuse_no_rois(path, len(table))
        footprints, shape = _read_masks(table, path)
        traces = _read_traces(nwbfile, table)
        raw = traces.get("raw")
        denoised = traces.get("denoised", raw)
        if denoised is None:
            raise FormatError(f"{path} holds no RoiResponseSeries of its ROIs. One was expected.")
        residual = raw - denoised if raw is not None and "denoised" in traces else None
        return ForeignResult(
            program="NWB file, " + _generators(nwbfile),
            footprints=footprints,
            field_shape=shape,
            denoised=denoised,
            deconvolved=traces.get("deconvolved"),
            residual=residual,
            snr=_column(table, "snr"),
            r_value=_column(table, "r_value"),
            accepted=_accepted(table),
        )


def _first(nwbfile: Any) -> Any | None:
    """Return the first segmentation, by the name of its module."""
    found = [item for item in nwbfile.objects.values() if isinstance(item, PlaneSegmentation)]
    return min(found, key=lambda item: item.get_ancestor("ProcessingModule").name, default=None)


def _read_masks(table: Any, path: Path) -> tuple[csc_array, tuple[int, int]]:
    """Return the footprints with row-major pixels; NWB stores (x, y)."""
    if "image_mask" in table.colnames:
        masks = np.asarray(table["image_mask"].data[:], np.float64).swapaxes(1, 2)
        flat = masks.reshape(len(masks), -1)
        return csc_array(flat.T), (masks.shape[1], masks.shape[2])
    if "pixel_mask" not in table.colnames:
        raise FormatError(f"{path}: the ROIs have no image_mask or pixel_mask. One was expected.")
    shape = _field_shape(table, path)
    rows, columns, values = [], [], []
    for roi in range(len(table)):
        for x, y, weight in table["pixel_mask"][roi]:
            rows.append(int(y) * shape[1] + int(x))
            columns.append(roi)
            values.append(float(weight))
    size = (shape[0] * shape[1], len(table))
    return csc_array((values, (rows, columns)), shape=size), shape


def _field_shape(table: Any, path: Path) -> tuple[int, int]:
    """Return (rows, columns) by a series or image of the plane."""
    for image in table.reference_images or ():
        if image.data is not None and np.ndim(image.data) >= 2:
            n_columns, n_rows = image.data.shape[-2:]
            return int(n_rows), int(n_columns)
    raise FormatError(
        f"{path}: the ROIs are lists of pixels, and nothing says how large the field is. Reference "
        "images of the segmentation were expected."
    )


def _read_traces(nwbfile: Any, table: Any) -> dict[str, np.ndarray]:
    """Return raw, denoised and deconvolved traces of all ROIs, shape (frame, roi)."""
    found: dict[str, np.ndarray] = {}
    series = [item for item in nwbfile.objects.values() if isinstance(item, RoiResponseSeries)]
    for item in sorted(series, key=lambda one: getattr(one.parent, "name", "") != "Fluorescence"):
        is_relative = isinstance(item.parent, DfOverF)
        if item.rois.table is not table or is_relative or item.name.lower() in _BACKGROUND:
            continue
        rois = np.asarray(item.rois.data[:])
        if len(rois) != len(table):
            continue
        data = np.asarray(item.data[:], np.float64)
        data = data[:, None] if data.ndim == 1 else data
        ordered = np.empty_like(data)
        ordered[:, rois] = data
        name = item.name.lower()
        if name in _DENOISED:
            key = "denoised"
        elif name in _DECONVOLVED or getattr(item.parent, "name", "").lower() in _DECONVOLVED:
            key = "deconvolved"
        else:
            key = "raw"
        found.setdefault(key, ordered)
    return found


def _column(table: Any, name: str) -> np.ndarray | None:
    return np.asarray(table[name].data[:], float) if name in table.colnames else None


def _accepted(table: Any) -> np.ndarray | None:
    for name in ("accepted", "Accepted", "iscell", "is_cell"):
        if name in table.colnames:
            values = np.asarray(table[name].data[:])
            return (values[:, 0] if values.ndim == 2 else values).astype(bool)
    return None


def _generators(nwbfile: Any) -> str:
    """Return the programs that made the file."""
    made = nwbfile.was_generated_by
    return ", ".join(str(row[0]) for row in made) if made is not None and len(made) else "unknown"
