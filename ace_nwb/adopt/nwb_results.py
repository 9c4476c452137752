"""ROIs of an NWB file of any program: masks of any kind, and the traces that refer to them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.sparse import csc_array

from ace_nwb.adopt.nwb_view import RoiTable, Traces, find_tables
from ace_nwb.adopt.results import ForeignResult, Recording, refuse_no_rois
from ace_nwb.errors import FormatError
from ace_nwb.forms.commands import quoted
from ace_nwb.nwb.objects.columns import decode_texts
from ace_nwb.nwb.objects.writing import link_target

_ACCEPTED = ("accepted", "Accepted", "is_accepted", "iscell", "is_cell", "keep")
_REJECTED = ("rejected", "is_rejected")
VERDICTS = (*_ACCEPTED, *_REJECTED)
"""Names of columns that say which ROIs were accepted, or not."""
_BASELINE_QUANTILE = 0.1  # of a trace; cells fire in less than nine tenths of the frames
_FIELD_AXES = 2  # rows and columns: an image or movie has them, a list of file names does not
_MOST_NAMED = 5  # rows in a message


@dataclass(frozen=True)
class Selection:
    """Which of several tables and series of a file is meant; empty where there is one.

    Parameters
    ----------
    table, series
        Path, or the end of it.
    frame_rate_hz
        Frames per second, where the times that the file states cannot be used.
    is_relative
        Whether the traces are dF/F, or are to stand for it, whatever they are called.
    """

    table: str = ""
    series: str = ""
    frame_rate_hz: float | None = None
    is_relative: bool = False


def can_read(path: Path) -> bool:
    """Return whether a file is NWB."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as h5:
        return "nwb_version" in h5.attrs and "processing" in h5


def holds_rois(path: Path) -> bool:
    """Return whether an NWB file holds ROIs with traces."""
    with h5py.File(path, "r") as h5:
        return any(table.n_rois and table.traces for table in find_tables(h5))


def read(
    path: Path,
    *,
    selection: Selection | None = None,
    field_shape: tuple[int, int] | None = None,
) -> ForeignResult:
    """Read the ROIs of one table and their traces.

    Parameters
    ----------
    path
        The file.
    selection
        Which table and series, where there are several.
    field_shape
        (n_rows, n_columns) of the movie that the ROIs come from, if it is known.

    Raises
    ------
    FormatError
        If there is no table with masks and traces, or several and none is chosen.
    """
    selection = selection or Selection()
    with h5py.File(path, "r") as h5:
        table, main = choose(find_tables(h5), selection, path=path)
        rows = main.rois
        remarks = [*_describe_left_out(table, rows), *_describe_turned(main)]
        footprints, shape = _Masks(h5, table, path, field_shape, remarks).read(rows)
        denoised = _same_rois(table, "denoised", rows)
        values = main.read(h5)
        model = values if denoised is None else denoised.read(h5)
        deconvolved = _same_rois(table, "deconvolved", rows)
        is_relative = selection.is_relative or main.role == "dff"
        remarks += _describe_unused(table, main) + _describe_missing(values)
        remarks += [] if is_relative else _describe_baseline(values)
        recording = _read_recording(h5, table, main, selection, path)
        remarks += [recording.remark] if recording.remark else []
        return ForeignResult(
            program="NWB file, " + _generators(h5),
            footprints=footprints,
            field_shape=shape,
            denoised=model,
            deconvolved=None if deconvolved is None else deconvolved.read(h5),
            residual=None if denoised is None else values - model,
            snr=_column(h5, table, "snr", rows),
            r_value=_column(h5, table, "r_value", rows),
            accepted=_accepted(h5, table, rows),
            unit_ids=np.asarray(h5[f"{table.path}/id"][()])[rows],
            is_relative=is_relative,
            recording=recording,
            remarks=tuple(remarks),
        )


def choose(
    tables: list[RoiTable], selection: Selection | None = None, *, path: Path
) -> tuple[RoiTable, Traces]:
    """Return the table and the traces that ROIs are taken from.

    Raises
    ------
    FormatError
        If there are none, or several and none is chosen.
    """
    selection = selection or Selection()
    table = _choose_table(tables, selection, path)
    return table, _choose_traces(table, selection, path)


