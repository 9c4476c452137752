"""ROIs in a session file: footprints, seeds, and the background model, with their traces."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from scipy.sparse import csc_array, csr_array

from ace_nwb.errors import SessionFileError
from ace_nwb.imaging.segmentation import RingBackground, Segmentation
from ace_nwb.imaging.storage import turn_axes
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.imaging import read_field, read_images, write_images
from ace_nwb.nwb.content.roi_series import read_roi_series, write_roi_series
from ace_nwb.nwb.editing import SessionWriter
from ace_nwb.nwb.field import FieldOfView
from ace_nwb.nwb.objects.columns import read_columns
from ace_nwb.nwb.objects.writing import Stored, compressed, link_target
from ace_nwb.nwb.reading import Session

_COLUMNS = {
    "size_px": "Number of pixels of the footprint.",
    "noise": "Standard deviation of the noise of the raw trace, in units of the movie.",
    "decay_time_s": "Decay time constant of the calcium transient, seconds.",
}
_SEGMENTATION_PATHS = (
    layout.IMAGE_SEGMENTATION,
    layout.FLUORESCENCE,
    layout.SEEDS,
    layout.BACKGROUND_MODEL,
    layout.BACKGROUND_IMAGES,
)
_TRACES = {
    "raw": ("RoiResponseSeries", "Footprint-weighted fluorescence, background and others removed."),
    "denoised": ("Denoised", "Fluorescence of the fitted calcium model."),
    "deconvolved": ("Deconvolved", "Inferred activity: the jumps of the calcium model."),
    "baseline": ("Baseline", "Background fluorescence under the footprint, weighted like raw."),
}


@dataclass(frozen=True)
class TraceSource:
    """What traces bring with them into a session that has no movie.

    Parameters
    ----------
    plane
        Path of the imaging plane of the ROIs.
    unit
        Unit of their fluorescence.
    times
        When the frames were taken, see `write_series`.
    has_fluorescence
        Whether there is any: of dF/F alone only the ROIs are written.
    """

    plane: str
    unit: str
    times: dict[str, Any]
    has_fluorescence: bool = True


_MASK_GZIP_LEVEL = 4
"""Footprints are nearly all zeros: 200 of 600 x 600 pixels take 0.9 MB."""


def write_segmentation(
    writer: SessionWriter, segmentation: Segmentation, *, source: TraceSource | None = None
) -> list[str]:
    """Write footprints, traces, seeds and background, replacing those of an earlier run.

    Results that refer to the replaced ROIs are removed with them (`SessionWriter.removed`).
    Footprints are placed in the recorded field.

    Parameters
    ----------
    writer
        The session.
    segmentation
        ROIs of the analysed field (see `read_field`).
    source
        Where they come from, if the session has no movie.

    Returns
    -------
        The paths written.
    """
    writer.remove(_SEGMENTATION_PATHS)
    written = write_rois(writer, segmentation, source=source)
    if len(segmentation.seeds):
        written.append(_write_seeds(writer, segmentation.seeds, read_field(writer)))
    if segmentation.background is not None:
        written += _write_background(writer, segmentation.background)
    return written


def write_rois(
    writer: SessionWriter,
    segmentation: Segmentation,
    ids: Sequence[int] | None = None,
    *,
    source: TraceSource | None = None,
) -> list[str]:
    """Write footprints and traces where there are none; return the paths.

    ROIs have their number as id, unless `ids` says otherwise.
    """
    field = read_field(writer)
    if segmentation.field_shape != field.shape:
        raise ValueError(
            f"segmentation of a field of {segmentation.field_shape} pixels, but "
            f"{field.shape} are analysed"
        )
    numbers = range(segmentation.n_rois) if ids is None else ids
    plane = f"{layout.MOVIE}/imaging_plane" if source is None else source.plane
    _write_table(writer, segmentation, field, numbers, plane=writer.locate(plane))
    if source is not None and not source.has_fluorescence:
        return [layout.PLANE_SEGMENTATION]
    unit = writer.get(layout.MOVIE).unit if source is None else source.unit
    _write_traces(writer, segmentation, unit, {} if source is None else source.times)
    return [layout.PLANE_SEGMENTATION, layout.FLUORESCENCE]


def read_segmentation(session: Session, *, kept_as: str = "") -> Segmentation:
    """Return the segmentation as it was written, footprints in the analysed field.

    Parameters
    ----------
    session
        The session.
    kept_as
        Name under which an earlier one stands beside the current; background and seeds are
        always the current ones.

    Raises
    ------
    SessionFileError
        If no ROIs have been extracted.
    """
    suffix = f"_{kept_as}" if kept_as else ""
    table_path = f"{layout.IMAGE_SEGMENTATION}{suffix}/PlaneSegmentation"
    table = session.get(table_path)
    columns = read_columns(table, skip=("image_mask",))
    traces: dict[str, Any] = {
        key: read_roi_series(session, f"{layout.FLUORESCENCE}{suffix}/{name}")
        for key, (name, _) in _TRACES.items()
    }
    field = read_field(session)
    return Segmentation(
        footprints=read_footprints(session, table_path),
        field_shape=field.shape,
        noise=columns["noise"],
        decay_time_s=columns["decay_time_s"],
        background=_read_background(session),
        seeds=_read_seeds(session, field),
        metrics=_metrics(table),
        **traces,
    )


def read_footprints(session: Session, table_path: str = layout.PLANE_SEGMENTATION) -> csc_array:
    """Return the footprints in the analysed field, shape (pixel, roi), row-major pixels."""
    masks = session.get(table_path)["image_mask"].data
    field = read_field(session)
    columns = [
        csc_array(field.cut(turn_axes(masks[roi])).reshape(-1, 1)) for roi in range(masks.shape[0])
    ]
    n_pixels = field.shape[0] * field.shape[1]
    starts = np.cumsum([0] + [column.nnz for column in columns])
    if not columns:
        return csc_array((n_pixels, 0), dtype=np.float32)
    data = np.concatenate([column.data for column in columns])
    indices = np.concatenate([column.indices for column in columns])
    return csc_array((data, indices, starts), shape=(n_pixels, len(columns)))


def _write_table(
    writer: SessionWriter,
    segmentation: Segmentation,
    field: FieldOfView,
    ids: Sequence[int],
    *,
    plane: str,
) -> None:
    """Write the ROI table with masks over the recorded field.

    Without `reference_images`: the movie there would close a circle (movie -> series that share its
    time stamps -> their ROIs -> movie), which what Jupyter shows of a file walks without end.
    """
    masks = _stored_masks(segmentation, field)
    values = {
        "size_px": np.diff(segmentation.footprints.indptr).astype(np.int32),
        "noise": segmentation.noise,
        "decay_time_s": segmentation.decay_time_s,
        **segmentation.metrics,
    }
    stored = Stored(masks, chunks=(1, *masks.shape[1:]), gzip=_MASK_GZIP_LEVEL)
    columns: dict[str, tuple[str, Any]] = {
        "image_mask": ("Spatial weights of each ROI over the recorded field (x, y).", stored)
    }
    for name, column in values.items():
        columns[name] = (_COLUMNS.get(name, _metric_description(name)), np.asarray(column))
    writer.create_object(layout.IMAGE_SEGMENTATION, "ImageSegmentation")
    text = "ROIs found by source extraction; see stage_runs for engine and parameters."
    about = {"kind": "PlaneSegmentation", "ids": ids}
    table = writer.create_table(layout.PLANE_SEGMENTATION, text, columns, **about)
    table["imaging_plane"] = h5py.SoftLink(link_target(writer.h5, plane))
    table.create_group("reference_images")


def _stored_masks(segmentation: Segmentation, field: FieldOfView) -> np.ndarray:
    """Return the footprints in the recorded field, shape (roi, x, y), float32.

    Only the pixels of the footprints are touched: the rest of so large an array stays unused.
    """
    n_rows, n_columns = field.recorded
    masks = np.zeros((segmentation.n_rois, n_columns, n_rows), np.float32)
    footprints = csc_array(segmentation.footprints)
    owners = np.repeat(np.arange(segmentation.n_rois), np.diff(footprints.indptr))
    rows, columns = np.divmod(footprints.indices, field.shape[1])
    masks[owners, columns + field.origin[1], rows + field.origin[0]] = footprints.data
    return masks


def _write_traces(
    writer: SessionWriter, segmentation: Segmentation, unit: str, times: dict[str, Any]
) -> None:
    """Write the four traces of the extraction; `times` if the frames have none in the file."""
    for key, (name, description) in _TRACES.items():
        path, values = f"{layout.FLUORESCENCE}/{name}", getattr(segmentation, key)
        write_roi_series(writer, path, values, unit=unit, description=description, **times)


def _metrics(table: Any) -> dict[str, np.ndarray]:
    """Return the engine's own numbers among the columns of the ROI table."""
    return {
        name: np.asarray(table[name].data[:])
        for name in table.colnames
        if table[name].description == _metric_description(name)
    }


