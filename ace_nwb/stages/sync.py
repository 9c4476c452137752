"""Stage sync: the camera's clock aligned to the ephys clock through the pulses of its frames."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ace_nwb.errors import SyncError, UnknownNameError
from ace_nwb.nwb import layout
from ace_nwb.nwb.events import list_ttl_lines, read_ttl_line
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.nwb.sync import Alignment as StoredAlignment
from ace_nwb.nwb.sync import (
    list_device_series,
    read_device_times,
    read_ledger,
    undo_alignment,
    write_alignment,
)
from ace_nwb.stages.context import StageContext
from ace_nwb.stages.params import SyncParams
from ace_nwb.sync.alignment import Alignment, align_frames
from ace_nwb.sync.evidence import Evidence
from ace_nwb.sync.pulses import FramePulses, choose_line, find_pulses, score_line
from ace_nwb.sync.rows import frame_interval

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

LEDGER_COLUMNS = {
    "pulse": "Row of the frame's edge in the table of the frame line, -1 if none.",
    "session_time_s": "Time on the session clock, s.",
    "confidence": "Probability that the time is right.",
    "residual_s": "Time stamp minus fitted clock, s.",
}


@dataclass(frozen=True)
class _FrameRows:
    """Saved frames as the ledger knows them; arrays have shape (frame,)."""

    ledger_row: np.ndarray
    device_time_s: np.ndarray
    daq_frame: np.ndarray
    n_ledger_rows: int


def not_applicable(session: Session) -> str | None:
    """Say why a file has nothing to align, or None."""
    if not list_ttl_lines(session):
        return "The file holds no TTL lines; times stay on the camera's own clock."
    return None


def compute(session: Session, params: SyncParams, context: StageContext) -> StoredAlignment:
    """Find the frame line, align frames to its pulses, and move every series of the device."""
    rows = _read_rows(session)
    name, pulses = _find_frame_pulses(session, params, rows)
    alignment = align_frames(
        rows.device_time_s,
        pulses.times_s,
        daq_frame=rows.daq_frame,
        max_jitter_ms=params.max_jitter_ms,
        evidence=Evidence(record_press_s=0.0 if params.silent_before_recording else None),
    )
    if alignment.verdict == "fail":
        raise SyncError(
            f"Frames and pulses of {name} do not align: {' '.join(alignment.reasons)} "
            "The file is unchanged. Check that line and movie belong to the same recording."
        )
    context.remarks.extend([f"{name}: {pulses.evidence}", *alignment.evidence, *alignment.reasons])
    context.progress(1, 1)
    times_s = {
        path: alignment.to_session_time(read_device_times(session, path))
        for path in list_device_series(session)
    }
    times_s[layout.MOVIE] = alignment.session_time_s
    return StoredAlignment(
        times_s=times_s,
        ledger=_ledger_columns(rows, pulses, alignment),
        fit=_fit_columns(name, alignment),
        low_confidence_s=np.array(
            [interval[:2] for interval in alignment.low_confidence], float
        ).reshape(-1, 2),
        zero_shift_s=float(alignment.to_session_time(np.zeros(1))[0]),
    )


def undo(writer: SessionWriter) -> None:
    """Give every series of the device its own times back."""
    undo_alignment(writer, LEDGER_COLUMNS)


def write(writer: SessionWriter, result: StoredAlignment) -> None:
    """Write the alignment."""
    write_alignment(writer, result)


def _read_rows(session: Session) -> _FrameRows:
    ledger = read_ledger(session)
    rows = np.flatnonzero(ledger["movie_frame"] >= 0)
    rows = rows[np.argsort(ledger["movie_frame"][rows], kind="stable")]
    daq = ledger.get("daq_frame", np.full(len(ledger["movie_frame"]), -1))
    return _FrameRows(rows, ledger["device_time_s"][rows], daq[rows], len(ledger["movie_frame"]))


def _find_frame_pulses(
    session: Session, params: SyncParams, rows: _FrameRows
) -> tuple[str, FramePulses]:
    """Return the name of the frame line and one pulse per captured frame."""
    lines = {name: read_ttl_line(session, name) for name in list_ttl_lines(session)}
    interval_s = frame_interval(rows.device_time_s)
    name = params.line
    if name is None:
        scores = {
            line: score_line(
                times, levels, frame_interval_s=interval_s, n_frames=len(rows.ledger_row)
            )
            for line, (times, levels) in lines.items()
        }
        name = choose_line(scores)
    if name not in lines:
        raise UnknownNameError.among("TTL line", name, lines)
    times, levels = lines[name]
    return name, find_pulses(
        times, levels, frame_interval_s=interval_s, pulse_mode=params.pulse_mode
    )


def _ledger_columns(
    rows: _FrameRows, pulses: FramePulses, alignment: Alignment
) -> dict[str, tuple[str, np.ndarray]]:
    """Return what the ledger learns: frames that were not saved have no pulse and no time."""
    edge = np.where(alignment.pulse >= 0, pulses.edge[alignment.pulse], -1)
    columns = {
        "pulse": _spread(edge, rows, -1),
        "session_time_s": _spread(alignment.session_time_s, rows, np.nan),
        "confidence": _spread(alignment.confidence, rows, 0.0),
        "residual_s": _spread(alignment.residual_s, rows, np.nan),
    }
    return {name: (LEDGER_COLUMNS[name], values) for name, values in columns.items()}


def _spread(values: np.ndarray, rows: _FrameRows, empty: float) -> np.ndarray:
    """Return one value per ledger row from one per saved frame."""
    spread = np.full(rows.n_ledger_rows, empty, values.dtype)
    spread[rows.ledger_row] = values
    return spread


def _fit_columns(name: str, alignment: Alignment) -> dict[str, tuple[str, list[float] | list[str]]]:
    """Return the clock fit, the counts and the verdict: a table of one row."""
    report, clock = alignment.report, alignment.clock
    columns: dict[str, tuple[str, Any]] = {
        "line": ("Events table with the frame pulses.", [name]),
        "slope": ("Seconds of the session clock per second of the device clock.", [clock.slope]),
        "offset_s": ("Session time of device time zero by the straight line.", [clock.offset_s]),
        "drift_ppm": ("How much faster the device clock runs.", [clock.drift_ppm]),
        "curvature_ms": ("Largest departure from the straight line.", [clock.curvature_ms]),
        "n_clock_jumps": ("Jumps of the device clock.", [float(len(clock.breaks_s))]),
    }
    for key, value in vars(report).items():
        if key.startswith("n_"):
            columns[key] = (COUNTS[key], [float(value)])
    for percent, value in zip((1, 5, 50, 95, 99), report.residual_ms, strict=True):
        text = f"Percentile {percent} of the time stamps' lateness, ms."
        columns[f"residual_p{percent:02d}_ms"] = (text, [float(value)])
    columns["verdict"] = ("pass, warn or fail.", [alignment.verdict])
    columns["reasons"] = ("Why it is not pass.", [" ".join(alignment.reasons) or "none"])
    columns["evidence"] = ("What the alignment rests on.", [" ".join(alignment.evidence)])
    return columns
