"""NeuroConv data interface of the ONIX streams beside the Miniscope."""

import warnings
from pathlib import Path

import numpy as np
from neuroconv import BaseDataInterface
from neuroconv.utils import DeepDict
from pydantic import DirectoryPath
from pynwb import NWBFile, TimeSeries
from pynwb.device import Device
from pynwb.ecephys import ElectricalSeries

from ace_nwb.errors import AceNwbWarning
from ace_nwb.interfaces.base import ArrayPlacer
from ace_nwb.interfaces.imaging_objects import add_clock_facts
from ace_nwb.interfaces.imaging_recording import ClockFacts, parse_zone
from ace_nwb.interfaces.nwb_objects import NOT_STATED, add_events, section
from ace_nwb.interfaces.onix.miniscope import CLOCK
from ace_nwb.interfaces.onix.streams import (
    AC_VOLT_PER_BIT,
    AC_ZERO,
    DC_VOLT_PER_BIT,
    DC_ZERO,
    Stream,
    StreamSource,
    read_streams,
)
from ace_nwb.interfaces.policies import check_partial, without_folder

SCALES = {
    "RHS2116AC": (AC_VOLT_PER_BIT, -AC_ZERO * AC_VOLT_PER_BIT),
    "RHS2116DC": (DC_VOLT_PER_BIT, -DC_ZERO * DC_VOLT_PER_BIT),
}
TEXTS = {
    "RHS2116AC": "Amplified samples of the RHS2116 as recorded.",
    "RHS2116DC": "Samples of the low-gain (DC) amplifier of the RHS2116 as recorded.",
    "RHS2116Recovery": "Recovery of the amplifiers from stimulation, as recorded.",
    "AnalogInput": "Analog inputs of the breakout board.",
}
SOURCE = "ONIX"


class OnixInterface(BaseDataInterface):
    """Converts RHS2116, digital and analog inputs and port status of an ONIX acquisition.

    Times are counts of the 250 MHz clock / rate; the Miniscope of the same acquisition is on the
    same clock.

    Parameters
    ----------
    folder_path
        Folder with the files that Bonsai wrote.
    timezone
        Zone in which the start time is to be written.
    policies
        Name -> choice of what to do where the recording is irregular (`partial_streams`).
    verbose
        Kept for NeuroConv; nothing is printed.
    """

    display_name = "ONIX streams"
    associated_suffixes = (".raw", ".csv")
    info = "RHS2116 (AC, DC, recovery), digital and analog inputs, port status of ONIX."
    keywords = ("extracellular electrophysiology", "ONIX", "RHS2116")

    def __init__(
        self,
        folder_path: DirectoryPath,
        timezone: str | None = None,
        policies: dict | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(folder_path=str(folder_path), verbose=verbose)
        self.recording = read_streams(Path(folder_path))
        check_partial(self.recording.warnings, policies, device="ONIX")
        self._zone = parse_zone(timezone)
        for sentence in self.recording.warnings:
            warnings.warn(sentence, AceNwbWarning, stacklevel=2)

    def get_metadata(self) -> DeepDict:
        """Return when the acquisition began."""
        metadata = super().get_metadata()
        start = self.recording.start.start
        if start is not None:
            local = start if self._zone is None else start.astimezone(self._zone)
            metadata["NWBFile"]["session_start_time"] = local
        return metadata

    def describe_content(self) -> str:
        """Return facts that tell this recording from any other, whatever its folder is called."""
        facts = [f"onix {self.recording.start.start}"]
        facts += [f"{s.name} {s.values.shape} {int(s.clock[0])}" for s in self.recording.streams]
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
        ecephys = section(metadata, "Ecephys")
        recording = self.recording
        hz = recording.start.clock_hz
        amplified = [stream for stream in (recording.ac, recording.dc) if stream is not None]
        if amplified:
            _add_electrodes(nwbfile, amplified[0].values.shape[1], ecephys=ecephys)
        facts = []
        for stream in recording.streams:
            for index, segment in enumerate(stream.segments):
                number = str(index) if len(stream.segments) > 1 else ""
                name = f"{_series_name(stream)}{number}"
                source = StreamSource(stream, segment)
                data = placer.place(f"/acquisition/{name}/data", source, title="ephys")
                count = int(stream.clock[segment[0]])
                _add_series(nwbfile, name, stream=stream, data=data, start_s=count / hz)
                facts.append((f"/acquisition/{name}", ClockFacts(CLOCK, hz, count)))
        add_clock_facts(nwbfile, facts)
        for line in recording.lines:
            add_events(
                nwbfile,
                line.name,
                description="Edges of one bit of a digital port.",
                source=SOURCE,
                timestamps_s=line.counts / hz,
                columns={"level": ("Level from this edge on, 0 or 1.", line.levels)},
            )
        if recording.port_status:
            counts, codes = np.array(recording.port_status, np.int64).T
            add_events(
                nwbfile,
                "PortStatus",
                description="Status messages of the port to the headstage.",
                source=SOURCE,
                timestamps_s=counts / hz,
                columns={"code": ("Status code.", codes)},
            )


def _series_name(stream: Stream) -> str:
    """Return the name of the series of a stream."""
    return f"ElectricalSeries{stream.name}" if stream.name in SCALES else stream.name


def _add_electrodes(nwbfile: NWBFile, n_channels: int, *, ecephys: dict) -> None:
    """Add device, electrode group and one electrode per channel."""
    device = Device(name="ONIX", description="ONIX acquisition system with RHS2116 headstage.")
    nwbfile.add_device(device)
    location = ecephys.get("location", NOT_STATED)
    group = nwbfile.create_electrode_group(
        name="ElectrodeGroup",
        description=ecephys.get("description", "All channels of the RHS2116."),
        location=location,
        device=device,
    )
    nwbfile.add_electrode_column("channel_name", "Name of the channel in the acquisition system.")
    for channel in range(n_channels):
        nwbfile.add_electrode(location=location, group=group, channel_name=f"RHS2116_{channel}")


def _add_series(
    nwbfile: NWBFile, name: str, *, stream: Stream, data: object, start_s: float
) -> None:
    """Add one gap-free stretch of a stream."""
    if stream.name not in SCALES:
        unit = "n.a." if stream.name == "RHS2116Recovery" else "volts"
        nwbfile.add_acquisition(
            TimeSeries(
                name=name,
                description=TEXTS.get(stream.name, "Analog stream as recorded."),
                data=data,
                unit=unit,
                starting_time=start_s,
                rate=stream.rate_hz,
            )
        )
        return
    conversion, offset = SCALES[stream.name]
    n_channels = stream.values.shape[1]
    nwbfile.add_acquisition(
        ElectricalSeries(
            name=name,
            description=TEXTS[stream.name],
            data=data,
            electrodes=nwbfile.create_electrode_table_region(
                region=list(range(n_channels)), description="Channels of this series."
            ),
            conversion=conversion,
            offset=offset,
            starting_time=start_s,
            rate=stream.rate_hz,
        )
    )
