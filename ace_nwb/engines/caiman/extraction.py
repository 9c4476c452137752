"""The engine `caiman`: hand the movie over, run the real CaImAn, translate what it found."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csc_array, csr_array, kron

from ace_nwb.engines.base import EngineSettings
from ace_nwb.engines.caiman.environment import find_environment
from ace_nwb.engines.caiman.exchange import read_background, read_footprints, write_movie
from ace_nwb.engines.caiman.parameters import EXTRACTION, FIXED_EXTRACTION, translate
from ace_nwb.engines.caiman.process import job_folder, run_job
from ace_nwb.engines.cnmfe.passes import project
from ace_nwb.imaging.movie import Movie, ProgressCallback
from ace_nwb.imaging.segmentation import RingBackground, Segmentation

_WRITTEN, _FITTED, _ALL = 10, 95, 100
"""Percent of the progress: movie written, model fitted, results read."""
_MINIMUM_FRAMES = 10  # frames; with fewer there is nothing to estimate noise from


def extract(
    movie: Movie, *, settings: EngineSettings, progress: ProgressCallback, **parameters: Any
) -> Segmentation:
    """Find neurons with CaImAn's CNMF-E, in CaImAn's own environment.

    Parameters
    ----------
    movie
        Motion corrected, debleached, cropped.
    settings
        Workers are processes of CaImAn; `caiman_python` says where CaImAn is.
    progress
        Called with (done, of how many).
    **parameters
        See `parameters.EXTRACTION`.
    """
    environment = find_environment(settings.caiman_python)
    groups = translate(
        EXTRACTION, parameters, fixed=FIXED_EXTRACTION, frame_rate_hz=movie.frame_rate_hz
    )
    if movie.shape[0] < _MINIMUM_FRAMES:
        return _nothing(movie, environment.software)
    with job_folder() as folder:
        path, is_alive = write_movie(
            movie,
            folder,
            order="C",
            workers=settings.workers,
            progress=lambda done, of: progress(_WRITTEN * done // of, _ALL),
        )
        if not is_alive:
            return _nothing(movie, environment.software)
        job = {
            "movie": str(path),
            "parameters": groups,
            "processes": _processes(movie, parameters, settings),
        }
        run_job(
            environment,
            "extract",
            job,
            folder=folder,
            progress=lambda d, of: progress(_WRITTEN + (_FITTED - _WRITTEN) * d // of, _ALL),
        )
        with np.load(folder / "result.npz") as file:
            arrays = dict(file)
    if not len(arrays["C"]):
        return _nothing(movie, environment.software)
    found = read_result(arrays, movie, downsampling=int(parameters["background_downsampling"]))
    result = _complete(found, movie, workers=settings.workers, software=environment.software)
    progress(_ALL, _ALL)
    return result


@dataclass(frozen=True)
class CaimanResult:
    """CaImAn's estimates in our axes: footprints of norm 1, traces of shape (frame, roi)."""

    footprints: csc_array
    denoised: np.ndarray
    deconvolved: np.ndarray
    residual: np.ndarray
    noise: np.ndarray
    decay_time_s: np.ndarray
    background: RingBackground
    metrics: dict[str, np.ndarray]


def read_result(arrays: dict[str, np.ndarray], movie: Movie, *, downsampling: int) -> CaimanResult:
    """Translate CaImAn's arrays (see `child.py`) into our axes and scale."""
    field_shape = movie.shape[1:]
    footprints = read_footprints(arrays, field_shape)
    norms = np.sqrt(np.ravel(footprints.power(2).sum(axis=0)))
    is_seen = norms > 0
    footprints, norms = footprints[:, is_seen], norms[is_seen]
    owners = np.repeat(np.arange(len(norms)), np.diff(footprints.indptr))
    footprints.data = (footprints.data / norms[owners]).astype(np.float32)
    return CaimanResult(
        footprints=footprints,
        denoised=(arrays["C"][is_seen] * norms[:, None]).T,
        deconvolved=(arrays["S"][is_seen] * norms[:, None]).T,
        residual=(arrays["YrA"][is_seen] * norms[:, None]).T,
        noise=arrays["neurons_sn"][is_seen] * norms,
        decay_time_s=decay_times(arrays["g"][is_seen], movie.frame_rate_hz),
        background=read_background(arrays, field_shape, downsampling=downsampling),
        metrics={
            "engine_snr": arrays["SNR_comp"][is_seen].astype(float),
            "engine_r_value": np.nan_to_num(arrays["r_values"][is_seen].astype(float)),
            "engine_accepted": arrays["is_good"][is_seen],
        },
    )


