"""Head orientation, notes and control changes of an imaging recording as NWB objects."""

import numpy as np
from pynwb import NWBFile, TimeSeries
from pynwb.behavior import CompassDirection, SpatialSeries

from ace_nwb.interfaces.imaging_recording import HeadOrientation, Note, Signal
from ace_nwb.interfaces.nwb_objects import add_events, get_module


def compute_yaw(quaternions: np.ndarray) -> np.ndarray:
    """Return the rotation about the vertical, radians in -pi..pi.

    Parameters
    ----------
    quaternions
        Shape (sample, 4), order w, x, y, z.
    """
    w, x, y, z = quaternions.T
    return np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))


def add_orientation(nwbfile: NWBFile, orientation: HeadOrientation, *, suffix: str) -> None:
    """Add quaternions and yaw to processing/behavior."""
    module = get_module(nwbfile, "behavior")
    quaternion = TimeSeries(
        name=f"HeadOrientation{suffix}",
        description="Orientation of the scope as a unit quaternion; columns w, x, y, z.",
        data=orientation.quaternions,
        unit="n.a.",
        timestamps=orientation.device_time_s,
    )
    yaw = SpatialSeries(
        name="HeadYaw",
        description="Rotation of the scope about the vertical, from the quaternion.",
        data=compute_yaw(orientation.quaternions),
        unit="radians",
        reference_frame="Zero is the heading at which the sensor was started; counterclockwise "
        "is positive.",
        timestamps=quaternion,
    )
    module.add(quaternion)
    module.add(CompassDirection(name=f"CompassDirection{suffix}", spatial_series=yaw))


def add_signals(nwbfile: NWBFile, signals: tuple[Signal, ...], *, suffix: str) -> None:
    """Add slow signals of a device to processing/behavior; equal times are stored once."""
    stored: list[TimeSeries] = []
    for signal in signals:
        shared = [other for other in stored if other.timestamps is signal.times_s]
        series = TimeSeries(
            name=f"{signal.name}{suffix}",
            description=signal.description,
            data=signal.values,
            unit=signal.unit,
            timestamps=shared[0] if shared else signal.times_s,
        )
        get_module(nwbfile, "behavior").add(series)
        stored.append(series)


def add_notes(nwbfile: NWBFile, notes: tuple[Note, ...], *, source: str) -> None:
    """Add the notes typed during the recording."""
    typed = [note for note in notes if note.change is None]
    if typed:
        add_events(
            nwbfile,
            "Notes",
            description="Notes typed during the recording.",
            source=source,
            timestamps_s=np.array([note.device_time_s for note in typed]),
            columns={"note": ("Text of the note.", [note.text for note in typed])},
        )


def add_control_changes(nwbfile: NWBFile, notes: tuple[Note, ...], *, source: str) -> None:
    """Add the changes of device settings during the recording."""
    changed = [note for note in notes if note.change is not None]
    if not changed:
        return
    device, control, value = zip(*(note.change for note in changed if note.change), strict=True)
    add_events(
        nwbfile,
        "ControlChanges",
        description="Settings of devices that were changed during the recording.",
        source=source,
        timestamps_s=np.array([note.device_time_s for note in changed]),
        columns={
            "device": ("Name of the device.", list(device)),
            "control": ("Name of the setting.", list(control)),
            "value": ("New value, as the recorder writes it.", list(value)),
        },
    )
