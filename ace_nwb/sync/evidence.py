"""What is known beside time stamps and pulses: of the recorder, of the camera, by a person.

How each recorder begins and ends (which saved frames have no edge, and which edges no frame) are
statements about programs and firmware, each with its source. A lab that has measured its own rig
states the numbers (`Recorder.measured`), and nothing remains to be guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from ace_nwb.sync.frames import Timeline
from ace_nwb.sync.prices import PRICES

_NONE: Mapping[int, float] = {0: 1.0}

_MEASURED_LOSS = 1e-4
"""Share of recordings of a measured rig that begin otherwise after all."""


@dataclass(frozen=True)
class Recorder:
    """What a recorder does at start and stop.

    Parameters
    ----------
    name
        As metadata and parameters name it.
    start
        How many saved frames precede the first edge -> probability; -2 says that two edges precede
        the first saved frame.
    stop
        How many edges follow the last saved frame -> probability; -1 says that one saved frame
        follows the last edge.
    edge_at
        At which end of the exposure the edge of a frame stands, where that is known.
    is_silent_before
        Whether the line rests until a recording begins.
    end_loss
        Share of recordings that lose captured frames at one end beside what the tables say: one in
        sixteen, from recordings that we have seen.
    source
        Where these statements come from.
    """

    name: str
    start: Mapping[int, float] = field(default_factory=lambda: _NONE)
    stop: Mapping[int, float] = field(default_factory=lambda: _NONE)
    edge_at: Literal["start", "end", "unknown"] = "unknown"
    is_silent_before: bool = True
    end_loss: float = 0.06
    source: str = ""

    def measured(
        self, frames_before_first_edge: int, edges_after_last_frame: int | None = None
    ) -> "Recorder":
        """Return the recorder of a rig whose start, or also its stop, was measured.

        Parameters
        ----------
        frames_before_first_edge
            Saved frames before the first edge; -2 says that two edges precede the first frame.
        edges_after_last_frame
            Edges after the last saved frame; None leaves it open.
        """
        said = (
            f"measured on this rig: {frames_before_first_edge} saved frames before the first edge"
        )
        stop = self.stop
        if edges_after_last_frame is not None:
            said += f", {edges_after_last_frame} edges after the last saved frame"
            stop = {edges_after_last_frame: 1.0}
        start = {frames_before_first_edge: 1.0}
        return replace(self, start=start, stop=stop, end_loss=_MEASURED_LOSS, source=said)

    def divided(self, n_frames: int) -> "Recorder":
        """Return the recorder behind a divider that lets every nth edge through, from any one on.

        Parameters
        ----------
        n_frames
            Frames per edge.
        """
        if n_frames == 1:
            return self
        start: dict[int, float] = {}
        stop: dict[int, float] = {}
        for left_out in range(n_frames):
            for n, share in self.start.items():
                start[n + left_out] = start.get(n + left_out, 0.0) + share / n_frames
            for n, share in self.stop.items():
                stop[n - left_out] = stop.get(n - left_out, 0.0) + share / n_frames
        said = f"{self.source}; the line marks every {n_frames}. frame, from any one on"
        return replace(self, start=start, stop=stop, source=said)


MINISCOPE_DAQ_QT = Recorder(
    name="miniscope-daq-qt",
    start={-2: 0.03, -1: 0.07, 0: 0.2, 1: 0.45, 2: 0.2, 3: 0.05},
    stop={-2: 0.02, -1: 0.05, 0: 0.2, 1: 0.35, 2: 0.3, 3: 0.08},
    edge_at="end",
    source="Miniscope-DAQ-QT-Software v1.00 to v2.0.0 (videostreamocv.cpp: the camera thread sends "
    "the recording command between frames; datasaver.cpp: frames are saved from the record signal "
    "on) and Miniscope-DAQ-Cypress-firmware (uvc.c: the line toggles at the end of a frame while "
    "the recording flag is set)",
)
"""UCLA Miniscope V4 and MiniCAM. Nothing in the program fixes the order of saver and command, so
the shares are a judgement: the usual order (one frame before, one or two edges after) in about half
of the recordings, its neighbours in the rest. None is below a hundredth, so no count decides alone
between them."""

MINISCOPE_V3 = replace(
    MINISCOPE_DAQ_QT,
    name="miniscope-v3",
    source="no source was read: taken to begin and end as Miniscope-DAQ-QT does",
)
"""UCLA Miniscope V3 and its own program: the predecessor, so taken to be as open."""

TRIGGERED = Recorder(
    name="trigger",
    edge_at="start",
    source="one pulse per saved frame from a trigger, as the lab says",
)
"""A trigger or strobe makes one pulse for each frame that is saved."""

FREE_RUNNING = replace(
    TRIGGERED,
    name="free-running",
    is_silent_before=False,
    source="the line pulses whether or not frames are saved, as the lab says",
)
"""The line says nothing about start and stop."""

UNKNOWN = replace(
    MINISCOPE_DAQ_QT,
    name="unknown",
    edge_at="unknown",
    source="nothing is known about how the recorder begins: as open as Miniscope-DAQ-QT",
)
"""A recorder that nobody has described."""

RECORDERS = {
    one.name: one for one in (MINISCOPE_DAQ_QT, MINISCOPE_V3, TRIGGERED, FREE_RUNNING, UNKNOWN)
}


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
