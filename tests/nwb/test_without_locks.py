"""File systems that offer no locks: a file with host, process and heartbeat stands for them."""

import errno
import os
import socket
import sys
import time

import h5py
import pytest

from ace_nwb.doctor import examine, is_fit
from ace_nwb.errors import SessionLockedError
from ace_nwb.nwb.commit import held_file, lock
from ace_nwb.nwb.commit.lock import held_path
from ace_nwb.nwb.commit.repack import repack
from ace_nwb.nwb.session import edit_session, open_session
from tests.fixtures.changes import mark_frames

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="locks are no function there")


@pytest.fixture(params=[errno.ENOSYS, errno.ENOLCK], ids=["ENOSYS", "ENOLCK"])
def without_locks(request, monkeypatch):
    """Let every request for a lock fail, that of HDF5 too."""

    def refuse(*_arguments):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    opened = h5py.File

    def open_without(source, mode="r", **options):
        if isinstance(source, os.PathLike) and options.get("locking") is not False:
            refuse()
        return opened(source, mode, **options)

    monkeypatch.setattr("ace_nwb.nwb.opening.h5py.File", open_without)


def change(path):
    with edit_session(path) as writer:
        mark_frames(writer)


def test_sessions_are_read_and_changed_there(recorded, without_locks):
    change(recorded.path)
    repack(recorded.path)
    with open_session(recorded.path) as session:
        assert "verdict" in session.get("/processing/sync/FrameLedger").colnames
    assert [p.name for p in recorded.path.parent.iterdir()] == [recorded.path.name]


def test_a_second_writer_is_told_who_writes_and_where(recorded, without_locks):
    said = rf"process {os.getpid()} on {socket.gethostname()}, for \d+ s"
    with edit_session(recorded.path), pytest.raises(SessionLockedError, match=said):
        change(recorded.path)


def hold(path, *, host, pid, age_s):
    held_path(path).write_text(f"{host} {pid} {time.time() - age_s:.0f}\n")
    os.utime(held_path(path), (time.time() - age_s,) * 2)


NOBODY = 2**22 + 7  # above the largest pid of Linux


@pytest.mark.parametrize(
    ("host", "pid", "age_s", "is_held"),
    [
        ("elsewhere", 1, held_file.SILENCE_S - 20, True),
        ("elsewhere", 1, held_file.SILENCE_S + 20, False),
        (socket.gethostname(), NOBODY, 1, False),
        (socket.gethostname(), os.getpid(), 1, True),
    ],
    ids=["another host at work", "another host silent", "ended here", "at work here"],
)
def test_only_a_holder_that_is_silent_or_has_ended_loses_its_file(
    recorded, without_locks, host, pid, age_s, is_held
):
    hold(recorded.path, host=host, pid=pid, age_s=age_s)
    if is_held:
        with pytest.raises(SessionLockedError, match=f"process {pid} on {host}"):
            change(recorded.path)
        assert held_path(recorded.path).read_text().startswith(f"{host} {pid} ")
    else:
        change(recorded.path)
        assert [p.name for p in recorded.path.parent.iterdir()] == [recorded.path.name]


def test_a_holder_without_locks_is_respected_where_there_are_some(recorded):
    hold(recorded.path, host="elsewhere", pid=1, age_s=5)
    with pytest.raises(SessionLockedError, match="process 1 on elsewhere"):
        change(recorded.path)


def test_a_holder_at_work_gives_signs_of_life(recorded, without_locks, monkeypatch):
    monkeypatch.setattr(held_file, "BEAT_S", 0.02)
    with edit_session(recorded.path):
        os.utime(held_path(recorded.path), (0, 0))
        deadline = time.monotonic() + 10
        while held_path(recorded.path).stat().st_mtime < 1:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_doctor_tries_the_locks(tmp_path, monkeypatch, request):
    (found,) = [check for check in examine(tmp_path) if check.name == "locks"]
    assert (found.state, found.found) == ("ok", "files can be locked")
    monkeypatch.setattr(lock, "_try_lock", lambda _descriptor: True)  # a lock that holds nobody
    checks = examine(tmp_path)
    assert [check.state for check in checks if check.name == "locks"] == ["problem"]
    assert not is_fit(checks)


def test_doctor_says_what_to_do_where_there_are_no_locks(tmp_path, without_locks):
    (found,) = [check for check in examine(tmp_path) if check.name == "locks"]
    assert found.state == "note"
    assert "HDF5_USE_FILE_LOCKING" in found.advice
    assert list(tmp_path.iterdir()) == []
