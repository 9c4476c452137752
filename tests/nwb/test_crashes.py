"""After a crash at any point of any change a session file is exactly as before or as after."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ace_nwb.errors import JournalError, OutputError
from ace_nwb.nwb.commit.journal import journal_path, recover
from ace_nwb.nwb.session import edit_session, open_session
from tests.fixtures.changes import CHANGES, Change, add_motion, add_rois, mark_frames
from tests.fixtures.faults import CrashedFolder, FailingDisk, Operation, RecordingDisk
from tests.fixtures.session_files import file_content

NAME = "session.nwb"
N_RUNS = 40


@dataclass(frozen=True)
class Traced:
    """A change done once: the file before and after, and every file operation between."""

    before: bytes
    after: bytes
    operations: list[Operation]


@pytest.fixture(scope="module", params=list(CHANGES))
def traced(request, recorded_template, analysed_template, tmp_path_factory) -> Traced:
    path = tmp_path_factory.mktemp("traced") / NAME
    is_analysed, change = CHANGES[request.param]
    before = (analysed_template if is_analysed else recorded_template.path).read_bytes()
    path.write_bytes(before)
    disk = RecordingDisk()
    with edit_session(path, disk=disk) as writer:
        change(writer)
    return Traced(before, path.read_bytes(), disk.operations)


def points(traced: Traced, n_runs: int = N_RUNS) -> list[int]:
    """Return every stop around the commit, and some within the bulk of the writing."""
    first_sync = [(op.kind, op.name) for op in traced.operations].index(("sync", NAME))
    early = np.linspace(0, first_sync, max(2, n_runs // 4)).astype(int)
    return sorted({*early.tolist(), *range(first_sync, len(traced.operations) + 1)})


def crash(traced: Traced, stop_at: int, how: str, seed: int = 0) -> dict[str, bytes]:
    folder = CrashedFolder({NAME: bytearray(traced.before)})
    for operation in traced.operations[:stop_at]:
        folder.apply(operation)
    return folder.crash(np.random.default_rng([seed, stop_at]), how)


def lay_out(files: dict[str, bytes], folder: Path) -> Path:
    for old in folder.iterdir():
        old.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / NAME


@pytest.mark.parametrize("how", ["kill", "torn", "power"])
def test_every_interruption_leaves_the_file_as_before_or_as_after(traced, tmp_path, how):
    outcomes = set()
    for stop_at in points(traced):
        path = lay_out(crash(traced, stop_at, how), tmp_path)
        recover(path, disk=RecordingDisk())
        outcomes.add("before" if path.read_bytes() == traced.before else "after")
        assert path.read_bytes() in (traced.before, traced.after), f"after operation {stop_at}"
        assert [p.name for p in tmp_path.iterdir()] == [NAME]
    assert outcomes == {"before", "after"}


@pytest.mark.parametrize("how", ["kill", "torn", "power"])
def test_without_a_journal_the_file_needs_no_recovery_to_be_read(traced, tmp_path, how):
    for stop_at in points(traced):
        files = crash(traced, stop_at, how)
        if journal_path(Path(NAME)).name in files:
            continue
        content = files[NAME]
        is_before = content[: len(traced.before)] == traced.before
        assert is_before or content == traced.after, f"after operation {stop_at}"


def test_an_interrupted_recovery_can_be_repeated(traced, tmp_path):
    kinds = [operation.kind for operation in traced.operations]
    files = crash(traced, kinds.index("sync folder", kinds.index("rename")) + 3, "torn")
    assert journal_path(Path(NAME)).name in files
    disk = RecordingDisk()
    recover(lay_out(files, tmp_path), disk=disk)
    for stop_at in range(len(disk.operations)):
        folder = CrashedFolder({name: bytearray(content) for name, content in files.items()})
        for operation in disk.operations[:stop_at]:
            folder.apply(operation)
        path = lay_out(folder.crash(np.random.default_rng(stop_at), "power"), tmp_path)
        recover(path, disk=RecordingDisk())
        assert path.read_bytes() == traced.after


def test_what_a_commit_writes_before_its_journal_lies_behind_the_old_end(traced):
    kinds = [operation.kind for operation in traced.operations]
    for operation in traced.operations[: kinds.index("rename")]:
        if operation.name == NAME and operation.kind in {"write", "truncate"}:
            assert operation.offset >= len(traced.before)


@pytest.mark.parametrize("kind", ["write", "sync", "rename", "sync folder", "truncate"])
def test_a_disk_that_refuses_leaves_the_file_as_it_was_or_a_journal_to_replay(recorded, kind):
    path, before = recorded.path, recorded.path.read_bytes()
    n_refused = 0
    for stop_at in (0, 2, 14, 20):
        path.write_bytes(before)
        try:
            with edit_session(path, disk=FailingDisk(stop_at, kinds=(kind,))) as writer:
                mark_frames(writer)
        except JournalError:
            assert recover(path).action == "replayed"
            n_refused += 1
        except OutputError:
            assert path.read_bytes()[: len(before)] == before
            assert kind == "truncate" or path.stat().st_size == len(before)
            recover(path)
            n_refused += 1
            assert path.read_bytes() == before
        with open_session(path) as session:
            assert session.nwbfile.identifier
    assert n_refused


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
@pytest.mark.parametrize("room", [0, 1_000, 60_000, 100_000])
def test_a_full_disk_leaves_the_file_as_it_was(recorded, room):
    """The operating system refuses to let the file grow further than `room` bytes."""
    import resource

    before = recorded.path.read_bytes()
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + room, old[1]))
    try:
        with pytest.raises(OutputError, match="as it was"):
            change_with(recorded.path, add_rois)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert recorded.path.read_bytes() == before
    assert [p.name for p in recorded.path.parent.iterdir()] == [NAME]


def change_with(path: Path, change: Change) -> None:
    with edit_session(path) as writer:
        change(writer)


@pytest.fixture
def as_nobody():
    """Give up the rights of root for a while, which no permission stops."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def read_only(recorded_template):
    """A session file in a folder in which nothing can be written."""
    folder = Path(tempfile.mkdtemp())
    path = folder / NAME
    shutil.copy(recorded_template.path, path)
    path.chmod(0o444)
    folder.chmod(0o555)
    yield path
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="needs folder permissions")
def test_in_a_read_only_folder_a_session_is_read_and_a_change_refused(read_only, as_nobody):
    with open_session(read_only) as session:
        assert session.nwbfile.identifier
    with pytest.raises(OutputError, match="write permission"):
        change_with(read_only, mark_frames)


