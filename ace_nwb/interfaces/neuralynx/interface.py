"""NeuroConv data interface of Neuralynx folders: all channels and every TTL line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pynwb import NWBFile
from pynwb.device import Device, DeviceModel

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
from ace_nwb.interfaces.neuralynx.events import Message
from ace_nwb.interfaces.neuralynx.folder import NeuralynxRecording, read_recording
from ace_nwb.interfaces.neuralynx.samples import Channel, SegmentSource
from ace_nwb.interfaces.nwb_objects import add_events, object_name, section
from ace_nwb.interfaces.policies import Policies

SOURCE = "Neuralynx"
FILTER_KEYS = (
    "DSPLowCutFilterEnabled",
    "DspLowCutFrequency",
    "DSPHighCutFilterEnabled",
    "DspHighCutFrequency",
)


class NeuralynxInterface(EphysInterface):
    """Converts the continuous channels and events of a Neuralynx (Cheetah) folder.

    Times are seconds from the first sample of any channel.
    """

    display_name = "Neuralynx"
    device = "Neuralynx"
    associated_suffixes = (".ncs", ".nev")
    info = "Continuous channels with their gaps, TTL lines bit by bit, and messages of Cheetah."
    keywords = ("extracellular electrophysiology", "Neuralynx")

    def read(self, folder_path: Path, policies: Policies) -> NeuralynxRecording:  # noqa: ARG002
        """Read one recording."""
        return read_recording(folder_path)

    def describe_content(self) -> str:
        """Return facts that tell this recording from any other, whatever its folder is called."""
        facts = [f"neuralynx {self.recording.zero_us}"]
        facts += [f"{c.name} {c.n_samples} {c.rate_hz!r}" for c in self.recording.channels]
        return "\n".join(facts)

    def add_recording(self, nwbfile: NWBFile, ecephys: dict, *, placer: ArrayPlacer) -> None:
        """Add channels, lines and messages."""
        recording = self.recording
        _add_electrodes(nwbfile, recording, ecephys=ecephys)
        first_row = 0
        for group, label in zip(recording.groups, group_labels(recording.groups), strict=True):
            rows = list(range(first_row, first_row + len(group)))
            first_row += len(group)
            segments = group[0].segments
            for index, segment in enumerate(segments):
                name = f"ElectricalSeries{label}{segment_suffix(index, len(segments))}"
                source = SegmentSource(group, index)
                series = SampleSeries(
                    name=name,
                    description=BETWEEN_GAPS,
                    data=placer.place(f"/acquisition/{name}/data", source, title="ephys"),
                    rows=rows,
                    volt_per_bit=np.array([channel.volt_per_bit for channel in group]),
                    start_s=(segment.start_us - recording.zero_us) / 1e6,
                    rate_hz=group[0].rate_hz,
                    filtering=_filtering(group),
                )
                add_samples(nwbfile, series)
        for line in recording.events.lines:
            times_s = (line.times_us - recording.zero_us) / 1e6
            add_line(nwbfile, line.name, source=SOURCE, times_s=times_s, levels=line.levels)
        _add_messages(nwbfile, recording.events.messages, zero_us=recording.zero_us)


def group_labels(groups: Sequence[tuple[Channel, ...]]) -> list[str]:
    """Return what tells the series of several groups apart: their rate, numbered where equal."""
    if len(groups) == 1:
        return [""]
    rates = [f"{group[0].rate_hz:g}Hz".replace(".", "p") for group in groups]
    labels = []
    for index, rate in enumerate(rates):
        number = rates[:index].count(rate)
        labels.append(f"{rate}{chr(ord('A') + number)}" if rates.count(rate) > 1 else rate)
    return labels


def _add_electrodes(
    nwbfile: NWBFile, recording: NeuralynxRecording, *, ecephys: dict[str, Any]
) -> None:
    """Add device, electrode group and one electrode per channel, with what the source says."""
    entries = recording.channels[0].entries
    system = entries.get("HardwareSubSystemType") or entries.get("AcquisitionSystem")
    model = None
    if system:
        model = DeviceModel(
            name=object_name(system),
            manufacturer="Neuralynx",
            description="Acquisition system, as the headers of its files call it.",
        )
        nwbfile.add_device_model(model)
    device = Device(name="Neuralynx", description=_software(entries), model=model)
    group = add_electrode_group(
        nwbfile, device, ecephys=ecephys, description="All continuous channels of the system."
    )
    nwbfile.add_electrode_column("ad_channel", "Number of the input, -1 if not stated.")
    channels = section(ecephys, "channels")
    has_notes = any("description" in section(channels, c.name) for c in recording.channels)
    if has_notes:
        nwbfile.add_electrode_column("signal", "What is recorded, by the experimenter.")
    for channel in recording.channels:
        stated = section(channels, channel.name)
        row: dict[str, Any] = {"signal": stated.get("description", "")} if has_notes else {}
        nwbfile.add_electrode(
            location=stated.get("location", group.location),
            group=group,
            channel_name=channel.name,
            ad_channel=_input_number(channel),
            **row,
        )


def _add_messages(nwbfile: NWBFile, messages: tuple[Message, ...], *, zero_us: int) -> None:
    """Add the texts of the event file."""
    if not messages:
        return
    add_events(
        nwbfile,
        "NeuralynxMessages",
        description="Events of the acquisition system other than TTL.",
        source=SOURCE,
        timestamps_s=np.array([message.time_us - zero_us for message in messages]) / 1e6,
        columns={"text": ("Text of the event.", [message.text for message in messages])},
    )


def _filtering(group: tuple[Channel, ...]) -> str | None:
    """Return the filter settings of the header if all channels share them."""
    texts = {
        ", ".join(f"{key} {c.entries[key]}" for key in FILTER_KEYS if key in c.entries)
        for c in group
    }
    text = texts.pop()
    return None if texts or not text else text


def _software(entries: dict[str, str]) -> str | None:
    """Return name and version of the acquisition program, if the header says."""
    parts = [entries[key] for key in ("ApplicationName", "ApplicationVersion") if key in entries]
    return " ".join(parts) or None


def _input_number(channel: Channel) -> int:
    """Return the number of a channel's input, -1 if the header does not say."""
    text = channel.entries.get("ADChannel", "")
    return int(text) if text.isdecimal() else -1
