"""How frames are looked at to be registered, and what they are registered to.

Frames are high-passed on a logarithmic scale. The correlation with the template comes from real
FFTs, its peak is searched among the allowed shifts only; robust Gauss-Newton steps refine it.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft

from ace_nwb.imaging.filtering import filter_frames
from ace_nwb.imaging.sensor_bands import SensorBands
from ace_nwb.imaging.warping import shift_frames

_LARGEST_STEP_PX = 1.5  # px: a larger step has left the range of the linear model
_LEAST_CONTRAST = 1e-4  # per pixel: frames with less are blank


@dataclass(frozen=True)
class Target:
    """What frames are registered to, on the lens's pixels.

    Parameters
    ----------
    image
        What moves with the tissue, shape (row, column).
    static
        What stays with the sensor, same shape.
    variance
        Usual squared difference of an aligned frame from the image, same shape.
    spectrum
        Of the image.
    """

    image: np.ndarray
    static: np.ndarray
    variance: np.ndarray
    spectrum: np.ndarray


@dataclass(frozen=True)
class Lens:
    """How frames are looked at: binned, logarithmic, high-passed.

    Parameters
    ----------
    field_shape
        (n_rows, n_columns) after binning.
    binning
        Side of a binned pixel, pixels.
    reach
        Largest shift searched, binned pixels.
    diameter_px
        Scale of the high-pass, binned pixels.
    offset
        Added before the logarithm, movie units.
    usual_reach
        Reach of nearly all frames, binned pixels: what lies further inside guides the refinement.
    bands
        Lines of the sensor that vary, on binned pixels; None takes out nothing.
    """

    field_shape: tuple[int, int]
    binning: int
    reach: int
    diameter_px: float
    offset: float
    usual_reach: int
    bands: SensorBands | None = None

    @property
    def padded_shape(self) -> tuple[int, int]:
        """Size of the Fourier transforms."""
        n_rows, n_columns = (fft.next_fast_len(side, real=True) for side in self.field_shape)
        return n_rows, n_columns

    @property
    def inner(self) -> tuple[slice, slice]:
        """Pixels that stay in view whatever the usual shift."""
        margin = min(self.usual_reach + 1, min(self.field_shape) // 8)
        n_rows, n_columns = self.field_shape
        return slice(margin, n_rows - margin), slice(margin, n_columns - margin)

    def bin(self, frames: np.ndarray) -> np.ndarray:
        """Return frames averaged over squares of pixels, shape (frame, row, column), float32."""
        side, (n_rows, n_columns) = self.binning, self.field_shape
        total = np.zeros((len(frames), n_rows, n_columns), np.float32)
        for row in range(side):
            for column in range(side):
                total += frames[:, row::side, column::side][:, :n_rows, :n_columns]
        total /= side**2
        return total

    def expose(self, frames: np.ndarray) -> np.ndarray:
        """Return the logarithm of binned frames, shape (frame, row, column), float32."""
        return self.develop(self.bin(frames))

    def develop(self, binned: np.ndarray) -> np.ndarray:
        """Return the logarithm of frames that are binned, without the sensor's bands."""
        total = binned if self.bands is None else self.bands.remove(binned)
        total = total + np.float32(self.offset)
        np.maximum(total, np.float32(1e-3 * self.offset), out=total)
        return np.log(total, out=total)

    def filter(self, light: np.ndarray) -> np.ndarray:
        """Return exposed frames as they are compared, shape (frame, row, column), float32."""
        return filter_frames(light, self.diameter_px)

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Return the spectra of images, each of unit energy."""
        window = np.outer(*[_edge_window(side) for side in self.field_shape])
        windowed = images * window.astype(np.float32)
        energy = np.sqrt(np.einsum("frc,frc->f", windowed, windowed))
        floor = _LEAST_CONTRAST * np.sqrt(images[0].size)
        windowed /= np.maximum(energy, floor)[:, None, None]
        return fft.rfft2(windowed, s=self.padded_shape)

    def register(self, spectra: np.ndarray, template: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the shifts that move frames onto the template, and the correlations."""
        surface = fft.irfft2(template * spectra.conj(), s=self.padded_shape)
        reach = self.reach + 1
        offsets = np.arange(-reach, reach + 1)
        window = surface[:, offsets[:, None], offsets[None, :]]
        energy = _spectrum_energy(template, self.padded_shape)
        return _find_peaks(window, reach, 1 / np.sqrt(max(energy, 1e-24)))

    def refine(self, images: np.ndarray, shifts: np.ndarray, target: Target) -> np.ndarray:
        """Return shifts after one robust Gauss-Newton step towards the target, (frame, 2)."""
        inner = self.inner
        slopes = np.stack([slope[inner].ravel() for slope in np.gradient(target.image)])
        products = np.stack([slopes[0] ** 2, slopes[0] * slopes[1], slopes[1] ** 2])
        moved = shift_frames(images, shifts, np.ones(len(images)))[:, *inner]
        rest, weights = weigh_rest(moved, target, inner)
        curvature = (weights @ products.T).astype(float)
        pull = (rest @ slopes.T).astype(float)
        return shifts + _solve_step(curvature, pull)


