"""Stage ephys-artifacts: stretches of ephys channels that no brain produces."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.errors import RequirementError
from ace_nwb.nwb.content.artifacts import ChannelArtifacts, write_artifacts
from ace_nwb.nwb.content.ephys import NOT_ANALYSED, EphysSeries, list_analysed, list_ephys
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.artefacts import detect_artefacts
from ace_nwb.stages.common.choosing import choose_names
from ace_nwb.stages.common.regular import LazySamples
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import EphysArtifactsParams

MICROVOLTS = 1e6  # per volt: thresholds of artefacts are stated in microvolts


@dataclass(frozen=True)
class FoundArtifacts:
    """Artefacts by channel, and the threshold in words."""

    channels: list[ChannelArtifacts]
    description: str


def not_applicable(session: Session) -> str | None:
    """Say why a file has no artefacts to look for, or None."""
    return None if list_ephys(session) else "The file holds no electrophysiology."


def compute(
    session: Session, params: EphysArtifactsParams, context: StageContext
) -> FoundArtifacts:
    """Search every sample of the chosen channels."""
    recorded = list_ephys(session)
    if not recorded:
        raise RequirementError(
            f"{session.path} holds no electrical series; at least one is needed to look for "
            "artefacts. Convert the recording with its ephys folder."
        )
    recorded, chosen = _choose(session, recorded, params, context)
    found = []
    for number, series in enumerate(recorded, start=1):
        samples = LazySamples(series, scale=MICROVOLTS)
        artefacts = detect_artefacts(
            samples,  # type: ignore[arg-type]
            **params.model_dump(exclude={"channels"}),
        )
        found += [
            ChannelArtifacts(series, name, intervals)
            for name, intervals in zip(series.channel_names, artefacts, strict=True)
            if name in chosen and len(intervals)
        ]
        context.progress(number, len(recorded))
    context.remarks.append(_summarise(found))
    return FoundArtifacts(found, f"Samples beyond {params.threshold_uv:g} uV, and those between.")


def _choose(
    session: Session,
    recorded: list[EphysSeries],
    params: EphysArtifactsParams,
    context: StageContext,
) -> tuple[list[EphysSeries], set[str]]:
    """Return the series to search, and the channels: those named, or all of field potentials."""
    if params.channels is None:
        recorded, left_out = list_analysed(session)
        context.remarks.extend(left_out)
        named = [
            name
            for series in recorded
            for name, kind in zip(series.channel_names, series.kinds, strict=True)
            if kind not in NOT_ANALYSED
        ]
        return recorded, set(named)
    every = list(dict.fromkeys(name for series in recorded for name in series.channel_names))
    chosen = set(choose_names("channel", params.channels, every))
    return [series for series in recorded if chosen & set(series.channel_names)], chosen


def write(writer: SessionWriter, result: FoundArtifacts) -> None:
    """Write the artefacts as intervals."""
    write_artifacts(writer, result.channels, description=result.description)


def _summarise(found: list[ChannelArtifacts]) -> str:
    """Say how many artefacts of which length there are."""
    counts: dict[str, tuple[int, float]] = {}
    for part in found:
        number, seconds = counts.get(part.channel, (0, 0.0))
        length_s = float(np.diff(part.samples, axis=1).sum() / part.series.rate_hz)
        counts[part.channel] = (number + len(part.samples), seconds + length_s)
    if not counts:
        return "no artefacts"
    return ", ".join(f"{name}: {n} artefacts, {s:.3g} s" for name, (n, s) in counts.items())
