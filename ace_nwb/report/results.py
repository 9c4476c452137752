"""Read what the stages found: images, ROIs, traces, events, spectra, phases, history."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.ephys import describe_series
from ace_nwb.nwb.content.events import read_events
from ace_nwb.nwb.content.imaging import read_field, read_motion, read_projections
from ace_nwb.nwb.content.phase import list_filtered_ephys, read_event_phase
from ace_nwb.nwb.content.roi_series import read_roi_table
from ace_nwb.nwb.content.rois import read_footprints
from ace_nwb.nwb.content.series import read_series, read_times
from ace_nwb.nwb.content.spectra import read_spectrogram
from ace_nwb.nwb.history import StageRun
from ace_nwb.nwb.session import Session
from ace_nwb.report.content import (
    Brightness,
    Events,
    HistoryRow,
    Motion,
    Outlines,
    Phases,
    Rois,
    Spectrogram,
    StageRow,
    Traces,
)
from ace_nwb.report.imaging import trace_outline
from ace_nwb.signals.phase import interpolate_phase
from ace_nwb.signals.runs import find_breaks
from ace_nwb.stages.common.choosing import final_acceptance
from ace_nwb.stages.running.status import StageStatus

N_TRACES = 20
SPECTRAL = "/processing/spectral"
EVENTS = "/processing/events"
MAX_P = 0.05
MIN_EVENTS = 5  # below, a vector is long by chance
_TRACE_PAIRS = (
    (layout.DFF_TRACES, f"{layout.DECONVOLUTION}/Denoised", "ΔF/F"),
    (layout.RAW_TRACES, layout.DENOISED_TRACES, "a.u."),
)


def read_images(session: Session) -> dict[str, np.ndarray]:
    """Return the summary images by name, none before the stage summary."""
    return read_projections(session) if session.has(layout.IMAGES) else {}


def read_brightness(session: Session) -> Brightness | None:
    """Return the mean fluorescence with the bleaching trend scaled to it."""
    if not session.has(layout.MEAN_FLUORESCENCE):
        return None
    times_s, mean = read_series(session, layout.MEAN_FLUORESCENCE)
    if not session.has(layout.BLEACHING_TREND):
        return Brightness(times_s, mean, None)
    trend = read_series(session, layout.BLEACHING_TREND)[1]
    return Brightness(times_s, mean, trend * np.nanmedian(mean / trend))


def read_shifts(session: Session, runs: dict[str, StageRun]) -> Motion | None:
    """Return the shift of every frame and the largest one that was searched."""
    if not session.has(layout.MOTION_SHIFTS):
        return None
    shifts, quality = read_motion(session)
    times_s = read_times(session.get(layout.MOTION_SHIFTS))
    parameters = runs["motion"].parameters if "motion" in runs else ()
    bound = next((float(p.value) for p in parameters if p.name == "max_shift_px"), None)
    return Motion(times_s, shifts, quality, bound)


def read_rois(session: Session) -> tuple[Rois, Outlines] | tuple[None, None]:
    """Return the table of ROIs and their outlines in the analysed field."""
    if not session.has(layout.PLANE_SEGMENTATION):
        return None, None
    table = read_roi_table(session)
    footprints = read_footprints(session)
    n_rois = footprints.shape[1]
    accepted = final_acceptance(table)
    rois = Rois(n_rois, accepted, table.get("snr"), table.get("r_value"), "snr" in table)
    n_columns = read_field(session).shape[1]
    contours = []
    for first, last in pairwise(footprints.indptr):
        rows, columns = np.divmod(footprints.indices[first:last], n_columns)
        contours.append(trace_outline(rows, columns, footprints.data[first:last]))
    return rois, Outlines(np.asarray(table["id"]), tuple(contours), accepted)


def read_traces(session: Session, rois: Rois | None) -> Traces | None:
    """Return the traces of the best ROIs: dF/F where it exists, else fluorescence."""
    pair = next((pair for pair in _TRACE_PAIRS if session.has(pair[0])), None)
    if pair is None or rois is None:
        return None
    raw_path, denoised_path, unit = pair
    best = choose_best(rois)
    series = session.get(raw_path)
    denoised = (
        _read_columns_of(session.get(denoised_path), best) if session.has(denoised_path) else None
    )
    numbers = np.asarray(session.get(layout.PLANE_SEGMENTATION).id[:])[best]
    return Traces(read_times(series), numbers, _read_columns_of(series, best), denoised, unit)


def choose_best(rois: Rois) -> np.ndarray:
    """Return the rows of the accepted ROIs with the highest signal-to-noise ratio, best first."""
    candidates = np.flatnonzero(rois.accepted)
    if rois.snr is not None:
        snr = np.nan_to_num(rois.snr[candidates], nan=-np.inf)
        candidates = candidates[np.argsort(-snr, kind="stable")]
    return candidates[:N_TRACES]


def read_calcium_events(
    session: Session, rois: Rois | None, span_s: tuple[float, float]
) -> Events | None:
    """Return the calcium events of the accepted ROIs."""
    names = _names(session, "events", "CalciumEvents")
    if not names or rois is None:
        return None
    times_s, columns = read_events(session, f"{EVENTS}/{names[0]}")
    kept = rois.accepted[columns["roi"]]
    rank = np.cumsum(rois.accepted) - 1
    n_accepted = int(rois.accepted.sum())
    return Events(times_s[kept], rank[columns["roi"][kept]], n_accepted, span_s, names[0])


def read_spectrograms(session: Session, channel: str | None) -> tuple[Spectrogram, ...]:
    """Return the spectrogram of calcium and of one ephys channel, where they exist."""
    names = _names(session, "spectral")
    ephys = [_read_ephys_spectrogram(session, n, channel) for n in names if n.startswith("Ephys")]
    calcium = [
        _split_at_gaps(
            session, f"{SPECTRAL}/{name}", index=0, name="mean calcium trace", is_ephys=False
        )
        for name in names
        if name.startswith("Calcium")
    ]
    found = [pieces for pieces in ephys if pieces][:1] + calcium[:1]
    return tuple(piece for pieces in found for piece in pieces)


def read_phases(session: Session, rois: Rois | None, events: Events | None) -> Phases | None:
    """Return how events lie on the phase of the ephys channel that most ROIs are locked to."""
    found = read_event_phase(session)
    if rois is None or events is None or not len(found.roi):
        return None
    known = np.isfinite(found.preferred_phase) & (found.events == events.table)
    known &= rois.accepted[found.roi]
    if not known.any():
        return None
    channels, inverse = np.unique(found.channel, return_inverse=True)
    locked = np.bincount(inverse, known & (found.rayleigh_p < MAX_P), minlength=len(channels))
    channel = str(channels[int(np.argmax(locked))])
    rows = known & (found.channel == channel) & (found.n_events >= MIN_EVENTS)
    return Phases(
        channel=channel,
        event_phases_rad=_event_phases(session, channel, events),
        numbers=found.roi[rows],
        preferred_rad=found.preferred_phase[rows],
        vector_length=found.vector_length[rows],
        p_value=found.rayleigh_p[rows],
    )


def list_stages(statuses: Sequence[StageStatus], runs: dict[str, StageRun]) -> tuple[StageRow, ...]:
    """Return one row per stage: its status and what is known of its current run."""
    rows = []
    for status in statuses:
        run = runs.get(status.stage)
        remark = " · ".join(text for text in (status.reason, run.warnings if run else "") if text)
        rows.append(
            StageRow(
                name=status.stage,
                status=status.state,
                changed=_changed(run) if run else (),
                duration_s=run.duration_s if run else None,
                version=_version(run) if run else "",
                remark=remark if run else "",
            )
        )
    return tuple(rows)


def list_history(runs: Sequence[StageRun]) -> tuple[HistoryRow, ...]:
    """Return every run with all its parameters, the latest first."""
    return tuple(
        HistoryRow(
            run_id=f"run {run.run_id}",
            stage=run.stage if run.action == "run" else f"{run.stage} removed",
            started=run.started,
            version=run.software,
            duration_s=run.duration_s,
            parameters=tuple((p.name, p.value, p.source) for p in run.parameters),
        )
        for run in reversed(runs)
    )


def _changed(run: StageRun) -> tuple[str, ...]:
    return tuple(f"{p.name} = {p.value}" for p in run.parameters if p.source != "default")


def _version(run: StageRun) -> str:
    """Return ace_nwb's version, and the engine where there is a choice."""
    software = dict(part.rpartition(" ")[::2] for part in run.software.split(", "))
    return " · ".join(text for text in (software.get("ace-nwb", ""), run.engine) if text)


