"""Movies of cells among what is no cell, to teach the probability that a ROI is a cell.

Every movie is drawn anew: cells of many sizes, sharp and blurred, bright and dim, bursting or
firing without pause; light from out of focus, tufts of neuropil with fine texture, pulsing vessels
and glow, each in some of the movies. The movies stand still: how a ROI looks is the question here.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d, rotate
from scipy.sparse import csr_array

from ace_nwb.simulation.truth import MovieTruth

SIDE_PX = 136
N_FRAMES = 1600
RATE_HZ = 20.0
CELL_DIAMETER_PX = 12.0
LEVEL_GREY = 80.0
"""Brightness of the tissue, photon electrons per frame: its noise has an SD of 9."""


@dataclass(frozen=True)
class Light:
    """Images (source, row, column) and their courses (source, frame), grey levels."""

    images: np.ndarray
    courses: np.ndarray

    def frames(self) -> np.ndarray:
        """Return the light of all sources, shape (frame, row, column)."""
        flat = self.courses.T.astype(np.float32) @ self.images.reshape(-1, SIDE_PX**2)
        return np.asarray(flat.reshape(-1, SIDE_PX, SIDE_PX), np.float32)


def simulate(seed: int) -> tuple[np.ndarray, MovieTruth]:
    """Return a movie, shape (frame, row, column), and its truth."""
    rng = np.random.default_rng([20, seed])
    cells = _cells(rng, int(rng.integers(0, 26)))
    parts = [_blobs, _tufts, _vessels]
    wanted = [part for part in parts if rng.random() < 0.6]
    frames = _glow(rng) + cells.frames()
    for part in wanted:
        frames += part(rng).frames()
    frames *= 1 - rng.uniform(0, 0.5) * _radius() ** 2
    noisy = rng.normal(frames, np.sqrt(np.maximum(frames, 1)))
    return np.round(np.clip(noisy, 0, 255)).astype(np.float32), _truth(cells, frames)


def _truth(cells: Light, frames: np.ndarray) -> MovieTruth:
    n_cells = len(cells.images)
    images = cells.images.reshape(n_cells, SIDE_PX**2)
    peak = images.max(1, initial=0, keepdims=True)
    times = np.arange(N_FRAMES) / RATE_HZ
    return MovieTruth(
        footprints=csr_array(np.where(images > 0.02 * peak, images, 0)),
        field_shape=(SIDE_PX, SIDE_PX),
        centres_px=np.zeros((n_cells, 2)),
        calcium=cells.courses.T,
        spike_times_s=tuple(np.zeros(0) for _ in range(n_cells)),
        displacement_px=np.zeros((N_FRAMES, 2)),
        brightness=np.ones(N_FRAMES),
        frame_times_s=times,
        pixel_noise=np.sqrt(np.maximum(frames.mean(0), 1)),
    )


def _grid() -> np.ndarray:
    return np.mgrid[:SIDE_PX, :SIDE_PX].astype(np.float32)


def _radius() -> np.ndarray:
    """Return the distance from the middle of the field, 1 at its corners."""
    return np.asarray(np.hypot(*(2 * _grid() / SIDE_PX - 1)) / np.sqrt(2), np.float32)


def _glow(rng: np.random.Generator) -> np.ndarray:
    """Return tissue with texture, and broad neuropil that swells and ebbs."""
    texture = sum(
        share * LEVEL_GREY * _standard(gaussian_filter(rng.normal(size=(SIDE_PX,) * 2), sd))
        for share, sd in ((0.04, 3), (0.1, 20))
    )
    images = [gaussian_filter(rng.normal(size=(SIDE_PX,) * 2), 30) for _ in range(4)]
    courses = [_standard(gaussian_filter1d(rng.normal(size=N_FRAMES), 40)) for _ in images]
    swelling = Light(
        np.array([_standard(image) for image in images], np.float32),
        rng.uniform(0, 2.5) * np.array(courses),
    )
    return swelling.frames() + np.float32(LEVEL_GREY) + texture.astype(np.float32)


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()


def _calcium(rng: np.random.Generator, decay_s: float, rate_hz: float) -> np.ndarray:
    """Return fluorescence of bursts, or of spikes without pause at a high rate; peaks about 1."""
    spikes = (rng.random(N_FRAMES) < rate_hz / RATE_HZ) * rng.uniform(0.4, 1, N_FRAMES)
    times = np.arange(int(6 * decay_s * RATE_HZ) + 2) / RATE_HZ
    kernel = (1 - np.exp(-(times + 0.02) / 0.05)) * np.exp(-times / decay_s)
    return np.convolve(spikes, kernel / kernel.max())[:N_FRAMES]


def _cells(rng: np.random.Generator, n_cells: int) -> Light:
    grid = _grid()
    images, courses, places = [], [], np.zeros((0, 2))
    decay_s = np.exp(rng.uniform(np.log(0.15), np.log(1.2)))
    blur_px = rng.uniform(1, 2.8)
    brightest = np.exp(rng.uniform(np.log(12), np.log(80)))
    while len(images) < n_cells:
        place = rng.uniform(2, SIDE_PX - 2, 2)
        if len(places) and np.hypot(*(places - place).T).min() < 0.7 * CELL_DIAMETER_PX:
            continue
        places = np.vstack([places, place])
        radius = rng.uniform(0.3, 0.75) * CELL_DIAMETER_PX
        angle, stretch = rng.uniform(0, np.pi), rng.uniform(1, 1.3)
        y, x = grid - place[:, None, None].astype(np.float32)
        u = (np.cos(angle) * x + np.sin(angle) * y) / stretch
        v = (np.cos(angle) * y - np.sin(angle) * x) * stretch
        disc = np.clip(radius - np.hypot(u, v) + 0.5, 0, 1)
        images.append(rng.uniform(0.3, 1) * brightest * gaussian_filter(disc, blur_px))
        rate = rng.uniform(0.03, 0.2) if rng.random() < 0.8 else rng.uniform(1, 4)
        courses.append(_calcium(rng, decay_s, rate) * (1 if rate < 1 else 0.4))
    return _light(images, courses)


def _light(images: list[np.ndarray], courses: list[np.ndarray]) -> Light:
    return Light(
        np.array(images, np.float32).reshape(-1, SIDE_PX, SIDE_PX),
        np.array(courses).reshape(-1, N_FRAMES),
    )


def _course(rng: np.random.Generator) -> np.ndarray:
    """Return the course of what is no cell: events like a cell's, or swelling."""
    if rng.random() < 0.6:
        return _calcium(rng, rng.uniform(0.2, 1), rng.uniform(0.05, 0.4))
    swell = gaussian_filter1d(rng.normal(size=N_FRAMES), rng.uniform(5, 30))
    return np.asarray(0.4 * np.maximum(_standard(swell) + 0.5, 0))


