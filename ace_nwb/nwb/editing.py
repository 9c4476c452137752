"""A session file opened for changing: as a whole, or not at all.

Removal is in objects/removal.py, whole columns in objects/tables.py, the commit in
commit/journal.py.
"""

import shutil
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ace_nwb.errors import OutputError
from ace_nwb.nwb import layout
from ace_nwb.nwb.commit import journal
from ace_nwb.nwb.commit import overlay as overlay_module
from ace_nwb.nwb.commit.disk import Disk
from ace_nwb.nwb.commit.interruption import InterruptGuard
from ace_nwb.nwb.commit.lock import WriterLock
from ace_nwb.nwb.commit.overlay import OverlayFile
from ace_nwb.nwb.commit.superblock import read_end_of_file
from ace_nwb.nwb.objects import removal, renaming, tables, writing
from ace_nwb.nwb.objects.columns import Columns
from ace_nwb.nwb.objects.precedence import Precedence
from ace_nwb.nwb.opening import existing_file, open_for_writing, open_h5
from ace_nwb.nwb.reading import Session

if TYPE_CHECKING:  # pynwb takes a second of CPU to import
    from pynwb import NWBFile

LEAST_FREE_BYTES = 2**24
"""Free space without which no stage begins, bytes: tables and history of a run take about 1 MB,
traces of a short session ten."""


