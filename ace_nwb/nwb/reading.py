"""A session opened for reading, as pynwb and as HDF5 see it."""

from collections.abc import Callable, Collection
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import h5py
import numpy as np

from ace_nwb.errors import SessionFileError
from ace_nwb.forms.commands import quoted
from ace_nwb.nwb import layout, ownership
from ace_nwb.nwb.objects.columns import decode_texts
from ace_nwb.nwb.objects.stored import iterate_references, open_stored

if TYPE_CHECKING:
    from pynwb import NWBFile

_ONE_PER_SCOPE = (layout.MOVIE, layout.FRAME_LEDGER)
_MOVIE_KINDS = ("OnePhotonSeries", "TwoPhotonSeries")


def _is_movie(found: Any) -> bool:
    """Return whether an object is an image series of neurons with its pixels in the file."""
    return found.attrs.get("neurodata_type") in _MOVIE_KINDS and "external_file" not in found


def _leave_untold(_error: BaseException | None, _location: Path | str) -> None:
    """Leave an exception what it is."""


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
    explain
        How an exception that leaves the session is told, given it and the location: as an error
        of the file, or None if it stays what it is. `open_session` sets it.
    """

    explain: Callable[[BaseException | None, Path | str], Exception | None]

    def __init__(self, path: Path, h5: h5py.File):
        self.path = path
        self.h5 = h5
        self.explain = _leave_untold
        self._io: Any = None
        self._nwbfile: NWBFile | None = None

    @cached_property
    def owned(self) -> ownership.Owned:
        """Path -> object id of everything that we have written into the file."""
        return ownership.read_owned(self.h5)

    @cached_property
    def beside(self) -> dict[str, str]:
        """Place of the layout -> where our result stands, if a foreign object has the place."""
        named = ownership.names_beside(self.h5)
        return {place: path for place, path in named.items() if self.is_own(path)}

    @cached_property
    def movie_stand_in(self) -> dict[str, str]:
        """Place of the movie -> the only other movie in the file, if none stands there."""
        if layout.MOVIE in self.h5 or "/acquisition" not in self.h5:
            return {}
        found = [name for name, item in self.h5["/acquisition"].items() if _is_movie(item)]
        return {layout.MOVIE: f"/acquisition/{found[0]}"} if len(found) == 1 else {}

    @property
    def lacks_movie(self) -> bool:
        """Whether there is no movie of neurons in the file, under any name."""
        acquired = self.h5.get("/acquisition", {})
        return not self.has(layout.MOVIE) and not any(map(_is_movie, acquired.values()))

    def locate(self, path: str) -> str:
        """Return where what belongs at `path` stands in this file."""
        return ownership.locate(path, self.beside | self.movie_stand_in)

    def is_own(self, path: str) -> bool:
        """Return whether a stage of ours wrote the object at `path`."""
        return ownership.is_own(self.h5, path, self.owned)

    def own_paths(self, patterns: Collection[str]) -> list[str]:
        """Return the paths of our results at places such as "/processing/events/Calcium*".

        Former ones that are kept under a name are not among them.
        """
        places = [ownership.locate(pattern, self.beside) for pattern in patterns]
        found = set(ownership.matching_paths(self.h5, places))
        found |= {path for place, path in self.beside.items() if ownership.fits(place, patterns)}
        kept = ownership.kept_names(self.h5)
        return sorted(p for p in found if self.is_own(p) and not ownership.is_set_aside(p, kept))

    def node(self, path: str) -> Any:
        """Return the HDF5 object of what belongs at `path`."""
        return self.h5[self.locate(path)]

    @property
    def nwbfile(self) -> "NWBFile":
        """The file as pynwb sees it, read on first use; data stay on disk until sliced.

        It takes half a second; what stages read they read through `get`.
        """
        if self._nwbfile is None:
            self._nwbfile = self._read_nwbfile()
        return self._nwbfile

    def find(self, path: str) -> Any | None:
        """Return the object at `path` ("/processing/ophys/DfOverF/RoiResponseSeries"), or None."""
        return open_stored(self.h5, self.locate(path))

    def get(self, path: str) -> Any:
        """Return the object at `path`; it has the attributes that pynwb would give it.

        Raises
        ------
        SessionFileError
            If the file has no such object.
        """
        found = self.find(path)
        if found is None:
            self._refuse_several_scopes(path)
            if path == layout.MOVIE:
                raise SessionFileError(
                    f"{self.path} holds no movie. A OnePhotonSeries or TwoPhotonSeries in "
                    "/acquisition, with its pixels in the file, was expected."
                )
            raise SessionFileError(
                f"{self.path} has no {path}. `ace-nwb status {quoted(self.path.name)}` lists what "
                "has been computed; run the stage that produces it."
            )
        return found

    def _refuse_several_scopes(self, path: str) -> None:
        """Raise if a missing object stands in the file once for each of several scopes."""
        folder, _, name = path.rpartition("/")
        if path not in _ONE_PER_SCOPE or not self.has(folder):
            return
        found = sorted(other for other in self.h5[folder] if other.startswith(name))
        if found:
            raise SessionFileError(
                f"{self.path} holds {len(found)} scopes ({', '.join(found)}). Stages work on one. "
                "Convert the folder of each scope (the one with its timeStamps.csv) into a session "
                "file of its own, beside the same ephys folder."
            )

    def has(self, path: str) -> bool:
        """Return whether the file holds an object at `path`."""
        return self.locate(path) in self.h5

    def members(self, path: str, *, kind: str = "") -> list[str]:
        """Return the paths of the objects in a group, sorted; of one type, if it is given."""
        if not self.has(path):
            return []
        items = self.node(path).items()
        types = {name: found.attrs.get("neurodata_type") for name, found in items}
        return [f"{path}/{name}" for name, found in sorted(types.items()) if kind in ("", found)]

    def read_references(self, path: str, column: str) -> list[tuple[int, int, str]]:
        """Return (first sample, number, path of the series) of each row of such a column."""
        index = open_stored(self.h5, self.locate(path))[column]  # type: ignore[index]
        return list(iterate_references(self.h5, index.target))

    @property
    def identifier(self) -> str:
        """The identifier of the recording, read without pynwb."""
        return self._text("identifier")

    @property
    def start_time(self) -> datetime:
        """Wall-clock time of the start of the recording, read without pynwb."""
        return datetime.fromisoformat(self._text("session_start_time"))

    def text(self, path: str) -> str | None:
        """Return the text that stands at `path`, or None; read without pynwb."""
        return self._text(path) if path in self.h5 else None

    def _text(self, path: str) -> str:
        return str(decode_texts(np.ravel(self.h5[path][()]))[0])

    def read_table(self, path: str) -> dict[str, np.ndarray]:
        """Return the columns of a table without ragged columns and regions, without pynwb."""
        table = self.node(path)
        columns = {str(name): np.asarray(table[name][:]) for name in table.attrs["colnames"]}
        return {
            name: decode_texts(values) if values.dtype.kind in "OS" else values
            for name, values in columns.items()
        }

    def close(self) -> None:
        """Close the file."""
        self._nwbfile = self._io = None
        self.h5.close()

    @property
    def io(self) -> Any:
        """What pynwb reads the file with; it keeps what it has read."""
        if self._io is None:
            self._io = self._open_io()
        return self._io

    @property
    def location(self) -> Path | str:
        """Where the session is: a path, or a URL."""
        return self.path

    def _open_io(self) -> Any:
        """Let pynwb open the file."""
        from pynwb import NWBHDF5IO  # takes a second

        return NWBHDF5IO(file=self.h5, mode="r", load_namespaces=True)

    def _read_nwbfile(self) -> "NWBFile":
        """Let pynwb read the open HDF5 file."""
        try:
            return self.io.read()
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
        told = self.explain(error, self.location)  # a closed file knows no names any more
        self.close()
        if told is not None:
            raise told from error
