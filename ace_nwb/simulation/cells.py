"""Cells: where they lie in the field, what they look like."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, vstack

MIN_WEIGHT = 0.01  # weights below this share of the peak are cut off
PLACING_TRIES = 200


@dataclass(frozen=True)
class CellShape:
    """Shape of one cell: an ellipse with a wavy outline and a smooth edge."""

    centre_px: tuple[float, float]
    radius_px: float
    aspect: float
    angle: float
    waves: np.ndarray
    """Amplitude and phase of the outline's 2nd, 3rd and 4th harmonic, shape (3, 2)."""


def place_cells(
    n_cells: int,
    field_shape: tuple[int, int],
    *,
    min_distance_px: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Scatter cells over the field, no two closer than the given distance.

    Returns
    -------
    np.ndarray
        (row, column) of the centres, shape (roi, 2), pixels. Where the field is too crowded the
        distance is relaxed cell by cell.
    """
    centres = np.empty((0, 2))
    span = np.asarray(field_shape) - 1
    for _ in range(n_cells):
        candidates = rng.uniform(0, 1, (PLACING_TRIES, 2)) * span
        gaps = np.linalg.norm(candidates[:, None] - centres[None], axis=2)
        nearest = gaps.min(axis=1, initial=np.inf)
        free = np.flatnonzero(nearest >= min_distance_px)
        chosen = free[0] if len(free) else int(nearest.argmax())
        centres = np.vstack([centres, candidates[chosen]])
    return centres


def draw_shapes(
    centres_px: np.ndarray, *, diameter_px: float, rng: np.random.Generator
) -> list[CellShape]:
    """Give every centre a shape of about the given diameter."""
    shapes = []
    for centre in centres_px:
        waves = np.column_stack([rng.normal(0, [0.08, 0.06, 0.04]), rng.uniform(0, 2 * np.pi, 3)])
        shapes.append(
            CellShape(
                centre_px=(float(centre[0]), float(centre[1])),
                radius_px=float(diameter_px / 2 * rng.uniform(0.85, 1.1)),
                aspect=float(rng.uniform(0.8, 1.25)),
                angle=float(rng.uniform(0, np.pi)),
                waves=waves,
            )
        )
    return shapes


def draw_cell(shape: CellShape, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the cell's weight (peak 1) on a grid of row and column coordinates."""
    down = rows[:, None] - shape.centre_px[0]
    right = columns[None, :] - shape.centre_px[1]
    along = np.cos(shape.angle) * down + np.sin(shape.angle) * right
    across = np.cos(shape.angle) * right - np.sin(shape.angle) * down
    along, across = along * np.sqrt(shape.aspect), across / np.sqrt(shape.aspect)
    bearing = np.arctan2(across, along)
    outline = 1.0 + sum(
        amplitude * np.cos(harmonic * bearing + phase)
        for harmonic, (amplitude, phase) in enumerate(shape.waves, start=2)
    )
    distance = np.hypot(along, across) / (shape.radius_px * np.maximum(outline, 0.6))
    weight = np.exp(-0.9 * distance**3)
    return np.where(weight < MIN_WEIGHT, 0.0, weight)


def draw_footprints(
    shapes: list[CellShape], canvas_shape: tuple[int, int], *, origin_px: int
) -> csr_array:
    """Draw all cells on a canvas whose pixel (origin, origin) is the field's pixel (0, 0).

    Returns
    -------
    csr_array
        Shape (roi, canvas row * canvas column), float32, peak 1.
    """
    n_rows, n_columns = canvas_shape
    lines = [csr_array((0, n_rows * n_columns), dtype=np.float32)]
    for shape in shapes:
        reach = int(np.ceil(shape.radius_px * 3))
        rows, columns = (
            np.arange(
                max(round(centre) + origin_px - reach, 0),
                min(round(centre) + origin_px + reach + 1, size),
            )
            for centre, size in zip(shape.centre_px, canvas_shape, strict=True)
        )
        weight = draw_cell(shape, rows - origin_px, columns - origin_px).astype(np.float32)
        inside = np.nonzero(weight)
        pixels = rows[inside[0]] * n_columns + columns[inside[1]]
        lines.append(
            csr_array(
                (weight[inside], (np.zeros(len(pixels), int), pixels)),
                shape=(1, n_rows * n_columns),
            )
        )
    return csr_array(vstack(lines, format="csr", dtype=np.float32))
