"""Traces, ROIs and events of a session as tables and arrays for other programs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ace_nwb.errors import MissingPackageError, OutputError
from ace_nwb.nwb import layout
from ace_nwb.nwb.commit.new_file import as_text, make_folder, new_file, new_files
from ace_nwb.nwb.content.roi_series import read_roi_series, read_roi_table
from ace_nwb.nwb.content.rois import read_footprints
from ace_nwb.nwb.content.series import read_times
from ace_nwb.nwb.session import Session
from ace_nwb.spreadsheets.formulas import as_cell

TRACES = {
    "raw": layout.RAW_TRACES,
    "denoised": layout.DENOISED_TRACES,
    "deconvolved": layout.DECONVOLVED_TRACES,
    "dff": layout.DFF_TRACES,
    "filtered": layout.CALCIUM_FILTERED,
    "phase": layout.CALCIUM_PHASE,
}
"""Name of a table or array -> where its traces are."""

_EVENTS = "/processing/events"
_REGIONS = ("roi", "rois")


def export_tables(session: Session, folder: Path, *, kind: str = "csv") -> list[Path]:
    """Write one table per kind of trace, one of the ROIs, one per kind of events.

    Parameters
    ----------
    session
        The session.
    folder
        Made if needed; files of these names in it are refused.
    kind
        "csv" or "parquet".

    Returns
    -------
        The files written.
    """
    import pandas as pd  # type: ignore[import-untyped]

    if kind == "parquet":
        _require_pyarrow()
    tables = dict(_tables(session))
    paths = [folder / f"{name}.{kind}" for name in tables]
    make_folder(folder)
    with new_files(paths) as streams:
        for columns, stream in zip(tables.values(), streams, strict=True):
            if kind == "parquet":
                pd.DataFrame(columns).to_parquet(stream, index=False)
                continue
            with as_text(stream) as text:
                pd.DataFrame(_as_cells(columns)).to_csv(text, index=False)
    return paths


def export_pynapple(session: Session, folder: Path) -> list[Path]:
    """Write one NPZ per kind of trace, as pynapple's `load_file` reads them."""
    names = [name for name, path in TRACES.items() if session.has(path)]
    paths = [folder / f"{name}.npz" for name in names]
    if paths:
        make_folder(folder)
    with new_files(paths) as streams:
        for stream, (_, times_s, values) in zip(streams, iterate_traces(session), strict=True):
            np.savez(
                stream,
                t=times_s,
                d=values,
                start=times_s[:1],
                end=times_s[-1:],
                columns=np.arange(values.shape[1]),
                type=np.array(["TsdFrame"], dtype=np.str_),
            )
    return paths


def export_matlab(session: Session, path: Path) -> list[str]:
    """Write traces, ROIs, footprints and events into a .mat file; return the variables' names."""
    from scipy.io import savemat

    check_new(path)  # before all is read
    content: dict[str, Any] = {}
    for name, times_s, values in iterate_traces(session):
        content[name] = values
        content.setdefault("time_s", times_s)
    if session.has(layout.PLANE_SEGMENTATION):
        from ace_nwb.nwb.content.imaging import read_field

        content["rois"] = {k: v for k, v in read_roi_table(session).items() if v.ndim == 1}
        content["footprints"] = read_footprints(session).astype(np.float64)
        content["footprints_shape"] = np.array(read_field(session).shape)
        content["footprints_order"] = "pixel = row * n_columns + column, counted from 0"
    content |= dict(_events(session))
    with new_file(path) as stream:
        savemat(stream, content, do_compression=True, long_field_names=True)
    return list(content)


def iterate_traces(session: Session) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield (name, times in seconds, values of shape (frame, roi)) of all traces there are."""
    for name, path in TRACES.items():
        if session.has(path):
            yield name, read_times(session.get(path)), read_roi_series(session, path)


def check_new(path: Path) -> None:
    """Refuse to overwrite a file.

    Raises
    ------
    OutputError
        If the file exists.
    """
    if path.exists():
        raise OutputError(f"{path} exists. A new file was expected; give another name.")


def _tables(session: Session) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield (name, columns) of all tables there are."""
    for name, times_s, values in iterate_traces(session):
        columns = {f"roi_{roi}": values[:, roi] for roi in range(values.shape[1])}
        yield name, {"time_s": times_s, **columns}
    if session.has(layout.PLANE_SEGMENTATION):
        table = read_roi_table(session)
        yield "rois", {key: column for key, column in table.items() if column.ndim == 1}
    yield from _events(session)


def _as_cells(columns: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return columns in which no text is taken for a formula."""
    return {
        as_cell(name): values if values.dtype.kind in "biuf" else [as_cell(one) for one in values]
        for name, values in columns.items()
    }


def _events(session: Session) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yield (name, columns) of the detected events."""
    names = list(session.h5[_EVENTS]) if session.has(_EVENTS) else []
    for name in names:
        table = session.get(f"{_EVENTS}/{name}")
        columns = {}
        for key in getattr(table, "colnames", ()):
            values = np.asarray(table[key].data[:])
            if values.ndim == 1 and len(values) == len(table):
                columns["roi" if key in _REGIONS else key] = values
        if columns:
            yield name, columns


def _require_pyarrow() -> None:
    """Say what to install if Parquet cannot be written."""
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise MissingPackageError(
            "The package pyarrow is not installed. Parquet needs it; run `pip install pyarrow`, or "
            "take --format csv."
        )
