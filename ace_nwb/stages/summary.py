"""Stage summary: projections, local correlation, peak-to-noise."""

from dataclasses import fields

import numpy as np

from ace_nwb.imaging.correlation import compute_peak_images
from ace_nwb.imaging.projections import compute_projections
from ace_nwb.nwb.content.imaging import write_projections
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.stages.common.corrected import open_analysed_movie
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import SummaryParams


def compute(
    session: Session, params: SummaryParams, context: StageContext
) -> dict[str, np.ndarray]:
    """Return name -> image of the corrected movie, shape (row, column)."""
    workers = context.settings.workers
    movie = open_analysed_movie(session, workers=workers)
    projections = compute_projections(movie, workers=workers, progress=context.progress)
    correlation = compute_peak_images(
        movie,
        cell_diameter_px=params.cell_diameter_px,
        workers=workers,
        progress=context.progress,
    )
    values = {f.name: getattr(projections, f.name) for f in fields(projections)}
    images = {name: value for name, value in values.items() if value.ndim == 2}
    return images | {
        "correlation": correlation.correlation,
        "peak_to_noise": correlation.peak_to_noise,
    }


def write(writer: SessionWriter, result: dict[str, np.ndarray]) -> None:
    """Write the images."""
    write_projections(writer, result)
