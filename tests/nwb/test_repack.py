"""Repacking gives the space back and changes nothing else."""

import shutil

import h5py
import numpy as np
import pynwb
import pytest

from ace_nwb.errors import OutputError, SessionFileError, SessionLockedError
from ace_nwb.nwb.commit import repack as repacking
from ace_nwb.nwb.commit.disk import Disk
from ace_nwb.nwb.commit.repack import repack
from ace_nwb.nwb.content.rois import read_segmentation
from ace_nwb.nwb.objects import copying
from ace_nwb.nwb.objects.copying import copy_file, find_difference
from ace_nwb.nwb.objects.tables import append_rows, set_value
from ace_nwb.nwb.session import edit_session, open_session
from tests.fixtures.changes import replace_rois
from tests.fixtures.session_files import file_content


@pytest.fixture
def wasteful(analysed):
    """A session file in which much was replaced."""
    with edit_session(analysed) as writer:
        writer.h5["scratch/large"] = np.random.default_rng(0).random(400_000)
    with edit_session(analysed) as writer:
        del writer.h5["scratch/large"]
        replace_rois(writer)
    return analysed


def leaves_alone(path):
    return [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_space_comes_back_and_the_content_stays(wasteful):
    before = file_content(wasteful)
    with open_session(wasteful) as session:
        segmentation = read_segmentation(session)
    result = repack(wasteful)
    assert result.size_before - result.size_after > 3_000_000
    assert result.size_after == wasteful.stat().st_size
    assert {
        key: value for key, value in file_content(wasteful).items() if value != before[key]
    } == {}
    with open_session(wasteful) as session:
        assert np.array_equal(read_segmentation(session).raw, segmentation.raw)
        assert (read_segmentation(session).footprints != segmentation.footprints).nnz == 0
    assert pynwb.validate(path=str(wasteful)) == []
    assert leaves_alone(wasteful)


def test_links_references_and_filters_survive(wasteful, tmp_path):
    with h5py.File(wasteful) as source:
        with h5py.File(tmp_path / "copy.h5", "w") as copy:
            copy_file(source, copy, progress=lambda done, of: None)
        with h5py.File(tmp_path / "copy.h5") as copy:
            assert find_difference(source, copy) is None
            assert copy[copy.attrs[".specloc"]].name == "/specifications"
            table = "processing/ophys/ImageSegmentation/PlaneSegmentation"
            region = copy["processing/ophys/Fluorescence/Denoised/rois"]
            assert copy[region.attrs["table"]].name == f"/{table}"
            masks = copy[f"{table}/image_mask"]
            assert (masks.compression, masks.chunks) == ("gzip", (1, 20, 14))


@pytest.mark.parametrize(
    "harm",
    [
        lambda h5: h5["acquisition/OnePhotonSeries/data"].write_direct(np.ones((60, 20, 14), "u1")),
        lambda h5: h5["acquisition/OnePhotonSeries/timestamps"].attrs.modify("unit", "s"),
        lambda h5: h5["processing/sync/FrameLedger/status"].__setitem__(3, "dropped"),
        lambda h5: h5.__delitem__("general/subject/species"),
        lambda h5: h5.__setitem__("scratch/new", 1),
        lambda h5: h5["processing/ophys/Fluorescence/Denoised/rois"].attrs.modify(
            "table", h5["processing/sync/FrameLedger"].ref
        ),
    ],
)
def test_any_difference_is_seen(analysed, tmp_path, harm):
    shutil.copy(analysed, tmp_path / "other.nwb")
    with h5py.File(tmp_path / "other.nwb", "r+") as other, h5py.File(analysed) as first:
        assert find_difference(first, other) is None
        harm(other)
        assert find_difference(first, other) is not None


def test_hard_links_stay_links(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        h5["x/data"] = np.arange(5)
        h5["y"] = h5["x/data"]
        h5["z"] = h5["x"]
        h5["soft"] = h5py.SoftLink("/x/data")
        h5["empty"] = h5py.Empty("f8")
        h5.attrs["none"] = h5py.Empty("f4")
        with h5py.File(tmp_path / "b.h5", "w") as copy:
            copy_file(h5, copy, progress=lambda done, of: None)
        with h5py.File(tmp_path / "b.h5", "r+") as copy:
            assert find_difference(h5, copy) is None
            copy["y"][0] = 9
            assert copy["x/data"][0] == 9


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_texts_that_are_no_utf8_are_copied_as_they_are(tmp_path, encoding):
    latin = "Köln".encode("latin-1")
    with h5py.File(tmp_path / "a.h5", "w") as h5:
        text = h5py.string_dtype(encoding)
        h5.attrs.create("one", latin, dtype=text)
        h5.attrs.create("two", [[latin, b"b"]], dtype=text)
        h5.create_dataset("rows", data=[latin], dtype=text).attrs.create("of", latin, dtype=text)
        with h5py.File(tmp_path / "b.h5", "w") as copy:
            copy_file(h5, copy, progress=lambda done, of: None)
        append_rows(h5["rows"], [b"more"])
        set_value(h5, "/rows", [1.0, 2.0])
        with h5py.File(tmp_path / "b.h5") as copy:
            assert copy.attrs["one"].encode("utf-8", "surrogateescape") == latin
            assert copy.attrs["two"].tolist() == h5.attrs["two"].tolist()
            assert copy["rows"].attrs["of"] == h5["rows"].attrs["of"] == copy.attrs["one"]
            stored = copy.attrs.get_id("one").dtype
            assert h5py.check_string_dtype(stored).encoding == encoding


def test_a_full_disk_is_seen_before_anything_is_written(wasteful, monkeypatch):
    before = wasteful.read_bytes()
    usage = shutil.disk_usage(wasteful)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(OutputError, match=r"needs .* MB for a copy"):
        repack(wasteful)
    assert wasteful.read_bytes() == before
    assert leaves_alone(wasteful)


def test_a_copy_that_differs_does_not_take_the_place(wasteful, monkeypatch):
    before = wasteful.read_bytes()
    monkeypatch.setattr(copying, "_copy_values", lambda source, target, copied: None)
    with pytest.raises(SessionFileError, match="differs at"):
        repack(wasteful)
    assert wasteful.read_bytes() == before
    assert leaves_alone(wasteful)


@pytest.mark.parametrize("method", ["sync", "rename"])
def test_a_disk_that_refuses_leaves_the_file_as_it_was(wasteful, method):
    before = wasteful.read_bytes()

    class Refusing(Disk):
        pass

    def refuse(self, *arguments):
        raise OSError(28, "No space left on device")

    setattr(Refusing, method, refuse)
    with pytest.raises(OutputError, match=r"cannot be written|stays as it was"):
        repack(wasteful, disk=Refusing())
    assert wasteful.read_bytes() == before
    assert leaves_alone(wasteful)


def test_a_file_being_written_is_not_repacked(wasteful):
    with edit_session(wasteful), pytest.raises(SessionLockedError):
        repack(wasteful)


def test_progress_ends_at_the_whole(wasteful):
    calls = []
    repack(wasteful, progress=lambda done, of: calls.append((done, of)))
    assert calls[-1][0] == calls[-1][1] > 0
    assert calls == sorted(calls)


def test_the_needed_space_is_that_of_the_data_kept(wasteful):
    with h5py.File(wasteful) as h5:
        assert repacking.live_bytes(h5) < wasteful.stat().st_size - 3_000_000
