"""An Open Ephys recording as read from disk: structure.oebin, streams, TTL lines."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ace_nwb.errors import EphysError, InputError
from ace_nwb.imaging.storage import sample_chunk_shape
from ace_nwb.interfaces.base import Candidate, Evidence, clean_text, find_below
from ace_nwb.interfaces.policies import partial_streams
from ace_nwb.interfaces.summaries import ChannelSummary, LineSummary, RecordingSummary

NAME = "open-ephys-binary"
STRUCTURE = "structure.oebin"
TTL_BITS = 64


@dataclass(frozen=True)
class OebStream:
    """A continuous stream; `numbers` are the sample numbers, one clock per stream."""

    name: str
    rate_hz: float
    channel_names: tuple[str, ...]
    volt_per_bit: tuple[float, ...]
    samples: np.ndarray
    segments: tuple[tuple[int, int, int], ...]
    """(first sample, stop sample, sample number of the first) of each gap-free stretch."""

    @property
    def first_number(self) -> int:
        """Sample number of the first sample."""
        return self.segments[0][2]


@dataclass(frozen=True)
class OebLine:
    """Edges of one TTL line: seconds from the first sample of its stream, and levels."""

    name: str
    times_s: np.ndarray
    levels: np.ndarray


@dataclass(frozen=True)
class OebRecording:
    """A recording folder (experiment<n>/recording<n>)."""

    folder_path: Path
    version: str
    streams: tuple[OebStream, ...]
    lines: tuple[OebLine, ...]
    warnings: tuple[str, ...]


def find_recordings(folder_path: Path) -> list[Candidate]:
    """Return every recording at or below a folder."""
    found = find_below(folder_path, lambda path: (path / STRUCTURE).is_file())
    return [
        Candidate(
            NAME,
            path,
            (
                Evidence(4, STRUCTURE),
                *(Evidence(2, f"{dat.parent.name}/{dat.name}") for dat in _dat_files(path)[:1]),
            ),
        )
        for path in found
    ]


def read_recording(folder_path: Path) -> OebRecording:
    """Read the structure of all streams, and all TTL events.

    Raises
    ------
    EphysError
        If structure.oebin or a file that it names is damaged or missing.
    """
    structure = _read_structure(folder_path / STRUCTURE)
    warnings: list[str] = []
    try:
        streams = [
            _read_stream(folder_path, entry, warnings) for entry in structure.get("continuous", [])
        ]
        lines = [
            line
            for entry in structure.get("events", [])
            if "TTL" in str(entry["folder_name"])
            for line in _read_lines(folder_path, entry, streams)
        ]
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise EphysError(
            f"{folder_path / STRUCTURE} lacks an entry or holds another type ({error!r}). The file "
            "of Open Ephys was expected; copy it again."
        ) from error
    if not streams:
        raise EphysError(
            f"{folder_path / STRUCTURE} names no continuous stream. At least one was expected; "
            "copy the recording again."
        )
    version = clean_text(str(structure.get("GUI version", "")))
    return OebRecording(folder_path, version, tuple(streams), tuple(lines), tuple(warnings))


class OebSource:
    """Samples of one segment, shape (sample, channel), int16 as recorded."""

    def __init__(self, stream: OebStream, index: int) -> None:
        first, stop, _number = stream.segments[index]
        self._samples = stream.samples[first:stop]
        n_samples, n_channels = self._samples.shape
        self.shape = (n_samples, n_channels)
        self.dtype = np.dtype(np.int16)
        self.chunk_shape = sample_chunk_shape(self.shape, itemsize=2)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return samples start..stop."""
        return np.array(self._samples[start:stop])


def summarise_recording(folder_path: Path, options: Any) -> RecordingSummary:
    """Say what a folder holds and what is wrong with it."""
    try:
        recording = read_recording(folder_path)
    except InputError as error:
        return RecordingSummary(start_time=None, problems=(str(error),))
    noted = partial_streams(recording.warnings, policies=options.policies, device="Open Ephys")
    return RecordingSummary(
        start_time=None,
        channels=tuple(_summarise(stream) for stream in recording.streams),
        lines=tuple(_summarise_line(line) for line in recording.lines),
        problems=tuple(item.sentence for item in noted),
        irregularities=noted,
    )


def _summarise(stream: OebStream) -> ChannelSummary:
    """Describe one stream."""
    ends = [number + stop - first for first, stop, number in stream.segments]
    starts = [number for _first, _stop, number in stream.segments[1:]]
    gaps = tuple(round((b - a) / stream.rate_hz, 6) for a, b in zip(ends, starts, strict=False))
    return ChannelSummary(
        name=f"{stream.name} ({len(stream.channel_names)} channels)",
        rate_hz=stream.rate_hz,
        n_samples=len(stream.samples),
        n_segments=len(stream.segments),
        duration_s=(ends[-1] - stream.first_number) / stream.rate_hz,
        gaps_s=gaps,
        microvolt_per_bit=stream.volt_per_bit[0] * 1e6,
    )


def _summarise_line(line: OebLine) -> LineSummary:
    """Describe one TTL line."""
    median_s = float(np.median(np.diff(line.times_s))) if len(line.times_s) > 1 else 0.0
    rate_hz = 1 / median_s if median_s > 0 else 0.0
    first_s, last_s = float(line.times_s[0]), float(line.times_s[-1])
    return LineSummary(line.name, len(line.times_s), rate_hz, first_s, last_s)


