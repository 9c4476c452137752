"""Which ROIs and traces an NWB file of any program holds: by type and links, not by name or place.

Programs agree on the types and on little else: containers of any name in any module, tables with
background components among the ROIs, traces of some of them or in another order.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

import h5py
import numpy as np

from ace_nwb.nwb import ownership
from ace_nwb.nwb.objects.links import visit_links

Role = Literal["fluorescence", "denoised", "deconvolved", "background", "dff"]

_ROLES: tuple[tuple[Role, str], ...] = (
    ("background", "neuropil(?!_deconvolved)|background|baseline"),
    ("deconvolved", "deconv|spike"),
    ("denoised", "denoised"),
    ("dff", "d[ef_ ]*f.?over.?f|dff|df_f"),
)
"""What a series is by its own name or its container's; everything else is fluorescence."""


@dataclass(frozen=True)
class Traces:
    """A series of one value per frame and ROI.

    Parameters
    ----------
    path
        Where it stands.
    role
        What its values are.
    rois
        Row of the table that each trace belongs to, ascending.
    n_frames
        Number of frames.
    is_turned
        Whether it is stored as (roi, frame); NWB says (frame, roi).
    """

    path: str
    role: Role
    rois: np.ndarray
    n_frames: int
    is_turned: bool

    def read(self, h5: h5py.File) -> np.ndarray:
        """Return the values, shape (frame, trace)."""
        values = np.asarray(h5[f"{self.path}/data"][()], np.float64)
        values = values[:, None] if values.ndim == 1 else values
        stored = np.asarray(h5[f"{self.path}/rois"][()], int)
        return (values.T if self.is_turned else values)[:, np.argsort(stored, kind="stable")]


@dataclass(frozen=True)
class RoiTable:
    """A table of ROIs and the traces that refer to it.

    Parameters
    ----------
    path
        Where it stands.
    n_rois
        Number of rows.
    traces
        Series that refer to it.
    """

    path: str
    n_rois: int
    traces: tuple[Traces, ...]

    def of(self, role: Role) -> list[Traces]:
        """Return the traces of a role, those of most ROIs first."""
        found = [one for one in self.traces if one.role == role]
        return sorted(found, key=lambda one: (-len(np.unique(one.rois)), one.path))


def find_tables(h5: h5py.File) -> list[RoiTable]:
    """Return every table of ROIs in a file, results of ours that were replaced left out."""
    paths: dict[str, list[str]] = {"PlaneSegmentation": [], "RoiResponseSeries": []}

    def take(name: bytes, info: h5py.h5l.LinkInfo) -> None:
        if info.type != h5py.h5l.TYPE_HARD:
            return
        path = f"/{name.decode()}"
        kind = _text(h5[path].attrs.get("neurodata_type", ""))
        if kind in paths:
            paths[kind].append(path)

    visit_links(h5.id, take)
    kept = ownership.kept_names(h5)
    tables = []
    for path in sorted(paths["PlaneSegmentation"]):
        container = path.rpartition("/")[0]
        if not ownership.is_set_aside(container, [*kept, "extracted"]):
            own = [s for s in sorted(paths["RoiResponseSeries"]) if _table_of(h5, s) == path]
            traces = tuple(_describe(h5, series) for series in own)
            tables.append(RoiTable(path, len(h5[f"{path}/id"]), traces))
    return tables


def _table_of(h5: h5py.File, series: str) -> str | None:
    """Return the path of the table that a series refers to."""
    rois = h5.get(f"{series}/rois")
    target = None if rois is None else rois.attrs.get("table")
    return str(h5[target].name) if isinstance(target, h5py.Reference) and target else None


def _describe(h5: h5py.File, path: str) -> Traces:
    """Return what a series is; of a square one the number of times tells the frames."""
    rois = np.asarray(h5[f"{path}/rois"][()], int)
    shape = h5[f"{path}/data"].shape
    n_times = h5[f"{path}/timestamps"].shape[-1] if f"{path}/timestamps" in h5 else None
    fits = len(shape) == 1 or shape[1] == len(rois)
    turned_fits = len(shape) == 2 and shape[0] == len(rois)
    is_turned = turned_fits and (not fits or (shape[0] != n_times == shape[1]))
    n_frames = shape[1] if is_turned else shape[0]
    return Traces(path, _role(h5, path), np.sort(rois), int(n_frames), is_turned)


def _role(h5: h5py.File, path: str) -> Role:
    """Return what the values of a series are."""
    container, _, name = path.rpartition("/")
    if _text(h5[container].attrs.get("neurodata_type", "")) == "DfOverF":
        return "dff"
    for text in (name, container.rpartition("/")[2]):
        for role, pattern in _ROLES:
            if re.search(pattern, text, re.IGNORECASE):
                return role
    return "fluorescence"


def _text(value: Any) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
