"""Streams of samples as recordings of SpikeInterface; imported only where one is asked for."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from spikeinterface.core import BaseRecording, BaseRecordingSegment

from ace_nwb.interfaces.ephys_recording import SampleSegment, SampleStream

MICROVOLTS = 1e6
"""SpikeInterface's unit, per volt."""


class StreamRecording(BaseRecording):
    """The samples of one stream as recorded, each gap-free stretch a segment.

    Parameters
    ----------
    stream
        A stream of electrodes, in volts.
    channel_names
        Names of its channels.
    """

    name = "AceNwbStream"

    def __init__(self, stream: SampleStream, channel_names: Sequence[str]) -> None:
        dtype = stream.segments[0].samples.dtype
        super().__init__(stream.rate_hz, list(channel_names), dtype)
        for segment in stream.segments:
            self.add_recording_segment(_Stretch(segment, stream.rate_hz))
        self.set_channel_gains(np.asarray(stream.scale, float) * MICROVOLTS)
        self.set_channel_offsets(stream.offset * MICROVOLTS)


class _Stretch(BaseRecordingSegment):
    """A gap-free stretch; its samples are read when they are asked for."""

    def __init__(self, segment: SampleSegment, rate_hz: float) -> None:
        is_aligned = segment.times_s is not None
        super().__init__(
            sampling_frequency=None if is_aligned else rate_hz,
            t_start=None if is_aligned else segment.start_s + segment.shift_s,
            time_vector=segment.times_s,
        )
        self._samples = segment.samples

    def get_num_samples(self) -> int:
        """Return the number of samples."""
        return self._samples.shape[0]

    def get_traces(
        self,
        start_frame: int | None = None,
        end_frame: int | None = None,
        channel_indices: Any = None,
    ) -> np.ndarray:
        """Return samples, shape (sample, channel)."""
        stop = self.get_num_samples() if end_frame is None else end_frame
        samples = self._samples.read(start_frame or 0, stop)
        return samples if channel_indices is None else samples[:, channel_indices]
