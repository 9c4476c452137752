"""Per ROI in a session file: the columns of the table, and series of one value per sample."""

from typing import Any

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.series import write_series
from ace_nwb.nwb.editing import SessionWriter
from ace_nwb.nwb.objects.columns import read_columns
from ace_nwb.nwb.objects.writing import compressed, create_column, region
from ace_nwb.nwb.reading import Session


def read_roi_table(session: Session) -> dict[str, np.ndarray]:
    """Return the columns of the ROI table except the masks: name -> one value per ROI."""
    columns = dict(read_columns(session.get(layout.PLANE_SEGMENTATION), skip=("image_mask",)))
    columns["id"] = np.asarray(session.get(layout.PLANE_SEGMENTATION).id[:])
    return columns


def count_rois(session: Session) -> int:
    """Return the number of ROIs, 0 before the extraction."""
    has_table = session.has(layout.PLANE_SEGMENTATION)
    return len(session.get(layout.PLANE_SEGMENTATION).id) if has_table else 0


def write_roi_series(
    writer: SessionWriter,
    path: str,
    data: np.ndarray,
    *,
    unit: str,
    description: str,
    **times: Any,
) -> str:
    """Write one value per sample and ROI, replacing the series of that path.

    Parameters
    ----------
    writer
        The session.
    path
        "/processing/<module>/<container>/<name>", the container "DfOverF" or one of type
        Fluorescence, made if it is missing; or "/processing/<module>/<name>" without one.
    data
        Shape (sample, roi), all ROIs in the order of their table.
    unit, description
        Of the values.
    **times
        See `ace_nwb.nwb.content.series.write_series`; by default those of the movie.

    Returns
    -------
        The path.
    """
    writer.remove([path])
    n_rois = len(writer.get(layout.PLANE_SEGMENTATION))
    if data.ndim != 2 or data.shape[1] != n_rois:
        raise ValueError(f"data of shape {data.shape}, but there are {n_rois} ROIs")
    container, _ = layout.split_path(path)
    is_nested = "/" in layout.module_and_name(path)[1]
    if is_nested and container not in writer.h5:
        is_dff = container.endswith("/DfOverF")
        writer.create_object(container, "DfOverF" if is_dff else "Fluorescence")
    chunks = (min(len(data), 4096), min(n_rois, 16)) if data.size else None
    values = compressed(np.asarray(data, np.float32), chunks=chunks)
    about = {"unit": unit, "description": description}
    write_series(writer, path, values, kind="RoiResponseSeries", **about, **times)
    rows = region(writer.node(layout.PLANE_SEGMENTATION), range(n_rois))
    create_column(writer.h5[path], "rois", "All ROIs.", rows)
    return path


def read_roi_series(session: Session, path: str) -> np.ndarray:
    """Return the values of a ROI series, shape (sample, roi)."""
    return np.asarray(session.get(path).data[:])
