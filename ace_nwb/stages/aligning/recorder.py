"""Which recorder made a session, and what was measured of the rig: how frames begin and end."""

from dataclasses import replace

from ace_nwb.nwb.history import current_runs, read_runs
from ace_nwb.nwb.session import Session
from ace_nwb.stages.settings.params import SyncParams
from ace_nwb.sync.evidence import (
    MINISCOPE_DAQ_QT,
    MINISCOPE_V3,
    RECORDERS,
    TRIGGERED,
    UNKNOWN,
    Recorder,
)

_RIG = "rig."
_BY_PROGRAM = {
    "Miniscope-DAQ-QT": MINISCOPE_DAQ_QT,
    "Miniscope_DAQ_Software": MINISCOPE_V3,
    "Inscopix": replace(
        TRIGGERED,
        name="inscopix",
        end_loss=0.06,
        source="the acquisition box makes one pulse per frame of a recording; not verified here",
    ),
}
"""Program in the description of a device -> how it begins and ends."""


def find_recorder(session: Session, params: SyncParams) -> Recorder:
    """Return how the recorder of a session begins and ends: as chosen, as measured, or by device.

    Parameters
    ----------
    session
        The open session.
    params
        What was chosen goes before what the rig file said at conversion.
    """
    rig = _read_rig(session)
    name = params.recorder if params.recorder != "auto" else rig.get("recorder")
    recorder = RECORDERS[name] if name is not None else _by_device(session)
    before, after = params.frames_before_first_edge, params.edges_after_last_frame
    before = before if before is not None else _number(rig, "frames_before_first_edge")
    after = after if after is not None else _number(rig, "edges_after_last_frame")
    if before is not None:
        recorder = recorder.measured(before, after)
        said = f" ({rig['measured']})" if "measured" in rig else ""
        recorder = replace(recorder, source=recorder.source + said)
    # a window around one recording says that no other pulses are its
    is_windowed = params.start_s is not None and params.stop_s is not None
    if is_windowed or not params.silent_before_recording:
        recorder = replace(recorder, is_silent_before=is_windowed)
    return recorder


def find_edge_at(session: Session) -> str:
    """Return at which end of its exposure the edge of a frame stands: start, end or unknown."""
    run = current_runs(session).get("sync")
    chosen = {row.name: row.value for row in run.parameters} if run else {}
    params = SyncParams.model_validate({"recorder": chosen.get("recorder", "auto")})
    return find_recorder(session, params).edge_at


def find_frames_per_pulse(session: Session, params: SyncParams) -> int:
    """Return how many frames each pulse stands for: as chosen, else as the rig file said, or 1."""
    if params.frames_per_pulse is not None:
        return params.frames_per_pulse
    return _number(_read_rig(session), "frames_per_pulse") or 1


def _read_rig(session: Session) -> dict[str, str]:
    """Return what the conversion recorded about the rig."""
    rows = [run.parameters for run in read_runs(session) if run.stage == "convert"]
    last = rows[-1] if rows else ()
    return {row.name.removeprefix(_RIG): row.value for row in last if row.name.startswith(_RIG)}


def _number(rig: dict[str, str], name: str) -> int | None:
    return int(rig[name]) if name in rig else None


def _by_device(session: Session) -> Recorder:
    """Return the recorder whose program the descriptions of the devices name."""
    devices = session.h5["/general/devices"] if session.has("/general/devices") else {}
    said = " ".join(f"{name}: {one.attrs.get('description')}" for name, one in devices.items())
    return next((found for name, found in _BY_PROGRAM.items() if name in said), UNKNOWN)
