"""What is known beside time stamps and pulses: by how the camera works, or stated by a person."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ace_nwb.sync.prices import PRICES
from ace_nwb.sync.recorders import UNKNOWN, Recorder
from ace_nwb.sync.timeline import Timeline

MAX_LATENCY_S = 0.150
"""Longest constant delay of a time stamp behind its pulse, unless somebody knows better, seconds:
a frame's readout, its way through USB and the host's buffers, three frames at 20 Hz."""


@dataclass(frozen=True)
class Evidence:
    """Evidence beside the time stamps and the pulses.

    Parameters
    ----------
    record_press_s
        Device time of the record press (0 for Miniscope-DAQ-QT) if the line toggles only from
        then on; None if the line may run freely.
    max_latency_s
        Longest constant delay of a time stamp behind its pulse; the record press decides by it.
    recorded_s
        First and last instant of the ephys recording: pulses that reach them may go on beyond.
    lost_at_start
        Captured frames (pulses of the same regular train) before the first saved frame, if
        somebody states it: 0 says that the first pulse is the first saved frame.
    lost_at_end
        The same after the last saved frame.
    pins
        Saved frame -> index of its pulse, where a person has seen it.
    recorder
        How the recorder begins and ends.
    frames_per_pulse
        Frames from each pulse to the next: more than one where a line marks every nth frame.
    """

    record_press_s: float | None = None
    max_latency_s: float = MAX_LATENCY_S
    recorded_s: tuple[float, float] | None = None
    lost_at_start: int | None = None
    lost_at_end: int | None = None
    pins: Mapping[int, int] = field(default_factory=dict)
    recorder: Recorder = UNKNOWN
    frames_per_pulse: int = 1

    @property
    def is_stated(self) -> bool:
        """Whether a person has stated something that decides the placement."""
        return bool(self.pins) or self.lost_at_start is not None or self.lost_at_end is not None

    def find_pinned(self, timeline: Timeline) -> dict[int, int]:
        """Return saved frame -> captured frame of the pins whose pulse belongs to the train."""
        place = {int(pulse): k for k, pulse in enumerate(timeline.pulse) if pulse >= 0}
        return {row: place[pulse] for row, pulse in self.pins.items() if pulse in place}


def score_pins(
    captured: np.ndarray, shifts: np.ndarray, pinned: Mapping[int, int], rows: range
) -> np.ndarray:
    """Return the log probability of each shift of a stretch of rows by the pins in it."""
    score = np.zeros(shifts.size)
    for row, target in pinned.items():
        if row in rows:
            score += PRICES.beside_pin * np.minimum(np.abs(captured[row] + shifts - target), 5)
    return score
