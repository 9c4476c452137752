"""Placing the result of a part of the field back into the whole field."""

from dataclasses import replace

import numpy as np
from scipy.sparse import csc_array, csr_array

from ace_nwb.imaging.cropping import CropBox
from ace_nwb.imaging.segmentation import RingBackground, Segmentation


def embed(part: Segmentation, field_shape: tuple[int, int], box: CropBox) -> Segmentation:
    """Return the segmentation of the whole field; outside the box there is nothing.

    Parameters
    ----------
    part
        Segmentation of the box.
    field_shape
        (n_rows, n_columns) of the whole field.
    box
        Where the part lies; its start is a multiple of the background's grid.
    """
    if box.shape == field_shape:
        return part
    footprints = csc_array(
        (
            part.footprints.data,
            _whole_index(part.footprints.indices, box.shape, field_shape, box),
            part.footprints.indptr,
        ),
        shape=(field_shape[0] * field_shape[1], part.n_rois),
    )
    background = part.background
    if background is not None:
        background = _embed_background(background, field_shape, box)
    seeds = part.seeds + np.array([box.row_start, box.column_start])
    return replace(
        part, footprints=footprints, field_shape=field_shape, background=background, seeds=seeds
    )


def _whole_index(
    index: np.ndarray, part: tuple[int, int], whole: tuple[int, int], box: CropBox
) -> np.ndarray:
    """Return row-major indices of the whole for those of the part."""
    rows, columns = np.divmod(index.astype(np.int64), part[1])
    return (rows + box.row_start) * whole[1] + columns + box.column_start


def _embed_background(
    background: RingBackground, field_shape: tuple[int, int], box: CropBox
) -> RingBackground:
    side = background.downsampling
    coarse = CropBox(*(-(-limit // side) for limit in box.limits))
    whole: tuple[int, int] = (-(-field_shape[0] // side), -(-field_shape[1] // side))
    weights = background.weights.tocoo()
    places = tuple(_whole_index(axis, coarse.shape, whole, coarse) for axis in weights.coords)
    n_squares = whole[0] * whole[1]
    baseline = np.zeros(field_shape, np.float32)
    baseline[box.slices] = background.baseline
    return RingBackground(
        csr_array((weights.data, places), shape=(n_squares, n_squares)), baseline, side
    )
