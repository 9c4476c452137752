"""Artefacts of ephys channels in a session file: intervals that refer to the recorded samples."""

from dataclasses import dataclass

import h5py
import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.ephys import EphysSeries
from ace_nwb.nwb.editing import SessionWriter
from ace_nwb.nwb.objects.columns import Columns, decode_texts
from ace_nwb.nwb.objects.writing import stretches
from ace_nwb.nwb.reading import Session


@dataclass(frozen=True)
class ChannelArtifacts:
    """Artefacts of one channel of a series: start and stop samples, shape (artefact, 2)."""

    series: EphysSeries
    channel: str
    samples: np.ndarray

    @property
    def times_s(self) -> np.ndarray:
        """Time of the first sample, and of the end of the last one, session clock, seconds."""
        if self.series.is_regular:
            return self.series.start_s + self.samples / self.series.rate_hz
        times_s = [
            (self.series.times(start, start + 1)[0], self.series.times(stop - 1, stop)[0])
            for start, stop in self.samples
        ]
        length_s = np.array([0.0, 1 / self.series.rate_hz])
        return np.array(times_s, float).reshape(-1, 2) + length_s


def write_artifacts(
    writer: SessionWriter, found: list[ChannelArtifacts], *, description: str
) -> str:
    """Write the artefacts of all channels in the order of their times; nothing if there are none.

    Parameters
    ----------
    writer
        The session.
    found
        Artefacts by channel.
    description
        How they were found.
    """
    writer.remove([layout.EPHYS_ARTIFACTS])
    rows = [
        (time_s[0], time_s[1], part.channel, samples, part.series.path)
        for part in found
        for time_s, samples in zip(part.times_s, part.samples, strict=True)
    ]
    if not rows:
        return layout.EPHYS_ARTIFACTS
    rows.sort(key=lambda row: (row[0], row[2]))
    references = [
        (int(start), int(stop - start), writer.node(path)) for *_, (start, stop), path in rows
    ]
    write_intervals(
        writer,
        layout.EPHYS_ARTIFACTS,
        np.array([row[:2] for row in rows], float),
        columns={"channel": ("Channel that is spoilt.", [row[2] for row in rows])},
        references=references,
        description=description,
    )
    return layout.EPHYS_ARTIFACTS


def write_intervals(
    writer: SessionWriter,
    path: str,
    intervals_s: np.ndarray,
    *,
    columns: Columns,
    references: list[tuple[int, int, h5py.Group]],
    description: str,
) -> None:
    """Write intervals of a processing module with the samples that they are made of.

    Parameters
    ----------
    path
        "/processing/<module>/<name>".
    intervals_s
        Start and stop, shape (interval, 2), session clock, seconds, ascending.
    columns
        Further columns: name -> (description, values).
    references
        First sample, number of samples and series of each interval.
    description
        How they were found.
    """
    described = {
        "start_time": ("Time of the first sample, s.", intervals_s[:, 0]),
        "stop_time": ("Time of the end, s.", intervals_s[:, 1]),
        **columns,
        "timeseries": ("The samples.", stretches(references)),
    }
    writer.create_table(path, description, described, kind="TimeIntervals")


def read_artifacts(session: Session) -> dict[tuple[str, str], np.ndarray]:
    """Return the artefacts: (path of the series, channel) -> samples, shape (artefact, 2)."""
    table = session.find(layout.EPHYS_ARTIFACTS)
    if table is None:
        return {}
    channels = decode_texts(np.asarray(table["channel"].data[:])).tolist()
    samples_of = session.read_references(layout.EPHYS_ARTIFACTS, "timeseries")
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for channel, (start, count, path) in zip(channels, samples_of, strict=True):
        found.setdefault((path, channel), []).append((start, start + count))
    return {key: np.array(sorted(samples), np.intp) for key, samples in found.items()}