def _read_structure(file_path: Path) -> dict[str, Any]:
    """Return the content of structure.oebin."""
    try:
        content = json.loads(file_path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise EphysError(
            f"{file_path} is not readable JSON ({error}). The file written by Open Ephys was "
            "expected; copy it again."
        ) from error
    if not isinstance(content, dict):
        raise EphysError(
            f"{file_path} holds a {type(content).__name__}. A JSON object was expected; copy the "
            "file again."
        )
    return content


def _read_stream(folder_path: Path, entry: dict[str, Any], warnings: list[str]) -> OebStream:
    """Read one continuous stream."""
    folder = _inside(folder_path, "continuous", str(entry["folder_name"]))
    channels = entry["channels"]
    n_channels = int(entry["num_channels"])
    data_path = folder / "continuous.dat"
    if not data_path.is_file() or n_channels < 1 or len(channels) != n_channels:
        raise EphysError(
            f"{data_path} is named by {STRUCTURE} with {n_channels} channels ({len(channels)} "
            "described) but is not there or does not fit. Copy the recording again."
        )
    values = data_path.stat().st_size // 2
    n_samples = values // n_channels
    numbers = _load(folder, ("sample_numbers.npy", "timestamps.npy"))
    if n_samples == 0 or numbers.dtype.kind not in "iu" or abs(len(numbers) - n_samples) > 1024:
        raise EphysError(
            f"{data_path} holds {n_samples} samples, its sample numbers {len(numbers)} of type "
            f"{numbers.dtype}. One whole number per sample was expected; copy the recording again."
        )
    if len(numbers) != n_samples or data_path.stat().st_size % (2 * n_channels):
        n_samples = min(n_samples, len(numbers))
        warnings.append(f"{data_path} and its sample numbers differ; {n_samples} samples are read.")
    mapped = np.memmap(data_path, "<i2", "r", shape=(n_samples, n_channels))
    return OebStream(
        name=clean_text(str(entry.get("stream_name") or entry["folder_name"])).strip("/"),
        rate_hz=float(entry["sample_rate"]),
        channel_names=tuple(clean_text(str(item["channel_name"])) for item in channels),
        volt_per_bit=tuple(_volt_per_bit(item) for item in channels),
        samples=mapped,
        segments=_segments(numbers[:n_samples], data_path),
    )


def _volt_per_bit(channel: dict[str, Any]) -> float:
    """Return the scale of a channel: microvolts unless it says volts."""
    unit = str(channel.get("units", "uV"))
    return float(channel["bit_volts"]) * (1.0 if unit in ("V", "volts") else 1e-6)


def _segments(numbers: np.ndarray, data_path: Path) -> tuple[tuple[int, int, int], ...]:
    """Return the stretches in which sample numbers count on by one."""
    steps = np.diff(numbers.astype(np.int64))
    if (steps <= 0).any():
        row = int(np.flatnonzero(steps <= 0)[0]) + 1
        raise EphysError(
            f"{data_path}: sample {row} has number {numbers[row]}, after {numbers[row - 1]}. "
            "Numbers that count on were expected; the recording is damaged."
        )
    cuts = (np.flatnonzero(steps != 1) + 1).tolist()
    spans = zip([0, *cuts], [*cuts, len(numbers)], strict=True)
    return tuple((first, stop, int(numbers[first])) for first, stop in spans)


def _read_lines(
    folder_path: Path, entry: dict[str, Any], streams: list[OebStream]
) -> list[OebLine]:
    """Return the TTL lines of one events folder, timed from the first sample of its stream."""
    folder = _inside(folder_path, "events", str(entry["folder_name"]))
    if not folder.is_dir():
        return []
    states = _load(folder, ("states.npy", "channel_states.npy")).astype(np.int64)
    numbers = _load(folder, ("sample_numbers.npy", "timestamps.npy"))
    if len(states) != len(numbers) or numbers.dtype.kind not in "iu":
        raise EphysError(
            f"{folder} holds {len(states)} states and {len(numbers)} sample numbers of type "
            f"{numbers.dtype}. One whole number per state was expected; copy the recording again."
        )
    name = str(entry.get("stream_name", "")).strip("/")
    stream = next((item for item in streams if item.name == name), streams[0])
    times_s = (numbers.astype(np.int64) - stream.first_number) / stream.rate_hz
    prefix = "" if len(streams) == 1 else f"{name} "
    lines = []
    for line in sorted(set(np.abs(states).tolist()) - {0}):
        rows = np.flatnonzero(np.abs(states) == line)
        levels = (states[rows] > 0).astype(np.uint8)
        lines.append(OebLine(f"{prefix}TTL Line {line}", times_s[rows], levels))
    return lines


def _load(folder: Path, names: tuple[str, ...]) -> np.ndarray:
    """Return the first array that is there, of one axis; never unpickled."""
    for name in names:
        path = folder / name
        if not path.is_file():
            continue
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise EphysError(
                f"{path} is no array of numbers ({error}). The file of Open Ephys was expected; "
                "copy it again."
            ) from error
        if array.ndim == 1:
            return np.asarray(array)
    raise EphysError(
        f"{folder} holds none of {', '.join(names)}. One of them was expected; copy the recording "
        "again."
    )


def _inside(folder_path: Path, kind: str, name: str) -> Path:
    """Return a folder that structure.oebin names, if it lies within the recording."""
    path = (folder_path / kind / name).resolve()
    if not path.is_relative_to(folder_path.resolve()):
        raise EphysError(
            f"{folder_path / STRUCTURE} names the folder {name!r}, outside of the recording. A "
            "folder within it was expected; is the file from Open Ephys?"
        )
    return path


def _dat_files(path: Path) -> list[Path]:
    """Return the files of samples of a recording."""
    return sorted(path.glob("continuous/*/continuous.dat"))