def _blobs(rng: np.random.Generator) -> Light:
    """Return cells far out of focus: smooth, two to eight times the area of a cell."""
    images, courses = [], []
    for _ in range(rng.integers(5, 60)):
        place = rng.uniform(0, SIDE_PX, 2).astype(np.float32)
        distance = np.hypot(*(_grid() - place[:, None, None])) / rng.uniform(7, 20)
        images.append(rng.uniform(3, 30) * np.exp(-0.5 * distance**2))
        courses.append(_course(rng))
    return _light(images, courses)


def _tufts(rng: np.random.Generator) -> Light:
    """Return patches of dendrites: parallel fine fibres that are active together."""
    images, courses = [], []
    for _ in range(rng.integers(5, 90)):
        place = rng.uniform(0, SIDE_PX, 2).astype(np.float32)
        distance = np.hypot(*(_grid() - place[:, None, None])) / rng.uniform(9, 28)
        noise = gaussian_filter(rng.normal(size=(2 * SIDE_PX,) * 2), (1.2, rng.uniform(3, 12)))
        turned = rotate(noise, rng.uniform(0, 180), reshape=False, order=1)
        first = SIDE_PX // 2
        fibres = _standard(turned[first : first + SIDE_PX, first : first + SIDE_PX])
        texture = np.clip(0.6 + rng.uniform(0.2, 0.6) * fibres, 0, None)
        images.append(rng.uniform(3, 20) * np.exp(-0.5 * distance**2) * texture)
        courses.append(_course(rng))
    return _light(images, courses)


def _vessels(rng: np.random.Generator) -> Light:
    """Return straight vessels, whose walls come and go with the heart and slowly."""
    images, courses = [], []
    heart_hz = rng.uniform(5, 9)
    for _ in range(rng.integers(1, 7)):
        angle = rng.uniform(0, np.pi)
        across = np.tensordot([np.cos(angle), np.sin(angle)], _grid() - rng.uniform(0, SIDE_PX), 1)
        width = rng.uniform(2, 8)
        for wall, amplitude in ((0.0, -0.3), (width, 0.06), (-width, 0.06)):
            sd = width if wall == 0 else 1.5
            images.append(LEVEL_GREY * amplitude * np.exp(-0.5 * ((across - wall) / sd) ** 2))
            pulse = np.sin(2 * np.pi * heart_hz * np.arange(N_FRAMES) / RATE_HZ)
            slow = _standard(gaussian_filter1d(rng.normal(size=N_FRAMES), 25))
            courses.append(1.0 * (wall == 0) + (0.1 if wall == 0 else 0.5) * (pulse + slow))
    return _light(images, courses)
