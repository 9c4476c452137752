"""The journal: what it is recognised by, when it is refused, what a commit costs."""

import os
import shutil
import time
import tracemalloc
from contextlib import suppress

import h5py
import numpy as np
import pytest

from ace_nwb.errors import JournalError, OutputError, SessionLockedError
from ace_nwb.nwb.commit import journal
from ace_nwb.nwb.commit.disk import Disk
from ace_nwb.nwb.commit.journal import journal_path, partial_journal_path, read_journal, recover
from ace_nwb.nwb.commit.overlay import OverlayFile
from ace_nwb.nwb.commit.repack import repack
from ace_nwb.nwb.session import edit_session, open_session
from tests.fixtures.changes import add_motion, mark_frames


class Stopped(BaseException):
    """The process ends here."""


class StoppingDisk(Disk):
    """Ends when the journal stands but nothing has been patched."""

    def sync_folder(self, folder):
        if any(folder.glob("*.journal")):
            raise Stopped


@pytest.fixture
def interrupted(recorded):
    """A session file whose commit ended with a complete journal."""
    with pytest.raises(Stopped), edit_session(recorded.path, disk=StoppingDisk()) as writer:
        mark_frames(writer)
    assert journal_path(recorded.path).exists()
    return recorded.path


def test_opening_completes_an_interrupted_commit(interrupted):
    with open_session(interrupted) as session:
        assert "verdict" in session.h5["processing/sync/FrameLedger"]
    assert [p.name for p in interrupted.parent.iterdir()] == [interrupted.name]


def test_the_next_writer_completes_an_interrupted_commit_first(interrupted):
    with edit_session(interrupted) as writer:
        assert "verdict" in writer.h5["processing/sync/FrameLedger"]
    assert recover(interrupted).action == "none"


def test_a_dry_run_tells_and_does_nothing(interrupted):
    before = interrupted.read_bytes()
    assert recover(interrupted, dry_run=True).action == "replayed"
    assert interrupted.read_bytes() == before
    assert journal_path(interrupted).exists()
    assert recover(interrupted).n_pages > 0


def test_a_file_moved_together_with_its_journal_recovers(interrupted, tmp_path):
    moved = tmp_path / "moved.nwb"
    shutil.copy(interrupted, moved)
    shutil.copy(journal_path(interrupted), journal_path(moved))
    assert recover(moved).action == "replayed"
    recover(interrupted)
    assert moved.read_bytes() == interrupted.read_bytes()


def test_through_a_symbolic_link_the_file_itself_is_recovered(interrupted, tmp_path_factory):
    link = tmp_path_factory.mktemp("links") / "link.nwb"
    link.symlink_to(interrupted)
    with open_session(link) as session:
        assert "verdict" in session.h5["processing/sync/FrameLedger"]
    with edit_session(link) as writer:
        assert writer.path == interrupted
    assert link.is_symlink()
    assert [p.name for p in link.parent.iterdir()] == [link.name]


def test_what_recovering_did_is_said_in_words(interrupted):
    assert "now in the file as a whole" in str(recover(interrupted))
    assert str(recover(interrupted)) == "There is nothing to recover."
    interrupted.write_bytes(interrupted.read_bytes() + b"left over")
    assert "9 bytes" in str(recover(interrupted, cut=True))


@pytest.mark.parametrize("position", [0, 9, 40, 200, -1])
def test_a_damaged_journal_is_refused(interrupted, position):
    content = bytearray(journal_path(interrupted).read_bytes())
    content[position] ^= 0xFF
    journal_path(interrupted).write_bytes(content)
    before = interrupted.read_bytes()
    with pytest.raises(JournalError, match="Nothing was written"):
        open_session(interrupted)
    assert interrupted.read_bytes() == before
    assert journal_path(interrupted).read_bytes() == content


@pytest.mark.parametrize("length", [0, 5, 100])
def test_a_journal_cut_short_is_refused(interrupted, length):
    source = journal_path(interrupted)
    source.write_bytes(source.read_bytes()[:length])
    with pytest.raises(JournalError, match=r"not a journal|damaged"):
        open_session(interrupted)


