"""Rigid motion of every frame, found by registering filtered frames to a refined template.

Frames are high-passed on a logarithmic scale, so that structures guide the registration and
vignette, neuropil and flicker do not (Pnevmatikakis & Giovannucci 2017). The correlation with
the template comes from real FFTs, its peak is searched among the allowed shifts only. A robust
Gauss-Newton step then refines it (Lucas & Kanade 1981): pixels where a cell is active now do
not pull. What does not move with the tissue (dust, vignette) is told apart from the template.
Memory does not grow with the length of the movie.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ace_nwb.imaging.blocks import map_blocks, sample_frames
from ace_nwb.imaging.checkpoint import NO_CHECKPOINT, Checkpoint
from ace_nwb.imaging.filtering import filter_frames
from ace_nwb.imaging.motion_evidence import (
    bridge_frames,
    find_bad_frames,
    keep_shared_motion,
    split_field,
)
from ace_nwb.imaging.movie import Movie, ProgressCallback, no_progress
from ace_nwb.imaging.warping import shift_frames

_SAMPLE_BYTES = 2**27
_BURST_FRAMES = 16
_N_BURSTS = 20
_N_REFINEMENTS = 3
_N_ROBUST_ROUNDS = 4
_N_STEPS = 2
_LEAST_BINNED_SIDE_PX = 128
_LARGEST_STEP_PX = 1.5
_LEAST_CONTRAST = 1e-4

_Registered = dict[str, np.ndarray]
"""`shifts` (frame, 2), lens pixels, and `quality` (frame,) of a run of frames."""


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
    checkpoint: Checkpoint = NO_CHECKPOINT,
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
    checkpoint
        Keeps what was found so far, block by block.
    """
    with threadpool_limits(1, user_api="blas"):
        lens = _choose_lens(movie, max_shift_px, filter_radius_px)
        target = _build_target(movie, lens)

        def register(_start: int, block: np.ndarray) -> _Registered:
            images = lens.filter(block) - target.static
            shifts, quality = lens.register(lens.transform(images), target.spectrum)
            for _ in range(_N_STEPS):
                estimates = lens.refine(images, shifts, target)
                shifts = estimates[:, 0]
            return {"shifts": estimates, "quality": quality}

        known = checkpoint.load() or {"shifts": np.zeros((0, 3, 2)), "quality": np.zeros(0)}
        found = {name: _extended(values, movie.shape[0]) for name, values in known.items()}
        done = len(known["quality"])
        for part in map_blocks(
            movie, register, workers=workers, progress=progress, first_frame=done
        ):
            first, done = done, done + len(part["quality"])
            for name, values in part.items():
                found[name][first:done] = values
            checkpoint.save({name: values[:done] for name, values in found.items()})
    is_bad = find_bad_frames(found["quality"])
    estimates = bridge_frames(found["shifts"] * lens.binning, is_bad)
    shifts = keep_shared_motion(estimates[:, 0], estimates[:, 1:])
    return Motion(shifts, found["quality"], is_bad, target.image)


def _extended(values: np.ndarray, length: int) -> np.ndarray:
    """Return values followed by zeros, of the given length."""
    longer = np.zeros((length, *values.shape[1:]), values.dtype)
    longer[: len(values)] = values
    return longer


@dataclass(frozen=True)
class _Target:
    """What frames are registered to, on the lens's pixels.

    `image` moves with the tissue, `static` stays with the sensor, `variance` is the usual
    squared difference of an aligned frame from the image; `spectrum` belongs to the image.
    """

    image: np.ndarray
    static: np.ndarray
    variance: np.ndarray
    spectrum: np.ndarray


