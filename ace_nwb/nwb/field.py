"""The field of view that a session is analysed in: the recorded one, or a part of it."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FieldOfView:
    """The part of the recorded field that is analysed, in pixels of the recorded field.

    Parameters
    ----------
    recorded
        (rows, columns) of the raw movie.
    origin
        (row, column) of the first pixel analysed.
    shape
        (rows, columns) analysed.
    """

    recorded: tuple[int, int]
    origin: tuple[int, int]
    shape: tuple[int, int]

    @classmethod
    def whole(cls, recorded: tuple[int, int]) -> "FieldOfView":
        """Return the field that is analysed without a crop."""
        return cls(recorded, (0, 0), recorded)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices of the analysed part within the recorded field."""
        (row, column), (n_rows, n_columns) = self.origin, self.shape
        return slice(row, row + n_rows), slice(column, column + n_columns)

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Place images of the analysed part, shape (..., row, column), in the recorded field."""
        rows, columns = self.slices
        embedded = np.zeros((*images.shape[:-2], *self.recorded), images.dtype)
        embedded[..., rows, columns] = images
        return embedded

    def cut(self, images: np.ndarray) -> np.ndarray:
        """Return the analysed part of images of the recorded field, shape (..., row, column)."""
        rows, columns = self.slices
        return images[..., rows, columns]
