"""Sessions stored as Zarr, for archives in the cloud: written from HDF5, read like any session.

Zarr sessions are read only here; to process one, turn it back into HDF5 with `import_zarr`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import h5py
import numpy as np
import zarr
from hdmf.backends.hdf5 import H5DataIO
from hdmf.container import Data
from hdmf.data_utils import GenericDataChunkIterator
from hdmf_zarr.backend import ZarrIO
from hdmf_zarr.nwb import NWBZarrIO
from hdmf_zarr.utils import ZarrDataIO
from numcodecs import JSON, Blosc
from pynwb import NWBHDF5IO, NWBFile, TimeSeries, get_manager

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb.commit.new_file import claim, new_h5
from ace_nwb.nwb.contents import read_version
from ace_nwb.nwb.reading import Session
from ace_nwb.nwb.session import open_session
from ace_nwb.nwb.zarr.folder import check_folder, refuse_gaps

LARGE_BYTES = 16 * 2**20
"""Larger arrays are copied piece by piece."""

Progress = Callable[[int, int], None]


class ZarrSession(Session):
    """A Zarr session opened for reading; `h5` is its root group."""

    def _open_io(self) -> NWBZarrIO:
        return NWBZarrIO(str(self.path), mode="r")

    def read_references(self, path: str, column: str) -> list[tuple[int, int, str]]:
        """Return (first sample, number, path of the series) of each row of such a column."""
        parts = find_split(self.h5[path], column) or ()
        return list(zip(*(part[:].tolist() for part in parts), strict=True))

    def close(self) -> None:
        """Close the session."""
        if self._io is not None:
            self._io.close()
        self._nwbfile = self._io = None
        self.h5.store.close()


def open_zarr_session(path: Path, *, fill_missing_chunks: bool = False) -> ZarrSession:
    """Open a Zarr session for reading.

    Parameters
    ----------
    path
        The folder.
    fill_missing_chunks
        Take the fill value for chunks that are not there, also in a session that we wrote.

    Raises
    ------
    SessionFileError
        If it is damaged or lacks chunks, takes content from outside its folder, or would run code
        when read.
    """
    check_folder(path)
    session = _open(path)
    if not fill_missing_chunks:
        try:
            refuse_gaps(path, is_complete=read_version(session) is not None)
        except BaseException:
            session.close()
            raise
    return session


def _open(path: Path) -> ZarrSession:
    """Open the folder."""
    try:
        return ZarrSession(path, zarr.open_group(str(path), mode="r"))
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise SessionFileError(
            f"{path} is a folder, but not a Zarr session ({error}). Give an NWB file, or a folder "
            "made by `ace-nwb export --zarr`."
        ) from error


def export_zarr(path: str | Path, target: str | Path, *, progress: Progress | None = None) -> Path:
    """Write a session file as Zarr.

    Parameters
    ----------
    path
        The session file.
    target
        The new folder, for example "session.nwb.zarr"; must not exist.
    progress
        Called with (bytes of large arrays copied, of how many).
    """
    target = Path(target)
    with claim(target) as beside, open_session(path) as session:
        nwbfile = session.nwbfile
        _stream_large_arrays(nwbfile, _ZARR, progress)
        io = ZarrIO(
            str(beside), manager=get_manager(), mode="w", object_codec_class=JSON
        )  # NWBZarrIO forgets the codec and writes pickles, which no safe reader decodes
        with io:
            io.export(src_io=session._io, container=nwbfile, write_args={"link_data": False})
        split_references(session.h5, zarr.open_group(str(beside), mode="r+"))
        zarr.consolidate_metadata(str(beside))
    return target


def import_zarr(
    source: str | Path,
    path: str | Path,
    *,
    fill_missing_chunks: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write a Zarr session as an HDF5 session file.

    Parameters
    ----------
    source
        The Zarr folder.
    path
        The new session file; must not exist.
    fill_missing_chunks
        Take the fill value for chunks that are not there; by default they are refused.
    progress
        Called with (bytes of large arrays copied, of how many).
    """
    path = Path(path)
    if not fill_missing_chunks:
        check_folder(Path(source))
        refuse_gaps(Path(source), is_complete=True)  # the file would show no more that they were
    with (
        new_h5(path) as h5,
        open_zarr_session(Path(source), fill_missing_chunks=fill_missing_chunks) as session,
    ):
        nwbfile = session.nwbfile
        _stream_large_arrays(nwbfile, _HDF5, progress)
        io = NWBHDF5IO(h5.filename, file=h5, mode="w")
        io.export(src_io=session._io, nwbfile=nwbfile, write_args={"link_data": False})
        join_references(h5)
    return path


