"""NeuroConv data interface of Open Ephys recordings in the binary format."""

import warnings
from pathlib import Path

import numpy as np
from neuroconv import BaseDataInterface
from pydantic import DirectoryPath
from pynwb import NWBFile
from pynwb.device import Device
from pynwb.ecephys import ElectricalSeries

from ace_nwb.errors import AceNwbWarning
from ace_nwb.interfaces.base import ArrayPlacer
from ace_nwb.interfaces.nwb_objects import NOT_STATED, add_events, object_name, section
from ace_nwb.interfaces.open_ephys_binary.folder import OebSource, OebStream, read_recording
from ace_nwb.interfaces.policies import check_partial, without_folder

SOURCE = "Open Ephys"


class OpenEphysBinaryInterface(BaseDataInterface):
    """Converts continuous streams and TTL lines of an Open Ephys recording.

    Times are seconds from the first sample of each stream.

    Parameters
    ----------
    folder_path
        Folder with structure.oebin.
    policies
        Name -> choice of what to do where the recording is irregular (`partial_streams`).
    verbose
        Kept for NeuroConv; nothing is printed.
    """

    display_name = "Open Ephys (binary)"
    associated_suffixes = (".dat", ".oebin", ".npy")
    info = "Continuous streams with their gaps and TTL lines of Open Ephys."
    keywords = ("extracellular electrophysiology", "Open Ephys")

    def __init__(
        self,
        folder_path: DirectoryPath,
        policies: dict | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(folder_path=str(folder_path), verbose=verbose)
        self.recording = read_recording(Path(folder_path))
        check_partial(self.recording.warnings, policies, device="Open Ephys")
        for sentence in self.recording.warnings:
            warnings.warn(sentence, AceNwbWarning, stacklevel=2)

    def describe_content(self) -> str:
        """Return facts that tell this recording from any other, whatever its folder is called."""
        facts = ["open-ephys-binary"]
        facts += [f"{s.name} {s.samples.shape} {s.first_number}" for s in self.recording.streams]
        return "\n".join(facts)

    def remarks(self) -> list[str]:
        """Return what was left out, in sentences without paths."""
        return without_folder(self.recording.warnings, self.recording.folder_path)

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
        streams = self.recording.streams
        first_row = 0
        _add_electrodes(
            nwbfile, streams, ecephys=section(metadata, "Ecephys"), version=self.recording.version
        )
        for stream in streams:
            rows = list(range(first_row, first_row + len(stream.channel_names)))
            first_row += len(rows)
            label = object_name(stream.name) if len(streams) > 1 else ""
            for index in range(len(stream.segments)):
                number = str(index) if len(stream.segments) > 1 else ""
                name = f"ElectricalSeries{label}{number}"
                source = OebSource(stream, index)
                data = placer.place(f"/acquisition/{name}/data", source, title="ephys")
                _add_series(nwbfile, name, stream=stream, index=index, data=data, rows=rows)
        for line in self.recording.lines:
            add_events(
                nwbfile,
                object_name(line.name),
                description="Edges of one TTL line.",
                source=SOURCE,
                timestamps_s=line.times_s,
                columns={"level": ("Level from this edge on, 0 or 1.", line.levels)},
            )


def _add_electrodes(
    nwbfile: NWBFile, streams: tuple[OebStream, ...], *, ecephys: dict, version: str
) -> None:
    """Add device, electrode group and one electrode per channel."""
    text = f"Recorded with Open Ephys GUI {version}." if version else "Recorded with Open Ephys."
    device = Device(name="OpenEphys", description=text)
    nwbfile.add_device(device)
    location = ecephys.get("location", NOT_STATED)
    group = nwbfile.create_electrode_group(
        name="ElectrodeGroup",
        description=ecephys.get("description", "All continuous channels of the system."),
        location=location,
        device=device,
    )
    nwbfile.add_electrode_column("channel_name", "Name of the channel in the acquisition system.")
    for stream in streams:
        for name in stream.channel_names:
            nwbfile.add_electrode(location=location, group=group, channel_name=name)


def _add_series(
    nwbfile: NWBFile, name: str, *, stream: OebStream, index: int, data: object, rows: list[int]
) -> None:
    """Add one gap-free stretch of a stream."""
    scales = np.array(stream.volt_per_bit)
    is_uniform = bool((scales == scales[0]).all())
    number = stream.segments[index][2]
    nwbfile.add_acquisition(
        ElectricalSeries(
            name=name,
            description="Raw samples as recorded, between two gaps of the recording.",
            data=data,
            electrodes=nwbfile.create_electrode_table_region(
                region=rows, description="Channels of this series."
            ),
            conversion=float(scales[0]),
            channel_conversion=None if is_uniform else scales / scales[0],
            starting_time=(number - stream.first_number) / stream.rate_hz,
            rate=stream.rate_hz,
        )
    )
