"""Stage sync: the camera's clock aligned to the ephys clock, by the best evidence in the file.

The ways are in aligning/: pulses.py, without them clocks.py; the columns of the result in rows.py.
"""

from ace_nwb.errors import NothingToDoError, SyncError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.sync import (
    StoredAlignment,
    list_foreign_series,
    undo_alignment,
    was_aligned_by_converter,
    write_alignment,
)
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.stages.aligning import clocks as sync_clocks
from ace_nwb.stages.aligning import pulses as sync_pulses
from ace_nwb.stages.aligning.lines import list_ephys_lines
from ace_nwb.stages.aligning.rows import LEDGER_COLUMNS
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import SyncParams

METHODS = {
    "hardware-clock": sync_clocks.align_shared_clock,
    "pulses": sync_pulses.align,
    "flashes": sync_clocks.align_by_flashes,
    "barcodes": sync_clocks.align_by_barcodes,
    "gate": sync_clocks.align_by_gate,
    "offset": sync_clocks.align_by_offset,
    "wall-clock": sync_clocks.align_by_wall_clock,
}


ALIGNED_BEFORE = (
    "The movie's times were set in a converter (set_aligned_timestamps), and those of its device "
    "are not in the file; they stay as they are."
)


def not_applicable(session: Session) -> str | None:
    """Say why a file has nothing to align by itself, or None."""
    if was_aligned_by_converter(session):
        return ALIGNED_BEFORE
    if sync_clocks.shares_clock(session) or list_ephys_lines(session):
        return None
    return (
        "The file holds neither TTL lines nor a clock shared with ephys; times stay on the "
        "camera's own clock."
    )


def compute(session: Session, params: SyncParams, context: StageContext) -> StoredAlignment:
    """Align the clocks by the method asked for, or by the one that the evidence allows."""
    if was_aligned_by_converter(session):
        raise SyncError(f"{ALIGNED_BEFORE} To align them here, convert without setting them.")
    method, reason = choose_method(session, params)
    if method == "pulses" and session.get(layout.MOVIE).data.shape[0] < 2:
        raise NothingToDoError(
            "The movie has one frame, which no pulse can be told to be of. Two or more were "
            "expected; give sync.offset_s."
        )
    context.remarks.append(f"Method {method}: {reason}.")
    context.remarks.extend(
        f"{path} was not written by the conversion and keeps its times: which clock they are of is "
        "not known. Times linked to those of a camera or of the movie move with them."
        for path in list_foreign_series(session)
    )
    return METHODS[method](session, params, context)


def choose_method(session: Session, params: SyncParams) -> tuple[str, str]:
    """Return how to align, and why so.

    Raises
    ------
    SyncError
        If nothing in the file tells how the clocks belong together.
    """
    if params.method != "auto":
        return params.method, "asked for"
    if params.line is None and sync_clocks.shares_clock(session):
        return "hardware-clock", "the recorder stamped movie and ephys with one clock"
    if params.analog_line is not None:
        return "pulses", "an analog channel carries the frame line"
    if list_ephys_lines(session):
        return "pulses", "the file holds TTL lines on the ephys clock"
    if params.ephys_start is not None:
        return "wall-clock", "ephys_start is given"
    if params.offset_s is not None:
        return "offset", "offset_s is given"
    raise SyncError(
        "Nothing in the file tells how the clocks belong together: no TTL line on the ephys clock, "
        "no hardware clock shared by movie and ephys. Give offset_s (ephys time of the record "
        "press) or ephys_start (wall-clock time of the first ephys sample), if you know them."
    )


def undo(writer: SessionWriter) -> None:
    """Give every series of the device its own times back."""
    undo_alignment(writer, LEDGER_COLUMNS)


def write(writer: SessionWriter, result: StoredAlignment) -> None:
    """Write the alignment, nothing left of an earlier one that may have moved other series."""
    undo_alignment(writer, LEDGER_COLUMNS)
    write_alignment(writer, result)
