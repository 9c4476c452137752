"""A one-photon movie with known truth, rendered block by block and never held in memory.

A frame is: (vessels x (resting light + neuropil) + footprints x calcium) x bleaching, moved rigidly
by a fraction of pixels, seen through the vignette, plus dark level, shot and read noise, 8 bit.
`activity`, `scene` and `motion` draw the parts.
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.sparse import csr_array

from ace_nwb.simulation.activity import compute_calcium, draw_poisson_spikes
from ace_nwb.simulation.motion import draw_displacement
from ace_nwb.simulation.randomness import frame_noise_stream, random_stream
from ace_nwb.simulation.scene import (
    Neuropil,
    draw_footprints,
    draw_neuropil_levels,
    draw_shapes,
    draw_smooth_noise,
    draw_vessels,
    draw_vignette,
    place_cells,
)
from ace_nwb.simulation.truth import MovieTruth

RENDER_BLOCK_PX = 4_000_000  # pixels of canvas rendered at a time


@dataclass(frozen=True)
class MovieSpec:
    """What a simulated movie looks like.

    Parameters
    ----------
    n_frames, n_rows, n_columns, frame_rate_hz
        Size of the movie.
    n_cells, cell_diameter_px, min_distance_diameters
        Cells, their size, and how close their centres may come, in diameters (< 1: they overlap).
    transient_grey, rise_time_s, decay_time_s, spike_rate_hz
        Median peak of one spike in the middle of the field, its time course, and how often
        (where spikes are not given).
    baseline_grey, dark_grey
        Resting light in the middle of the field, and the sensor's dark level.
    shot_noise_gain_grey, read_noise_grey
        Noise variance = gain x light + read noise squared.
    neuropil_grey, local_neuropil_share
        Standard deviation of the neuropil's fluctuation; share of a cell's light in its surround.
    vessel_depth, vignette_depth, bleached_share, bleach_time_s
        Light lost in wide vessels, in the corners, and by the end of bleaching.
    drift_px, jump_px, jumps_per_minute, max_displacement_px
        Motion, see `motion.draw_displacement`.
    """

    n_frames: int
    n_rows: int
    n_columns: int
    frame_rate_hz: float = 20.0
    n_cells: int = 20
    cell_diameter_px: float = 12.0
    min_distance_diameters: float = 0.75
    transient_grey: float = 13.0
    rise_time_s: float = 0.02
    decay_time_s: float = 0.4
    spike_rate_hz: float = 0.25
    baseline_grey: float = 90.0
    dark_grey: float = 6.0
    shot_noise_gain_grey: float = 0.05
    read_noise_grey: float = 0.8
    neuropil_grey: float = 4.0
    local_neuropil_share: float = 0.1
    vessel_depth: float = 0.4
    vignette_depth: float = 0.5
    bleached_share: float = 0.15
    bleach_time_s: float = 300.0
    drift_px: float = 0.8
    jump_px: float = 2.5
    jumps_per_minute: float = 3.0
    max_displacement_px: float = 7.0

    @property
    def margin_px(self) -> int:
        """Width of the canvas beyond the field."""
        return int(np.ceil(self.max_displacement_px + self.cell_diameter_px))

    @property
    def field_shape(self) -> tuple[int, int]:
        """(n_rows, n_columns)."""
        return self.n_rows, self.n_columns

    @property
    def canvas_shape(self) -> tuple[int, int]:
        """(n_rows, n_columns) of the canvas on which everything that moves is drawn."""
        n_rows, n_columns = (
            fft.next_fast_len(size + 2 * self.margin_px, real=True) for size in self.field_shape
        )
        return n_rows, n_columns


@dataclass(frozen=True)
class SimulatedMovie:
    """A movie that is rendered while it is read; any range of frames, in any order.

    Parameters
    ----------
    spec, seed
        What it looks like; the seed of the sensor noise.
    resting_light
        Light of the tissue at rest, shape (canvas row, canvas column), grey levels.
    vessels, vignette
        Share of light that passes, on the canvas and in the field.
    footprints
        Shape (roi, canvas pixel), peak 1 before the vessels.
    calcium, brightness, displacement_px
        Shape (frame, roi) in grey levels; (frame,) relative to the start; (frame, 2).
    neuropil
        Light from out of focus.
    """

    spec: MovieSpec
    seed: int
    resting_light: np.ndarray
    vessels: np.ndarray
    vignette: np.ndarray
    footprints: csr_array
    calcium: np.ndarray
    brightness: np.ndarray
    displacement_px: np.ndarray
    neuropil: Neuropil

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n_frames, n_rows, n_columns)."""
        return self.spec.n_frames, self.spec.n_rows, self.spec.n_columns

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second."""
        return self.spec.frame_rate_hz

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return frames start..stop, shape (frame, row, column), uint8."""
        step = max(RENDER_BLOCK_PX // int(np.prod(self.spec.canvas_shape)), 1)
        stop = min(stop, self.spec.n_frames)
        frames = np.empty((max(stop - start, 0), *self.spec.field_shape), np.uint8)
        for first in range(start, stop, step):
            last = min(first + step, stop)
            light = self.render_light(first, last)
            frames[first - start : last - start] = self._expose(light, first)
        return frames

    def render_light(self, start: int, stop: int) -> np.ndarray:
        """Return the light on the sensor without any noise, shape (frame, row, column), float32."""
        scene = self.neuropil.render(start, stop)
        scene += self.resting_light
        scene *= self.vessels
        cells = self.footprints.T @ self.calcium[start:stop].T.astype(np.float32)
        scene += np.ascontiguousarray(cells.T).reshape(scene.shape)
        scene *= self.brightness[start:stop, None, None]
        moved = move(scene, self.displacement_px[start:stop])
        margin = self.spec.margin_px
        field = moved[:, margin : margin + self.spec.n_rows, margin : margin + self.spec.n_columns]
        return field * self.vignette

    def _expose(self, light: np.ndarray, first_frame: int) -> np.ndarray:
        """Add shot and read noise and the dark level, and digitise."""
        variance = self.spec.shot_noise_gain_grey * np.maximum(light, 0)
        variance += np.float32(self.spec.read_noise_grey**2)
        noise = np.empty_like(light)
        for index, frame in enumerate(noise):
            frame_noise_stream(self.seed, first_frame + index).standard_normal(
                dtype=np.float32, out=frame
            )
        noise *= np.sqrt(variance, out=variance)
        noise += light
        noise += np.float32(self.spec.dark_grey + 0.5)
        return np.clip(noise, 0, 255, out=noise).astype(np.uint8)


def move(scene: np.ndarray, displacement_px: np.ndarray) -> np.ndarray:
    """Move periodic frames by (row, column) displacements, exactly, by the Fourier shift theorem.

    Parameters
    ----------
    scene
        Shape (frame, row, column), float32.
    displacement_px
        Shape (frame, 2): what was at (row, column) comes to (row, column) + displacement.
    """
    n_rows, n_columns = scene.shape[1:]
    spectrum = fft.rfft2(scene)
    down = np.exp(-2j * np.pi * displacement_px[:, :1] * fft.fftfreq(n_rows)[None])
    right = np.exp(-2j * np.pi * displacement_px[:, 1:] * fft.rfftfreq(n_columns)[None])
    spectrum *= down.astype(np.complex64)[:, :, None]
    spectrum *= right.astype(np.complex64)[:, None, :]
    return fft.irfft2(spectrum, s=(n_rows, n_columns), overwrite_x=True)


def simulate_movie(spec: MovieSpec, seed: int) -> tuple[np.ndarray, MovieTruth]:
    """Return a whole movie, shape (frame, row, column), uint8, and its truth.

    Meant for small movies in tests and benchmarks; `build_movie` gives the same movie lazily.
    """
    frame_times_s = np.arange(spec.n_frames) / spec.frame_rate_hz
    movie, truth = build_movie(
        spec, seed, spike_times_s=draw_spikes(spec, seed), frame_times_s=frame_times_s
    )
    return movie.read(0, spec.n_frames), truth


def draw_spikes(spec: MovieSpec, seed: int) -> list[np.ndarray]:
    """Draw independent spike times (s) of every cell for the duration of the movie."""
    rng = random_stream(seed, "spikes")
    rates_hz = spec.spike_rate_hz * rng.uniform(0.6, 1.6, spec.n_cells)
    stop_s = spec.n_frames / spec.frame_rate_hz
    return [
        draw_poisson_spikes(rate_hz, start_s=-1.0, stop_s=stop_s - 0.2, refractory_s=0.15, rng=rng)
        for rate_hz in rates_hz
    ]


def build_movie(
    spec: MovieSpec, seed: int, *, spike_times_s: list[np.ndarray], frame_times_s: np.ndarray
) -> tuple[SimulatedMovie, MovieTruth]:
    """Return the movie of cells that spike at the given times, to be rendered while it is read.

    Parameters
    ----------
    spike_times_s
        Spike times of each cell, on the clock of `frame_times_s`.
    frame_times_s
        Time of every frame, shape (frame,).
    """
    rng = random_stream(seed, "cells")
    centres = place_cells(
        spec.n_cells,
        spec.field_shape,
        min_distance_px=spec.min_distance_diameters * spec.cell_diameter_px,
        rng=rng,
    )
    shapes = draw_shapes(centres, diameter_px=spec.cell_diameter_px, rng=rng)
    plain = draw_footprints(shapes, spec.canvas_shape, origin_px=spec.margin_px)
    calcium = _draw_calcium(spec, seed, spike_times_s, frame_times_s)
    vessels = draw_vessels(
        spec.canvas_shape, depth=spec.vessel_depth, rng=random_stream(seed, "vessels")
    ).astype(np.float32)
    movie = SimulatedMovie(
        spec=spec,
        seed=seed,
        resting_light=_draw_resting_light(spec, seed, plain),
        vessels=vessels,
        vignette=draw_vignette(spec.field_shape, depth=spec.vignette_depth).astype(np.float32),
        footprints=csr_array(plain.multiply(vessels.reshape(1, -1))),
        calcium=calcium,
        brightness=_compute_bleaching(spec),
        displacement_px=_draw_motion(spec, seed),
        neuropil=_draw_neuropil(spec, seed, calcium, centres),
    )
    return movie, _collect_truth(movie, centres, spike_times_s, frame_times_s)


def _draw_calcium(
    spec: MovieSpec, seed: int, spike_times_s: list[np.ndarray], frame_times_s: np.ndarray
) -> np.ndarray:
    """Turn spikes of varying size into calcium, shape (frame, roi), grey levels."""
    rng = random_stream(seed, "calcium")
    brightness = spec.transient_grey * np.exp(rng.normal(0, 0.25, spec.n_cells))
    calcium = np.zeros((len(frame_times_s), spec.n_cells), np.float32)
    for roi, (times_s, grey) in enumerate(zip(spike_times_s, brightness, strict=True)):
        sizes = grey * np.exp(rng.normal(0, 0.2, len(times_s)))
        calcium[:, roi] = compute_calcium(
            times_s,
            sizes,
            frame_times_s,
            rise_time_s=spec.rise_time_s,
            decay_time_s=spec.decay_time_s,
        )
    return calcium


def _draw_resting_light(spec: MovieSpec, seed: int, footprints: csr_array) -> np.ndarray:
    """Draw unevenly stained tissue in which the cells stand out a little."""
    rng = random_stream(seed, "tissue")
    stain = 1 + 0.05 * draw_smooth_noise(spec.canvas_shape, sigma_px=5.0, rng=rng)
    stain += 0.1 * draw_smooth_noise(spec.canvas_shape, sigma_px=30.0, rng=rng)
    resting_cells = footprints.T @ rng.uniform(0.02, 0.1, spec.n_cells)
    light = spec.baseline_grey * (stain + resting_cells.reshape(spec.canvas_shape))
    return light.astype(np.float32)


def _compute_bleaching(spec: MovieSpec) -> np.ndarray:
    """Return the brightness relative to the start, shape (frame,)."""
    times_s = np.arange(spec.n_frames) / spec.frame_rate_hz
    lost = spec.bleached_share * (1 - np.exp(-times_s / spec.bleach_time_s))
    return (1 - lost).astype(np.float32)


def _draw_motion(spec: MovieSpec, seed: int) -> np.ndarray:
    """Draw the displacement of every frame."""
    return draw_displacement(
        spec.n_frames,
        frame_rate_hz=spec.frame_rate_hz,
        drift_px=spec.drift_px,
        jump_px=spec.jump_px,
        jumps_per_minute=spec.jumps_per_minute,
        max_displacement_px=spec.max_displacement_px,
        rng=random_stream(seed, "motion"),
    )


def _draw_neuropil(
    spec: MovieSpec, seed: int, calcium: np.ndarray, centres: np.ndarray
) -> Neuropil:
    """Draw the light from out of focus."""
    levels = draw_neuropil_levels(
        calcium,
        centres + spec.margin_px,
        spec.canvas_shape,
        frame_rate_hz=spec.frame_rate_hz,
        fluctuation_grey=spec.neuropil_grey,
        local_share=spec.local_neuropil_share,
        rng=random_stream(seed, "neuropil"),
    )
    return Neuropil(levels, spec.canvas_shape)


def _collect_truth(
    movie: SimulatedMovie,
    centres: np.ndarray,
    spike_times_s: list[np.ndarray],
    frame_times_s: np.ndarray,
) -> MovieTruth:
    """Gather what is known, footprints as they appear at rest in the field."""
    spec, margin = movie.spec, movie.spec.margin_px
    pixels = np.arange(int(np.prod(spec.canvas_shape))).reshape(spec.canvas_shape)
    inside = pixels[margin : margin + spec.n_rows, margin : margin + spec.n_columns].ravel()
    seen = movie.footprints[:, inside].multiply(movie.vignette.reshape(1, -1))
    light = (movie.resting_light * movie.vessels).ravel()[inside] * movie.vignette.ravel()
    noise = np.sqrt(spec.shot_noise_gain_grey * light + spec.read_noise_grey**2)
    return MovieTruth(
        footprints=csr_array(seen),
        field_shape=spec.field_shape,
        centres_px=centres,
        calcium=movie.calcium,
        spike_times_s=tuple(spike_times_s),
        displacement_px=movie.displacement_px,
        brightness=movie.brightness,
        frame_times_s=frame_times_s,
        pixel_noise=noise.reshape(spec.field_shape).astype(np.float32),
    )
