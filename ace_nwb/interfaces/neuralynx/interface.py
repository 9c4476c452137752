"""NeuroConv data interface of Neuralynx folders: all channels and every TTL line."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from neuroconv import BaseDataInterface
from pydantic import DirectoryPath
from pynwb import NWBFile
from pynwb.device import Device, DeviceModel
from pynwb.ecephys import ElectricalSeries

from ace_nwb.errors import AceNwbWarning
from ace_nwb.interfaces.base import ArrayPlacer
from ace_nwb.interfaces.neuralynx.events import Message, TtlLine
from ace_nwb.interfaces.neuralynx.folder import NeuralynxRecording, read_recording
from ace_nwb.interfaces.neuralynx.samples import Channel, SegmentSource
from ace_nwb.interfaces.nwb_objects import NOT_STATED, add_events, object_name, section
from ace_nwb.interfaces.policies import check_partial, without_folder

FILTER_KEYS = (
    "DSPLowCutFilterEnabled",
    "DspLowCutFrequency",
    "DSPHighCutFilterEnabled",
    "DspHighCutFrequency",
)


class NeuralynxInterface(BaseDataInterface):
    """Converts the continuous channels and events of a Neuralynx (Cheetah) folder.

    Times are seconds from the first sample of any channel.

    Parameters
    ----------
    folder_path
        Folder with the `.ncs` and `.nev` files.
    policies
        Name -> choice of what to do where the recording is irregular (`partial_streams`).
    verbose
        Kept for NeuroConv; nothing is printed.
    """

    display_name = "Neuralynx"
    associated_suffixes = (".ncs", ".nev")
    info = "Continuous channels with their gaps, TTL lines bit by bit, and messages of Cheetah."
    keywords = ("extracellular electrophysiology", "Neuralynx")

    def __init__(
        self,
        folder_path: DirectoryPath,
        policies: dict | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__(folder_path=str(folder_path), verbose=verbose)
        self.recording = read_recording(Path(folder_path))
        check_partial(self.recording.warnings, policies, device="Neuralynx")
        for sentence in self.recording.warnings:
            warnings.warn(sentence, AceNwbWarning, stacklevel=2)

    def describe_content(self) -> str:
        """Return facts that tell this recording from any other, whatever its folder is called."""
        facts = [f"neuralynx {self.recording.zero_us}"]
        facts += [f"{c.name} {c.n_samples} {c.rate_hz!r}" for c in self.recording.channels]
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
        ecephys = section(metadata, "Ecephys")
        recording = self.recording
        _add_electrodes(nwbfile, recording, ecephys=ecephys)
        first_row = 0
        for group, label in zip(recording.groups, group_labels(recording.groups), strict=True):
            rows = list(range(first_row, first_row + len(group)))
            first_row += len(group)
            for index in range(len(group[0].segments)):
                number = str(index) if len(group[0].segments) > 1 else ""
                name = f"ElectricalSeries{label}{number}"
                source = SegmentSource(group, index)
                data = placer.place(f"/acquisition/{name}/data", source, title="ephys")
                start_s = (group[0].segments[index].start_us - recording.zero_us) / 1e6
                _add_series(nwbfile, name, group=group, data=data, rows=rows, start_s=start_s)
        for line in recording.events.lines:
            _add_line(nwbfile, line, zero_us=recording.zero_us)
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
    nwbfile.add_device(device)
    location = ecephys.get("location", NOT_STATED)
    group = nwbfile.create_electrode_group(
        name="ElectrodeGroup",
        description=ecephys.get("description", "All continuous channels of the system."),
        location=location,
        device=device,
    )
    nwbfile.add_electrode_column("channel_name", "Name of the channel in the acquisition system.")
    nwbfile.add_electrode_column("ad_channel", "Number of the input, -1 if not stated.")
    channels = section(ecephys, "channels")
    has_notes = any("description" in section(channels, c.name) for c in recording.channels)
    if has_notes:
        nwbfile.add_electrode_column("signal", "What is recorded, by the experimenter.")
    for channel in recording.channels:
        stated = section(channels, channel.name)
        row: dict[str, Any] = {"signal": stated.get("description", "")} if has_notes else {}
        nwbfile.add_electrode(
            location=stated.get("location", location),
            group=group,
            channel_name=channel.name,
            ad_channel=_input_number(channel),
            **row,
        )


def _add_series(
    nwbfile: NWBFile,
    name: str,
    *,
    group: tuple[Channel, ...],
    data: Any,
    rows: list[int],
    start_s: float,
) -> None:
    """Add one gap-free stretch of channels that share their time."""
    scales = np.array([channel.volt_per_bit for channel in group])
    is_uniform = bool((scales == scales[0]).all())
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
            starting_time=start_s,
            rate=group[0].rate_hz,
            filtering=_filtering(group),
        )
    )


def _add_line(nwbfile: NWBFile, line: TtlLine, *, zero_us: int) -> None:
    """Add the edges of one TTL line."""
    add_events(
        nwbfile,
        line.name,
        description="Edges of one bit of a TTL port.",
        source="Neuralynx",
        timestamps_s=(line.times_us - zero_us) / 1e6,
        columns={"level": ("Level from this edge on, 0 or 1.", line.levels)},
    )


def _add_messages(nwbfile: NWBFile, messages: tuple[Message, ...], *, zero_us: int) -> None:
    """Add the texts of the event file."""
    if not messages:
        return
    add_events(
        nwbfile,
        "NeuralynxMessages",
        description="Events of the acquisition system other than TTL.",
        source="Neuralynx",
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
