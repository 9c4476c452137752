"""Failing system calls, and what a medium holds after a power cut; for the benchmark door_faults.

A small library (system_calls.c), built with the machine's compiler and preloaded, sees what every
process of a verb asks of the disk, whichever library asks: Python, HDF5, Zarr, FFmpeg.
"""

import ctypes
import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

FAULTS = ("", "EIO", "ENOSPC", "EROFS", "kill")
"""Once EIO; from then on ENOSPC or EROFS; the end of the process. As in system_calls.c."""

OPERATIONS = (
    *("write", "truncate", "sync", "create", "mkdir", "unlink", "rmdir"),
    *("rename", "link", "exchange"),
)
SECTOR = 512
"""Bytes that a disk writes as a whole."""

ROOT = 0


class _State(ctypes.Structure):
    """What benchmark and library share, as in system_calls.c."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("armed", "fault", "stop_at", "count", "logging")),
        ("n_folder", ctypes.c_int64),
        ("folder", ctypes.c_char * 1000),
        ("log", ctypes.c_char * 1000),
    )


@dataclass(frozen=True)
class Call:
    """One system call that changed something, or made it durable."""

    operation: str
    inode: int
    offset: int
    path: str
    target: str
    data: bytes


def start_watched(home: Path) -> None:
    """Build the library, and become this program anew with it preloaded."""
    library, shared = home / "system_calls.so", home / "state"
    source = Path(__file__).with_suffix(".c")
    subprocess.run(["cc", "-O2", "-fPIC", "-shared", "-o", library, source], check=True)
    shared.write_bytes(bytes(ctypes.sizeof(_State)))
    settings = {"LD_PRELOAD": str(library), "ACE_SYSTEM_CALLS": str(shared)}
    os.execve(sys.executable, sys.orig_argv, os.environ | settings)


class Watch:
    """The system calls below a folder, counted, failing or written down.

    Parameters
    ----------
    folder
        The folder.
    """

    def __init__(self, folder: Path):
        shared = os.open(os.environ["ACE_SYSTEM_CALLS"], os.O_RDWR)
        self._state = _State.from_buffer(mmap.mmap(shared, ctypes.sizeof(_State)))
        self._folder = folder
        self._log = Path(os.environ["ACE_SYSTEM_CALLS"] + "-log")
        self._state.folder = os.fsencode(folder)
        self._state.n_folder = len(os.fsencode(folder))
        self._state.log = os.fsencode(self._log)

    def arm(self, fault: str = "", stop_at: int = 0, *, is_logging: bool = False) -> None:
        """Begin to count; a fault strikes at one of the calls."""
        self._log.write_bytes(b"")
        self._state.fault, self._state.stop_at = FAULTS.index(fault), stop_at
        self._state.count, self._state.logging, self._state.armed = 0, is_logging, 1

    def disarm(self) -> int:
        """Stop; return how many calls there were."""
        self._state.armed = 0
        return int(self._state.count)

    def calls(self) -> Iterator[Call]:
        """Yield what was written down; paths are relative to the folder."""
        content, position = self._log.read_bytes(), 0
        while position < len(content):
            head = np.frombuffer(content, np.int64, 6, position)
            position += head.nbytes
            parts = []
            for n_bytes in head[3:]:
                parts.append(content[position : position + n_bytes])
                position += int(n_bytes)
            names = [os.path.relpath(os.fsdecode(one) or "/", self._folder) for one in parts[:2]]
            yield Call(OPERATIONS[head[0]], int(head[1]), int(head[2]), *names, parts[2])


Place = tuple[int, str]
Move = tuple[Place | None, Place | None, int]
"""A name given up, a name taken, and the file or folder that had or gets it."""


@dataclass
class Medium:
    """What is on a medium, and what is only asked of it so far.

    Contents and names become durable by themselves: the contents of a file by its sync, the names
    of a folder, in the order of their changes, by the sync of the folder.

    Parameters
    ----------
    names
        Folder -> name -> file or folder, by number, as on the medium.
    contents
        File -> content on the medium.
    """

    names: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})
    contents: dict[int, bytearray] = field(default_factory=dict)
    current: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})
    waiting: list[tuple[Move, ...]] = field(default_factory=list)
    unsynced: dict[int, list[Call]] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)

    def add_existing(self, folder: Path) -> None:
        """Take what stands in a folder as durable."""
        for path in sorted(folder.rglob("*")):
            place = self._place(path.relative_to(folder).as_posix())
            number = self._new(path.is_dir())
            self._move(self.names, (None, place, number))
            self._move(self.current, (None, place, number))
            if path.is_file():
                self.numbers[path.stat().st_ino] = number
                self.contents[number] = bytearray(path.read_bytes())

    def apply(self, call: Call) -> None:
        """Take a call; what it does waits for a sync."""
        if call.operation in ("write", "truncate"):
            self.unsynced.setdefault(self.numbers[call.inode], []).append(call)
        elif call.operation == "sync":
            self._sync(call)
        else:
            self._rename(call)

    def crash(self, rng: np.random.Generator, how: str, target: Path) -> None:
        """Write into a folder what is found after a power cut.

        Parameters
        ----------
        rng
            Source of chance.
        how
            "names": all names and nothing of the contents that waits; "contents" the other way
            round; "any": any part of both, writes by the sector.
        target
            The folder, empty.
        """
        names = {folder: dict(entries) for folder, entries in self.names.items()}
        stopped: set[int] = set()
        for moves in self.waiting:
            if how == "contents" or (how == "any" and rng.random() < 0.3):
                stopped |= _folders(moves)
            if not _folders(moves) & stopped:
                self._move(names, *moves)
        self._lay_out(names, ROOT, target, rng, how)

    def _lay_out(
        self, names: dict, folder: int, target: Path, rng: np.random.Generator, how: str
    ) -> None:
        for name, number in names.get(folder, {}).items():
            if number in self.contents:
                content = bytearray(self.contents[number])
                for call in self.unsynced.get(number, ()):
                    _change_partly(content, call, rng, how)
                (target / name).write_bytes(content)
            else:
                (target / name).mkdir()
                self._lay_out(names, number, target / name, rng, how)

    def _sync(self, call: Call) -> None:
        place = self._place(call.path)
        number = ROOT if call.path == "." else self.current[place[0]].get(place[1], -1)
        if number in self.current:
            self.waiting = [one for one in self.waiting if not self._settled(one, number)]
        else:
            number = self.numbers[call.inode]
            for one in self.unsynced.pop(number, ()):
                _change(self.contents[number], one.offset, one.data, call=one)

    def _settled(self, moves: tuple[Move, ...], folder: int) -> bool:
        if folder not in _folders(moves):
            return False
        self._move(self.names, *moves)
        return True

    def _rename(self, call: Call) -> None:
        source, place, number = self._place(call.path), None, -1
        if call.operation in ("create", "mkdir"):
            number = self._new(call.operation == "mkdir")
            self.numbers[call.inode] = number
            source, place = None, source
        else:
            number = self.current[source[0]][source[1]]
            if call.operation in ("rename", "link"):
                place = self._place(call.target)
            if call.operation == "link":
                source = None
        moves = ((source, place, number),)
        if call.operation == "exchange":
            place = self._place(call.target)
            other = self.current[place[0]][place[1]]
            moves = ((source, None, -1), (None, place, number), (None, source, other))
        self._move(self.current, *moves)
        self.waiting.append(moves)

    def _new(self, is_folder: bool) -> int:
        number = len(self.current) + len(self.contents)
        if is_folder:
            self.names[number], self.current[number] = {}, {}
        else:
            self.contents[number] = bytearray()
        return number

    def _place(self, path: str) -> tuple[int, str]:
        """Return the folder that holds a path now, and the name in it."""
        *folders, name = path.split("/")
        number = ROOT
        for folder in folders:
            number = self.current[number][folder]
        return number, name

    def _move(self, names: dict[int, dict[str, int]], *moves: Move) -> None:
        for source, place, number in moves:
            if source is not None:
                names[source[0]].pop(source[1], None)
            if place is not None:
                names[place[0]][place[1]] = number


def _folders(moves: tuple[Move, ...]) -> set[int]:
    return {one[0] for move in moves for one in move[:2] if one is not None}


def _change(content: bytearray, offset: int, data: bytes, *, call: Call) -> None:
    if call.operation == "truncate":
        content.extend(bytes(max(0, call.offset - len(content))))
        del content[call.offset :]
        return
    content.extend(bytes(max(0, offset + len(data) - len(content))))
    content[offset : offset + len(data)] = data


def _change_partly(content: bytearray, call: Call, rng: np.random.Generator, how: str) -> None:
    """Do all, nothing or some sectors of a change."""
    fate = {"names": 1, "contents": 0}.get(how, int(rng.integers(3)))
    if fate == 0:
        _change(content, call.offset, call.data, call=call)
    if fate == 2:
        for start in range(0, len(call.data), SECTOR):
            if rng.random() < 0.5:
                part = call.data[start : start + SECTOR]
                _change(content, call.offset + start, part, call=call)