def test_the_journal_of_another_file_is_refused(interrupted, recorded_template, tmp_path):
    other = tmp_path / "other.nwb"
    shutil.copy(recorded_template.path, other)
    with edit_session(other) as writer:
        add_motion(writer)
    shutil.copy(journal_path(interrupted), journal_path(other))
    before = other.read_bytes()
    with pytest.raises(JournalError, match="was not written for"):
        open_session(other)
    assert other.read_bytes() == before


def test_a_file_renamed_without_its_journal_is_refused_until_both_are_together(interrupted):
    renamed = interrupted.with_name("renamed.nwb")
    interrupted.rename(renamed)
    before = renamed.read_bytes()
    for use in (open_session, recover, change):
        with pytest.raises(JournalError, match="renamed while an interrupted change waits"):
            use(renamed)
        assert renamed.read_bytes() == before
    journal_path(interrupted).rename(journal_path(renamed))
    assert recover(renamed).action == "replayed"


def change(path):
    with edit_session(path) as writer:
        mark_frames(writer)


def test_the_journal_of_a_missing_file_does_not_concern_others(interrupted, recorded_template):
    other = interrupted.with_name("other.nwb")
    shutil.copy(recorded_template.path, other)
    with h5py.File(other, "r+") as h5:
        h5["acquisition/OnePhotonSeries/data"][0] = 0
    interrupted.unlink()
    with open_session(other) as session:
        assert session.identifier


def test_a_journal_is_refused_after_another_program_changed_the_file(interrupted):
    with h5py.File(interrupted, "r+") as h5:
        h5["acquisition/OnePhotonSeries/data"][0] = 0
    with pytest.raises(JournalError, match="was not written for"):
        open_session(interrupted)


def test_a_journal_never_completed_is_dropped_by_the_next_writer(recorded):
    partial_journal_path(recorded.path).write_bytes(b"ACENWBJ\n half")
    with open_session(recorded.path) as session:
        assert session.has("/acquisition/OnePhotonSeries")
    with edit_session(recorded.path) as writer:
        mark_frames(writer)
    assert [p.name for p in recorded.path.parent.iterdir()] == [recorded.path.name]


def test_a_tail_left_by_an_interrupted_write_is_cut_off(recorded):
    before = recorded.path.read_bytes()
    journal.begin(recorded.path, len(before), Disk())
    recorded.path.write_bytes(before + b"left over" * 1000)
    with open_session(recorded.path) as session:
        assert session.has("/acquisition/OnePhotonSeries")
    assert recover(recorded.path, dry_run=True).n_bytes_dropped == 9000
    assert recover(recorded.path).action == "discarded"
    assert recorded.path.read_bytes() == before
    assert [p.name for p in recorded.path.parent.iterdir()] == [recorded.path.name]


@pytest.mark.parametrize("begun_at", [None, -8, "torn"])
def test_a_tail_that_no_change_of_ours_explains_is_never_cut_off_unasked(recorded, begun_at):
    before = recorded.path.read_bytes()
    if begun_at is not None:
        journal.begin(recorded.path, len(before) + (-8 if begun_at == -8 else 0), Disk())
    if begun_at == "torn":
        partial_journal_path(recorded.path).write_bytes(b"ACENWBJ\n")
    recorded.path.write_bytes(before + b"somebody's rows" * 1000)
    for use in (recover, change, repack):
        with pytest.raises(SessionLockedError, match=r"15000 bytes longer.*recover .* --cut"):
            use(recorded.path)
        assert recorded.path.read_bytes() == before + b"somebody's rows" * 1000
    assert recover(recorded.path, cut=True).n_bytes_dropped == 15000
    assert recorded.path.read_bytes() == before


def test_a_journal_names_the_pages_and_sizes_of_the_change(interrupted):
    found = read_journal(interrupted)
    assert found.old_size < found.new_size == interrupted.stat().st_size
    assert 0 in found.pages, "the superblock must change"
    assert all(old != new for old, new in found.pages.values())


