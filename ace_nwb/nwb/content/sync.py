"""The alignment of the camera's clock to the session clock in a session file.

Before the first alignment all series of the device carry device time; writing an alignment keeps
those times in `DeviceTime...` series, and reading device times prefers them, so that an alignment
can be repeated.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import h5py
import numpy as np

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.series import read_times, write_series
from ace_nwb.nwb.editing import SessionWriter
from ace_nwb.nwb.history import read_runs
from ace_nwb.nwb.objects.columns import Columns, read_columns
from ace_nwb.nwb.objects.links import is_within
from ace_nwb.nwb.reading import Session

DEVICE_TIME_COLUMN = "device_time_s"
"""Column of an aligned events table with the device's own times."""


_WRITTEN = (
    layout.CLOCK_FIT,
    layout.LOW_CONFIDENCE,
    layout.REGULAR_SERIES,
    layout.CORRECTIONS,
)
_TABLE_TEXTS = {
    layout.CLOCK_FIT: "Map from the device's clock to the session clock, and how well it holds.",
    layout.REGULAR_SERIES: "Series that had a rate in place of time stamps before alignment.",
    layout.CORRECTIONS: "Corrections by hand that the alignment obeyed, with reason and author.",
}
_SCOPE_CLOCK = "of the scope's clock"
"""What conversion says of times in descriptions."""
_ALIGNED = ", aligned to the session clock"
"""What an alignment adds to it."""
_BY_CONVERTER = "aligned by the converter"
"""In the description of a movie whose times somebody set before it was written."""

_DEVICE_LINE = f"times {_SCOPE_CLOCK}"
_DEVICE_KINDS = ("OnePhotonSeries", "TwoPhotonSeries", "ImageSeries")


@dataclass(frozen=True)
class StoredAlignment:
    """What an alignment found, ready to be stored.

    Parameters
    ----------
    times_s
        Path of each series or events table of the device -> its new times, session clock, s.
    ledger
        Columns to add to the frame ledger, one value per row.
    fit
        Columns of the clock fit, one row per pair of clocks or stretch of recording.
    low_confidence_s
        Shape (n, 2): start and stop of stretches in which times are doubtful.
    zero_shift_s
        How far the zero of the session clock moves: the former zero read on the new clock.
    low_confidence
        Further columns of those stretches, such as their frames and the reason.
    corrections
        Columns of the corrections by hand that were obeyed; empty if there are none.
    regular
        Path of each camera that has a rate only -> its rate (Hz) and first time (s) on the
        session clock.
    """

    times_s: Mapping[str, np.ndarray]
    ledger: Columns
    fit: Columns
    low_confidence_s: np.ndarray
    zero_shift_s: float = 0.0
    low_confidence: Columns = field(default_factory=dict)
    corrections: Columns = field(default_factory=dict)
    regular: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def read_ledger(session: Session) -> dict[str, np.ndarray]:
    """Return the columns of the frame ledger by name, one value per captured frame."""
    return dict(read_columns(session.get(layout.FRAME_LEDGER)))


def device_time_path(series_path: str) -> str:
    """Return where the device times of an aligned series are kept."""
    if series_path == layout.MOVIE:
        return layout.DEVICE_TIME
    return f"{layout.DEVICE_TIME}{series_path.rpartition('/')[2]}"


def read_device_times(session: Session, path: str) -> np.ndarray:
    """Return the device's own times of a series or events table, seconds.

    These are the kept ones if the file has been aligned before, else those it has now.
    """
    found = session.get(path)
    if hasattr(found, "colnames"):
        name = DEVICE_TIME_COLUMN if DEVICE_TIME_COLUMN in found.colnames else "timestamp"
        return np.asarray(found[name].data[:], np.float64)
    kept = session.find(device_time_path(path))
    return read_times(found) if kept is None else np.asarray(kept.data[:], np.float64)


