"""What glows does not pull at the tissue."""

import numpy as np
from scipy.ndimage import gaussian_filter

from ace_nwb.imaging.motion import estimate_motion
from ace_nwb.imaging.motion_fine import fit_shifts, model_tissue, soften
from ace_nwb.imaging.motion_lens import Lens
from ace_nwb.imaging.movie import ArrayMovie
from ace_nwb.imaging.warping import shift_frames

FIELD = (96, 112)
N_FRAMES = 120
LENS = Lens(FIELD, 1, 6, 8.0, 10.0, usual_reach=2)


def glowing(glow: float) -> tuple[np.ndarray, np.ndarray]:
    """Return moved frames of a tissue in which broad patches glow, and their displacement."""
    rng = np.random.default_rng(8)
    structure = gaussian_filter(rng.normal(size=FIELD), 2.0)
    patches = gaussian_filter(rng.normal(size=(4, *FIELD)), (0, 10, 10))
    courses = gaussian_filter(rng.normal(size=(N_FRAMES, 4)), (6, 0))
    light = np.tensordot(courses / courses.std(), patches / patches.std(), 1)
    tissue = 100 + 6 * structure / structure.std() + glow * light
    walk = gaussian_filter(rng.normal(0, 4, (N_FRAMES, 2)), (2, 0))
    frames = shift_frames(tissue.astype(np.float32), walk, np.ones(N_FRAMES))
    return frames + rng.normal(0, 3, frames.shape).astype(np.float32), walk


def rmse_px(shifts: np.ndarray, walk: np.ndarray) -> float:
    error = shifts + walk
    return float(np.sqrt(np.mean((error - error.mean(0)) ** 2)))


def test_patches_that_glow_do_not_pull_at_the_tissue() -> None:
    frames, walk = glowing(6.0)
    motion = estimate_motion(ArrayMovie(frames, 20.0), max_shift_px=8, filter_radius_px=4.0)
    assert rmse_px(motion.shifts, walk) < 0.1


def test_the_modes_of_the_glow_are_what_keeps_it_from_pulling() -> None:
    frames, walk = glowing(10.0)
    light = LENS.expose(frames)
    tissue = model_tissue(light, -walk, LENS)
    images = soften(light, LENS) - tissue.static
    start = -walk + np.random.default_rng(1).normal(0, 0.3, walk.shape)
    with_modes = fit_shifts(images, start, tissue, LENS)[:, 0]
    bare = type(tissue)(
        tissue.static, tissue.image, tissue.variance, tissue.features[:2], tissue.is_white
    )
    without = fit_shifts(images, start, bare, LENS)[:, 0]
    assert len(tissue.features) > 2
    assert rmse_px(with_modes, walk) < 0.85 * rmse_px(without, walk)


def test_a_frame_that_would_go_far_stays_where_it_was() -> None:
    frames, walk = glowing(0.0)
    light = LENS.expose(frames)
    tissue = model_tissue(light, -walk, LENS)
    start = -walk.copy()
    start[50] += (4.0, -4.0)
    found = fit_shifts(soften(light, LENS) - tissue.static, start, tissue, LENS)
    assert np.abs(found[50, 0] - start[50]).max() <= 1.0
    assert found.shape == (N_FRAMES, 3, 2)
