"""Stage extract: neurons, their footprints and traces, by the chosen engine."""

from dataclasses import replace

from ace_nwb.imaging.segmentation import Segmentation
from ace_nwb.nwb.rois import write_segmentation
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.registry import ENGINES
from ace_nwb.stages.context import StageContext
from ace_nwb.stages.corrected import open_corrected_movie
from ace_nwb.stages.params import ExtractParams


def compute(session: Session, params: ExtractParams, context: StageContext) -> Segmentation:
    """Run the engine on the corrected movie."""
    extract = ENGINES.load(params.engine)
    movie = open_corrected_movie(session, workers=context.settings.workers)
    segmentation = extract(
        movie,
        settings=replace(context.settings, checkpoint=context.checkpoint(movie)),
        progress=context.progress,
        **params.model_dump(exclude={"engine"}),
    )
    context.remarks.append(f"{segmentation.n_rois} ROIs")
    return segmentation


def write(writer: SessionWriter, result: Segmentation) -> None:
    """Write footprints, traces and background."""
    write_segmentation(writer, result)