class SessionWriter(Session):
    """A session file opened for changing; made by `edit_session`.

    Attributes
    ----------
    removed
        Paths of all objects removed so far, also of those that only referred to removed ones.
    superseded
        Former path -> the name under which an object that was to be removed is kept, because
        foreign objects refer to it or stand in it.
    """

    def __init__(self, path: Path, overlay: OverlayFile, h5: h5py.File):
        super().__init__(path, h5)
        self.removed: list[str] = []
        self.superseded: dict[str, str] = {}
        self.beside = {}  # during a change our results stand at the places of the layout
        self._overlay = overlay
        self._precedence = Precedence(self)
        self._kept: list[h5py.HLObject] = []
        self._aside: dict[str, h5py.Group] = {}
        self._creates = False

    @property
    def nwbfile(self) -> "NWBFile":
        """The file as pynwb sees it now, read anew each time, to look at only."""
        self._refuse_additions()
        self._nwbfile = self._read_nwbfile()
        return self._nwbfile

    def _refuse_additions(self) -> None:
        """Raise ValueError if something was added to `nwbfile`: it would not be written."""
        if self._nwbfile is not None and self._nwbfile.modified:
            raise ValueError(
                f"Objects were added to what pynwb read of {self.path}; during a change it can "
                "only be looked at. Add them with pynwb itself, or by create_object, create_table."
            )

    def create_object(self, path: str, kind: str, **attributes: Any) -> h5py.Group:
        """Create an NWB object that is a group; its processing module is made if it is missing."""
        parent, name = self._make_room(path)
        return writing.create_object(parent, name, kind, **attributes)

    def create_table(
        self, path: str, description: str, columns: Columns, **more: Any
    ) -> h5py.Group:
        """Create a table: name -> (description, values) of its columns; see `writing`."""
        parent, name = self._make_room(path)
        return writing.create_table(parent, name, description, columns, **more)

    def _make_room(self, path: str) -> tuple[h5py.Group, str]:
        """Return the group that an object is created in, and its name."""
        self.check_disk()
        self._creates = True
        folder, name = layout.split_path(path)
        if folder in self.h5 or not folder.startswith("/processing/"):
            return self.h5.require_group(folder), name
        modules, module = layout.split_path(folder)
        text = layout.MODULES[module]
        rooms = self.h5.require_group(modules)
        return writing.create_object(rooms, module, "ProcessingModule", description=text), name

    def check_disk(self) -> None:
        """Raise OutputError if the disk has refused a write; long writes ask now and then."""
        if self._overlay.failure is not None:
            raise OutputError(
                f"{self.path} could not be changed: {self._overlay.failure}. It stays as it was. "
                "Free space or repair the disk, then repeat the step."
            )

    def remove(self, paths: Iterable[str]) -> list[str]:
        """Remove objects, and those of ours that refer to them; skip what does not exist.

        What foreign objects refer to or stand in is kept under another name, see `superseded`.

        Parameters
        ----------
        paths
            Paths such as "/processing/ophys/Fluorescence".

        Returns
        -------
            The paths removed, with the objects that held references to removed ones and the
            containers that became empty. Objects that merely link to a removed path are set
            aside, because it may be written anew; those left dangling at the end are removed.
        """
        paths = list(paths)
        if not any(path in self.h5 for path in paths):
            return []
        plan = removal.plan_removal(self.h5, paths, self.is_own)
        self._precedence.rename(plan.superseded)
        self.superseded |= plan.superseded
        removed = list(plan.deleted)
        self._kept += removal.delete_objects(self.h5, removed)
        self._aside |= removal.set_dangling_aside(self.h5, self.is_own)
        removed += removal.remove_empty(self.h5, removed, self.is_own, keep_for=self._aside)
        self.removed += removed
        return removed

    def clear(self, places: Iterable[str]) -> None:
        """Remove what is ours at some places, and let foreign objects there wait until the end.

        What is written there afterwards stands beside the foreign object in the end.
        """
        places = list(places)
        self.remove(path for path in places if self.is_own(path))
        self._precedence.make_way(places)

    def show_as_stored(self) -> None:
        """Give every object the name that it has in the file, for what goes by these names."""
        self._precedence.end()

    def final_path(self, path: str) -> str:
        """Return the path that an object has after the change."""
        return self._precedence.final_path(path)

    def keep_as(self, paths: Iterable[str], name: str) -> dict[str, str]:
        """Rename results so that new ones can stand beside them; return old path -> new path."""
        present = [path for path in paths if self.has(path)]
        renamed = renaming.kept_paths(present, name)
        self._precedence.rename(renamed)
        return renamed

    def take_back(self, paths: Iterable[str], name: str) -> None:
        """Give results that were kept as `name` their former paths, which must be free."""
        renamed = renaming.kept_paths(paths, name)
        self._precedence.rename({new: old for old, new in renamed.items()})

    def set_columns(self, table_path: str, columns: Columns) -> None:
        """Create or replace whole columns of a table: name -> (description, values)."""
        self._kept += tables.set_columns(self.h5, table_path, columns)

    def remove_columns(self, table_path: str, names: Iterable[str]) -> None:
        """Remove whole columns of a table; those that do not exist are skipped."""
        self._kept += tables.remove_columns(self.h5, table_path, names)

    def set_value(self, path: str, value: str | float | list[Any]) -> None:
        """Create or replace a small data set: a text, a number, or a list of either."""
        self._kept += tables.set_value(self.h5, path, value)

    def replace_timestamps(self, path: str, values: np.ndarray) -> None:
        """Give a series or events table new times, session clock, seconds."""
        self._kept += tables.replace_times(self.h5, path, values)

    def set_regular_times(self, path: str, *, rate_hz: float, start_s: float) -> None:
        """Give a series a rate and a starting time in place of time stamps."""
        self._kept += tables.set_regular(self.h5, path, rate_hz=rate_hz, start_s=start_s)

    def set_reference_time(self, reference_time: datetime) -> None:
        """Set the wall-clock time of second zero of the session clock; must know its zone."""
        if reference_time.tzinfo is None:
            raise ValueError(f"reference_time {reference_time} has no time zone")
        self.h5["timestamps_reference_time"][()] = reference_time.isoformat()

    def settle(self) -> None:
        """Put back what was set aside and links to something again; remove what does not."""
        self.check_disk()
        if self.removed or self._aside:  # nothing else can leave a link dangling
            self.removed += removal.put_back(self.h5, self._aside, self.is_own)
            gone = [*self.removed, *self._aside]
            self.removed += removal.remove_empty(self.h5, gone, self.is_own)
            self._aside.clear()

    def finish(self) -> None:
        """Write everything and close the HDF5 file; nothing is committed yet."""
        self._refuse_additions()
        self.settle()
        self._precedence.end()
        if self._creates:
            writing.provide_schema(self.h5)
        tables.append_rows(self.h5["file_create_date"], [datetime.now().astimezone().isoformat()])
        self._kept.clear()
        self.close()


