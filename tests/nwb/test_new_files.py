"""The door for new files: under a final name stands a whole file or none, whatever fails."""

import errno
import io
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from ace_nwb.errors import OutputError, SessionLockedError
from ace_nwb.nwb.commit.checked_file import _last_writes, _Written
from ace_nwb.nwb.commit.disk import Disk
from ace_nwb.nwb.commit.lock import WriterLock, lock_path
from ace_nwb.nwb.commit.new_file import (
    as_text,
    claim,
    make_folder,
    new_file,
    new_files,
    new_h5,
    write_new,
)
from tests.fixtures.faults import CrashedFolder, FailingDisk, RecordingDisk

CONTENT = bytes(range(256)) * 40
KINDS = ("write", "truncate", "sync", "rename", "sync folder")


def write_rows(path, disk):
    with new_file(path, disk=disk) as stream:
        for start in range(0, len(CONTENT), 1000):
            stream.write(CONTENT[start : start + 1000])


def write_h5(path, disk):
    with new_h5(path, disk=disk) as h5:
        h5.create_dataset("rows", data=np.arange(5000), chunks=(500,))


def is_whole(content: bytes) -> bool:
    if content[:4] == CONTENT[:4]:
        return content == CONTENT
    with h5py.File(io.BytesIO(content)) as h5:
        return bool((h5["rows"][:] == np.arange(5000)).all())


@pytest.mark.parametrize("write", [write_rows, write_h5])
@pytest.mark.parametrize("kind", KINDS)
def test_a_disk_that_refuses_anything_leaves_a_whole_file_or_none(write, kind, tmp_path):
    n_refused = 0
    for stop_at in range(8):
        path = tmp_path / str(stop_at) / "new"
        path.parent.mkdir()
        try:
            write(path, FailingDisk(stop_at, kinds=(kind,)))
        except OutputError:
            n_refused += 1
            assert kind == "sync folder" or list(path.parent.iterdir()) == []
        if path.exists():
            assert is_whole(path.read_bytes())
        else:
            write(path, Disk())
    assert n_refused or (kind, write) == ("truncate", write_rows)


@pytest.mark.parametrize("write", [write_rows, write_h5])
def test_a_power_cut_at_any_moment_leaves_a_whole_file_or_none(write, tmp_path):
    disk = RecordingDisk()
    write(tmp_path / "new", disk)
    n_whole = 0
    for stop_at in range(len(disk.operations) + 1):
        folder = CrashedFolder({})
        for operation in disk.operations[:stop_at]:
            folder.apply(operation)
        left = folder.crash(np.random.default_rng(stop_at), "power")
        assert "new" not in left or is_whole(left["new"])
        n_whole += "new" in left
    assert n_whole


class ForgettingDisk(Disk):
    """Says yes and writes something else."""

    def write_at(self, file, offset, data):
        super().write_at(file, offset, bytes(len(data)))


def test_what_the_disk_has_forgotten_is_found(tmp_path):
    with pytest.raises(OutputError, match="not those that were written"):
        write_rows(tmp_path / "new", ForgettingDisk())
    assert list(tmp_path.iterdir()) == []


def test_only_writes_that_a_later_one_covers_are_not_compared():
    first, second, third = (_Written(0, 10, 1, 0), _Written(5, 10, 2, 1), _Written(15, 5, 3, 2))
    assert _last_writes([first, second, third]) == [second, third]
    assert _last_writes([_Written(0, 10, 1, 5), second]) == [_Written(0, 10, 1, 5)]


@pytest.mark.parametrize("ending", ["", ".journal", ".journal-partial", ".repacking", ".partial"])
def test_what_a_killed_command_has_left_does_not_stand_in_the_way(ending, tmp_path):
    (tmp_path / f"new.partial{ending}").write_bytes(b"left")
    (tmp_path / "new.lock").write_text("999999 1700000000\n")
    write_rows(tmp_path / "new", Disk())
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_folder_that_was_left_does_not_stand_in_the_way_of_a_folder(tmp_path):
    (tmp_path / "new.partial" / "old").mkdir(parents=True)
    with claim(tmp_path / "new") as beside:
        beside.mkdir()
        (beside / "part").write_bytes(CONTENT)
    assert [path.name for path in tmp_path.rglob("*")] == ["new", "part"]


def test_files_of_others_beside_the_new_one_are_kept(tmp_path):
    (tmp_path / "new.partial_data.csv").write_text("precious")
    write_rows(tmp_path / "new", Disk())
    assert (tmp_path / "new.partial_data.csv").read_text() == "precious"


def test_a_name_that_is_taken_or_being_written_is_refused(tmp_path):
    (tmp_path / "taken").write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        write_new(tmp_path / "taken", "x")
    with WriterLock(tmp_path / "new"), pytest.raises(SessionLockedError):
        write_new(tmp_path / "new", "x")
    assert write_new(tmp_path / "taken", "y", replace=True).read_text() == "y"


def test_files_of_one_command_appear_together_and_an_interrupted_one_is_completed(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]

    def write(last):
        with new_files(paths) as (first, second):
            first.write(b"1")
            second.write(last)

    with pytest.raises(TypeError):
        write("no bytes")
    assert list(tmp_path.iterdir()) == []
    paths[0].write_bytes(b"1")  # killed between the two names
    write(b"2")
    assert [path.read_bytes() for path in paths] == [b"1", b"2"]
    with pytest.raises(OutputError, match="exists already"):
        write(b"2")
    paths[0].unlink()
    with pytest.raises(OutputError, match="another content"):
        write(b"3")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_through_a_symbolic_link_the_file_itself_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "page", tmp_path / "page"
    target.write_text("old")
    link.symlink_to(target)
    write_new(link, "new", replace=True)
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_an_error_of_a_source_is_not_told_as_one_of_the_new_file(tmp_path):
    with pytest.raises(FileNotFoundError), new_file(tmp_path / "new"):
        shutil.copy(tmp_path / "no source", tmp_path / "anywhere")
    assert list(tmp_path.iterdir()) == []


def test_a_new_folder_lasts_with_those_above_it(tmp_path, monkeypatch):
    """A power cut takes what a folder holds along if its own name is not on the medium."""
    synced = []
    monkeypatch.setattr(Disk, "sync_folder", lambda _disk, folder: synced.append(folder))
    make_folder(tmp_path / "a" / "b")
    assert set(synced) == {tmp_path, tmp_path / "a"}
    make_folder(tmp_path / "a" / "b")
    assert len(synced) == 2
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="choose another"):
        make_folder(tmp_path / "file" / "c")


def test_a_lock_that_cannot_be_removed_is_told_by_nobody(tmp_path, monkeypatch):
    """What is written is written; the next run recognises the lock as stale."""

    def refuse(*_arguments, **_options):
        raise OSError(errno.EROFS, "read-only")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        with WriterLock(tmp_path / "x"):
            pass
    assert lock_path(tmp_path / "x").exists()
    with WriterLock(tmp_path / "x"):
        pass
    assert not lock_path(tmp_path / "x").exists()


def test_texts_keep_their_letters_and_line_ends(tmp_path):
    with new_file(tmp_path / "new.csv") as stream, as_text(stream) as text:
        text.write("Größe\r\n1\r\n")
    assert (tmp_path / "new.csv").read_bytes() == "Größe\r\n1\r\n".encode()
