"""Which recordings a conversion takes from the folders given, and how it reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ace_nwb.errors import FormatError, MetadataError
from ace_nwb.forms.yaml_files import read_yaml
from ace_nwb.interfaces.base import Candidate, Evidence
from ace_nwb.interfaces.detection import (
    detect,
    detect_required,
    find_candidates,
    is_segment,
    load_format,
)
from ace_nwb.interfaces.imaging_recording import ReadOptions, parse_zone
from ace_nwb.interfaces.policies import Policies


@dataclass(frozen=True)
class SourceOptions:
    """How recordings are found and read.

    Parameters
    ----------
    formats
        Formats to take, in place of what the evidence says.
    policies
        What to do where a recording is irregular.
    timezone
        Zone of the recorder's clock ("America/New_York", "-04:00"), in place of what it says.
    segments
        Join all imaging recordings below the folder as segments of one, with their true gaps; or
        only those in these folders.
    mapping
        For movies of no known program: which file and column is what.
    decode
        Count frames by decoding every one before anything is written.
    """

    formats: Sequence[str] = ()
    policies: Policies = field(default_factory=Policies)
    timezone: str | None = None
    segments: bool | Sequence[Path] = False
    mapping: Mapping[str, Any] | None = None
    decode: bool = False

    def read_options(self, *, decode: bool, problems: list[str] | None) -> ReadOptions:
        """Return the options of a format's reader."""
        zone = parse_zone(self.timezone)
        return ReadOptions(self.policies, zone, self.mapping, decode or self.decode, problems)

    def format_of(self, modality: str) -> str | None:
        """Return the format stated for a modality.

        Raises
        ------
        UnknownNameError
            If a stated format does not exist.
        """
        stated = [name for name in self.formats if load_format(name).modality == modality]
        if len(stated) > 1:
            raise FormatError(
                f"The formats {' and '.join(stated)} are both stated for {modality}. One of a kind "
                "was expected; leave one out."
            )
        return stated[0] if stated else None

    def open_interface(self, candidate: Candidate) -> Any:
        """Return the data interface of a recording."""
        found = load_format(candidate.format_name)
        return found.open_interface(
            candidate.folder_path,
            policies=dict(self.policies.stated) or None,
            timezone=self.timezone,
            segments=self.segments
            if isinstance(self.segments, bool)
            else [str(path) for path in self.segments],
            mapping=None if self.mapping is None else dict(self.mapping),
            decode=self.decode,
        )


def find_sources(
    folder: Path, ephys_folder: Path | None, options: SourceOptions
) -> list[Candidate]:
    """Return the imaging recording and, if there is one, the ephys recording.

    Raises
    ------
    FormatError
        If there is no recording, or more than one of a kind.
    """
    ephys_name = options.format_of("ephys")
    if ephys_folder is not None:
        return [
            _find_imaging(folder, options) or detect_required(folder, "imaging"),
            detect_required(ephys_folder, "ephys", format_name=ephys_name),
        ]
    found = [_find_imaging(folder, options), detect(folder, "ephys", format_name=ephys_name)]
    sources = [candidate for candidate in found if candidate is not None]
    if not sources:
        detect_required(folder, "imaging")
    return sources


def mapped_candidate(folder: Path, options: SourceOptions) -> Candidate | None:
    """Return the folder itself where a format is stated with a mapping and none stands within."""
    name = options.format_of("imaging")
    if name is None or options.mapping is None or find_candidates(folder, format_name=name):
        return None
    return Candidate(name, folder.resolve(), (Evidence(1, "stated with a mapping"),))


def _find_imaging(folder: Path, options: SourceOptions) -> Candidate | None:
    """Return the imaging recording, or the parent of several that are segments of one."""
    name = options.format_of("imaging")
    if not options.segments:
        if name is not None:
            mapped = mapped_candidate(folder, options)
            return mapped or detect_required(folder, "imaging", format_name=name)
        return detect(folder, "imaging")
    found = [
        candidate
        for candidate in find_candidates(folder, format_name=name)
        if load_format(candidate.format_name).modality == "imaging"
        and is_segment(candidate.folder_path, options.segments)
    ]
    names = sorted({candidate.format_name for candidate in found})
    if len(names) > 1:
        raise FormatError(
            f"{folder} holds recordings of {' and '.join(names)}. Segments of one format were "
            "expected; give --format, or the folder of one of them."
        )
    if not found:
        return None
    evidence = tuple(item for candidate in found for item in candidate.evidence)
    return Candidate(names[0], folder.resolve(), evidence)


def load_mapping(file_path: Path | None) -> dict[str, Any] | None:
    """Return the content of a mapping file.

    Raises
    ------
    MetadataError
        If it is no YAML mapping.
    """
    if file_path is None:
        return None
    content = read_yaml(file_path, expected="A YAML mapping of files", error=MetadataError).content
    if not isinstance(content, dict):
        raise MetadataError(
            f"{file_path} holds a {type(content).__name__}. Keys and values were expected, such "
            "as 'movies: *.avi'; see `ace-nwb inspect --help`."
        )
    return content
