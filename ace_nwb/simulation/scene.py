"""The cells and what surrounds them: vessels, neuropil that fluctuates, the optics' vignette.

Everything that moves is drawn on a periodic canvas larger than the field, so that shifting it by
a fraction of a pixel is exact and no edge enters the field.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.sparse import csr_array, vstack

from ace_nwb.simulation.motion import draw_slow_noise

NEUROPIL_SPACING_PX = 32.0  # px: several cell diameters, since neuropil is smooth
NEUROPIL_SIGMA_PX = 26.0  # px: neighbours overlap, so that no pattern of the grid shows


def draw_smooth_noise(
    shape: tuple[int, int], *, sigma_px: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw periodic Gaussian noise of unit variance, blurred by a Gaussian."""
    spectrum = fft.rfft2(rng.standard_normal(shape))
    down = np.exp(-2 * (np.pi * sigma_px * fft.fftfreq(shape[0])) ** 2)
    right = np.exp(-2 * (np.pi * sigma_px * fft.rfftfreq(shape[1])) ** 2)
    noise = fft.irfft2(spectrum * down[:, None] * right[None], s=shape)
    noise -= noise.mean()
    return noise / noise.std()


def draw_vessels(shape: tuple[int, int], *, depth: float, rng: np.random.Generator) -> np.ndarray:
    """Draw the share of light that passes the blood vessels, shape (row, column), 1 = none there.

    Vessels lie where smooth noise crosses zero: wide ones far apart, thin ones between them.
    """
    transmission = np.ones(shape)
    for sigma_px, half_width_px, share in ((28.0, 2.6, 1.0), (13.0, 1.3, 0.6)):
        noise = draw_smooth_noise(shape, sigma_px=sigma_px, rng=rng)
        slope = np.hypot(*(_periodic_difference(noise, axis) for axis in (0, 1)))
        distance_px = np.abs(noise) / np.maximum(slope, 0.3 / sigma_px)
        profile = np.exp(-0.5 * (distance_px / half_width_px) ** 2)
        transmission *= 1 - depth * share * profile
    return transmission


def _periodic_difference(image: np.ndarray, axis: int) -> np.ndarray:
    """Return the central difference along an axis of a periodic image."""
    return (np.roll(image, -1, axis) - np.roll(image, 1, axis)) / 2


def draw_vignette(field_shape: tuple[int, int], *, depth: float) -> np.ndarray:
    """Return the share of light that the optics pass, shape (row, column): 1 in the middle.

    In the corners a share of `depth` is lost (cosine-fourth-like fall-off).
    """
    rows, columns = (np.linspace(-1, 1, size) for size in field_shape)
    squared_radius = (rows[:, None] ** 2 + columns[None] ** 2) / 2
    return 1 - depth * squared_radius


class Neuropil:
    """Blurred light from out of focus, brightness per frame on a coarse periodic grid.

    Parameters
    ----------
    levels
        Brightness of every node of the grid, shape (frame, node row, node column), grey levels.
    canvas_shape
        (n_rows, n_columns) of the canvas.
    """

    def __init__(self, levels: np.ndarray, canvas_shape: tuple[int, int]) -> None:
        self.levels = levels
        self._down, self._right = (
            _node_kernels(size, n_nodes)
            for size, n_nodes in zip(canvas_shape, levels.shape[1:], strict=True)
        )

    def render(self, start: int, stop: int) -> np.ndarray:
        """Return the neuropil of frames start..stop, shape (frame, row, column), float32."""
        return self._down @ self.levels[start:stop] @ self._right.T


def draw_neuropil_levels(
    calcium: np.ndarray,
    cell_positions_px: np.ndarray,
    canvas_shape: tuple[int, int],
    *,
    frame_rate_hz: float,
    fluctuation_grey: float,
    local_share: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw the brightness of the neuropil's nodes, shape (frame, node row, node column), float32.

    Half of the fluctuation is shared by the whole field (2 s), the other half is each node's own
    (4 s and 0.7 s); on top comes a share of the calcium of the cells around a node.

    Parameters
    ----------
    calcium
        Shape (frame, roi), grey levels.
    cell_positions_px
        (row, column) on the canvas, shape (roi, 2).
    """
    n_nodes = [n_neuropil_nodes(size) for size in canvas_shape]
    n_all, n_frames = n_nodes[0] * n_nodes[1], len(calcium)
    slow, fast, shared = (
        draw_slow_noise(
            n_frames, count, time_constant_s=time_constant_s, frame_rate_hz=frame_rate_hz, rng=rng
        )
        for count, time_constant_s in ((n_all, 4.0), (n_all, 0.7), (1, 2.0))
    )
    levels = fluctuation_grey * (0.8 * slow + 0.5 * fast + 0.7 * shared)
    kernels = [
        _node_kernels(size, count)[np.round(positions).astype(int) % size]
        for size, count, positions in zip(canvas_shape, n_nodes, cell_positions_px.T, strict=True)
    ]
    reach = kernels[0][:, :, None] * kernels[1][:, None, :]
    levels += local_share * (calcium.astype(np.float32) @ reach.reshape(len(reach), n_all))
    return levels.astype(np.float32).reshape(n_frames, *n_nodes)


def n_neuropil_nodes(size_px: int) -> int:
    """Return the number of nodes along one side of the canvas."""
    return max(round(size_px / NEUROPIL_SPACING_PX), 3)


def _node_kernels(size_px: int, n_nodes: int) -> np.ndarray:
    """Return the weight of every node at every pixel of one side, shape (pixel, node)."""
    nodes = np.arange(n_nodes) * size_px / n_nodes
    distance = np.abs(np.arange(size_px)[:, None] - nodes[None])
    distance = np.minimum(distance, size_px - distance)
    weight = np.exp(-0.5 * (distance / NEUROPIL_SIGMA_PX) ** 2)
    return (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)


MIN_WEIGHT = 0.01  # weights below this share of the peak are cut off
PLACING_TRIES = 200  # of which the farthest from other cells is taken


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
