"""Stage ephys-filter: ephys channels without their artefacts, band-passed, zero phase."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.errors import InputError, NothingToDoError, RequirementError
from ace_nwb.nwb.content.ephys import list_ephys
from ace_nwb.nwb.content.phase import write_filtered_ephys
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.filters import SkippedRun, apply_filter, design_filter
from ace_nwb.stages.common.regular import RegularSignal, describe_edges, read_slow_ephys
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import EphysFilterParams

SHOWN = 3
"""Stretches left out that an error names; a recording in pieces has thousands."""


@dataclass(frozen=True)
class FilteredEphys:
    """Band-passed stretches, and band and treatment in words."""

    stretches: list[RegularSignal]
    band: str


def not_applicable(session: Session) -> str | None:
    """Say why a file has nothing to filter, or None."""
    return None if list_ephys(session) else "The file holds no electrophysiology."


def compute(session: Session, params: EphysFilterParams, context: StageContext) -> FilteredEphys:
    """Treat artefacts, lower the rate without aliasing, filter every stretch on its own."""
    if not list_ephys(session):
        raise RequirementError(
            f"{session.path} holds no electrical series; at least one is needed. Convert the "
            "recording with its ephys folder."
        )
    signals = read_slow_ephys(
        session,
        max_frequency_hz=params.high_hz,
        skip=context.remarks.append,
        treatment=params.treatment,
        taper_samples=params.taper_samples,
    )
    filtered = [_filter_stretch(signal, params, context) for signal in signals]
    stretches = [stretch for stretch in filtered if stretch is not None]
    if not stretches:
        raise NothingToDoError(_say_none_left(context.remarks))
    context.progress(1, 1)
    return FilteredEphys(
        stretches,
        f"{params.low_hz:g} to {params.high_hz:g} Hz, {params.kind} of order {params.order}, "
        f"zero phase; artefacts: {params.treatment}",
    )


def write(writer: SessionWriter, result: FilteredEphys) -> None:
    """Write the filtered stretches."""
    for signal in result.stretches:
        write_filtered_ephys(
            writer,
            f"/processing/ecephys/EphysFiltered{signal.name}",
            signal.values,
            source=signal.path,
            description=f"{signal.path} from {result.band}.",
            rate_hz=signal.rate_hz,
            start_s=signal.start_s,
        )


def _say_none_left(remarks: list[str]) -> str:
    """Say why no stretch could be filtered, by the first reasons."""
    others = f" (and {len(remarks) - SHOWN} more)" if len(remarks) > SHOWN else ""
    return (
        f"No stretch of ephys can be filtered: {' '.join(remarks[:SHOWN])}{others} One that is "
        "regular and long enough for the band was expected; see `ace-nwb inspect` on the recording."
    )


def _filter_stretch(
    signal: RegularSignal, params: EphysFilterParams, context: StageContext
) -> RegularSignal | None:
    """Filter one stretch; one too short for the band is left out with a remark."""
    band = design_filter(
        sampling_rate_hz=signal.rate_hz,
        **params.model_dump(include={"low_hz", "high_hz", "order", "kind"}),
    )
    try:
        filtered, skipped = apply_filter(signal.values, band, mask_edges=params.mask_edges)
    except InputError as error:
        context.remarks.append(f"{signal.path} is left out: {error}")
        return None
    edges = describe_edges(band, signal.rate_hz, is_masked=params.mask_edges)
    context.remarks.extend(one for one in edges if one not in context.remarks)
    for index, name in enumerate(signal.channel_names):
        _tell_skipped(name, [run for run in skipped if index in run.channels], signal, context)
    return signal.with_values(filtered)


def _tell_skipped(
    name: str, skipped: list[SkippedRun], signal: RegularSignal, context: StageContext
) -> None:
    """Say how much between artefacts was too short for the filter."""
    if skipped:
        seconds = np.sum([run.stop - run.start for run in skipped]) / signal.rate_hz
        context.remarks.append(
            f"{name}: {len(skipped)} stretches between artefacts, {seconds:.3g} s in all, are too "
            f"short for the band ({skipped[0].reason}); treatment=interpolate keeps them"
        )
