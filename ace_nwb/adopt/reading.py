"""Results of other programs: who reads which file."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import h5py

from ace_nwb.adopt import caiman_file, minian_folder, nwb_results
from ace_nwb.adopt.nwb_results import Selection
from ace_nwb.adopt.results import ForeignResult
from ace_nwb.errors import AceNwbError, FormatError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.imaging import read_field
from ace_nwb.nwb.faults import describe_fault
from ace_nwb.nwb.opening import open_h5
from ace_nwb.nwb.session import open_session

Found = TypeVar("Found")


def read_results(
    path: Path,
    *,
    selection: Selection | None = None,
    field_shape: tuple[int, int] | None = None,
) -> ForeignResult:
    """Read the results of another program; the content says which one.

    Parameters
    ----------
    path
        `estimates.hdf5` of CaImAn, a folder of minian, or an NWB file with a segmentation.
    selection
        Which of several tables of an NWB file, and which traces.
    field_shape
        (n_rows, n_columns) of the movie that the results come from, if it is known: an NWB file
        need not say it.

    Raises
    ------
    FormatError
        If it is none of these.
    """
    path = Path(path)
    if not path.exists():
        raise FormatError(f"{path} does not exist. Results of another program were expected.")
    if path.is_file() and h5py.is_hdf5(path):
        open_h5(path, path, "r").close()  # damaged, endless, or with content from elsewhere
    read_nwb = partial(nwb_results.read, selection=selection, field_shape=field_shape)
    for reader, read in (
        (minian_folder, minian_folder.read),
        (caiman_file, caiman_file.read),
        (nwb_results, read_nwb),
    ):
        if reader.can_read(path):
            return _read(read, path)
    raise FormatError(
        f"{path} holds no results that are known. Expected were estimates.hdf5 of CaImAn, a folder "
        "of minian with A.zarr and C.zarr, or an NWB file with a PlaneSegmentation."
    )


def read_for(session_path: Path, path: Path, selection: Selection | None = None) -> ForeignResult:
    """Read results that a session is to take over; its movie says how large their field is."""
    with open_session(session_path) as session:
        shape = read_field(session).shape if session.has(layout.MOVIE) else None
    return read_results(path, selection=selection, field_shape=shape)


def holds_rois(path: Path) -> bool:
    """Return whether an NWB file holds ROIs with traces that can be taken over."""
    return _read(nwb_results.holds_rois, path)


def _read(read: Callable[[Path], Found], path: Path) -> Found:
    """Read results whose content may be anything: other programs change what they write."""
    try:
        return read(path)
    except AceNwbError:
        raise
    except Exception as error:
        raise FormatError(
            f"{path} cannot be read as results of another program ({describe_fault(error)}). It is "
            "damaged, or of a version that is not known. Save the results again; if the other "
            "program reads them, report it with this message."
        ) from error
