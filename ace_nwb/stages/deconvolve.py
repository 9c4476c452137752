"""Stage deconvolve: neural activity inferred from the dF/F traces."""

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.roi_series import read_roi_series, write_roi_series
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.deconvolution import Deconvolution, deconvolve
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import DeconvolveParams


def compute(session: Session, params: DeconvolveParams, context: StageContext) -> Deconvolution:
    """Fit the calcium model to every dF/F trace."""
    movie = NwbMovie(session)
    result = deconvolve(
        read_roi_series(session, layout.DFF_TRACES),
        movie.frame_rate_hz,
        **params.model_dump(),
        breaks=movie.breaks,
    )
    if len(result.decay_time_s):
        median = float(np.median(result.decay_time_s))
        context.remarks.append(f"median decay time {median:.2g} s")
    context.progress(1, 1)
    return result


def write(writer: SessionWriter, result: Deconvolution) -> None:
    """Write calcium without noise, and the activity behind it."""
    writer.remove([layout.DECONVOLUTION])
    write_roi_series(
        writer,
        f"{layout.DECONVOLUTION}/Denoised",
        result.denoised,
        unit="n.a.",
        description="dF/F of the fitted calcium model.",
    )
    write_roi_series(
        writer,
        f"{layout.DECONVOLUTION}/Deconvolved",
        result.deconvolved,
        unit="n.a.",
        description="Inferred activity between each frame and the one before, in dF/F.",
    )
