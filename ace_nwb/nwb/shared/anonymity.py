"""Names of people and free texts that a shared file need not tell."""

from ace_nwb.nwb import layout
from ace_nwb.nwb.session import SessionWriter

TEXTS = (
    "/general/data_collection",
    "/general/experiment_description",
    "/general/experimenter",
    "/general/institution",
    "/general/lab",
    "/general/notes",
    "/general/pharmacology",
    "/general/protocol",
    "/general/related_publications",
    "/general/session_id",
    "/general/stimulus",
    "/general/subject/description",
    "/general/surgery",
    "/general/virus",
)
"""Optional texts that people write; species, sex, age, genotype and strain of the animal stay."""

TABLES = ("/events/Notes", "/events/NeuralynxMessages", "/events/OpenEphysMessages")
"""Tables of texts typed during the recording."""

DESCRIPTION = "Left out."


def anonymise(writer: SessionWriter) -> list[str]:
    """Remove names of people and free texts; return the paths of what was removed.

    The required description of the session becomes "Left out.". Times, and what the science needs
    of the animal, stay.
    """
    texts = [path for path in TEXTS if path in writer.h5]
    tables = [path for path in TABLES if path in writer.h5]
    for path in texts:
        del writer.h5[path]
    removed = writer.remove(tables)
    writer.set_value("/session_description", DESCRIPTION)
    return [*texts, *removed, "/session_description", *_hide_reviewers(writer)]


def _hide_reviewers(writer: SessionWriter) -> list[str]:
    """Give reviewers of ROIs numbers for names, and remove their reasons; return the columns."""
    rows = f"{layout.CURATION_DECISIONS}/reviewer"
    if rows not in writer.h5:
        return []
    known = dict.fromkeys(_texts(writer, rows))
    numbers = {name: f"reviewer {index}" for index, name in enumerate(known, start=1)}
    changed = []
    for table in _curated_tables(writer):
        for column, names in (("reviewer", numbers), ("reason", {})):
            path = f"{table}/{column}"
            if path in writer.h5:
                texts = [text.split("; ") for text in _texts(writer, path)]
                hidden = [[names[part] for part in parts if part in names] for parts in texts]
                writer.h5[path][:] = ["; ".join(parts) for parts in hidden]
                changed.append(path)
    return changed


def _curated_tables(writer: SessionWriter) -> list[str]:
    """Return the tables with names of reviewers, also those kept under another name."""
    ophys = "/processing/ophys"
    names = list(writer.h5[ophys])
    rois = [f"{name}/PlaneSegmentation" for name in names if name.startswith("ImageSegmentation")]
    rows = [name for name in names if name.startswith("CurationDecisions")]
    return [f"{ophys}/{name}" for name in rows + rois]


def _texts(writer: SessionWriter, path: str) -> list[str]:
    return [str(text) for text in writer.h5[path].asstr()[:]]
