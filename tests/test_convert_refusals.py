"""Bad input: a clear error, nothing left behind, an existing output untouched."""

import errno
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import ace_nwb.conversion as convert_module
from ace_nwb.conversion import convert
from ace_nwb.errors import (
    AceNwbError,
    EphysError,
    FormatError,
    MetadataError,
    MovieError,
    OutputError,
    SessionLockedError,
    TimestampError,
)
from ace_nwb.nwb.commit.disk import Disk
from ace_nwb.nwb.commit.lock import WriterLock
from ace_nwb.nwb.commit.new_file import new_h5
from tests.fixtures.recordings import (
    METADATA,
    TinyRecording,
    cut_file,
    draw_frames,
    write_base,
    write_device,
    write_movie,
    write_timestamps,
)


def remove_movies(tiny: TinyRecording) -> None:
    for path in tiny.scope.glob("*.avi"):
        path.unlink()


def remove_scope(tiny: TinyRecording) -> None:
    shutil.rmtree(tiny.scope)


def cut_middle_movie(tiny: TinyRecording) -> None:
    cut_file(tiny.scope / "5.avi", 0.8)


def cut_last_movie(tiny: TinyRecording) -> None:
    cut_file(tiny.scope / "11.avi", 0.98)


def empty_movie(tiny: TinyRecording) -> None:
    (tiny.scope / "3.avi").write_bytes(b"")


def remove_one_movie(tiny: TinyRecording) -> None:
    (tiny.scope / "3.avi").unlink()


def remove_last_movie(tiny: TinyRecording) -> None:
    (tiny.scope / "11.avi").unlink()


def colour_movie(tiny: TinyRecording) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (5, 18, 26, 3), dtype=np.uint8)
    write_movie(tiny.scope / "7.avi", colours, pixel_format="bgr0")


def remove_stamps(tiny: TinyRecording) -> None:
    (tiny.scope / "timeStamps.csv").unlink()


def fewer_stamps(tiny: TinyRecording) -> None:
    write_timestamps(tiny.scope, tiny.stamps_ms[:-3])


def more_stamps(tiny: TinyRecording) -> None:
    write_timestamps(tiny.scope, [*tiny.stamps_ms, tiny.stamps_ms[-1] + 50])


def text_cell(tiny: TinyRecording) -> None:
    write_timestamps(tiny.scope, [*tiny.stamps_ms[:20], "lost", *tiny.stamps_ms[21:]])


def half_a_row(tiny: TinyRecording) -> None:
    path = tiny.scope / "timeStamps.csv"
    path.write_text(path.read_text()[:-6])


def swapped_rows(tiny: TinyRecording) -> None:
    stamps = tiny.stamps_ms.copy()
    stamps[[30, 31, 32, 33]] = stamps[[33, 32, 31, 30]]
    write_timestamps(tiny.scope, stamps)


def duplicate_stamp(tiny: TinyRecording) -> None:
    stamps = tiny.stamps_ms.copy()
    stamps[30:32] = stamps[29]
    write_timestamps(tiny.scope, stamps)


def broken_json(tiny: TinyRecording) -> None:
    (tiny.folder / "metaData.json").write_text("{")


def second_recording(tiny: TinyRecording) -> None:
    shutil.copytree(tiny.folder, tiny.folder.parent / "15_40_00")


CASES = {
    "no movie": (remove_movies, MovieError, "holds no movie"),
    "no scope folder": (remove_scope, FormatError, "lists the scope 'My Scope'"),
    "a movie cut off": (cut_middle_movie, MovieError, r"5\.avi is cut off: \d of 5 frames"),
    "the last movie cut off": (cut_last_movie, MovieError, r"11\.avi is cut off: 1 of 2 frames"),
    "an empty movie file": (empty_movie, MovieError, r"3\.avi \(0 bytes\)"),
    "a movie missing": (remove_one_movie, MovieError, "from 0 to 11 was expected once"),
    "the last movie missing": (remove_last_movie, TimestampError, "57 rows, more than the 55"),
    "a colour movie": (colour_movie, MovieError, "7.avi"),
    "no time stamps": (remove_stamps, TimestampError, "does not exist"),
    "fewer time stamps": (fewer_stamps, TimestampError, "54 rows, fewer than the 57 frames"),
    "more time stamps": (more_stamps, TimestampError, "58 rows, more than the 57 frames"),
    "a cell of text": (text_cell, TimestampError, "line 22.*holds 'lost'"),
    "half a last row": (half_a_row, TimestampError, "line 58 has 2 of 3 cells"),
    "rows swapped": (swapped_rows, TimestampError, "line 33.*follows"),
    "a stamp twice": (duplicate_stamp, TimestampError, "line 32.*follows"),
    "broken JSON": (broken_json, MetadataError, "metaData.json"),
    "two recordings": (second_recording, FormatError, r"(?s)holds 2 .*15_26_31.*15_40_00"),
}


