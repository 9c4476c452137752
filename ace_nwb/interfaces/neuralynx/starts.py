"""The starts of the recorder in a Neuralynx folder: numbered files, and clocks that begin anew.

Cheetah writes CSC1.ncs, and CSC1_0001.ncs when it records again. Starts on one clock are stretches
of one recording; where the clock began anew, nothing says how they lie to each other.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ace_nwb.errors import EphysError
from ace_nwb.interfaces.neuralynx.events import EventFile, read_events
from ace_nwb.interfaces.neuralynx.samples import Channel, join_starts, read_starts
from ace_nwb.interfaces.policies import Irregularity, Policies

RESTARTS = "clock_restarts"
_NUMBERED = re.compile(r"(.+)_(\d{4})")

Start = tuple[int, int]
"""Number of the files, 0 for those without, and of the start within them."""


@dataclass(frozen=True)
class NeuralynxFiles:
    """What the files of a folder hold.

    Parameters
    ----------
    channels
        One for each input, all starts joined, or those of the chosen start.
    events
        Of the same starts.
    empty
        Files with a header alone.
    restarts
        Why only one start is read.
    """

    channels: tuple[Channel, ...]
    events: EventFile
    empty: tuple[Path, ...]
    restarts: tuple[Irregularity, ...]


def read_folder(folder_path: Path, policies: Policies) -> NeuralynxFiles:
    """Read the channels and events of a folder, start by start.

    Raises
    ------
    EphysError
        If no channel holds samples, or a file is damaged.
    """
    paths = list_files(folder_path, ".ncs")
    channels: dict[str, dict[Start, Channel]] = {}
    empty = []
    for path, name, number in _numbered(paths):
        found = read_starts(path, name)
        if not found:
            empty.append(path)
        for index, channel in enumerate(found):
            channels.setdefault(name, {})[number, index] = channel
    events = list(_numbered(list_files(folder_path, ".nev")))
    restart = _find_restart(channels)
    if restart is None:
        whole = tuple(
            join_starts([channel for _start, channel in sorted(starts.items())])
            for starts in channels.values()
        )
        read = read_events([path for path, _name, _number in events], policies)
        if not channels and (paths or not (read.lines or read.messages)):
            raise EphysError(
                f"{folder_path} has {len(paths)} .ncs files and no samples in them, nor events "
                "alone. At least one recorded channel was expected; copy the folder again."
            )
        return NeuralynxFiles(whole, read, tuple(empty), ())
    longest_s = _lengths_s(channels)
    number, index = _choose(longest_s, policies[RESTARTS])
    return NeuralynxFiles(
        tuple(by[number, index] for by in channels.values() if (number, index) in by),
        read_events([path for path, _name, of in events if of == number], policies, start=index),
        tuple(empty),
        (_describe(restart, longest_s, policies),),
    )


def list_files(folder_path: Path, suffix: str) -> list[Path]:
    """Return the files of a folder with an ending, in name order."""
    return sorted(
        path
        for path in folder_path.iterdir()
        if path.suffix.lower() == suffix and path.is_file() and not path.name.startswith(".")
    )


def _numbered(paths: Iterable[Path]) -> list[tuple[Path, str, int]]:
    """Return (file, name without the number, number); it is one only beside a file without."""
    stems = {path.stem for path in paths}
    found = []
    for path in paths:
        match = _NUMBERED.fullmatch(path.stem)
        is_later = match is not None and match.group(1) in stems
        found.append(
            (path, match.group(1), int(match.group(2)))
            if match and is_later
            else (path, path.stem, 0)
        )
    return found


def _find_restart(channels: dict[str, dict[Start, Channel]]) -> str | None:
    """Say where a start begins before the one in front of it has ended, None if none does."""
    for starts in channels.values():
        ordered = [channel for _start, channel in sorted(starts.items())]
        for before, after in pairwise(ordered):
            stop_us, start_us = _stop_us(before), after.segments[0].start_us
            if start_us < stop_us:
                where = "" if before.file_path != after.file_path else ", within the file"
                return (
                    f"{after.file_path} begins at {start_us} us{where}, after samples until "
                    f"{stop_us} us: the clock of the system began anew"
                )
    return None


def _stop_us(channel: Channel) -> int:
    """Return the time after the last sample, us."""
    last = channel.segments[-1]
    return last.start_us + round(last.n_samples / channel.rate_hz * 1e6)


def _lengths_s(channels: dict[str, dict[Start, Channel]]) -> dict[Start, float]:
    """Return how long each start lasted, by its longest channel, s."""
    lengths: dict[Start, float] = {}
    for starts in channels.values():
        for start, channel in starts.items():
            lasted_s = channel.n_samples / channel.rate_hz
            lengths[start] = max(lasted_s, lengths.get(start, 0.0))
    return dict(sorted(lengths.items()))


def _choose(lengths_s: dict[Start, float], choice: str) -> Start:
    """Return the start to read."""
    starts = list(lengths_s)
    picked = {"first": starts[0], "last": starts[-1]}
    return picked.get(choice, max(starts, key=lambda start: lengths_s[start]))


def _describe(found: str, lengths_s: dict[Start, float], policies: Policies) -> Irregularity:
    """Say that one of several starts is read."""
    lasted = ", ".join(f"{length:.1f}" for length in lengths_s.values())
    return Irregularity(
        policy=RESTARTS,
        choice=policies[RESTARTS],
        device="Neuralynx",
        count=len(lengths_s) - 1,
        found=f"{found}. There are {len(lengths_s)} starts of {lasted} s",
        expected="One clock was expected: nothing says how the starts lie to each other.",
        error=EphysError,
    )
