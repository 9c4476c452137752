"""NeuroConv data interfaces of Intan and SpikeGLX recordings in our layout."""

import warnings
from pathlib import Path

import numpy as np
from neuroconv import BaseDataInterface
from pydantic import DirectoryPath
from pynwb import NWBFile, TimeSeries
from pynwb.device import Device, DeviceModel
from pynwb.ecephys import ElectricalSeries

from ace_nwb.errors import AceNwbWarning
from ace_nwb.interfaces.base import ArrayPlacer
from ace_nwb.interfaces.imaging_objects import add_clock_facts
from ace_nwb.interfaces.neo_ephys import intan, spikeglx
from ace_nwb.interfaces.neo_ephys.streams import SampleStream, StreamSource, SystemRecording
from ace_nwb.interfaces.nwb_objects import NOT_STATED, add_events, object_name, section
from ace_nwb.interfaces.policies import Policies, check_allowed, parse_policies


class SystemInterface(BaseDataInterface):
    """Converts the samples and digital lines of an ephys system; each format adds its reader.

    Parameters
    ----------
    folder_path
        Folder of the recording.
    policies
        Name -> choice of what to do where the recording is irregular (`cut_samples`).
    verbose
        Kept for NeuroConv; nothing is printed.
    """

    def read(self, folder_path: Path, policies: Policies) -> SystemRecording:
        """Read one recording; every format has its own."""
        raise NotImplementedError

    def __init__(
        self,
        folder_path: DirectoryPath,
        *,
        policies: dict | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(folder_path=str(folder_path), policies=policies, verbose=verbose)
        self.recording = self.read(Path(folder_path), parse_policies(policies))
        check_allowed(self.recording.irregularities)
        for sentence in self.recording.warnings:
            warnings.warn(sentence, AceNwbWarning, stacklevel=2)

    def describe_content(self) -> str:
        """Return facts that tell this recording from any other, whatever its folder is called."""
        facts = [f"{self.recording.system} {self.recording.start_time}"]
        facts += [f"{s.name} {s.lengths} {s.channel_names}" for s in self.recording.streams]
        facts += [f"{line.name} {line.times_s.sum()!r}" for line in self.recording.lines]
        return "\n".join(facts)

    def remarks(self) -> list[str]:
        """Return what was left out, in sentences without paths."""
        return [
            *self.recording.warnings,
            *(
                f"{item.device} is cut off, read up to its break ({item.policy}={item.choice})."
                for item in self.recording.irregularities
            ),
        ]

    def add_to_nwbfile(self, nwbfile: NWBFile, metadata: dict | None = None) -> None:
        """Add all objects; samples are read while the file is written.

        Parameters
        ----------
        nwbfile
            The open file.
        metadata
            NeuroConv metadata; `Ecephys` may hold location and description.
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
        rows = _add_electrodes(nwbfile, self.recording, ecephys=section(metadata, "Ecephys"))
        facts = []
        for stream in self.recording.streams:
            prefix = "ElectricalSeries" if stream.kind == "electrodes" else ""
            for index in range(len(stream.starts_s)):
                number = str(index) if len(stream.starts_s) > 1 else ""
                name = f"{prefix}{stream.label}{number}"
                data = placer.place(
                    f"/acquisition/{name}/data", StreamSource(stream, index), title="ephys"
                )
                _add_series(
                    nwbfile, name, stream=stream, index=index, data=data, rows=rows.get(stream.name)
                )
                if stream.clock is not None:
                    facts.append((f"/acquisition/{name}", stream.clock))
        add_clock_facts(nwbfile, facts)
        for line in self.recording.lines:
            add_events(
                nwbfile,
                object_name(line.name),
                description="Edges of one digital line.",
                source=self.recording.system,
                timestamps_s=line.times_s,
                columns={"level": ("Level from this edge on, 0 or 1.", line.levels)},
            )


class IntanInterface(SystemInterface):
    """Converts an Intan file (.rhd, .rhs): amplifiers, board inputs, digital lines."""

    display_name = "Intan"
    associated_suffixes = (".rhd", ".rhs")
    info = "Amplifiers, board inputs and digital lines of Intan RHD2000 and RHS2000."
    keywords = ("extracellular electrophysiology", "Intan")

    def read(self, folder_path: Path, policies: Policies) -> SystemRecording:
        """Read one recording."""
        return intan.read_recording(folder_path, policies)


class SpikeGlxInterface(SystemInterface):
    """Converts a SpikeGLX run: probes with their sync lines, NI-DAQ with its digital lines."""

    display_name = "SpikeGLX"
    associated_suffixes = (".bin", ".meta")
    info = "Neuropixels probes, analog inputs and digital lines recorded with SpikeGLX."
    keywords = ("extracellular electrophysiology", "Neuropixels", "SpikeGLX")

    def read(self, folder_path: Path, policies: Policies) -> SystemRecording:
        """Read one recording."""
        return spikeglx.read_recording(folder_path, policies)


def _add_electrodes(
    nwbfile: NWBFile, recording: SystemRecording, *, ecephys: dict
) -> dict[str, list[int]]:
    """Add device, group and one electrode per channel; return the rows of every stream.

    Streams of the same channels (a probe's AP and LF, an amplifier's AC and DC) share them.
    """
    model = DeviceModel(
        name=f"{recording.system}Model",
        manufacturer=recording.manufacturer,
        description=recording.description,
    )
    nwbfile.add_device_model(model)
    device = Device(name=recording.system, description=recording.description, model=model)
    nwbfile.add_device(device)
    location = ecephys.get("location", NOT_STATED)
    group = nwbfile.create_electrode_group(
        name="ElectrodeGroup",
        description=ecephys.get("description", "All channels of the system."),
        location=location,
        device=device,
    )
    nwbfile.add_electrode_column("channel_name", "Name of the channel in the acquisition system.")
    known: dict[str, int] = {}
    rows: dict[str, list[int]] = {}
    for stream in recording.streams:
        if stream.kind != "electrodes":
            continue
        rows[stream.name] = []
        for name in map(_electrode_name, stream.channel_names):
            if name not in known:
                known[name] = len(known)
                nwbfile.add_electrode(location=location, group=group, channel_name=name)
            rows[stream.name].append(known[name])
    return rows


def _electrode_name(channel: str) -> str:
    """Return what the streams of one site share: "imec0.ap AP3", "imec0.lf LF3" -> "imec0 3"."""
    device, _, name = channel.rpartition(" ")
    name = name.removeprefix("AP").removeprefix("LF").removesuffix("_DC")
    return f"{device.partition('.')[0]} {name}".strip()


def _add_series(
    nwbfile: NWBFile,
    name: str,
    *,
    stream: SampleStream,
    index: int,
    data: object,
    rows: list[int] | None,
) -> None:
    """Add one gap-free stretch of a stream."""
    scale = float(stream.scale[0])
    times = {"starting_time": stream.starts_s[index], "rate": stream.rate_hz}
    if rows is None:
        nwbfile.add_acquisition(
            TimeSeries(
                name=name,
                description=f"Inputs as recorded: {', '.join(stream.channel_names)}.",
                data=data,
                unit=stream.unit,
                conversion=scale,
                offset=float(stream.offset[0]),
                **times,
            )
        )
        return
    is_uniform = bool((stream.scale == scale).all())
    nwbfile.add_acquisition(
        ElectricalSeries(
            name=name,
            description=f"Raw samples as recorded: {stream.name}.",
            data=data,
            electrodes=nwbfile.create_electrode_table_region(
                region=rows, description="Channels of this series."
            ),
            conversion=scale,
            channel_conversion=None if is_uniform else np.asarray(stream.scale) / scale,
            offset=float(stream.offset[0]),
            **times,
        )
    )