def list_device_series(session: Session) -> list[str]:
    """Return the paths of everything on the clock of the movie's device.

    These are movies and cameras, what lies in `behavior` with times of its own, notes, control
    changes, and digital inputs read with the frames: Miniscope programs stamp them all with one
    clock. Left out are series that only link to the times of another, and those that the recorder
    stamped with another clock than the movie, and those that others have added since.
    """
    paths: list[str] = []
    for group in ("/acquisition", "/processing/behavior"):
        members = session.h5[group] if session.has(group) else {}
        for name, series in members.items():
            paths += _timed_within(f"{group}/{name}", series)
    paths += [f"{layout.EVENTS}/{name}" for name in ("Notes", "ControlChanges")]
    paths += [f"{layout.EVENTS}/{name}" for name in list_device_lines(session)]
    foreign = _other_clocks(session)
    paths = [path for path in paths if session.has(path) and path not in foreign]
    return [path for path in paths if _is_converted(session, path)]


def list_foreign_series(session: Session) -> list[str]:
    """Return the series with times of their own that others have put beside ours.

    On which clock they are is not known: an alignment leaves them as they are.
    """
    members = session.h5["/processing/behavior"] if session.has("/processing/behavior") else {}
    paths = [f"/processing/behavior/{name}" for name in members]
    timed = [path for top in paths for path in _timed_within(top, session.h5[top])]
    return [path for path in timed if not _is_converted(session, path)]


def _is_converted(session: Session, path: str) -> bool:
    """Return whether the conversion has written something; older files do not tell: all then."""
    written = [run.outputs for run in read_runs(session) if run.stage == "convert"]
    known = set(written[-1]) if written else set()
    return layout.FRAME_LEDGER not in known or is_within(path, known)


def read_regular_cameras(session: Session) -> dict[str, tuple[float, float]]:
    """Return the cameras in files of their own that have a rate only: path -> (rate, start).

    Both are of the device clock, also after an alignment. How many frames there are stands in the
    camera's own files.
    """
    found = {}
    for name, series in (session.h5["/acquisition"] if session.has("/acquisition") else {}).items():
        is_external = str(series.attrs.get("neurodata_type")) == "ImageSeries"
        start = series.get("starting_time") if is_external else None
        if start is not None and not len(series["data"]):
            found[f"/acquisition/{name}"] = (float(start.attrs["rate"]), float(start[()]))
    kept = _regular_series(session, ())
    values = zip(*(column for _, column in kept.values()), strict=True) if kept else ()
    before = {str(path): (float(rate), float(start)) for path, rate, start in values}
    foreign = _other_clocks(session)
    return {path: before.get(path, now) for path, now in found.items() if path not in foreign}


def list_device_lines(session: Session) -> list[str]:
    """Return the names of the TTL lines that the scope itself read, on the scope's clock."""
    tables = map(session.get, session.members(layout.EVENTS, kind="EventsTable"))
    return [
        table.name
        for table in tables
        if "level" in table.colnames and _DEVICE_LINE in table.description
    ]


def read_clock_facts(session: Session) -> dict[str, tuple[str, float]]:
    """Return path of series -> (name of the clock that stamped it, its counts per second)."""
    if not session.has(layout.CLOCK_FACTS):
        return {}
    facts = read_columns(session.get(layout.CLOCK_FACTS))
    rows = zip(facts["series"], facts["clock"], facts["rate_hz"], strict=True)
    return {str(series): (str(clock), float(rate)) for series, clock, rate in rows}


def _other_clocks(session: Session) -> set[str]:
    """Return the series that are stamped by another clock than the movie's."""
    facts = read_clock_facts(session)
    own = facts.get(layout.MOVIE, ("", 0.0))[0]
    return {path for path, (clock, _) in facts.items() if clock != own}


