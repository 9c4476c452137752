"""Metadata that were missing at conversion, written into a session file afterwards.

Results do not depend on them, so no stage becomes stale. The identifier and the start of the
session are facts of the recording: others than the file's are refused here.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ace_nwb.errors import MetadataError
from ace_nwb.interfaces.metadata import SessionMetadata, load_metadata
from ace_nwb.nwb.history import RunParameter, StageRun, append_run, next_run_id
from ace_nwb.nwb.objects.columns import decode_texts
from ace_nwb.nwb.session import SessionWriter, edit_session

_FACTS = ("identifier", "session_start_time")
_PLACES = {
    "session_description": "/session_description",
    "stimulus_notes": "/general/stimulus",
}
"""Key of the section NWBFile -> where it stands, if not in /general."""
_PLANE_NAMES = {"excitation_lambda_nm": "excitation_lambda", "pixel_size_um": "grid_spacing"}
_ELECTRODES = "/general/extracellular_ephys/electrodes"


def describe(path: Path, metadata: Path | str | dict[str, Any] | SessionMetadata) -> list[str]:
    """Write metadata into a session file; what is given replaces what stands there.

    Parameters
    ----------
    path
        The session file.
    metadata
        A metadata file as for `convert`, or its content. Keys that are not given stay.

    Returns
    -------
        The keys written, such as "Subject.sex".

    Raises
    ------
    MetadataError
        If the metadata do not fit the schema, or name what the file does not have.
    """
    given = load_metadata(metadata)
    with edit_session(path) as writer:
        written = [
            *_describe_session(writer, given),
            *_describe_subject(writer, given),
            *_describe_planes(writer, given),
            *_describe_electrodes(writer, given),
        ]
        if written:
            append_run(writer, _record(written, run_id=next_run_id(writer)))
    return [parameter.name for parameter in written]


def _describe_session(writer: SessionWriter, given: SessionMetadata) -> Iterator[RunParameter]:
    fields = given.NWBFile.model_dump(exclude_none=True)
    nwbfile = writer.nwbfile  # once: it takes a millisecond per object
    for name in _FACTS:
        value, own = fields.pop(name, None), getattr(nwbfile, name)
        if value is not None and value != own:
            raise MetadataError(
                f"NWBFile.{name} is given as {value}, and {writer.path} has {own}: it is a fact of "
                "the recording. Take the key out, or convert the recording anew."
            )
    for name, value in fields.items():
        writer.set_value(_PLACES.get(name, f"/general/{name}"), value)
        yield _parameter(f"NWBFile.{name}", value)


def _describe_subject(writer: SessionWriter, given: SessionMetadata) -> Iterator[RunParameter]:
    fields = given.Subject.model_dump(exclude_none=True) if given.Subject else {}
    if not fields:
        return
    if not writer.has("/general/subject"):
        writer.create_object("/general/subject", "Subject")
    for name, value in fields.items():
        path = f"/general/subject/{name}"
        writer.set_value(path, value.isoformat() if isinstance(value, datetime) else value)
        if name == "age" and "reference" not in writer.h5[path].attrs:
            writer.h5[path].attrs["reference"] = "birth"
        yield _parameter(f"Subject.{name}", value)


def _describe_planes(writer: SessionWriter, given: SessionMetadata) -> Iterator[RunParameter]:
    fields = given.Ophys.ImagingPlane.model_dump(exclude_none=True)
    if not fields:
        return
    planes = writer.h5.get("/general/optophysiology")
    if planes is None:
        raise MetadataError(
            f"Ophys.ImagingPlane is given, and {writer.path} has no imaging plane. Take the "
            "section out."
        )
    for plane in [planes[name].name for name in planes]:
        for name, value in fields.items():
            if name == "emission_lambda_nm":
                for channel in _optical_channels(writer, plane):
                    writer.set_value(f"{channel}/emission_lambda", value)
            elif name == "pixel_size_um":
                writer.set_value(f"{plane}/grid_spacing", [value * 1e-6] * 2)
                writer.h5[f"{plane}/grid_spacing"].attrs["unit"] = "meters"
            else:
                writer.set_value(f"{plane}/{_PLANE_NAMES.get(name, name)}", value)
    for name, value in fields.items():
        yield _parameter(f"Ophys.ImagingPlane.{name}", value)


def _describe_electrodes(writer: SessionWriter, given: SessionMetadata) -> Iterator[RunParameter]:
    ecephys = given.Ecephys
    places = {name: c.location for name, c in ecephys.channels.items() if c.location}
    if ecephys.location is None and not places:
        return
    table = writer.h5.get(_ELECTRODES)
    if table is None:
        raise MetadataError(
            f"Ecephys is given, and {writer.path} has no electrodes. Take the section out."
        )
    names = _texts(table, "channel_name")
    unknown = sorted(set(places) - set(names))
    if unknown:
        raise MetadataError(
            f"Ecephys.channels names {', '.join(unknown)}; {writer.path} has "
            f"{', '.join(names) or 'channels without names'}. Correct the names."
        )
    locations = _texts(table, "location")
    for row in range(len(locations)):
        own = places.get(names[row]) if names else None
        locations[row] = own or ecephys.location or locations[row]
    description = str(table["location"].attrs["description"])
    writer.set_columns(_ELECTRODES, {"location": (description, locations)})
    if ecephys.location is not None:
        yield _parameter("Ecephys.location", ecephys.location)
    for name, location in places.items():
        yield _parameter(f"Ecephys.channels.{name}.location", location)


def _optical_channels(writer: SessionWriter, plane: str) -> list[str]:
    group = writer.h5[plane]
    members = [group[name] for name in group]
    return [m.name for m in members if isinstance(m, h5py.Group) and "emission_lambda" in m]


def _texts(table: h5py.Group, column: str) -> list[str]:
    """Return a column of texts, empty if the table has none of that name."""
    if column not in table:
        return []
    return [str(text) for text in decode_texts(np.asarray(table[column][:]))]


def _parameter(name: str, value: Any) -> RunParameter:
    return RunParameter(name, "; ".join(value) if isinstance(value, list) else str(value), "file")


def _record(written: list[RunParameter], *, run_id: int) -> StageRun:
    from importlib.metadata import version

    return StageRun(
        run_id=run_id,
        action="describe",
        stage="describe",
        revision=1,
        engine="",
        fingerprint="",
        started=datetime.now().astimezone().isoformat(timespec="seconds"),
        duration_s=0.0,
        software=f"ace-nwb {version('ace-nwb')}",
        inputs={},
        outputs=(),
        peak_memory_mb=0.0,
        warnings="",
        parameters=tuple(written),
    )
