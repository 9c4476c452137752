"""Outlines of footprints, and traces thinned so that every peak still shows."""

import numpy as np
from contourpy import LineType, contour_generator

_LEVEL = 0.25  # of the peak of the footprint: what the report's outlines enclose too


def trace_outline(
    pixels: np.ndarray, weights: np.ndarray, field_shape: tuple[int, int]
) -> list[np.ndarray]:
    """Return the closed lines around a footprint, each of shape (point, 2): row, column.

    Parameters
    ----------
    pixels
        Row-major numbers.
    weights
        Of the pixels; the line runs at a quarter of the largest.
    field_shape
        (n_rows, n_columns).
    """
    if len(pixels) == 0:
        return []
    rows, columns = np.divmod(pixels, field_shape[1])
    top, left = rows.min() - 1, columns.min() - 1
    image = np.zeros((rows.max() - top + 2, columns.max() - left + 2), np.float32)
    image[rows - top, columns - left] = weights
    lines = contour_generator(z=image, line_type=LineType.Separate).lines(
        _LEVEL * float(image.max())
    )
    corner = np.array([top, left], float)
    return [np.asarray(line, float)[:, ::-1] + corner for line in lines if len(line) > 3]


def centre_of(pixels: np.ndarray, weights: np.ndarray, n_columns: int) -> tuple[float, float]:
    """Return the (row, column) of the centre of mass of a footprint."""
    rows, columns = np.divmod(pixels, n_columns)
    total = max(float(weights.sum()), 1e-12)
    return float(rows @ weights) / total, float(columns @ weights) / total


def thin_out(trace: np.ndarray, start: int, stop: int, n_bins: int) -> np.ndarray:
    """Return the least and the greatest value in each of `n_bins` stretches, shape (bin, 2).

    Stretches are at least one sample long; a short trace comes as it is, twice.
    """
    part = trace[start:stop]
    if len(part) <= n_bins:
        return np.column_stack([part, part]).astype(np.float32)
    edges = bin_edges(0, len(part), n_bins)
    least = np.minimum.reduceat(part, edges)
    greatest = np.maximum.reduceat(part, edges)
    return np.column_stack([least, greatest]).astype(np.float32)


def bin_edges(start: int, stop: int, n_bins: int) -> np.ndarray:
    """Return the first sample of each stretch that `thin_out` makes."""
    if stop - start <= n_bins:
        return np.arange(start, stop)
    return start + (np.arange(n_bins) * (stop - start)) // n_bins