def _metric_description(name: str) -> str:
    return f"{name} of the ROI, from the engine."


def _write_seeds(writer: SessionWriter, seeds: np.ndarray, field: FieldOfView) -> str:
    """Write the seed pixels in coordinates of the recorded field."""
    recorded = np.asarray(seeds + np.asarray(field.origin), np.int32)
    writer.create_table(
        layout.SEEDS,
        "Pixels that source extraction started from.",
        {
            "row": ("Row of the pixel in the recorded field.", recorded[:, 0]),
            "column": ("Column of the pixel in the recorded field.", recorded[:, 1]),
        },
    )
    return layout.SEEDS


def _read_seeds(session: Session, field: FieldOfView) -> np.ndarray:
    """Return the seed pixels in the analysed field, shape (seed, 2)."""
    table = session.find(layout.SEEDS)
    if table is None:
        return np.zeros((0, 2), np.int32)
    recorded = np.stack([table["row"].data[:], table["column"].data[:]], axis=1)
    return recorded - np.asarray(field.origin, recorded.dtype)


def _write_background(writer: SessionWriter, background: RingBackground) -> list[str]:
    """Write the ring model: one table row per coarse pixel with its neighbours and weights."""
    write_images(
        writer,
        layout.BACKGROUND_IMAGES,
        {"baseline": background.baseline},
        description="Constant part of the background model.",
    )
    weights = csr_array(background.weights)
    ends = np.asarray(weights.indptr[1:], np.int64)
    description = (
        "Ring model of the background on a grid of coarse pixels: background = baseline + "
        "weights @ (movie - neurons - baseline). Row = coarse pixel of the analysed field, "
        f"row-major, {background.downsampling} px wide."
    )
    neighbours = compressed(weights.indices.astype(np.int32), ends=ends)
    sides = np.full(len(ends), background.downsampling, np.int32)
    columns = {
        "neighbours": ("Coarse pixels (row-major) that this one is predicted from.", neighbours),
        "weights": ("Weight of each neighbour.", compressed(weights.data, ends=ends)),
        "downsampling": ("Side of the coarse pixel, px.", sides),
    }
    writer.create_table(layout.BACKGROUND_MODEL, description, columns)
    return [layout.BACKGROUND_MODEL, layout.BACKGROUND_IMAGES]


