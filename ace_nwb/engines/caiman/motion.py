"""Rigid motion by CaImAn's NoRMCorre (Pnevmatikakis & Giovannucci 2017)."""

from typing import Any

import numpy as np

from ace_nwb.engines.base import EngineSettings
from ace_nwb.engines.caiman.environment import find_environment
from ace_nwb.engines.caiman.exchange import write_movie
from ace_nwb.engines.caiman.parameters import FIXED_MOTION, MOTION, translate
from ace_nwb.engines.caiman.process import job_folder, run_job
from ace_nwb.imaging.blocks import map_blocks
from ace_nwb.imaging.corrected import CorrectedMovie
from ace_nwb.imaging.filtering import filter_frames
from ace_nwb.imaging.motion import Motion, find_bad_frames
from ace_nwb.imaging.movie import Movie, ProgressCallback

_BURSTS, _BURST_FRAMES = 12, 16  # stretches, and frames of each, from which the template is made
_WRITTEN, _REGISTERED, _ALL = 20, 90, 100
"""Percent of the progress: movie written, registered, shifts read."""


def estimate_motion(
    movie: Movie, *, settings: EngineSettings, progress: ProgressCallback, **parameters: Any
) -> tuple[Motion, dict[str, str]]:
    """Estimate the rigid shift of every frame with CaImAn, in CaImAn's own environment.

    Parameters
    ----------
    movie
        The uncorrected movie.
    settings
        Workers are processes of CaImAn; `caiman_python` says where CaImAn is.
    progress
        Called with (done, of how many).
    **parameters
        See `parameters.MOTION`.

    Returns
    -------
    tuple of (Motion, dict)
        Shifts, their quality by our measure (correlation of each high-passed frame with the mean
        of the aligned ones); and the versions of what computed them.
    """
    environment = find_environment(settings.caiman_python)
    groups = translate(MOTION, parameters, fixed=FIXED_MOTION, frame_rate_hz=movie.frame_rate_hz)
    with job_folder() as folder:
        path, _ = write_movie(
            movie,
            folder,
            order="F",
            workers=settings.workers,
            progress=lambda done, of: progress(_WRITTEN * done // of, _ALL),
        )
        job = {"movie": str(path), "parameters": groups, "processes": settings.workers}
        run_job(
            environment,
            "motion",
            job,
            folder=folder,
            progress=lambda d, of: progress(_WRITTEN + (_REGISTERED - _WRITTEN) * d // of, _ALL),
        )
        with np.load(folder / "result.npz") as file:
            shifts = np.asarray(file["shifts"], float)
    diameter_px = 2 * float(parameters["filter_radius_px"])
    quality, template = measure_quality(
        CorrectedMovie(movie, shifts=shifts), diameter_px, workers=settings.workers
    )
    progress(_ALL, _ALL)
    return Motion(shifts, quality, find_bad_frames(quality), template), environment.software


def measure_quality(
    movie: CorrectedMovie, diameter_px: float, *, workers: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the correlation of every high-passed aligned frame with their mean, and that mean.

    Returns
    -------
    tuple of np.ndarray
        Shapes (frame,) and (row, column).
    """
    template = filter_frames(_sample_bursts(movie), diameter_px).mean(0)
    unit = (template - template.mean()).ravel()
    unit = unit / max(float(np.linalg.norm(unit)), 1e-12)

    def compare(_start: int, block: np.ndarray) -> np.ndarray:
        images = filter_frames(block, diameter_px).reshape(len(block), -1)
        images = images - images.mean(1, keepdims=True)
        norms = np.maximum(np.linalg.norm(images, axis=1), 1e-12)
        return np.asarray(images @ unit / norms)

    parts = list(map_blocks(movie, compare, workers=workers, progress=lambda _done, _of: None))
    return np.concatenate(parts).astype(float), template


def _sample_bursts(movie: Movie) -> np.ndarray:
    """Return short runs of frames from all over the movie; single frames are slow to decode."""
    n_frames = movie.shape[0]
    last = max(0, n_frames - _BURST_FRAMES)
    starts = np.unique(np.linspace(0, last, _BURSTS).astype(int)).tolist()
    runs = [movie.read(start, min(start + _BURST_FRAMES, n_frames)) for start in starts]
    return np.concatenate(runs)
