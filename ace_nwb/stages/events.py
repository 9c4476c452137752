"""Stage events: calcium events of every ROI."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.events import write_calcium_events
from ace_nwb.nwb.movie import NwbMovie
from ace_nwb.nwb.rois import read_roi_series
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.events import (
    CalciumEvents,
    detect_deconvolved_events,
    detect_derivative_events,
    estimate_noise,
    find_legacy_peaks,
    interpolate_frame_times,
)
from ace_nwb.stages.context import StageContext
from ace_nwb.stages.params import EventsParams


@dataclass(frozen=True)
class TimedEvents:
    """Events, how they were found, their onset times and durations in seconds.

    With an absolute height also the index of each in the trace or its difference.
    """

    method: str
    events: CalciumEvents
    onset_s: np.ndarray
    duration_s: np.ndarray
    legacy_index: np.ndarray | None = None


def compute(session: Session, params: EventsParams, context: StageContext) -> TimedEvents:
    """Detect the events and give them times on the session clock."""
    movie = NwbMovie(session)
    traces = read_roi_series(session, layout.DFF_TRACES)
    if params.method == "derivative":
        events = detect_derivative_events(traces, **params.model_dump(exclude={"method"}))
    else:
        events = detect_deconvolved_events(
            read_roi_series(session, f"{layout.DECONVOLUTION}/Deconvolved"),
            read_roi_series(session, f"{layout.DECONVOLUTION}/Denoised"),
            noise=estimate_noise(traces),
            threshold_sd=params.threshold_sd,
        )
    legacy_index = None
    if params.method == "derivative" and params.absolute_height is not None:
        legacy_index = _find_indices(events, traces, params)
    context.remarks.append(f"{len(events)} events")
    context.progress(1, 1)
    return TimedEvents(
        method=params.method,
        events=events,
        onset_s=interpolate_frame_times(events.onset, movie.timestamps),
        duration_s=events.duration / movie.frame_rate_hz,
        legacy_index=legacy_index,
    )


def write(writer: SessionWriter, result: TimedEvents) -> None:
    """Write the events in the order of their times."""
    order = np.argsort(result.onset_s, kind="stable")
    columns = {
        "duration": result.duration_s,
        "amplitude": result.events.amplitude,
        "snr": result.events.snr,
    }
    if result.legacy_index is not None:
        columns["legacy_index"] = result.legacy_index
    write_calcium_events(
        writer,
        f"/processing/events/CalciumEvents{result.method.capitalize()}",
        result.onset_s[order],
        roi=result.events.roi[order],
        columns={name: values[order] for name, values in columns.items()},
        description=f"Calcium events of all ROIs, found by {result.method}; times are onsets.",
    )


def _find_indices(events: CalciumEvents, traces: np.ndarray, params: EventsParams) -> np.ndarray:
    """Return the predecessor's index of every event: both are in order within a ROI."""
    indices = np.full(len(events), -1)
    for roi in np.unique(events.roi):
        indices[events.roi == roi] = find_legacy_peaks(
            traces[:, roi], derivative=params.derivative, height=params.absolute_height or 0.0
        )
    return indices