def _choose_table(tables: list[RoiTable], selection: Selection, path: Path) -> RoiTable:
    """Return the one table that is meant; one without ROIs or traces only if it is named."""
    if not tables:
        raise FormatError(f"{path} holds no PlaneSegmentation. One with ROIs was expected.")
    wanted = [table for table in tables if table.path.endswith(selection.table)]
    if not wanted:
        raise FormatError(
            f"{path} has no table {selection.table}. One of "
            f"{', '.join(table.path for table in tables)} was expected after --table."
        )
    if not selection.table and len(wanted) > 1:
        wanted = [table for table in wanted if table.n_rois and table.traces] or wanted
    if len(wanted) > 1:
        named = "; ".join(f"{table.path} ({table.n_rois} ROIs)" for table in wanted)
        raise FormatError(
            f"{path} holds {len(wanted)} tables of ROIs: {named}. Say which one, for example "
            f"`ace-nwb adopt FILE {quoted(path)} --table {wanted[0].path}`."
        )
    refuse_no_rois(path, wanted[0].n_rois)
    return wanted[0]


def _choose_traces(table: RoiTable, selection: Selection, path: Path) -> Traces:
    """Return the traces that the ROIs are taken with: fluorescence, else its model, else dF/F."""
    if selection.series:
        found = [one for one in table.traces if one.path.endswith(selection.series)]
    else:
        by_role = (table.of(role) for role in ("fluorescence", "denoised", "dff"))
        found = next((of_role for of_role in by_role if of_role), [])
        most = max((len(one.rois) for one in found), default=0)
        found = [one for one in found if len(one.rois) == most]
    if len(found) == 1:
        return found[0]
    known = ", ".join(one.path for one in found or table.traces) or "none"
    if not found:
        what = f"no series {selection.series}" if selection.series else "no RoiResponseSeries"
        raise FormatError(
            f"{path} has {what} of the ROIs in {table.path}. One was expected; there is {known}."
        )
    raise FormatError(
        f"{path} has {len(found)} series that may be the traces of {table.path}: {known}. Say "
        f"which one, for example `ace-nwb adopt FILE {quoted(path)} --series {found[0].path}`."
    )


def _same_rois(table: RoiTable, role: Any, rows: np.ndarray) -> Traces | None:
    """Return the first traces of a role that are of just these ROIs in this order."""
    fitting = (one for one in table.of(role) if np.array_equal(one.rois, rows))
    return next(fitting, None)


def _describe_left_out(table: RoiTable, rows: np.ndarray) -> list[str]:
    """Say which rows of the table are not taken, and why."""
    left = np.setdiff1d(np.arange(table.n_rois), rows)
    background = np.unique(
        np.concatenate([one.rois for one in table.of("background")] or [np.zeros(0, int)])
    )
    remarks = []
    for reason, found in (
        ("background components", np.intersect1d(left, background)),
        ("without a trace", np.setdiff1d(left, background)),
    ):
        if len(found):
            named = ", ".join(map(str, found[:_MOST_NAMED]))
            more = " ..." if len(found) > _MOST_NAMED else ""
            remarks.append(
                f"{len(found)} of {table.n_rois} rows are not taken: {reason} (rows {named}{more})"
            )
    return remarks


def _describe_turned(main: Traces) -> list[str]:
    stored = f"{main.path} is stored as (roi, frame), which NWB turns round; it was turned back"
    return [stored] if main.is_turned else []


def _describe_unused(table: RoiTable, main: Traces) -> list[str]:
    """Say which other series of the ROIs are not used."""
    named = [one.path for role in ("background", "dff") for one in table.of(role) if one != main]
    return [f"not used: {', '.join(named)}"] if named else []


