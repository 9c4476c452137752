"""Bouts of an oscillation in a session file: intervals that refer to the filtered samples."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.artifacts import write_intervals
from ace_nwb.nwb.content.phase import list_filtered_ephys
from ace_nwb.nwb.editing import SessionWriter
from ace_nwb.nwb.objects.columns import decode_texts
from ace_nwb.nwb.reading import Session


@dataclass(frozen=True)
class ChannelBouts:
    """Bouts of one channel, ascending, arrays of shape (bout,); times on the session clock."""

    channel: str
    start_s: np.ndarray
    stop_s: np.ndarray
    peak_s: np.ndarray
    peak_amplitude_v: np.ndarray


def write_bouts(writer: SessionWriter, found: list[ChannelBouts], *, description: str) -> str:
    """Write the bouts of all channels in the order of their times; nothing if there are none.

    Parameters
    ----------
    writer
        The session.
    found
        Bouts by channel.
    description
        How they were found.
    """
    writer.remove([layout.OSCILLATION_BOUTS])
    rows = sorted(
        (start, stop, peak, amplitude, part.channel)
        for part in found
        for start, stop, peak, amplitude in zip(
            part.start_s, part.stop_s, part.peak_s, part.peak_amplitude_v, strict=True
        )
    )
    if not rows:
        return layout.OSCILLATION_BOUTS
    stretches = list_filtered_ephys(writer)
    references = []
    for start, stop, *_, channel in rows:
        # A bout lies within one stretch; the last that begins before it and holds the channel.
        series = max(
            (s for s in stretches if channel in s.channel_names and s.start_s <= start + 1e-9),
            key=lambda s: s.start_s,
        )
        first = round((start - series.start_s) * series.rate_hz)
        count = round((stop - start) * series.rate_hz) + 1
        references.append((first, count, writer.node(series.path)))
    columns = {
        "channel": ("Channel with the bout.", [row[4] for row in rows]),
        "peak_time": ("Time of the greatest amplitude, s.", np.array([row[2] for row in rows])),
        "peak_amplitude": ("Greatest amplitude, volts.", np.array([row[3] for row in rows])),
    }
    write_intervals(
        writer,
        layout.OSCILLATION_BOUTS,
        np.array([row[:2] for row in rows], float),
        columns=columns,
        references=references,
        description=description,
    )
    return layout.OSCILLATION_BOUTS


def read_bouts(session: Session) -> dict[str, np.ndarray]:
    """Return the bouts: channel -> start and stop, shape (bout, 2), seconds."""
    table = session.find(layout.OSCILLATION_BOUTS)
    if table is None:
        return {}
    channels = decode_texts(np.asarray(table["channel"].data[:]))
    bounds = np.column_stack([table["start_time"].data[:], table["stop_time"].data[:]])
    return {str(name): bounds[channels == name] for name in np.unique(channels)}
