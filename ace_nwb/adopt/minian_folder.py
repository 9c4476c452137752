"""The folder of minian: one Zarr store per variable (A, C, S, b, f, ...), xarray's conventions."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csc_array

from ace_nwb.adopt.results import ForeignResult, refuse_no_rois
from ace_nwb.errors import FormatError
from ace_nwb.nwb.zarr.folder import check_folder

_LABELS, _DISCARDED = "unit_labels", -1
"""Coordinate in which minian's viewer notes what people decided, and its mark of a bad unit."""


def can_read(path: Path) -> bool:
    """Return whether a folder looks like one of minian."""
    return path.is_dir() and (path / "A.zarr").is_dir() and (path / "C.zarr").is_dir()


def read(path: Path) -> ForeignResult:
    """Read footprints and traces.

    Raises
    ------
    FormatError
        If units of the variables differ, or dimensions are not named as minian names them.
    """
    footprints, ids = _read(path, "A", ("unit_id", "height", "width"))
    n_rois, n_rows, n_columns = footprints.shape
    refuse_no_rois(path, n_rois)
    flat = csc_array(footprints.reshape(n_rois, -1).T.astype(np.float64))
    denoised, others = _read(path, "C", ("frame", "unit_id"))
    if not np.array_equal(ids["unit_id"], others["unit_id"]):
        raise FormatError(
            f"{path}: A has the units {_few(ids['unit_id'])}, C has {_few(others['unit_id'])}. The "
            "same units were expected; save the last A and C of one run."
        )
    level = _optional(path, "b", ("height", "width"))
    trace = _optional(path, "f", ("frame",))
    background = None
    if level is not None and trace is not None:
        norms = np.sqrt(np.asarray(flat.multiply(flat).sum(0)).ravel())
        seen = (flat.T @ level.ravel()) / np.maximum(norms, 1e-12)
        background = trace[:, None] * seen[None]
    return ForeignResult(
        program="minian",
        footprints=flat,
        field_shape=(n_rows, n_columns),
        denoised=denoised,
        deconvolved=_optional(path, "S", ("frame", "unit_id")),
        background_trace=background,
        parameters=_offset_of_field(path),
        unit_ids=ids["unit_id"],
        accepted=_accepted(path, n_rois),
    )


def _accepted(path: Path, n_rois: int) -> np.ndarray:
    """Return which units people did not discard; those that minian kept to its end are accepted.

    It saves no trace with its noise, so that a signal-to-noise ratio cannot judge them here.
    """
    group = _open_group(path / "A.zarr")
    if _LABELS not in group:
        return np.ones(n_rois, bool)
    return np.asarray(group[_LABELS][:]) != _DISCARDED


def _offset_of_field(path: Path) -> dict[str, str]:
    """Return where the field began within the recorded one, by the coordinates of A."""
    _, coordinates = _read(path, "A", ("unit_id", "height", "width"))
    found = {}
    for name in ("height", "width"):
        values = coordinates.get(name)
        if values is not None and len(values) > 1:
            found[f"{name}_start"] = str(float(values[0]))
            found[f"{name}_step"] = str(float(values[1] - values[0]))
    return found


def _read(
    path: Path, name: str, order: tuple[str, ...]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return a variable with its dimensions in an order, and its coordinates."""
    group = _open_group(path / f"{name}.zarr")
    array = group[name]
    names = array.attrs.get("_ARRAY_DIMENSIONS")
    names = list(names) if names else list(getattr(array, "dimension_names", None) or [])
    if sorted(names) != sorted(order):
        raise FormatError(
            f"{path / name}.zarr has the dimensions {', '.join(names) or 'without names'}. "
            f"Expected were {', '.join(order)}; is it a folder of minian?"
        )
    values = np.asarray(array[:]).transpose([names.index(each) for each in order])
    coordinates = {each: np.asarray(group[each][:]) for each in order if each in group}
    return values, coordinates


def _optional(path: Path, name: str, order: tuple[str, ...]) -> np.ndarray | None:
    """Return a variable, None if it was not saved."""
    return _read(path, name, order)[0] if (path / f"{name}.zarr").is_dir() else None


def _open_group(folder: Path) -> Any:
    """Open a Zarr store, version 2."""
    import zarr

    if (folder / "zarr.json").exists():
        raise FormatError(
            f"{folder} is Zarr of version 3, which this installation does not read. Version 2 was "
            "expected; save it in minian with zarr.config.set(default_zarr_format=2)."
        )
    check_folder(folder)
    return zarr.open_group(str(folder), mode="r")


def _few(values: np.ndarray) -> str:
    return ", ".join(str(value) for value in values[:5]) + (", ..." if len(values) > 5 else "")
