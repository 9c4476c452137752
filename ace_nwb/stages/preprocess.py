"""Stage preprocess: field of view, brightness over time, bleaching."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.imaging.bleaching import estimate_bleaching
from ace_nwb.imaging.corrected import CorrectedMovie
from ace_nwb.imaging.cropping import resolve_crop
from ace_nwb.imaging.projections import measure_brightness
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.imaging import write_field
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.series import write_series
from ace_nwb.nwb.field import FieldOfView
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import PreprocessParams


@dataclass(frozen=True)
class Preprocessed:
    """The field that is analysed; brightness and its fitted trend, shape (frame,)."""

    field: FieldOfView
    mean_fluorescence: np.ndarray
    bleaching: np.ndarray


def compute(session: Session, params: PreprocessParams, context: StageContext) -> Preprocessed:
    """Measure the brightness of the cropped movie and fit its bleaching."""
    movie = NwbMovie(session, workers=context.settings.workers)
    box = resolve_crop(
        movie.shape[1:],
        crop_row_start=params.crop_row_start,
        crop_row_stop=params.crop_row_stop,
        crop_column_start=params.crop_column_start,
        crop_column_stop=params.crop_column_stop,
    )
    brightness = measure_brightness(
        CorrectedMovie(movie, crop=box),
        workers=context.settings.workers,
        progress=context.progress,
    )
    return Preprocessed(
        field=FieldOfView(movie.shape[1:], (box.row_start, box.column_start), box.shape),
        mean_fluorescence=brightness.mean,
        bleaching=estimate_bleaching(brightness.median, movie.timestamps, detrend=params.detrend),
    )


def write(writer: SessionWriter, result: Preprocessed) -> None:
    """Write the field, the mean fluorescence and the bleaching trend."""
    write_field(writer, result.field)
    write_series(
        writer,
        layout.MEAN_FLUORESCENCE,
        result.mean_fluorescence.astype(np.float32),
        unit="n.a.",
        description="Mean grey level of the analysed field of the raw movie.",
    )
    write_series(
        writer,
        layout.BLEACHING_TREND,
        result.bleaching,
        unit="n.a.",
        description="Fitted brightness relative to the first frame; movies are divided by it.",
    )
