"""Another program has the file open for writing, with HDF5's locks on or off: it loses nothing."""

import errno
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from ace_nwb.errors import AceNwbError, OutputError, SessionLockedError
from ace_nwb.nwb.commit import lock
from ace_nwb.nwb.commit.disk import Disk
from ace_nwb.nwb.commit.journal import recover
from ace_nwb.nwb.commit.repack import repack
from ace_nwb.nwb.session import edit_session
from ace_nwb.pipeline import process
from ace_nwb.stages import preprocess
from ace_nwb.stages.running import execution
from tests.fixtures.changes import mark_frames

N_ROWS = 2_000_000

WRITER = f"""
import sys, h5py, numpy as np
with h5py.File(sys.argv[1], "r+", locking=sys.argv[2] == "on") as h5:
    rows = h5.create_dataset("scratch/theirs", ({N_ROWS},), chunks=(10_000,), dtype="f8")
    rows[:] = np.arange({N_ROWS})
    print("open", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def another_program(path, locking):
    """Write much behind the end of a file, and leave it open."""
    command = [sys.executable, "-c", WRITER, str(path), locking]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as program:
        assert program.stdout.readline() == "open\n"
        yield program
        program.communicate("close\n", timeout=60)


def change(path, meanwhile=lambda: None):
    with edit_session(path) as writer:
        mark_frames(writer)
        meanwhile()


@pytest.mark.parametrize("is_told", [True, False], ids=["told who", "not told who"])
@pytest.mark.parametrize("locking", ["on", "off"])
def test_what_another_program_is_writing_is_never_cut_off(recorded, locking, is_told, monkeypatch):
    if not is_told:  # another computer, or a system that does not tell who has a file open
        monkeypatch.setattr(lock, "_find_writers", lambda _path: iter(()))
    with another_program(recorded.path, locking) as program:
        size = recorded.path.stat().st_size
        said = str(program.pid) if is_told and sys.platform == "linux" else "open for writing"
        for use in (change, repack, recover):
            with pytest.raises(SessionLockedError, match=said):
                use(recorded.path)
        assert recorded.path.stat().st_size == size
        assert [p.name for p in recorded.path.parent.iterdir()] == [recorded.path.name]
    with h5py.File(recorded.path) as h5:
        assert (h5["scratch/theirs"][:] == np.arange(N_ROWS)).all()
    change(recorded.path)


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells who has a file open")
def test_a_program_without_locks_that_comes_while_we_write_loses_nothing(recorded):
    with ExitStack() as others:
        come = partial(others.enter_context, another_program(recorded.path, "off"))
        with pytest.raises(SessionLockedError, match="another HDF5 program"):
            change(recorded.path, come)
        with pytest.raises(SessionLockedError):
            change(recorded.path)
    with h5py.File(recorded.path) as h5:
        assert (h5["scratch/theirs"][:] == np.arange(N_ROWS)).all()
    change(recorded.path)


def test_what_a_program_without_locks_has_written_while_we_did_is_kept(recorded):
    def write():
        with h5py.File(recorded.path, "r+", locking=False) as h5:
            h5["scratch/theirs"] = np.arange(1000)

    with pytest.raises(SessionLockedError, match="was written by another program"):
        change(recorded.path, write)
    with h5py.File(recorded.path) as h5:
        assert (h5["scratch/theirs"][:] == np.arange(1000)).all()
    change(recorded.path)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_lock_file_that_is_a_link_is_refused_and_its_target_kept(recorded, tmp_path_factory):
    precious = tmp_path_factory.mktemp("elsewhere") / "precious"
    precious.write_bytes(b"precious")
    lock.lock_path(recorded.path).symlink_to(precious)
    with pytest.raises(OutputError, match="symbolic link"):
        change(recorded.path)
    assert precious.read_bytes() == b"precious"


def test_a_file_of_two_names_is_refused(recorded, tmp_path_factory):
    """A lock or journal beside one name is not seen beside the other; it may be a backup."""
    other = tmp_path_factory.mktemp("backup") / "session.nwb"
    os.link(recorded.path, other)
    before = other.read_bytes()
    for use in (change, repack, recover):
        with pytest.raises(OutputError, match="2 names"):
            use(other)
    assert other.read_bytes() == before
    other.unlink()
    change(recorded.path)


def fill_disk(monkeypatch, _path):
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=10**6))
    return nullcontext()


def take_permission(monkeypatch, _path):
    def refuse(_disk, path, mode):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Disk, "open", refuse)
    return nullcontext()


def write_elsewhere(monkeypatch, path):
    monkeypatch.setattr(execution, "_WAIT_FOR_WRITER_S", 0.0)
    return lock.WriterLock(path)


@pytest.mark.parametrize(
    ("hinder", "message"),
    [
        (fill_disk, "1.0 MB free"),
        (take_permission, "cannot be written .Permission denied"),
        (write_elsewhere, "is being written by process"),
    ],
)
def test_work_whose_result_could_not_be_written_does_not_begin(
    recorded, hinder, message, monkeypatch
):
    monkeypatch.setattr(preprocess, "compute", lambda *_arguments: pytest.fail("it has begun"))
    before = recorded.path.read_bytes()
    with hinder(monkeypatch, recorded.path), pytest.raises(AceNwbError, match=message):
        process(recorded.path, "preprocess")
    assert recorded.path.read_bytes() == before
