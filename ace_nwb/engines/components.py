"""A corrected movie taken apart: neurons, background and what neither explains."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from ace_nwb.engines.cnmfe.background import CoarseGrid
from ace_nwb.imaging.movie import Movie
from ace_nwb.imaging.segmentation import RingBackground, Segmentation

N_LEVEL_FRAMES = 60
"""Frames from which the constant part of the background is taken."""


@dataclass(frozen=True)
class ComponentFrames:
    """Parts of some frames that add up to `corrected`, each of shape (frame, row, column)."""

    corrected: np.ndarray
    neural: np.ndarray
    background: np.ndarray
    residual: np.ndarray


@dataclass(frozen=True)
class ComponentMovie:
    """Parts of a movie, computed for the frames that are asked for.

    Parameters
    ----------
    movie
        The movie that the neurons were found in, as the engine saw it.
    segmentation
        The neurons and the background model. Without a background model the background is
        constant.
    """

    movie: Movie
    segmentation: Segmentation

    def read(self, start: int, stop: int) -> ComponentFrames:
        """Return the parts of frames start..stop.

        The background is what the ring model predicts from the movie without its neurons, above
        the mean of every pixel without neurons.
        """
        frames = np.asarray(self.movie.read(start, stop), np.float32)
        neural = self._neural(np.arange(start, start + len(frames)))
        background = self._predict(frames - neural) + self._level
        return ComponentFrames(frames, neural, background, frames - neural - background)

    def _neural(self, frames: np.ndarray) -> np.ndarray:
        """Footprints times denoised traces at some frames."""
        traces = self.segmentation.denoised[frames].astype(np.float32)
        light = (self._footprints @ traces.T).T
        return light.reshape(-1, *self.segmentation.field_shape)

    def _predict(self, without_neurons: np.ndarray) -> np.ndarray:
        """Part of the background that varies, relative to the model's baseline."""
        if self._ring is None:
            return np.zeros_like(without_neurons)
        grid, spread, baseline = self._ring
        coarse = grid.reduce(without_neurons) - baseline
        return (spread @ coarse.T).T.reshape(without_neurons.shape)

    @cached_property
    def _footprints(self) -> csr_array:
        return csr_array(self.segmentation.footprints, dtype=np.float32)

    @cached_property
    def _ring(self) -> tuple[CoarseGrid, csr_array, np.ndarray] | None:
        """Grid, matrix from the coarse movie to the field, and the model's coarse baseline."""
        model: RingBackground | None = self.segmentation.background
        if model is None:
            return None
        grid = CoarseGrid(self.segmentation.field_shape, model.downsampling)
        spread = csr_array(grid.interpolate() @ model.weights, dtype=np.float32)
        return grid, spread, grid.reduce(model.baseline[np.newaxis].astype(np.float32))[0]

    @cached_property
    def _level(self) -> np.ndarray:
        """Mean over time of what neither neurons nor the varying background explain."""
        n_frames = self.movie.shape[0]
        chosen = np.linspace(0, n_frames - 1, min(N_LEVEL_FRAMES, n_frames)).astype(int)
        total = np.zeros(self.segmentation.field_shape, np.float64)
        for frame in chosen:
            rest = self.movie.read(int(frame), int(frame) + 1) - self._neural(np.array([frame]))
            total += (rest - self._predict(rest))[0]
        return (total / len(chosen)).astype(np.float32)
