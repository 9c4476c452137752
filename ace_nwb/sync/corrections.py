"""Corrections of an alignment by a person: named records with a reason, which matching obeys.

A record reads `pin frame 120 to edge 133: flash seen (A. Meyer)` or
`exclude edges 10-57: cable plugged (A. Meyer)`; several are joined by semicolons. Frames count in
the movie, edges in the table of the frame line, both from 0, as in the frame ledger.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from ace_nwb.errors import ParameterError

_PIN = re.compile(r"pin frame (?P<frame>\d+) to edge (?P<first>\d+)", re.IGNORECASE)
_EXCLUDE = re.compile(r"exclude edges? (?P<first>\d+)(?:\s*-\s*(?P<last>\d+))?", re.IGNORECASE)
_RECORD = re.compile(r"(?P<action>[^:]+):(?P<reason>.+)\((?P<author>[^()]+)\)")


@dataclass(frozen=True)
class Correction:
    """One correction.

    Parameters
    ----------
    kind
        "pin": the frame was captured at this edge; "exclude": these edges are no frames.
    frame
        Frame of the movie that is pinned, -1 for an exclusion.
    first_edge, last_edge
        Rows in the table of the frame line; the same for a pin.
    reason, author
        Why, and who says so.
    """

    kind: Literal["pin", "exclude"]
    frame: int
    first_edge: int
    last_edge: int
    reason: str
    author: str

    def __str__(self) -> str:
        if self.kind == "pin":
            action = f"pin frame {self.frame} to edge {self.first_edge}"
        else:
            action = f"exclude edges {self.first_edge}-{self.last_edge}"
        return f"{action}: {self.reason} ({self.author})"


def parse_corrections(text: str | None) -> tuple[Correction, ...]:
    """Read corrections from their text.

    Parameters
    ----------
    text
        Records joined by semicolons, or None.

    Raises
    ------
    ParameterError
        If a record has another form, or two pins contradict each other.
    """
    records = [record.strip() for record in (text or "").split(";")]
    corrections = tuple(_parse(record) for record in records if record)
    pins = sorted((c.frame, c.first_edge) for c in corrections if c.kind == "pin")
    for (frame, edge), (other_frame, other_edge) in pairwise(pins):
        if (frame == other_frame) != (edge == other_edge) or edge > other_edge:
            raise ParameterError(
                f"Frame {frame} is pinned to edge {edge} and frame {other_frame} to edge "
                f"{other_edge}. Later frames were expected at later edges; correct one of them."
            )
    return corrections


def _parse(record: str) -> Correction:
    """Read one record."""
    found = _RECORD.fullmatch(record)
    action = found["action"].strip() if found else ""
    pin, exclude = _PIN.fullmatch(action), _EXCLUDE.fullmatch(action)
    said = (found["reason"].strip(), found["author"].strip()) if found else ("", "")
    if pin and all(said):
        edge = int(pin["first"])
        return Correction("pin", int(pin["frame"]), edge, edge, *said)
    if not exclude or not all(said):
        raise ParameterError(
            f"The correction {record!r} cannot be read. Expected 'pin frame 120 to edge 133: "
            "reason (author)' or 'exclude edges 10-57: reason (author)', joined by semicolons."
        )
    first = int(exclude["first"])
    last = first if exclude["last"] is None else int(exclude["last"])
    if last < first:
        raise ParameterError(
            f"The correction {record!r} excludes edges {first} to {last}. The lower number was "
            "expected first."
        )
    return Correction("exclude", -1, first, last, *said)
