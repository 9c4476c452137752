"""What each fault costs: the one table of prior probabilities that the alignment weighs.

Shares and chances are plain numbers; all that is called log is a natural logarithm, so that -6.9 is
one in a thousand. Raising one makes its explanation more welcome. Rates that a session shows itself
(lost frames, missing pulses, jitter) are not here: they are learned from it. How a recorder begins
and ends is in evidence.py.
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

    early: float = -40.0
    """Log chance that a time stamp precedes its frame by more than the clock's own error: as good
    as never, but a clock that was set is found to a few frames only. A busy host that catches its
    breath in every tenth frame still shows by them that no frame was lost."""

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

    twice: float = -1e6
    """Log chance that two rows are one frame, or in the wrong order: never, unless nothing else is
    left."""

    jump_at_stall: float = -6.0
    """The most that this becomes where a row is late by a frame or more and the next is not: a
    clock set back explains that too, and spares what so late a time stamp costs."""

    runs_freely: float = -8.5
    """Log chance that a line pulses before and after the recording although its recorder is said to
    rest then: one rig in five thousand, below the thousand to one that a placement must reach."""

    any_number: float = 1 / 200
    """Chance of each number of pulses before or after the recording where the line runs freely: any
    up to a few seconds of them."""

    falls_silent: float = 1e-4
    """Chance per stretch that the line falls silent while frames go on: a cable that slips, once in
    a few hundred recordings, and then for any length."""

    cut_off: float = 0.3
    """Chance that frames go on beyond an end of the ephys recording that cuts the pulses off."""

    many_lost: float = 30.0
    """Frames lost at one end, a second or more, from which on the chance falls with their fourth
    power and not with their square: savers stop late by frames, not by seconds."""

    denied: float = -60.0
    """Log chance that a number of lost frames which a person has stated is wrong: people go before
    all that is measured, but for a thing that cannot be."""

    beside_pin: float = -12.0
    """The same for each frame that a pinned one stands aside, up to five: a pin made by eye may be
    a frame off, and rows are not decoded yet where it is asked first."""

    before_press: float = -20.0
    """Log chance that the line toggles before the record press although it rests until then."""

    unseen_strays: float = 0.1
    """Strays near an end that are expected where none is seen."""

    unheard: float = 0.1
    """Log chance lost by each row without a pulse, between places far apart: of two, the one with
    more rows on pulses is right."""

    clear_start: float = 7.0
    """Log odds by which one place must lead another far from it: a thousand to one."""

    other_phase: float = 18.0
    """Log odds by which another phase of the time stamps must explain a stretch of some seconds
    better to be a jump of the clock: the price of a jump (`clock_jump`)."""

    train_break: float = 4.0
    """Log price of a gap of any length in the train of pulses (a pause): about one in fifty of
    recordings' pieces, so that any five pulses in order are worth a new run."""

    train_skip: float = 0.6
    """Log price of each pulse left out of the train as a stray: less than the one that a pulse in
    the train earns, so that a stray off the lattice is left out and a pair of them is not a run."""

    train_missing: float = 0.7
    """Log price of a gap for a missing pulse; it grows with the logarithm of their number."""

    texture_tells: float = 0.5
    """Share of rigs on which pulses are uneven because frames are: a judgement. On the others the
    firmware's own delay makes them so, which time stamps do not follow."""

    texture_share: float = 0.5
    """Share of the likelihood of irregular intervals that counts: time stamps of one host stall
    depend on each other, so that half as many tell as there are."""

    texture_most: float = -15.0
    """The most that irregular intervals say against a shift, log: whether stamps follow the very
    frames that the line marks is as sure as that, a few in ten million."""

    broad_jitter_s: float = 0.009
    """Decay of the jitter before anything is learned, seconds; a third of the 30 ms that Windows
    hosts show."""


PRICES = Prices()
