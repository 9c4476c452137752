"""Rigid motion of every frame, found by registering filtered frames to a refined template.

Frames are centre-surround filtered, so that structures of cell size guide the registration and
vignette, neuropil and flicker do not (Pnevmatikakis & Giovannucci 2017); the correlation with
the template comes from real FFTs, its peak is searched among the allowed shifts only and
refined below a pixel by a parabola. Memory does not grow with the length of the movie.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft

from ace_nwb.imaging.blocks import map_blocks, sample_frames
from ace_nwb.imaging.filtering import filter_frames
from ace_nwb.imaging.movie import Movie, ProgressCallback, no_progress

_SAMPLE_BYTES = 2**27
_BURST_FRAMES = 16
_N_BURSTS = 20
_N_REFINEMENTS = 3
_BAD_QUALITY_SD = 6.0


@dataclass(frozen=True)
class Motion:
    """How every frame must be moved to lie on the template.

    Parameters
    ----------
    shifts
        (row, column) to add to the coordinates of each frame, shape (frame, 2), pixels.
        Shifts of bad frames are interpolated from their neighbours.
    quality
        Correlation of each filtered frame with the template at its shift, shape (frame,).
    is_bad
        Frames that match the template far worse than the others (blank, blurred, or moved
        beyond the largest shift), shape (frame,).
    template
        Filtered mean image of aligned frames, shape (row, column).
    """

    shifts: np.ndarray
    quality: np.ndarray
    is_bad: np.ndarray
    template: np.ndarray


def estimate_motion(
    movie: Movie,
    *,
    max_shift_px: int,
    filter_radius_px: float,
    workers: int = 1,
    progress: ProgressCallback = no_progress,
) -> Motion:
    """Estimate the rigid shift of every frame.

    Parameters
    ----------
    movie
        The uncorrected movie; sampled for the template, then read once.
    max_shift_px
        Largest shift searched in either direction, pixels.
    filter_radius_px
        Radius of the structures that guide the registration, pixels.
    workers
        Number of threads; the result does not depend on it.
    progress
        Called with (frames done, number of frames).
    """
    brightness = float(np.mean(sample_frames(movie, 20)))
    offset = max(0.1 * brightness, 1e-6) if brightness > 0 else 1.0
    registration = _Registration(movie.shape[1:], max_shift_px, 2 * filter_radius_px, offset)
    template = _build_template(movie, registration)

    def register(_start: int, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return registration.register(registration.transform(block), template)

    parts = list(map_blocks(movie, register, workers=workers, progress=progress))
    shifts = np.concatenate([part[0] for part in parts])
    quality = np.concatenate([part[1] for part in parts])
    is_bad = find_bad_frames(quality)
    image = fft.irfft2(template, s=registration.padded_shape)[: movie.shape[1], : movie.shape[2]]
    return Motion(_bridge(shifts, is_bad), quality, is_bad, image.astype(np.float32))


class _Registration:
    """Transforms and compares frames of one field."""

    def __init__(
        self,
        field_shape: tuple[int, ...],
        max_shift_px: int,
        diameter_px: float,
        offset: float,
    ) -> None:
        self.offset = np.float32(offset)
        self.field_shape = field_shape
        self.reach = max(0, min(max_shift_px, min(field_shape) // 2 - 2))
        self.diameter_px = diameter_px
        self.padded_shape = tuple(fft.next_fast_len(side, real=True) for side in field_shape)
        self.window = np.outer(*[_edge_window(side) for side in field_shape]).astype(np.float32)
        self.frequencies = (
            fft.fftfreq(self.padded_shape[0])[:, None],
            fft.rfftfreq(self.padded_shape[1])[None, :],
        )

    def transform(self, frames: np.ndarray) -> np.ndarray:
        """Return the spectra of the filtered frames, each of unit energy."""
        filtered = filter_frames(np.log(frames + self.offset), self.diameter_px)
        filtered *= self.window
        energy = np.sqrt(np.einsum("frc,frc->f", filtered, filtered))
        filtered /= np.maximum(energy, 1e-12)[:, None, None]
        return fft.rfft2(filtered, s=self.padded_shape)

    def register(self, spectra: np.ndarray, template: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the shifts that move frames onto the template, and the correlations."""
        surface = fft.irfft2(template * spectra.conj(), s=self.padded_shape)
        reach = self.reach + 1
        offsets = np.arange(-reach, reach + 1)
        window = surface[:, offsets[:, None], offsets[None, :]]
        energy = _spectrum_energy(template, self.padded_shape)
        return _find_peaks(window, reach, 1 / np.sqrt(max(energy, 1e-24)))

    def align(self, spectra: np.ndarray, shifts: np.ndarray) -> np.ndarray:
        """Return the mean spectrum of the frames after moving each by its shift."""
        rows = np.exp(-2j * np.pi * shifts[:, 0, None, None] * self.frequencies[0])
        columns = np.exp(-2j * np.pi * shifts[:, 1, None, None] * self.frequencies[1])
        total = np.zeros(spectra.shape[1:], np.complex128)
        for spectrum, row, column in zip(spectra, rows, columns, strict=True):
            total += spectrum * (row * column)
        return (total / len(spectra)).astype(np.complex64)


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


def _build_template(movie: Movie, registration: _Registration) -> np.ndarray:
    """Return the spectrum of a template made of bursts of frames from all over the movie."""
    spectra = _sample_spectra(movie, registration)
    middle = len(spectra) // 2
    burst = spectra[middle : middle + _BURST_FRAMES]
    template = burst.mean(0)
    for _ in range(_N_REFINEMENTS):
        template = registration.align(burst, registration.register(burst, template)[0])
    for _ in range(_N_REFINEMENTS):
        shifts, quality = registration.register(spectra, template)
        shifts -= np.median(shifts, axis=0)
        is_good = quality >= np.quantile(quality, 0.2)
        template = registration.align(spectra[is_good], shifts[is_good])
    return template


def _sample_spectra(movie: Movie, registration: _Registration) -> np.ndarray:
    """Return the spectra of short bursts of frames spread over the movie."""
    n_frames, n_rows, n_columns = movie.shape
    affordable = max(2 * _BURST_FRAMES, _SAMPLE_BYTES // (4 * n_rows * n_columns))
    n_bursts = int(min(_N_BURSTS, affordable // _BURST_FRAMES, max(1, n_frames // _BURST_FRAMES)))
    starts = np.linspace(0, max(0, n_frames - _BURST_FRAMES), n_bursts).astype(int)
    return np.concatenate(
        [
            registration.transform(
                movie.read(int(start), min(n_frames, int(start) + _BURST_FRAMES))
            )
            for start in starts
        ]
    )


def find_bad_frames(quality: np.ndarray) -> np.ndarray:
    """Return which frames match the template far worse than their like, shape (frame,)."""
    middle = np.median(quality)
    spread = 1.4826 * np.median(np.abs(quality - middle))
    return (quality < middle - _BAD_QUALITY_SD * spread) & (quality < 0.6 * middle)


def _bridge(shifts: np.ndarray, is_bad: np.ndarray) -> np.ndarray:
    """Replace the shifts of bad frames by interpolation between good ones."""
    good = np.flatnonzero(~is_bad)
    if len(good) == 0:
        return np.zeros_like(shifts)
    frames = np.arange(len(shifts))
    return np.column_stack([np.interp(frames, good, shifts[good, axis]) for axis in (0, 1)])
