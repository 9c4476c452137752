"""Stage conditions: named windows of the session, given by the user."""

from itertools import pairwise

import numpy as np

from ace_nwb.errors import ParameterError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.conditions import read_conditions, write_conditions
from ace_nwb.nwb.content.frames import FrameTimes
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.stages.common.channels import WHOLE
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import ConditionsParams

FORM = '"baseline=0-60,drug=60-120", seconds of the session clock'


def compute(
    session: Session, params: ConditionsParams, context: StageContext
) -> dict[str, np.ndarray]:
    """Check the windows against the recording."""
    windows = parse_windows(params.windows or "")
    times_s = FrameTimes(session).timestamps
    for name, intervals in windows.items():
        start_s, stop_s = intervals[0, 0], intervals[-1, 1]
        if stop_s <= times_s[0] or start_s >= times_s[-1]:
            raise ParameterError(
                f"The condition {name!r} lasts from {start_s:g} to {stop_s:g} s, the movie from "
                f"{times_s[0]:.2f} to {times_s[-1]:.2f} s of the session clock. Give windows "
                "that hold frames."
            )
    known = windows or {
        name: intervals
        for name, intervals in read_conditions(session).items()
        if session.has(layout.CONDITIONS) is False
    }
    context.remarks.append(_summarise(known))
    context.progress(1, 1)
    return windows


def write(writer: SessionWriter, result: dict[str, np.ndarray]) -> None:
    """Write the windows as intervals of the session."""
    write_conditions(writer, result)


def parse_windows(text: str) -> dict[str, np.ndarray]:
    """Read windows such as "baseline=0-60,drug=60-120" as name -> intervals (interval, 2).

    Raises
    ------
    ParameterError
        If the text is not of that form, or windows overlap or are empty.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, span = part.partition("=")
        start, dash, stop = span.strip().partition("-")
        try:
            bounds = (float(start), float(stop))
        except ValueError:
            bounds = (np.nan, np.nan)
        if not (name.strip() and equals and dash and bounds[0] < bounds[1] < np.inf):
            raise ParameterError(
                f"The window {part!r} cannot be read; expected name=start-stop with start before "
                f"stop. Write them as {FORM}."
            )
        if name.strip() == WHOLE:
            raise ParameterError(
                f"The name {WHOLE!r} stands for all of the recording; {part!r} cannot have it. "
                "Choose another name."
            )
        found.setdefault(name.strip(), []).append(bounds)
    _refuse_overlap(found)
    return {name: np.array(sorted(bounds), float) for name, bounds in found.items()}


def _refuse_overlap(found: dict[str, list[tuple[float, float]]]) -> None:
    """Raise if two windows share time."""
    rows = sorted((start, stop, name) for name, spans in found.items() for start, stop in spans)
    for (start, stop, name), (later, end, other) in pairwise(rows):
        if later < stop:
            raise ParameterError(
                f"The windows {name}={start:g}-{stop:g} and {other}={later:g}-{end:g} overlap by "
                f"{min(stop, end) - later:g} s. Give windows that do not."
            )


def _summarise(windows: dict[str, np.ndarray]) -> str:
    """Say which conditions there are."""
    if not windows:
        return f"no conditions; name them with windows={FORM}"
    parts = [f"{name} {np.diff(spans, axis=1).sum():g} s" for name, spans in windows.items()]
    return "conditions: " + ", ".join(parts)
