"""Motion of every frame, found by registering filtered frames to a refined template.

Frames are high-passed on a logarithmic scale, so that structures guide the registration and
vignette, neuropil and flicker do not (Pnevmatikakis & Giovannucci 2017). The correlation with
the template comes from real FFTs, its peak is searched among the allowed shifts only. A robust
Gauss-Newton step then refines it (Lucas & Kanade 1981): pixels where a cell is active now do
not pull. What does not move with the tissue (dust, vignette) is told apart from the template.
Memory does not grow with the length of the movie.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import fft
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ace_nwb.imaging.blocks import map_blocks, sample_frames
from ace_nwb.imaging.checkpoint import NO_CHECKPOINT, Checkpoint
from ace_nwb.imaging.motion_choice import Sample, is_bent, moves
from ace_nwb.imaging.motion_evidence import (
    bridge_frames,
    find_bad_frames,
    keep_shared_motion,
)
from ace_nwb.imaging.motion_fine import Tissue, fit_nodes, fit_shifts, model_tissue, soften
from ace_nwb.imaging.motion_lens import Lens, Target
from ace_nwb.imaging.movie import Movie, ProgressCallback, no_progress
from ace_nwb.imaging.piecewise import NodeGrid, register_nodes, settle_nodes
from ace_nwb.imaging.sensor_bands import find_bands
from ace_nwb.imaging.warping import move_frames

_SAMPLE_BYTES = 2**26  # bytes of the sampled frames in 32 bits
"""Of binned frames: 30 bursts of a field of 186 x 186 binned pixels, fewer of a larger one."""
_BURST_FRAMES = 16  # successive frames of a burst: jitter shows within, drift between
_N_BURSTS = 30  # bursts over the recording
_N_REFINEMENTS = 3  # of the template
_N_ROBUST_ROUNDS = 8  # of reweighting
_SETTLED_PX = 0.02
"""Change of the shifts in a round, root mean square in lens pixels, that ends the rounds."""
_N_SHARPENINGS = 2  # rounds of the template of a bent field
_N_SETTLINGS = 2
"""Rounds in which a bent field is aligned anew, and the fine structure: a third changes shifts by
a hundredth of a pixel."""
_SEPARATED_FRAMES = 120
"""Frames by which the tissue is told from the lens, so often: the noise of 120 averages out."""
_USUAL = 0.995  # quantile of the shifts that decides how far one looks
_BINNINGS = ((2, 128), (4, 512))
"""Side of a binned pixel, and the least side of the field from which on it is used."""

_Registered = dict[str, np.ndarray]
"""`shifts` (frame, 3, 2) and `nodes` (frame, 3, node, 2), lens pixels, `quality` (frame,)."""


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
    deviations
        (row, column) to add to the shift at each node, shape (frame, node row, node column, 2),
        pixels (see `warping.warp_frames`); None for rigid motion.
    is_moved
        Whether the movie moves; if not, all shifts are 0.
    """

    shifts: np.ndarray
    quality: np.ndarray
    is_bad: np.ndarray
    template: np.ndarray
    deviations: np.ndarray | None = None
    is_moved: bool = True


