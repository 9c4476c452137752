"""Stage sync without pulses: a shared hardware clock, a known offset, wall-clock times, flashes."""

from datetime import datetime

import numpy as np

from ace_nwb.errors import ParameterError, SyncError, UnknownNameError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.ephys import list_ephys
from ace_nwb.nwb.content.events import read_ttl_line
from ace_nwb.nwb.content.sync import (
    StoredAlignment,
    list_device_lines,
    list_device_series,
    read_clock_facts,
    read_device_times,
)
from ace_nwb.nwb.session import Session
from ace_nwb.stages.aligning.lines import list_ephys_lines
from ace_nwb.stages.aligning.rows import (
    fit_columns,
    ledger_columns,
    low_columns,
    move_regular_cameras,
    read_frame_rows,
)
from ace_nwb.stages.common.flashes import read_brightness, read_markers
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import SyncParams
from ace_nwb.sync.frames import frame_interval
from ace_nwb.sync.markers import detect_flashes, fit_barcodes, fit_flashes
from ace_nwb.sync.pulses import find_gate
from ace_nwb.sync.shared_clock import KnownClock, apply_known_offset, check_shared_clock

_COARSE_S = 1e-3
"""How far times by edges may be off at least: both sides round to a millisecond."""


def shares_clock(session: Session) -> bool:
    """Return whether the recorder stamped movie and ephys with one hardware clock."""
    return bool(_series_of_clock(session))


def align_shared_clock(
    session: Session, _params: SyncParams, context: StageContext
) -> StoredAlignment:
    """Check that movie and ephys share a hardware clock, and leave their times as they are."""
    facts = read_clock_facts(session)
    series = _series_of_clock(session)
    if not series:
        known = "; ".join(f"{path}: {clock}" for path, (clock, _) in facts.items()) or "nothing"
        raise SyncError(
            "Movie and ephys share no hardware clock by what the recorder said "
            f"({known}). One clock for both was expected. Use method pulses with a TTL line."
        )
    clock, rate_hz = facts[layout.MOVIE]
    movie = session.get(layout.MOVIE)
    known_clock = check_shared_clock(
        read_device_times(session, layout.MOVIE),
        np.array([_span(one) for one in series]),
        clock=clock,
        movie_rate_hz=rate_hz,
        ephys_rates_hz=np.array([facts[one.path][1] for one in series]),
        n_movie_frames=int(movie.data.shape[0]),
    )
    return _store(session, known_clock, context, method="hardware-clock")


def align_by_offset(session: Session, params: SyncParams, context: StageContext) -> StoredAlignment:
    """Move the device by an offset that the user knows."""
    if params.offset_s is None:
        raise ParameterError(
            "sync.method = offset needs sync.offset_s, the ephys time of device time zero (the "
            "record press), seconds; none was given."
        )
    clock = apply_known_offset(
        read_device_times(session, layout.MOVIE),
        offset_s=params.offset_s,
        uncertainty_s=0.0 if params.uncertainty_s is None else params.uncertainty_s,
        drift_ppm=params.drift_ppm,
        source="Offset given by the user",
    )
    return _store(session, clock, context, method="offset")


def align_by_wall_clock(
    session: Session, params: SyncParams, context: StageContext
) -> StoredAlignment:
    """Move the device by the difference of the start times of both recordings."""
    offset_s = (session.start_time - _read_start(params)).total_seconds()
    clock = apply_known_offset(
        read_device_times(session, layout.MOVIE),
        offset_s=offset_s,
        uncertainty_s=1.0 if params.uncertainty_s is None else params.uncertainty_s,
        drift_ppm=params.drift_ppm,
        source="Wall-clock times of both starts",
    )
    return _store(session, clock, context, method="wall-clock")


def align_by_flashes(
    session: Session, params: SyncParams, context: StageContext
) -> StoredAlignment:
    """Fit the device clock through flashes seen in the movie and the TTL line that marks them."""
    name, markers_s = read_markers(session, params.marker_line)
    device_s = read_device_times(session, layout.MOVIE)
    flashes = detect_flashes(read_brightness(session, context), min_z=params.min_flash_z)
    interval_s = frame_interval(device_s)
    near = None
    if params.offset_s is not None:
        slack = interval_s if params.uncertainty_s is None else params.uncertainty_s
        near = (params.offset_s - slack, params.offset_s + slack)
    # a flash comes anywhere within the frame that shows it first: on average in its middle
    fit = fit_flashes(
        device_s[flashes] + 0.5 * interval_s, markers_s, tolerance_s=interval_s, near_s=near
    )
    clock = KnownClock(
        slope=fit.slope,
        offset_s=fit.offset_s,
        uncertainty_s=interval_s,
        confidence=0.25,
        verdict="warn",
        reasons=("times rest on flashes and are certain to one frame only",),
        evidence=(
            f"{fit.n_matched} of {flashes.size} flashes in the movie stand on the {markers_s.size} "
            f"markers of {name}, typically {fit.residual_s * 1e3:.1f} ms off.",
        ),
        n_lost=0,
    )
    return _store(session, clock, context, method="flashes")


