"""Stage dff: traces relative to their baseline fluorescence."""

from itertools import pairwise
from typing import Any

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.frames import FrameTimes
from ace_nwb.nwb.content.roi_series import read_roi_series, write_roi_series
from ace_nwb.nwb.content.unusable import read_unusable
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.dff import compute_dff, compute_legacy_dff
from ace_nwb.signals.runs import find_breaks
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import DffParams


def compute(session: Session, params: DffParams, context: StageContext) -> np.ndarray:
    """Return dF/F, shape (frame, roi); no baseline window reaches over an interruption."""
    raw = read_roi_series(session, layout.RAW_TRACES)
    background = read_roi_series(session, layout.BASELINE_TRACES)
    frames = FrameTimes(session)
    rate_hz = frames.frame_rate_hz
    breaks = find_breaks(frames.timestamps, tolerance=params.window_s * rate_hz).tolist()
    parts = []
    for start, stop in pairwise([0, *breaks, len(raw)]):
        settings = params.model_dump() | {"frame_rate_hz": rate_hz}
        # a short stretch is a window of its own
        settings["window_s"] = min(params.window_s, (stop - start) / rate_hz)
        parts.append(_compute_stretch(raw[start:stop], background[start:stop], **settings))
    dff = np.concatenate(parts)
    dff[read_unusable(session, len(dff))] = np.nan
    if len(raw) < params.window_s * rate_hz:
        context.remarks.append(
            f"baseline window {len(raw) / rate_hz:.3g} s: the recording is shorter than "
            f"{params.window_s:g} s"
        )
    context.remarks.extend(_describe_lost(np.flatnonzero(np.isnan(dff).all(axis=0)), dff.shape[1]))
    context.progress(1, 1)
    return dff


def _describe_lost(lost: np.ndarray, n_rois: int) -> list[str]:
    """Return the remark on ROIs without a positive baseline fluorescence."""
    if not lost.size:
        return []
    named = ", ".join(map(str, lost[:5])) + (" ..." if lost.size > 5 else "")
    return [
        f"{lost.size} of {n_rois} ROIs (rows {named}) have no dF/F: their baseline fluorescence is "
        "zero or negative, as in a movie whose background was removed before; convert the raw "
        "movie to have it"
    ]


def _compute_stretch(
    raw: np.ndarray, background: np.ndarray, *, interpolation: str, **settings: Any
) -> np.ndarray:
    """Return dF/F of a stretch without an interruption as long as the window."""
    if interpolation == "legacy":
        return compute_legacy_dff(raw + background, **settings)[0]
    return compute_dff(raw, background, **settings)[0]


def write(writer: SessionWriter, result: np.ndarray) -> None:
    """Write dF/F."""
    write_roi_series(
        writer,
        layout.DFF_TRACES,
        result,
        unit="n.a.",
        description="Fluorescence change relative to the sliding baseline, background included.",
    )
