"""A damaged or hostile session file is refused by every verb, and nothing at all is written."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from ace_nwb.cli import run
from ace_nwb.nwb.commit.disk import Disk
from ace_nwb.nwb.commit.journal import journal_path
from ace_nwb.nwb.session import edit_session
from tests.fixtures.changes import mark_frames

VERBS = (["status"], ["history"], ["run"], ["process", "motion"], ["repack"])


class Stopped(BaseException):
    """The process ends here."""


class StoppingDisk(Disk):
    """Ends when the journal stands but nothing has been patched."""

    def sync_folder(self, folder):
        if any(folder.glob("*.journal")):
            raise Stopped


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def wrong_magic(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04" + path.read_bytes()[4:])


def foreign_journal(path: Path) -> None:
    journal_path(path).write_bytes(b"a journal of some other program" * 100)


def damaged_journal(path: Path) -> None:
    interrupt_commit(path)
    content = bytearray(journal_path(path).read_bytes())
    content[200] ^= 1
    journal_path(path).write_bytes(content)


def journal_of_another_file(path: Path) -> None:
    other = path.with_name("other.nwb")
    shutil.copy(path, other)
    interrupt_commit(other)
    journal_path(other).rename(journal_path(path))
    with h5py.File(path, "r+") as h5:
        h5["acquisition/OnePhotonSeries/data"][0] = 0


def interrupt_commit(path: Path) -> None:
    with pytest.raises(Stopped), edit_session(path, disk=StoppingDisk()) as writer:
        mark_frames(writer)


def external_link(path: Path) -> None:
    with h5py.File(path, "r+") as h5:
        h5["acquisition/x"] = h5py.ExternalLink("../elsewhere.nwb", "/data")


def link_to_a_symbolic_link(path: Path) -> None:
    secret = path.parent.parent / f"secret-{path.parent.name}"
    secret.write_bytes(b"secret")
    path.with_name("inside.nwb").symlink_to(secret)
    with h5py.File(path, "r+") as h5:
        h5["acquisition/x"] = h5py.ExternalLink("inside.nwb", "/data")


def raw_storage_elsewhere(path: Path) -> None:
    with h5py.File(path, "r+") as h5:
        h5.create_dataset("acquisition/x", (100,), np.uint8, external=[("/etc/passwd", 0, 100)])


def virtual_data_elsewhere(path: Path) -> None:
    layout = h5py.VirtualLayout((4,), np.float64)
    layout[:] = h5py.VirtualSource("/etc/other.h5", "x", (4,))
    with h5py.File(path, "r+") as h5:
        h5.create_virtual_dataset("acquisition/x", layout)


DAMAGES = {
    cut_off: "cut off",
    cut_in_half: "cut off",
    empty: "HDF5 signature",
    wrong_magic: "HDF5 signature",
    foreign_journal: "not a journal of ace_nwb",
    damaged_journal: "damaged (wrong checksum)",
    journal_of_another_file: "was not written for",
    external_link: "not from the file",
    link_to_a_symbolic_link: "not from the file",
    raw_storage_elsewhere: "not from the file",
    virtual_data_elsewhere: "not from the file",
}


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("damage", list(DAMAGES), ids=lambda damage: damage.__name__)
def test_every_verb_refuses_it_and_writes_nothing(damage, recorded, capsys):
    damage(recorded.path)
    before = listing(recorded.path.parent)
    for verb in VERBS:
        assert run([*verb, str(recorded.path)]) == 1, verb
        told = capsys.readouterr().err
        assert told.startswith("error: "), verb
        assert DAMAGES[damage] in told.replace("\n", " "), verb
        assert listing(recorded.path.parent) == before, verb


@pytest.mark.parametrize(
    "command",
    [
        "repack {file}",
        "export {file} --zarr {file}.zarr",
        "export {file} --without-raw {file}.light",
        "export movie {file} {file}.tif",
        "movie {file} --out {file}.mp4",
        "process summary {file}",
    ],
)
def test_a_chunk_of_the_movie_that_is_damaged_is_named_and_nothing_is_written(
    command, recorded, capsys
):
    with h5py.File(recorded.path) as h5:
        chunk = h5["acquisition/OnePhotonSeries/data"].id.get_chunk_info(0)
    content = bytearray(recorded.path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    recorded.path.write_bytes(content)
    before = listing(recorded.path.parent)
    assert run(command.format(file=recorded.path).split()) == 1
    assert "OnePhotonSeries/data cannot be read" in capsys.readouterr().err.replace("\n", " ")
    assert listing(recorded.path.parent) == before


@pytest.mark.parametrize("damage", [foreign_journal, damaged_journal, journal_of_another_file])
def test_recovery_refuses_a_journal_that_is_not_of_this_file(damage, recorded, capsys):
    damage(recorded.path)
    before = listing(recorded.path.parent)
    for options in ([], ["--dry-run"]):
        assert run(["recover", str(recorded.path), *options]) == 1
        assert DAMAGES[damage] in capsys.readouterr().err
        assert listing(recorded.path.parent) == before