def _names(session: Session, module: str, prefix: str = "") -> list[str]:
    """Return the names of the objects of a processing module, sorted."""
    names = [path.rpartition("/")[2] for path in session.members(f"/processing/{module}")]
    return [name for name in names if name.startswith(prefix)]


def _read_columns_of(series: Any, rows: np.ndarray) -> np.ndarray:
    """Return some ROIs of a series, shape (frame, chosen), without reading the others."""
    order = np.argsort(rows)
    values = np.asarray(series.data[:, rows[order]], float)
    return values[:, np.argsort(order)]


def _read_ephys_spectrogram(session: Session, name: str, channel: str | None) -> list[Spectrogram]:
    """Return the spectrogram of one channel, a piece per gap-free stretch; none if not there."""
    path = f"{SPECTRAL}/{name}"
    names = describe_series(path, session.get(path).source_timeseries).channel_names
    if channel and channel not in names:
        return []
    index = names.index(channel) if channel else 0
    return _split_at_gaps(session, path, index=index, name=names[index], is_ephys=True)


def _split_at_gaps(
    session: Session, path: str, *, index: int, name: str, is_ephys: bool
) -> list[Spectrogram]:
    """Return one channel of a spectrogram, a piece per gap-free stretch."""
    found = read_spectrogram(session, path)
    times_s = found["times_s"]
    frequencies_hz = found["band_limits_hz"].mean(axis=1)
    return [
        Spectrogram(name, times_s[rows], frequencies_hz, found["power"][rows, index], is_ephys)
        for rows in np.split(np.arange(len(times_s)), find_breaks(times_s))
    ]


def _event_phases(session: Session, channel: str, events: Events) -> np.ndarray:
    """Return the phase of a channel at every event, over all its stretches."""
    found = []
    for stretch in list_filtered_ephys(session):
        path = f"/processing/phase/{stretch.name.replace('EphysFiltered', 'EphysPhase')}"
        if channel not in stretch.channel_names or not session.has(path):
            continue
        times_s, phases = read_series(session, path)
        column = phases.reshape(len(phases), -1)[:, stretch.channel_names.index(channel)]
        found.append(interpolate_phase(column, times_s, times_s=events.times_s))
    phases = np.concatenate(found or [np.empty(0)])
    return phases[np.isfinite(phases)]
