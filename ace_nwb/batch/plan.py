"""From a manifest to jobs: everything a worker needs for one session, small and plain."""

import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ace_nwb.errors import AceNwbError, AceNwbWarning, ManifestError, UnknownNameError
from ace_nwb.forms.yaml_files import read_yaml
from ace_nwb.manifest.checking import merged_metadata
from ace_nwb.manifest.models import Conversion, Manifest, SessionEntry
from ace_nwb.manifest.problems import Problem
from ace_nwb.stages.table import STAGES

if TYPE_CHECKING:
    from ace_nwb.interfaces.sources import SourceOptions

Choices = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class SessionJob:
    """One session of a batch, with absolute paths; it fits into a message of a few kilobytes.

    Parameters
    ----------
    name
        Name of the session.
    folders, ephys_folder
        Raw recordings.
    output
        The session file.
    state_folder
        Where workers report how far they are.
    metadata
        Session metadata, the defaults of the manifest merged in.
    conversion
        Options of the conversion.
    stages
        Stages of the pipeline, None for all.
    choices
        Stage -> chosen parameters.
    intervals
        Named stretches of the session.
    crop_from_lower_left
        Box of an earlier program.
    columns
        Cells of a spreadsheet, kept in the history.
    """

    name: str
    folders: tuple[str, ...]
    output: str
    state_folder: str
    ephys_folder: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    conversion: dict[str, Any] = field(default_factory=dict)
    stages: tuple[str, ...] | None = None
    choices: Choices = field(default_factory=dict)
    intervals: tuple[dict[str, Any], ...] = ()
    crop_from_lower_left: tuple[float, float, float, float] | None = None
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def output_path(self) -> Path:
        """The session file."""
        return Path(self.output)

    @property
    def state_path(self) -> Path:
        """Where the worker reports how far it is."""
        return Path(self.state_folder) / "states" / f"{self.name}.json"

    @property
    def log_path(self) -> Path:
        """Where the worker's messages go."""
        return Path(self.state_folder) / "logs" / f"{self.name}.log"

    @property
    def mark(self) -> str:
        """Hash of all that is asked for, so that a change of the manifest is seen."""
        return sha256(self.to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """Return the job as text."""
        return json.dumps(asdict(self), sort_keys=True, default=str)

    @classmethod
    def from_json(cls, text: str) -> "SessionJob":
        """Return the job of a text."""
        content = json.loads(text)
        for name in ("folders", "stages", "intervals", "crop_from_lower_left"):
            content[name] = None if content[name] is None else tuple(content[name])
        return cls(**content)

    def source_options(self) -> "SourceOptions":
        """Return how the raw folders are found and read."""
        from ace_nwb.interfaces.policies import parse_policies
        from ace_nwb.interfaces.sources import SourceOptions, load_mapping

        mapping = self.conversion.get("mapping")
        return SourceOptions(
            formats=tuple(self.conversion.get("formats") or ()),
            policies=parse_policies(self.conversion.get("policies") or {}),
            timezone=self.conversion.get("timezone"),
            segments=tuple(Path(f) for f in self.folders) if len(self.folders) > 1 else False,
            mapping=load_mapping(None if mapping is None else Path(mapping)),
        )

    @property
    def folder(self) -> Path:
        """The folder of the recording, or the one that holds all of them."""
        if len(self.folders) == 1:
            return Path(self.folders[0])
        return Path(os.path.commonpath(self.folders))

    @property
    def ephys_path(self) -> Path | None:
        """The ephys recording."""
        return None if self.ephys_folder is None else Path(self.ephys_folder)

    def open_sources(self) -> None:
        """Look for the recordings and read all but their pixels, as the conversion will.

        Raises
        ------
        InputError
            If a folder does not hold what the manifest says, or the conversion will refuse it.
        """
        from ace_nwb.interfaces.detection import find_candidates
        from ace_nwb.interfaces.sources import find_sources

        for folder in self.folders:
            find_candidates(Path(folder))
        options = self.source_options()
        with warnings.catch_warnings():  # what the conversion lets pass is told when it runs
            warnings.simplefilter("ignore", AceNwbWarning)
            for candidate in find_sources(self.folder, self.ephys_path, options):
                options.open_interface(candidate)


def batch_folder(manifest_path: Path) -> Path:
    """Return the folder of states, logs and summary, beside the manifest."""
    return Path(manifest_path).resolve().with_suffix(".batch")


def plan_jobs(
    manifest: Manifest, manifest_path: Path, *, only: Sequence[str] = ()
) -> list[SessionJob]:
    """Return a job per session, in the order of the manifest.

    Parameters
    ----------
    only
        Names of the sessions that are wanted; all if there are none.

    Raises
    ------
    UnknownNameError
        If the manifest has no session of that name.
    """
    names = [entry.name for entry in manifest.sessions]
    for name in only:
        if name not in names:
            raise UnknownNameError.among("session", name, names)
    folder = Path(manifest_path).resolve().parent
    return [
        _plan_job(manifest, entry, folder, state_folder=batch_folder(manifest_path))
        for entry in manifest.sessions
        if not only or entry.name in only
    ]


def check_sources(jobs: Sequence[SessionJob], manifest_path: Path) -> list[Problem]:
    """Return what is wrong with the raw folders of sessions that have no file yet.

    Everything that the conversion refuses is found, but for frames that cannot be decoded.
    """
    from ace_nwb.interfaces.policies import in_manifest_words

    problems = []
    for job in jobs:
        if job.output_path.exists():
            continue
        try:
            job.open_sources()
        except AceNwbError as error:
            text = in_manifest_words(" ".join(str(error).split()))
            problems.append(Problem(str(manifest_path), 0, "", f"session {job.name}: {text}"))
    return problems


def _plan_job(
    manifest: Manifest, entry: SessionEntry, folder: Path, *, state_folder: Path
) -> SessionJob:
    """Return the job of one entry."""
    data_folder = folder / manifest.data_folder
    output = folder / manifest.output_folder / (entry.output or f"{entry.name}.nwb")
    ephys = entry.ephys_folder
    stages, choices = _stage_choices(manifest, entry, folder)
    return SessionJob(
        name=entry.name,
        folders=tuple(_absolute(data_folder, text) for text in entry.all_folders),
        output=str(output),
        state_folder=str(state_folder),
        ephys_folder=None if ephys is None else _absolute(data_folder, ephys),
        metadata=merged_metadata(manifest, entry, folder),
        conversion=_conversion(manifest.defaults.conversion, entry.conversion, folder),
        stages=stages,
        choices=choices,
        intervals=tuple(interval.model_dump() for interval in entry.intervals),
        crop_from_lower_left=entry.crop_from_lower_left,
        columns=entry.columns,
    )


def _absolute(folder: Path, text: str) -> str:
    """Return a path that does not depend on where a program was started."""
    return os.path.normpath(folder / Path(text).expanduser())


def _conversion(defaults: Conversion, own: Conversion, folder: Path) -> dict[str, Any]:
    """Return the options of the conversion that are stated, the session's over the defaults."""
    merged = defaults.model_dump(exclude_defaults=True) | own.model_dump(exclude_defaults=True)
    if "policies" in merged:
        merged["policies"] = defaults.policies | own.policies
    if "mapping" in merged:
        merged["mapping"] = str(folder / merged["mapping"])
    return merged


def _stage_choices(
    manifest: Manifest, entry: SessionEntry, folder: Path
) -> tuple[tuple[str, ...] | None, Choices]:
    """Return the stages to run and their parameters: pipeline, defaults, then the session's own."""
    choices: Choices = {}
    stages = None
    pipeline = entry.pipeline or manifest.defaults.pipeline
    if pipeline is not None:
        content = read_yaml(folder / pipeline, expected="A pipeline", error=ManifestError).content[
            "stages"
        ]
        stages = tuple(name for name in STAGES if name in content)
        choices = {name: dict(values or {}) for name, values in content.items()}
    for source in (manifest.defaults.stages, entry.stages):
        for name, values in source.items():
            choices[name] = choices.get(name, {}) | (values or {})
    return stages, choices
