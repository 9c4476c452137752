"""A dandiset is whole, named and judged by dandi itself; what a person must say is listed."""

import shutil
import warnings

import h5py
import pytest
from pynwb.image import ImageSeries

from ace_nwb.archive.dandiset import check_dandiset, prepare_dandiset
from ace_nwb.archive.description import describe
from ace_nwb.archive.upload import find_instance, upload_dandiset
from ace_nwb.cli import run
from ace_nwb.errors import OutputError, SessionFileError, UnknownNameError
from ace_nwb.nwb.content.sync import undo_alignment
from ace_nwb.nwb.session import edit_session
from ace_nwb.stages.aligning.rows import LEDGER_COLUMNS
from tests.fixtures.foreign_results import add_with_pynwb

pytestmark = [pytest.mark.interop]
STEM = "sub-m001_ses-night-4_behavior+ecephys+image+ophys"


@pytest.fixture(autouse=True)
def dandi_may_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def beside_its_videos(session, tmp_path):
    """Return a copy of the session with the videos it refers to at their relative places."""
    copy = tmp_path / "lab" / "session.nwb"
    copy.parent.mkdir()
    shutil.copy(session, copy)
    with h5py.File(session) as file:
        names = file["/acquisition/BehavCam1/external_file"].asstr()[:]
    for name in names:
        target = copy.parent / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(session.parent / name, target)
    return copy


def test_a_dandiset_holds_whole_copies_under_dandis_names_that_dandi_accepts(
    beside_its_videos, tmp_path, capsys
):
    describe(beside_its_videos, {"NWBFile": {"session_id": "night_4"}})
    original = beside_its_videos.read_bytes()
    folder = tmp_path / "000123"
    command = ["dandi", "prepare", str(folder), str(beside_its_videos), "--dandiset", "000123"]
    assert run(command) == 0, capsys.readouterr().out
    assert "ready for upload" in capsys.readouterr().out
    asset = folder / "sub-m001" / f"{STEM}.nwb"
    with h5py.File(asset) as file:
        names = file["/acquisition/BehavCam1/external_file"].asstr()[:]
    assert all(name.startswith(f"{STEM}/") for name in names)
    with h5py.File(beside_its_videos) as file:
        sources = file["/acquisition/BehavCam1/external_file"].asstr()[:]
    for name, source in zip(names, sources, strict=True):
        copied = (asset.parent / name).read_bytes()
        assert copied == (beside_its_videos.parent / source).read_bytes()
    assert beside_its_videos.read_bytes() == original
    assert (folder / "dandiset.yaml").read_text() == "identifier: DANDI:000123\n"
    assert not list(folder.rglob("*.partial"))

    asset.rename(asset.with_name("renamed by hand.nwb"))
    assert check_dandiset(folder)  # dandi's own judgement is what counts


def test_what_dandi_requires_of_a_person_is_listed_with_its_key_and_nothing_is_copied(
    session_copy, tmp_path, capsys
):
    with edit_session(session_copy) as writer:
        writer.set_value("/general/subject/species", "mouse")
        writer.set_value("/general/subject/age", "90 days")
    folder = tmp_path / "set"
    assert run(["dandi", "prepare", str(folder), str(session_copy)]) == 1
    shown = capsys.readouterr().out
    for text in ("Subject.species", "'mouse'", "Mus musculus", "Subject.age", "P90D", "describe"):
        assert text in shown
    assert not list(folder.rglob("*.nwb"))


def test_a_session_whose_video_is_missing_is_refused_and_leaves_no_half_copy(
    session_copy, tmp_path
):
    for video in tmp_path.rglob("*.avi"):
        video.unlink()
    with pytest.raises(OutputError, match="which is not there"):
        prepare_dandiset(tmp_path / "set", [session_copy])
    assert not list((tmp_path / "set").rglob("*.nwb*"))


@pytest.mark.parametrize("name", ["/etc/hostname.avi", "../key.avi", "link.avi", ".ssh/id_rsa"])
def test_no_file_but_videos_of_the_folder_goes_into_a_dandiset(recorded, tmp_path, name):
    folder = recorded.path.parent
    (folder.parent / "key.avi").write_text("PRIVATE KEY")
    (folder / ".ssh").mkdir()
    (folder / ".ssh" / "id_rsa").write_text("PRIVATE KEY")
    (folder / "link.avi").symlink_to(folder.parent / "key.avi")
    series = ImageSeries(
        name="Camera",
        external_file=[name],
        format="external",
        timestamps=[0.0, 1.5],
        starting_frame=[0],
        unit="n.a.",
    )
    add_with_pynwb(recorded.path, lambda nwbfile: nwbfile.add_acquisition(series))
    with pytest.raises(SessionFileError, match="Do not trust this file"):
        prepare_dandiset(folder / "set", [recorded.path], number="000123")
    assert [f.name for f in (folder / "set").rglob("*") if f.is_file()] == ["dandiset.yaml"]


def test_a_session_of_two_clocks_is_not_ready(beside_its_videos, tmp_path, capsys):
    with edit_session(beside_its_videos) as writer:
        undo_alignment(writer, LEDGER_COLUMNS)
    command = ["dandi", "prepare", str(tmp_path / "000123"), str(beside_its_videos)]
    assert run([*command, "--dandiset", "000123"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "check_clocks" in said
    assert "NOT ready for upload" in said


def test_a_folder_of_another_dandiset_and_a_wrong_number_are_refused(tmp_path):
    prepare_dandiset(tmp_path / "set", [], number="000123")
    with pytest.raises(OutputError, match="belongs to dandiset 000123"):
        prepare_dandiset(tmp_path / "set", [], number="000124")
    with pytest.raises(OutputError, match="six digits"):
        prepare_dandiset(tmp_path / "other", [], number="123")


def test_nothing_is_sent_without_a_named_instance_a_number_and_dandis_consent(tmp_path, capsys):
    prepare_dandiset(tmp_path, [])
    assert run(["dandi", "upload", str(tmp_path)]) == 2
    with pytest.raises(OutputError, match="no dandiset number"):
        upload_dandiset(tmp_path, instance="sandbox")
    with pytest.raises(UnknownNameError, match="sandbox"):
        find_instance("sandbxo")
    assert find_instance("production") == "dandi"
    wrong = tmp_path / "sub-x" / "no name.nwb"
    wrong.parent.mkdir()
    wrong.write_bytes(b"no HDF5")
    (tmp_path / "dandiset.yaml").write_text("identifier: DANDI:000123\n")
    with pytest.raises(OutputError, match="Nothing was sent"):
        upload_dandiset(tmp_path, instance="local")
