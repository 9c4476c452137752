"""Stage preprocess: field of view, brightness over time, bleaching."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.imaging.bleaching import estimate_bleaching
from ace_nwb.imaging.corrected import CorrectedMovie
from ace_nwb.imaging.cropping import resolve_crop
from ace_nwb.imaging.projections import measure_brightness
from ace_nwb.imaging.unusable import KINDS, bridge, find_unusable
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.imaging import write_field
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.series import write_series
from ace_nwb.nwb.content.unusable import write_unusable
from ace_nwb.nwb.field import FieldOfView
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import PreprocessParams


@dataclass(frozen=True)
class Preprocessed:
    """The field that is analysed; brightness and its fitted trend, shape (frame,).

    And the kind of every frame that shows nothing, "" for all others.
    """

    field: FieldOfView
    mean_fluorescence: np.ndarray
    bleaching: np.ndarray
    unusable: np.ndarray


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
    unusable = find_unusable(brightness)
    context.remarks.extend(_describe_unusable(unusable))
    level = bridge(brightness.median, unusable != "")
    return Preprocessed(
        field=FieldOfView(movie.shape[1:], (box.row_start, box.column_start), box.shape),
        mean_fluorescence=brightness.mean,
        bleaching=estimate_bleaching(level, movie.timestamps, detrend=params.detrend),
        unusable=unusable,
    )


def _describe_unusable(kinds: np.ndarray) -> list[str]:
    """Say how many frames show nothing."""
    return [
        f"{np.sum(kinds == kind)} of {len(kinds)} frames are left out ({kind}): the nearest other "
        "frame stands for them in the movie, and traces have no dF/F there"
        for kind in KINDS
        if (kinds == kind).any()
    ]


def write(writer: SessionWriter, result: Preprocessed) -> None:
    """Write the field, the mean fluorescence and the bleaching trend."""
    write_field(writer, result.field)
    write_unusable(writer, result.unusable)
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
