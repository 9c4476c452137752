"""Stage filter: dF/F traces within a band, zero phase; ephys channels are in ephys-filter."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.errors import InputError, NothingToDoError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.roi_series import read_roi_series, write_roi_series
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.filters import apply_filter, design_filter
from ace_nwb.stages.common.regular import describe_edges, frames_on_grid
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import FilterParams


@dataclass(frozen=True)
class Filtered:
    """Filtered traces, shape (frame, roi), and the band in words."""

    calcium: np.ndarray
    band: str


def compute(session: Session, params: FilterParams, context: StageContext) -> Filtered:
    """Filter the traces on the frames' grid."""
    grid = frames_on_grid(session, read_roi_series(session, layout.DFF_TRACES))
    band = design_filter(
        sampling_rate_hz=grid.rate_hz,
        **params.model_dump(exclude={"padding", "mask_edges"}),
    )
    try:
        calcium, skipped = apply_filter(
            grid.values, band, padding=params.padding, mask_edges=params.mask_edges
        )
    except InputError as error:
        raise NothingToDoError(
            f"{error} The edges are filter.low_hz and filter.high_hz."
        ) from error
    context.remarks.extend(f"dF/F from frame {s.start}: {s.reason}" for s in skipped)
    context.remarks.extend(describe_edges(band, grid.rate_hz, is_masked=params.mask_edges))
    context.progress(1, 1)
    return Filtered(calcium=calcium[grid.positions], band=_describe(params))


def write(writer: SessionWriter, result: Filtered) -> None:
    """Write the filtered traces."""
    write_roi_series(
        writer,
        layout.CALCIUM_FILTERED,
        result.calcium,
        unit="n.a.",
        description=f"dF/F {result.band}, zero phase; NaN within gaps.",
    )


def _describe(params: FilterParams) -> str:
    """Return what is kept in words."""
    return {
        "lowpass": f"below {params.high_hz:g} Hz",
        "highpass": f"above {params.low_hz:g} Hz",
        "bandpass": f"from {params.low_hz:g} to {params.high_hz:g} Hz",
        "bandstop": f"without {params.low_hz:g} to {params.high_hz:g} Hz",
    }[params.band_type]
