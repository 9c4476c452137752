"""NeuroConv data interfaces of Intan and SpikeGLX recordings in our layout."""

from pathlib import Path

import numpy as np
from pynwb import NWBFile, TimeSeries
from pynwb.device import Device, DeviceModel

from ace_nwb.interfaces.arrays import ArrayPlacer
from ace_nwb.interfaces.ephys_interface import EphysInterface
from ace_nwb.interfaces.ephys_objects import (
    SampleSeries,
    add_electrode_group,
    add_line,
    add_samples,
    segment_suffix,
)
from ace_nwb.interfaces.imaging_objects import add_clock_facts
from ace_nwb.interfaces.neo_ephys import intan, spikeglx
from ace_nwb.interfaces.neo_ephys.streams import SampleStream, StreamSource, SystemRecording
from ace_nwb.interfaces.nwb_objects import object_name
from ace_nwb.interfaces.policies import Policies, check_allowed


class SystemInterface(EphysInterface):
    """Converts what Neo reads in place: streams of samples and digital lines."""

    def check(self, policies: Policies) -> None:  # noqa: ARG002 - they were heeded in reading
        """Raise for what the policies refuse."""
        check_allowed(self.recording.irregularities)

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

    def add_recording(self, nwbfile: NWBFile, ecephys: dict, *, placer: ArrayPlacer) -> None:
        """Add streams and lines."""
        rows = _add_electrodes(nwbfile, self.recording, ecephys=ecephys)
        facts = []
        for stream in self.recording.streams:
            prefix = "ElectricalSeries" if stream.kind == "electrodes" else ""
            for index in range(len(stream.starts_s)):
                name = f"{prefix}{stream.label}{segment_suffix(index, len(stream.starts_s))}"
                data = placer.place(
                    f"/acquisition/{name}/data", StreamSource(stream, index), title="ephys"
                )
                if stream.kind == "electrodes":
                    series = _samples(stream, index, name=name, data=data, rows=rows[stream.name])
                    add_samples(nwbfile, series)
                else:
                    nwbfile.add_acquisition(_inputs(stream, index, name=name, data=data))
                if stream.clock is not None:
                    facts.append((f"/acquisition/{name}", stream.clock))
        add_clock_facts(nwbfile, facts)
        for line in self.recording.lines:
            add_line(
                nwbfile,
                object_name(line.name),
                source=self.recording.system,
                times_s=line.times_s,
                levels=line.levels,
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
    group = add_electrode_group(
        nwbfile, device, ecephys=ecephys, description="All channels of the system."
    )
    known: dict[str, int] = {}
    rows: dict[str, list[int]] = {}
    for stream in recording.streams:
        if stream.kind != "electrodes":
            continue
        rows[stream.name] = []
        for name in map(_electrode_name, stream.channel_names):
            if name not in known:
                known[name] = len(known)
                nwbfile.add_electrode(location=group.location, group=group, channel_name=name)
            rows[stream.name].append(known[name])
    return rows


def _electrode_name(channel: str) -> str:
    """Return what the streams of one site share: "imec0.ap AP3", "imec0.lf LF3" -> "imec0 3"."""
    device, _, name = channel.rpartition(" ")
    name = name.removeprefix("AP").removeprefix("LF").removesuffix("_DC")
    return f"{device.partition('.')[0]} {name}".strip()


def _samples(
    stream: SampleStream, index: int, *, name: str, data: object, rows: list[int]
) -> SampleSeries:
    """Return one gap-free stretch of a stream of electrodes."""
    return SampleSeries(
        name=name,
        description=f"Raw samples as recorded: {stream.name}.",
        data=data,
        rows=rows,
        volt_per_bit=np.asarray(stream.scale),
        start_s=stream.starts_s[index],
        rate_hz=stream.rate_hz,
        offset_v=float(stream.offset[0]),
    )


def _inputs(stream: SampleStream, index: int, *, name: str, data: object) -> TimeSeries:
    """Return one gap-free stretch of inputs that are no electrodes."""
    return TimeSeries(
        name=name,
        description=f"Inputs as recorded: {', '.join(stream.channel_names)}.",
        data=data,
        unit=stream.unit,
        conversion=float(stream.scale[0]),
        offset=float(stream.offset[0]),
        starting_time=stream.starts_s[index],
        rate=stream.rate_hz,
    )
