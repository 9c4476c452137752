"""From raw folders to a session file: everything checked first, then written beside and renamed."""

import math
import shutil
import uuid
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import h5py
from pynwb import NWBHDF5IO, NWBFile
from pynwb.file import Subject

from ace_nwb.errors import AceNwbWarning, MetadataError, OutputError
from ace_nwb.interfaces.arrays import ArrayPlacer, PendingArray, iterate_source
from ace_nwb.interfaces.base import Candidate
from ace_nwb.interfaces.detection import load_format
from ace_nwb.interfaces.metadata import (
    SessionMetadata,
    describe_keys,
    load_metadata,
    missing_for_dandi,
    missing_for_nwb,
)
from ace_nwb.interfaces.nwb_objects import NOT_STATED
from ace_nwb.interfaces.rig import read_rig
from ace_nwb.interfaces.sources import SourceOptions, find_sources
from ace_nwb.nwb.commit.new_file import new_h5
from ace_nwb.nwb.content.movie_writing import write_blocks
from ace_nwb.nwb.contents import version_row
from ace_nwb.nwb.history import RunParameter, StageRun, add_history
from ace_nwb.nwb.layout import STAGE_RUNS
from ace_nwb.stages.running.memory import peak_memory_mb

ProgressCallback = Callable[[int, int], None]
NAMESPACE = uuid.UUID("8c2f9e6e-5d54-5c4c-9d49-6f3f5b6d2a11")
SOFTWARE = {"ace_nwb": "ace-nwb", "neuroconv": "neuroconv", "pynwb": "pynwb", "PyAV": "av"}
REVISION = 5
"""Raised when the content of converted files changes."""

LEAST_COMPRESSED = 0.3
"""Share of its raw size that a recording takes at the very least; noise compresses to 0.65."""

BLOCK_BYTES = 16_000_000
"""Samples are read in blocks of about this size."""


def convert(
    folder: Path | str,
    nwb_path: Path | str,
    *,
    ephys_folder: Path | str | None = None,
    metadata: Path | str | dict[str, Any] | None = None,
    overwrite: bool = False,
    options: SourceOptions | None = None,
    progress: ProgressCallback | None = None,
) -> Path:
    """Convert a recording into a new NWB file.

    Parameters
    ----------
    folder
        A recording, one device folder, or a folder that holds exactly one imaging recording.
    nwb_path
        The file to write. It appears complete or not at all.
    ephys_folder
        The ephys recording of the same session, if it is not within `folder`.
    metadata
        YAML file (or its content) with what the folders do not say.
    overwrite
        Replace an existing file once the new one is complete.
    options
        Formats, policies for irregular recordings, time zone, segments.
    progress
        Called with (array entries written, of how many).

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InputError
        If a source is not as it should be; nothing is written then.
    OutputError
        If the file cannot be written where it was asked for.
    """
    started = datetime.now(UTC)
    clock = perf_counter()
    target = check_target(Path(nwb_path), overwrite=overwrite)
    session = load_metadata(metadata)
    chosen = options or SourceOptions()
    ephys = None if ephys_folder is None else Path(ephys_folder)
    with new_h5(target, replace=overwrite) as h5:  # no other program works for nothing meanwhile
        candidates = find_sources(Path(folder), ephys, chosen)
        _warn_of_missing(session, candidates)
        interfaces = [chosen.open_interface(found) for found in candidates]
        nwbfile = _make_nwbfile(interfaces, session)
        placer = ArrayPlacer(deferred=True)
        for interface in interfaces:
            interface.add_objects(
                nwbfile, session.to_neuroconv(), placer=placer, nwb_folder=target.parent.resolve()
            )
        _record_run(
            nwbfile,
            interfaces,
            parameters=_parameters(candidates, chosen, read_rig(Path(folder), session)),
            started=started,
            outputs=_list_outputs(nwbfile),
        )
        _check_space(target, placer.pending)
        io = NWBHDF5IO(file=h5, mode="w")  # named: without a name it would end before its file
        io.write(nwbfile)
        _fill(h5, placer.pending, clock=clock, progress=progress)
    return target


