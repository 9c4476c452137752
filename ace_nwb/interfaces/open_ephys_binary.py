"""Open Ephys recordings in the binary format: samples with their gaps, TTL lines bit by bit.

NeuroConv's interface refuses folders without settings.xml and knows no TTL events; here
structure.oebin says which streams and lines there are.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ace_nwb.errors import EphysError
from ace_nwb.interfaces.base import (
    Candidate,
    Evidence,
    Format,
    clean_text,
    find_below,
    object_name,
)
from ace_nwb.interfaces.ephys_recording import (
    BETWEEN_GAPS,
    DigitalLine,
    Electrode,
    EphysRecording,
    Samples,
    SampleSegment,
    SampleStream,
    System,
    summarise_ephys,
)
from ace_nwb.interfaces.policies import Policies, partial_streams

NAME = "open-ephys-binary"
STRUCTURE = "structure.oebin"
_INPUT = re.compile(r"(?:.+_)?(?:ADC|AUX)\d+", re.IGNORECASE)


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


def read_recording(folder_path: Path, policies: Policies | None = None) -> EphysRecording:
    """Read the structure of all streams, and all TTL events.

    Times are seconds from the first sample of each stream.

    Raises
    ------
    EphysError
        If structure.oebin or a file that it names is damaged or missing.
    """
    structure = _read_structure(folder_path / STRUCTURE)
    incomplete: list[str] = []
    try:
        streams = [
            _read_stream(folder_path, entry, incomplete)
            for entry in structure.get("continuous", [])
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
    names = [name for stream in streams for name in stream.channel_names]
    return EphysRecording(
        folder_path=folder_path,
        system=System(
            "Open Ephys",
            f"Recorded with Open Ephys GUI {version}." if version else "Recorded with Open Ephys.",
        ),
        content=(
            NAME,
            *(f"{s.name} {s.samples.shape} {s.first_number}" for s in streams),
        ),
        electrodes=tuple(Electrode(name, kind=_kind(name)) for name in names),
        streams=tuple(_neutral(streams)),
        lines=tuple(lines),
        irregularities=partial_streams(
            incomplete, policies=policies or Policies(), device="Open Ephys"
        ),
    )


def _kind(channel_name: str) -> str:
    """Return the kind of a channel by the name that the GUI gives it: ADC and AUX are inputs."""
    return "auxiliary" if _INPUT.fullmatch(channel_name) else ""


def _neutral(streams: list[OebStream]) -> Iterator[SampleStream]:
    """Yield the streams as every system's are."""
    first_row = 0
    for stream in streams:
        n_channels = len(stream.channel_names)
        yield SampleStream(
            name=f"ElectricalSeries{object_name(stream.name) if len(streams) > 1 else ''}",
            description=BETWEEN_GAPS,
            segments=tuple(
                SampleSegment(
                    (number - stream.first_number) / stream.rate_hz,
                    Samples.of(stream.samples[first:stop]),
                )
                for first, stop, number in stream.segments
            ),
            rate_hz=stream.rate_hz,
            scale=np.array(stream.volt_per_bit),
            listed=(f"{stream.name} ({n_channels} channels)",),
            electrodes=tuple(range(first_row, first_row + n_channels)),
        )
        first_row += n_channels


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


def _read_stream(folder_path: Path, entry: dict[str, Any], incomplete: list[str]) -> OebStream:
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
        incomplete.append(
            f"{data_path} and its sample numbers differ; {n_samples} samples are read."
        )
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
) -> list[DigitalLine]:
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
        lines.append(DigitalLine(f"{prefix}TTL Line {line}", times_s[rows], levels))
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


FORMAT = Format(
    name=NAME,
    title="Open Ephys (binary format)",
    modality="ephys",
    find=find_recordings,
    summarise=partial(summarise_ephys, read_recording),
    interface_path="ace_nwb.interfaces.data_interfaces:OpenEphysBinaryInterface",
    looks_for="structure.oebin with continuous.dat",
)
