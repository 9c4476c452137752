"""Stage evaluate: how good every ROI is, and which ones to accept."""

from dataclasses import replace

import numpy as np

from ace_nwb.engines.evaluation import ComponentMetrics, evaluate_components
from ace_nwb.errors import RequirementError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.rois import read_segmentation
from ace_nwb.nwb.history import current_runs
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.stages.common.corrected import open_corrected_movie
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import EvaluateParams

DESCRIPTIONS = {
    "snr": "Signal-to-noise ratio of the ROI's transients.",
    "r_value": "Correlation of the footprint with the movie at the ROI's own events.",
    "compactness": "How compact the footprint is, 1 for a disc.",
    "asymmetry": "Skewness of the trace's changes: about 2 for calcium, 0 for background.",
    "duplicate_score": "Largest similarity with a better ROI, 1 for a duplicate.",
    "surround": "Light around the ROI at its events relative to its own: 0 for a cell in focus.",
    "sharpness": "Slopes of the ROI at its events over its light, per diameter: about 3 in focus.",
    "roundness": "Share of the slopes at the ROI's events that lead away from its middle: about "
    "0.9 for a cell, 0.5 for fibres and noise.",
    "extent": "Area that lights up with the ROI's events within a diameter, in discs of the cell "
    "diameter: 1.8 for a cell, above 3.3 for light from out of focus.",
    "relative_size": "Pixels of the footprint over those of a disc of the cell diameter.",
    "cell_probability": "Probability that the ROI is a cell in focus.",
}
ENGINE_PREFIX = "engine_"
ACCEPTED = "Whether the ROI passes the thresholds of the evaluate stage."


def not_applicable(session: Session) -> str | None:
    """Say why there is nothing to judge ROIs by, or None."""
    if session.has(layout.PLANE_SEGMENTATION) and not session.has(layout.RAW_TRACES):
        return "The ROIs have dF/F alone, and no fluorescence to be judged by."
    return None


def compute(session: Session, params: EvaluateParams, context: StageContext) -> ComponentMetrics:
    """Compare every ROI with the movie."""
    segmentation = read_segmentation(session)
    diameter_px = params.cell_diameter_px or _extracted_diameter_px(session)
    metrics = evaluate_components(
        open_corrected_movie(session, workers=context.settings.workers),
        segmentation,
        **params.model_dump(exclude={"judge"}) | {"cell_diameter_px": diameter_px},
        workers=context.settings.workers,
        progress=context.progress,
    )
    if params.judge == "engine" and segmentation.n_rois:
        metrics = _judged_by_engine(metrics, segmentation.metrics)
    accepted = int(np.count_nonzero(metrics.accepted))
    context.remarks.append(f"{accepted} of {len(metrics.accepted)} ROIs accepted")
    return metrics


def _extracted_diameter_px(session: Session) -> float | None:
    """Return the cell diameter that the extraction was told, None if it was not ours."""
    run = current_runs(session).get("extract")
    known = {} if run is None else {parameter.name: parameter.value for parameter in run.parameters}
    return float(known["cell_diameter_px"]) if "cell_diameter_px" in known else None


def _judged_by_engine(
    metrics: ComponentMetrics, by_engine: dict[str, np.ndarray]
) -> ComponentMetrics:
    """Put the engine's figures and verdict in the place of ours."""
    own = {name.removeprefix(ENGINE_PREFIX): values for name, values in by_engine.items()}
    known = {name: own[name] for name in ("snr", "r_value", "accepted") if name in own}
    if "accepted" not in known:
        raise RequirementError(
            "evaluate.judge is engine, but the engine that found these ROIs gave no verdict of its "
            "own. Expected the engine caiman. Use --judge movie."
        )
    return replace(metrics, **known)


def write(writer: SessionWriter, result: ComponentMetrics) -> None:
    """Write the metrics as columns of the ROI table."""
    columns = {
        name: (text, np.asarray(getattr(result, name), np.float64))
        for name, text in DESCRIPTIONS.items()
    }
    # roiextractors looks for the capital letter, CaImAn for the small one.
    for name in ("accepted", "Accepted"):
        columns[name] = (ACCEPTED, np.asarray(result.accepted, bool))
    writer.set_columns(layout.PLANE_SEGMENTATION, columns)
