"""What each fault costs: the one table of prior probabilities that the alignment weighs.

All are natural logarithms or shares; raising one makes its explanation more welcome. Rates that a
session shows itself (lost frames, missing pulses, jitter) are not here: they are learned from it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class FaultRates:
    """Share of captured frames lost as rows, and without a pulse, as the session shows them."""

    lost: float
    missing: float


@dataclass(frozen=True)
class Prices:
    """Prior probabilities, frozen; each says what it is a chance of, and why so much."""

    daq_mismatch: float = -14.0
    """Log chance that a DAQ frame number is wrong or was read twice: one in a million."""

    stalls: float = 3e-3
    """Share of frames that a host stall delays beyond the usual jitter: a handful a minute."""

    stall_scale_s: float = 0.03
    """Median length of a stall, seconds: a scheduler tick or two of a busy Windows host. The tail
    falls with its square, so that a second costs ten times more often seen stalls of 0.1 s."""

    queued: float = 0.5
    """Chance that a frame which waited in the queue is stamped right behind the one before it."""

    service_s: float = 0.005
    """Mean time to take a frame out of the queue, seconds: a copy of an image and a control
    transfer (BNO read) of a few milliseconds."""

    through_pause: float = -30.0
    """Log chance that frames of before a pause of the camera, or of the line, are still queued
    after it: as good as never, unless the queue is short."""

    long_queue_s: float = 0.1
    """How long a queue may last through a pause without that price, seconds."""

    clock_jump: float = -18.0
    """Log chance that the device clock jumped at a given row, by just a given amount."""

    jump_at_stall: float = -6.0
    """The most that this becomes where a row is late by a frame or more and the next is not: a
    clock set back explains that too, and spares what so late a time stamp costs."""

    runs_freely: float = -8.5
    """Log chance that a line pulses before and after the recording although its recorder is said to
    rest then: one rig in five thousand, below the thousand to one that a placement must reach."""

    broad_jitter_s: float = 0.009
    """Decay of the jitter before anything is learned, seconds; a third of the 30 ms that Windows
    hosts show."""


PRICES = Prices()
