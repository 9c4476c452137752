"""Stage regroup: ROIs that reviewers merged or split, with traces of their own."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.engines.regrouping import (
    Shape,
    measure_shapes,
    merge_shapes,
    replace_rois,
    shape_of,
    split_shape,
)
from ace_nwb.imaging.segmentation import Segmentation
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.imaging import read_field
from ace_nwb.nwb.content.rois import read_extracted, restore_extracted, write_regrouped
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.stages.common.corrected import open_corrected_movie
from ace_nwb.stages.common.curated import Curation, read_curation
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import RegroupParams


@dataclass(frozen=True)
class Regrouped:
    """The ROIs that stand now: their segmentation, ids, and what each was made from."""

    segmentation: Segmentation
    ids: tuple[int, ...]
    made_from: tuple[str, ...]


def not_applicable(session: Session) -> str | None:
    """Return why there is nothing to do, if so."""
    if session.has(layout.EXTRACTED_SEGMENTATION) or read_curation(session).makings:
        return None
    return "nobody merged or split a ROI"


def compute(session: Session, params: RegroupParams, context: StageContext) -> Regrouped | None:
    """Shape the merged and split ROIs and measure their traces; None if there are none."""
    curation = read_curation(session)
    made = [roi for roi in curation.active if roi in curation.makings]
    if not made:
        context.remarks.append("ROIs as extracted")
        return None
    extracted = read_extracted(session)
    shapes = make_shapes(extracted, curation, origin=read_field(session).origin)
    kept = [roi for roi in curation.extracted if roi not in curation.replaced]
    columns = np.array([curation.extracted.index(roi) for roi in kept], int)
    new = measure_shapes(
        open_corrected_movie(session, workers=context.settings.workers),
        [shapes[roi] for roi in made],
        replace_rois(extracted, columns, None),
        autoregressive_order=params.autoregressive_order,
        workers=context.settings.workers,
        progress=context.progress,
    )
    context.remarks.append(f"{len(made)} ROIs merged or split, {len(kept)} as extracted")
    origins = ["; ".join(map(str, curation.makings[roi].sources)) for roi in made]
    return Regrouped(
        replace_rois(extracted, columns, new),
        tuple(kept + made),
        tuple([""] * len(kept) + origins),
    )


def make_shapes(
    extracted: Segmentation, curation: Curation, *, origin: tuple[int, int]
) -> dict[int, Shape]:
    """Return the shape of every ROI that reviewers made, or made others from.

    Parameters
    ----------
    extracted
        The segmentation in the analysed field.
    curation
        The decisions.
    origin
        (row, column) of the analysed field in the recorded one, which lines are given in.
    """
    shapes: dict[int, Shape] = {}
    column_of = {roi: column for column, roi in enumerate(curation.extracted)}
    for roi, making in curation.makings.items():
        for source in making.sources:
            if source not in shapes:
                shapes[source] = shape_of(extracted, column_of[source])
        if making.line is None:
            shapes[roi] = merge_shapes([shapes[source] for source in making.sources])
        else:
            row, column = origin
            row_start, column_start, row_stop, column_stop = making.line
            line = (row_start - row, column_start - column, row_stop - row, column_stop - column)
            halves = split_shape(shapes[making.sources[0]], extracted.field_shape, line)
            shapes[roi] = halves[making.side]
    return shapes


def write(writer: SessionWriter, result: Regrouped | None) -> None:
    """Write the ROIs that stand now; the extraction is kept beside them."""
    if result is None:
        restore_extracted(writer)
    else:
        write_regrouped(
            writer, result.segmentation, ids=result.ids, made_from=list(result.made_from)
        )
