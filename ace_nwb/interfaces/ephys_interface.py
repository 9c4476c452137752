"""NeuroConv data interface of ephys recordings: the one writer of their NWB objects."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from hdmf.common import DynamicTable, VectorData
from neuroconv import BaseDataInterface
from neuroconv.utils import DeepDict
from pydantic import DirectoryPath
from pynwb import NWBFile, TimeSeries
from pynwb.device import Device, DeviceModel
from pynwb.ecephys import ElectricalSeries, ElectrodeGroup

from ace_nwb.errors import AceNwbWarning
from ace_nwb.interfaces.arrays import ArrayPlacer
from ace_nwb.interfaces.base import object_name
from ace_nwb.interfaces.ephys_recording import EphysRecording, SampleSegment, SampleStream, System
from ace_nwb.interfaces.imaging_objects import add_clock_facts
from ace_nwb.interfaces.imaging_recording import parse_zone
from ace_nwb.interfaces.nwb_objects import NOT_STATED, add_events, get_module, section
from ace_nwb.interfaces.policies import (
    Policies,
    check_allowed,
    parse_policies,
    without_folder,
)


class EphysInterface(BaseDataInterface):
    """Converts the samples, digital lines and messages of an ephys system.

    Parameters
    ----------
    folder_path
        Folder of the recording.
    policies
        Name -> choice of what to do where the recording is irregular.
    timezone
        Zone in which the start time is to be written, where the system knows it.
    verbose
        Kept for NeuroConv; nothing is printed.
    """

    def __init__(
        self,
        folder_path: DirectoryPath,
        policies: dict | None = None,
        timezone: str | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(folder_path=str(folder_path), verbose=verbose)
        self.recording = self.read(Path(folder_path), parse_policies(policies))
        self._zone = parse_zone(timezone)
        check_allowed(self.recording.irregularities)
        for sentence in self.recording.told():
            warnings.warn(sentence, AceNwbWarning, stacklevel=2)

    def read(self, folder_path: Path, policies: Policies) -> EphysRecording:
        """Read one recording; every format has its own."""
        raise NotImplementedError

    def get_metadata(self) -> DeepDict:
        """Return when the recording began, if the system knows its time zone."""
        metadata = super().get_metadata()
        start = self.recording.start_time
        if start is not None and start.tzinfo is not None:
            local = start if self._zone is None else start.astimezone(self._zone)
            metadata["NWBFile"]["session_start_time"] = local
        return metadata

    def describe_content(self) -> str:
        """Return facts that tell this recording from any other, whatever its folder is called."""
        return "\n".join(self.recording.content)

    def remarks(self) -> list[str]:
        """Return what was left out, in sentences without paths."""
        return without_folder(self.recording.told(), self.recording.folder_path)

    def add_to_nwbfile(self, nwbfile: NWBFile, metadata: dict | None = None) -> None:
        """Add all objects; samples are read while the file is written.

        Parameters
        ----------
        nwbfile
            The open file.
        metadata
            NeuroConv metadata; `Ecephys` may hold location, description and channels.
        """
        self.add_objects(
            nwbfile, metadata or {}, placer=ArrayPlacer(deferred=False), nwb_folder=None
        )

    def add_objects(
        self,
        nwbfile: NWBFile,
        metadata: dict,
        *,
        placer: ArrayPlacer,
        nwb_folder: Path | None,  # noqa: ARG002 - one signature for all interfaces
    ) -> None:
        """Add all objects, the large arrays as `placer` decides."""
        recording, source = self.recording, self.recording.system.name
        if recording.electrodes:
            _add_electrodes(nwbfile, recording, ecephys=section(metadata, "Ecephys"))
        facts = []
        for stream in recording.streams:
            for index, segment in enumerate(stream.segments):
                name = _series_name(stream, index)
                data = placer.place(f"/acquisition/{name}/data", segment.samples, title="ephys")
                _add_samples(nwbfile, stream, segment, name=name, data=data)
                if segment.clock is not None:
                    facts.append((f"/acquisition/{name}", segment.clock))
        add_clock_facts(nwbfile, facts)
        _add_kinds(nwbfile, recording.streams)
        for line in recording.lines:
            add_events(
                nwbfile,
                object_name(line.name),
                description="Edges of one digital (TTL) line.",
                source=source,
                timestamps_s=line.times_s,
                columns={"level": ("Level from this edge on, 0 or 1.", line.levels)},
            )
        for events in recording.events:
            add_events(
                nwbfile,
                events.name,
                description=events.description,
                source=source,
                timestamps_s=events.times_s,
                columns=events.columns,
            )


def _series_name(stream: SampleStream, index: int) -> str:
    """Return what a stretch of a stream is called in the file."""
    return f"{stream.name}{index if len(stream.segments) > 1 else ''}"


def _add_kinds(nwbfile: NWBFile, streams: tuple[SampleStream, ...]) -> None:
    """Add what kind of signal each series holds, where the system says it."""
    rows = [
        (f"/acquisition/{_series_name(stream, index)}", stream.kind)
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


def _add_electrodes(nwbfile: NWBFile, recording: EphysRecording, *, ecephys: dict) -> None:
    """Add device, electrode group and one electrode per channel, with what the metadata say.

    `ecephys` is a section of the metadata; it may hold `location` and `description`, and both of
    single `channels`.
    """
    group = _add_group(nwbfile, recording.system, ecephys=ecephys)
    nwbfile.add_electrode_column("channel_name", "Name of the channel in the acquisition system.")
    has_numbers = any(electrode.input_number is not None for electrode in recording.electrodes)
    if has_numbers:
        nwbfile.add_electrode_column("ad_channel", "Number of the input, -1 if not stated.")
    channels = section(ecephys, "channels")
    stated = [section(channels, electrode.name) for electrode in recording.electrodes]
    has_notes = any("description" in one for one in stated)
    if has_notes:
        nwbfile.add_electrode_column("signal", "What is recorded, by the experimenter.")
    kinds = [one.get("kind", e.kind) for one, e in zip(stated, recording.electrodes, strict=True)]
    if any(kinds):
        nwbfile.add_electrode_column(
            "kind", "LFP, wide-band, DC, auxiliary or EMG, if it is known."
        )
    for electrode, one, kind in zip(recording.electrodes, stated, kinds, strict=True):
        row: dict[str, Any] = {"signal": one.get("description", "")} if has_notes else {}
        row |= {"kind": kind} if any(kinds) else {}
        if has_numbers:
            row["ad_channel"] = -1 if electrode.input_number is None else electrode.input_number
        nwbfile.add_electrode(
            location=one.get("location", group.location),
            group=group,
            channel_name=electrode.name,
            **row,
        )


def _add_group(nwbfile: NWBFile, system: System, *, ecephys: dict) -> ElectrodeGroup:
    """Add the device and the one group of its electrodes."""
    model = None
    if system.model:
        model = DeviceModel(
            name=system.model,
            manufacturer=system.manufacturer,
            description=system.model_description,
        )
        nwbfile.add_device_model(model)
    device = Device(name=object_name(system.name), description=system.description, model=model)
    nwbfile.add_device(device)
    return nwbfile.create_electrode_group(
        name="ElectrodeGroup",
        description=ecephys.get("description", system.electrodes),
        location=ecephys.get("location", NOT_STATED),
        device=device,
    )


def _add_samples(
    nwbfile: NWBFile, stream: SampleStream, segment: SampleSegment, *, name: str, data: Any
) -> None:
    """Add a gap-free stretch of a stream."""
    scales = np.asarray(stream.scale, float)
    shared = {
        "name": name,
        "description": stream.description,
        "data": data,
        "conversion": float(scales[0]),
        "offset": stream.offset,
        "starting_time": segment.start_s,
        "rate": stream.rate_hz,
    }
    if not stream.electrodes:
        nwbfile.add_acquisition(TimeSeries(unit=stream.unit, **shared))
        return
    is_uniform = bool((scales == scales[0]).all())
    nwbfile.add_acquisition(
        ElectricalSeries(
            electrodes=nwbfile.create_electrode_table_region(
                region=list(stream.electrodes), description="Channels of this series."
            ),
            channel_conversion=None if is_uniform else scales / scales[0],
            filtering=stream.filtering,
            **shared,
        )
    )