def _timed_within(path: str, group: h5py.Group) -> list[str]:
    """Return the paths of the series at or below a group that hold times of their own."""
    kind = str(group.attrs.get("neurodata_type"))
    if kind == "ElectricalSeries":
        return []
    is_device = path.startswith("/processing/behavior/") or kind in _DEVICE_KINDS
    found = []
    for name, child in group.items():
        is_own = name == "timestamps" and isinstance(group.get(name, getlink=True), h5py.HardLink)
        if is_own or (name == "starting_time" and is_device and len(group["data"])):
            found.append(path)
        elif isinstance(child, h5py.Group):
            found += _timed_within(f"{path}/{name}", child)
    return found


def was_aligned_by_converter(session: Session) -> bool:
    """Return whether the movie got its times in a converter, so that the device's are not kept."""
    movie = session.find(layout.MOVIE)
    return movie is not None and _BY_CONVERTER in str(movie.description)


def find_unaligned(session: Session) -> list[str]:
    """Return the ephys series whose clock is not that of the movie, where none was aligned.

    They share one reference time, so that every reader would take their times for simultaneous.
    Which clock a series is on is known only in files that we converted: they have a ledger.
    """
    is_ours = bool(session.has(layout.FRAME_LEDGER) and session.has(layout.MOVIE))
    if not is_ours or session.has(layout.CLOCK_FIT) or was_aligned_by_converter(session):
        return []
    facts = read_clock_facts(session)
    own = facts.get(layout.MOVIE, (None, 0.0))[0]
    series = session.members("/acquisition", kind="ElectricalSeries")
    return [path for path in series if own is None or facts.get(path, ("", 0.0))[0] != own]


def write_alignment(writer: SessionWriter, alignment: StoredAlignment) -> list[str]:
    """Store an alignment: new times, the device times beside them, the fit, doubtful stretches.

    Returns
    -------
        The paths written.
    """
    device_times = {path: read_device_times(writer, path) for path in alignment.times_s}
    is_table = {path: hasattr(writer.get(path), "colnames") for path in device_times}
    regular = _regular_series(writer, [*device_times, *alignment.regular])
    reference = writer.start_time - timedelta(seconds=alignment.zero_shift_s)
    writer.remove([*_WRITTEN, *map(device_time_path, device_times)])
    writer.set_columns(layout.FRAME_LEDGER, alignment.ledger)
    for path, times_s in alignment.times_s.items():
        writer.replace_timestamps(path, times_s)
        _say_aligned(writer, path, is_aligned=True)
        if is_table[path]:
            column = (_describe_kept(path), device_times[path])
            writer.set_columns(path, {DEVICE_TIME_COLUMN: column})
    for path, (rate_hz, start_s) in alignment.regular.items():
        writer.set_regular_times(path, rate_hz=rate_hz, start_s=start_s)
    writer.set_reference_time(reference)
    series = [path for path in device_times if not is_table[path]]
    written = [_keep_device_times(writer, path, device_times[path]) for path in series]
    _write_table(writer, layout.CLOCK_FIT, alignment.fit)
    _write_table(writer, layout.REGULAR_SERIES, regular)
    _write_table(writer, layout.CORRECTIONS, alignment.corrections)
    if len(alignment.low_confidence_s):
        written.append(_write_low_confidence(writer, alignment))
    return [layout.CLOCK_FIT, *written]


def undo_alignment(writer: SessionWriter, ledger_columns: Iterable[str]) -> list[str]:
    """Give every series of the device its own times back, and remove what the alignment wrote.

    Parameters
    ----------
    writer
        The session.
    ledger_columns
        Columns that the alignment added to the frame ledger.

    Returns
    -------
        The paths whose times were given back.
    """
    paths = [path for path in list_device_series(writer) if _is_aligned(writer, path)]
    device_times = {path: read_device_times(writer, path) for path in paths}
    regular = _regular_series(writer, ())
    reference = writer.start_time
    for path, times_s in device_times.items():
        if DEVICE_TIME_COLUMN in writer.h5[path]:
            writer.remove_columns(path, [DEVICE_TIME_COLUMN])
        writer.replace_timestamps(path, times_s)
        _say_aligned(writer, path, is_aligned=False)
    if regular:
        for row in zip(*(values for _, values in regular.values()), strict=True):
            writer.set_regular_times(str(row[0]), rate_hz=float(row[1]), start_s=float(row[2]))
    writer.remove_columns(layout.FRAME_LEDGER, ledger_columns)
    writer.set_reference_time(reference)
    writer.remove([*_WRITTEN, *(device_time_path(path) for path in paths)])
    return paths


