"""Where a Miniscope-DAQ recording lies: base folder, device folders, movie files in order.

Everything is found by content (JSON keys, column names, numbered files), never by depth, time of
modification, or the name of a device.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ace_nwb.errors import FormatError, MetadataError
from ace_nwb.interfaces.base import Candidate, Evidence, clean_text, find_below, is_ignored
from ace_nwb.interfaces.imaging_recording import DeviceFolder
from ace_nwb.interfaces.numbered_files import NumberedFiles, list_numbered

NAME = "miniscope-daq"
METADATA_FILE = "metaData.json"
TIMESTAMPS_FILE = "timeStamps.csv"
TIME_COLUMN = "Time Stamp (ms)"
_NUMBERED_MOVIE = re.compile(r"(\d+)\.(avi|mkv)", re.IGNORECASE)


@dataclass(frozen=True)
class RecordingFolder:
    """The base folder of a recording and the devices in it."""

    path: Path
    metadata: dict[str, Any]
    devices: tuple[DeviceFolder, ...]


def find_recordings(folder_path: Path) -> list[Candidate]:
    """Return every Miniscope-DAQ recording at or below a folder; a device folder is one too."""
    if _is_device(folder_path) and not _is_base(folder_path):
        return [_candidate(folder_path)]
    return [_candidate(path) for path in find_below(folder_path, _is_recording)]


def read_folder(folder_path: Path) -> RecordingFolder:
    """Read the structure of one recording.

    Parameters
    ----------
    folder_path
        Base folder of the recording, or a single device folder.

    Raises
    ------
    FormatError
        If the folder of a scope that the recording lists is not there.
    MetadataError
        If a metaData.json is no JSON object.
    """
    if _is_base(folder_path):
        metadata = read_json(folder_path / METADATA_FILE)
        _check_scopes_present(folder_path, metadata)
        paths = _device_paths(folder_path)
        return RecordingFolder(folder_path, metadata, tuple(_device(p, metadata) for p in paths))
    base_path = folder_path.parent
    if not _is_base(base_path):
        return RecordingFolder(folder_path, {}, (_device(folder_path, {}),))
    metadata = read_json(base_path / METADATA_FILE)
    return RecordingFolder(base_path, metadata, (_device(folder_path, metadata),))


def absent_cameras(folder: RecordingFolder) -> list[str]:
    """Return the cameras that a recording lists and that have no folder."""
    return [
        name for name in listed_names(folder.metadata, "cameras") if _is_absent(folder.path, name)
    ]


def list_movies(device_path: Path) -> NumberedFiles:
    """Return the movie files of a device in numeric order, and the gaps in their numbers.

    Raises
    ------
    MovieError
        If there is none, or a number comes twice.
    """
    return list_numbered(device_path, _NUMBERED_MOVIE, first=0)


def read_json(file_path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; an absent file is an empty object."""
    if not file_path.is_file():
        return {}
    try:
        content = json.loads(file_path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise MetadataError(
            f"{file_path} is not readable JSON ({error}). The file written by Miniscope-DAQ-QT was "
            "expected; copy it again or mend it."
        ) from error
    if not isinstance(content, dict):
        raise MetadataError(
            f"{file_path} holds a {type(content).__name__}. A JSON object was expected; copy the "
            "file again."
        )
    cleaned: dict[str, Any] = _clean(content)
    return cleaned


def _clean(content: Any) -> Any:
    """Return JSON content with its texts cleaned."""
    if isinstance(content, str):
        return clean_text(content)
    if isinstance(content, dict):
        return {clean_text(name): _clean(value) for name, value in content.items()}
    if isinstance(content, list):
        return [_clean(value) for value in content]
    return content


def listed_names(metadata: dict[str, Any], key: str) -> list[str]:
    """Return the device names listed under "miniscopes" or "cameras" of a base metaData.json."""
    entries = metadata.get(key)
    if isinstance(entries, dict):
        return [str(name) for name in entries]
    if not isinstance(entries, list):
        return []
    names = [entry.get("deviceName", "") if isinstance(entry, dict) else entry for entry in entries]
    return [str(name) for name in names]


def folder_name(device_name: str) -> str:
    """Return the folder name that the recorder makes of a device name."""
    return device_name.replace(" ", "_")


def _device(path: Path, metadata: dict[str, Any]) -> DeviceFolder:
    """Describe one device folder."""
    settings = read_json(path / METADATA_FILE)
    if _is_of_another(path, str(settings.get("deviceName")), metadata=metadata):
        settings = {}
    return DeviceFolder(
        name=str(settings.get("deviceName") or path.name),
        kind=_kind(path, settings=settings, metadata=metadata),
        path=path,
        settings=settings,
    )


def _is_of_another(path: Path, device_name: str, *, metadata: dict[str, Any]) -> bool:
    """Whether a folder holds another device's settings: v0.1 wrote a scope's for a camera."""
    listed = [name for key in ("miniscopes", "cameras") for name in listed_names(metadata, key)]
    folders = set(map(folder_name, listed))
    return path.name in folders and folder_name(device_name) in folders - {path.name}


def _kind(
    path: Path, *, settings: dict[str, Any], metadata: dict[str, Any]
) -> Literal["scope", "camera"]:
    """Tell scope from camera: by the lists of the recording, else by the device type."""
    if path.name in map(folder_name, listed_names(metadata, "cameras")):
        return "camera"
    if path.name in map(folder_name, listed_names(metadata, "miniscopes")):
        return "scope"
    device_type = str(settings.get("deviceType", "")).lower()
    return "camera" if "cam" in device_type and "miniscope" not in device_type else "scope"


def _is_recording(path: Path) -> bool:
    """Whether a folder is a recording: a base folder, or a device folder without one above."""
    return _is_base(path) or (_is_device(path) and not _is_base(path.parent))


def _is_base(path: Path) -> bool:
    """Whether a folder has the recording's own metaData.json, be it readable or not."""
    try:
        metadata = read_json(path / METADATA_FILE)
    except MetadataError:
        return bool(_device_paths(path))
    return "recordingStartTime" in metadata or "miniscopes" in metadata


def _device_paths(base_path: Path) -> list[Path]:
    """Return the device folders of a recording in name order."""
    return [path for path in sorted(base_path.iterdir()) if _is_device(path)]


def _check_scopes_present(base_path: Path, metadata: dict[str, Any]) -> None:
    """Raise if a recording has no scope, or lacks one that it lists."""
    scopes = listed_names(metadata, "miniscopes")
    absent = [name for name in scopes if _is_absent(base_path, name)]
    if absent or not _device_paths(base_path):
        listed = f" lists the scope {absent[0]!r}" if absent else " is that of a recording"
        raise FormatError(
            f"{base_path / METADATA_FILE}{listed}, but there is no folder of it beside. A folder "
            f"with numbered .avi files and {TIMESTAMPS_FILE} was expected; copy it from the "
            "acquisition computer."
        )


def _is_absent(base_path: Path, device_name: str) -> bool:
    """Whether a listed device has no folder; names are compared, never followed as paths."""
    folders = {path.name for path in base_path.iterdir() if path.is_dir()}
    return folder_name(device_name) not in folders


def _is_device(path: Path) -> bool:
    """Whether a folder looks like that of a device."""
    if not path.is_dir() or is_ignored(path):
        return False
    has_movies = any(_NUMBERED_MOVIE.fullmatch(item.name) for item in path.iterdir())
    return (path / TIMESTAMPS_FILE).is_file() or (has_movies and (path / METADATA_FILE).is_file())


def _candidate(path: Path) -> Candidate:
    """Collect what speaks for a Miniscope-DAQ recording in a folder."""
    evidence: list[Evidence] = []
    is_base = _is_base(path)
    metadata = _peek_json(path / METADATA_FILE) if is_base else {}
    if "recordingStartTime" in metadata:
        evidence.append(Evidence(3, f"{METADATA_FILE} with recordingStartTime"))
    evidence += [
        Evidence(1, f"{METADATA_FILE} lists {key}: {', '.join(names)}")
        for key in ("miniscopes", "cameras")
        if (names := listed_names(metadata, key))
    ]
    for device in _device_paths(path) if is_base else [path]:
        evidence.extend(_device_evidence(device))
    return Candidate(NAME, path, tuple(evidence))


def _device_evidence(device: Path) -> list[Evidence]:
    """Collect what speaks for a Miniscope-DAQ device in a folder."""
    evidence = []
    if TIME_COLUMN in _header_line(device / TIMESTAMPS_FILE):
        evidence.append(
            Evidence(3, f'{device.name}/{TIMESTAMPS_FILE} with a column "{TIME_COLUMN}"')
        )
    movies = sum(bool(_NUMBERED_MOVIE.fullmatch(item.name)) for item in device.iterdir())
    if movies:
        evidence.append(Evidence(2, f"{device.name}: {movies} numbered movie files"))
    return evidence


def _peek_json(file_path: Path) -> dict[str, Any]:
    """Return the object in a JSON file, empty if it cannot be read."""
    try:
        return read_json(file_path)
    except MetadataError:
        return {}


def _header_line(file_path: Path) -> str:
    """Return the first line of a text file, empty if there is none."""
    if not file_path.is_file():
        return ""
    with file_path.open(encoding="utf-8-sig", errors="replace") as file:
        return file.readline()
