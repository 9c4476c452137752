"""Stage filter: band-passed dF/F traces and ephys channels, zero phase."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.errors import InputError
from ace_nwb.nwb import layout
from ace_nwb.nwb.phase import write_filtered_ephys
from ace_nwb.nwb.rois import read_roi_series, write_roi_series
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.filters import apply_filter, design_filter
from ace_nwb.stages.context import StageContext
from ace_nwb.stages.params import FilterParams
from ace_nwb.stages.regular import RegularSignal, frames_on_grid, read_slow_ephys


@dataclass(frozen=True)
class Filtered:
    """Band-passed traces, shape (frame, roi), and ephys stretches, with the bands in words."""

    calcium: np.ndarray
    ephys: list[RegularSignal]
    calcium_band: str
    ephys_band: str


def compute(session: Session, params: FilterParams, context: StageContext) -> Filtered:
    """Filter traces on the frames' grid and every ephys stretch on its own."""
    grid = frames_on_grid(session, read_roi_series(session, layout.DFF_TRACES))
    calcium_filter = design_filter(
        sampling_rate_hz=grid.rate_hz,
        low_hz=params.low_hz,
        high_hz=params.high_hz,
        order=params.order,
        kind=params.kind,
    )
    calcium, skipped = apply_filter(grid.values, calcium_filter)
    context.remarks.extend(f"dF/F from frame {s.start}: {s.reason}" for s in skipped)
    ephys = [
        stretch
        for signal in read_slow_ephys(
            session, max_frequency_hz=params.ephys_high_hz, skip=context.remarks.append
        )
        if (stretch := _filter_stretch(signal, params, context)) is not None
    ]
    context.progress(1, 1)
    return Filtered(
        calcium=calcium[grid.positions],
        ephys=ephys,
        calcium_band=f"{params.low_hz:g} to {params.high_hz:g} Hz",
        ephys_band=f"{params.ephys_low_hz:g} to {params.ephys_high_hz:g} Hz",
    )


def write(writer: SessionWriter, result: Filtered) -> None:
    """Write the filtered traces and channels."""
    write_roi_series(
        writer,
        "/processing/phase/CalciumFiltered",
        result.calcium,
        unit="n.a.",
        description=f"dF/F from {result.calcium_band}, zero phase; NaN within gaps.",
    )
    for signal in result.ephys:
        write_filtered_ephys(
            writer,
            f"/processing/phase/EphysFiltered{signal.name}",
            signal.values,
            source=signal.path,
            description=f"{signal.path} from {result.ephys_band}, zero phase.",
            rate_hz=signal.rate_hz,
            start_s=signal.start_s,
        )


def _filter_stretch(
    signal: RegularSignal, params: FilterParams, context: StageContext
) -> RegularSignal | None:
    """Filter one stretch; one too short for the band is left out with a remark."""
    band = design_filter(
        sampling_rate_hz=signal.rate_hz,
        low_hz=params.ephys_low_hz,
        high_hz=params.ephys_high_hz,
        order=params.order,
        kind=params.kind,
    )
    try:
        filtered, _ = apply_filter(signal.values, band)
    except InputError as error:
        context.remarks.append(f"{signal.path} is left out: {error}")
        return None
    return signal.with_values(filtered)
