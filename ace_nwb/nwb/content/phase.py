"""Band-passed ephys and the phases of events in a session file."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.ephys import EphysSeries, describe_series, list_ephys
from ace_nwb.nwb.content.series import write_series
from ace_nwb.nwb.editing import SessionWriter
from ace_nwb.nwb.objects.columns import read_columns
from ace_nwb.nwb.objects.writing import create_column, region
from ace_nwb.nwb.reading import Session

_COLUMNS = {
    "roi": "The ROI whose events were taken.",
    "channel": "The ephys channel whose phase was taken.",
    "events": "The table of events.",
    "n_events": "Number of events at which the channel has a phase.",
    "preferred_phase": "Direction of the mean vector, radians, 0 at the peak of the oscillation.",
    "vector_length": "Length of the mean vector, 0 (spread) to 1 (all at one phase).",
    "rayleigh_p": "Probability of so long a vector if phases were uniform.",
    "pairwise_phase_consistency": "Squared locking, unbiased at few events (Vinck et al. 2010).",
}


@dataclass(frozen=True)
class EventPhase:
    """One row per ROI, channel and events table; every column has shape (row,)."""

    roi: np.ndarray
    channel: np.ndarray
    events: np.ndarray
    n_events: np.ndarray
    preferred_phase: np.ndarray
    vector_length: np.ndarray
    rayleigh_p: np.ndarray
    pairwise_phase_consistency: np.ndarray

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[object, ...]]) -> "EventPhase":
        """Build the columns from rows in the order of the fields."""
        columns = list(zip(*rows, strict=True)) or [()] * len(_COLUMNS)
        return cls(*(np.array(column) for column in columns))


def write_filtered_ephys(
    writer: SessionWriter,
    path: str,
    volts: np.ndarray,
    *,
    source: str,
    description: str,
    rate_hz: float,
    start_s: float,
) -> str:
    """Write a band-passed stretch of the channels of an ephys series.

    Parameters
    ----------
    path
        "/processing/<module>/<name>"; an old series is replaced.
    volts
        Shape (sample, channel), the channels of the source in its order.
    source
        Path of the recorded series.
    description
        Band and method.
    rate_hz, start_s
        Samples per second and time of the first sample, session clock, seconds.
    """
    writer.remove([path])
    recorded = writer.node(source)["electrodes"]
    electrodes = region(writer.h5[recorded.attrs["table"]], recorded[:])
    write_series(
        writer,
        path,
        volts.astype(np.float32),
        kind="ElectricalSeries",
        unit="volts",
        description=description,
        rate_hz=rate_hz,
        start_s=start_s,
    )
    text = "The electrodes of the recorded series."
    create_column(writer.h5[path], "electrodes", text, electrodes)
    return path


def filtered_path(series: EphysSeries) -> str:
    """Return where the band-passed stretch of a recorded series stands."""
    return f"/processing/ecephys/EphysFiltered{series.name.removeprefix('ElectricalSeries')}"


def list_filtered_ephys(session: Session) -> list[EphysSeries]:
    """Return the band-passed stretches of the recorded series, channel by channel in time."""
    return [
        replace(
            describe_series(path, session.get(path)),
            channel_names=series.channel_names,
            kinds=series.kinds,
        )
        for series in list_ephys(session)
        if session.has(path := filtered_path(series))
    ]


def write_event_phase(writer: SessionWriter, phases: EventPhase) -> str:
    """Write the preferred phases, replacing those of an earlier run."""
    writer.remove([layout.EVENT_PHASE])
    columns: dict[str, tuple[str, Any]] = {
        name: (_COLUMNS[name], column) for name, column in asdict(phases).items()
    }
    table = writer.node(layout.PLANE_SEGMENTATION)
    columns["roi"] = (_COLUMNS["roi"], region(table, phases.roi))
    text = "Phase of ephys channels at the calcium events of each ROI."
    writer.create_table(layout.EVENT_PHASE, text, columns)
    return layout.EVENT_PHASE


def read_event_phase(session: Session) -> EventPhase:
    """Return the preferred phases; no rows if there are none."""
    table = session.find(layout.EVENT_PHASE)
    if table is None:
        return EventPhase.from_rows([])
    columns = dict(read_columns(table))
    columns["roi"] = np.asarray(table["roi"].data[:])
    return EventPhase(**{name: columns[name] for name in _COLUMNS})
