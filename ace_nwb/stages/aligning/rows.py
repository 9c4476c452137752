"""What every way of aligning shares: the saved frames, and the columns that tell the result."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ace_nwb.nwb.content.sync import read_ledger, read_regular_cameras
from ace_nwb.nwb.objects.columns import Columns
from ace_nwb.nwb.session import Session

LEDGER_COLUMNS = {
    "pulse": "Row of the frame's edge in the table of the frame line, -1 if none.",
    "pulse_line": "Table of that edge, where several lines carry pulses; empty if none.",
    "session_time_s": "Time on the session clock, s.",
    "confidence": "Probability that the time is right.",
    "residual_s": "Time stamp minus fitted clock, s.",
    "possible_shifts": "Frames by which the time may be off and their probabilities (+1: captured "
    "one frame later); empty if none but 0 is possible.",
    "sync_status": "matched: on a pulse of its own; interpolated: between pulses; predicted: by "
    "the clock; mapped: by a clock that is known; empty for a lost frame.",
}
"""Columns that aligning adds to the frame ledger."""


@dataclass(frozen=True)
class SavedFrames:
    """Saved frames as the ledger knows them; arrays have shape (frame,)."""

    ledger_row: np.ndarray
    device_time_s: np.ndarray
    daq_frame: np.ndarray
    n_ledger_rows: int

    def spread(self, values: np.ndarray, empty: Any) -> np.ndarray:
        """Return one value per ledger row from one per saved frame."""
        spread = np.full(self.n_ledger_rows, empty, values.dtype)
        spread[self.ledger_row] = values
        return spread


def read_frame_rows(session: Session) -> SavedFrames:
    """Read the saved frames from the ledger, in the order of the movie."""
    ledger = read_ledger(session)
    rows = np.flatnonzero(ledger["movie_frame"] >= 0)
    rows = rows[np.argsort(ledger["movie_frame"][rows], kind="stable")]
    daq = ledger.get("daq_frame", np.full(len(ledger["movie_frame"]), -1))
    return SavedFrames(rows, ledger["device_time_s"][rows], daq[rows], len(ledger["movie_frame"]))


def move_regular_cameras(
    session: Session, device_span_s: float, to_session_time: Callable[[np.ndarray], np.ndarray]
) -> dict[str, tuple[float, float]]:
    """Return rate and first time, session clock, of the cameras that have a rate only.

    Parameters
    ----------
    session
        The open session.
    device_span_s
        How long the recording lasted by the device clock.
    to_session_time
        Maps times of the device clock.
    """
    moved = {}
    for path, (rate_hz, start_s) in read_regular_cameras(session).items():
        first_s, last_s = to_session_time(np.array([start_s, start_s + device_span_s]))
        moved[path] = (rate_hz * device_span_s / float(last_s - first_s), float(first_s))
    return moved


def ledger_columns(rows: SavedFrames, **values: np.ndarray) -> Columns:
    """Return ledger columns; lost frames have no pulse, no time and no status."""
    empty = {"pulse": -1, "session_time_s": np.nan, "residual_s": np.nan, "confidence": 0.0}
    return {
        name: (LEDGER_COLUMNS[name], rows.spread(found, empty.get(name, "")))
        for name, found in values.items()
    }


def fit_columns(
    *,
    method: str,
    line: str,
    slope: float,
    offset_s: float,
    drift_ppm: float,
    verdict: str,
    reasons: tuple[str, ...],
    evidence: tuple[str, ...],
) -> dict[str, tuple[str, Any]]:
    """Return the columns of the clock fit that every way of aligning has: a table of one row."""
    return {
        "method": ("How the clocks were aligned.", [method]),
        "line": ("Events table with the frame pulses, empty without.", [line]),
        "slope": ("Seconds of the session clock per second of the device clock.", [slope]),
        "offset_s": ("Session time of device time zero by the straight line.", [offset_s]),
        "drift_ppm": ("How much faster the device clock runs.", [drift_ppm]),
        "verdict": ("pass, warn, ambiguous or fail.", [verdict]),
        "reasons": ("Why it is not pass.", ["; ".join(reasons) or "none"]),
        "evidence": ("What the alignment rests on.", [" ".join(evidence)]),
    }


def low_columns(
    intervals: tuple[tuple[float, float, str], ...], times_s: np.ndarray
) -> tuple[np.ndarray, Columns]:
    """Return doubtful stretches, shape (n, 2), and their frames and reasons as columns."""
    stretches = np.array([interval[:2] for interval in intervals], float).reshape(-1, 2)
    first = np.searchsorted(times_s, stretches[:, 0])
    last = np.searchsorted(times_s, stretches[:, 1], side="right") - 1
    return stretches, {
        "reason": ("Why times are doubtful here.", [interval[2] for interval in intervals]),
        "first_frame": ("First frame of the movie.", first.astype(np.int64)),
        "last_frame": ("Last frame of the movie.", last.astype(np.int64)),
    }
