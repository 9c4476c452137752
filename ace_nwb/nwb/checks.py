"""What pynwb and the NWB Inspector do not check: lengths, order of times, regions, paths, links."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from pynwb import TimeSeries, validate
from pynwb.core import DynamicTable, DynamicTableRegion, VectorIndex
from pynwb.event import EventsTable
from pynwb.image import ImageSeries
from pynwb.ophys import PlaneSegmentation, RoiResponseSeries

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.sync import find_unaligned
from ace_nwb.nwb.findings import Finding
from ace_nwb.nwb.location import open_at
from ace_nwb.nwb.objects.columns import read_columns
from ace_nwb.nwb.objects.links import find_dangling_links, find_dangling_references
from ace_nwb.nwb.reading import Session
from ace_nwb.nwb.safety import file_beside

_BLOCK = 1_000_000  # times read at once, 8 MB

_NO_HINDRANCE = ("check_clocks", "check_unit", "check_external_files")
"""Rules that a file may break without hindering a stage that reads it."""

_TWO_CLOCKS = (
    "Two clocks, not aligned: the movie has times of the scope's clock, this series of the ephys "
    "clock, and the file gives both one reference time. `ace-nwb sync` aligns them."
)


def check_session(session: Session) -> list[Finding]:
    """Return the problems of a session file that our own rules find."""
    findings: list[Finding] = []
    for found in session.nwbfile.all_children():
        location = _location(found)
        for kind, check in _CHECKS:
            if isinstance(found, kind):
                rule = check.__name__.removeprefix("_")
                problems = _problems(check, found, session.path)
                findings += [Finding("ERROR", rule, location, problem) for problem in problems]
    findings += [
        Finding("ERROR", "check_links", path, problem) for path, problem in _dangling(session)
    ]
    findings += [
        Finding("ERROR", "check_clocks", series, _TWO_CLOCKS) for series in find_unaligned(session)
    ]
    return findings + [
        Finding("ERROR", "check_ledger", layout.FRAME_LEDGER, problem)
        for problem in _check_ledger(session)
    ]


def check_rules(location: Path | str) -> list[Finding]:
    """Return where a session breaks the NWB schema, or our own rules so that it hinders readers."""
    session = open_at(location)
    try:
        found = []
        if isinstance(session.h5, h5py.File):
            found = check_schema(io=session.io)
        own = [one for one in check_session(session) if one.check not in _NO_HINDRANCE]
        return [*found, *own]
    finally:
        session.close()


def check_schema(**source: Any) -> list[Finding]:
    """Validate a file against the schema stored in it; see `pynwb.validate` for the source."""
    try:
        errors = validate(**source)
    except Exception as error:  # the validator may stumble over anything that is not as NWB says
        message = f"The validator of pynwb cannot go through the file ({_reason(error)})."
        return [Finding("ERROR", "schema", "/", message)]
    return [Finding("ERROR", "schema", e.location or e.name, e.reason) for e in errors]


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0][:200]


def _problems(check: Callable[[Any, Path], Iterator[str]], found: Any, path: Path) -> list[str]:
    """Return what a check finds; an object that even it cannot read is a problem of its own."""
    try:
        return list(check(found, path))
    except Exception as error:  # whatever libraries raise on content that is not as NWB says
        return [f"It cannot be checked ({_reason(error)}); it is damaged, or not as NWB says."]


def _check_times(series: TimeSeries, _path: Path) -> Iterator[str]:
    """Check that a series has one finite, increasing time per sample."""
    if series.timestamps is None:
        if series.rate is None or not (np.isfinite(series.rate) and series.rate > 0):
            yield f"The rate is {series.rate}; a positive number of samples per second is needed."
        return
    n_times, n_samples = len(series.timestamps), _n_samples(series)
    if n_samples is not None and n_times != n_samples:
        yield f"There are {n_samples} samples but {n_times} times."
    yield from _check_increase(series.timestamps)


def _check_increase(times: Any) -> Iterator[str]:
    """Check that times are finite and increase, a block at a time."""
    before = -np.inf
    for start in range(0, len(times), _BLOCK):
        block = np.asarray(times[start : start + _BLOCK], np.float64)
        if not np.all(np.isfinite(block)):
            index = start + int(np.flatnonzero(~np.isfinite(block))[0])
            yield f"Time {index} is not finite."
            return
        steps = np.diff(block, prepend=before)
        if np.any(steps <= 0):
            index = start + int(np.flatnonzero(steps <= 0)[0])
            yield f"Time {index} is not later than the one before."
            return
        before = block[-1]


def _check_unit(series: TimeSeries, _path: Path) -> Iterator[str]:
    """Check that a series says its unit."""
    if not series.unit or series.unit == "unknown":
        yield f"The unit is {series.unit!r}; a unit, or 'n.a.' for none, is needed."


def _check_rois(series: RoiResponseSeries, _path: Path) -> Iterator[str]:
    """Check that a ROI series has one column per ROI."""
    n_columns = series.data.shape[1] if len(series.data.shape) > 1 else 1
    if n_columns != len(series.rois.data):
        yield f"There are {n_columns} traces but {len(series.rois.data)} ROIs."


def _check_table(table: DynamicTable, _path: Path) -> Iterator[str]:
    """Check that all columns of a table have one value per row, and regions exist."""
    for name in table.colnames:
        column = table[name]
        if len(column.data) != len(table.id):
            yield f"Column {name} has {len(column.data)} values, the table {len(table.id)} rows."
        values = column.target if isinstance(column, VectorIndex) else column
        if isinstance(values, DynamicTableRegion):
            yield from _check_region(values, name)


def _check_region(region: DynamicTableRegion, name: str) -> Iterator[str]:
    """Check that a region points at rows that exist."""
    rows = np.asarray(region.data[:])
    if rows.size and (rows.min() < 0 or rows.max() >= len(region.table)):
        yield f"{name} points at row {rows.max()} of a table with {len(region.table)} rows."


def _check_event_times(table: EventsTable, _path: Path) -> Iterator[str]:
    """Check that event times are finite."""
    times = np.asarray(table["timestamp"].data[:], np.float64)
    if not np.all(np.isfinite(times)):
        yield f"Event {int(np.flatnonzero(~np.isfinite(times))[0])} has no finite time."


def _check_masks(table: PlaneSegmentation, _path: Path) -> Iterator[str]:
    """Check that ROIs have masks."""
    if not {"image_mask", "pixel_mask", "voxel_mask"} & set(table.colnames):
        yield "The ROIs have no masks."


def _check_external_files(series: ImageSeries, path: Path) -> Iterator[str]:
    """Check that external videos lie in the file's folder and are named relative to it."""
    outside, missing = [], []
    for name in series.external_file if series.external_file is not None else ():
        try:
            missing += [] if file_beside(path, name).exists() else [name]
        except SessionFileError:
            outside.append(name)
    if outside:
        yield (
            f"{_named(outside)} not in the session's folder or not named relative to it: whoever "
            "gets the folder misses it. Keep session and videos in one folder."
        )
    if missing:
        yield f"{_named(missing)} missing beside the session."


