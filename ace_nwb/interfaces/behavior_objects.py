"""Head orientation, notes and control changes of an imaging recording as NWB objects."""

from collections.abc import Mapping

import numpy as np
from hdmf.common import DynamicTable, VectorData
from pynwb import NWBFile, TimeSeries
from pynwb.behavior import CompassDirection, SpatialSeries

from ace_nwb.interfaces.imaging_recording import HeadOrientation, Note, Signal
from ace_nwb.interfaces.nwb_objects import add_events, get_module, series_times


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
    times = series_times(orientation.device_time_s)
    quaternion = TimeSeries(
        name=f"HeadOrientation{suffix}",
        description="Orientation of the scope as a unit quaternion; columns w, x, y, z.",
        data=orientation.quaternions,
        unit="n.a.",
        **times,
    )
    yaw = SpatialSeries(
        name="HeadYaw",
        description="Rotation of the scope about the vertical, from the quaternion.",
        data=compute_yaw(orientation.quaternions),
        unit="radians",
        reference_frame="Zero is the heading at which the sensor was started; counterclockwise "
        "is positive.",
        **({"timestamps": quaternion} if "timestamps" in times else times),
    )
    module.add(quaternion)
    module.add(CompassDirection(name=f"CompassDirection{suffix}", spatial_series=yaw))


def add_orientation_repairs(nwbfile: NWBFile, orientation: HeadOrientation, *, suffix: str) -> None:
    """Add the raw stamps of the samples whose time was repaired, on the clock of the device."""
    samples = np.flatnonzero(orientation.repair != "")
    if not len(samples):
        return
    columns = {
        "sample": ("Index of the sample in the series.", samples),
        "device_time_s": ("Device time after repair.", orientation.device_time_s[samples]),
        "device_time_raw_s": (
            "The same as the recorder wrote it; NaN where it cannot be read.",
            orientation.raw_s[samples],
        ),
        "repair": ("Rule by which the time was made.", orientation.repair[samples].tolist()),
    }
    get_module(nwbfile, "sync").add(
        DynamicTable(
            name=f"HeadOrientationRepairs{suffix}",
            description="Samples of the head orientation whose time stamps were repaired.",
            columns=[
                VectorData(name=name, description=text, data=data)
                for name, (text, data) in columns.items()
            ],
        )
    )


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
            **({"timestamps": shared[0]} if shared else series_times(signal.times_s)),
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


def add_control_changes(
    nwbfile: NWBFile, notes: tuple[Note, ...], *, names: Mapping[str, str], source: str
) -> None:
    """Add the changes of device settings during the recording.

    Parameters
    ----------
    names
        Name that the recorder uses -> name of the device in the file.
    """
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
            "device": ("Name of the device.", [names.get(name, name) for name in device]),
            "control": ("Name of the setting.", list(control)),
            "value": ("New value, as the recorder writes it.", list(value)),
        },
    )
