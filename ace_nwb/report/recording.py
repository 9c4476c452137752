"""Read what was recorded: facts, frames, alignment of the clocks. Results are in `results`."""

from typing import Any

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.ephys import list_ephys
from ace_nwb.nwb.content.events import list_event_tables, list_ttl_lines, read_events
from ace_nwb.nwb.content.imaging import read_field
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.sync import (
    read_clock_fit,
    read_device_times,
    read_ledger,
    read_low_confidence,
)
from ace_nwb.nwb.objects.columns import read_columns
from ace_nwb.nwb.session import Session
from ace_nwb.report.content import Facts, Flashes, Frames, Line, SyncFit
from ace_nwb.report.wording import format_duration, format_rate, format_time, plain_label
from ace_nwb.sync.corrections import Correction

MAX_NOTES = 20
_NOTE_COLUMNS = ("text", "note", "message")


def read_facts(session: Session, frames: Frames | None) -> Facts:
    """Return who, when and with what; what the file does not say is left out."""
    nwbfile = session.nwbfile
    subject = nwbfile.subject
    subject_id = getattr(subject, "subject_id", None)
    title = " · ".join(text for text in (subject_id, nwbfile.session_id) if text)
    rows = [
        ("Subject", _join(subject_id, *(getattr(subject, n, None) for n in _SUBJECT_FIELDS))),
        ("Start", format_time(nwbfile.session_start_time)),
        ("Devices", _join(*(_device_text(device) for device in nwbfile.devices.values()))),
        *_movie_rows(session, frames),
        *_ephys_rows(session),
        ("TTL lines", _join(*list_ttl_lines(session))),
    ]
    said = [
        ("Description", nwbfile.session_description),
        ("Experiment", nwbfile.experiment_description),
        ("Notes", "\n".join(_list_notes(session))),
    ]
    return Facts(
        title=plain_label(title or session.path.stem, max_length=80),
        rows=tuple((label, value) for label, value in rows if value),
        free_text=tuple((label, str(text)) for label, text in said if text),
    )


_SUBJECT_FIELDS = ("species", "sex", "age", "genotype")


def read_frames(session: Session) -> Frames | None:
    """Return which frames exist, from the frame ledger where there is one."""
    if not session.has(layout.MOVIE):
        return None
    times_s = NwbMovie(session).timestamps
    intervals_s = np.diff(times_s)
    usual_s = float(np.nanmedian(intervals_s)) if len(intervals_s) else float("nan")
    if session.has(layout.FRAME_LEDGER):
        lost_s = _lost_in_ledger(read_ledger(session), times_s)
    else:
        lost_s = _lost_in_gaps(times_s, usual_s)
    return Frames(
        n_recorded=len(times_s),
        n_lost=len(lost_s),
        rate_hz=1 / usual_s if usual_s > 0 else float("nan"),
        start_s=float(times_s[0]) if len(times_s) else 0.0,
        duration_s=float(times_s[-1] - times_s[0]) if len(times_s) else 0.0,
        lost_times_s=lost_s,
        longest_gap_s=float(np.nanmax(intervals_s, initial=0.0)),
        n_irregular=int(np.sum(~(intervals_s > 0))),
        intervals_s=intervals_s,
    )


def read_sync(session: Session) -> SyncFit | None:
    """Return how well the clocks were aligned, or None before the stage sync."""
    if not session.has(layout.CLOCK_FIT):
        return None
    ledger, fit = read_ledger(session), read_clock_fit(session)
    device_s = read_device_times(session, layout.MOVIE)
    session_s = NwbMovie(session).timestamps
    frame = _saved_rows(ledger, len(session_s))
    has_pulses = "pulse" in ledger
    lateness_s = ledger["residual_s"] if has_pulses else np.zeros(len(ledger["confidence"]))
    is_matched = ledger["pulse"][frame] >= 0 if has_pulses else ledger["confidence"][frame] >= 1
    ahead_s = device_s - lateness_s[frame] - session_s  # without the jitter of the time stamps
    return SyncFit(
        times_s=session_s[is_matched],
        residuals_ms=1e3 * lateness_s[frame][is_matched],
        clock_times_s=session_s,
        clock_difference_ms=1e3 * (ahead_s - ahead_s[0]),
        drift_ppm=float(fit["drift_ppm"][0]),
        n_matched=int(is_matched.sum()),
        n_frames=len(session_s),
        verdict=str(fit["verdict"][0]),
        reasons=str(fit["reasons"][0]),
        line=str(fit["line"][0]) if "line" in fit else "",
        method=str(fit["method"][0]) if "method" in fit else "pulses",
        low_confidence_s=read_low_confidence(session),
        evidence=str(fit["evidence"][0]) if "evidence" in fit else "",
        corrections=_list_corrections(session),
        flashes=_read_flashes(session),
    )


def _list_corrections(session: Session) -> tuple[str, ...]:
    """Return the corrections by people, in words."""
    if not session.has(layout.CORRECTIONS):
        return ()
    columns = read_columns(session.get(layout.CORRECTIONS))
    order = ("kind", "frame", "first_edge", "last_edge", "reason", "author")
    return tuple(
        str(Correction(*row))
        for row in zip(*(columns[name].tolist() for name in order), strict=True)
    )


