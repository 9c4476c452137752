"""Rows and columns of the sensor that are brighter or darker in single frames (banding).

Such bands move with nothing, but they are structures like any other to a registration. They are
told from tissue by what they are: neighbouring rows differ as much as distant ones, while tissue is
blurred by the optics. Where the sensor has none, frames are left as they are.
"""

from dataclasses import dataclass

import numpy as np

_LEAST_EXCESS = 2.0
"""How much more the means of lines vary than pixel noise explains where there are bands: 1 without,
by chance up to 1.3 in 16 frames of 100 lines."""


@dataclass(frozen=True)
class SensorBands:
    """Which lines of a sensor vary from frame to frame.

    Parameters
    ----------
    usual
        Mean frame, shape (row, column).
    axes
        Axes of a frame along which a line is shared: 1 if rows vary, 0 if columns do.
    """

    usual: np.ndarray
    axes: tuple[int, ...] = ()

    def remove(self, frames: np.ndarray) -> np.ndarray:
        """Return frames without what a whole line differs by, shape (frame, row, column)."""
        for axis in self.axes:
            rest = frames - self.usual
            frames = frames - np.median(rest, axis=1 + axis, keepdims=True).astype(np.float32)
        return frames


def find_bands(bursts: list[np.ndarray]) -> SensorBands:
    """Return the bands of a sensor.

    Parameters
    ----------
    bursts
        Successive frames from all over the movie, each of shape (frame, row, column), float32.
    """
    usual = np.mean([burst.mean(0) for burst in bursts], axis=0).astype(np.float32)
    changes = [np.diff(burst, axis=0) for burst in bursts if len(burst) > 1]
    if not changes or min(usual.shape) < 3:
        return SensorBands(usual)
    excess = {axis: float(np.median([_excess(c, axis) for c in changes])) for axis in (1, 0)}
    return SensorBands(usual, tuple(axis for axis in (1, 0) if excess[axis] > _LEAST_EXCESS))


def _excess(changes: np.ndarray, axis: int) -> float:
    """Return the variance of the lines' means over that expected from pixel noise.

    Second differences across lines leave of tissue, which is smooth, next to nothing.
    """
    across = np.diff(changes, n=2, axis=2 - axis)
    pixel = float(np.mean(np.square(across), dtype=float))
    line = float(np.mean(np.square(across.mean(1 + axis)), dtype=float))
    return line * changes.shape[1 + axis] / pixel if pixel > 0 else 1.0
