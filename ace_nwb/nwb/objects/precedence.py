"""Foreign objects that stand where ours belong, while a session file is being changed.

Every writer writes to the places of the layout. For the time of a change a foreign object waits
under another name; at the end it has its own back, and ours gets the name beside it. Object
references follow on their own, soft links are rewritten.
"""

from collections.abc import Iterable

from ace_nwb.nwb.layout import BESIDE
from ace_nwb.nwb.objects.renaming import moved_path, rename_objects
from ace_nwb.nwb.ownership import free_name, names_beside
from ace_nwb.nwb.reading import Session

_WAITING = "waiting"


class Precedence:
    """Who stands at the places of the layout during a change.

    Parameters
    ----------
    session
        The file, opened for changing. Results of ours that stand beside foreign ones take the
        places of the layout until `end`.
    """

    def __init__(self, session: Session):
        self._session, self._h5 = session, session.h5
        self._waiting: dict[str, str] = {}
        self._beside: dict[str, str] = {}
        for place, actual in names_beside(self._h5).items():
            if session.is_own(actual):
                self.make_way([place])
                self._beside[place] = actual
                self.rename({actual: place})

    def rename(self, paths: dict[str, str]) -> None:
        """Rename objects, and note it for those that are ours."""
        owned = self._session.owned  # read before the names in the file change
        rename_objects(self._h5, paths)
        moved = {moved_path(path, paths): identity for path, identity in owned.items()}
        owned.clear()
        owned.update(moved)

    def make_way(self, places: Iterable[str]) -> None:
        """Let the foreign objects at some places wait; ours will stand beside them."""
        for place in places:
            if place not in self._h5 or self._session.is_own(place):
                continue
            if place not in self._waiting.values():
                self._beside[place] = free_name(self._h5, place, BESIDE)
                self._waiting[place] = free_name(self._h5, place, _WAITING)
                self.rename({place: self._waiting[place]})

    def final_path(self, path: str) -> str:
        """Return the path that an object has after the change."""
        returning = {waiting: place for place, waiting in self._waiting.items()}
        return moved_path(path, self._beside | returning)

    def end(self) -> None:
        """Give every foreign object its name back, and ours the names beside them."""
        for place, beside in self._beside.items():
            if place in self._h5:
                self.rename({place: beside})
        for place, waiting in self._waiting.items():
            self.rename({waiting: place})
        self._waiting.clear()
        self._beside.clear()