def _named(files: list[str]) -> str:
    """Name files, with their verb."""
    return (
        f"The file {files[0]} is" if len(files) == 1 else f"{len(files)} files ({files[0]} ...) are"
    )


def _dangling(session: Session) -> Iterator[tuple[str, str]]:
    """Yield what points to nothing, and how; Zarr has none that pynwb would overlook."""
    if isinstance(session.h5, h5py.File):
        for path in find_dangling_links(session.h5):
            yield path, "The link points to nothing."
        for path in find_dangling_references(session.h5):
            yield path, "It refers to an object that was removed."


def _check_ledger(session: Session) -> Iterator[str]:
    """Check that the ledger lists every frame of the movie once."""
    table, movie = session.find(layout.FRAME_LEDGER), session.find(layout.MOVIE)
    if table is None or movie is None or "movie_frame" not in table.colnames:
        return
    frames = read_columns(table)["movie_frame"]
    recorded, n_frames = frames[frames >= 0], len(movie.data)
    if not np.array_equal(np.sort(recorded), np.arange(n_frames)):
        yield f"The ledger lists {len(recorded)} recorded frames, the movie has {n_frames}."


_CHECKS = (
    (TimeSeries, _check_times),
    (TimeSeries, _check_unit),
    (RoiResponseSeries, _check_rois),
    (DynamicTable, _check_table),
    (EventsTable, _check_event_times),
    (PlaneSegmentation, _check_masks),
    (ImageSeries, _check_external_files),
)


def _n_samples(series: TimeSeries) -> int | None:
    """Return the number of samples; None if they are in a video file."""
    if isinstance(series, ImageSeries) and series.external_file is not None:
        return None
    return len(series.data)


def _location(found: Any) -> str:
    """Return the names from the root to an object."""
    names: list[str] = []
    while found is not None and found.parent is not None:
        names.insert(0, found.name)
        found = found.parent
    return "/" + "/".join(names)
