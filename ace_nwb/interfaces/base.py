"""What an acquisition format offers: detection, reading for `inspect`, and a NeuroConv interface.

A format is one row in `registry.FORMATS` that names a `Format` object. Detecting and inspecting
load no NeuroConv; the data interface is imported when something is converted.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ace_nwb.interfaces.summaries import RecordingSummary
from ace_nwb.registry import load_object

IGNORED_FOLDERS = {"bad_frames", "originals", "denoised", "saved_movies"}
"""Folders (lower case) of copies and rejects that stand beside raw data; never read."""

SEARCH_DEPTH = 6
"""Levels below a given folder that are searched for recordings."""


@dataclass(frozen=True)
class Evidence:
    """One observation that speaks for a format, and how strongly."""

    points: int
    finding: str


@dataclass(frozen=True)
class Candidate:
    """A folder that may be a recording of a format, with everything that speaks for it."""

    format_name: str
    folder_path: Path
    evidence: tuple[Evidence, ...]

    @property
    def score(self) -> int:
        """Sum of the points of the evidence."""
        return sum(item.points for item in self.evidence)


@dataclass(frozen=True)
class Format:
    """A row of the table of formats.

    Parameters
    ----------
    name
        Name in the registry and on the command line.
    title
        The format in words.
    modality
        What its recordings hold.
    find
        Folder -> candidates at or below it.
    summarise
        (folder of a recording, `ReadOptions`) -> what `inspect` says about it. Problems become
        sentences, they are not raised.
    interface_path
        Import path of the NeuroConv data interface; its only required argument is `folder_path`;
        it may take `policies`, `timezone`, `segments`, `mapping`.
    looks_for
        By which files its recordings are recognised, for folders in which nothing was.
    """

    name: str
    title: str
    modality: Literal["imaging", "ephys"]
    find: Callable[[Path], list[Candidate]]
    summarise: Callable[[Path, Any], RecordingSummary]
    interface_path: str
    looks_for: str = ""

    def open_interface(self, folder_path: Path, **options: Any) -> Any:
        """Return the NeuroConv data interface of a recording folder, its sources checked.

        Options that its interface does not know are left out.
        """
        interface = load_object(self.interface_path)
        known = inspect.signature(interface).parameters
        accepted = {name: value for name, value in options.items() if name in known}
        return interface(folder_path=folder_path, **accepted)


def find_below(folder_path: Path, is_match: Callable[[Path], bool]) -> list[Path]:
    """Return the folders at or below a folder that match, in name order.

    Below a match nothing more is searched; copies, rejects, hidden folders and folders that may
    not be read are passed over.
    """
    found: list[Path] = []
    level = [folder_path]
    for _depth in range(SEARCH_DEPTH + 1):
        deeper: list[Path] = []
        for folder in level:
            try:
                if is_match(folder):
                    found.append(folder)
                else:
                    deeper.extend(sorted(_searchable(folder)))
            except PermissionError:
                continue
        level = deeper
    return sorted(found)


def clean_text(text: str) -> str:
    """Return text that can be stored: without zeros and half characters of a damaged file."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def object_name(text: str) -> str:
    """Return a name that NWB allows, words joined in capitals: "My WebCam" -> "MyWebCam"."""
    words = re.split(r"[^0-9A-Za-z]+", text)
    return "".join(word[:1].upper() + word[1:] for word in words) or "Device"


def is_ignored(folder_path: Path) -> bool:
    """Whether a folder holds copies or rejects by its name."""
    name = folder_path.name.lower()
    return name.startswith(".") or name in IGNORED_FOLDERS or name.endswith("_first_attempt")


def _searchable(folder_path: Path) -> list[Path]:
    """Return the subfolders worth searching."""
    return [path for path in folder_path.iterdir() if path.is_dir() and not is_ignored(path)]
