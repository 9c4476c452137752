"""A session opened for reading, as pynwb and as HDF5 see it."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from pynwb import NWBHDF5IO, NWBFile

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb.columns import decode_texts


class Session:
    """A session file opened for reading.

    Parameters
    ----------
    path
        The file.
    h5
        The open HDF5 file.

    Attributes
    ----------
    path
        The file.
    h5
        The open HDF5 file.
    """

    def __init__(self, path: Path, h5: h5py.File):
        self.path = path
        self.h5 = h5
        self._io: Any = None
        self._nwbfile: NWBFile | None = None

    @property
    def nwbfile(self) -> NWBFile:
        """The file as pynwb sees it, read on first use; data stay on disk until sliced."""
        if self._nwbfile is None:
            self._nwbfile = self._read_nwbfile("r")
        return self._nwbfile

    def find(self, path: str) -> Any | None:
        """Return the pynwb object at `path` ("/processing/ophys/Fluorescence"), or None."""
        found = self.h5.get(path) if path in self.h5 else None
        if found is None or "object_id" not in found.attrs:
            return None
        object_id = found.attrs["object_id"]
        if object_id not in self.nwbfile.objects:
            self.nwbfile.all_children()  # pynwb lists what was added since only when asked
        return self.nwbfile.objects.get(object_id)

    def get(self, path: str) -> Any:
        """Return the pynwb object at `path`.

        Raises
        ------
        SessionFileError
            If the file has no such object.
        """
        found = self.find(path)
        if found is None:
            raise SessionFileError(
                f"{self.path} has no {path}. `ace-nwb status {self.path.name}` lists what has "
                "been computed; run the stage that produces it."
            )
        return found

    def has(self, path: str) -> bool:
        """Return whether the file holds an object at `path`."""
        return path in self.h5

    @property
    def identifier(self) -> str:
        """The identifier of the recording, read without pynwb."""
        return str(decode_texts(np.ravel(self.h5["identifier"][()]))[0])

    def read_table(self, path: str) -> dict[str, np.ndarray]:
        """Return the columns of a table without ragged columns and regions, without pynwb."""
        table = self.h5[path]
        columns = {str(name): np.asarray(table[name][:]) for name in table.attrs["colnames"]}
        return {
            name: decode_texts(values) if values.dtype.kind in "OS" else values
            for name, values in columns.items()
        }

    def close(self) -> None:
        """Close the file."""
        self._nwbfile = self._io = None
        self.h5.close()

    def _read_nwbfile(self, mode: str) -> NWBFile:
        """Let pynwb read the open HDF5 file."""
        try:
            self._io = NWBHDF5IO(file=self.h5, mode=mode, load_namespaces=True)
            return self._io.read()
        except Exception as error:  # a damaged file can make pynwb stumble over anything
            reason = str(error.args[-1] if error.args else error)[:300]
            raise SessionFileError(
                f"{self.path} is not a readable NWB file ({type(error).__name__}: {reason}). A "
                "file made by `ace-nwb convert` or another NWB 2 writer was expected."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
