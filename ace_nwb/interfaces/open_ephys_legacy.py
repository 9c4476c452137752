"""Open Ephys recordings in the format of its first years: a `.continuous` file per channel.

Records of 1024 samples with the number of their first one; TTL edges of all processors in
`all_channels.events`. The format: open-ephys.github.io/gui-docs, "Open Ephys format".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np

from ace_nwb.errors import EphysError
from ace_nwb.interfaces.base import Candidate, Evidence, Format, find_below
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

NAME = "open-ephys-legacy"
EVENTS_FILE = "all_channels.events"
HEADER_BYTES = 1024  # of every file, by the format
RECORD_SAMPLES = 1024  # samples of every record, by the format
MAGIC = b"header.format"
TTL = 3
"""Type of an event record that is an edge of a digital line."""

RECORD = np.dtype(
    [
        ("first", "<i8"),
        ("n", "<u2"),
        ("recording", "<u2"),
        ("samples", ">i2", (RECORD_SAMPLES,)),
        ("marker", "u1", (10,)),
    ]
)
EVENT = np.dtype(
    [
        ("sample", "<i8"),
        ("in_buffer", "<i2"),
        ("kind", "u1"),
        ("processor", "u1"),
        ("level", "u1"),
        ("line", "u1"),
        ("recording", "<u2"),
    ]
)
_ENTRY = re.compile(r"header\.(\w+)\s*=\s*'?(.*?)'?;")
_INPUT = re.compile(r"(?:ADC|AUX)\d+", re.IGNORECASE)
_LATER = re.compile(r".+_\d+")


@dataclass(frozen=True)
class LegacyChannel:
    """One channel: records in order, stretches as (first record, stop record, sample number)."""

    name: str
    file_path: Path
    entries: dict[str, str]
    records: np.ndarray
    spans: tuple[tuple[int, int, int], ...]
    n_cut_bytes: int

    @property
    def rate_hz(self) -> float:
        """Samples per second."""
        return _number(self.entries, "sampleRate", self.file_path)

    @property
    def is_input(self) -> bool:
        """Whether it is an analog or auxiliary input, in volts, and no electrode."""
        return _INPUT.fullmatch(self.name) is not None

    @property
    def volt_per_bit(self) -> float:
        """Scale: the header gives microvolts of electrodes, volts of inputs."""
        scale = _number(self.entries, "bitVolts", self.file_path)
        return scale if self.is_input else scale * 1e-6


def find_recordings(folder_path: Path) -> list[Candidate]:
    """Return every recording at or below a folder."""
    found = find_below(folder_path, lambda path: bool(_channel_files(path)))
    return [
        Candidate(
            NAME,
            path,
            (
                Evidence(5, f"{len(_channel_files(path))} files .continuous of Open Ephys"),
                *(Evidence(1, file.name) for file in path.glob(EVENTS_FILE)),
            ),
        )
        for path in found
    ]


def read_recording(folder_path: Path, policies: Policies | None = None) -> EphysRecording:
    """Read the structure of all channels, and all TTL edges.

    Times are seconds from the first sample of any channel.

    Raises
    ------
    EphysError
        If a file is damaged, or the folder holds several experiments.
    """
    paths = _channel_files(folder_path)
    names = {path.stem for path in paths}
    later = [p for p in paths if _LATER.fullmatch(p.stem) and p.stem.rpartition("_")[0] in names]
    if later:
        raise EphysError(
            f"{folder_path} holds {paths[0].name} and {later[0].name}, of two experiments. One was "
            "expected; move the files of each into a folder of its own."
        )
    incomplete: list[str] = []
    channels = [one for path in paths if (one := _read_channel(path, incomplete)) is not None]
    if not channels:
        raise EphysError(
            f"{folder_path} has {len(paths)} .continuous files and no samples in them. At least "
            "one recorded channel was expected; copy the folder again."
        )
    channels.sort(key=lambda one: (one.is_input, [int(n) for n in re.findall(r"\d+", one.name)]))
    zero = min(channel.spans[0][2] for channel in channels)
    rate_hz = channels[0].rate_hz
    streams = tuple(_streams(channels, zero=zero))
    return EphysRecording(
        folder_path=folder_path,
        system=System("Open Ephys", "Recorded with Open Ephys GUI."),
        content=(NAME, *(f"{c.name} {c.rate_hz!r} {c.spans}" for c in channels)),
        electrodes=tuple(
            Electrode(channel.name, kind="auxiliary" if channel.is_input else "")
            for channel in channels
        ),
        streams=streams,
        lines=tuple(_read_lines(folder_path / EVENTS_FILE, zero, rate_hz, incomplete)),
        start_time=_start_time(channels[0].entries),
        irregularities=partial_streams(
            incomplete, policies=policies or Policies(), device="Open Ephys"
        ),
    )


def _read_channel(file_path: Path, incomplete: list[str]) -> LegacyChannel | None:
    """Read the structure of a channel, None if it holds no samples."""
    entries = _read_header(file_path)
    records, n_cut = _map(file_path, RECORD)
    if n_cut:
        incomplete.append(
            f"{file_path} ends in a record cut off after {n_cut} bytes; its {len(records)} whole "
            "records are read."
        )
    if not len(records):
        incomplete.append(f"{file_path} holds a header and no samples; it is left out.")
        return None
    first, n_valid = records["first"].astype(np.int64), records["n"].astype(np.int64)
    wrong = np.flatnonzero((n_valid > RECORD_SAMPLES) | (np.diff(first, prepend=first[0] - 1) <= 0))
    if len(wrong):
        record = int(wrong[0])
        raise EphysError(
            f"{file_path} record {record} holds {n_valid[record]} samples from number "
            f"{first[record]}. At most {RECORD_SAMPLES}, with numbers that count on, were "
            "expected; the file is damaged, or its clock began anew: copy it again."
        )
    cuts = (np.flatnonzero(np.diff(first) != n_valid[:-1]) + 1).tolist()
    spans = tuple(
        (start, stop, int(first[start]))
        for start, stop in zip([0, *cuts], [*cuts, len(first)], strict=True)
    )
    name = entries.get("channel") or file_path.stem.rpartition("_")[2]
    return LegacyChannel(name, file_path, entries, records, spans, n_cut)


def _streams(channels: list[LegacyChannel], *, zero: int) -> Iterator[SampleStream]:
    """Yield the channels that share rate and records, group by group."""
    groups: dict[tuple, list[int]] = {}
    for row, channel in enumerate(channels):
        n_samples = int(channel.records["n"].sum())
        key = (channel.is_input, channel.rate_hz, channel.spans, n_samples)
        groups.setdefault(key, []).append(row)
    for number, ((_is_input, rate_hz, spans, _n), rows) in enumerate(groups.items()):
        group = [channels[row] for row in rows]
        yield SampleStream(
            name=f"ElectricalSeries{chr(ord('A') + number) if len(groups) > 1 else ''}",
            description=BETWEEN_GAPS,
            segments=tuple(
                SampleSegment((first - zero) / rate_hz, _samples(group, start, stop))
                for start, stop, first in spans
            ),
            rate_hz=rate_hz,
            scale=np.array([channel.volt_per_bit for channel in group]),
            listed=tuple(channel.name for channel in group),
            electrodes=tuple(rows),
        )


def _samples(group: list[LegacyChannel], start: int, stop: int) -> Samples:
    """Return records start..stop of channels, their samples in the byte order of this computer."""
    n_valid = group[0].records["n"][start:stop].astype(np.int64)
    firsts = np.concatenate([[0], np.cumsum(n_valid)])

    def read(begin: int, end: int) -> np.ndarray:
        low = int(np.searchsorted(firsts, begin, side="right")) - 1
        high = int(np.searchsorted(firsts, end, side="left"))
        kept = np.arange(RECORD_SAMPLES) < n_valid[low:high, None]
        skipped = begin - int(firsts[low])
        columns = [
            one.records["samples"][start + low : start + high][kept][
                skipped : skipped + end - begin
            ]
            for one in group
        ]
        return np.stack(columns, axis=1).astype(np.int16)

    return Samples((int(firsts[-1]), len(group)), np.dtype(np.int16), read)


def _read_lines(
    file_path: Path, zero: int, rate_hz: float, incomplete: list[str]
) -> Iterator[DigitalLine]:
    """Yield the TTL lines of every processor, timed from sample number `zero`."""
    if not file_path.is_file():
        return
    _read_header(file_path)
    events, n_cut = _map(file_path, EVENT)
    if n_cut:
        incomplete.append(
            f"{file_path} ends in a record cut off after {n_cut} bytes; the whole ones are read."
        )
    events = events[events["kind"] == TTL]
    processors = np.unique(events["processor"])
    for processor in processors.tolist():
        prefix = f"Processor {processor} " if len(processors) > 1 else ""
        of_it = events[events["processor"] == processor]
        for line in np.unique(of_it["line"]).tolist():
            edges = of_it[of_it["line"] == line]
            times_s = (edges["sample"].astype(np.int64) - zero) / rate_hz
            levels = (edges["level"] > 0).astype(np.uint8)
            yield DigitalLine(f"{prefix}TTL Line {line + 1}", times_s, levels)


def _read_header(file_path: Path) -> dict[str, str]:
    """Return the entries of a header, "header.name = value;" each."""
    with file_path.open("rb") as file:
        content = file.read(HEADER_BYTES)
    if not content.startswith(MAGIC):
        raise EphysError(
            f"{file_path} begins with {content[:16]!r}. The header of Open Ephys ({MAGIC.decode()} "
            "= ...) was expected; copy the file again."
        )
    return {name: value.strip() for name, value in _ENTRY.findall(content.decode("latin-1"))}


def _number(entries: dict[str, str], name: str, file_path: Path) -> float:
    """Return a positive number of a header."""
    try:
        value = float(entries[name])
    except (KeyError, ValueError):
        value = 0.0
    if not 0 < value < np.inf:
        raise EphysError(
            f"{file_path} has {name} = {entries.get(name, '(absent)')} in its header. A positive "
            "number was expected; copy the file again."
        )
    return value


def _map(file_path: Path, dtype: np.dtype) -> tuple[np.ndarray, int]:
    """Map the whole records of a file; return them, and the bytes left over."""
    n_bytes = max(0, file_path.stat().st_size - HEADER_BYTES)
    n_records, n_cut = divmod(n_bytes, dtype.itemsize)
    if n_records == 0:
        return np.empty(0, dtype), n_cut
    return np.memmap(file_path, dtype, "r", offset=HEADER_BYTES, shape=(n_records,)), n_cut


def _start_time(entries: dict[str, str]) -> datetime | None:
    """Return when the file was made by the local clock ("23-Feb-2016 121300")."""
    try:
        return datetime.strptime(entries.get("date_created", ""), "%d-%b-%Y %H%M%S")
    except ValueError:
        return None


def _channel_files(folder_path: Path) -> list[Path]:
    """Return the files of channels that begin as Open Ephys's do, in name order."""
    return sorted(
        path
        for path in folder_path.glob("*.continuous")
        if path.is_file() and not path.name.startswith(".") and _has_magic(path)
    )


def _has_magic(file_path: Path) -> bool:
    """Return whether a file begins as those of Open Ephys do."""
    with file_path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


FORMAT = Format(
    name=NAME,
    title="Open Ephys (legacy format, a file per channel)",
    modality="ephys",
    find=find_recordings,
    summarise=partial(summarise_ephys, read_recording),
    interface_path="ace_nwb.interfaces.data_interfaces:OpenEphysLegacyInterface",
    looks_for="files .continuous, and all_channels.events",
)
