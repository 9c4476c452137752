"""Recordings that are segments of one session, joined with the true gaps between them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from ace_nwb.errors import FormatError
from ace_nwb.interfaces.device_settings import changed_settings
from ace_nwb.interfaces.frame_ledger import join_ledgers, shift_ledger
from ace_nwb.interfaces.imaging_recording import (
    DeviceRecording,
    FrameLine,
    HeadOrientation,
    ImagingRecording,
    Note,
    Segment,
    Signal,
)
from ace_nwb.interfaces.video import check_movies_alike


def join_recordings(recordings: Sequence[ImagingRecording], *, base_path: Path) -> ImagingRecording:
    """Return recordings of the same devices as segments of one, with true gaps between them.

    Raises
    ------
    FormatError
        If a start time is not known, segments overlap, or their devices differ.
    """
    unknown = [item.base_path for item in recordings if item.start_time is None]
    if unknown:
        raise FormatError(
            f"{unknown[0]} does not say when it began. The start time of every segment was "
            "expected; convert it by itself, with the start in the metadata file."
        )
    ordered = sorted(_without_broken(recordings), key=lambda item: item.start_time or datetime.max)
    offsets_s = [_seconds_between(ordered[0], item) for item in ordered]
    shifted = [
        _shift(item, offset_s, base_path=base_path)
        for item, offset_s in zip(ordered, offsets_s, strict=True)
    ]
    devices = _join_devices(shifted)
    first = ordered[0]
    segments = tuple(
        Segment(item.base_path.name, float(times[0]), float(times[-1]))
        for item in shifted
        for times in [np.concatenate([scope.movie_times_s for scope in item.scopes])]
    )
    return replace(
        first,
        base_path=base_path,
        devices=devices,
        notes=_join_notes(shifted, offsets_s),
        broken=tuple(item for recording in shifted for item in recording.broken),
        segments=segments,
        absent=tuple(dict.fromkeys(name for item in shifted for name in item.absent)),
        remarks=(
            *(remark for item in shifted for remark in item.remarks),
            f"{len(ordered)} recordings were joined as segments by their start times.",
        ),
    )


def _without_broken(recordings: Sequence[ImagingRecording]) -> list[ImagingRecording]:
    """Return the recordings without cameras that are left out of any of them."""
    names = {item.device for recording in recordings for item in recording.broken}
    return [
        replace(item, devices=tuple(d for d in item.devices if d.folder.name not in names))
        for item in recordings
    ]


def _join_notes(
    recordings: Sequence[ImagingRecording], offsets_s: Sequence[float]
) -> tuple[Note, ...]:
    """Return all notes, and where a segment began with other settings than the one before it."""
    notes = list(recordings[0].notes)
    for before, item, offset_s in zip(recordings, recordings[1:], offsets_s[1:], strict=False):
        earlier = {device.folder.name: device.folder.settings for device in before.devices}
        for device in item.devices:
            settings = device.folder.settings
            for name, value in changed_settings(earlier[device.folder.name], settings):
                change = (device.folder.path.name, name, value)
                notes.append(Note(offset_s, ",".join(change), change))
        notes += item.notes
    return tuple(notes)


def _seconds_between(first: ImagingRecording, later: ImagingRecording) -> float:
    """Return how much later a recording began."""
    if first.start_time is None or later.start_time is None:
        return 0.0
    return (later.start_time - first.start_time).total_seconds()


def _shift(recording: ImagingRecording, offset_s: float, *, base_path: Path) -> ImagingRecording:
    """Return a recording whose times count from an earlier zero."""
    prefix = recording.base_path.relative_to(base_path).as_posix()
    devices = tuple(
        replace(
            device,
            ledger=shift_ledger(device.ledger, offset_s, file_prefix=prefix),
            orientation=_shift_orientation(device.orientation, offset_s),
            lines=tuple(replace(line, times_s=line.times_s + offset_s) for line in device.lines),
            signals=_shift_signals(device.signals, offset_s),
        )
        for device in recording.devices
    )
    notes = tuple(replace(n, device_time_s=n.device_time_s + offset_s) for n in recording.notes)
    return replace(recording, devices=devices, notes=notes)


def _shift_orientation(
    orientation: HeadOrientation | None, offset_s: float
) -> HeadOrientation | None:
    """Return head orientation on times that count from an earlier zero."""
    if orientation is None:
        return None
    return replace(orientation, device_time_s=orientation.device_time_s + offset_s)


def _shift_signals(signals: Sequence[Signal], offset_s: float) -> tuple[Signal, ...]:
    """Return signals on times that count from an earlier zero; shared times stay shared."""
    moved = {id(item.times_s): item.times_s + offset_s for item in signals}
    return tuple(replace(item, times_s=moved[id(item.times_s)]) for item in signals)


def _join_devices(recordings: Sequence[ImagingRecording]) -> tuple[DeviceRecording, ...]:
    """Join the devices of all segments by their names."""
    names = [device.folder.name for device in recordings[0].devices]
    for item in recordings[1:]:
        others = [device.folder.name for device in item.devices]
        if sorted(others) != sorted(names):
            raise FormatError(
                f"{item.base_path} has the devices {', '.join(others)}, "
                f"{recordings[0].base_path.name} has {', '.join(names)}. The same devices in all "
                "segments were expected; convert the recordings one by one."
            )
    return tuple(
        _join_device([d for item in recordings for d in item.devices if d.folder.name == name])
        for name in names
    )


def _join_device(parts: Sequence[DeviceRecording]) -> DeviceRecording:
    """Join the stretches of one device."""
    probes = tuple(probe for part in parts for probe in part.probes)
    check_movies_alike(probes)
    ledger = join_ledgers([part.ledger for part in parts])
    times_s = ledger.movie_times_s
    if not (np.diff(times_s) > 0).all():
        raise FormatError(
            f"The segments of {parts[0].folder.name} overlap in time by their start times. One "
            "after the other was expected; convert the recordings one by one."
        )
    found = [vars(part.orientation) for part in parts if part.orientation is not None]
    orientation = None
    if found:
        joined = {name: np.concatenate([item[name] for item in found]) for name in found[0]}
        orientation = HeadOrientation(**joined)
    return replace(
        parts[0],
        probes=probes,
        ledger=ledger,
        orientation=orientation,
        lines=_join_lines([line for part in parts for line in part.lines]),
        signals=_join_signals([part.signals for part in parts]),
        clock=None,
        irregularities=tuple(item for part in parts for item in part.irregularities),
    )


def _join_lines(lines: Sequence[FrameLine]) -> tuple[FrameLine, ...]:
    """Join the stretches of digital inputs by their names."""
    joined: dict[str, FrameLine] = {}
    for line in lines:
        before = joined.get(line.name)
        joined[line.name] = (
            line
            if before is None
            else FrameLine(
                line.name,
                np.concatenate([before.times_s, line.times_s]),
                np.concatenate([before.levels, line.levels]),
            )
        )
    return tuple(joined.values())


def _join_signals(parts: Sequence[Sequence[Signal]]) -> tuple[Signal, ...]:
    """Join the stretches of slow signals by their names; shared times stay shared."""
    joined: list[Signal] = []
    times: dict[tuple[int, ...], np.ndarray] = {}
    for name in dict.fromkeys(item.name for part in parts for item in part):
        found = [item for part in parts for item in part if item.name == name]
        shared = tuple(id(item.times_s) for item in found)
        if shared not in times:
            times[shared] = np.concatenate([item.times_s for item in found])
        values = np.concatenate([item.values for item in found])
        joined.append(replace(found[0], times_s=times[shared], values=values))
    return tuple(joined)
