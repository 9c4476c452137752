"""Results of other programs: who reads which file."""

from pathlib import Path
from types import ModuleType

import h5py

from ace_nwb.adopt import caiman_file, minian_folder, nwb_results
from ace_nwb.adopt.results import ForeignResult
from ace_nwb.errors import AceNwbError, FormatError
from ace_nwb.nwb.faults import describe_fault
from ace_nwb.nwb.opening import open_h5


def read_results(path: Path) -> ForeignResult:
    """Read the results of another program; the content says which one.

    Parameters
    ----------
    path
        `estimates.hdf5` of CaImAn, a folder of minian, or an NWB file with a segmentation.

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
    for reader in (minian_folder, caiman_file, nwb_results):
        if reader.can_read(path):
            return _read(reader, path)
    raise FormatError(
        f"{path} holds no results that are known. Expected were estimates.hdf5 of CaImAn, a folder "
        "of minian with A.zarr and C.zarr, or an NWB file with a PlaneSegmentation."
    )


def _read(reader: ModuleType, path: Path) -> ForeignResult:
    """Read results whose content may be anything: other programs change what they write."""
    try:
        found: ForeignResult = reader.read(path)
    except AceNwbError:
        raise
    except Exception as error:
        raise FormatError(
            f"{path} cannot be read as results of another program ({describe_fault(error)}). It is "
            "damaged, or of a version that is not known. Save the results again; if the other "
            "program reads them, report it with this message."
        ) from error
    return found
