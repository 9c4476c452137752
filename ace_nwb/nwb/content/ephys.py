"""Recorded electrophysiology of a session file, read lazily in volts."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ace_nwb.nwb.content.series import read_times
from ace_nwb.nwb.objects.columns import decode_texts
from ace_nwb.nwb.session import Session

_NAME_COLUMNS = ("channel_name", "label", "channel_id")


@dataclass(frozen=True)
class EphysSeries:
    """Gap-free or explicitly timed samples of one or more channels.

    Parameters
    ----------
    path
        Path of the series.
    channel_names
        As the source calls them.
    rate_hz
        Samples per second.
    start_s
        Time of the first sample, session clock, seconds.
    n_samples
        Samples per channel.
    """

    path: str
    channel_names: tuple[str, ...]
    rate_hz: float
    start_s: float
    n_samples: int
    _series: Any = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """Name of the series."""
        return self.path.rpartition("/")[2]

    @property
    def is_regular(self) -> bool:
        """Whether the samples are evenly spaced."""
        return self._series.timestamps is None

    @property
    def electrode_rows(self) -> tuple[int, ...]:
        """Row of the electrodes table of each channel."""
        return tuple(int(row) for row in self._series.electrodes.data[:])

    def times(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return the times of samples start..stop, session clock, seconds."""
        start, stop, _ = slice(start, stop).indices(self.n_samples)
        if self.is_regular:
            return self.start_s + np.arange(start, stop) / self.rate_hz
        return np.asarray(self._series.timestamps[start:stop], np.float64)

    def read(
        self, start: int = 0, stop: int | None = None, channels: slice | list[int] = slice(None)
    ) -> np.ndarray:
        """Return samples start..stop in volts, shape (sample, channel), float64."""
        series = self._series
        block = np.asarray(series.data[start:stop]).reshape(-1, len(self.channel_names))
        volts = block[:, channels] * float(series.conversion) + float(series.offset or 0.0)
        if series.channel_conversion is not None:
            volts *= np.asarray(series.channel_conversion[:])[channels]
        return volts


def list_ephys(session: Session) -> list[EphysSeries]:
    """Return every recorded electrical series in the order of names and times."""
    found = [
        describe_series(path, session.get(path))
        for path in session.members("/acquisition", kind="ElectricalSeries")
    ]
    return sorted(found, key=lambda series: (series.channel_names, series.start_s, series.path))


def describe_series(path: str, series: Any) -> EphysSeries:
    """Return what is known of a series without reading its samples."""
    n_samples = len(series.data)
    if series.timestamps is None:
        rate, start = float(series.rate), float(series.starting_time or 0.0)
    else:
        times = read_times(series)
        rate = float(1.0 / np.median(np.diff(times))) if n_samples > 1 else float("nan")
        start = float(times[0]) if n_samples else float("nan")
    return EphysSeries(path, _channel_names(series), rate, start, n_samples, series)


def _channel_names(series: Any) -> tuple[str, ...]:
    """Return the names of the channels, or their electrode numbers."""
    table, rows = series.electrodes.table, series.electrodes.data[:]
    for column in _NAME_COLUMNS:
        if column in table.colnames:
            names = decode_texts(np.asarray(table[column].data[:]))
            return tuple(str(names[row]) for row in rows)
    return tuple(str(table.id[row]) for row in rows)
