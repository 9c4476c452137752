"""Stage deconvolve: neural activity inferred from the dF/F traces."""

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.frames import FrameTimes
from ace_nwb.nwb.content.roi_series import read_roi_series, write_roi_series
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.deconvolution import Deconvolution, deconvolve
from ace_nwb.signals.kinetics import LEAST_ISOLATED, find_indicator
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import DeconvolveParams


def compute(session: Session, params: DeconvolveParams, context: StageContext) -> Deconvolution:
    """Fit the calcium model to every dF/F trace."""
    frames = FrameTimes(session)
    indicator = params.indicator or frames.indicator
    result = deconvolve(
        read_roi_series(session, layout.DFF_TRACES),
        frames.frame_rate_hz,
        **params.model_dump() | {"indicator": indicator},
        breaks=frames.breaks,
    )
    if len(result.decay_time_s):
        context.remarks.extend(_describe(result, indicator, params))
    context.progress(1, 1)
    return result


def _describe(result: Deconvolution, indicator: str, params: DeconvolveParams) -> list[str]:
    """Return what is to be known of the kinetics, first of all where they are not the ROIs' own."""
    kinetics = result.kinetics
    decay_s, rise_s = np.median(kinetics.decay_time_s), np.median(kinetics.rise_time_s)
    remarks = [f"median decay time {decay_s:.2g} s, rise time {rise_s:.2g} s"]
    if find_indicator(indicator) is None:
        remarks.append(f"indicator {indicator!r} is not known: taken for a GCaMP of medium speed")
    if params.decay_time_s is not None:
        return remarks
    n_typical, n_rois = int(np.sum(kinetics.is_typical)), len(kinetics.decay_time_s)
    n_borrowed = int(np.sum(kinetics.n_isolated < LEAST_ISOLATED)) - n_typical
    if n_borrowed:
        remarks.append(
            f"{n_borrowed} of {n_rois} ROIs have fewer than {LEAST_ISOLATED} isolated events: "
            "their rise and decay lean on the others'"
        )
    if n_typical:
        remarks.append(
            f"{n_typical} of {n_rois} ROIs have rise and decay of the indicator, not of their own: "
            "no ROI has a clear event"
        )
    return remarks


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
        description="Inferred activity between each frame and the one before, as the dF/F that it "
        "raises (of the linear part, for an indicator that is not linear).",
    )
