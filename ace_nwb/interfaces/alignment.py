"""Recordings with the times that somebody aligned them to, in a converter of their own.

The times of one movie or one stream are given; everything else on the same clock moves with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from ace_nwb.errors import TimestampError
from ace_nwb.interfaces.ephys_recording import EphysRecording, SampleSegment, SampleStream
from ace_nwb.interfaces.imaging_recording import DeviceRecording, ImagingRecording

Timed = TypeVar("Timed")


@dataclass(frozen=True)
class ClockMap:
    """Times of a clock and what they became; straight between them, the nearest shift beyond.

    Parameters
    ----------
    before_s, after_s
        Increasing, shape (n,), n at least 1, seconds.
    """

    before_s: np.ndarray
    after_s: np.ndarray

    @property
    def shift_s(self) -> float | None:
        """The shift of all times, if it is one."""
        shifts_s = self.after_s - self.before_s
        return float(shifts_s[0]) if (shifts_s == shifts_s[0]).all() else None

    def move(self, times_s: np.ndarray) -> np.ndarray:
        """Return times of the clock on the new one."""
        return times_s + np.interp(times_s, self.before_s, self.after_s - self.before_s)


def check_aligned(aligned_s: np.ndarray, n_expected: int, *, what: str) -> np.ndarray:
    """Return aligned times as an array if there is one for each sample.

    Raises
    ------
    TimestampError
        If their number is another.
    """
    times_s = np.array(aligned_s, np.float64)  # a copy: the caller may go on with its own
    if times_s.shape != (n_expected,):
        raise TimestampError(
            f"The aligned timestamps have the shape {times_s.shape}",
            f"One time (s) for each of the {n_expected} {what} was expected; align what "
            "get_timestamps() returns.",
        )
    return times_s


def align_imaging(recording: ImagingRecording, aligned_s: np.ndarray) -> ImagingRecording:
    """Return a recording whose first scope has aligned times, and all devices and notes with it.

    The ledger and the rows of segments keep the recorder's own clock.

    Raises
    ------
    TimestampError
        If the aligned times do not increase.
    """
    clock = _clock_map(recording.scopes[0].movie_times_s, aligned_s)
    first = recording.scopes[0]
    return replace(
        recording,
        devices=tuple(
            replace(_move_device(device, clock), aligned_s=aligned_s)
            if device is first
            else _move_device(device, clock)
            for device in recording.devices
        ),
        notes=tuple(
            replace(note, device_time_s=float(clock.move(np.array([note.device_time_s]))[0]))
            for note in recording.notes
        ),
    )


def align_ephys(
    recording: EphysRecording, stream: SampleStream, placed: Sequence[float | np.ndarray]
) -> EphysRecording:
    """Return a recording with one stream aligned, and its other streams, lines and events with it.

    Parameters
    ----------
    stream
        One of its streams.
    placed
        For each segment of the stream a shift, or the time of every sample, seconds.

    Raises
    ------
    TimestampError
        If aligned times do not increase.
    """
    aligned = place_stream(stream, placed)
    clock = _clock_of(stream, aligned)
    return replace(
        recording,
        streams=tuple(
            aligned if one is stream else _move_stream(one, clock) for one in recording.streams
        ),
        lines=tuple(_moved(line, clock) for line in recording.lines),
        events=tuple(_moved(events, clock) for events in recording.events),
    )


def place_stream(stream: SampleStream, placed: Sequence[float | np.ndarray]) -> SampleStream:
    """Return a stream whose segments were shifted, or got times of their own."""
    return replace(
        stream,
        segments=tuple(
            _place(segment, one) for segment, one in zip(stream.segments, placed, strict=True)
        ),
    )


def _clock_map(before_s: np.ndarray, after_s: np.ndarray) -> ClockMap:
    """Return how a clock was moved, if the new times increase."""
    back = np.flatnonzero(~(np.diff(after_s) > 0))
    if len(back):
        at = int(back[0])
        raise TimestampError(
            f"The aligned timestamp {at + 1} ({after_s[at + 1]:.6f} s) does not come after the one "
            f"before it ({after_s[at]:.6f} s)",
            "Times that increase were expected; they cannot be written as they are.",
        )
    return ClockMap(before_s, after_s)


def _moved(item: Timed, clock: ClockMap) -> Timed:
    """Return something that has `times_s` on the new clock."""
    return replace(item, times_s=clock.move(item.times_s))  # type: ignore[type-var, attr-defined]


def _move_device(device: DeviceRecording, clock: ClockMap) -> DeviceRecording:
    """Return a scope or camera on the new clock; signals that share times still share them."""
    orientation = device.orientation
    if orientation is not None:
        times_s = clock.move(orientation.device_time_s)
        orientation = replace(orientation, device_time_s=times_s)
    moved = {id(signal.times_s): clock.move(signal.times_s) for signal in device.signals}
    return replace(
        device,
        aligned_s=clock.move(device.movie_times_s),
        orientation=orientation,
        lines=tuple(_moved(line, clock) for line in device.lines),
        signals=tuple(replace(one, times_s=moved[id(one.times_s)]) for one in device.signals),
        clock=None,  # its times are no longer those of a board
    )


def _place(segment: SampleSegment, placed: float | np.ndarray) -> SampleSegment:
    """Return a segment that was shifted, or got times of its own; it is on no board's clock."""
    if isinstance(placed, np.ndarray):
        return replace(segment, times_s=placed, clock=None)
    return replace(segment, shift_s=placed, clock=None)


def _clock_of(stream: SampleStream, aligned: SampleStream) -> ClockMap:
    """Return how the clock of a stream was moved."""
    before, after = [], []
    for old, new in zip(stream.segments, aligned.segments, strict=True):
        rows = slice(None) if new.times_s is not None else [0, -1]  # a shift needs its ends only
        before.append(old.sample_times(stream.rate_hz)[rows])
        after.append(new.sample_times(stream.rate_hz)[rows])
    shifts_s = {segment.shift_s for segment in aligned.segments}
    if len(shifts_s) == 1 and all(segment.times_s is None for segment in aligned.segments):
        return ClockMap(np.zeros(1), np.array([*shifts_s]))
    return _clock_map(np.concatenate(before), np.concatenate(after))


def _move_stream(stream: SampleStream, clock: ClockMap) -> SampleStream:
    """Return another stream on the new clock."""
    shift_s = clock.shift_s
    return replace(
        stream,
        segments=tuple(
            _place(
                segment,
                clock.move(segment.sample_times(stream.rate_hz)) if shift_s is None else shift_s,
            )
            for segment in stream.segments
        ),
    )