def check_writable(path: Path, *, wait_s: float = 0.0, disk: Disk | None = None) -> None:
    """Raise now what a change would meet at its end, before hours of work.

    Raises
    ------
    SessionLockedError
        If another program is writing the file.
    OutputError
        If file or folder cannot be written, or the disk is full.
    """
    path, disk = existing_file(path), disk or Disk()
    with WriterLock(path, wait_s), open_for_writing(path, disk) as file:
        journal.recover_opened(path, file, disk)
    free = shutil.disk_usage(path.parent).free
    if free < LEAST_FREE_BYTES:
        raise OutputError(
            f"The disk of {path} has {free / 1e6:.1f} MB free; at least "
            f"{LEAST_FREE_BYTES / 1e6:.0f} MB were expected for results. Free space first."
        )


class Edit:
    """Context of `edit_session`: commits on a clean exit, rolls back on an exception."""

    def __init__(self, path: Path, disk: Disk, wait_s: float = 0.0):
        self.path = path
        self.disk = disk
        self.lock = WriterLock(path, wait_s)

    def __enter__(self) -> SessionWriter:
        self.lock.acquire()
        try:
            self.file = open_for_writing(self.path, self.disk)
            journal.recover_opened(self.path, self.file, self.disk)
            end = read_end_of_file(self.path)
            journal.begin(self.path, end, self.disk)
            self.overlay = OverlayFile(self.path, self.file, old_size=end, disk=self.disk)
            self.guard = InterruptGuard(
                self.overlay.note_interruption, callbacks=overlay_module.__file__
            )
            self.guard.set_up()
            self.writer = SessionWriter(
                self.path, self.overlay, open_h5(self.path, self.overlay, "r+")
            )
        except BaseException as error:
            if hasattr(self, "overlay"):
                self._roll_back()
            self._release()
            if isinstance(error, Exception) and hasattr(self, "guard"):
                self.guard.check()  # what a Ctrl-C that HDF5 swallowed has led to
            raise
        return self.writer

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        is_committed = False
        try:
            if error is None:
                with self.guard.hold():
                    self.guard.check()
                    journal.check_alone(self.overlay)  # HDF5 writes behind the end when it closes
                self.writer.finish()
                with self.guard.hold():
                    self.guard.check()
                    journal.commit(self.overlay, self.file)
                    is_committed = True
            elif isinstance(error, Exception):
                self.guard.check()  # what a Ctrl-C that HDF5 swallowed has led to
        except Exception:
            self.guard.check()
            raise
        finally:
            try:
                if not is_committed:
                    with self.guard.hold():  # the signal that is sent again would stop it halfway
                        self._roll_back()
            finally:
                self._release()

    def _roll_back(self) -> None:
        """Close HDF5 without letting it write, and cut the tail off again."""
        self.overlay.discard()
        with suppress(Exception):  # the state inside HDF5 no longer matters
            self.writer.close()
        if not self.overlay.keep_tail:
            with suppress(OSError):  # the next writer cuts it
                journal.roll_back(self.overlay, self.file)

    def _release(self) -> None:
        """Close the file, give the lock and the handling of Ctrl-C back."""
        try:
            if hasattr(self, "file"):
                self.file.close()
            self.lock.release()
        finally:
            if hasattr(self, "guard"):
                self.guard.take_down()