def _describe_baseline(values: np.ndarray) -> list[str]:
    """Say how many traces have no dF/F, because their program has taken the baseline away."""
    low = np.nanquantile(values, _BASELINE_QUANTILE, axis=0) if len(values) else np.zeros(0)
    n_lost = int(np.sum(~(low > 0)))
    if not n_lost:
        return []
    return [
        f"{n_lost} of {values.shape[1]} traces have no positive baseline, so no dF/F can be made "
        "of them; if they are dF/F, or are to stand for it, adopt them with --relative"
    ]


def _describe_missing(values: np.ndarray) -> list[str]:
    """Say how many values are missing: whole traces, and frames of others."""
    missing = ~np.isfinite(values)
    is_empty = missing.all(axis=0)
    n_frames = int(missing[:, ~is_empty].any(axis=1).sum())
    told = [f"{is_empty.sum()} of {values.shape[1]} traces hold no value"] if is_empty.any() else []
    if n_frames:
        n_rois = int(missing[:, ~is_empty].any(axis=0).sum())
        told.append(f"{n_frames} frames have no value in {n_rois} of {values.shape[1]} traces")
    return told


@dataclass(frozen=True)
class _Masks:
    """Reads the masks of a table; NWB stores (x, y), footprints have row-major pixels."""

    h5: h5py.File
    table: RoiTable
    path: Path
    field_shape: tuple[int, int] | None
    remarks: list[str]

    def read(self, rows: np.ndarray) -> tuple[csc_array, tuple[int, int]]:
        """Return the footprints of some rows, shape (pixel, roi), and the shape of the field."""
        for name, reader in (
            ("image_mask", self._read_images),
            ("pixel_mask", self._read_pixels),
            ("voxel_mask", self._read_pixels),
        ):
            if f"{self.table.path}/{name}" in self.h5:
                return reader(name, rows)
        raise FormatError(
            f"{self.path}: the ROIs of {self.table.path} have no image_mask, pixel_mask or "
            "voxel_mask. One was expected."
        )

    def _read_images(self, name: str, rows: np.ndarray) -> tuple[csc_array, tuple[int, int]]:
        stored = self.h5[f"{self.table.path}/{name}"]
        if stored.ndim == 4:  # (roi, x, y, z)
            self.remarks.append(
                f"the masks have {stored.shape[3]} planes; the strongest weight of all is taken"
            )
        columns = []
        n_missing = 0
        for row in rows:
            mask = np.asarray(stored[int(row)], np.float64)
            n_missing += int(np.isnan(mask).any())
            mask = np.nan_to_num(mask)
            mask = mask.max(2) if mask.ndim == 3 else mask
            columns.append(csc_array(mask.T.reshape(-1, 1)))
        if n_missing:
            self.remarks.append(f"{n_missing} masks have pixels without a weight: taken as 0")
        n_columns, n_rows = stored.shape[1:3]
        whole = csc_array((n_rows * n_columns, 0))
        for_all = _join(columns) if columns else whole
        return for_all, (int(n_rows), int(n_columns))

    def _read_pixels(self, name: str, rows: np.ndarray) -> tuple[csc_array, tuple[int, int]]:
        stored = self.h5[f"{self.table.path}/{name}"][()]
        ends = self.h5[f"{self.table.path}/{name}_index"][()].astype(int)
        starts = np.append(0, ends[:-1])
        owner = np.repeat(np.arange(len(rows)), ends[rows] - starts[rows])
        chosen = np.concatenate([np.arange(starts[r], ends[r]) for r in rows] or [np.zeros(0, int)])
        x, y = (stored[axis][chosen].astype(int) for axis in ("x", "y"))
        weight = np.nan_to_num(stored["weight"][chosen].astype(float))
        if name == "voxel_mask":
            self.remarks.append("the masks are voxels: the planes are laid on each other")
        x, y, shape = self._place(x, y)
        size = (shape[0] * shape[1], len(rows))
        return csc_array((weight, (y * shape[1] + x, owner)), shape=size), shape

    def _place(
        self, x: np.ndarray, y: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
        """Return pixels within a field, and (n_rows, n_columns) of it."""
        if not len(x):
            return x, y, self.field_shape or self._stated_shape() or (1, 1)
        least = (int(y.max()) + 1, int(x.max()) + 1)
        shape = self.field_shape or self._stated_shape()
        if shape is None:
            self.remarks.append(
                f"nothing says how large the field is: {least[0]} x {least[1]} pixels hold all ROIs"
            )
            return x, y, least
        if _fits(x, y, shape):
            return x, y, shape
        if _fits(x - 1, y - 1, shape):
            self.remarks.append("pixels of the masks are counted from 1")
            return x - 1, y - 1, shape
        if _fits(y, x, shape):
            self.remarks.append("masks are stored as (row, column) in place of NWB's (x, y)")
            return y, x, shape
        if self.field_shape is None and _fits(x, y, shape[::-1]):
            self.remarks.append("the field is stated as (rows, columns) in place of NWB's (x, y)")
            return x, y, shape[::-1]
        raise FormatError(
            f"{self.path}: masks reach to row {least[0] - 1}, column {least[1] - 1}; the field has "
            f"{shape[0]} x {shape[1]} pixels. Masks within it were expected."
        )

    def _stated_shape(self) -> tuple[int, int] | None:
        """Return (n_rows, n_columns) by images or movies that the table refers to."""
        images = self.h5.get(f"{self.table.path}/reference_images", {})
        for image in images.values():
            shape = tuple(image["data"].shape) if "data" in image else (0, 0)
            if len(shape) >= _FIELD_AXES and np.prod(shape):
                return int(shape[-1]), int(shape[-2])
            if "dimension" in image:
                n_columns, n_rows = np.ravel(image["dimension"][()])[:2]
                return int(n_rows), int(n_columns)
        return None


def _fits(x: np.ndarray, y: np.ndarray, shape: tuple[int, int]) -> bool:
    inside = min(x.min(), y.min()) >= 0
    return bool(inside and y.max() < shape[0] and x.max() < shape[1])


def _join(columns: list[csc_array]) -> csc_array:
    data = np.concatenate([column.data for column in columns])
    indices = np.concatenate([column.indices for column in columns])
    starts = np.cumsum([0, *(column.nnz for column in columns)])
    return csc_array((data, indices, starts), shape=(columns[0].shape[0], len(columns)))


def _read_recording(
    h5: h5py.File, table: RoiTable, main: Traces, selection: Selection, path: Path
) -> Recording:
    """Return plane, unit and times of the traces."""
    plane = f"{table.path}/imaging_plane"
    unit = h5[f"{main.path}/data"].attrs.get("unit", "n.a.")
    found = Recording(
        plane=link_target(h5, plane) if plane in h5 else "",
        unit=unit.decode() if isinstance(unit, bytes) else str(unit),
    )
    if selection.frame_rate_hz is not None:
        return found.at_rate(selection.frame_rate_hz)
    if f"{main.path}/starting_time" in h5:
        start = h5[f"{main.path}/starting_time"]
        return found.at_rate(float(start.attrs["rate"]), float(np.ravel(start[()])[0]))
    times = h5[f"{main.path}/timestamps"][()] if f"{main.path}/timestamps" in h5 else np.zeros(0)
    return found.at_times(times, main.n_frames, f"{main.path} in {path}")


def _column(h5: h5py.File, table: RoiTable, name: str, rows: np.ndarray) -> np.ndarray | None:
    path = f"{table.path}/{name}"
    return np.asarray(h5[path][()], float)[rows] if path in h5 else None


def _accepted(h5: h5py.File, table: RoiTable, rows: np.ndarray) -> np.ndarray | None:
    """Return which ROIs that program, or people, accepted."""
    for name in VERDICTS:
        path = f"{table.path}/{name}"
        if path in h5:
            values = np.asarray(h5[path][()])
            values = (values[:, 0] if values.ndim == 2 else values)[rows].astype(bool)
            return ~values if name in _REJECTED else values
    return None


def _generators(h5: h5py.File) -> str:
    """Return the programs that made the file."""
    made = h5.get("general/was_generated_by")
    names = [] if made is None else decode_texts(np.atleast_2d(made[()]))[:, 0].tolist()
    return ", ".join(names) or "unknown"
