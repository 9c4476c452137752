"""Stage sync by pulses: the TTL line of the frames found, and frames matched to its edges."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ace_nwb.errors import ParameterError, SyncError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.ephys import list_ephys
from ace_nwb.nwb.content.sync import StoredAlignment, list_device_series, read_device_times
from ace_nwb.nwb.objects.columns import Columns
from ace_nwb.nwb.session import Session
from ace_nwb.stages.aligning.lines import LinePulses, find_line_pulses
from ace_nwb.stages.aligning.recorder import find_frames_per_pulse, find_recorder
from ace_nwb.stages.aligning.rows import (
    SavedFrames,
    fit_columns,
    ledger_columns,
    low_columns,
    move_regular_cameras,
    read_frame_rows,
)
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import SyncParams
from ace_nwb.sync.alignment import TRUSTED, Alignment, align_frames
from ace_nwb.sync.corrections import Correction, parse_corrections
from ace_nwb.sync.evidence import RECORDERS, UNKNOWN, Evidence

COUNTS = {
    "n_frames": "Saved frames.",
    "n_pulses": "Pulses of the line.",
    "n_matched": "Frames that stand on a pulse of their own.",
    "n_interpolated": "Frames without a pulse, timed between the pulses around.",
    "n_predicted": "Frames where no pulses are, timed by the clock model.",
    "n_lost": "Pulses during the recording without a saved frame.",
    "n_spurious": "Pulses during the recording that no frame made.",
    "n_before": "Pulses before the first frame.",
    "n_after": "Pulses after the last frame.",
    "n_flagged": "Frames whose time is doubtful.",
}
_RECORDERS_OWN = 3
"""Frames that the start of a recorder leaves open in the usual way: more needs to be accepted."""

_NEGLIGIBLE = 1e-3
"""Shifts less probable than that are not counted among those."""

_STAMPED = 0.95
"""Share of a series' times that equal time stamps of frames, if it was read with the frames."""


def align(session: Session, params: SyncParams, context: StageContext) -> StoredAlignment:
    """Find the frame line, align frames to its pulses, and move every series of the device."""
    rows = read_frame_rows(session)
    corrections = parse_corrections(params.corrections)
    pulses = _exclude(find_line_pulses(session, params, rows.device_time_s), corrections)
    recorder = find_recorder(session, params)
    evidence = Evidence(
        record_press_s=_record_press(rows) if recorder.is_silent_before else None,
        recorder=recorder,
        frames_per_pulse=find_frames_per_pulse(session, params),
        max_latency_s=params.max_latency_ms / 1e3,
        recorded_s=_find_span(session),
        lost_at_start=params.lost_at_start,
        lost_at_end=params.lost_at_end,
        pins=_find_pins(pulses, corrections, n_frames=len(rows.ledger_row)),
    )
    alignment = align_frames(
        rows.device_time_s,
        pulses.times_s,
        daq_frame=rows.daq_frame,
        max_jitter_ms=params.max_jitter_ms,
        evidence=evidence,
    )
    name = ",".join(pulses.names)
    if alignment.verdict == "fail":
        raise SyncError(
            f"Frames and pulses of {name} do not align: {'; '.join(alignment.reasons)}. A few per "
            "cent at most were expected. The file is unchanged. Check that line and movie belong "
            f"to the same recording. {' '.join(alignment.terms)}"
        )
    _refuse_ambiguity(alignment, params)
    found = [*alignment.evidence, *alignment.terms, *alignment.reasons]
    context.remarks.extend([f"{name}: {pulses.evidence}", *found])
    context.progress(1, 1)
    times_s = {
        path: _place_on_frames(read_device_times(session, path), rows.device_time_s, alignment)
        for path in list_device_series(session)
    }
    times_s |= _align_cameras(session, params, context)
    times_s[layout.MOVIE] = alignment.session_time_s
    low_s, low = low_columns(alignment.low_confidence, alignment.session_time_s)
    return StoredAlignment(
        times_s=times_s,
        ledger=_describe_frames(rows, pulses, alignment),
        fit=_describe_fit(name, alignment),
        low_confidence_s=low_s,
        low_confidence=low,
        zero_shift_s=float(alignment.to_session_time(np.zeros(1))[0]),
        corrections=describe_corrections(corrections),
        regular=move_regular_cameras(
            session, float(np.ptp(rows.device_time_s)), alignment.to_session_time
        ),
    )


