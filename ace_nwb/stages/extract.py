"""Stage extract: neurons, their footprints and traces, by the chosen engine."""

from dataclasses import replace
from typing import Any

from ace_nwb.imaging.segmentation import Segmentation
from ace_nwb.nwb.content.rois import write_segmentation
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.registry import ENGINES
from ace_nwb.stages.common.corrected import open_analysed_movie, open_checkpoint
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import ExtractParams


def compute(session: Session, params: ExtractParams, context: StageContext) -> Segmentation:
    """Run the engine on the corrected movie."""
    extract = ENGINES.load(params.engine)
    movie = open_analysed_movie(session, workers=context.settings.workers)
    segmentation = extract(
        movie,
        settings=replace(context.settings, checkpoint=open_checkpoint(context.scratch, movie)),
        progress=context.progress,
        **engine_parameters(params),
    )
    context.software.update(segmentation.software)
    context.remarks.append(f"{segmentation.n_rois} ROIs")
    return segmentation


def engine_parameters(params: ExtractParams) -> dict[str, Any]:
    """Return the engine's arguments: what all engines share, and what is its own.

    A parameter `<engine>_<name>` goes to that engine alone, as `<name>`.
    """
    arguments = {}
    for name, value in params.model_dump(exclude={"engine"}).items():
        owner, _, own_name = name.partition("_")
        if owner == params.engine:
            arguments[own_name] = value
        elif owner not in ENGINES.built_in:
            arguments[name] = value
    return arguments


def write(writer: SessionWriter, result: Segmentation) -> None:
    """Write footprints, traces and background."""
    write_segmentation(writer, result)
