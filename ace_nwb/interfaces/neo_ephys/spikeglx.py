"""SpikeGLX runs: probes (AP, LF, sync line) and NI-DAQ (analog inputs, digital lines).

Every probe and the NI-DAQ count on clocks of their own; times are those of each stream, from the
first sample of the run.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ace_nwb.interfaces.base import Candidate, Evidence, find_below
from ace_nwb.interfaces.ephys_recording import DigitalLine, EphysRecording, System
from ace_nwb.interfaces.imaging_recording import ClockFacts
from ace_nwb.interfaces.neo_ephys.cut_files import cut_samples, find_cut_runs, whole_samples
from ace_nwb.interfaces.neo_ephys.streams import (
    StreamTable,
    call_reader,
    describe_lines,
    find_edges,
    import_readers,
    read_samples,
)
from ace_nwb.interfaces.policies import Policies

NAME = "spikeglx"
SYNC = "-SYNC"
KINDS = {"ap": "wide-band", "lf": "LFP"}
SYNC_BIT = 6
"""Bit of a probe's sync word that carries the sync line."""

_RUN = re.compile(r"(.+)_g\d+_t\w+\.(imec\d*\.(?:ap|lf)|nidq|obx\d*)")


def find_recordings(folder_path: Path) -> list[Candidate]:
    """Return every run at or below a folder: the folder above those of its probes."""
    found: dict[Path, list[Path]] = {}
    for path in find_below(folder_path, lambda path: bool(_metas(path))):
        is_probe = re.search(r"_imec\d*$", path.name) is not None and path != folder_path
        found.setdefault(path.parent if is_probe else path, []).extend(_metas(path))
    return [_candidate(path, metas) for path, metas in sorted(found.items())]


def read_recording(folder_path: Path, policies: Policies | None = None) -> EphysRecording:
    """Read the structure of a run, and the edges of its digital lines.

    Parameters
    ----------
    folder_path
        Folder of the run.
    policies
        What becomes of files that are cut off; they are noted, not raised.

    Raises
    ------
    EphysError
        If files are missing or damaged.
    MissingPackageError
        If the readers are not installed.
    """
    readers = import_readers()
    with whole_samples(import_module("neo.rawio.spikeglxrawio")):
        ids = call_reader(
            lambda: readers.get_neo_streams("spikeglx", folder_path=folder_path), folder_path
        )[1]
        open_stream = partial(_open, readers, folder_path)
        recordings = {stream: open_stream(stream) for stream in ids}
    zero_s = min(float(item.get_start_time(0)) for item in recordings.values())
    table = StreamTable()
    for name, recording in recordings.items():
        if not name.endswith(SYNC):
            _add_stream(table, name, recording, zero_s)
    lines = tuple(
        line
        for name, recording in recordings.items()
        for line in call_reader(partial(_lines, name, recording, zero_s), folder_path)
    )
    start_time, policies = _start_time(folder_path), policies or Policies()
    clocks = [stream.segments[0].clock for stream in table.streams]
    names = dict.fromkeys(clock.clock for clock in clocks if clock is not None)
    description = "Neuropixels probes and NI-DAQ, recorded with SpikeGLX."
    return EphysRecording(
        folder_path=folder_path,
        system=System(
            name="SpikeGLX",
            description=description,
            model="SpikeGLXModel",
            model_description=description,
            manufacturer="IMEC and National Instruments",
            electrodes="All channels of the system.",
        ),
        content=(f"SpikeGLX {start_time}", *table.facts, *describe_lines(lines)),
        electrodes=table.electrodes,
        streams=tuple(table.streams),
        lines=lines,
        start_time=start_time,
        remarks=(f"Clocks of their own: {', '.join(names)}.",) if len(names) > 1 else (),
        irregularities=tuple(
            cut_samples(path, f"{found} of {stated} bytes are there", policies=policies)
            for path, (found, stated) in find_cut_runs(_all_metas(folder_path)).items()
        ),
    )


def _open(readers: Any, folder_path: Path, stream_id: str) -> Any:
    """Open one stream with its annotations."""
    return call_reader(
        lambda: readers.read_spikeglx(folder_path=folder_path, stream_id=stream_id), folder_path
    )