def _align_cameras(
    session: Session, params: SyncParams, context: StageContext
) -> dict[str, np.ndarray]:
    """Return path -> session times of the cameras that have a frame line of their own."""
    found, known = {}, list_device_series(session)
    for pair in filter(None, (params.camera_lines or "").split(",")):
        camera, _, line = (part.strip() for part in pair.partition("="))
        path = next((one for one in known if one.rpartition("/")[2] == camera), None)
        if path is None or not line:
            names = [one.rpartition("/")[2] for one in known if one != layout.MOVIE]
            raise ParameterError(
                f"sync.camera_lines: {pair.strip()!r} names no camera and its line. Expected is "
                f"CAMERA=LINE with one of {', '.join(names) or 'no cameras'}."
            )
        device_s = read_device_times(session, path)
        own = params.model_copy(update={"line": line, "frames_per_pulse": 1, "analog_line": None})
        pulses = find_line_pulses(session, own, device_s)
        recorder = RECORDERS.get(params.recorder, UNKNOWN)
        evidence = Evidence(recorder=recorder, recorded_s=_find_span(session))
        alignment = align_frames(device_s, pulses.times_s, evidence=evidence)
        if alignment.verdict == "fail":
            raise SyncError(
                f"Frames of {camera} and pulses of {line} do not align: "
                f"{'; '.join(alignment.reasons)}. One pulse per frame was expected; name its line. "
                + " ".join(alignment.terms)
            )
        said = "; ".join([alignment.verdict, *alignment.reasons, *alignment.terms])
        context.remarks.append(f"{camera} by its own line {line}: {pulses.evidence}; {said}")
        found[path] = alignment.session_time_s
    return found


def _place_on_frames(times_s: np.ndarray, frames_s: np.ndarray, alignment: Alignment) -> np.ndarray:
    """Return session times of a device series: of its frame where it is stamped with one."""
    placed = alignment.to_session_time(times_s)
    known, first, count = np.unique(frames_s, return_index=True, return_counts=True)
    at = np.minimum(np.searchsorted(known, times_s), known.size - 1)
    is_stamped = (known[at] == times_s) & (count[at] == 1)
    # a few stamps agree by chance, in milliseconds; all of them only in a series of the frames
    if not times_s.size or is_stamped.mean() < _STAMPED:
        return placed
    placed[is_stamped] = alignment.session_time_s[first[at[is_stamped]]]
    return np.asarray(np.maximum.accumulate(placed))


def _refuse_ambiguity(alignment: Alignment, params: SyncParams) -> None:
    """Raise if more frames are left open than a recorder does, and nobody accepts that."""
    reach = max((abs(s) for s, p in alignment.shifts if p > _NEGLIGIBLE), default=0)
    if alignment.verdict != "ambiguous" or reach <= _RECORDERS_OWN or params.accept_ambiguity:
        return
    raise SyncError(
        f"The frames fit the pulses in more than one way: {alignment.reasons[0]}. "
        f"At most {_RECORDERS_OWN} frames were expected. The file is unchanged. "
        "To decide, state what you know: lost_at_start or lost_at_end, the "
        "number of pulses before the first or after the last saved frame (0 if the first pulse is "
        "the first frame), frames_before_first_edge as measured on this rig, or a correction that "
        "pins one frame to its edge; or take it as it is with accept_ambiguity. "
        + " ".join(alignment.terms)
    )


def _find_span(session: Session) -> tuple[float, float] | None:
    """Return first and last instant at which ephys can have seen pulses."""
    series = list_ephys(session)
    if not series:
        return None
    stop_s = max(one.start_s + one.n_samples / one.rate_hz for one in series)
    return min(one.start_s for one in series), stop_s


def _record_press(rows: SavedFrames) -> float | None:
    """Return the device time of the record press; unknown where the first frame is time zero."""
    return None if rows.device_time_s[0] == 0.0 else 0.0