def _read_background(session: Session) -> RingBackground | None:
    """Return the ring model, if there is one."""
    table = session.find(layout.BACKGROUND_MODEL)
    if table is None:
        return None
    index = table["weights"]
    starts = np.concatenate([[0], np.asarray(index.data[:], np.int64)])
    n_coarse = len(starts) - 1
    weights = csr_array(
        (index.target.data[:], table["neighbours"].target.data[:], starts),
        shape=(n_coarse, n_coarse),
    )
    if n_coarse == 0:
        raise SessionFileError(f"{session.path}: {layout.BACKGROUND_MODEL} is empty")
    baseline = read_images(session, layout.BACKGROUND_IMAGES)["baseline"]
    return RingBackground(weights, baseline, int(table["downsampling"].data[0]))


_REPLACED = (layout.IMAGE_SEGMENTATION, layout.FLUORESCENCE)
MADE_FROM = "Ids of the ROIs that a reviewer made this one from; empty if it was extracted."


def read_extracted(session: Session) -> Segmentation:
    """Return the segmentation as source extraction made it."""
    is_regrouped = session.has(layout.EXTRACTED_SEGMENTATION)
    return read_segmentation(session, kept_as=layout.EXTRACTED if is_regrouped else "")


def write_regrouped(
    writer: SessionWriter, segmentation: Segmentation, *, ids: Sequence[int], made_from: list[str]
) -> None:
    """Write merged and split ROIs with those that stayed; the extraction is kept beside.

    Parameters
    ----------
    writer
        The session.
    segmentation
        All ROIs that stand now.
    ids
        Id of each.
    made_from
        Ids of the ROIs each was made from, separated by semicolons; empty if extracted.
    """
    if writer.has(layout.EXTRACTED_SEGMENTATION):
        writer.remove(_REPLACED)
    else:
        writer.keep_as(_REPLACED, layout.EXTRACTED)
    write_rois(writer, segmentation, ids)
    _set_origin(writer, made_from)


def restore_extracted(writer: SessionWriter) -> None:
    """Put the extraction back in place of merged and split ROIs, if there were any."""
    if writer.has(layout.EXTRACTED_SEGMENTATION):
        writer.remove(_REPLACED)
        writer.take_back(_REPLACED, layout.EXTRACTED)
    n_rois = len(writer.h5[f"{layout.PLANE_SEGMENTATION}/id"])
    _set_origin(writer, [""] * n_rois)


def _set_origin(writer: SessionWriter, made_from: list[str]) -> None:
    """Write which ROIs each one was made from."""
    writer.set_columns(layout.PLANE_SEGMENTATION, {"made_from": (MADE_FROM, made_from)})
