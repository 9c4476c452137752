"""Sessions stored as Zarr, for archives in the cloud, read like any session.

They are read only here; to process one, turn it back into HDF5 with `import_zarr`.
"""

from pathlib import Path

import zarr
from hdmf_zarr.nwb import NWBZarrIO

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb.contents import read_version
from ace_nwb.nwb.reading import Session
from ace_nwb.nwb.zarr.folder import check_folder, refuse_gaps
from ace_nwb.nwb.zarr.references import find_split


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
