"""Events (`.nev`): every bit of every TTL port as a line of its own, and the texts.

A TTL record holds the word of a whole port. A line is one bit of it; other lines of the port make
other words, so words are compared bit by bit and never by their text.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np

from ace_nwb.interfaces.neuralynx.header import map_records, read_header
from ace_nwb.interfaces.neuralynx.samples import split_starts
from ace_nwb.interfaces.policies import Policies
from ace_nwb.interfaces.texts import decode_typed
from ace_nwb.sync.pulses import begins_with_edge

NEV_RECORD = np.dtype(
    [
        ("reserved", "<i2"),
        ("system", "<i2"),
        ("size", "<i2"),
        ("timestamp", "<u8"),
        ("event_id", "<i2"),
        ("ttl", "<u2"),
        ("crc", "<i2"),
        ("dummy", "<i2", (2,)),
        ("extra", "<i4", (8,)),
        ("text", "S128"),
    ]
)
RESTART_US = 1_000_000
"""Events are written up to some milliseconds out of order; a clock that began anew goes back by
seconds at least, us."""

TTL_BITS = 16  # of the word nttl in an event record (int16)
_TTL_TEXT = re.compile(r"TTL Input on (\S+?)_\d+ board (\d+) port (\d+)\b")
_PORT_ONLY = re.compile(r"\bport (\d+)\b.*\bvalue\b", re.IGNORECASE)


@dataclass(frozen=True)
class TtlLine:
    """One bit of a TTL port: its edges.

    Parameters
    ----------
    name
        Such as "TTLBoard0Port0Bit3".
    times_us
        Times of the edges, microseconds of the system's clock.
    levels
        Level from each edge on, 0 or 1.
    """

    name: str
    times_us: np.ndarray
    levels: np.ndarray


@dataclass(frozen=True)
class Message:
    """A text event."""

    time_us: int
    text: str


@dataclass(frozen=True)
class EventFile:
    """All events of a recording, and the entries of the first header."""

    lines: tuple[TtlLine, ...]
    messages: tuple[Message, ...]
    n_cut_bytes: int
    entries: dict[str, str]

    @property
    def first_us(self) -> int:
        """Time of the first event, microseconds; 0 if there is none."""
        times_us = [int(line.times_us[0]) for line in self.lines if len(line.times_us)]
        return min([*times_us, *map(_time, self.messages)], default=0)


def read_events(
    file_paths: Sequence[Path], policies: Policies | None = None, *, start: int | None = None
) -> EventFile:
    """Read the events of one or more `.nev` files.

    Parameters
    ----------
    file_paths
        The files.
    policies
        The code page of texts that people typed.
    start
        The only start of the recorder within each file; all if not given.

    Raises
    ------
    EphysError
        If a file is none of Neuralynx.
    MetadataError
        If a text is in an unknown code page.
    """
    chosen = policies or Policies()
    words: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
    messages: list[Message] = []
    n_cut_bytes, entries = 0, dict[str, str]()
    for file_path in file_paths:
        header = read_header(file_path)
        entries = entries or header
        records, n_cut = map_records(file_path, NEV_RECORD)
        n_cut_bytes += n_cut
        if start is not None:
            stamps = records["timestamp"].astype(np.int64)
            parts = split_starts(records, stamps, back_us=RESTART_US)
            records = parts[start] if start < len(parts) else records[:0]
        for number, record in enumerate(records):
            content = record["text"].split(b"\0")[0]
            text = decode_typed(content, f"{file_path} event {number}", chosen).strip()
            port = _port(text)
            if port is None:
                messages.append(Message(int(record["timestamp"]), text))
            else:
                words[port].append((int(record["timestamp"]), int(record["ttl"])))
    several_systems = len({port[0] for port in words}) > 1
    lines = [
        line
        for port in sorted(words)
        for line in _lines(
            port, sorted(words[port], key=itemgetter(0)), several_systems=several_systems
        )
    ]
    return EventFile(tuple(lines), tuple(sorted(messages, key=_time)), n_cut_bytes, entries)


def first_edge_bits(times_us: np.ndarray, words: np.ndarray, used: Sequence[int]) -> set[int]:
    """Return the bits that the first word of a port counts as an edge of.

    The word before the first one is not recorded. Lines that are high in it are taken to have
    risen, as lines rest low, unless they fall again too soon. If none is high, a line fell that had
    rested high: of lines that toggle, such as the frame line, this is expected, so it is taken to
    be the busiest one.
    """
    if words[0] or not used:
        return {bit for bit in used if begins_with_edge(times_us, (words >> bit) & 1)}
    return {max(used, key=lambda bit: np.count_nonzero(np.diff((words >> bit) & 1)))}


def find_edges(
    words: np.ndarray, bit: int, *, is_first_edge: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return (indices, levels) of the edges of one bit in the words of a port.

    Parameters
    ----------
    words
        Words of the port, one per change of any line.
    bit
        Which bit.
    is_first_edge
        Whether the first word counts as an edge of it.
    """
    levels = (words >> bit) & 1
    changed = np.flatnonzero(np.diff(levels)) + 1
    if is_first_edge:
        changed = np.concatenate([[0], changed])
    return changed, levels[changed]


def _lines(
    port: tuple[str, ...], events: list[tuple[int, int]], *, several_systems: bool
) -> list[TtlLine]:
    """Return the lines of a port that are ever high."""
    times_us, words = np.array(events, dtype=np.int64).T
    used = [bit for bit in range(TTL_BITS) if ((words >> bit) & 1).any()]
    first_edges = first_edge_bits(times_us, words, used)
    system, board, number = port
    prefix = f"TTL{system if several_systems else ''}Board{board}Port{number}"
    lines = []
    for bit in used:
        indices, levels = find_edges(words, bit, is_first_edge=bit in first_edges)
        name = f"{prefix}Bit{bit}"
        lines.append(TtlLine(name, times_us[indices], levels.astype(np.uint8)))
    return lines


def _port(text: str) -> tuple[str, str, str] | None:
    """Return (system, board, port) that a TTL event's text names, None for other events."""
    if match := _TTL_TEXT.search(text):
        return match.group(1), match.group(2), match.group(3)
    if "TTL" in text and (match := _PORT_ONLY.search(text)):
        return "", "0", match.group(1)
    return None


def _time(message: Message) -> int:
    """Return the time of a message, to sort by."""
    return message.time_us