def _add_stream(table: StreamTable, name: str, recording: Any, zero_s: float) -> None:
    """Add one stream, if it has samples; the words of digital lines are none."""
    ids = recording.get_channel_ids()
    names = [str(channel).partition("#")[2] for channel in ids]
    kept = [index for index, channel in enumerate(names) if not channel.startswith(("XD", "SY"))]
    if not kept:
        return
    is_probe = name.startswith("imec")
    volt = 1e-6 if is_probe else 1.0
    starts_s = [
        float(recording.get_start_time(index)) for index in range(recording.get_num_segments())
    ]
    rate_hz = float(recording.get_sampling_frequency())
    scale = np.asarray(recording.get_property("gain_to_physical_unit"), float) * volt
    table.add(
        name,
        "".join(part.capitalize() for part in name.split(".")),
        recording,
        channels={ids[index]: f"{name} {names[index]}" for index in kept},
        has_electrodes=is_probe,
        starts_s=[start_s - zero_s for start_s in starts_s],
        scale=scale[kept],
        offset=np.zeros(len(kept)),
        kind=KINDS.get(name.rpartition(".")[2], ""),
        clock=ClockFacts(f"SpikeGLX {_device(name)}", rate_hz, round(starts_s[0] * rate_hz)),
    )


def _lines(name: str, recording: Any, zero_s: float) -> Iterator[DigitalLine]:
    """Yield the digital lines of a stream that change: the sync line, or those of the NI-DAQ."""
    device = _device(name).capitalize()
    if name.endswith(SYNC):
        if ".lf" in name:
            return
        wanted = [(channel, SYNC_BIT, f"{device}SyncLine") for channel in recording.channel_ids]
    else:
        words = [channel for channel in recording.channel_ids if "#XD" in str(channel)]
        wanted = [
            (channel, bit, f"{device}Line{16 * word + bit}")
            for word, channel in enumerate(words)
            for bit in range(16)
        ]
    rate_hz = float(recording.get_sampling_frequency())
    for channel, bit, line in wanted:
        times, levels = [], []
        for index in range(recording.get_num_segments()):
            n_samples = recording.get_num_samples(segment_index=index)
            at, level = find_edges(read_samples(recording, (channel,), index), n_samples, bit=bit)
            times.append(float(recording.get_start_time(index)) - zero_s + at / rate_hz)
            levels.append(level)
        if sum(map(len, times)):
            yield DigitalLine(line, np.concatenate(times), np.concatenate(levels))


def _device(name: str) -> str:
    """Return the device of a stream: "imec0.ap" -> "imec0"."""
    return name.removesuffix(SYNC).partition(".")[0]


def _metas(folder_path: Path) -> list[Path]:
    """Return the metadata files of a folder that have samples beside them."""
    return sorted(
        path
        for path in folder_path.glob("*.meta")
        if _RUN.fullmatch(path.stem) and path.with_suffix(".bin").is_file()
    )


def _all_metas(folder_path: Path) -> list[Path]:
    """Return the metadata files of a run."""
    folders = {path.parent for path in folder_path.rglob("*.meta")}
    return [meta for folder in sorted(folders) for meta in _metas(folder)]


def _start_time(folder_path: Path) -> datetime | None:
    """Return when the first file was made by the local clock; it names no time zone."""
    times = []
    for path in sorted(folder_path.rglob("*.meta")):
        text = path.read_text(encoding="utf-8", errors="replace")
        found = re.search(r"^fileCreateTime=(\S+)$", text, re.MULTILINE)
        try:
            times += [datetime.fromisoformat(found.group(1)).replace(tzinfo=None)] if found else []
        except ValueError:
            continue
    return min(times, default=None)


def _candidate(path: Path, metas: list[Path]) -> Candidate:
    """Collect what speaks for a run in a folder."""
    evidence = tuple(Evidence(3, f"{meta.name} with its .bin file") for meta in metas)
    return Candidate(NAME, path, (*evidence, Evidence(2, "files named as those of a run")))
