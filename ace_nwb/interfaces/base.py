"""What an acquisition format offers: detection, reading for `inspect`, and a NeuroConv interface.

A format is one row in `registry.FORMATS` that names a `Format` object. Detecting and inspecting
load no NeuroConv; the data interface is imported when something is converted.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from ace_nwb.interfaces.policies import Irregularity
from ace_nwb.registry import load_object

IGNORED_FOLDERS = {"bad_frames", "originals", "denoised", "saved_movies"}
"""Folders (lower case) of copies and rejects that stand beside raw data; never read."""

SEARCH_DEPTH = 6
"""Levels below a given folder that are searched for recordings."""


@dataclass(frozen=True)
class Evidence:
    """One observation that speaks for a format, and how strongly."""

    points: int
    finding: str


@dataclass(frozen=True)
class Candidate:
    """A folder that may be a recording of a format, with everything that speaks for it."""

    format_name: str
    folder_path: Path
    evidence: tuple[Evidence, ...]

    @property
    def score(self) -> int:
        """Sum of the points of the evidence."""
        return sum(item.points for item in self.evidence)


@dataclass(frozen=True)
class MovieSummary:
    """What `inspect` says about one camera or scope."""

    device: str
    kind: Literal["scope", "camera"]
    device_type: str
    n_files: int
    codec: str
    n_rows: int
    n_columns: int
    n_frames: int
    counted_by: str
    n_timestamps: int
    frame_rate_hz: float
    duration_s: float
    n_dropped: int | None
    settings: dict[str, str]
    has_head_orientation: bool
    frames_by_status: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ChannelSummary:
    """What `inspect` says about one ephys channel."""

    name: str
    rate_hz: float
    n_samples: int
    n_segments: int
    duration_s: float
    gaps_s: tuple[float, ...]
    microvolt_per_bit: float


@dataclass(frozen=True)
class LineSummary:
    """What `inspect` says about one TTL line."""

    name: str
    n_edges: int
    edge_rate_hz: float
    first_s: float
    last_s: float


@dataclass(frozen=True)
class RecordingSummary:
    """What `inspect` says about one recording; empty tuples where a format has no such thing.

    `start_time` has a time zone only if the recording says so. `irregularities` are those with a
    policy, `session` is what the recording says by the names of NWB.
    """

    start_time: datetime | None
    subject_id: str | None = None
    movies: tuple[MovieSummary, ...] = ()
    channels: tuple[ChannelSummary, ...] = ()
    lines: tuple[LineSummary, ...] = ()
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    irregularities: tuple[Irregularity, ...] = ()
    session: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """A row of the table of formats.

    Parameters
    ----------
    name
        Name in the registry and on the command line.
    title
        The format in words.
    modality
        What its recordings hold.
    find
        Folder -> candidates at or below it.
    summarise
        (folder of a recording, `ReadOptions`) -> what `inspect` says about it. Problems become
        sentences, they are not raised.
    interface_path
        Import path of the NeuroConv data interface; its only required argument is `folder_path`;
        it may take `policies`, `timezone`, `segments`, `mapping`.
    """

    name: str
    title: str
    modality: Literal["imaging", "ephys"]
    find: Callable[[Path], list[Candidate]]
    summarise: Callable[[Path, Any], RecordingSummary]
    interface_path: str

    def open_interface(self, folder_path: Path, **options: Any) -> Any:
        """Return the NeuroConv data interface of a recording folder, its sources checked.

        Options that its interface does not know are left out.
        """
        interface = load_object(self.interface_path)
        known = inspect.signature(interface).parameters
        accepted = {name: value for name, value in options.items() if name in known}
        return interface(folder_path=folder_path, **accepted)


class ArraySource(Protocol):
    """A large array that is read in order, block by block, in its NWB axis order."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape as stored."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Type as stored."""
        ...

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of a stored chunk."""
        ...

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return entries start..stop along the first axis."""
        ...


@dataclass(frozen=True)
class PendingArray:
    """A dataset that stands empty in the file until its source is written into it."""

    dataset_path: str
    source: ArraySource
    title: str


@dataclass
class ArrayPlacer:
    """Turns sources into the `data` of NWB objects and remembers which are still to be written.

    With `deferred` the datasets are created empty, to be filled by `nwb.movie_writing` after the
    file's structure is written; otherwise they are iterators that any NWB writer drains.
    """

    deferred: bool
    pending: list[PendingArray] = field(default_factory=list)

    def place(self, dataset_path: str, source: ArraySource, *, title: str) -> Any:
        """Return what to hand to pynwb as `data`."""
        if not self.deferred:
            return _iterator(source)
        self.pending.append(PendingArray(dataset_path, source, title))
        return _empty_dataset(source)


def iterate_source(source: ArraySource, block_rows: int) -> Iterator[np.ndarray]:
    """Yield consecutive blocks of a source."""
    n_rows = source.shape[0]
    for start in range(0, n_rows, block_rows):
        yield source.read(start, min(start + block_rows, n_rows))


def find_below(folder_path: Path, is_match: Callable[[Path], bool]) -> list[Path]:
    """Return the folders at or below a folder that match, in name order.

    Below a match nothing more is searched; copies, rejects, hidden folders and folders that may
    not be read are passed over.
    """
    found: list[Path] = []
    level = [folder_path]
    for _depth in range(SEARCH_DEPTH + 1):
        deeper: list[Path] = []
        for folder in level:
            try:
                if is_match(folder):
                    found.append(folder)
                else:
                    deeper.extend(sorted(_searchable(folder)))
            except PermissionError:
                continue
        level = deeper
    return sorted(found)


def clean_text(text: str) -> str:
    """Return text that can be stored: without zeros and half characters of a damaged file."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def is_ignored(folder_path: Path) -> bool:
    """Whether a folder holds copies or rejects by its name."""
    name = folder_path.name.lower()
    return name.startswith(".") or name in IGNORED_FOLDERS or name.endswith("_first_attempt")


def _searchable(folder_path: Path) -> list[Path]:
    """Return the subfolders worth searching."""
    return [path for path in folder_path.iterdir() if path.is_dir() and not is_ignored(path)]


def _empty_dataset(source: ArraySource) -> Any:
    """Return the recipe of an empty dataset: deflate behind shuffle where it helps."""
    from hdmf.backends.hdf5 import H5DataIO

    return H5DataIO(
        shape=source.shape,
        dtype=source.dtype,
        chunks=source.chunk_shape,
        compression="gzip",
        compression_opts=1,
        shuffle=source.dtype.itemsize > 1,
    )


def _iterator(source: ArraySource) -> Any:
    """Return an hdmf iterator over a source."""
    from ace_nwb.interfaces.iterators import SourceIterator

    return SourceIterator(source=source)
