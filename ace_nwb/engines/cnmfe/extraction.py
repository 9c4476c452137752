"""The order of the steps of CNMF-E.

Neurons are found and shaped in a movie averaged over 0.2 s (kept packed, see packing): seeds,
ring background, traces, footprints, merging, then once or twice more with what the residual
still shows. One pass over the full movie then gives the traces of every frame.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csc_array, hstack
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ace_nwb.engines.base import EngineSettings
from ace_nwb.engines.cnmfe.background import (
    Background,
    fit_background,
)
from ace_nwb.engines.cnmfe.embedding import embed
from ace_nwb.engines.cnmfe.footprints import (
    TraceProducts,
    centroids,
    grow_support,
    normalise,
    trim_footprints,
    update_footprints,
)
from ace_nwb.engines.cnmfe.joining import join_alike
from ace_nwb.engines.cnmfe.merging import (
    correlation_matrix,
    find_ghosts,
    find_groups,
    merge_groups,
)
from ace_nwb.engines.cnmfe.passes import correlate
from ace_nwb.engines.cnmfe.residual import (
    Known,
    filter_footprints,
    find_unexplained,
    first_footprints,
    residual_images,
)
from ace_nwb.engines.cnmfe.resuming import (
    Neurons,
    Search,
    begin_search,
    pack_search,
    unpack_search,
)
from ace_nwb.engines.cnmfe.scene import Scene, coarse_side_px, prepare_scene
from ace_nwb.engines.cnmfe.seeds import find_seeds, propose_thresholds
from ace_nwb.engines.cnmfe.splitting import split_footprints
from ace_nwb.engines.cnmfe.steps import Steps
from ace_nwb.engines.cnmfe.traces import (
    CalciumModel,
    Mixing,
    Projections,
    demix,
    mix,
    project_movie,
    refine_traces,
)
from ace_nwb.engines.cnmfe.unmixing import find_shares, take_shares
from ace_nwb.imaging.checkpoint import Checkpoint
from ace_nwb.imaging.corrected import CroppedMovie, observed_box
from ace_nwb.imaging.movie import Movie, ProgressCallback, movie_breaks
from ace_nwb.imaging.packing import open_space
from ace_nwb.imaging.segmentation import RingBackground, Segmentation
from ace_nwb.signals.kinetics import estimate_kinetics

_SEED_ROUNDS = 3
"""Searches for seeds; later ones find neurons beside bright ones. Chosen on minisim movies."""
_MEMORY_SHARE = 4  # a quarter of the memory for the packed movie, the rest for the passes
_COMPONENTS_PER_RING = 0.1  # of the background for every square of a ring's radius in the field
_UPDATES_PER_ROUND = 2  # of footprints and traces after each search; chosen on minisim movies
_GUESSED_DECAY_S = 0.5  # seconds, GCaMP6f; where no decay is stated or found yet
_GHOST_DIAMETERS = 1.5  # cell diameters from a neuron to its tails and halos
_LEAST_OWN_HEIGHT = 5.0
"""In SDs of the noise, of activity that is a neuron's own and not its neighbour's."""
_LATER_SEED_FACTOR = 1.1
"""On the threshold of later searches, whose residual holds leftovers of known neurons."""


def extract(
    movie: Movie,
    *,
    settings: EngineSettings,
    progress: ProgressCallback,
    cell_diameter_px: float,
    min_correlation: float | None,
    min_peak_to_noise: float | None,
    ring_size_factor: float,
    merge_correlation: float,
    autoregressive_order: int,
    decay_time_s: float | None,
) -> Segmentation:
    """Find the neurons of a motion-corrected one-photon movie.

    Parameters
    ----------
    movie
        Motion corrected, debleached, cropped; `read` must be safe from several threads.
    settings
        Workers and memory; the result does not depend on them.
    progress
        Called with (parts done, number of parts) after every block of frames.
    cell_diameter_px
        Diameter of a cell, pixels.
    min_correlation, min_peak_to_noise
        Thresholds of a seed; None proposes them from the data.
    ring_size_factor
        Radius of the background ring in cell diameters.
    merge_correlation
        Trace correlation above which touching neurons merge.
    autoregressive_order
        Order of the calcium model.
    decay_time_s
        Decay time of a transient; None estimates it.
    """
    box = observed_box(movie, multiple=coarse_side_px(cell_diameter_px))
    inner = CroppedMovie(movie, box)
    scratch = open_space(inner, memory_bytes=settings.max_memory_bytes // _MEMORY_SHARE)
    with threadpool_limits(1, user_api="blas"), scratch as space:
        steps = Steps(progress, 4 + _SEED_ROUNDS * (1 + _UPDATES_PER_ROUND))
        scene = prepare_scene(inner, settings, space, cell_diameter_px, ring_size_factor, steps)
        find = _Finding(min_correlation, min_peak_to_noise, merge_correlation, decay_time_s)
        footprints, background, seeds = _find_neurons(scene, find, settings.checkpoint)
        steps.advance(steps.total - steps.done - 2)
        result = _finish(inner, scene, footprints, background, autoregressive_order, decay_time_s)
        steps.finish()
    return embed(replace(result, seeds=seeds), movie.shape[1:], box)


@dataclass(frozen=True)
class _Finding:
    """Parameters of `extract` that decide what is a neuron."""

    min_correlation: float | None
    min_peak_to_noise: float | None
    merge_correlation: float
    decay_time_s: float | None


def _find_neurons(
    scene: Scene, find: _Finding, checkpoint: Checkpoint
) -> tuple[csc_array, Background, np.ndarray]:
    """Return footprints, background and all seeds, looking again at what is left each time."""
    kept = checkpoint.load()
    start = begin_search(_empty(scene)) if kept is None else unpack_search(kept)
    search, background = start, _ring(scene, start.known)
    scene.steps.advance(start.n_phases)
    for phase in range(start.n_phases, _SEED_ROUNDS * (1 + _UPDATES_PER_ROUND)):
        if phase % (1 + _UPDATES_PER_ROUND) == 0:
            new, found = _seed(scene, search.neurons, find)
            if phase > 0 and len(found) == 0:
                break
            candidates = csc_array(hstack([search.neurons.footprints, new], format="csc"))
            seeds = np.concatenate([search.seeds, found])
            search = Search(phase + 1, search.neurons, search.neurons, candidates, seeds)
        else:
            neurons = _update(scene, search.candidates, background, find)
            search = Search(phase + 1, search.known, neurons, neurons.footprints, search.seeds)
            if search.n_phases % (1 + _UPDATES_PER_ROUND) == 0:
                search = replace(search, known=neurons)
                background = _ring(scene, neurons)
        checkpoint.save(pack_search(search))
        scene.steps.advance()
    return search.neurons.footprints, background, search.seeds


def _empty(scene: Scene) -> Neurons:
    n_pixels = scene.field_shape[0] * scene.field_shape[1]
    footprints = csc_array((n_pixels, 0), dtype=np.float32)
    nothing = np.zeros((scene.movie.shape[0], 0))
    return Neurons(footprints, nothing, nothing)


def _ring(scene: Scene, neurons: Neurons) -> Background:
    """Fit the ring background to the coarse movie without the neurons."""
    residual = scene.coarse.values
    if neurons.footprints.shape[1]:
        edges = scene.coarse.edges
        counts = np.diff(np.append(edges, len(neurons.traces)))
        samples = np.add.reduceat(neurons.traces, edges, axis=0) / counts[:, None]
        coarse = scene.grid.average() @ neurons.footprints
        residual = residual - ((samples - samples.mean(0)) @ coarse.T.toarray()).astype(np.float32)
    area = scene.field_shape[0] * scene.field_shape[1]
    n_components = int(np.clip(_COMPONENTS_PER_RING * area / scene.ring_radius_px**2, 8, 80))
    return fit_background(
        residual, scene.grid, ring_radius_px=scene.ring_radius_px, n_components=n_components
    )


def _seed(
    scene: Scene,
    neurons: Neurons,
    find: _Finding,
) -> tuple[csc_array, np.ndarray]:
    """Return first footprints of new neurons, and their seeds."""
    filtered = filter_footprints(neurons.footprints, scene.field_shape, scene.cell_diameter_px)
    known = Known(filtered, neurons.raw)
    images = residual_images(
        scene.filtered,
        known,
        scene.levels,
        workers=scene.workers,
        progress=scene.steps.of(0, 2),
    )
    thresholds = propose_thresholds(
        images,
        scene.movie.shape[0],
        min_correlation=find.min_correlation,
        min_peak_to_noise=find.min_peak_to_noise,
    )
    seeds = find_seeds(images, thresholds, cell_diameter_px=scene.cell_diameter_px)
    if neurons.footprints.shape[1] and len(seeds):
        seeds = seeds[
            find_unexplained(
                scene.filtered,
                seeds,
                known,
                centroids(neurons.footprints, scene.field_shape),
                cell_diameter_px=scene.cell_diameter_px,
                min_peak_to_noise=_LATER_SEED_FACTOR * thresholds.min_peak_to_noise,
                workers=scene.workers,
            )
        ]
    if len(seeds) == 0:
        return _empty(scene).footprints, seeds
    footprints = first_footprints(
        scene.filtered,
        seeds,
        known,
        scene.levels,
        cell_diameter_px=scene.cell_diameter_px,
        workers=scene.workers,
    )
    is_filled = np.diff(footprints.indptr) > 0
    return normalise(footprints)[0][:, is_filled], seeds[is_filled]


def _update(scene: Scene, footprints: csc_array, background: Background, find: _Finding) -> Neurons:
    """Update traces, merge, remove ghosts, then update footprints, each once."""
    if footprints.shape[1] == 0:
        return _empty(scene)
    footprints, _ = normalise(
        split_footprints(footprints, scene.field_shape, cell_diameter_px=scene.cell_diameter_px)
    )
    projections = project_movie(
        scene.movie,
        footprints,
        background,
        workers=scene.workers,
        progress=scene.steps.of(0, 2),
    )
    mixing = mix(footprints, background)
    merged = _merge(scene, footprints, _unmixed(scene, projections, mixing, find), find)
    footprints, traces, raw = merged.footprints, merged.traces, merged.raw
    support = grow_support(footprints, scene.field_shape, cell_diameter_px=scene.cell_diameter_px)
    centred = traces - traces.mean(0)
    courses = projections.background - projections.background.mean(0)
    courses = courses - centred @ mix(footprints, background).leak.T
    gram = centred.T @ centred
    progress = scene.steps.of(1, 2)
    products = TraceProducts(
        correlate(scene.movie, centred, support, workers=scene.workers, progress=progress),
        gram,
        courses.T @ centred,
    )
    shaped = update_footprints(footprints, support, products, background.images)
    shaped = trim_footprints(
        shaped, scene.field_shape, noise=scene.noise, trace_energy=np.diag(gram)
    )
    shaped, norms = normalise(shaped)
    is_alive = norms > 0
    return Neurons(shaped[:, is_alive], (traces * norms)[:, is_alive], (raw * norms)[:, is_alive])


def _unmixed(
    scene: Scene, projections: Projections, mixing: Mixing, find: _Finding
) -> tuple[np.ndarray, np.ndarray]:
    """Return raw and denoised traces, each without the events of neurons on top of it."""
    decay = np.full(len(mixing.gram), find.decay_time_s or _GUESSED_DECAY_S)
    raw, traces, activity, _ = refine_traces(
        demix(projections, mixing),
        mixing,
        scene.movie.frame_rate_hz,
        CalciumModel(decay, 1),
        sweeps=1,
    )
    shares = find_shares(
        mixing.overlap,
        correlation_matrix(traces),
        activity,
        max_correlation=find.merge_correlation,
    )
    return take_shares(raw, shares), np.maximum(take_shares(traces, shares), 0)


def _merge(
    scene: Scene, footprints: csc_array, activity: tuple[np.ndarray, np.ndarray], find: _Finding
) -> Neurons:
    """Return one neuron per group of equals, without ghosts; `activity` is raw and denoised."""
    raw, traces = activity
    groups = find_groups(footprints, traces, merge_correlation=find.merge_correlation)
    merged, traces, _ = merge_groups(footprints, traces, groups)
    _, raw, _ = merge_groups(footprints, raw, groups)
    is_ghost = find_ghosts(
        raw,
        centroids(merged, scene.field_shape),
        reach_px=_GHOST_DIAMETERS * scene.cell_diameter_px,
        min_peak_to_noise=_LEAST_OWN_HEIGHT,
    )
    is_active = (traces.std(0) > 0) & ~is_ghost
    return Neurons(merged[:, is_active], traces[:, is_active], raw[:, is_active])


def _finish(
    movie: Movie,
    scene: Scene,
    footprints: csc_array,
    background: Background,
    autoregressive_order: int,
    decay_time_s: float | None,
) -> Segmentation:
    """Compute the traces of every frame in one pass over the full movie."""
    rate = movie.frame_rate_hz
    projections = project_movie(
        movie, footprints, background, workers=scene.workers, progress=scene.steps.of(0, 1)
    )
    footprints, projections = join_alike(
        footprints,
        projections,
        background,
        frame_rate_hz=rate,
        decay_time_s=decay_time_s or _GUESSED_DECAY_S,
    )
    n_frames, n_rois = movie.shape[0], footprints.shape[1]
    mixing = mix(footprints, background)
    raw = demix(projections, mixing) if n_rois else np.zeros((n_frames, 0))
    decay, rise = np.full(n_rois, decay_time_s or _GUESSED_DECAY_S), None
    if not decay_time_s:
        kinetics = estimate_kinetics(
            raw, rate, autoregressive_order=autoregressive_order, has_background=True
        )
        decay, rise = kinetics.decay_time_s, kinetics.rise_time_s
    model = CalciumModel(decay, autoregressive_order, movie_breaks(movie), rise)
    raw, denoised, deconvolved, noise = refine_traces(raw, mixing, rate, model, sweeps=2)
    raw = np.ascontiguousarray(raw)  # one after the other: each lets go of what it was
    denoised = np.ascontiguousarray(denoised)
    deconvolved = np.ascontiguousarray(deconvolved)
    calcium = denoised.mean(0, dtype=float)
    courses = projections.background - denoised @ mixing.leak.T.astype(np.float32)
    courses -= courses.mean(0, dtype=float)
    level = projections.footprints.mean(0, dtype=float) - calcium @ mixing.overlap
    mean = scene.coarse.mean - scene.grid.average() @ (footprints @ calcium)
    del projections  # as large as the traces, which follow
    baseline = courses @ mixing.to_background.T.astype(np.float32)
    baseline += level.astype(np.float32)
    return Segmentation(
        footprints=footprints,
        field_shape=scene.field_shape,
        raw=raw,
        denoised=denoised,
        deconvolved=deconvolved,
        baseline=baseline,
        noise=noise,
        decay_time_s=decay,
        background=RingBackground(
            background.weights,
            (scene.grid.interpolate() @ mean).reshape(scene.field_shape).astype(np.float32),
            scene.grid.side,
        ),
        seeds=np.zeros((0, 2), int),
    )
