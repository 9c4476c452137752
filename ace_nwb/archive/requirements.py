"""What DANDI needs to know of a session that only a person can say, and where to write it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pynwb import NWBFile

from ace_nwb.interfaces.subject_forms import DURATION, LATIN_NAME, TAXON

Need = Literal["required", "advised"]

_PERSON = re.compile(r"[^,]+, .+")


@dataclass(frozen=True)
class Requirement:
    """Something a person must still say, or should.

    Parameters
    ----------
    need
        "required": DANDI refuses the file without it; "advised": readers will miss it.
    place
        The key in meta.yaml.
    found
        What the file holds.
    expected
        What is expected, with an example.
    """

    need: Need
    place: str
    found: str
    expected: str


def missing_requirements(nwbfile: NWBFile) -> list[Requirement]:
    """Return what is missing for DANDI, the required first.

    The rules are those of the NWB Inspector's and the dandi package's DANDI configurations.
    """
    found = [*_subject(nwbfile.subject), *_session(nwbfile), *_planes(nwbfile)]
    return sorted(found, key=lambda item: item.need != "required")


def _subject(subject: Any) -> Iterator[Requirement]:
    rules = (
        ("subject_id", r"[^/]+", "the lab's name of the animal without a slash, such as m017"),
        ("species", f"{LATIN_NAME.pattern}|{TAXON.pattern}", 'such as "Mus musculus"'),
        ("sex", "[MFUO]", "M, F, U (unknown) or O (other)"),
    )
    for name, pattern, expected in rules:
        value = getattr(subject, name, None)
        if not value or not re.fullmatch(pattern, str(value)):
            yield Requirement("required", f"Subject.{name}", _shown(value), expected)
    age, birth = getattr(subject, "age", None), getattr(subject, "date_of_birth", None)
    if age is None and birth is None:
        expected = "an ISO 8601 duration such as P90D, or Subject.date_of_birth"
        yield Requirement("required", "Subject.age", "nothing", expected)
    elif age is not None and not DURATION.fullmatch(age):
        yield Requirement("required", "Subject.age", _shown(age), "such as P90D for 90 days")


def _session(nwbfile: NWBFile) -> Iterator[Requirement]:
    advised = (
        ("session_id", nwbfile.session_id, "the lab's name of the session; it names the file"),
        ("institution", nwbfile.institution, "where it was recorded"),
        ("lab", nwbfile.lab, "in which lab"),
        ("keywords", nwbfile.keywords, "words to find it by, such as [hippocampus, CA1]"),
        ("experiment_description", nwbfile.experiment_description, "the aim, in a sentence"),
    )
    people = list(nwbfile.experimenter or ())
    wrong = [person for person in people if not _PERSON.fullmatch(person)]
    if wrong or not people:
        found = _shown(", ".join(wrong) or None)
        yield Requirement("advised", "NWBFile.experimenter", found, 'such as ["Curie, Marie"]')
    for name, value, expected in advised:
        if value is None or len(value) == 0:
            yield Requirement("advised", f"NWBFile.{name}", "nothing", expected)


def _planes(nwbfile: NWBFile) -> Iterator[Requirement]:
    for plane in nwbfile.imaging_planes.values():
        for name in ("location", "indicator"):
            value = getattr(plane, name)
            if not value or value == "unknown":
                expected = "a brain area such as CA1" if name == "location" else "such as GCaMP6f"
                place = f"Ophys.ImagingPlane.{name}"
                yield Requirement("advised", place, _shown(value), expected)


def _shown(value: Any) -> str:
    return "nothing" if value is None or value == "" else repr(value)
