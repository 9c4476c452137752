"""NeuroConv data interface of the ONIX streams beside the Miniscope."""

from pathlib import Path

import numpy as np
from neuroconv.utils import DeepDict
from pydantic import DirectoryPath
from pynwb import NWBFile, TimeSeries
from pynwb.device import Device

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
from ace_nwb.interfaces.imaging_recording import ClockFacts, parse_zone
from ace_nwb.interfaces.nwb_objects import add_events
from ace_nwb.interfaces.onix.miniscope import CLOCK
from ace_nwb.interfaces.onix.streams import (
    AC_VOLT_PER_BIT,
    AC_ZERO,
    DC_VOLT_PER_BIT,
    DC_ZERO,
    OnixStreams,
    Stream,
    StreamSource,
    read_streams,
)
from ace_nwb.interfaces.policies import Policies

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


class OnixInterface(EphysInterface):
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
    device = "ONIX"
    associated_suffixes = (".raw", ".csv")
    info = "RHS2116 (AC, DC, recovery), digital and analog inputs, port status of ONIX."
    keywords = ("extracellular electrophysiology", "ONIX", "RHS2116")

    def __init__(
        self,
        folder_path: DirectoryPath,
        policies: dict | None = None,
        timezone: str | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(folder_path, policies=policies, verbose=verbose)
        self._zone = parse_zone(timezone)

    def read(self, folder_path: Path, policies: Policies) -> OnixStreams:  # noqa: ARG002
        """Read one acquisition."""
        return read_streams(folder_path)

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

    def add_recording(self, nwbfile: NWBFile, ecephys: dict, *, placer: ArrayPlacer) -> None:
        """Add streams, lines and port status."""
        recording = self.recording
        hz = recording.start.clock_hz
        amplified = [stream for stream in (recording.ac, recording.dc) if stream is not None]
        if amplified:
            _add_electrodes(nwbfile, amplified[0].values.shape[1], ecephys=ecephys)
        facts = []
        for stream in recording.streams:
            for index, segment in enumerate(stream.segments):
                name = f"{_series_name(stream)}{segment_suffix(index, len(stream.segments))}"
                source = StreamSource(stream, segment)
                data = placer.place(f"/acquisition/{name}/data", source, title="ephys")
                count = int(stream.clock[segment[0]])
                _add_series(nwbfile, name, stream=stream, data=data, start_s=count / hz)
                facts.append((f"/acquisition/{name}", ClockFacts(CLOCK, hz, count)))
        add_clock_facts(nwbfile, facts)
        for line in recording.lines:
            times_s = line.counts / hz
            add_line(nwbfile, line.name, source=self.device, times_s=times_s, levels=line.levels)
        if recording.port_status:
            counts, codes = np.array(recording.port_status, np.int64).T
            add_events(
                nwbfile,
                "PortStatus",
                description="Status messages of the port to the headstage.",
                source=self.device,
                timestamps_s=counts / hz,
                columns={"code": ("Status code.", codes)},
            )


def _series_name(stream: Stream) -> str:
    """Return the name of the series of a stream."""
    return f"ElectricalSeries{stream.name}" if stream.name in SCALES else stream.name


def _add_electrodes(nwbfile: NWBFile, n_channels: int, *, ecephys: dict) -> None:
    """Add device, electrode group and one electrode per channel."""
    group = add_electrode_group(
        nwbfile,
        Device(name="ONIX", description="ONIX acquisition system with RHS2116 headstage."),
        ecephys=ecephys,
        description="All channels of the RHS2116.",
    )
    for channel in range(n_channels):
        name = f"RHS2116_{channel}"
        nwbfile.add_electrode(location=group.location, group=group, channel_name=name)


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
    volt_per_bit, offset_v = SCALES[stream.name]
    n_channels = stream.values.shape[1]
    add_samples(
        nwbfile,
        SampleSeries(
            name=name,
            description=TEXTS[stream.name],
            data=data,
            rows=list(range(n_channels)),
            volt_per_bit=np.full(n_channels, volt_per_bit),
            start_s=start_s,
            rate_hz=stream.rate_hz,
            offset_v=offset_v,
        ),
    )
