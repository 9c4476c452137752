"""Stage motion: the shift of every frame."""

import numpy as np

from ace_nwb.errors import ParameterError
from ace_nwb.imaging.motion import Motion, estimate_motion
from ace_nwb.nwb.content.imaging import write_deviations, write_motion
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.registry import load_object
from ace_nwb.stages.common.corrected import open_analysed_movie, open_checkpoint
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import MotionParams


def compute(session: Session, params: MotionParams, context: StageContext) -> Motion:
    """Register every frame of the cropped, debleached movie."""
    workers = context.settings.workers
    movie = open_analysed_movie(session, workers=workers, with_motion=False)
    parameters = params.model_dump(exclude={"engine"})
    if params.engine == "caiman":
        if params.piecewise:
            raise ParameterError(
                "motion.engine is caiman and motion.piecewise is true; CaImAn's registration is "
                "rigid here. Use --engine own for piecewise motion, or leave --piecewise out."
            )
        parameters = {name: parameters[name] for name in ("max_shift_px", "filter_radius_px")}
        motion, software = load_object("ace_nwb.engines.caiman:estimate_motion")(
            movie, settings=context.settings, progress=context.progress, **parameters
        )
        context.software.update(software)
    else:
        motion = estimate_motion(
            movie,
            **parameters,
            workers=workers,
            progress=context.progress,
            checkpoint=open_checkpoint(context.scratch, movie),
        )
    context.remarks.append(_how_it_moves(motion, params.max_shift_px))
    n_bad = int(np.count_nonzero(motion.is_bad))
    if n_bad:
        context.remarks.append(
            f"{n_bad} of {len(motion.is_bad)} frames match the template badly; "
            "their shifts are interpolated."
        )
    return motion


def _how_it_moves(motion: Motion, max_shift_px: int) -> str:
    """Return what the history says of the kind of motion."""
    if max_shift_px == 0:
        return "registration is switched off: max_shift_px is 0"
    if not motion.is_moved:
        return "not moved: shifts explain nothing in pixels they were not fitted to"
    if motion.deviations is None:
        return "rigid: the whole field moves alike"
    return "piecewise: parts of the field move on their own"


def write(writer: SessionWriter, result: Motion) -> None:
    """Write shifts and quality."""
    write_motion(writer, result.shifts, result.quality)
    write_deviations(writer, result.deviations)