class _Pieces(GenericDataChunkIterator):
    """Walks through a stored array in pieces of whole chunks."""

    def __init__(self, data: Any, report: Callable[[int], None]):
        self._array = data
        self._report = report
        super().__init__(chunk_shape=_chunk_shape(data), buffer_gb=0.05)

    def _get_data(self, selection: tuple[slice, ...]) -> np.ndarray:
        data = self._array[selection]
        self._report(data.nbytes)
        return data

    def _get_maxshape(self) -> tuple[int, ...]:
        return tuple(self._array.shape)

    def _get_dtype(self) -> np.dtype:
        return np.dtype(self._array.dtype)


def _stream_large_arrays(nwbfile: NWBFile, storage: "_Storage", progress: Progress | None) -> None:
    """Let large arrays be copied piece by piece; the libraries would load them whole."""
    found = [place for place in _arrays(nwbfile) if place[2].nbytes > LARGE_BYTES]
    total, done = sum(array.nbytes for _, _, array in found), 0

    def report(n_bytes: int) -> None:
        nonlocal done
        done += n_bytes
        if progress is not None:
            progress(done, total)

    for holder, field, array in found:
        name = () if isinstance(holder, Data) else (field,)
        options = storage.options(array)
        holder.set_data_io(*name, storage.wrapper, options, _Pieces, {"report": report})
        holder.set_modified()


def _arrays(nwbfile: NWBFile) -> Iterator[tuple[Any, str, Any]]:
    """Yield (holder, field, array) of everything that may be large."""
    for found in nwbfile.all_children():
        fields = ("data",) if isinstance(found, Data) else ("data", "timestamps")
        if not isinstance(found, Data | TimeSeries):
            continue
        for field in fields:
            array = getattr(found, field, None) if field == "data" else found.fields.get(field)
            if hasattr(array, "nbytes") and hasattr(array, "chunks"):
                yield found, field, array


@dataclass(frozen=True)
class _Storage:
    """How large arrays are stored: the library's wrapper, and its options for an array."""

    wrapper: type
    options: Callable[[Any], dict[str, Any]]


def _chunk_shape(array: Any) -> tuple[int, ...] | None:
    return tuple(array.chunks) if array.chunks is not None else None


def _chunk_option(array: Any) -> dict[str, Any]:
    return {} if array.chunks is None else {"chunks": tuple(array.chunks)}


_ZARR = _Storage(
    ZarrDataIO,
    lambda array: (
        _chunk_option(array) | {"compressor": Blosc(cname="zstd", clevel=3, shuffle=Blosc.SHUFFLE)}
    ),
)
_HDF5 = _Storage(
    H5DataIO,
    lambda array: _chunk_option(array) | {"compression": "gzip", "compression_opts": 1},
)


_TYPE = "TimeSeriesReferenceVectorData"
_START, _COUNT, _SERIES = _PARTS = ("idx_start", "count", "timeseries")


def split_references(h5: h5py.File, root: zarr.Group) -> None:
    """Split every such column of a session that has just been written as Zarr.

    Parameters
    ----------
    h5
        The session.
    root
        The same in Zarr, open for writing.
    """
    for path in list(_reference_columns(h5)):
        table_path, _, name = path.rpartition("/")
        table, rows = root[table_path], h5[path][:]
        values = {
            _START: rows[_START],
            _COUNT: rows[_COUNT],
            _SERIES: np.array([h5[reference].name for reference in rows[_SERIES]], object),
        }
        attributes = dict(table[name].attrs)
        del table[name]
        for part in _PARTS:
            _add_column(table, f"{name}_{part}", values[part], attributes, is_first=part == _START)
        if f"{name}_index" in table:
            _split_index(table, table_path, name)
        names = [_part_names(name) if one == name else [one] for one in table.attrs["colnames"]]
        table.attrs["colnames"] = [one for group in names for one in group]


