"""Recorded electrophysiology of a session file, read lazily in volts; what of it is analysed."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.series import read_times
from ace_nwb.nwb.objects.columns import decode_texts, read_columns
from ace_nwb.nwb.reading import Session

_CONTAINER_DEPTH = 3  # /processing/ecephys/LFP: one step below its module
_NAME_COLUMNS = ("channel_name", "label", "channel_id")

NOT_ANALYSED = ("DC", "auxiliary", "EMG")
"""Kinds of channels that hold no field potential; stages take them only by name."""

_PREFERENCE = ("LFP", "", "wide-band")
"""Of series that recorded the same channels at once, the first of these kinds is analysed: a band
that the hardware filtered for field potentials has a lower rate and less noise."""


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
    kinds
        "LFP", "wide-band", "DC", "auxiliary", "EMG", or "" where nothing says, of each channel.
    is_outranked
        Whether another stream recorded the same channels at once, of a kind that is preferred.
    """

    path: str
    channel_names: tuple[str, ...]
    rate_hz: float
    start_s: float
    n_samples: int
    _series: Any = field(repr=False, compare=False)
    kinds: tuple[str, ...] = ()
    is_outranked: bool = False

    @property
    def name(self) -> str:
        """Name of the series, with that of the container that another program put it into."""
        container, _, name = self.path.rpartition("/")
        if container.count("/") < _CONTAINER_DEPTH:
            return name
        return container.rpartition("/")[2] + name.removeprefix("ElectricalSeries")

    @property
    def stop_s(self) -> float:
        """Time after the last sample, session clock, seconds."""
        return self.start_s + self.n_samples / self.rate_hz

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
    """Return every recorded electrical series in the order of names and times.

    Field potentials that another program has derived (containers of type LFP) are among them.

    Channels that two streams recorded at once under one name (AC and DC of an amplifier) are named
    by stream and name, "RHS2116DC/RHS2116_0", but for those of the stream that is analysed.
    """
    kinds = _read_series_kinds(session)
    kinds |= dict.fromkeys(_list_derived(session), "LFP")
    paths = [*session.members("/acquisition", kind="ElectricalSeries"), *_list_derived(session)]
    found = [describe_series(path, session.get(path), kind=kinds.get(path, "")) for path in paths]
    return sorted(
        _name_apart(found), key=lambda series: (series.channel_names, series.start_s, series.path)
    )


def _list_derived(session: Session) -> list[str]:
    """Return the paths of the series in containers of field potentials."""
    modules = session.members("/processing", kind="ProcessingModule")
    containers = [one for module in modules for one in session.members(module, kind="LFP")]
    return [p for one in containers for p in session.members(one, kind="ElectricalSeries")]


def list_analysed(session: Session) -> tuple[list[EphysSeries], list[str]]:
    """Return the series that hold field potentials, and why others are left out, in sentences."""
    kept, left_out = [], {}
    for series in list_ephys(session):
        kinds = set(series.kinds)
        if kinds and kinds <= set(NOT_ANALYSED):
            left_out[_stream_label(series)] = f"{'/'.join(sorted(kinds))}, no field potential"
        elif series.is_outranked:
            left_out[_stream_label(series)] = "its channels have a series of field potentials"
        else:
            kept.append(series)
    return kept, [
        f"ElectricalSeries{label} is left out ({why})." for label, why in left_out.items()
    ]


def describe_series(path: str, series: Any, *, kind: str = "") -> EphysSeries:
    """Return what is known of a series without reading its samples.

    Parameters
    ----------
    path, series
        The series.
    kind
        Of all its channels, if the recording says so.
    """
    n_samples = len(series.data)
    if series.timestamps is None:
        rate, start = float(series.rate), float(series.starting_time or 0.0)
    else:
        times = read_times(series)
        rate = float(1.0 / np.median(np.diff(times))) if n_samples > 1 else float("nan")
        start = float(times[0]) if n_samples else float("nan")
    names = _channel_names(series)
    stated = _electrode_texts(series, "kind") or ("",) * len(names)
    kinds = tuple(kind if kind in NOT_ANALYSED else one or kind for one in stated)
    return EphysSeries(path, names, rate, start, n_samples, series, kinds)


