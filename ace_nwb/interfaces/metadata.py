"""Session metadata that folders do not say: the model of meta.yaml.

Unknown keys are refused with the place and the nearest known key. Facts of the file win over what
a source says.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from ace_nwb.errors import MetadataError


class MetadataModel(BaseModel):
    """A section of the metadata file: unknown keys are refused, keys left blank are not given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        return {key: value for key, value in content.items() if value is not None}


class NwbFileMetadata(MetadataModel):
    """The session."""

    session_description: str | None = Field(
        default=None, description="What was done, in a sentence."
    )
    session_id: str | None = Field(default=None, description="Lab's name of the session.")
    session_start_time: AwareDatetime | None = Field(
        default=None, description="Start with UTC offset; overrides what the recording says."
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
    date_of_birth: datetime | None = Field(default=None, description="Instead of the age.")
    description: str | None = Field(default=None, description="Anything else about the animal.")
    genotype: str | None = Field(default=None, description="Genotype.")
    strain: str | None = Field(default=None, description="Strain.")
    weight: str | None = Field(default=None, description='With unit, such as "0.031 kg".')

    @field_validator("subject_id")
    @classmethod
    def _no_slash(cls, value: str | None) -> str | None:
        if value is not None and ("/" in value or not value.strip()):
            raise ValueError("must not be empty or hold a slash")
        return value


class ImagingPlaneMetadata(MetadataModel):
    """The imaged tissue and the light."""

    description: str | None = Field(default=None, description="Of the plane.")
    location: str | None = Field(default=None, description="Brain area, an Allen CCF term.")
    indicator: str | None = Field(default=None, description='Such as "GCaMP6f".')
    excitation_lambda_nm: float | None = Field(
        default=None, gt=0, description="Wavelength of excitation, nm."
    )
    emission_lambda_nm: float | None = Field(
        default=None, gt=0, description="Wavelength of emission, nm."
    )
    pixel_size_um: float | None = Field(
        default=None, gt=0, description="Side of a pixel in the tissue, um."
    )


class OphysMetadata(MetadataModel):
    """Calcium imaging."""

    ImagingPlane: ImagingPlaneMetadata = Field(
        default_factory=ImagingPlaneMetadata, description="The imaged plane."
    )


class ChannelMetadata(MetadataModel):
    """One ephys channel."""

    location: str | None = Field(default=None, description="Brain area or muscle.")
    description: str | None = Field(default=None, description="Such as LFP or EMG.")


class EcephysMetadata(MetadataModel):
    """Electrophysiology."""

    location: str | None = Field(default=None, description="Brain area of all channels.")
    description: str | None = Field(default=None, description="Of the electrodes.")
    channels: dict[str, ChannelMetadata] = Field(
        default_factory=dict, description="Channel name -> what differs for it."
    )


class SessionMetadata(MetadataModel):
    """All of meta.yaml."""

    NWBFile: NwbFileMetadata = Field(default_factory=NwbFileMetadata, description="The session.")
    Subject: SubjectMetadata | None = Field(default=None, description="The animal.")
    Ophys: OphysMetadata = Field(default_factory=OphysMetadata, description="Calcium imaging.")
    Ecephys: EcephysMetadata = Field(
        default_factory=EcephysMetadata, description="Electrophysiology."
    )

    def to_neuroconv(self) -> dict[str, Any]:
        """Return the metadata as nested dictionaries without the fields that are not set."""
        return self.model_dump(exclude_none=True, mode="python")


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
    content, origin = (source, "metadata") if isinstance(source, dict) else read_yaml(Path(source))
    try:
        return SessionMetadata.model_validate(content)
    except ValidationError as error:
        lines = "\n".join(f"  {line}" for line in _sentences(error))
        raise MetadataError(
            f"{origin} does not fit the metadata schema:\n{lines}\nCorrect these entries; "
            "schemas/metadata.schema.json lists all keys."
        ) from error


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


def read_yaml(file_path: Path) -> tuple[Any, str]:
    """Return the content of a YAML file and its name."""
    import yaml

    try:
        content = yaml.safe_load(file_path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise MetadataError(
            f"{file_path} cannot be read ({error.strerror}). A YAML file of session metadata was "
            "expected; check the path."
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise MetadataError(
            f"{file_path} is no YAML ({error}). Lines such as 'Subject: {{sex: F}}' were expected; "
            "check indentation and quotes."
        ) from error
    return {} if content is None else content, str(file_path)


def _sentences(error: ValidationError) -> Iterator[str]:
    """Say for every problem where it is and what was expected."""
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"]) or "(top)"
        if item["type"] == "extra_forbidden":
            yield f"{place}: unknown key.{_hint(item['loc'])}"
        else:
            yield f"{place}: found {item['input']!r}; {item['msg']}"


def _hint(location: tuple[int | str, ...]) -> str:
    """Name the key that may have been meant."""
    model: Any = SessionMetadata
    for part in location[:-1]:
        model = _model_of(model, str(part))
        if model is None:
            return ""
    known = list(model.model_fields)
    close = get_close_matches(str(location[-1]), known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{hint} Known: {', '.join(known)}."


def _model_of(model: Any, name: str) -> Any:
    """Return the model of a section, None where keys are free."""
    sections = {
        "NWBFile": NwbFileMetadata,
        "Subject": SubjectMetadata,
        "Ophys": OphysMetadata,
        "ImagingPlane": ImagingPlaneMetadata,
        "Ecephys": EcephysMetadata,
    }
    return sections.get(name) if name in model.model_fields else None