def join_references(h5: h5py.File) -> None:
    """Make such columns of three in a session that has just been written as HDF5."""
    tables: list[h5py.Group] = []
    h5.visititems(lambda _, found: tables.append(found) if "colnames" in found.attrs else None)
    for table in tables:
        names = list(table.attrs["colnames"])
        for first in [one for one in names if one.endswith(f"_{_START}")]:
            name = first.removesuffix(f"_{_START}")
            if set(_part_names(name)) <= set(names):
                _join(h5, table, name)


def find_split(table: Any, name: str) -> list[Any] | None:
    """Return the three columns that one has been split into, or None if it has not."""
    parts = _part_names(name)
    return [table[part] for part in parts] if parts[0] in table else None


def _part_names(name: str) -> list[str]:
    return [f"{name}_{part}" for part in _PARTS]


def _reference_columns(h5: h5py.File) -> Iterator[str]:
    """Yield the paths of the columns that refer to stretches of series."""
    found: list[str] = []
    h5.visititems(
        lambda name, item: (
            found.append(f"/{name}") if item.attrs.get("neurodata_type") == _TYPE else None
        )
    )
    yield from found


def _add_column(
    table: zarr.Group, name: str, values: np.ndarray, attributes: dict[str, Any], *, is_first: bool
) -> None:
    """Write a plain column as hdmf does; the first one keeps the identity."""
    is_text = values.dtype.kind == "O"
    column = table.create_dataset(
        name, shape=values.shape, dtype=str if is_text else values.dtype, chunks=max(1, len(values))
    )
    column[:] = values
    column.attrs.update(
        {
            "_ARRAY_DIMENSIONS": ["num_rows"],
            "description": attributes["description"],
            "namespace": "hdmf-common",
            "neurodata_type": "VectorData",
            "object_id": attributes["object_id"] if is_first else str(uuid4()),
            "zarr_dtype": "object_utf8" if is_text else str(values.dtype),
        }
    )


def _split_index(table: zarr.Group, table_path: str, name: str) -> None:
    """Give every part the index of the column."""
    index = table[f"{name}_index"]
    ends, attributes = index[:], dict(index.attrs)
    del table[f"{name}_index"]
    for part in _part_names(name):
        copied = table.create_dataset(f"{part}_index", data=ends, chunks=max(1, len(ends)))
        target = attributes["target"]
        value = target["value"] | {"path": f"{table_path}/{part}"}
        copied.attrs.update(attributes | {"target": target | {"value": value}})
        if part != f"{name}_{_START}":
            copied.attrs["object_id"] = str(uuid4())


def _join(h5: h5py.File, table: h5py.Group, name: str) -> None:
    """Make one column of three."""
    start, count, series = (table[part] for part in _part_names(name))
    dtype = np.dtype([(_START, "<i4"), (_COUNT, "<i4"), (_SERIES, h5py.ref_dtype)])
    rows = np.empty(len(start), dtype)
    rows[_START], rows[_COUNT] = start[:], count[:]
    rows[_SERIES] = [h5[path].ref for path in series.asstr()[:]]
    maxshape = (None,) if start.maxshape == (None,) else None
    column = table.create_dataset(name, data=rows, maxshape=maxshape, chunks=start.chunks)
    for key in ("description", "object_id"):
        column.attrs[key] = start.attrs[key]
    column.attrs["namespace"], column.attrs["neurodata_type"] = "core", _TYPE
    if f"{name}_{_START}_index" in table:
        table.move(f"{name}_{_START}_index", f"{name}_index")
        index = table[f"{name}_index"].attrs
        index["target"] = column.ref
        index["description"] = index["description"].replace(f"{name}_{_START}", name)
    for part in _part_names(name):
        for doomed in (part, f"{part}_index"):
            if doomed in table:
                del table[doomed]
    kept = [one for one in table.attrs["colnames"] if one not in _part_names(name)[1:]]
    names = [name if one == f"{name}_{_START}" else one for one in kept]
    table.attrs["colnames"] = np.array(names, dtype=h5py.string_dtype())
