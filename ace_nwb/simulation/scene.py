"""What surrounds the cells: blood vessels, neuropil that fluctuates, and the optics' vignette.

Everything that moves is drawn on a periodic canvas larger than the field, so that shifting it by
a fraction of a pixel is exact and no edge enters the field.
"""

import numpy as np
from scipy import fft

from ace_nwb.simulation.motion import draw_slow_noise

NEUROPIL_SPACING_PX = 32.0
NEUROPIL_SIGMA_PX = 26.0


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
