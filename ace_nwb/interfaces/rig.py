"""What a lab has measured once about its rig: rig.yaml beside the recordings, or Rig in meta.yaml.

frames_before_first_edge: 1
measured: flash check of 2026-03-02 (A. Meyer)
"""

from pathlib import Path

from pydantic import ValidationError

from ace_nwb.errors import MetadataError
from ace_nwb.forms.fields import explain
from ace_nwb.forms.yaml_files import read_yaml
from ace_nwb.interfaces.metadata import RigMetadata, SessionMetadata

RIG_FILE = "rig.yaml"
_MOST_PARENTS = 5
"""Folders above a recording in which a rig file is looked for: animal, date, time and two more."""


def read_rig(folder: Path, metadata: SessionMetadata) -> dict[str, tuple[str, str]]:
    """Return what is known about the rig of a recording: name -> (value, where it was stated).

    Parameters
    ----------
    folder
        The recording: the nearest rig file in it or in a folder above it counts.
    metadata
        Of the session; what it says of the rig wins.
    """
    found: dict[str, tuple[str, str]] = {}
    resolved = folder.resolve()
    for place in [resolved, *list(resolved.parents)[:_MOST_PARENTS]]:
        if (place / RIG_FILE).is_file():
            found = _rows(_load(place / RIG_FILE), RIG_FILE)
            break
    return found | _rows(metadata.Rig or RigMetadata(), "metadata")


def _load(path: Path) -> RigMetadata:
    """Read a rig file."""
    content = read_yaml(path, expected="A rig file", error=MetadataError).content
    try:
        return RigMetadata.model_validate(content or {})
    except ValidationError as error:
        lines = "\n".join(f"  {fault.message}" for fault in explain(error, RigMetadata))
        raise MetadataError(
            f"{path} does not fit what a rig file may say:\n{lines}\nExpected are "
            f"{', '.join(RigMetadata.model_fields)}; correct these entries."
        ) from error


def _rows(rig: RigMetadata, source: str) -> dict[str, tuple[str, str]]:
    given = rig.model_dump(exclude_none=True)
    return {name: (str(value), source) for name, value in given.items()}
