"""A Neuralynx folder as read from disk: channels, events, and what `inspect` says."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ace_nwb.errors import EphysError, InputError
from ace_nwb.interfaces.base import Candidate, Evidence, find_below
from ace_nwb.interfaces.neuralynx.events import EventFile, TtlLine, read_events
from ace_nwb.interfaces.neuralynx.header import MAGIC
from ace_nwb.interfaces.neuralynx.samples import Channel, read_channel
from ace_nwb.interfaces.policies import partial_streams
from ace_nwb.interfaces.summaries import ChannelSummary, LineSummary, RecordingSummary

NAME = "neuralynx"


@dataclass(frozen=True)
class NeuralynxRecording:
    """All channels and events of a folder.

    `groups` are the channels that share rate and segments; `zero_us` is the time of the first
    sample of any channel, the zero of the ephys clock.
    """

    folder_path: Path
    groups: tuple[tuple[Channel, ...], ...]
    events: EventFile
    zero_us: int
    warnings: tuple[str, ...]

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All channels, in the order of their groups."""
        return tuple(channel for group in self.groups for channel in group)


def find_recordings(folder_path: Path) -> list[Candidate]:
    """Return every Neuralynx folder at or below a folder."""
    return [_candidate(path) for path in find_below(folder_path, _is_recording)]


def read_recording(folder_path: Path) -> NeuralynxRecording:
    """Read the structure of all channels, and all events.

    Raises
    ------
    EphysError
        If no channel holds samples, or a file is damaged.
    """
    paths = _files(folder_path, ".ncs")
    read = {path: read_channel(path) for path in paths}
    channels = [channel for channel in read.values() if channel is not None]
    if not channels:
        raise EphysError(
            f"{folder_path} has {len(paths)} .ncs files and no samples in them. At least one "
            "recorded channel was expected; copy the folder again."
        )
    events = read_events(_files(folder_path, ".nev"))
    return NeuralynxRecording(
        folder_path=folder_path,
        groups=group_channels(channels),
        events=events,
        zero_us=min(channel.segments[0].start_us for channel in channels),
        warnings=tuple(_warnings(read, events)),
    )


def group_channels(channels: list[Channel]) -> tuple[tuple[Channel, ...], ...]:
    """Put channels together that share rate, scale of time and segments, in order of name."""
    groups: dict[tuple, list[Channel]] = {}
    for channel in sorted(channels, key=_natural_key):
        spans = tuple((part.start_us, part.n_samples) for part in channel.segments)
        groups.setdefault((channel.rate_hz, spans), []).append(channel)
    return tuple(tuple(group) for group in groups.values())


def read_time_created(channel: Channel) -> datetime | None:
    """Return when the file was made by the recorder's local clock; it names no time zone."""
    text = channel.entries.get("TimeCreated", "")
    try:
        return datetime.strptime(text, "%Y/%m/%d %H:%M:%S")
    except ValueError:
        return None


def summarise_recording(folder_path: Path, options: Any) -> RecordingSummary:
    """Say what a folder holds and what is wrong with it."""
    try:
        recording = read_recording(folder_path)
    except InputError as error:
        return RecordingSummary(start_time=None, problems=(str(error),))
    noted = partial_streams(recording.warnings, policies=options.policies, device="Neuralynx")
    return RecordingSummary(
        start_time=read_time_created(recording.channels[0]),
        channels=tuple(_summarise_channel(channel) for channel in recording.channels),
        lines=tuple(_summarise_line(line, recording.zero_us) for line in recording.events.lines),
        notes=tuple(
            f"{(message.time_us - recording.zero_us) / 1e6:.3f} s: {message.text}"
            for message in recording.events.messages
        ),
        problems=tuple(item.sentence for item in noted),
        irregularities=noted,
    )


def _summarise_channel(channel: Channel) -> ChannelSummary:
    """Describe one channel."""
    return ChannelSummary(
        name=channel.name,
        rate_hz=channel.rate_hz,
        n_samples=channel.n_samples,
        n_segments=len(channel.segments),
        duration_s=(channel.stop_us - channel.segments[0].start_us) / 1e6,
        gaps_s=channel.gaps_s,
        microvolt_per_bit=channel.volt_per_bit * 1e6,
    )


def _summarise_line(line: TtlLine, zero_us: int) -> LineSummary:
    """Describe one TTL line; its rate is by the median interval of edges."""
    times_s = (line.times_us - zero_us) / 1e6
    intervals_s = np.diff(times_s)
    median_s = float(np.median(intervals_s)) if len(intervals_s) else 0.0
    return LineSummary(
        name=line.name,
        n_edges=len(times_s),
        edge_rate_hz=1 / median_s if median_s > 0 else 0.0,
        first_s=float(times_s[0]) if len(times_s) else 0.0,
        last_s=float(times_s[-1]) if len(times_s) else 0.0,
    )


def _warnings(read: dict[Path, Channel | None], events: EventFile) -> list[str]:
    """Return sentences on what is unusual."""
    found = [
        f"{path} holds a header and no samples; it is left out."
        for path, c in read.items()
        if c is None
    ]
    found += [
        f"{channel.file_path} ends in a record cut off after {channel.n_cut_bytes} bytes; its "
        f"{channel.n_samples} samples in whole records are read."
        for channel in read.values()
        if channel is not None and channel.n_cut_bytes
    ]
    if events.n_cut_bytes:
        found.append(
            f"The events end in a record cut off after {events.n_cut_bytes} bytes; the whole "
            "records before it are read."
        )
    return found


def _is_recording(path: Path) -> bool:
    """Whether a folder holds continuous channels or events of Cheetah."""
    return bool(_files(path, ".ncs"))


def _candidate(path: Path) -> Candidate:
    """Collect what speaks for a Neuralynx recording in a folder."""
    samples, events = _files(path, ".ncs"), _files(path, ".nev")
    evidence = [Evidence(2, f"{len(samples)} .ncs files")]
    if _has_magic(samples[0]):
        evidence.append(Evidence(3, f"{samples[0].name} begins with a Neuralynx header"))
    if events:
        evidence.append(Evidence(1, f"events in {', '.join(file.name for file in events)}"))
    return Candidate(NAME, path, tuple(evidence))


def _has_magic(file_path: Path) -> bool:
    """Whether a file begins as Neuralynx files do."""
    with file_path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC.encode()


def _files(folder_path: Path, suffix: str) -> list[Path]:
    """Return the files of a folder with an ending, in name order."""
    return sorted(
        path
        for path in folder_path.iterdir()
        if path.suffix.lower() == suffix and path.is_file() and not path.name.startswith(".")
    )


def _natural_key(channel: Channel) -> list[tuple[int, str]]:
    """Return a key that sorts CSC2 before CSC10."""
    import re

    parts = re.findall(r"\d+|\D+", channel.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
