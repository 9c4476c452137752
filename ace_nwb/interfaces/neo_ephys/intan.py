"""Intan files (.rhd, .rhs): amplifiers, DC amplifiers, board inputs, digital lines; one clock."""

import re
from datetime import datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ace_nwb.errors import EphysError
from ace_nwb.interfaces.base import Candidate, Evidence, find_below
from ace_nwb.interfaces.ephys_recording import DigitalLine, EphysRecording, System
from ace_nwb.interfaces.neo_ephys.cut_files import cut_samples, whole_items
from ace_nwb.interfaces.neo_ephys.streams import (
    StreamTable,
    call_reader,
    describe_lines,
    find_edges,
    import_readers,
    read_samples,
)
from ace_nwb.interfaces.policies import Policies

NAME = "intan"
MAGIC = {b"\x02\x27\x91\xc6": "RHD2000", b"\xac\x27\x91\xd6": "RHS2000"}
SUFFIXES = (".rhd", ".rhs")
LABELS = {
    "RHD2000 amplifier channel": "",
    "RHS2000 amplifier channel": "",
    "DC Amplifier channel": "DC",
    "RHD2000 auxiliary input channel": "AuxiliaryInput",
    "USB board ADC input channel": "AnalogInput",
}
"""Streams that are converted -> what their series are called."""

KINDS = {
    "RHD2000 amplifier channel": "wide-band",
    "RHS2000 amplifier channel": "wide-band",
    "DC Amplifier channel": "DC",
}
ELECTRODES = ("", "DC")
SI = {"uV": ("volts", 1e-6), "mV": ("volts", 1e-3), "V": ("volts", 1.0)}
DIGITAL = ("USB board digital input channel", "USB board digital output channel")
_TIME = re.compile(r"_(\d{6}_\d{6})$")


def find_recordings(folder_path: Path) -> list[Candidate]:
    """Return every folder with an Intan file at or below a folder."""
    return [_candidate(path) for path in find_below(folder_path, lambda path: bool(_files(path)))]


def read_recording(folder_path: Path, policies: Policies | None = None) -> EphysRecording:
    """Read the structure of a file, and the edges of its digital lines.

    Parameters
    ----------
    folder_path
        Folder of the file.
    policies
        What becomes of a file that is cut off; it is noted, not raised.

    Raises
    ------
    EphysError
        If the folder holds several recordings, or the file is damaged.
    MissingPackageError
        If the readers are not installed.
    """
    files = _files(folder_path)
    if len(files) != 1:
        raise EphysError(
            f"{folder_path} holds {', '.join(file.name for file in files) or 'no Intan file'}. One "
            "file with all channels (Intan's traditional format) was expected; move every "
            "recording into a folder of its own."
        )
    path = files[0]
    readers, table = import_readers(), StreamTable()
    with whole_items(import_module("neo.rawio.intanrawio")) as left_over:
        names = call_reader(lambda: readers.get_neo_streams("intan", file_path=path), path)[0]
        for name in names:
            if name in LABELS:
                _add_stream(table, readers, path, name)
        lines = tuple(
            line for name in names if name in DIGITAL for line in _lines(readers, path, name)
        )
    if not table.electrodes:
        raise EphysError(
            f"{path} holds {', '.join(names)} and no amplifier channel. At least one was expected; "
            "is this the file of the recording?"
        )
    start_time, policies = _start_time(path), policies or Policies()
    left_out = [name for name in names if name not in LABELS and name not in DIGITAL]
    description = f"Intan {_system(path)} recording system."
    return EphysRecording(
        folder_path=folder_path,
        system=System(
            name="Intan",
            description=description,
            model="IntanModel",
            model_description=description,
            manufacturer="Intan Technologies",
            electrodes="All channels of the system.",
        ),
        content=(f"Intan {start_time}", *table.facts, *describe_lines(lines)),
        electrodes=table.electrodes,
        streams=tuple(table.streams),
        lines=lines,
        start_time=start_time,
        warnings=tuple(f"{path.name}: the stream {name!r} is left out." for name in left_out),
        irregularities=tuple(
            cut_samples(file, f"{n_bytes} bytes follow the last whole block", policies=policies)
            for file, n_bytes in left_over.items()
        ),
    )


def _add_stream(table: StreamTable, readers: Any, path: Path, name: str) -> None:
    """Read the structure of one stream."""
    recording = call_reader(
        lambda: readers.read_intan(file_path=path, stream_name=name, all_annotations=True), path
    )
    unit, factor = SI.get(str(recording.get_property("physical_unit")[0]), ("n.a.", 1.0))
    table.add(
        name,
        LABELS[name],
        recording,
        channels={one: str(one) for one in recording.get_channel_ids()},
        has_electrodes=LABELS[name] in ELECTRODES,
        starts_s=(0.0,),
        scale=np.asarray(recording.get_property("gain_to_physical_unit"), float) * factor,
        offset=np.asarray(recording.get_property("offset_to_physical_unit"), float) * factor,
        unit=unit,
        kind=KINDS.get(name, ""),
    )


def _lines(readers: Any, path: Path, name: str) -> list[DigitalLine]:
    """Return the digital lines that change."""
    recording = call_reader(lambda: readers.read_intan(file_path=path, stream_name=name), path)
    rate_hz = float(recording.get_sampling_frequency())
    lines = []
    for channel in recording.get_channel_ids():
        read = read_samples(recording, (channel,), 0)
        edges = partial(find_edges, read, recording.get_num_samples(), bit=0)
        at, levels = call_reader(edges, path)
        if len(at):
            lines.append(DigitalLine(str(channel), at / rate_hz, levels))
    return lines


def _files(folder_path: Path) -> list[Path]:
    """Return the Intan files of a folder, in name order."""
    return sorted(
        path
        for path in folder_path.iterdir()
        if path.suffix.lower() in SUFFIXES and path.is_file() and _system(path)
    )


def _system(path: Path) -> str:
    """Return which system wrote a file, empty if none."""
    with path.open("rb") as file:
        return MAGIC.get(file.read(4), "")


def _start_time(path: Path) -> datetime | None:
    """Return when recording began by the file's name; it names no time zone."""
    found = _TIME.search(path.stem)
    try:
        return datetime.strptime(found.group(1), "%y%m%d_%H%M%S") if found else None
    except ValueError:
        return None


def _candidate(path: Path) -> Candidate:
    """Collect what speaks for an Intan recording in a folder."""
    file = _files(path)[0]
    evidence = (
        Evidence(2, f"{len(_files(path))} file(s) .rhd or .rhs"),
        Evidence(4, f"{file.name} begins as {_system(file)} files do"),
    )
    return Candidate(NAME, path, evidence)
