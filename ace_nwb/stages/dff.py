"""Stage dff: traces relative to their baseline fluorescence."""

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.movie import NwbMovie
from ace_nwb.nwb.rois import read_roi_series, write_roi_series
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.dff import compute_dff, compute_legacy_dff
from ace_nwb.stages.context import StageContext
from ace_nwb.stages.params import DffParams


def compute(session: Session, params: DffParams, context: StageContext) -> np.ndarray:
    """Return dF/F, shape (frame, roi)."""
    raw = read_roi_series(session, layout.RAW_TRACES)
    background = read_roi_series(session, layout.BASELINE_TRACES)
    settings = params.model_dump(exclude={"interpolation"})
    settings["frame_rate_hz"] = NwbMovie(session).frame_rate_hz
    if params.interpolation == "legacy":
        dff, _ = compute_legacy_dff(raw + background, **settings)
    else:
        dff, _ = compute_dff(raw, background, **settings)
    context.progress(1, 1)
    return dff


def write(writer: SessionWriter, result: np.ndarray) -> None:
    """Write dF/F."""
    write_roi_series(
        writer,
        layout.DFF_TRACES,
        result,
        unit="n.a.",
        description="Fluorescence change relative to the sliding baseline, background included.",
    )
