"""Ctrl-C while a session file is being changed: HDF5 returns first, the commit is whole or not."""

import os
import signal
import sys
from contextlib import suppress

import pytest

from ace_nwb.errors import SessionFileError
from ace_nwb.nwb import editing, opening
from ace_nwb.nwb.commit import journal
from ace_nwb.nwb.commit.disk import Disk
from ace_nwb.nwb.commit.interruption import InterruptGuard
from ace_nwb.nwb.commit.journal import journal_path
from ace_nwb.nwb.session import edit_session, open_session
from ace_nwb.nwb.structure import Structure
from tests.fixtures.changes import mark_frames

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals itself")


class Interrupting(Disk):
    """Receives a real Ctrl-C in the middle of one kind of operation, once or twice."""

    def __init__(self, method: str, *, times: int = 1):
        self.method = method
        self.left = times

    def _strike(self, method: str) -> None:
        while method == self.method and self.left:
            self.left -= 1
            os.kill(os.getpid(), signal.SIGINT)

    def write_at(self, file, offset, data):
        if not str(file.name).endswith(".journal-partial"):  # but what HDF5 writes
            self._strike("write_at")
        super().write_at(file, offset, data)

    def rename(self, source, target):
        self._strike("rename")
        super().rename(source, target)

    def truncate(self, file, size):
        self._strike("truncate")
        super().truncate(file, size)

    def unlink(self, path):
        self._strike("unlink")
        super().unlink(path)


@pytest.fixture(autouse=True)
def usual_handler():
    """A shell starts its background jobs deaf to SIGINT."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, former)


def change(path, disk):
    with edit_session(path, disk=disk) as writer:
        mark_frames(writer)


def test_within_a_write_of_hdf5_it_waits_for_hdf5_and_nothing_is_committed(recorded):
    before = recorded.path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        change(recorded.path, Interrupting("write_at"))
    assert recorded.path.read_bytes() == before
    assert [p.name for p in recorded.path.parent.iterdir()] == [recorded.path.name]


def test_while_it_looks_for_other_writers_nothing_stays_behind_the_file(recorded, monkeypatch):
    def strike(_path, *, but):
        raise KeyboardInterrupt

    before = recorded.path.read_bytes()
    monkeypatch.setattr(journal, "check_not_written", strike)
    with pytest.raises(KeyboardInterrupt):
        change(recorded.path, Disk())
    assert recorded.path.read_bytes() == before


@pytest.mark.parametrize("operation", ["truncate", "unlink"])
def test_within_a_roll_back_it_waits_until_all_is_as_before(recorded, operation):
    before = recorded.path.read_bytes()

    def fail():
        with edit_session(recorded.path, disk=Interrupting(operation)) as writer:
            mark_frames(writer)
            raise ValueError("the stage has failed")

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert recorded.path.read_bytes() == before
    assert [p.name for p in recorded.path.parent.iterdir()] == [recorded.path.name]


def test_while_the_file_is_opened_it_is_not_taken_for_damage(recorded, monkeypatch):
    def strike(_structure, _name, _info):
        os.kill(os.getpid(), signal.SIGINT)  # HDF5 has called: h5py makes a SystemError of it

    before = recorded.path.read_bytes()
    monkeypatch.setattr(Structure, "_take", strike)
    for use in (lambda path: change(path, Disk()), open_session):
        opening._checked.clear()
        with pytest.raises(KeyboardInterrupt):
            use(recorded.path)
    assert recorded.path.read_bytes() == before
    assert [p.name for p in recorded.path.parent.iterdir()] == [recorded.path.name]


def test_what_it_leads_to_while_the_file_is_opened_is_not_told(recorded, monkeypatch):
    def fail(*_arguments):
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        raise SessionFileError("what HDF5 makes of it")

    monkeypatch.setattr(editing, "open_h5", fail)
    with pytest.raises(KeyboardInterrupt):
        change(recorded.path, Disk())


def test_within_the_commit_it_waits_for_the_commit(recorded):
    with pytest.raises(KeyboardInterrupt):
        change(recorded.path, Interrupting("rename"))
    assert not journal_path(recorded.path).exists()
    with open_session(recorded.path) as session:
        assert "verdict" in session.get("/processing/sync/FrameLedger").colnames


def test_a_second_one_does_not_wait_for_the_commit(recorded):
    with pytest.raises(KeyboardInterrupt):
        change(recorded.path, Interrupting("rename", times=2))
    with open_session(recorded.path) as session:
        assert session.identifier


def test_a_handler_of_the_program_itself_is_left_alone():
    def own(_number, _frame):
        pass

    signal.signal(signal.SIGINT, own)
    guard = InterruptGuard(lambda: None, callbacks="")
    guard.set_up()
    assert signal.getsignal(signal.SIGINT) is own
    guard.take_down()
    signal.signal(signal.SIGINT, signal.default_int_handler)
