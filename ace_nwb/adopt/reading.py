"""Results of other programs: who reads which file."""

from pathlib import Path

from ace_nwb.adopt import caiman_file, minian_folder, nwb_results
from ace_nwb.adopt.results import ForeignResult
from ace_nwb.errors import FormatError


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
    for reader in (minian_folder, caiman_file, nwb_results):
        if reader.can_read(path):
            found: ForeignResult = reader.read(path)
            return found
    raise FormatError(
        f"{path} holds no results that are known. Expected were estimates.hdf5 of CaImAn, a folder "
        "of minian with A.zarr and C.zarr, or an NWB file with a PlaneSegmentation."
    )
