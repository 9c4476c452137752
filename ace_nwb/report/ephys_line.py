"""One ephys channel over a span of time, for pictures that show it below the traces."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ace_nwb.nwb.content.ephys import list_analysed, list_ephys
from ace_nwb.nwb.session import Session


@dataclass(frozen=True)
class Line:
    """A signal over time for the overview picture, shape (sample,)."""

    name: str
    times_s: np.ndarray
    values: np.ndarray
    unit: str


def read_ephys_line(
    session: Session, span_s: tuple[float, float], channel: str | None = None
) -> Line | None:
    """Return one ephys channel within a span of time.

    If none is named, it is the first of field potentials. Stretches of the channel are joined, with
    NaN between them.
    """
    times_s, volts = [], []
    recorded = list_ephys(session)
    preferred = next(iter([*list_analysed(session)[0], *recorded]), None)
    if channel is None and preferred is not None:
        channel = preferred.channel_names[0]
    for series in recorded:
        first, last = _sample_range(series, span_s)
        if channel not in series.channel_names or last - first < 2:
            continue
        index = series.channel_names.index(channel)
        times_s += [series.times(first, last), series.times(last - 1, last)]
        volts += [series.read(first, last, channels=[index])[:, 0], np.full(1, np.nan)]
    if channel is None or not times_s:
        return None
    return Line(channel, np.concatenate(times_s), 1e6 * np.concatenate(volts), "µV")


def _sample_range(series: Any, span_s: tuple[float, float]) -> tuple[int, int]:
    """Return the first and one past the last sample of a series inside a span of time."""
    if series.is_regular:
        bounds = (np.asarray(span_s) - series.start_s) * series.rate_hz
        first, last = np.clip(np.ceil(bounds), 0, series.n_samples).astype(int)
        return int(first), int(last)
    first, last = np.searchsorted(series.times(), span_s)
    return int(first), int(last)