def check_target(nwb_path: Path, *, overwrite: bool) -> Path:
    """Return the path if a new file can be written there.

    Raises
    ------
    OutputError
        If it exists and may not be replaced, or its folder cannot be written to.
    """
    if nwb_path.is_dir():
        raise OutputError(
            f"{nwb_path} is a folder. The name of the NWB file to write was expected behind the "
            "folder of the recording, such as session.nwb."
        )
    if nwb_path.suffix != ".nwb":
        raise OutputError(
            f"{nwb_path} does not end in .nwb. An NWB file name was expected; add the ending."
        )
    if nwb_path.exists() and not overwrite:
        raise OutputError(
            f"{nwb_path} exists. A new file was expected; give --overwrite (overwrite=True) to "
            "replace it, or another name."
        )
    folder = nwb_path.parent
    if not folder.is_dir():
        raise OutputError(
            f"The folder {folder} does not exist. An existing folder was expected; make it first."
        )
    return nwb_path


def _make_nwbfile(interfaces: list[Any], session: SessionMetadata) -> NWBFile:
    """Return the file object with session and subject; the user's facts win over sources'."""
    merged: dict[str, dict[str, Any]] = {"NWBFile": {}, "Subject": {}}
    for interface in reversed(interfaces):
        source = interface.get_metadata()
        for section in merged:
            merged[section] |= dict(source.get(section) or {})
    stated = session.to_neuroconv()
    for section in merged:
        merged[section] |= stated.get(section) or {}
    fields, subject = merged["NWBFile"], merged["Subject"]
    if "session_start_time" not in fields:
        raise MetadataError(
            "No source says when the session began. A start time with UTC offset was expected; "
            "copy what the recorder wrote too (Miniscope-DAQ: metaData.json above the folders of "
            "the devices), or state NWBFile.session_start_time in the metadata file, such as "
            "2025-06-12T15:26:31.176-04:00."
        )
    # as recorders name their folders; dandi tells sessions of a subject apart by it
    fields.setdefault("session_id", f"{fields['session_start_time']:%Y-%m-%d-%H-%M-%S}")
    fields["identifier"] = stated.get("NWBFile", {}).get("identifier") or _identifier(interfaces)
    fields["session_description"] = session.NWBFile.session_description or NOT_STATED
    software = [[name, version(package)] for name, package in SOFTWARE.items()]
    fields["was_generated_by"] = [*software, version_row()]
    fields |= {"source_script": "ace-nwb convert", "source_script_file_name": "ace-nwb"}
    return NWBFile(**fields, subject=Subject(**subject) if subject else None)


def _identifier(interfaces: list[Any]) -> str:
    """Return a name of the file that depends on its sources alone."""
    return str(uuid.uuid5(NAMESPACE, "\n".join(item.describe_content() for item in interfaces)))


def _warn_of_missing(session: SessionMetadata, candidates: list[Candidate]) -> None:
    """Say, before anything is read, which required fields no one stated."""
    modalities = {load_format(found.format_name).modality for found in candidates}
    missing = missing_for_nwb(session, modalities=modalities)
    if not missing:
        return
    told = [
        "Neither the recording nor the metadata file state what NWB requires; it is written as "
        "'not stated' (numbers as NaN):",
        *(f"  {line}" for line in describe_keys(missing)),
    ]
    if asked := missing_for_dandi(session):
        told += ["DANDI will ask for:", *(f"  {line}" for line in describe_keys(asked))]
    told.append("Give them with --metadata, or afterwards with `ace-nwb describe`.")
    warnings.warn("\n".join(told), AceNwbWarning, stacklevel=3)


def _list_outputs(nwbfile: NWBFile) -> tuple[str, ...]:
    """Return the paths of what a conversion writes: all else in the file is of others, later."""
    rooms = {"/acquisition": nwbfile.acquisition, "/events": nwbfile.events}
    for name, module in nwbfile.processing.items():
        rooms[f"/processing/{name}"] = module.data_interfaces
    return tuple(f"{room}/{name}" for room, members in rooms.items() for name in members)


