"""NeuroConv data interface of Open Ephys recordings in the binary format."""

from pathlib import Path

import numpy as np
from pynwb import NWBFile
from pynwb.device import Device

from ace_nwb.interfaces.arrays import ArrayPlacer
from ace_nwb.interfaces.ephys_interface import EphysInterface
from ace_nwb.interfaces.ephys_objects import (
    BETWEEN_GAPS,
    SampleSeries,
    add_electrode_group,
    add_line,
    add_samples,
    segment_suffix,
)
from ace_nwb.interfaces.nwb_objects import object_name
from ace_nwb.interfaces.open_ephys_binary.folder import (
    OebRecording,
    OebSource,
    OebStream,
    read_recording,
)
from ace_nwb.interfaces.policies import Policies


class OpenEphysBinaryInterface(EphysInterface):
    """Converts continuous streams and TTL lines of an Open Ephys recording.

    Times are seconds from the first sample of each stream.
    """

    display_name = "Open Ephys (binary)"
    device = "Open Ephys"
    associated_suffixes = (".dat", ".oebin", ".npy")
    info = "Continuous streams with their gaps and TTL lines of Open Ephys."
    keywords = ("extracellular electrophysiology", "Open Ephys")

    def read(self, folder_path: Path, policies: Policies) -> OebRecording:  # noqa: ARG002
        """Read one recording."""
        return read_recording(folder_path)

    def describe_content(self) -> str:
        """Return facts that tell this recording from any other, whatever its folder is called."""
        facts = ["open-ephys-binary"]
        facts += [f"{s.name} {s.samples.shape} {s.first_number}" for s in self.recording.streams]
        return "\n".join(facts)

    def add_recording(self, nwbfile: NWBFile, ecephys: dict, *, placer: ArrayPlacer) -> None:
        """Add streams and lines."""
        streams = self.recording.streams
        _add_electrodes(nwbfile, streams, ecephys=ecephys, version=self.recording.version)
        first_row = 0
        for stream in streams:
            rows = list(range(first_row, first_row + len(stream.channel_names)))
            first_row += len(rows)
            label = object_name(stream.name) if len(streams) > 1 else ""
            for index, (_, _, number) in enumerate(stream.segments):
                name = f"ElectricalSeries{label}{segment_suffix(index, len(stream.segments))}"
                source = OebSource(stream, index)
                series = SampleSeries(
                    name=name,
                    description=BETWEEN_GAPS,
                    data=placer.place(f"/acquisition/{name}/data", source, title="ephys"),
                    rows=rows,
                    volt_per_bit=np.array(stream.volt_per_bit),
                    start_s=(number - stream.first_number) / stream.rate_hz,
                    rate_hz=stream.rate_hz,
                )
                add_samples(nwbfile, series)
        for line in self.recording.lines:
            name = object_name(line.name)
            add_line(nwbfile, name, source=self.device, times_s=line.times_s, levels=line.levels)


def _add_electrodes(
    nwbfile: NWBFile, streams: tuple[OebStream, ...], *, ecephys: dict, version: str
) -> None:
    """Add device, electrode group and one electrode per channel."""
    text = f"Recorded with Open Ephys GUI {version}." if version else "Recorded with Open Ephys."
    group = add_electrode_group(
        nwbfile,
        Device(name="OpenEphys", description=text),
        ecephys=ecephys,
        description="All continuous channels of the system.",
    )
    for stream in streams:
        for name in stream.channel_names:
            nwbfile.add_electrode(location=group.location, group=group, channel_name=name)