def weigh_rest(
    moved: np.ndarray, target: Target, inner: tuple[slice, slice]
) -> tuple[np.ndarray, np.ndarray]:
    """Return weight times difference from the target, and the weights, shape (frame, pixel).

    Where a frame differs more than usual, a cell is active: the weight falls.
    """
    rest = (moved - target.image[inner]).reshape(len(moved), -1)
    weights = np.square(rest)
    weights *= np.float32(0.25)
    weights += target.variance[inner].ravel()
    np.reciprocal(weights, out=weights)
    np.multiply(weights, rest, out=rest)
    return rest, weights


def _solve_step(curvature: np.ndarray, pull: np.ndarray) -> np.ndarray:
    """Return the Gauss-Newton steps of all frames, shape (frame, 2); large ones are not made."""
    (a, b, d), (p, q) = curvature.T, pull.T
    determinant = np.maximum(a * d - b * b, 1e-12 * np.maximum(a * d, 1e-30))
    step = np.column_stack([d * p - b * q, a * q - b * p]) / determinant[:, None]
    return np.where((np.abs(step).max(1) < _LARGEST_STEP_PX)[:, None], step, 0)


def _edge_window(side: int) -> np.ndarray:
    """Return a window that falls to zero over the outer 8 pixels."""
    distance = np.minimum(np.arange(side), np.arange(side)[::-1]) + 0.5
    return np.sin(np.pi / 2 * np.minimum(1, distance / min(8, side / 4))) ** 2


def _spectrum_energy(spectrum: np.ndarray, shape: tuple[int, ...]) -> float:
    """Return the sum of squares of the image that belongs to a real spectrum."""
    image = fft.irfft2(spectrum, s=shape)
    return float(np.sum(image.astype(np.float64) ** 2))


def _find_peaks(surfaces: np.ndarray, reach: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the sub-pixel place (relative to the centre) and height of each highest point."""
    n_frames = len(surfaces)
    inner = surfaces[:, 1:-1, 1:-1].reshape(n_frames, -1)
    rows, columns = np.unravel_index(inner.argmax(1), (2 * reach - 1, 2 * reach - 1))
    rows, columns = rows + 1, columns + 1
    frames = np.arange(n_frames)
    steps = np.arange(-1, 2)
    patch = surfaces[
        frames[:, None, None],
        (rows[:, None] + steps)[:, :, None],
        (columns[:, None] + steps)[:, None],
    ].astype(np.float64)
    offset = _fit_quadratic(patch)
    place = np.column_stack([rows, columns]) - reach + offset
    return place, patch[:, 1, 1] * scale


def _fit_quadratic(patch: np.ndarray) -> np.ndarray:
    """Return the top of the quadratic surface through 3x3 values, at most one pixel off."""
    by_row, by_column = patch.mean(2), patch.mean(1)
    row_slope = (by_row[:, 2] - by_row[:, 0]) / 2
    column_slope = (by_column[:, 2] - by_column[:, 0]) / 2
    row_curve = by_row[:, 2] - 2 * by_row[:, 1] + by_row[:, 0]
    column_curve = by_column[:, 2] - 2 * by_column[:, 1] + by_column[:, 0]
    twist = (patch[:, 2, 2] - patch[:, 2, 0] - patch[:, 0, 2] + patch[:, 0, 0]) / 4
    determinant = row_curve * column_curve - twist**2
    is_peak = (determinant > 1e-12) & (row_curve < 0)
    safe = np.where(is_peak, determinant, 1)
    row = -(column_curve * row_slope - twist * column_slope) / safe
    column = -(row_curve * column_slope - twist * row_slope) / safe
    return np.clip(np.where(is_peak[:, None], np.column_stack([row, column]), 0), -1, 1)