def _record_run(
    nwbfile: NWBFile,
    interfaces: list[Any],
    *,
    parameters: tuple[RunParameter, ...],
    started: datetime,
    outputs: tuple[str, ...],
) -> None:
    """Begin the history of the file with this conversion; its duration is not known yet."""
    remarks = [remark for interface in interfaces for remark in interface.remarks()]
    run = StageRun(
        run_id=0,
        action="run",
        stage="convert",
        revision=REVISION,
        engine="",
        fingerprint=nwbfile.identifier,
        started=started.isoformat(timespec="seconds"),
        duration_s=0.0,
        software=", ".join(f"{name} {version(package)}" for name, package in SOFTWARE.items()),
        inputs={},
        outputs=outputs,
        peak_memory_mb=0.0,
        warnings=" | ".join(remarks),
        parameters=parameters,
    )
    add_history(nwbfile, run)


def _parameters(
    candidates: list[Candidate], options: SourceOptions, rig: dict[str, tuple[str, str]]
) -> tuple[RunParameter, ...]:
    """Return how the recordings were read: formats, policies and what else was chosen."""
    rows = [
        RunParameter(f"{load_format(found.format_name).modality}_format", found.format_name)
        for found in candidates
    ]
    if options.timezone is not None:
        rows.append(RunParameter("timezone", options.timezone, "command line"))
    if options.segments:
        rows.append(RunParameter("segments", "true", "command line"))
    if options.decode:
        rows.append(RunParameter("decode", "true", "command line"))
    rows += [
        RunParameter(f"policy.{name}", choice, "command line" if is_stated else "default")
        for name, choice, is_stated in options.policies.items()
    ]
    rows += [RunParameter(f"rig.{name}", *stated) for name, stated in rig.items()]
    return tuple(rows)


def _fill(
    h5: h5py.File,
    pending: list[PendingArray],
    *,
    clock: float,
    progress: ProgressCallback | None,
) -> None:
    """Write the large arrays into the file, and what the conversion took."""
    sizes = [math.prod(item.source.shape) for item in pending]
    done = 0
    for item, size in zip(pending, sizes, strict=True):
        write_blocks(
            h5[item.dataset_path],
            iterate_source(item.source, _block_rows(item)),
            progress=_part(progress, before=done, size=size, of=sum(sizes)),
        )
        done += size
    runs = h5[STAGE_RUNS]
    runs["duration_s"][0] = round(perf_counter() - clock, 3)
    runs["peak_memory_mb"][0] = peak_memory_mb()


def _block_rows(item: PendingArray) -> int:
    """Return how many rows are read at once: whole chunks, about BLOCK_BYTES; of movies a frame."""
    source = item.source
    if len(source.shape) == 3:  # decoded one by one; joined they would be copied once more
        return 1
    row_bytes = math.prod(source.shape[1:]) * source.dtype.itemsize
    chunk_rows = source.chunk_shape[0]
    return chunk_rows * max(1, BLOCK_BYTES // max(1, row_bytes * chunk_rows))


def _part(
    progress: ProgressCallback | None, *, before: int, size: int, of: int
) -> ProgressCallback | None:
    """Return a callback for one of several arrays."""
    if progress is None:
        return None
    report = progress
    return lambda done, n_rows: report(before + size * done // n_rows, of)


def _check_space(target: Path, pending: list[PendingArray]) -> None:
    """Raise if the disk is surely too small: HDF5 may crash when it fills up."""
    raw_bytes = sum(math.prod(item.source.shape) * item.source.dtype.itemsize for item in pending)
    free_bytes = shutil.disk_usage(target.parent).free
    if free_bytes < LEAST_COMPRESSED * raw_bytes:
        raise OutputError(
            f"{target.parent} has {free_bytes / 1e9:.1f} GB free. About {raw_bytes / 1e9:.1f} GB "
            "before compression are to be written; free space or choose another disk."
        )
