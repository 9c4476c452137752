"""Stage flash-check: flashes in the movie against the TTL line that marks them, independently."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.frames import FrameTimes
from ace_nwb.nwb.content.sync import read_clock_fit, read_ledger
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.stages.aligning.recorder import find_edge_at
from ace_nwb.stages.common.flashes import read_brightness, read_markers
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import FlashCheckParams
from ace_nwb.sync.markers import FlashCheck, check_flashes


@dataclass(frozen=True)
class Result:
    """The check, and the line it was made against."""

    line: str
    markers_s: np.ndarray
    check: FlashCheck


def compute(session: Session, params: FlashCheckParams, context: StageContext) -> Result:
    """Compare the frames that flash with the frames that the aligned times say."""
    line, markers_s = read_markers(session, params.marker_line)
    times_s = FrameTimes(session).timestamps
    brightness = read_brightness(session, context)
    edge_at = find_edge_at(session)
    check = check_flashes(brightness, times_s, markers_s, min_z=params.min_flash_z, edge_at=edge_at)
    context.remarks.append(check.summary)
    context.remarks.extend(_say_rig(session, check, edge_at))
    if not check.agrees:
        context.remarks.append("The flashes do not confirm the alignment: look at FlashCheck.")
    inside = (markers_s > times_s[0]) & (markers_s < times_s[-1])
    return Result(line, markers_s[inside], check)


def _say_rig(session: Session, check: FlashCheck, edge_at: str) -> list[str]:
    """Say what the flashes measure of the rig: frames before the first edge, edges after the last.

    Flashes n frames behind where they are due say that every frame was captured n edges earlier.
    """
    fit = read_clock_fit(session) if session.has(layout.CLOCK_FIT) else {}
    if str(fit.get("method", [""])[0]) != "pulses" or not check.n_flashes or not check.n_markers:
        return []
    ledger = read_ledger(session)
    matched = np.flatnonzero(ledger["pulse"][ledger["movie_frame"] >= 0] >= 0)
    n_frames, off = int(fit["n_frames"][0]), round(float(np.median(check.offset_frames)))
    before = int(matched[0]) - int(fit["n_before"][0]) + off
    after = int(fit["n_after"][0]) - (n_frames - 1 - int(matched[-1])) + off
    return [
        f"By the flashes, frames being timed at the {'end' if edge_at == 'end' else 'start'} of "
        f"their exposure, this rig has frames_before_first_edge: {before} and "
        f"edges_after_last_frame: {after} (negative: the other way round). If several recordings "
        "agree, write that into rig.yaml."
    ]


def write(writer: SessionWriter, result: Result) -> None:
    """Write one row per marker."""
    writer.remove([layout.FLASH_CHECK])
    check = result.check
    columns = {
        "marker_time_s": ("Time of the marker, session clock, s.", result.markers_s),
        "due_frame": ("Frame exposed at the marker by the aligned times.", check.due_frame),
        "offset_frames": (
            "Frames from there to the first bright frame nearby; NaN without flashes.",
            np.asarray(check.offset_frames, float),
        ),
        "agrees": ("Whether they are within one frame.", np.abs(check.offset_frames) <= 1),
    }
    writer.create_table(
        layout.FLASH_CHECK,
        f"Flashes in the movie against the markers of {result.line}. {check.summary}",
        columns,
    )
