"""What the alignment leaves open, told by every stage whose result depends on it."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.frames import FrameTimes
from ace_nwb.nwb.content.sync import read_clock_fit, read_ledger
from ace_nwb.nwb.session import Session
from ace_nwb.stages.running.context import StageContext

_NEGLIGIBLE = 1e-3
"""Shifts less probable than that are not tried: a thousand to one is what counts as certain."""


def remark_ambiguity(session: Session, context: StageContext) -> None:
    """Say in the history of the run that calcium and ephys may stand some frames apart.

    Parameters
    ----------
    session
        The open session; without an alignment, or with one that is sure, nothing is said.
    context
        Takes the remark.
    """
    if not session.has(layout.CLOCK_FIT):
        return
    fit = read_clock_fit(session)
    if str(fit["verdict"][0]) != "ambiguous":
        return
    said = str(fit["reasons"][0]).split(";")[0]
    context.remarks.append(
        f"The alignment is {said}. All lags and phases between calcium and ephys may be off by "
        "that; measure the rig (frames_before_first_edge) and repeat sync to settle it"
    )


def possible_moves_s(session: Session) -> dict[int, float]:
    """Return frames -> seconds by which most frames may stand aside; empty if it is sure.

    Parameters
    ----------
    session
        The open session.
    """
    ledger = read_ledger(session) if session.has(layout.FRAME_LEDGER) else {}
    texts = Counter(str(text) for text in ledger.get("possible_shifts", []) if str(text))
    if not texts:
        return {}
    interval_s = float(np.median(np.diff(FrameTimes(session).timestamps)))
    shares = [part.split(":") for part in texts.most_common(1)[0][0].split()]
    return {
        int(shift): int(shift) * interval_s
        for shift, chance in shares
        if int(shift) and float(chance) >= _NEGLIGIBLE
    }


def remark_locking_change(
    session: Session,
    context: StageContext,
    lock: Callable[[float], tuple[np.ndarray, np.ndarray]],
) -> None:
    """Repeat a locking at each possible shift of the frames, and say its largest change.

    Parameters
    ----------
    session
        The open session.
    context
        Takes the remark.
    lock
        Seconds by which calcium is moved -> preferred phases (radians) and vector lengths, one row
        per test, nan where there is none.
    """
    moves_s = possible_moves_s(session)
    if not moves_s:
        return
    phase, length = lock(0.0)
    turned, stretched = [0.0], [0.0]
    for moved_s in moves_s.values():
        other_phase, other_length = lock(moved_s)
        turned.append(_largest(np.angle(np.exp(1j * (other_phase - phase)))))
        stretched.append(_largest(other_length - length))
    context.remarks.append(
        f"{_name(moves_s)}: preferred phases turn by at most {max(turned):.2f} rad, vector lengths "
        f"change by at most {max(stretched):.3f}"
    )


def remark_change(
    session: Session,
    context: StageContext,
    what: str,
    compute: Callable[[float], np.ndarray],
) -> None:
    """Repeat a result at each possible shift of the frames, and say its largest change.

    Parameters
    ----------
    session
        The open session.
    context
        Takes the remark.
    what
        Name of the values, with their unit.
    compute
        Seconds by which calcium is moved -> values of one shape.
    """
    moves_s = possible_moves_s(session)
    if moves_s:
        values = compute(0.0)
        most = max(_largest(compute(moved_s) - values) for moved_s in moves_s.values())
        size = _largest(values)
        context.remarks.append(
            f"{_name(moves_s)}: {what} changes by at most {most:.3g} (largest value {size:.3g})"
        )


def _name(moves_s: dict[int, float]) -> str:
    frames = ", ".join(f"{shift:+d}" for shift in moves_s)
    return f"Repeated with calcium moved by {frames} frames, as the alignment leaves possible"


def _largest(values: np.ndarray) -> float:
    """Return the largest absolute value, 0 if there is none."""
    known = np.abs(values[np.isfinite(values)])
    return float(known.max(initial=0.0))