def _read_series_kinds(session: Session) -> dict[str, str]:
    """Return the kinds of series that the recording stated: path -> kind."""
    if not session.has(layout.SERIES_KINDS):
        return {}
    columns = read_columns(session.get(layout.SERIES_KINDS))
    return {
        str(path): str(kind) for path, kind in zip(columns["series"], columns["kind"], strict=True)
    }


def _name_apart(found: Iterable[EphysSeries]) -> list[EphysSeries]:
    """Return the series, channels named so that no two streams have one at once."""
    streams = _group_streams(found)
    qualified, outranked = set(), set()
    for one, other in combinations(streams, 2):
        if _share_channels(streams[one], streams[other]):
            ranks = {label: _rank(streams[label]) for label in (one, other)}
            later = {label for label in ranks if ranks[label] == max(ranks.values())}
            qualified |= later
            outranked |= later if len(later) == 1 else set()
    return [
        _qualify(series, label, is_outranked=label in outranked) if label in qualified else series
        for label, stream in streams.items()
        for series in stream
    ]


def _group_streams(found: Iterable[EphysSeries]) -> dict[str, list[EphysSeries]]:
    """Return label -> series of each stream in order of time: stretches of one never overlap."""
    by_label: dict[str, list[EphysSeries]] = {}
    for series in sorted(found, key=lambda one: one.start_s):
        by_label.setdefault(_stream_label(series), []).append(series)
    streams: dict[str, list[EphysSeries]] = {}
    for label, stream in by_label.items():
        is_one = all(not _overlap(a, b) for a, b in pairwise(stream))
        streams |= {label: stream} if is_one else {series.name: [series] for series in stream}
    return streams


def _share_channels(one: list[EphysSeries], other: list[EphysSeries]) -> bool:
    """Return whether two streams recorded channels of the same name at once."""
    names = [
        {name for series in stream for name in series.channel_names} for stream in (one, other)
    ]
    return not names[0].isdisjoint(names[1]) and any(_overlap(a, b) for a in one for b in other)


def _overlap(one: EphysSeries, other: EphysSeries) -> bool:
    """Return whether two series overlap by more than a sample."""
    shared_s = min(one.stop_s, other.stop_s) - max(one.start_s, other.start_s)
    return shared_s > 1 / min(one.rate_hz, other.rate_hz)


def _rank(stream: list[EphysSeries]) -> int:
    """Return how late the kind of a stream stands among those that may be analysed."""
    kinds = {kind for series in stream for kind in series.kinds}
    return min(
        (_PREFERENCE.index(kind) for kind in kinds if kind in _PREFERENCE),
        default=len(_PREFERENCE),
    )


def _stream_label(series: EphysSeries) -> str:
    """Return what the series of a stream share: their name without the number of the stretch."""
    return series.name.removeprefix("ElectricalSeries").rstrip("0123456789")


def _qualify(series: EphysSeries, label: str, *, is_outranked: bool) -> EphysSeries:
    """Name the channels by stream and name."""
    names = tuple(f"{label or series.name}/{name}" for name in series.channel_names)
    return replace(series, channel_names=names, is_outranked=is_outranked)


def _channel_names(series: Any) -> tuple[str, ...]:
    """Return the names of the channels, or their electrode numbers."""
    for column in _NAME_COLUMNS:
        if names := _electrode_texts(series, column):
            return names
    table, rows = series.electrodes.table, series.electrodes.data[:]
    return tuple(str(table.id[row]) for row in rows)


def _electrode_texts(series: Any, column: str) -> tuple[str, ...]:
    """Return a column of the electrodes of a series; nothing if there is no such column."""
    table, rows = series.electrodes.table, series.electrodes.data[:]
    if column not in table.colnames:
        return ()
    texts = decode_texts(np.asarray(table[column].data[:]))
    return tuple(str(texts[row]) for row in rows)