def _say_aligned(writer: SessionWriter, path: str, *, is_aligned: bool) -> None:
    """Let the description of a series or table say which clock its times are of now."""
    attributes = writer.h5[path].attrs
    text = str(attributes.get("description", ""))
    plain = text.replace(_SCOPE_CLOCK + _ALIGNED, _SCOPE_CLOCK)
    said = plain.replace(_SCOPE_CLOCK, _SCOPE_CLOCK + _ALIGNED) if is_aligned else plain
    if said != text:
        attributes["description"] = said


def _is_aligned(session: Session, path: str) -> bool:
    """Return whether a series or events table has been moved."""
    return session.has(device_time_path(path)) or DEVICE_TIME_COLUMN in session.h5[path]


def _regular_series(session: Session, paths: Iterable[str]) -> dict[str, tuple[str, list[Any]]]:
    """Return the device series that had a rate in place of time stamps, also those moved before."""
    rows: list[tuple[str, float, float]] = []
    if session.has(layout.REGULAR_SERIES):
        kept = read_columns(session.get(layout.REGULAR_SERIES))
        rows = list(zip(kept["series"], kept["rate_hz"], kept["starting_time_s"], strict=True))
    for path in paths:
        start = session.h5[path].get("starting_time")
        if start is not None:
            rows.append((path, float(start.attrs["rate"]), float(start[()])))
    if not rows:
        return {}
    series, rates, starts = (list(values) for values in zip(*rows, strict=True))
    return {
        "series": ("Path of the series.", series),
        "rate_hz": ("Samples per second of the device clock.", rates),
        "starting_time_s": ("Device time of the first sample, s.", starts),
    }


def read_clock_fit(session: Session) -> dict[str, np.ndarray]:
    """Return the columns of the clock fit by name."""
    return dict(read_columns(session.get(layout.CLOCK_FIT)))


def read_low_confidence(session: Session) -> np.ndarray:
    """Return the doubtful stretches, shape (n, 2), start and stop in seconds."""
    table = session.find(layout.LOW_CONFIDENCE)
    if table is None:
        return np.zeros((0, 2))
    return np.stack([table["start_time"].data[:], table["stop_time"].data[:]], axis=1)


def _describe_kept(path: str) -> str:
    return f"Times of {path} on the device's own clock, before alignment, seconds."


def _keep_device_times(writer: SessionWriter, path: str, times_s: np.ndarray) -> str:
    """Keep the device times of a series beside its new ones."""
    return write_series(
        writer,
        device_time_path(path),
        times_s,
        unit="seconds",
        description=_describe_kept(path),
        timestamps_from=path,
    )


def _write_table(writer: SessionWriter, path: str, columns: Columns) -> None:
    """Write a table of the alignment, if it has columns."""
    if columns:
        writer.create_table(path, _TABLE_TEXTS[path], columns)


def _write_low_confidence(writer: SessionWriter, alignment: StoredAlignment) -> str:
    """Write the stretches in which times are doubtful."""
    stretches = alignment.low_confidence_s
    if np.any(stretches[:, 1] < stretches[:, 0]):
        raise SessionFileError("a stretch of low confidence stops before it starts")
    columns = {
        "start_time": ("Start time of epoch, in seconds", stretches[:, 0]),
        "stop_time": ("Stop time of epoch, in seconds", stretches[:, 1]),
        **alignment.low_confidence,
    }
    text = "Stretches in which the aligned times are doubtful."
    writer.create_table(layout.LOW_CONFIDENCE, text, columns, kind="TimeIntervals")
    return layout.LOW_CONFIDENCE
