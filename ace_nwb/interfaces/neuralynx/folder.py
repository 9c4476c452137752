"""A Neuralynx folder: which channels share their times, what its headers say, its events."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from ace_nwb.interfaces.base import Candidate, Evidence, find_below, object_name
from ace_nwb.interfaces.ephys_recording import (
    BETWEEN_GAPS,
    DigitalLine,
    Electrode,
    EphysRecording,
    EventList,
    SampleSegment,
    SampleStream,
    System,
)
from ace_nwb.interfaces.neuralynx.events import EventFile
from ace_nwb.interfaces.neuralynx.header import MAGIC
from ace_nwb.interfaces.neuralynx.samples import Channel, segment_samples
from ace_nwb.interfaces.neuralynx.starts import NeuralynxFiles, list_files, read_folder
from ace_nwb.interfaces.policies import Policies, partial_streams

NAME = "neuralynx"
SHOWN_NAMES = 8
"""Files not read that a remark names: a line of text."""

_OPENED = re.compile(r"(\d+)/(\d+)/(\d{4}).*?(\d+):(\d+):(\d+)")
"""In a header of older versions: "(m/d/y): 10/23/2006 (h:m:s.ms) 18:39:25.421"."""

FILTER_KEYS = (
    "DSPLowCutFilterEnabled",
    "DspLowCutFrequency",
    "DSPHighCutFilterEnabled",
    "DspHighCutFrequency",
)
"""Entries of a header on filters that every version writes."""


def find_recordings(folder_path: Path) -> list[Candidate]:
    """Return every Neuralynx folder at or below a folder."""
    return [_candidate(path) for path in find_below(folder_path, _is_recording)]


def read_recording(folder_path: Path, policies: Policies | None = None) -> EphysRecording:
    """Read the structure of all channels, and all events.

    Times are seconds from the first sample of any channel; from the first event where there are
    events alone.

    Raises
    ------
    EphysError
        If no channel holds samples, or a file is damaged.
    """
    chosen = policies or Policies()
    found = read_folder(folder_path, chosen)
    events = found.events
    groups = group_channels(found.channels)
    channels = [channel for group in groups for channel in group]
    zero_us = min([c.segments[0].start_us for c in channels] or [events.first_us])
    entries = channels[0].entries if channels else events.entries
    return EphysRecording(
        folder_path=folder_path,
        system=_system(entries),
        content=(
            f"neuralynx {zero_us}",
            *(f"{c.name} {c.n_samples} {c.rate_hz!r}" for c in channels),
            *(
                f"{line.name} {len(line.times_us)} {line.times_us.sum()}"
                for line in events.lines
                if not channels
            ),
        ),
        electrodes=tuple(Electrode(c.name, _input_number(c)) for c in channels),
        streams=tuple(_streams(groups, zero_us=zero_us)),
        lines=tuple(
            DigitalLine(line.name, (line.times_us - zero_us) / 1e6, line.levels)
            for line in events.lines
        ),
        events=_messages(events, zero_us=zero_us),
        start_time=read_time_created(entries),
        remarks=(
            *(() if channels else ("There are no samples (.ncs); the events alone are read.",)),
            *_unread(folder_path),
        ),
        irregularities=(
            *partial_streams(_incomplete(found), policies=chosen, device="Neuralynx"),
            *found.restarts,
        ),
    )


def group_channels(channels: Sequence[Channel]) -> tuple[tuple[Channel, ...], ...]:
    """Put channels together that share rate, scale of time and segments, in order of name."""
    groups: dict[tuple, list[Channel]] = {}
    for channel in sorted(channels, key=_natural_key):
        spans = tuple((part.start_us, part.n_samples) for part in channel.segments)
        groups.setdefault((channel.rate_hz, spans), []).append(channel)
    return tuple(tuple(group) for group in groups.values())


def read_time_created(entries: dict[str, str]) -> datetime | None:
    """Return when the file was made by the recorder's local clock; it names no time zone."""
    text = entries.get("TimeCreated", "")
    if opened := _OPENED.search(entries.get("TimeOpened", "")):
        month, day, year, *clock = opened.groups()
        text = f"{year}/{month}/{day} {':'.join(clock)}"
    try:
        return datetime.strptime(text, "%Y/%m/%d %H:%M:%S")
    except ValueError:
        return None


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


