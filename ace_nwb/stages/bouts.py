"""Stage bouts: stretches in which the band-passed oscillation of a channel stands out."""

from dataclasses import dataclass

from ace_nwb.nwb.content.bouts import ChannelBouts, write_bouts
from ace_nwb.nwb.content.ephys import list_ephys
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.bouts import detect_bouts
from ace_nwb.stages.common.channels import join_channels, read_amplitudes
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import BoutsParams


@dataclass(frozen=True)
class FoundBouts:
    """Bouts by channel, and how they were found in words."""

    channels: list[ChannelBouts]
    description: str


def not_applicable(session: Session) -> str | None:
    """Say why a file has no bouts to look for, or None."""
    return None if list_ephys(session) else "The file holds no electrophysiology."


def compute(session: Session, params: BoutsParams, context: StageContext) -> FoundBouts:
    """Find the bouts in the envelope of every channel."""
    found = []
    for channel in join_channels(read_amplitudes(session)):
        bouts = detect_bouts(channel.values, channel.times_s, **params.model_dump())
        found.append(
            ChannelBouts(
                channel.name, bouts.start_s, bouts.stop_s, bouts.peak_s, bouts.peak_amplitude
            )
        )
    context.remarks.append(", ".join(f"{part.channel}: {len(part.start_s)}" for part in found))
    context.progress(1, 1)
    return FoundBouts(
        found,
        f"Bouts of the band-passed oscillation: envelope above median + {params.edge_sd:g} SD, "
        f"once above median + {params.peak_sd:g} SD, {params.min_duration_s:g} s or longer.",
    )


def write(writer: SessionWriter, result: FoundBouts) -> None:
    """Write the bouts as intervals."""
    write_bouts(writer, result.channels, description=result.description)