def test_large_data_stream_to_the_tail_without_sitting_in_memory(recorded):
    block = np.random.default_rng(0).integers(0, 256, (1, 2_000_000), np.uint8)
    tracemalloc.start()
    with edit_session(recorded.path) as writer:
        large = writer.h5.create_dataset(
            "scratch/large", (20, 2_000_000), np.uint8, chunks=(1, 2_000_000)
        )
        for row in range(20):
            large[row] = block
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12e6
    with open_session(recorded.path) as session:
        assert np.array_equal(session.h5["scratch/large"][19], block[0])


def test_a_second_writer_is_told_who_writes_and_since_when(recorded):
    with edit_session(recorded.path):
        with pytest.raises(SessionLockedError, match=rf"process {os.getpid()}, for \d+ s"):
            edit_session(recorded.path).__enter__()
        with pytest.raises(BlockingIOError):
            h5py.File(recorded.path, "r+")


def test_the_lock_of_a_process_that_died_is_taken_over(recorded):
    lock = recorded.path.with_name(recorded.path.name + ".lock")
    lock.write_text("999999 1700000000\n")
    with edit_session(recorded.path) as writer:
        assert str(os.getpid()) in lock.read_text()
        mark_frames(writer)
    assert not lock.exists()


def test_a_file_that_another_program_writes_is_refused(recorded):
    other_program = h5py.File(recorded.path, "r+")
    with other_program, pytest.raises(SessionLockedError, match="another HDF5 program"):
        edit_session(recorded.path).__enter__()
    assert [p.name for p in recorded.path.parent.iterdir()] == [recorded.path.name]


def test_others_read_the_old_content_while_one_writes(recorded):
    with edit_session(recorded.path) as writer:
        mark_frames(writer)
        writer.h5.flush()
        with h5py.File(recorded.path, "r") as h5:
            assert "verdict" not in h5["processing/sync/FrameLedger"]
            assert h5["acquisition/OnePhotonSeries/data"].shape[0] == 60
    with h5py.File(recorded.path, "r") as h5:
        assert "verdict" in h5["processing/sync/FrameLedger"]


def test_recovery_waits_for_a_writer_at_work(recorded, monkeypatch):
    monkeypatch.setattr(journal, "WAIT_FOR_WRITER_S", 0.1)
    with edit_session(recorded.path):
        started = time.monotonic()
        with pytest.raises(SessionLockedError):
            recover(recorded.path)
        assert 0.1 <= time.monotonic() - started < 3


@pytest.mark.parametrize("method", ["rename", "sync_folder", "unlink", "truncate", "sync"])
def test_ctrl_c_within_a_commit_leaves_a_file_that_recovers(recorded, method, monkeypatch):
    """An interrupt may strike between any two operations, also where no disk ever fails."""
    path, before = recorded.path, recorded.path.read_bytes()

    class Interrupted(Disk):
        pass

    def interrupt(self, *arguments):
        getattr(super(Interrupted, self), method)(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(Interrupted, method, interrupt, raising=False)
    with pytest.raises(KeyboardInterrupt), edit_session(path, disk=Interrupted()) as writer:
        mark_frames(writer)
    recover(path)
    is_before = path.read_bytes() == before
    is_begun = {"truncate", "sync", "sync_folder"}  # these are needed before the commit already
    assert is_before == (method in is_begun)
    with open_session(path) as session:
        assert is_before != ("verdict" in session.get("/processing/sync/FrameLedger").colnames)


def test_a_write_that_was_interrupted_is_never_committed(recorded, monkeypatch):
    """HDF5 may swallow what a write of ours raises."""
    before = recorded.path.read_bytes()

    def interrupt(*_arguments):
        raise KeyboardInterrupt

    def change():
        with edit_session(recorded.path) as writer:
            mark_frames(writer)
            with monkeypatch.context() as patched, suppress(BaseException):
                patched.setattr(OverlayFile, "_write_tail", interrupt)
                writer.h5.flush()

    with pytest.raises(OutputError, match="interrupted"):
        change()
    assert recorded.path.read_bytes() == before