def _read_flashes(session: Session) -> Flashes | None:
    """Return the check by flashes, or None if it was not made."""
    if not session.has(layout.FLASH_CHECK):
        return None
    table = session.get(layout.FLASH_CHECK)
    columns = read_columns(table)
    return Flashes(columns["marker_time_s"], columns["offset_frames"], str(table.description))


def read_ephys_line(
    session: Session, span_s: tuple[float, float], channel: str | None = None
) -> Line | None:
    """Return one ephys channel within a span of time, the first one if none is named.

    Stretches of the channel are joined, with NaN between them.
    """
    times_s, volts = [], []
    for series in list_ephys(session):
        channel = channel or series.channel_names[0]
        first, last = _sample_range(series, span_s)
        if channel not in series.channel_names or last - first < 2:
            continue
        index = series.channel_names.index(channel)
        times_s += [series.times(first, last), series.times(last - 1, last)]
        volts += [series.read(first, last, channels=[index])[:, 0], np.full(1, np.nan)]
    if channel is None or not times_s:
        return None
    return Line(channel, np.concatenate(times_s), 1e6 * np.concatenate(volts), "µV")


def _sample_range(series: Any, span_s: tuple[float, float]) -> tuple[int, int]:
    """Return the first and one past the last sample of a series inside a span of time."""
    if series.is_regular:
        bounds = (np.asarray(span_s) - series.start_s) * series.rate_hz
        first, last = np.clip(np.ceil(bounds), 0, series.n_samples).astype(int)
        return int(first), int(last)
    first, last = np.searchsorted(series.times(), span_s)
    return int(first), int(last)


def _lost_in_ledger(ledger: dict[str, np.ndarray], times_s: np.ndarray) -> np.ndarray:
    """Return when the frames of the ledger that are not in the movie should have been."""
    frame = ledger["movie_frame"].astype(int)
    lost = frame < 0
    known = ledger.get("session_time_s", np.full(len(frame), np.nan))
    rows = np.flatnonzero(~lost & (frame < len(times_s)))
    if not len(rows):
        return np.empty(0)
    between = np.interp(np.flatnonzero(lost), rows, times_s[frame[rows]])
    return np.where(np.isfinite(known[lost]), known[lost], between)


def _lost_in_gaps(times_s: np.ndarray, usual_s: float) -> np.ndarray:
    """Return when frames are missing, judged by intervals of several usual ones."""
    intervals_s = np.diff(times_s)
    if not usual_s > 0:
        return np.empty(0)
    n_missing = np.clip(np.round(intervals_s / usual_s) - 1, 0, None)
    gaps = np.flatnonzero(np.nan_to_num(n_missing) > 0)
    return np.concatenate(
        [times_s[i] + usual_s * np.arange(1, n_missing[i] + 1) for i in gaps] or [np.empty(0)]
    )


def _saved_rows(ledger: dict[str, np.ndarray], n_frames: int) -> np.ndarray:
    """Return the ledger's row of each frame of the movie, shape (frame,)."""
    frame = ledger["movie_frame"].astype(int)
    rows = np.empty(n_frames, int)
    saved = np.flatnonzero((frame >= 0) & (frame < n_frames))
    rows[frame[saved]] = saved
    return rows


def _movie_rows(session: Session, frames: Frames | None) -> list[tuple[str, str]]:
    if frames is None:
        return []
    field = read_field(session)
    size = f"{field.recorded[1]} × {field.recorded[0]} px"
    if field.shape != field.recorded:
        size += f", analysed {field.shape[1]} × {field.shape[0]}"
    return [
        ("Frames", f"{frames.n_recorded} recorded, {frames.n_lost} lost"),
        ("Frame rate", format_rate(frames.rate_hz)),
        ("Duration", format_duration(frames.duration_s)),
        ("Field", size),
    ]


def _ephys_rows(session: Session) -> list[tuple[str, str]]:
    found: dict[str, float] = {}
    for series in list_ephys(session):
        found |= dict.fromkeys(series.channel_names, series.rate_hz)
    if not found:
        return []
    rates = [format_rate(rate) for rate in sorted(set(found.values()))]
    names = ", ".join(list(found)[:6]) + (" …" if len(found) > 6 else "")
    return [("Ephys", f"{len(found)} channels ({names}), {', '.join(rates)}")]


def _device_text(device: Any) -> str:
    model = getattr(device, "model", None)
    model_name = getattr(model, "name", model)
    return f"{device.name} ({model_name})" if model_name else device.name


def _list_notes(session: Session) -> list[str]:
    """Return what was noted during the recording, each with its time."""
    notes: list[tuple[float, str]] = []
    for path in list_event_tables(session):
        times_s, columns = read_events(session, path)
        texts = next((columns[name] for name in _NOTE_COLUMNS if name in columns), None)
        if texts is not None and texts.dtype.kind == "U":
            notes += zip(times_s.tolist(), texts.tolist(), strict=True)
    return [f"{time_s:.1f} s: {text}" for time_s, text in sorted(notes)[:MAX_NOTES]]


def _join(*texts: Any) -> str:
    """Return what is known of several texts, separated by commas."""
    return ", ".join(str(text) for text in texts if text)