@dataclass(frozen=True)
class _Lens:
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
    """

    field_shape: tuple[int, int]
    binning: int
    reach: int
    diameter_px: float
    offset: float

    @property
    def padded_shape(self) -> tuple[int, int]:
        """Size of the Fourier transforms."""
        n_rows, n_columns = (fft.next_fast_len(side, real=True) for side in self.field_shape)
        return n_rows, n_columns

    def filter(self, frames: np.ndarray) -> np.ndarray:
        """Return the frames as they are compared, shape (frame, row, column), float32."""
        side, (n_rows, n_columns) = self.binning, self.field_shape
        total = np.zeros((len(frames), n_rows, n_columns), np.float32)
        for row in range(side):
            for column in range(side):
                total += frames[:, row::side, column::side][:, :n_rows, :n_columns]
        total /= side**2
        total += np.float32(self.offset)
        np.maximum(total, np.float32(1e-3 * self.offset), out=total)
        return filter_frames(np.log(total, out=total), self.diameter_px)

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

    def refine(self, images: np.ndarray, shifts: np.ndarray, target: _Target) -> np.ndarray:
        """Return shifts after one robust Gauss-Newton step towards the target.

        Shape (frame, 3, 2): as the whole field sees it, and each half of it.
        """
        margin = min(self.reach + 1, min(self.field_shape) // 8)
        inner = (
            slice(margin, self.field_shape[0] - margin),
            slice(margin, self.field_shape[1] - margin),
        )
        white = split_field(self.field_shape, round(self.diameter_px))[inner].ravel()
        slopes = np.stack([slope[inner].ravel() for slope in np.gradient(target.image)])
        halves = np.stack([slopes * white, slopes * ~white])
        products = np.stack(
            [halves[:, 0] * slopes[0], halves[:, 0] * slopes[1], halves[:, 1] * slopes[1]], axis=1
        )
        moved = shift_frames(images, shifts, np.ones(len(images)))[:, *inner]
        rest = (moved - target.image[inner]).reshape(len(images), -1)
        weights = np.square(rest)
        weights *= np.float32(0.25)
        weights += target.variance[inner].ravel()
        np.reciprocal(weights, out=weights)
        curvature = (weights @ products.reshape(6, -1).T).astype(float).reshape(-1, 2, 3)
        np.multiply(weights, rest, out=rest)
        pull = (rest @ halves.reshape(4, -1).T).astype(float).reshape(-1, 2, 2)
        steps = [_solve_step(curvature.sum(1), pull.sum(1))]
        steps += [_solve_step(curvature[:, half], pull[:, half]) for half in (0, 1)]
        return np.stack([shifts + step for step in steps], axis=1)


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


def _choose_lens(movie: Movie, max_shift_px: int, filter_radius_px: float) -> _Lens:
    """Return the lens for a movie: large fields are binned, structures are kept resolved."""
    n_rows, n_columns = movie.shape[1:]
    brightness = float(np.mean(sample_frames(movie, 20)))
    is_large = min(n_rows, n_columns) >= _LEAST_BINNED_SIDE_PX and filter_radius_px >= 4
    binning = 2 if is_large else 1
    field_shape = n_rows // binning, n_columns // binning
    reach = min(-(-max_shift_px // binning), min(field_shape) // 2 - 2)
    return _Lens(
        field_shape,
        binning,
        max(0, reach),
        2 * filter_radius_px / binning,
        max(0.1 * brightness, 1e-3),
    )


def _build_target(movie: Movie, lens: _Lens) -> _Target:
    """Return the target made of bursts of frames from all over the movie."""
    images = _sample_bursts(movie, lens)
    middle = len(images) // 2
    spectra = lens.transform(images)
    burst = slice(middle, middle + _BURST_FRAMES)
    shifts, template = np.zeros((len(images), 2)), spectra[burst].mean(0)
    for _ in range(_N_REFINEMENTS):
        shifts[burst] = lens.register(spectra[burst], template)[0]
        template = _mean_spectrum(images[burst], shifts[burst], lens)
    for _ in range(_N_REFINEMENTS):
        shifts, quality = lens.register(spectra, template)
        shifts -= np.median(shifts, axis=0)
        is_good = quality >= np.quantile(quality, 0.2)
        template = _mean_spectrum(images[is_good], shifts[is_good], lens)
    return _separate(images[is_good], shifts[is_good], lens)


def _mean_spectrum(images: np.ndarray, shifts: np.ndarray, lens: _Lens) -> np.ndarray:
    """Return the spectrum of the mean of aligned images."""
    mean = shift_frames(images, shifts, np.ones(len(images))).mean(0)
    return np.asarray(lens.transform(mean[None])[0])


def _separate(images: np.ndarray, shifts: np.ndarray, lens: _Lens) -> _Target:
    """Tell what moves from what stays, refining the shifts on the way."""
    gains = np.ones(len(images))
    static = np.zeros(lens.field_shape, np.float32)
    for _ in range(_N_ROBUST_ROUNDS):
        moving = shift_frames(images - static, shifts, gains).mean(0)
        there = shift_frames(np.broadcast_to(moving, images.shape), -shifts, gains)
        static = static + (images - static - there).mean(0)
        aligned = shift_frames(images - static, shifts, gains)
        image = aligned.mean(0)
        variance = (np.abs(aligned - image).mean(0) * np.sqrt(np.pi / 2)) ** 2
        floor = max(1e-3 * float(np.median(variance)), 1e-9)
        target = _Target(image, static, np.maximum(variance, floor), lens.transform(image[None])[0])
        shifts = lens.refine(images - static, shifts, target)[:, 0]
        shifts = shifts - np.median(shifts, axis=0)
    return target


def _sample_bursts(movie: Movie, lens: _Lens) -> np.ndarray:
    """Return short bursts of filtered frames spread over the movie."""
    n_frames = movie.shape[0]
    n_pixels = lens.field_shape[0] * lens.field_shape[1]
    affordable = max(2 * _BURST_FRAMES, _SAMPLE_BYTES // (4 * n_pixels))
    n_bursts = int(min(_N_BURSTS, affordable // _BURST_FRAMES, max(1, n_frames // _BURST_FRAMES)))
    starts = np.linspace(0, max(0, n_frames - _BURST_FRAMES), n_bursts).astype(int)
    return np.concatenate(
        [
            lens.filter(movie.read(start, min(n_frames, start + _BURST_FRAMES)))
            for start in starts.tolist()
        ]
    )
