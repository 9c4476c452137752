"""What a manifest holds: sessions with their folders, metadata, pipeline and own parameters."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Name = Annotated[
    str, StringConstraints(pattern=r"^[^/\\:*?\"<>|\x00-\x1f\x7f]+$", strip_whitespace=True)
]
"""What may be the name of a file anywhere, in one line: lists of sessions hold one name a line."""
Stages = dict[str, dict[str, Any] | None]


class ManifestModel(BaseModel):
    """A part of the manifest: unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Conversion(ManifestModel):
    """How raw folders are read: the options of `ace-nwb convert`."""

    formats: list[str] = Field(
        default_factory=list, description="Formats to take, whatever the evidence says."
    )
    policies: dict[str, str] = Field(
        default_factory=dict, description="Kind of irregularity -> what to do about it."
    )
    timezone: str | None = Field(default=None, description="Zone of the recorder's clock.")
    mapping: str | None = Field(
        default=None, description="YAML that says which file and column is what."
    )


class Interval(ManifestModel):
    """A named stretch of the session, such as a drug or a control period."""

    label: str = Field(min_length=1, description="Name of the condition.")
    start_s: float = Field(allow_inf_nan=False, description="Start, s, session clock.")
    stop_s: float = Field(allow_inf_nan=False, description="End, s, session clock.")
    description: str = Field(default="", description="What happened, doses, where it came from.")

    @model_validator(mode="after")
    def _check_order(self) -> "Interval":
        if self.stop_s <= self.start_s:
            raise ValueError(f"stop_s {self.stop_s:g} is not after start_s {self.start_s:g}")
        return self


class Shared(ManifestModel):
    """What sessions may have in common."""

    metadata: str | dict[str, Any] | None = Field(
        default=None, description="What folders do not say: a meta.yaml, or its content."
    )
    pipeline: str | None = Field(
        default=None, description="YAML with the stages to run; all stages if not given."
    )
    stages: Stages = Field(
        default_factory=dict, description="Stage -> parameters that differ from the defaults."
    )
    conversion: Conversion = Field(
        default_factory=Conversion, description="How raw folders are read."
    )


class SessionEntry(Shared):
    """One session: where it was recorded to, and what is special about it."""

    name: Name = Field(description="Name of the session, and of its file if none is given.")
    folder: str | None = Field(default=None, description="The recording.")
    folders: list[str] = Field(
        default_factory=list, description="Several recordings of one session, in place of folder."
    )
    ephys_folder: str | None = Field(default=None, description="Ephys recording of the session.")
    output: str | None = Field(default=None, description="The NWB file to write.")
    intervals: list[Interval] = Field(
        default_factory=list, description="Drugs, baselines and other conditions."
    )
    crop_from_lower_left: tuple[float, float, float, float] | None = Field(
        default=None,
        description="Box x0, y0, x1, y1 in pixels with the origin at the lower left, as earlier "
        "programs drew it; becomes the crop of the stage preprocess.",
    )
    columns: dict[str, str] = Field(
        default_factory=dict, description="Further columns of a spreadsheet, kept in the history."
    )
    remarks: list[str] = Field(
        default_factory=list, description="What the import of a spreadsheet had to say."
    )

    @model_validator(mode="after")
    def _check_folders(self) -> "SessionEntry":
        if (self.folder is None) == (not self.folders):
            raise ValueError("one of folder and folders was expected")
        return self

    @property
    def all_folders(self) -> list[str]:
        """The folders of the recording, one or several."""
        return [self.folder] if self.folder is not None else self.folders


class Manifest(ManifestModel):
    """Sessions that are converted and processed together."""

    data_folder: str = Field(
        default=".", description="Where raw folders are; relative to the manifest."
    )
    output_folder: str = Field(
        default=".", description="Where session files are written; relative to the manifest."
    )
    defaults: Shared = Field(default_factory=Shared, description="What holds for every session.")
    sessions: list[SessionEntry] = Field(min_length=1, description="The sessions.")
