"""NWB objects of every ephys system: electrodes, series of samples, TTL lines."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from pynwb import NWBFile
from pynwb.device import Device
from pynwb.ecephys import ElectricalSeries, ElectrodeGroup

from ace_nwb.interfaces.nwb_objects import NOT_STATED, add_events

BETWEEN_GAPS = "Raw samples as recorded, between two gaps of the recording."
"""Description of a series of a system that may have gaps."""


@dataclass(frozen=True)
class SampleSeries:
    """One gap-free stretch of channels that share their times.

    Parameters
    ----------
    name, description
        Of the series.
    data
        Samples as recorded, shape (sample, channel): what an `ArrayPlacer` returns.
    rows
        Rows of the channels in the table of electrodes.
    volt_per_bit
        Scale of each channel, shape (channel,).
    start_s, rate_hz
        Time of the first sample and sampling rate.
    offset_v
        Voltage at zero bits.
    filtering
        Filters of the system, if it says.
    """

    name: str
    description: str
    data: Any
    rows: list[int]
    volt_per_bit: np.ndarray
    start_s: float
    rate_hz: float
    offset_v: float = 0.0
    filtering: str | None = None


def add_electrode_group(
    nwbfile: NWBFile, device: Device, *, ecephys: dict, description: str
) -> ElectrodeGroup:
    """Add a device, the one group of its electrodes, and the column of their names.

    Parameters
    ----------
    nwbfile
        The open file.
    device
        The acquisition system.
    ecephys
        Section of the metadata; it may hold `location` and `description`.
    description
        Of the group, where the metadata give none.
    """
    nwbfile.add_device(device)
    nwbfile.add_electrode_column("channel_name", "Name of the channel in the acquisition system.")
    return nwbfile.create_electrode_group(
        name="ElectrodeGroup",
        description=ecephys.get("description", description),
        location=ecephys.get("location", NOT_STATED),
        device=device,
    )


def add_samples(nwbfile: NWBFile, series: SampleSeries) -> None:
    """Add an `ElectricalSeries`."""
    scales = np.asarray(series.volt_per_bit, float)
    is_uniform = bool((scales == scales[0]).all())
    nwbfile.add_acquisition(
        ElectricalSeries(
            name=series.name,
            description=series.description,
            data=series.data,
            electrodes=nwbfile.create_electrode_table_region(
                region=series.rows, description="Channels of this series."
            ),
            conversion=float(scales[0]),
            channel_conversion=None if is_uniform else scales / scales[0],
            offset=series.offset_v,
            starting_time=series.start_s,
            rate=series.rate_hz,
            filtering=series.filtering,
        )
    )


def add_line(
    nwbfile: NWBFile, name: str, *, source: str, times_s: np.ndarray, levels: np.ndarray
) -> None:
    """Add the edges of one TTL line."""
    add_events(
        nwbfile,
        name,
        description="Edges of one digital (TTL) line.",
        source=source,
        timestamps_s=times_s,
        columns={"level": ("Level from this edge on, 0 or 1.", levels)},
    )


def segment_suffix(index: int, n_segments: int) -> str:
    """Return what tells the segments of a stream apart in their names; nothing if there is one."""
    return str(index) if n_segments > 1 else ""
