"""Sessions from HDF5 into Zarr and back, large arrays piece by piece."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from hdmf.backends.hdf5 import H5DataIO
from hdmf.container import Data
from hdmf.data_utils import GenericDataChunkIterator
from hdmf_zarr.backend import ZarrIO
from hdmf_zarr.utils import ZarrDataIO
from numcodecs import JSON, Blosc
from pynwb import NWBHDF5IO, NWBFile, TimeSeries, get_manager

from ace_nwb.nwb.commit.new_file import claim, new_h5
from ace_nwb.nwb.faults import blamed_on
from ace_nwb.nwb.location import open_at
from ace_nwb.nwb.zarr.folder import check_folder, refuse_gaps
from ace_nwb.nwb.zarr.reading import open_zarr_session
from ace_nwb.nwb.zarr.references import join_references, split_references

LARGE_BYTES = 16 * 2**20
"""Larger arrays are copied piece by piece."""

Progress = Callable[[int, int], None]


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
    with claim(target) as beside, open_at(path) as session, blamed_on(path):
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
        blamed_on(source),
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
