"""Session metadata that folders do not say: the model of meta.yaml.

Everything that does not fit is refused at once, with file, line and the accepted forms; common
forms are translated, and the translation is said. Facts of the file win over what a source says.
"""

import warnings
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ace_nwb.errors import AceNwbWarning, MetadataError
from ace_nwb.forms.fields import Fault, explain, model_within
from ace_nwb.forms.yaml_files import YamlText, read_yaml
from ace_nwb.interfaces.subject_forms import read_age, read_sex, read_species

A_METADATA_FILE = "A YAML file of session metadata"


class MetadataModel(BaseModel):
    """A section of the metadata file: unknown keys are refused, keys left blank are not given."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        return {key: cls._as_text(key, value) for key, value in content.items() if _is_said(value)}

    @classmethod
    def _as_text(cls, key: Any, value: Any) -> Any:
        """Return a whole number as text where a text is wanted: the name of an animal may be 17."""
        found = cls.model_fields.get(str(key))
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return str(value) if found and found.annotation == str | None and is_number else value


def _is_said(value: Any) -> bool:
    """Return whether a key is filled in."""
    return bool(value.strip()) if isinstance(value, str) else value is not None


class NwbFileMetadata(MetadataModel):
    """The session."""

    session_description: str | None = Field(
        default=None, description="What was done, in a sentence."
    )
    session_id: str | None = Field(default=None, description="Lab's name of the session.")
    session_start_time: AwareDatetime | None = Field(
        default=None,
        examples=["2025-06-12T15:26:31-04:00"],
        description="Start with UTC offset; overrides what the recording says.",
    )
    identifier: str | None = Field(default=None, description="Unique name of the file.")
    experimenter: list[str] | None = Field(default=None, description='As "Last, First".')
    experiment_description: str | None = Field(default=None, description="Aim of the experiment.")
    institution: str | None = Field(default=None, description="Where it was done.")
    lab: str | None = Field(default=None, description="In which lab.")
    keywords: list[str] | None = Field(default=None, description="Words to find the session by.")
    related_publications: list[str] | None = Field(default=None, description="DOIs.")
    notes: str | None = Field(default=None, description="Notes on the session.")
    pharmacology: str | None = Field(default=None, description="Drugs, doses, times.")
    protocol: str | None = Field(default=None, description="Number of the animal protocol.")
    surgery: str | None = Field(default=None, description="Surgeries and dates.")
    virus: str | None = Field(default=None, description="Virus, titre, site, date.")
    stimulus_notes: str | None = Field(default=None, description="Notes on stimuli.")
    data_collection: str | None = Field(default=None, description="Notes on the acquisition.")

    @field_validator("experimenter", "keywords", "related_publications", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class SubjectMetadata(MetadataModel):
    """The animal."""

    subject_id: str | None = Field(default=None, description="Name of the animal; no slash.")
    species: str | None = Field(default=None, description='Latin name, such as "Mus musculus".')
    sex: Literal["M", "F", "U", "O"] | None = Field(
        default=None, description="M, F, U (unknown) or O (other)."
    )
    age: str | None = Field(default=None, description="ISO 8601 duration, such as P90D.")
    date_of_birth: datetime | None = Field(
        default=None, examples=["2025-03-14"], description="Instead of the age."
    )
    description: str | None = Field(default=None, description="Anything else about the animal.")
    genotype: str | None = Field(default=None, description="Genotype.")
    strain: str | None = Field(default=None, description="Strain.")
    weight: str | None = Field(default=None, description='With unit, such as "0.031 kg".')

    @field_validator("subject_id")
    @classmethod
    def _no_slash(cls, value: str | None) -> str | None:
        if value is not None and ("/" in value or not value.strip()):
            raise ValueError("a name without a slash was expected, such as m017")
        return value

    @field_validator("species", "sex", "age", mode="before")
    @classmethod
    def _common_forms(cls, value: Any, info: ValidationInfo) -> Any:
        """Take what people commonly write, and note what it is written as."""
        if not isinstance(value, str):
            return value
        taken = _READERS[str(info.field_name)](value.strip())
        if taken != value.strip() and info.context is not None:
            info.context.append(Fault(("Subject", info.field_name), f"{value!r} means {taken!r}"))
        return taken


_READERS: dict[str, Callable[[str], str]] = {
    "species": read_species,
    "sex": read_sex,
    "age": read_age,
}


class ImagingPlaneMetadata(MetadataModel):
    """The imaged tissue and the light."""

    description: str | None = Field(default=None, description="Of the plane.")
    location: str | None = Field(default=None, description="Brain area, an Allen CCF term.")
    indicator: str | None = Field(default=None, description='Such as "GCaMP6f".')
    excitation_lambda_nm: float | None = Field(
        default=None, gt=0, examples=[470], description="Wavelength of excitation, nm."
    )
    emission_lambda_nm: float | None = Field(
        default=None, gt=0, examples=[525], description="Wavelength of emission, nm."
    )
    pixel_size_um: float | None = Field(
        default=None, gt=0, examples=[1.65], description="Side of a pixel in the tissue, um."
    )


class OphysMetadata(MetadataModel):
    """Calcium imaging."""

    ImagingPlane: ImagingPlaneMetadata = Field(
        default_factory=ImagingPlaneMetadata, description="The imaged plane."
    )


class ChannelMetadata(MetadataModel):
    """One ephys channel."""

    location: str | None = Field(default=None, description="Brain area or muscle.")
    description: str | None = Field(default=None, description="What is recorded, in words.")
    kind: Literal["LFP", "wide-band", "DC", "auxiliary", "EMG"] | None = Field(
        default=None, description="Stages analyse LFP and wide-band, and others if they are named."
    )


class EcephysMetadata(MetadataModel):
    """Electrophysiology."""

    location: str | None = Field(default=None, description="Brain area of all channels.")
    description: str | None = Field(default=None, description="Of the electrodes.")
    channels: dict[str, ChannelMetadata] = Field(
        default_factory=dict, description="Channel name -> what differs for it."
    )


class RigMetadata(MetadataModel):
    """How the recorder of this rig begins and ends, as measured."""

    recorder: (
        Literal["miniscope-daq-qt", "miniscope-v3", "trigger", "free-running", "unknown"] | None
    ) = Field(default=None, description="The kind of recorder.")
    frames_before_first_edge: int | None = Field(
        default=None,
        ge=-20,
        le=20,
        description="Saved frames before the first edge of the frame line; -1: one edge before the "
        "first saved frame.",
    )
    edges_after_last_frame: int | None = Field(
        default=None, ge=-20, le=20, description="Edges of the frame line after the last frame."
    )
    frames_per_pulse: int | None = Field(
        default=None, ge=1, le=1000, description="Frames from each pulse of the line to the next."
    )
    measured: str | None = Field(default=None, description="How, when and by whom it was measured.")


class SessionMetadata(MetadataModel):
    """All of meta.yaml."""

    NWBFile: NwbFileMetadata = Field(default_factory=NwbFileMetadata, description="The session.")
    Subject: SubjectMetadata | None = Field(default=None, description="The animal.")
    Ophys: OphysMetadata = Field(default_factory=OphysMetadata, description="Calcium imaging.")
    Ecephys: EcephysMetadata = Field(
        default_factory=EcephysMetadata, description="Electrophysiology."
    )
    Rig: RigMetadata | None = Field(
        default=None, description="What was measured of the rig; else rig.yaml says it."
    )

    def to_neuroconv(self) -> dict[str, Any]:
        """Return the metadata as nested dictionaries without the fields that are not set."""
        return self.model_dump(exclude_none=True, mode="python", exclude={"Rig"})


def load_metadata(source: Path | str | dict[str, Any] | SessionMetadata | None) -> SessionMetadata:
    """Read and check session metadata.

    Parameters
    ----------
    source
        A YAML or JSON file, its content, or None for nothing.

    Raises
    ------
    MetadataError
        Listing every key that is unknown or does not fit, with its place.
    """
    if source is None:
        return SessionMetadata()
    if isinstance(source, SessionMetadata):
        return source
    if isinstance(source, dict):
        origin, found = "metadata", YamlText(source)
    else:
        origin = str(source)
        found = read_yaml(Path(source), expected=A_METADATA_FILE, error=MetadataError)
    metadata, faults, remarks = check_metadata(found.content)

    def told(fault: Fault) -> str:
        line = "" if found.root is None else f"line {found.find_place(fault.path)[0]}, "
        return f"{line}{fault.message}"

    if metadata is None:
        lines = "\n".join(f"  {told(fault)}" for fault in faults)
        raise MetadataError(
            f"{origin} cannot be taken as it is:\n{lines}\nCorrect these entries; `ace-nwb inspect "
            "FOLDER --template FILE` writes a file with all keys."
        )
    for remark in remarks:
        named = Fault(remark.path, f"{remark.place} {remark.message}, and is written so.")
        warnings.warn(f"{origin}: {told(named)}", AceNwbWarning, stacklevel=2)
    return metadata


def check_metadata(content: Any) -> tuple[SessionMetadata | None, list[Fault], list[Fault]]:
    """Check the content of a metadata file.

    Returns
    -------
        The metadata, None if anything is wrong; every fault; and what was translated.
    """
    remarks: list[Fault] = []
    try:
        return SessionMetadata.model_validate(content, context=remarks), [], remarks
    except ValidationError as error:
        return None, list(explain(error, SessionMetadata)), remarks


def missing_for_dandi(metadata: SessionMetadata) -> list[str]:
    """Return the keys that DANDI asks for and that are not given."""
    subject = metadata.Subject or SubjectMetadata()
    missing = [
        f"Subject.{name}"
        for name in ("subject_id", "species", "sex")
        if getattr(subject, name) is None
    ]
    if subject.age is None and subject.date_of_birth is None:
        missing.append("Subject.age or Subject.date_of_birth")
    return missing


def missing_for_nwb(metadata: SessionMetadata, *, modalities: Collection[str]) -> list[str]:
    """Return the keys of fields that NWB requires, no source knows, and that are not given."""
    missing = []
    if metadata.NWBFile.session_description is None:
        missing.append("NWBFile.session_description")
    if "imaging" in modalities:
        plane = metadata.Ophys.ImagingPlane
        names = ("location", "indicator", "excitation_lambda_nm", "emission_lambda_nm")
        missing += [f"Ophys.ImagingPlane.{name}" for name in names if getattr(plane, name) is None]
    if "ephys" in modalities and metadata.Ecephys.location is None:
        missing.append("Ecephys.location")
    return missing


def describe_keys(keys: Collection[str]) -> Iterator[str]:
    """Yield for every key, or "one or another", what it holds."""
    for key in keys:
        model: Any = SessionMetadata
        found: Any = None
        for part in key.split(" or ")[0].split("."):
            found = model.model_fields[part]
            model = model_within(found.annotation)
        yield f"{key}: {found.description}"
