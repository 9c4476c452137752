"""NWB objects of ephys recordings: device, electrodes, series of samples and their kinds."""

from typing import Any

import numpy as np
from hdmf.common import DynamicTable, VectorData
from pynwb import NWBFile, TimeSeries
from pynwb.device import Device, DeviceModel
from pynwb.ecephys import ElectricalSeries, ElectrodeGroup

from ace_nwb.interfaces.base import object_name
from ace_nwb.interfaces.ephys_recording import EphysRecording, SampleStream, System
from ace_nwb.interfaces.neuroconv_metadata import GROUP
from ace_nwb.interfaces.nwb_objects import NOT_STATED, free_name, get_module, section

COLUMNS = {
    "channel_name": ("Name of the channel in the acquisition system.", ""),
    "ad_channel": ("Number of the input, -1 if not stated.", -1),
    "signal": ("What is recorded, by the experimenter.", ""),
    "kind": ("LFP, wide-band, DC, auxiliary or EMG, if it is known.", ""),
}
"""Column -> its description, and what stands there for electrodes that it says nothing of."""

_EMPTY = {"U": "", "O": "", "b": False, "f": np.nan, "i": -1, "u": 0}
"""Kind of a column of another interface -> what it says of our electrodes."""


def add_electrodes(nwbfile: NWBFile, recording: EphysRecording, *, ecephys: dict) -> int:
    """Add device, electrode group and one electrode per channel, with what the metadata say.

    Parameters
    ----------
    ecephys
        May hold `name`, `location` and `description` of the group, and of single `channels`
        `location`, `description` and `kind`.

    Returns
    -------
    int
        Row of the first of them: other interfaces may have added electrodes before.
    """
    group = _add_group(nwbfile, recording.system, ecephys=ecephys)
    first_row = 0 if nwbfile.electrodes is None else len(nwbfile.electrodes)
    channels = section(ecephys, "channels")
    stated = [section(channels, electrode.name) for electrode in recording.electrodes]
    kinds = [one.get("kind", e.kind) for one, e in zip(stated, recording.electrodes, strict=True)]
    columns: dict[str, list[Any]] = {"channel_name": [e.name for e in recording.electrodes]}
    numbers = [electrode.input_number for electrode in recording.electrodes]
    if any(number is not None for number in numbers):
        columns["ad_channel"] = [-1 if number is None else number for number in numbers]
    if any("description" in one for one in stated):
        columns["signal"] = [one.get("description", "") for one in stated]
    if any(kinds):
        columns["kind"] = kinds
    others = _add_columns(nwbfile, columns, n_rows=first_row)
    for index, one in enumerate(stated):
        nwbfile.add_electrode(
            location=one.get("location", group.location),
            group=group,
            **{name: values[index] for name, values in columns.items()},
            **others,
        )
    return first_row


def series_name(stream: SampleStream, index: int) -> str:
    """Return what a stretch of a stream is called in the file."""
    return f"{stream.name}{index if len(stream.segments) > 1 else ''}"


def add_kinds(nwbfile: NWBFile, streams: tuple[SampleStream, ...]) -> None:
    """Add what kind of signal each series holds, where the system says it."""
    rows = [
        (f"/acquisition/{series_name(stream, index)}", stream.kind)
        for stream in streams
        if stream.kind and stream.electrodes
        for index in range(len(stream.segments))
    ]
    if not rows:
        return
    table = DynamicTable(
        name="SeriesKinds",
        description="What series of electrodes hold; stages analyse LFP and wide-band.",
        columns=[
            VectorData(name="series", description="Path of the series.", data=[r[0] for r in rows]),
            VectorData(
                name="kind",
                description="LFP, wide-band, DC or auxiliary.",
                data=[r[1] for r in rows],
            ),
        ],
    )
    get_module(nwbfile, "misc").add(table)


def add_samples(
    nwbfile: NWBFile, stream: SampleStream, series: dict[str, Any], *, first_row: int
) -> None:
    """Add a gap-free stretch of a stream."""
    scales = np.asarray(stream.scale, float)
    shared = {
        "description": stream.description,
        "conversion": float(scales[0]),
        "offset": stream.offset,
    } | series
    if not stream.electrodes:
        nwbfile.add_acquisition(TimeSeries(unit=stream.unit, **shared))
        return
    is_uniform = bool((scales == scales[0]).all())
    nwbfile.add_acquisition(
        ElectricalSeries(
            electrodes=nwbfile.create_electrode_table_region(
                region=[first_row + row for row in stream.electrodes],
                description="Channels of this series.",
            ),
            channel_conversion=None if is_uniform else scales / scales[0],
            filtering=stream.filtering,
            **shared,
        )
    )


def _add_columns(nwbfile: NWBFile, columns: dict[str, list[Any]], *, n_rows: int) -> dict[str, Any]:
    """Add the columns that are not there, and return what the others say of our electrodes."""
    table = nwbfile.electrodes
    known = () if table is None else table.colnames
    for name in columns:
        if name not in known:
            text, empty = COLUMNS[name]
            rows = {"data": [empty] * n_rows} if n_rows else {}
            nwbfile.add_electrode_column(name, text, **rows)
    required = {"location", "group", "group_name", *columns}
    return {
        name: _EMPTY.get(np.asarray(table[name].data).dtype.kind, "")
        for name in known
        if name not in required
    }


def _add_group(nwbfile: NWBFile, system: System, *, ecephys: dict) -> ElectrodeGroup:
    """Add the device and the one group of its electrodes."""
    model = None
    if system.model:
        model = DeviceModel(
            name=free_name(system.model, nwbfile.device_models),
            manufacturer=system.manufacturer,
            description=system.model_description,
        )
        nwbfile.add_device_model(model)
    device = Device(
        name=free_name(object_name(system.name), nwbfile.devices),
        description=system.description,
        model=model,
    )
    nwbfile.add_device(device)
    return nwbfile.create_electrode_group(
        name=free_name(ecephys.get("name", GROUP), nwbfile.electrode_groups),
        description=ecephys.get("description", system.electrodes),
        location=ecephys.get("location", NOT_STATED),
        device=device,
    )