def align_by_barcodes(
    session: Session, params: SyncParams, context: StageContext
) -> StoredAlignment:
    """Fit the device clock through an irregular line that device and ephys have both recorded."""
    mine = _choose_table("marker_line", params.marker_line, list_device_lines(session))
    theirs = _choose_table("line", params.line, list_ephys_lines(session))
    device_edges_s = read_device_times(session, f"{layout.EVENTS}/{mine}")
    ephys_edges_s, _ = read_ttl_line(session, theirs)
    fit = fit_barcodes(device_edges_s, ephys_edges_s)
    device_s = read_device_times(session, layout.MOVIE)
    certain_s = max(_COARSE_S, fit.residual_s)
    clock = apply_known_offset(
        device_s,
        offset_s=fit.offset_s,
        uncertainty_s=certain_s,
        drift_ppm=(1 / fit.slope - 1) * 1e6,
        source=f"{fit.n_matched} edges that {mine} and {theirs} both recorded, typically "
        f"{fit.residual_s * 1e3:.2f} ms off one line",
    )
    return _store(session, clock, context, method="barcodes")


def align_by_gate(session: Session, params: SyncParams, context: StageContext) -> StoredAlignment:
    """Take the rise of a line that is high while recording for the record press."""
    device_s = read_device_times(session, layout.MOVIE)
    name = _choose_table("line", params.line, list_ephys_lines(session))
    times, levels = read_ttl_line(session, name)
    span_s = float(device_s[-1] - device_s[0])
    gate = find_gate(times, levels, span_s=span_s)
    if gate is None:
        raise SyncError(
            f"{name} is never high for about as long as the recording lasts, {span_s:.1f} s. A "
            "gate that is high while recording was expected; name another line, or give offset_s."
        )
    rise, fall = gate
    # the first frame comes anywhere within the time that the gate is longer, or within a frame
    slack_s = max(abs(fall - rise - span_s), frame_interval(device_s))
    uncertainty_s = slack_s if params.uncertainty_s is None else params.uncertainty_s
    clock = apply_known_offset(
        device_s,
        offset_s=rise,
        uncertainty_s=uncertainty_s,
        drift_ppm=params.drift_ppm,
        source=f"{name}, high from {rise:.3f} to {fall:.3f} s, its rise taken for the record press",
    )
    return _store(session, clock, context, method="gate")


def _choose_table(parameter: str, named: str | None, known: list[str]) -> str:
    """Return the table named, or the only one."""
    if named is None and len(known) == 1:
        return known[0]
    if named is None:
        raise ParameterError(
            f"sync.{parameter} is not given, and the file has {', '.join(known) or 'no such lines'}"
            ". One line was expected; name it."
        )
    if named not in known:
        raise UnknownNameError.among("TTL line", named, known)
    return named


def _series_of_clock(session: Session) -> list:
    """Return the ephys series that the recorder stamped with the movie's clock."""
    facts = read_clock_facts(session)
    own = facts.get(layout.MOVIE)
    if own is None:
        return []
    return [one for one in list_ephys(session) if facts.get(one.path, ("", 0.0))[0] == own[0]]


def _span(series: object) -> tuple[float, float]:
    """Return the times of first and last sample of an ephys series."""
    start_s, n_samples, rate_hz = series.start_s, series.n_samples, series.rate_hz  # type: ignore[attr-defined]
    return start_s, start_s + (n_samples - 1) / rate_hz


def _read_start(params: SyncParams) -> datetime:
    """Return the wall-clock time of the first ephys sample."""
    if params.ephys_start is None:
        raise ParameterError(
            "sync.method = wall-clock needs sync.ephys_start, the wall-clock time of ephys time "
            "zero with its UTC offset, such as 2025-06-12T15:26:24.5-04:00; none was given."
        )
    return datetime.fromisoformat(params.ephys_start)


def _store(
    session: Session, clock: KnownClock, context: StageContext, *, method: str
) -> StoredAlignment:
    """Return what is to be stored for a clock that is known."""
    rows = read_frame_rows(session)
    times_s, regular = {}, {}
    if (clock.slope, clock.offset_s) != (1.0, 0.0):
        times_s = {
            path: clock.to_session_time(read_device_times(session, path))
            for path in list_device_series(session)
        }
        span_s = float(np.ptp(rows.device_time_s))
        regular = move_regular_cameras(session, span_s, clock.to_session_time)
    frame_times_s = clock.to_session_time(read_device_times(session, layout.MOVIE))
    context.remarks.extend([*clock.evidence, *clock.reasons])
    context.progress(1, 1)
    low_s, low = low_columns((), frame_times_s)
    if clock.reasons and clock.confidence < 1.0:
        span = (float(frame_times_s[0]), float(frame_times_s[-1]), clock.reasons[0])
        low_s, low = low_columns((span,), frame_times_s)
    n_frames = len(rows.ledger_row)
    fit = fit_columns(
        method=method,
        line="",
        slope=clock.slope,
        offset_s=clock.offset_s,
        drift_ppm=clock.drift_ppm,
        verdict=clock.verdict,
        reasons=clock.reasons,
        evidence=clock.evidence,
    )
    fit["uncertainty_s"] = ("How far times may be off, s.", [clock.uncertainty_s])
    fit["n_frames"] = ("Saved frames.", [float(n_frames)])
    fit["n_matched"] = ("Frames that stand on a pulse of their own.", [0.0])
    fit["n_lost"] = ("Frames lost by the intervals of the clock.", [float(clock.n_lost)])
    ledger = ledger_columns(
        rows,
        session_time_s=np.asarray(frame_times_s[:n_frames]),
        confidence=np.full(n_frames, clock.confidence),
        sync_status=np.full(n_frames, "mapped"),
    )
    return StoredAlignment(
        times_s=times_s,
        ledger=ledger,
        fit=fit,
        low_confidence_s=low_s,
        low_confidence=low,
        zero_shift_s=float(clock.to_session_time(np.zeros(1))[0]),
        regular=regular,
    )