def describe_corrections(corrections: tuple[Correction, ...]) -> Columns:
    """Return the columns of the table of corrections; none if there are none."""
    if not corrections:
        return {}
    texts = {
        "kind": "pin: the frame was captured at this edge; exclude: these edges are no frames.",
        "frame": "Frame of the movie that is pinned, -1 for an exclusion.",
        "first_edge": "Row in the table of the frame line.",
        "last_edge": "Last such row.",
        "reason": "Why.",
        "author": "Who says so.",
    }
    return {name: (text, [getattr(c, name) for c in corrections]) for name, text in texts.items()}


def _exclude(pulses: LinePulses, corrections: tuple[Correction, ...]) -> LinePulses:
    """Leave out the pulses that a person has excluded."""
    kept = np.ones(pulses.edge.size, dtype=bool)
    for one in corrections:
        if one.kind == "exclude":
            kept &= (pulses.edge < one.first_edge) | (pulses.edge > one.last_edge)
    return LinePulses(
        pulses.names, pulses.times_s[kept], pulses.edge[kept], pulses.line[kept], pulses.evidence
    )


def _find_pins(
    pulses: LinePulses, corrections: tuple[Correction, ...], *, n_frames: int
) -> Mapping[int, int]:
    """Return frame -> pulse of the pins."""
    pins = {}
    for one in corrections:
        if one.kind != "pin":
            continue
        place = np.flatnonzero(pulses.edge == one.first_edge)
        if not 0 <= one.frame < n_frames or place.size != 1:
            raise ParameterError(
                f"The correction '{one}' names frame {one.frame} of {n_frames} and edge "
                f"{one.first_edge}, which is {'no' if place.size == 0 else 'not one'} pulse of "
                f"{','.join(pulses.names)}. Frames and edges are counted from 0, as in the columns "
                "movie_frame and pulse of the frame ledger."
            )
        pins[one.frame] = int(place[0])
    return pins


def _describe_frames(rows: SavedFrames, pulses: LinePulses, alignment: Alignment) -> Columns:
    """Return what the ledger learns."""
    has_pulse = alignment.pulse >= 0
    columns = {
        "pulse": np.where(has_pulse, pulses.edge[alignment.pulse], -1),
        "session_time_s": alignment.session_time_s,
        "confidence": alignment.confidence,
        "residual_s": alignment.residual_s,
        "sync_status": alignment.status,
        "possible_shifts": _name_shifts(alignment),
    }
    if len(pulses.names) > 1:
        names = np.array(["", *pulses.names])
        columns["pulse_line"] = names[np.where(has_pulse, pulses.line[alignment.pulse] + 1, 0)]
    return ledger_columns(rows, **columns)


def _name_shifts(alignment: Alignment) -> np.ndarray:
    """Return the shifts that remain possible of each frame, as text such as "-1:0.2 0:0.7"."""
    texts = []
    for one in alignment.stretches:
        text = " ".join(f"{shift:+d}:{chance:.2g}" for shift, chance in one.shifts.items())
        texts += ["" if one.shifts[0] >= TRUSTED else text] * (one.stop - one.first)
    return np.array(texts)


def _describe_fit(name: str, alignment: Alignment) -> Columns:
    """Return the clock fit, the counts and the verdict: a table of one row."""
    report, clock = alignment.report, alignment.clock
    columns: dict[str, tuple[str, Any]] = fit_columns(
        method="pulses",
        line=name,
        slope=clock.slope,
        offset_s=clock.offset_s,
        drift_ppm=clock.drift_ppm,
        verdict=alignment.verdict,
        reasons=alignment.reasons,
        evidence=(*alignment.evidence, *alignment.terms),
    )
    columns["curvature_ms"] = ("Largest departure from the straight line.", [clock.curvature_ms])
    columns["ambiguity_frames"] = (
        "Frames by which most frames may stand aside.",
        [float(max(abs(s) for s, p in alignment.shifts if p >= _NEGLIGIBLE or s == 0))],
    )
    columns["n_clock_jumps"] = ("Jumps of the device clock.", [float(len(clock.breaks_s))])
    for key, value in vars(report).items():
        if key.startswith("n_"):
            columns[key] = (COUNTS[key], [float(value)])
    for percent, value in zip((1, 5, 50, 95, 99), report.residual_ms, strict=True):
        text = f"Percentile {percent} of the time stamps' lateness, ms."
        columns[f"residual_p{percent:02d}_ms"] = (text, [float(value)])
    return columns