def _streams(groups: Sequence[tuple[Channel, ...]], *, zero_us: int) -> Iterator[SampleStream]:
    """Yield the channels that share their times, group by group."""
    first_row = 0
    for group, label in zip(groups, group_labels(groups), strict=True):
        yield SampleStream(
            name=f"ElectricalSeries{label}",
            description=BETWEEN_GAPS,
            segments=tuple(
                SampleSegment((part.start_us - zero_us) / 1e6, segment_samples(group, index))
                for index, part in enumerate(group[0].segments)
            ),
            rate_hz=group[0].rate_hz,
            scale=np.array([channel.volt_per_bit for channel in group]),
            listed=tuple(channel.name for channel in group),
            electrodes=tuple(range(first_row, first_row + len(group))),
            filtering=_filtering(group),
        )
        first_row += len(group)


def _system(entries: dict[str, str]) -> System:
    """Return what the header of a file says about the system and its program."""
    model = entries.get("HardwareSubSystemType") or entries.get("AcquisitionSystem")
    parts = [entries[key] for key in ("ApplicationName", "ApplicationVersion") if key in entries]
    return System(
        name="Neuralynx",
        description=" ".join(parts) or None,
        model=object_name(model) if model else "",
        model_description="Acquisition system, as the headers of its files call it.",
        manufacturer="Neuralynx",
    )


def _messages(events: EventFile, *, zero_us: int) -> tuple[EventList, ...]:
    """Return the texts of the event file."""
    if not events.messages:
        return ()
    texts = [message.text for message in events.messages]
    times_s = np.array([message.time_us - zero_us for message in events.messages]) / 1e6
    return (
        EventList(
            name="NeuralynxMessages",
            description="Events of the acquisition system other than TTL.",
            times_s=times_s,
            columns={"text": ("Text of the event.", texts)},
        ),
    )


def _filtering(group: tuple[Channel, ...]) -> str | None:
    """Return the filter settings of the header if all channels share them."""
    texts = {
        ", ".join(f"{key} {c.entries[key]}" for key in FILTER_KEYS if key in c.entries)
        for c in group
    }
    text = texts.pop()
    return None if texts or not text else text


def _input_number(channel: Channel) -> int:
    """Return the number of a channel's input, -1 if the header does not say."""
    text = channel.entries.get("ADChannel", "")
    return int(text) if text.isdecimal() else -1


def _incomplete(files: NeuralynxFiles) -> list[str]:
    """Return sentences on files that are empty or cut off, and on records that stand twice."""
    found = [f"{path} holds a header and no samples; it is left out." for path in files.empty]
    found += [
        f"{channel.file_path} ends in a record cut off after {channel.n_cut_bytes} bytes; its "
        f"{channel.n_samples} samples in whole records are read."
        for channel in files.channels
        if channel.n_cut_bytes
    ]
    found += [
        f"{channel.file_path} holds {channel.n_repeated} record(s) twice; each is read once."
        for channel in files.channels
        if channel.n_repeated
    ]
    if files.events.n_cut_bytes:
        found.append(
            f"The events end in a record cut off after {files.events.n_cut_bytes} bytes; the whole "
            "records before it are read."
        )
    return found


def _unread(folder_path: Path) -> tuple[str, ...]:
    """Say which files of the folder are not read, such as spikes and the video tracker's."""
    names = sorted(
        path.name
        for path in folder_path.iterdir()
        if path.is_file()
        and path.suffix.lower() not in (".ncs", ".nev")
        and not path.name.startswith(".")
    )
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return (f"Not read: {', '.join(names[:SHOWN_NAMES])}{more}.",) if names else ()


def _is_recording(path: Path) -> bool:
    """Whether a folder holds continuous channels or events of Cheetah."""
    return bool(list_files(path, ".ncs") or list_files(path, ".nev"))


def _candidate(path: Path) -> Candidate:
    """Collect what speaks for a Neuralynx recording in a folder."""
    samples, events = list_files(path, ".ncs"), list_files(path, ".nev")
    evidence = [Evidence(2, f"{len(samples)} .ncs files")] if samples else []
    first = [*samples, *events][0]
    if _has_magic(first):
        evidence.append(Evidence(3, f"{first.name} begins with a Neuralynx header"))
    if events:
        evidence.append(Evidence(1, f"events in {', '.join(file.name for file in events)}"))
    return Candidate(NAME, path, tuple(evidence))


def _has_magic(file_path: Path) -> bool:
    """Whether a file begins as Neuralynx files do."""
    with file_path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC.encode()


def _natural_key(channel: Channel) -> list[tuple[int, str]]:
    """Return a key that sorts CSC2 before CSC10."""
    parts = re.findall(r"\d+|\D+", channel.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