def estimate_motion(
    movie: Movie,
    *,
    max_shift_px: int,
    filter_radius_px: float,
    piecewise: bool | None = None,
    patch_size_px: float = 48.0,
    max_deviation_px: float = 3.0,
    workers: int = 1,
    progress: ProgressCallback = no_progress,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Motion:
    """Estimate the shift of every frame, and how parts of the field deviate from it.

    Parameters
    ----------
    movie
        The uncorrected movie; sampled for the template, then read once.
    max_shift_px
        Largest shift searched and applied in either direction, pixels; 0 moves nothing.
    filter_radius_px
        Radius of the structures that guide the registration, pixels.
    piecewise
        Whether parts of the field may deviate; None decides it from the movie.
    patch_size_px, max_deviation_px
        Distance between such parts, and largest deviation, pixels.
    workers
        Number of threads; the result does not depend on it.
    progress
        Called with (frames done, number of frames).
    checkpoint
        Keeps what was found so far, block by block.
    """
    with threadpool_limits(1, user_api="blas"):
        lens = _choose_lens(movie, max_shift_px, filter_radius_px)
        lens, target, sample = _build_target(movie, lens)
        is_moved, grid, bends = False, None, None
        if max_shift_px > 0:
            nodes = NodeGrid.over(movie.shape[1:], patch_size_px)
            is_moved, grid = _judge(sample, target, lens, nodes, piecewise)
        if grid is not None:
            target, bends = _sharpen(sample, target, lens, grid)
        tissue = _settle_tissue(sample, lens, grid, bends)
        del sample  # up to 300 MB that the pass over the movie needs no more

        def register(_start: int, block: np.ndarray) -> _Registered:
            return _register(block, lens, target, tissue, grid)

        known = checkpoint.load() or _nothing(grid)
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
    shifts = np.clip(shifts, -max_shift_px, max_shift_px) if is_moved else np.zeros_like(shifts)
    deviations = None
    if grid is not None:
        deviations = settle_nodes(
            found["nodes"] * lens.binning, is_bad, grid, max_deviation_px=max_deviation_px
        )
    return Motion(shifts, found["quality"], is_bad, target.image, deviations, is_moved)


def _judge(
    sample: Sample, target: Target, lens: Lens, nodes: NodeGrid, piecewise: bool | None
) -> tuple[bool, NodeGrid | None]:
    """Return whether the movie moves, and the nodes if parts of it are to move on their own."""
    is_moved = moves(sample, target, lens)
    if piecewise is None:  # a field may bend about its middle, and as a whole move nowhere
        is_bending = is_bent(sample, target, lens, nodes)
        return is_moved or is_bending, nodes if is_bending else None
    return is_moved, nodes if piecewise and is_moved else None


def _register(
    block: np.ndarray, lens: Lens, target: Target, tissue: Tissue, grid: NodeGrid | None
) -> _Registered:
    """Return shifts and quality of a run of frames, and of the nodes if there are any."""
    light = lens.expose(block)
    images = lens.filter(light) - target.static
    shifts, quality = lens.register(lens.transform(images), target.spectrum)
    shifts = lens.refine(images, shifts, target)
    soft = soften(light, lens) - tissue.static
    estimates = fit_shifts(soft, shifts, tissue, lens)
    shifts = estimates[:, 0]
    found = {"shifts": estimates, "quality": quality}
    if grid is not None:
        nodes = register_nodes(images, shifts, target, lens, grid)[:, 0]
        found["nodes"] = fit_nodes(soft, shifts, nodes, tissue, lens, grid)
    return found


def _nothing(grid: NodeGrid | None) -> _Registered:
    """Return the registration of no frames."""
    nodes = {} if grid is None else {"nodes": np.zeros((0, 3, grid.n_nodes, 2))}
    return {"shifts": np.zeros((0, 3, 2)), "quality": np.zeros(0)} | nodes


def _extended(values: np.ndarray, length: int) -> np.ndarray:
    """Return values followed by zeros, of the given length."""
    longer = np.zeros((length, *values.shape[1:]), values.dtype)
    longer[: len(values)] = values
    return longer


def _choose_lens(movie: Movie, max_shift_px: int, filter_radius_px: float) -> Lens:
    """Return the lens for a movie: large fields are binned, structures are kept resolved."""
    n_rows, n_columns = movie.shape[1:]
    brightness = float(np.mean(sample_frames(movie, 20)))
    binning = 1
    for side, least_side in _BINNINGS:
        if min(n_rows, n_columns) >= least_side and filter_radius_px >= 2 * side:
            binning = side
    field_shape = n_rows // binning, n_columns // binning
    reach = min(-(-max_shift_px // binning), min(field_shape) // 2 - 2)
    return Lens(
        field_shape,
        binning,
        max(0, reach),
        2 * filter_radius_px / binning,
        max(0.1 * brightness, 1e-3),
        usual_reach=max(0, reach),
    )


def _build_target(movie: Movie, lens: Lens) -> tuple[Lens, Target, Sample]:
    """Return the targets made of bursts from all over the movie, how far they move, and these."""
    bursts = _sample_bursts(movie, lens)
    lens = replace(lens, bands=find_bands(bursts))
    light = np.concatenate([lens.develop(burst) for burst in bursts])
    images = lens.filter(light)
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
    images, shifts, light = images[is_good], shifts[is_good], light[is_good]
    furthest = int(np.ceil(np.quantile(np.abs(shifts), _USUAL)))
    lens = replace(lens, usual_reach=min(furthest, lens.reach))
    target, shifts = _separate(images, shifts, lens)
    return lens, target, Sample(images, shifts, light)


def _mean_spectrum(images: np.ndarray, shifts: np.ndarray, lens: Lens) -> np.ndarray:
    """Return the spectrum of the mean of aligned images."""
    mean = move_frames(images, shifts, None).mean(0)
    return np.asarray(lens.transform(mean[None])[0])


def _separate(images: np.ndarray, shifts: np.ndarray, lens: Lens) -> tuple[Target, np.ndarray]:
    """Tell what moves from what stays, refining the shifts on the way."""
    few = slice(None, None, max(1, len(images) // _SEPARATED_FRAMES))
    some, there = images[few], shifts[few]
    for _ in range(_N_ROBUST_ROUNDS):
        static = find_static(some, there)
        target = _aim(some - static, there, static, lens)
        before, there = there, _settle(some - static, target, lens)
        if np.sqrt(np.mean(np.square(there - before))) < _SETTLED_PX:
            break
    shifts = _settle(images - static, target, lens)
    target = _aim(images - static, shifts, static, lens)
    shifts = lens.refine(images - static, shifts, target)
    return target, shifts - np.median(shifts, axis=0)


def _settle(images: np.ndarray, target: Target, lens: Lens) -> np.ndarray:
    """Return the shifts of filtered frames without what is static, their median 0."""
    shifts, _ = lens.register(lens.transform(images), target.spectrum)
    shifts = lens.refine(images, shifts, target)
    return shifts - np.median(shifts, axis=0)


def _aim(images: np.ndarray, shifts: np.ndarray, static: np.ndarray, lens: Lens) -> Target:
    """Return the target made of frames without what is static."""
    return _target_of(move_frames(images, shifts, None), static, lens)


def _target_of(aligned: np.ndarray, static: np.ndarray, lens: Lens) -> Target:
    image = aligned.mean(0)
    variance = (np.abs(aligned - image).mean(0) * np.sqrt(np.pi / 2)) ** 2
    floor = max(1e-3 * float(np.median(variance)), 1e-9)
    return Target(image, static, np.maximum(variance, floor), lens.transform(image[None])[0])


def _settle_tissue(
    sample: Sample, lens: Lens, grid: NodeGrid | None, bends: np.ndarray | None
) -> Tissue:
    """Return the tissue as the shifts fitted to it show it, after a few rounds."""
    few = slice(None, None, max(1, len(sample.shifts) // _SEPARATED_FRAMES))
    light, shifts = sample.light[few], sample.shifts[few]
    nodes = None if bends is None else bends[few]
    for _ in range(_N_SETTLINGS):
        tissue = model_tissue(light, shifts, lens, nodes)
        soft = soften(light, lens) - tissue.static
        if nodes is None or grid is None:
            shifts = fit_shifts(soft, shifts, tissue, lens)[:, 0]
            shifts = shifts - np.median(shifts, axis=0)
        else:
            start = nodes.reshape(len(nodes), -1, 2)
            nodes = fit_nodes(soft, shifts, start, tissue, lens, grid)[:, 0].reshape(nodes.shape)
            nodes = nodes - np.median(nodes, axis=0)
    return model_tissue(light, shifts, lens, nodes)


def _sharpen(
    sample: Sample, target: Target, lens: Lens, grid: NodeGrid
) -> tuple[Target, np.ndarray]:
    """Return the target of frames bent back, which shifts alone blur, and how they are bent."""
    static = target.static
    for _ in range(_N_SHARPENINGS):
        images = sample.images - static
        nodes = register_nodes(images, sample.shifts, target, lens, grid)[:, 0]
        nodes = (nodes - np.median(nodes, axis=0)).reshape(len(images), *grid.shape, 2)
        image = move_frames(images, sample.shifts, nodes).mean(0)
        there = move_frames(np.broadcast_to(image, images.shape), -sample.shifts, -nodes)
        static = (sample.images - there).mean(0)
        aligned = move_frames(sample.images - static, sample.shifts, nodes)
        target = _target_of(aligned, static, lens)
    return target, nodes


def _sample_bursts(movie: Movie, lens: Lens) -> list[np.ndarray]:
    """Return short bursts of binned frames spread over the movie."""
    n_frames = movie.shape[0]
    n_pixels = lens.field_shape[0] * lens.field_shape[1]
    affordable = max(2 * _BURST_FRAMES, _SAMPLE_BYTES // (4 * n_pixels))
    n_bursts = int(min(_N_BURSTS, affordable // _BURST_FRAMES, max(1, n_frames // _BURST_FRAMES)))
    starts = np.linspace(0, max(0, n_frames - _BURST_FRAMES), n_bursts).astype(int)
    return [
        lens.bin(movie.read(start, min(n_frames, start + _BURST_FRAMES)))
        for start in starts.tolist()
    ]


_RIDGE = 0.02
"""Of the static part, relative to the data. Waves much longer than the motion (a phase of 0.14 rad
and less, as SD) cannot be told apart: they are left to the tissue."""


def find_static(images: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Return what does not move, shape (row, column), float32.

    Parameters
    ----------
    images
        Filtered frames, shape (frame, row, column).
    shifts
        (row, column) that move each onto the others, shape (frame, 2), pixels.
    """
    n_frames, n_rows, n_columns = images.shape
    rows = 2 * np.pi * np.fft.fftfreq(n_rows)
    columns = 2 * np.pi * np.fft.rfftfreq(n_columns)
    shape = len(rows), len(columns)
    still, aligned, phases = (np.zeros(shape, complex) for _ in range(3))
    for image, (down, across) in zip(images, shifts, strict=True):
        spectrum = fft.rfft2(image)
        phase = np.exp(1j * down * rows)[:, None] * np.exp(1j * across * columns)
        still += spectrum
        aligned += spectrum * phase.conj()
        phases += phase
    told = (1 + _RIDGE) * n_frames - np.abs(phases) ** 2 / n_frames
    static = (still - phases * aligned / n_frames) / told
    return np.asarray(fft.irfft2(static, s=(n_rows, n_columns)), np.float32)
