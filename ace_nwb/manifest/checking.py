"""Checks beyond the model: stages and parameters, metadata, names, files that must exist."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ace_nwb.errors import (
    AceNwbWarning,
    ManifestError,
    MetadataError,
    ParameterError,
    UnknownNameError,
    unknown_name_message,
)
from ace_nwb.forms.fields import explain
from ace_nwb.forms.yaml_files import read_yaml
from ace_nwb.interfaces.metadata import A_METADATA_FILE, check_metadata, load_metadata
from ace_nwb.interfaces.policies import parse_policies
from ace_nwb.manifest.models import Manifest, SessionEntry
from ace_nwb.registry import FORMATS
from ace_nwb.stages.settings.texts import parse_value
from ace_nwb.stages.table import find_stage


@dataclass(frozen=True)
class Flaw:
    """Something wrong at a path within the content."""

    path: tuple[Any, ...]
    message: str


def check_content(content: Any, folder: Path) -> list[Flaw]:
    """Return what is wrong with stages, metadata, names and named files.

    Parameters
    ----------
    content
        The manifest as read, perhaps not fitting the model at all.
    folder
        Folder of the manifest, which named files are relative to.
    """
    if not isinstance(content, dict):
        return []
    findings = list(_check_shared(content.get("defaults"), ("defaults",), folder))
    sessions = content.get("sessions")
    if isinstance(sessions, list):
        for index, session in enumerate(sessions):
            findings += _check_shared(session, ("sessions", index), folder)
        findings += _check_doubles(sessions)
    return findings


def _check_shared(part: Any, path: tuple[Any, ...], folder: Path) -> Iterator[Flaw]:
    """Check what sessions may have in common."""
    if not isinstance(part, dict):
        return
    yield from check_stages(part.get("stages"), (*path, "stages"))
    yield from _check_metadata(part.get("metadata"), (*path, "metadata"), folder)
    yield from _check_pipeline(part.get("pipeline"), (*path, "pipeline"), folder)
    yield from _check_conversion(part.get("conversion"), (*path, "conversion"), folder)


def check_stages(stages: Any, path: tuple[Any, ...]) -> Iterator[Flaw]:
    """Check names of stages, names and values of parameters."""
    if not isinstance(stages, dict):
        return
    for name, values in stages.items():
        try:
            stage = find_stage(str(name))
        except UnknownNameError as error:
            yield Flaw((*path, name), str(error))
            continue
        if values is None:
            continue
        if not isinstance(values, dict):
            message = f"{name} holds {values!r}; lines of 'parameter: value' were expected."
            yield Flaw((*path, name), message)
            continue
        known = stage.params.model_fields
        parsed = {}
        for key, value in values.items():
            if key not in known:
                message = unknown_name_message(f"parameter of stage {name}", str(key), known)
                yield Flaw((*path, name, key), message)
            else:
                parsed[key] = parse_value(stage, key, value)
        try:
            stage.params(**parsed)
        except ValidationError as error:
            names = {key: f"{name}.{key}" for key in known}
            for fault in explain(error, stage.params, names):
                yield Flaw((*path, name, *fault.path), fault.message)


def _check_metadata(metadata: Any, path: tuple[Any, ...], folder: Path) -> Iterator[Flaw]:
    """Check session metadata, in the manifest or in a file of its own."""
    if isinstance(metadata, dict):
        _, faults, _ = check_metadata(metadata)
        for fault in faults:
            yield Flaw((*path, *fault.path), fault.message)
    elif isinstance(metadata, str):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", AceNwbWarning)  # said when it is converted
                load_metadata(folder / metadata)
        except MetadataError as error:
            yield Flaw(path, str(error).replace("\n", "\n  "))


def _check_pipeline(pipeline: Any, path: tuple[Any, ...], folder: Path) -> Iterator[Flaw]:
    """Check a pipeline file that is named."""
    if not isinstance(pipeline, str):
        return
    try:
        content = read_yaml(folder / pipeline, expected="A pipeline", error=ManifestError).content
    except ManifestError as error:
        yield Flaw(path, str(error))
        return
    stages = content.get("stages") if isinstance(content, dict) else None
    if not isinstance(stages, dict):
        yield Flaw(path, f"the pipeline {folder / pipeline} holds no mapping `stages:`.")
        return
    for finding in check_stages(stages, ()):
        place = ".".join(str(part) for part in finding.path)
        yield Flaw(path, f"in {pipeline}, {place}: {finding.message}")


def _check_conversion(conversion: Any, path: tuple[Any, ...], folder: Path) -> Iterator[Flaw]:
    """Check formats, policies and the mapping file by their names."""
    if not isinstance(conversion, dict):
        return
    formats = conversion.get("formats")
    for name in formats if isinstance(formats, list) else []:
        if name not in FORMATS.paths():
            message = unknown_name_message("format", str(name), FORMATS.names())
            yield Flaw((*path, "formats"), message)
    policies = conversion.get("policies")
    for key, choice in (policies if isinstance(policies, dict) else {}).items():
        try:
            parse_policies({key: choice})
        except ParameterError as error:
            yield Flaw((*path, "policies", key), str(error))
    mapping = conversion.get("mapping")
    if isinstance(mapping, str) and not (folder / mapping).is_file():
        yield Flaw((*path, "mapping"), f"the file {folder / mapping} does not exist.")


def _check_doubles(sessions: list[Any]) -> Iterator[Flaw]:
    """Two sessions of one name, or of one file, would overwrite each other."""
    for key in ("name", "output"):
        first: dict[str, int] = {}
        for index, session in enumerate(sessions):
            value = session.get(key) if isinstance(session, dict) else None
            if not isinstance(value, str):
                continue
            if value.strip().casefold() in first:
                earlier = first[value.strip().casefold()] + 1
                message = f"{key} {value!r} is also that of session number {earlier}."
                yield Flaw(("sessions", index, key), message)
            first.setdefault(value.strip().casefold(), index)


def merged_metadata(manifest: Manifest, entry: SessionEntry, folder: Path) -> dict[str, Any]:
    """Return the metadata of a session: the defaults, and over them its own."""
    merged: dict[str, Any] = {}
    for source in (manifest.defaults.metadata, entry.metadata):
        content: Any = source
        if isinstance(source, str):
            content = read_yaml(
                folder / source, expected=A_METADATA_FILE, error=MetadataError
            ).content
        merged = _merge(merged, content or {})
    return merged


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return nested mappings laid over each other."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged
