"""Stage phase: Hilbert phase of the filtered signals, and the ephys phase at calcium events."""

from dataclasses import astuple, dataclass

import numpy as np

from ace_nwb.errors import RequirementError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.events import list_calcium_events, read_events
from ace_nwb.nwb.content.phase import EventPhase, list_filtered_ephys, write_event_phase
from ace_nwb.nwb.content.roi_series import read_roi_series, write_roi_series
from ace_nwb.nwb.content.series import write_series
from ace_nwb.nwb.history import current_runs
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.circular import compute_phase_locking
from ace_nwb.signals.phase import compute_phase, interpolate_phase
from ace_nwb.stages.common.doubt import remark_ambiguity, remark_locking_change
from ace_nwb.stages.common.regular import RegularSignal, frames_on_grid, hilbert_edge
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import PhaseParams

CALCIUM_SIGNALS = {"filtered": layout.CALCIUM_FILTERED, "broadband": layout.DFF_TRACES}


@dataclass(frozen=True)
class Phases:
    """Phases in radians, 0 at the peak: traces (frame, roi), ephys stretches, events per ROI.

    Amplitudes are in the unit of the signal, None if they are not kept.
    """

    calcium: np.ndarray
    ephys: list[RegularSignal]
    event_phase: EventPhase
    calcium_amplitude: np.ndarray | None
    ephys_amplitude: list[RegularSignal] | None


def compute(session: Session, params: PhaseParams, context: StageContext) -> Phases:
    """Compute phases, and how every ROI's events prefer a phase of every ephys channel."""
    remark_ambiguity(session, context)
    if params.calcium_signal == "filtered":
        _validate_band(session)
    grid = frames_on_grid(session, read_roi_series(session, CALCIUM_SIGNALS[params.calcium_signal]))
    is_filtered = params.calcium_signal == "filtered"
    edge = hilbert_edge(session, "filter", grid.rate_hz) if is_filtered else 0
    calcium, calcium_amplitude = compute_phase(grid.values, edge_samples=edge)
    ephys, ephys_amplitude = [], []
    for series in list_filtered_ephys(session):
        edge = hilbert_edge(session, "ephys-filter", series.rate_hz)
        phase, amplitude = compute_phase(series.read(), edge_samples=edge)
        signal = RegularSignal(
            name=series.name.removeprefix("EphysFiltered"),
            path=series.path,
            channel_names=series.channel_names,
            values=phase,
            start_s=series.start_s,
            rate_hz=series.rate_hz,
            kinds=series.kinds,
        )
        ephys.append(signal)
        ephys_amplitude.append(signal.with_values(amplitude))
    remark_locking_change(session, context, lambda moved_s: _locking(session, ephys, moved_s))
    context.progress(1, 1)
    return Phases(
        calcium[grid.positions],
        ephys,
        _lock_events(session, ephys),
        calcium_amplitude[grid.positions] if params.keep_amplitude else None,
        ephys_amplitude if params.keep_amplitude else None,
    )


def write(writer: SessionWriter, result: Phases) -> None:
    """Write the phases, the amplitudes and the table of preferred phases."""
    write_roi_series(
        writer,
        layout.CALCIUM_PHASE,
        result.calcium,
        unit="radians",
        description="Hilbert phase of the traces, 0 at the peak; NaN within gaps.",
    )
    _write_ephys(writer, result.ephys, "Phase", unit="radians")
    if result.calcium_amplitude is not None:
        write_roi_series(
            writer,
            layout.CALCIUM_AMPLITUDE,
            result.calcium_amplitude,
            unit="n.a.",
            description="Instantaneous amplitude of the traces, dF/F; NaN within gaps.",
        )
    _write_ephys(writer, result.ephys_amplitude or [], "Amplitude", unit="volts")
    if len(result.event_phase.roi):
        write_event_phase(writer, result.event_phase)


def _validate_band(session: Session) -> None:
    """Refuse traces that were not filtered to a band: their phase means nothing."""
    run = current_runs(session).get("filter")
    chosen = {p.name: p.value for p in run.parameters} if run else {}
    band_type = chosen.get("band_type", "bandpass")
    if band_type != "bandpass":
        raise RequirementError(
            f"The traces in {session.path.name} were filtered with band_type {band_type}; a "
            "phase needs one band. Run the stage filter with band_type bandpass, or take "
            "calcium_signal = broadband for the phase of the traces as they are."
        )


def _write_ephys(
    writer: SessionWriter, signals: list[RegularSignal], what: str, *, unit: str
) -> None:
    """Write phase or amplitude of the ephys stretches."""
    text = "Hilbert phase, 0 at the peak," if what == "Phase" else "Instantaneous amplitude"
    for signal in signals:
        write_series(
            writer,
            f"/processing/phase/Ephys{what}{signal.name}",
            signal.values.astype(np.float32),
            unit=unit,
            description=f"{text} of {signal.path}. Channels: {', '.join(signal.channel_names)}.",
            rate_hz=signal.rate_hz,
            start_s=signal.start_s,
        )


def _locking(
    session: Session, ephys: list[RegularSignal], moved_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return preferred phases and vector lengths with the events moved by some seconds."""
    found = _lock_events(session, ephys, moved_s)
    return np.asarray(found.preferred_phase, float), np.asarray(found.vector_length, float)


def _lock_events(session: Session, ephys: list[RegularSignal], moved_s: float = 0.0) -> EventPhase:
    """Return one row per ROI and channel: the phases at the ROI's events, over all stretches."""
    n_rois = len(session.get(layout.PLANE_SEGMENTATION))
    rows = []
    for path in list_calcium_events(session):
        table = path.rpartition("/")[2]
        onset_s, columns = read_events(session, path)
        phases = _phases_by_channel(ephys, onset_s + moved_s)
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