@pytest.mark.skipif(sys.platform == "win32", reason="needs folder permissions")
def test_in_a_read_only_folder_an_unfinished_commit_is_refused(read_only, request):
    read_only.parent.chmod(0o755)
    journal_path(read_only).write_bytes(b"anything")
    read_only.parent.chmod(0o555)
    request.getfixturevalue("as_nobody")
    with pytest.raises(OutputError, match="write permission"):
        open_session(read_only)


def change_and_fail(path: Path) -> None:
    with edit_session(path) as writer:
        add_motion(writer)
        writer.h5.flush()
        raise RuntimeError("stage failed")


def test_an_exception_in_the_change_rolls_it_back_to_the_byte(recorded):
    before = recorded.path.read_bytes()
    with pytest.raises(RuntimeError, match="stage failed"):
        change_and_fail(recorded.path)
    assert recorded.path.read_bytes() == before
    assert [p.name for p in recorded.path.parent.iterdir()] == [NAME]


CHILD = """
import os, sys
from pathlib import Path
from ace_nwb.nwb.session import edit_session
from tests.fixtures.changes import mark_frames
from tests.fixtures.faults import KillingDisk
folder, *stops = sys.argv[1:]
for stop in stops:
    if os.fork() == 0:
        disk = KillingDisk(int(stop), is_torn=int(stop) % 2 == 1)
        with edit_session(Path(folder) / f"{stop}.nwb", disk=disk) as writer:
            mark_frames(writer)
        os._exit(0)
    os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_a_killed_process_leaves_the_file_as_before_or_as_after(recorded, tmp_path):
    disk, reference = RecordingDisk(), tmp_path / "reference.nwb"
    shutil.copy(recorded.path, reference)
    with edit_session(reference, disk=disk) as writer:
        mark_frames(writer)
    stops = [str(stop) for stop in range(0, len(disk.operations) + 1, 3)]
    for stop in stops:
        shutil.copy(recorded.path, tmp_path / f"{stop}.nwb")
    command = [sys.executable, "-c", CHILD, str(tmp_path), *stops]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    before, after = lasting_content(recorded.path), lasting_content(reference)
    outcomes = []
    for stop in stops:
        recover(tmp_path / f"{stop}.nwb")
        found = lasting_content(tmp_path / f"{stop}.nwb")
        assert found in (before, after), f"after operation {stop}"
        outcomes.append(found == after)
    assert outcomes == sorted(outcomes), "once committed, always committed"
    assert set(outcomes) == {False, True}


def lasting_content(path: Path) -> dict[str, object]:
    """Return the content without what differs between two runs of one change."""
    content = file_content(path)
    content.pop("file_create_date")
    return {
        key: re.sub(r"'object_id': '[^']*'", "", value) if isinstance(value, str) else value
        for key, value in content.items()
    }
