"""Stage events: calcium events of every ROI."""

from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np

from ace_nwb.errors import NothingToDoError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.events import write_calcium_events
from ace_nwb.nwb.content.frames import FrameTimes
from ace_nwb.nwb.content.roi_series import read_roi_series
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.events import (
    CalciumEvents,
    detect_deconvolved_events,
    detect_derivative_events,
    estimate_misfit,
    estimate_noise,
    find_legacy_peaks,
    interpolate_frame_times,
)
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import EventsParams

_LEAST_FRAMES = 3
"""Of a stretch in which events are sought."""


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
    """Detect the events of every stretch without an interruption; give them session times."""
    frames = FrameTimes(session)
    signals = [read_roi_series(session, layout.DFF_TRACES)]
    if signals[0].size and not np.isfinite(signals[0]).any():
        raise NothingToDoError("No ROI has dF/F, so there is nothing to find events in.")
    if params.method == "deconvolution":
        parts = ("Deconvolved", "Denoised")
        signals += [read_roi_series(session, f"{layout.DECONVOLUTION}/{name}") for name in parts]
    noise = estimate_noise(signals[0])
    if params.method == "deconvolution":
        noise = np.fmax(noise, estimate_misfit(signals[0], signals[2]))
    found = []
    for start, stop in pairwise([0, *frames.breaks, len(signals[0])]):
        if stop - start >= _LEAST_FRAMES or not frames.breaks:
            stretch = [values[start:stop] for values in signals]
            found.append(_detect(stretch, frames.timestamps[start:stop], start, noise, params))
    result = _join(found, params)
    context.remarks.append(f"{len(result.events)} events")
    context.progress(1, 1)
    return replace(result, duration_s=result.events.duration / frames.frame_rate_hz)


def _detect(
    signals: list[np.ndarray],
    timestamps_s: np.ndarray,
    start: int,
    noise: np.ndarray,
    params: EventsParams,
) -> TimedEvents:
    """Detect the events of a stretch that begins with frame `start`; durations are missing."""
    if params.method == "derivative":
        options = params.model_dump(exclude={"method"})
        events = detect_derivative_events(signals[0], **options, noise=noise)
    else:
        events = detect_deconvolved_events(
            signals[1], signals[2], noise=noise, threshold_sd=params.threshold_sd
        )
    legacy_index = None
    if params.method == "derivative" and params.absolute_height is not None:
        legacy_index = start + _find_indices(events, signals[0], params)
    onset_s = interpolate_frame_times(events.onset, timestamps_s)
    events = replace(events, onset=events.onset + start, peak=events.peak + start)
    return TimedEvents(params.method, events, onset_s, np.zeros(len(events)), legacy_index)


def _join(parts: list[TimedEvents], params: EventsParams) -> TimedEvents:
    """Return the events of all stretches."""
    columns = [
        np.concatenate([getattr(part.events, field.name) for part in parts])
        for field in fields(CalciumEvents)
    ]
    onset_s = np.concatenate([part.onset_s for part in parts])
    indices = [part.legacy_index for part in parts if part.legacy_index is not None]
    return TimedEvents(
        params.method,
        CalciumEvents(*columns),
        onset_s,
        np.zeros(len(onset_s)),
        np.concatenate(indices) if indices else None,
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
