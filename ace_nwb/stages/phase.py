"""Stage phase: Hilbert phase of the filtered signals, and the ephys phase at calcium events."""

from dataclasses import astuple, dataclass

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.events import read_events
from ace_nwb.nwb.phase import EventPhase, list_filtered_ephys, write_event_phase
from ace_nwb.nwb.rois import read_roi_series, write_roi_series
from ace_nwb.nwb.series import write_series
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.circular import compute_phase_locking
from ace_nwb.signals.phase import compute_phase, interpolate_phase
from ace_nwb.stages.context import StageContext
from ace_nwb.stages.params import PhaseParams
from ace_nwb.stages.regular import RegularSignal, frames_on_grid

CALCIUM_SIGNALS = {"filtered": "/processing/phase/CalciumFiltered", "broadband": layout.DFF_TRACES}


@dataclass(frozen=True)
class Phases:
    """Phases in radians, 0 at the peak: traces (frame, roi), ephys stretches, events per ROI."""

    calcium: np.ndarray
    ephys: list[RegularSignal]
    event_phase: EventPhase


def compute(session: Session, params: PhaseParams, context: StageContext) -> Phases:
    """Compute phases, and how every ROI's events prefer a phase of every ephys channel."""
    grid = frames_on_grid(session, read_roi_series(session, CALCIUM_SIGNALS[params.calcium_signal]))
    calcium, _ = compute_phase(grid.values)
    ephys = [
        RegularSignal(
            name=series.name.removeprefix("EphysFiltered"),
            path=series.path,
            channel_names=series.channel_names,
            values=compute_phase(series.read())[0],
            start_s=series.start_s,
            rate_hz=series.rate_hz,
        )
        for series in list_filtered_ephys(session)
    ]
    context.progress(1, 1)
    return Phases(calcium[grid.positions], ephys, _lock_events(session, ephys))


def write(writer: SessionWriter, result: Phases) -> None:
    """Write the phases and the table of preferred phases."""
    write_roi_series(
        writer,
        "/processing/phase/CalciumPhase",
        result.calcium,
        unit="radians",
        description="Hilbert phase of the traces, 0 at the peak; NaN within gaps.",
    )
    for signal in result.ephys:
        write_series(
            writer,
            f"/processing/phase/EphysPhase{signal.name}",
            signal.values.astype(np.float32),
            unit="radians",
            description=f"Hilbert phase of {signal.path}, 0 at the peak. Channels: "
            f"{', '.join(signal.channel_names)}.",
            rate_hz=signal.rate_hz,
            start_s=signal.start_s,
        )
    if len(result.event_phase.roi):
        write_event_phase(writer, result.event_phase)


def _lock_events(session: Session, ephys: list[RegularSignal]) -> EventPhase:
    """Return one row per ROI and channel: the phases at the ROI's events, over all stretches."""
    if not session.has("/processing/events"):
        return EventPhase.from_rows([])
    n_rois = len(session.get(layout.PLANE_SEGMENTATION))
    rows = []
    for table in session.h5["/processing/events"]:
        onset_s, columns = read_events(session, f"/processing/events/{table}")
        phases = _phases_by_channel(ephys, onset_s)
        for channel, values in phases.items():
            for roi in range(n_rois):
                locking = compute_phase_locking(values[columns["roi"] == roi])
                rows.append((roi, channel, table, *astuple(locking)))
    return EventPhase.from_rows(rows)


def _phases_by_channel(ephys: list[RegularSignal], onset_s: np.ndarray) -> dict[str, np.ndarray]:
    """Return channel name -> its phase at each time; NaN where the channel was not recorded."""
    phases: dict[str, np.ndarray] = {}
    for stretch in ephys:
        for index, channel in enumerate(stretch.channel_names):
            found = interpolate_phase(stretch.values[:, index], stretch.times_s, times_s=onset_s)
            known = phases.setdefault(channel, np.full(len(onset_s), np.nan))
            known[np.isfinite(found)] = found[np.isfinite(found)]
    return phases