def decay_times(coefficients: np.ndarray, frame_rate_hz: float) -> np.ndarray:
    """Return the slowest time constant of each AR(1) or AR(2) process, seconds, shape (roi,).

    Parameters
    ----------
    coefficients
        Shape (roi, 2); the second is NaN for AR(1).
    frame_rate_hz
        Frames per second.
    """
    first, second = np.asarray(coefficients, float).T
    second = np.nan_to_num(second)
    root = (first + np.sqrt(np.maximum(first**2 + 4 * second, 0))) / 2
    root = np.clip(np.nan_to_num(root), 1e-6, 1 - 1e-6)
    return -1 / (np.log(root) * frame_rate_hz)


def background_projection(
    footprints: csc_array, background: RingBackground, field_shape: tuple[int, int]
) -> csc_array:
    """Return what turns a residual movie into the background under each footprint.

    CaImAn's model is coarse: the residual is averaged over squares, weighted by the ring, and
    every pixel of a square gets the same value.

    Returns
    -------
    csc_array
        Shape (pixel, roi): the background is its product with (movie - neurons - baseline).
    """
    squares = [
        csr_array((np.ones(size), (np.arange(size) // background.downsampling, np.arange(size))))
        for size in field_shape
    ]
    members = csr_array(kron(*squares))
    counts = np.ravel(members.sum(axis=1))
    under = csr_array(members @ footprints)
    weighted = csr_array(background.weights.T @ under)
    return csc_array(members.T @ (weighted.multiply(1 / counts[:, None])).tocsr())


def _complete(
    found: CaimanResult, movie: Movie, *, workers: int, software: dict[str, str]
) -> Segmentation:
    """Add the background under each footprint, for which the movie is read once more."""
    field_shape = movie.shape[1:]
    turned = background_projection(found.footprints, found.background, field_shape)
    constant = found.background.baseline.ravel()
    level = found.footprints.T @ constant - turned.T @ constant
    course = project(movie, turned, workers=workers)
    course = course - found.denoised @ (turned.T @ found.footprints).toarray().T
    return Segmentation(
        footprints=found.footprints,
        field_shape=field_shape,
        raw=(found.denoised + found.residual).astype(np.float32),
        denoised=found.denoised.astype(np.float32),
        deconvolved=found.deconvolved.astype(np.float32),
        baseline=(level + course).astype(np.float32),
        noise=found.noise,
        decay_time_s=found.decay_time_s,
        background=found.background,
        seeds=np.zeros((0, 2), int),
        metrics=found.metrics,
        software=software,
    )


def _processes(movie: Movie, parameters: dict[str, Any], settings: EngineSettings) -> int:
    """Return how many processes fit into the memory: each holds about ten copies of its patch."""
    n_frames, n_rows, n_columns = movie.shape
    radius = parameters["patch_radius_px"]
    side = max(n_rows, n_columns) if radius is None else 2 * radius + 1
    patch_bytes = 40 * n_frames * min(side, n_rows) * min(side, n_columns)
    return int(np.clip(settings.max_memory_bytes // max(patch_bytes, 1), 1, settings.workers))


def _nothing(movie: Movie, software: dict[str, str]) -> Segmentation:
    n_frames, n_rows, n_columns = movie.shape
    traces = np.zeros((n_frames, 0), np.float32)
    return Segmentation(
        footprints=csc_array((n_rows * n_columns, 0), dtype=np.float32),
        field_shape=(n_rows, n_columns),
        raw=traces,
        denoised=traces,
        deconvolved=traces,
        baseline=traces,
        noise=np.zeros(0),
        decay_time_s=np.zeros(0),
        background=None,
        seeds=np.zeros((0, 2), int),
        software=software,
    )