@pytest.fixture
def out(tmp_path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder / "session.nwb"


@pytest.mark.parametrize("is_present", [False, True], ids=["new", "over an existing file"])
@pytest.mark.parametrize("case", CASES)
def test_bad_recordings_leave_nothing_behind(tiny, out, case, is_present):
    damage, error, words = CASES[case]
    write_timestamps(tiny.scope, tiny.stamps_ms)
    damage(tiny)
    if is_present:
        out.write_bytes(b"precious")
    with pytest.raises(error, match=words):
        convert(tiny.folder.parent, out, metadata=METADATA, overwrite=is_present)
    assert [path.name for path in out.parent.iterdir()] == (["session.nwb"] if is_present else [])
    if is_present:
        assert out.read_bytes() == b"precious"


def test_an_existing_output_is_refused_before_anything_is_read(tmp_path, out):
    out.write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"session\.nwb exists.*--overwrite"):
        convert(tmp_path / "not even there", out)
    assert out.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent/session.nwb", "The folder .*absent does not exist"),
        ("a_file/session.nwb", "does not exist"),
        ("session.hdf", r"does not end in \.nwb"),
        ("folder.nwb", "is a folder"),
    ],
)
def test_targets_that_cannot_be_are_refused_before_anything_is_read(tmp_path, name, words):
    (tmp_path / "a_file").touch()
    (tmp_path / "folder.nwb").mkdir()
    with pytest.raises(OutputError, match=words):
        convert(tmp_path / "not even there", tmp_path / name)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission_is_refused(tiny, out):
    out.parent.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="write permission"):
            convert(tiny.folder, out, metadata=METADATA)
    finally:
        out.parent.chmod(0o700)


def test_a_folder_that_refuses_new_files_is_refused(tiny, out, monkeypatch):
    def refuse(_self, path, _mode):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Disk, "open", refuse)
    with pytest.raises(OutputError, match=r"cannot be written \(Permission denied"):
        convert(tiny.folder, out, metadata=METADATA)
    assert list(out.parent.iterdir()) == []


def test_a_disk_that_is_too_small_is_refused(tiny, out, monkeypatch):
    usage = shutil.disk_usage(tiny.folder)
    monkeypatch.setattr(convert_module.shutil, "disk_usage", lambda _path: usage._replace(free=100))
    with pytest.raises(OutputError, match="GB free"):
        convert(tiny.folder, out, metadata=METADATA)
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_in_the_middle_of_writing_leaves_nothing(tiny, out, monkeypatch, error):
    def fail(*_args, **_options):
        assert [path.name for path in out.parent.glob("*.partial")] == ["session.nwb.partial"]
        raise error

    monkeypatch.setattr(convert_module, "write_blocks", fail)
    out.write_bytes(b"precious")
    expected = OutputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        convert(tiny.folder, out, metadata=METADATA, overwrite=True)
    assert [path.name for path in out.parent.iterdir()] == ["session.nwb"]
    assert out.read_bytes() == b"precious"


def test_a_movie_that_breaks_while_it_is_read_leaves_nothing(tiny, out, monkeypatch):
    from ace_nwb.interfaces import movie_source

    monkeypatch.setattr(
        movie_source, "_grey_plane", lambda *_args: (_ for _ in ()).throw(MovieError("x"))
    )
    with pytest.raises(MovieError):
        convert(tiny.folder, out, metadata=METADATA)
    assert list(out.parent.iterdir()) == []


def test_a_file_that_another_process_writes_is_refused(tiny, out):
    out.write_bytes(b"precious")
    with WriterLock(out), pytest.raises(SessionLockedError):
        convert(tiny.folder, out, metadata=METADATA, overwrite=True)
    assert out.read_bytes() == b"precious"


def test_a_second_conversion_leaves_what_the_first_one_writes(tiny, out):
    with new_h5(out) as first:
        first["rows"] = np.arange(9)
        with pytest.raises(SessionLockedError):
            convert(tiny.folder, out, metadata=METADATA, overwrite=True)
    with h5py.File(out) as h5:
        assert h5["rows"][8] == 8


