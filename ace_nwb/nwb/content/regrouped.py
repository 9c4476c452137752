"""Merged and split ROIs in the session file: they take the place of the extraction, which is kept.

The extracted table and traces stand as `ImageSegmentation_extracted` and `Fluorescence_extracted`
from the first merge or split until the last one is undone.
"""

from collections.abc import Sequence

from ace_nwb.imaging.segmentation import Segmentation
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.rois import read_segmentation, write_rois
from ace_nwb.nwb.session import Session, SessionWriter

_REPLACED = (layout.IMAGE_SEGMENTATION, layout.FLUORESCENCE)
MADE_FROM = "Ids of the ROIs that a reviewer made this one from; empty if it was extracted."


def read_extracted(session: Session) -> Segmentation:
    """Return the segmentation as source extraction made it."""
    is_regrouped = session.has(layout.EXTRACTED_SEGMENTATION)
    return read_segmentation(session, kept_as=layout.EXTRACTED if is_regrouped else "")


def write_regrouped(
    writer: SessionWriter, segmentation: Segmentation, *, ids: Sequence[int], made_from: list[str]
) -> None:
    """Write merged and split ROIs with those that stayed; the extraction is kept beside.

    Parameters
    ----------
    writer
        The session.
    segmentation
        All ROIs that stand now.
    ids
        Id of each.
    made_from
        Ids of the ROIs each was made from, separated by semicolons; empty if extracted.
    """
    if writer.has(layout.EXTRACTED_SEGMENTATION):
        writer.remove(_REPLACED)
    else:
        writer.keep_as(_REPLACED, layout.EXTRACTED)
    write_rois(writer, segmentation, ids)
    _set_origin(writer, made_from)


def restore_extracted(writer: SessionWriter) -> None:
    """Put the extraction back in place of merged and split ROIs, if there were any."""
    if writer.has(layout.EXTRACTED_SEGMENTATION):
        writer.remove(_REPLACED)
        writer.take_back(_REPLACED, layout.EXTRACTED)
    n_rois = len(writer.h5[f"{layout.PLANE_SEGMENTATION}/id"])
    _set_origin(writer, [""] * n_rois)


def _set_origin(writer: SessionWriter, made_from: list[str]) -> None:
    """Write which ROIs each one was made from."""
    writer.set_columns(layout.PLANE_SEGMENTATION, {"made_from": (MADE_FROM, made_from)})