def test_a_file_that_another_program_writes_is_not_replaced(tiny, out):
    with h5py.File(out, "w") as theirs:
        theirs["rows"] = np.arange(9)
        with pytest.raises(SessionLockedError, match="open for writing"):
            convert(tiny.folder, out, metadata=METADATA, overwrite=True)
    with h5py.File(out) as h5:
        assert h5["rows"][8] == 8


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9, 0.99])
def test_one_refused_write_is_enough_to_write_nothing(tiny, out, monkeypatch, share):
    """HDF5 is not told, and would not always say so: h5py drops errors of freed objects."""
    n_writes = count_writes(tiny, out, monkeypatch)
    monkeypatch.setattr(Disk, "write_at", FaultyWrites({int(n_writes * share)}).write_at)
    with pytest.raises(OutputError, match="Input/output error"):
        convert(tiny.folder, out, metadata=METADATA)
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_a_write_that_the_disk_forgets_is_found_before_the_file_gets_its_name(
    tiny, out, monkeypatch, share
):
    n_writes = count_writes(tiny, out, monkeypatch)
    faulty = FaultyWrites({int(n_writes * share)}, is_silent=True)
    monkeypatch.setattr(Disk, "write_at", faulty.write_at)
    with pytest.raises(OutputError, match="not those that were written"):
        convert(tiny.folder, out, metadata=METADATA)
    assert list(out.parent.iterdir()) == []


class FaultyWrites:
    """Fails at, or forgets, some of the writes of a run."""

    def __init__(self, faulty: set[int], *, is_silent: bool = False):
        self.faulty, self.is_silent, self.count = faulty, is_silent, 0
        write_at = Disk.write_at

        def write(disk, file, offset, data):
            self.count += 1
            if self.count - 1 not in self.faulty:
                write_at(disk, file, offset, data)
            elif self.is_silent:
                write_at(disk, file, offset, bytes(value ^ 255 for value in bytes(data)))
            else:
                raise OSError(errno.EIO, "Input/output error")

        self.write_at = write


def count_writes(tiny, out, monkeypatch) -> int:
    counted = FaultyWrites(set())
    with monkeypatch.context() as patched:
        patched.setattr(Disk, "write_at", counted.write_at)
        convert(tiny.folder, out, metadata=METADATA)
    out.unlink()
    return counted.count


def test_metadata_that_do_not_fit_are_refused(tiny, out):
    with pytest.raises(MetadataError, match=r"Subject\.specie: unknown key"):
        convert(tiny.folder, out, metadata={"Subject": {"specie": "x"}})
    assert list(out.parent.iterdir()) == []


def test_a_recording_that_does_not_say_when_it_began_is_refused(tiny, out):
    (tiny.folder / "metaData.json").write_text('{"miniscopes": ["My Scope"]}')
    with pytest.raises(MetadataError, match=r"NWBFile\.session_start_time"):
        convert(tiny.folder, out, metadata=METADATA)
    assert list(out.parent.iterdir()) == []


def test_cameras_alone_are_refused(tiny, out):
    write_base(tiny.folder, [], ["Cam"])
    shutil.rmtree(tiny.scope)
    write_device(tiny.folder / "Cam", draw_frames(3), 10 + 50 * np.arange(3), device_type="WebCam")
    with pytest.raises(FormatError, match="holds no Miniscope, only cameras"):
        convert(tiny.folder, out, metadata=METADATA)


def test_an_ephys_folder_without_ephys_is_refused(tiny, out, tmp_path):
    (tmp_path / "ephys").mkdir()
    with pytest.raises(FormatError, match="ephys holds no ephys recording"):
        convert(tiny.folder, out, ephys_folder=tmp_path / "ephys", metadata=METADATA)
    assert list(out.parent.iterdir()) == []


def test_a_damaged_ephys_file_is_refused(tiny, out, tmp_path):
    (tmp_path / "ephys").mkdir()
    (tmp_path / "ephys" / "CSC1.ncs").write_bytes(b"nonsense" * 4000)
    with pytest.raises(EphysError, match=r"CSC1\.ncs begins with"):
        convert(tiny.folder, out, ephys_folder=tmp_path / "ephys", metadata=METADATA)
    assert list(out.parent.iterdir()) == []


def test_a_folder_of_something_else_is_refused(tmp_path, out):
    (tmp_path / "photos").mkdir()
    with pytest.raises(AceNwbError, match="no imaging recording of a known format"):
        convert(tmp_path / "photos", out)
