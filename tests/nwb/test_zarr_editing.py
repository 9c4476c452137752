"""Stages run on a session in Zarr: it is changed as a whole, or not at all."""

import shutil
import sys
from pathlib import Path

import pytest

from ace_nwb import pipeline
from ace_nwb.cli import run
from ace_nwb.curation import Draft, decide
from ace_nwb.errors import CurationError
from ace_nwb.nwb import layout
from ace_nwb.nwb.commit.disk import Disk
from ace_nwb.nwb.content.choices import read_choices
from ace_nwb.nwb.content.series import read_series
from ace_nwb.nwb.session import open_session
from ace_nwb.nwb.zarr import editing as zarr_editing
from ace_nwb.nwb.zarr.exchange import export_zarr

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def stored_template(tiny_session_template, tmp_path_factory):
    return export_zarr(tiny_session_template, tmp_path_factory.mktemp("zarr") / "session.nwb.zarr")


@pytest.fixture
def stored(stored_template, tmp_path):
    return shutil.copytree(stored_template, tmp_path / "session.nwb.zarr")


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_stage_on_zarr_gives_what_it_gives_on_a_file(stored, tiny_session, capsys):
    assert run(["process", "preprocess", str(stored)]) == 0
    pipeline.process(tiny_session, "preprocess")
    found = []
    for path in (tiny_session, stored):
        with open_session(path) as session:
            found.append(read_series(session, layout.BLEACHING_TREND)[1].tolist())
    assert found[0] == found[1]
    assert run(["diff", str(tiny_session), str(stored)]) == 0
    assert [p.name for p in stored.parent.glob("session.nwb.zarr*")] == [stored.name]
    before = files(stored)
    assert pipeline.process(stored, "preprocess").action == "already done"
    assert files(stored) == before


def test_an_interrupted_change_leaves_the_session_and_goes_on(stored, monkeypatch):
    before = files(stored)

    def interrupt(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(zarr_editing, "export_zarr", interrupt)
        with pytest.raises(KeyboardInterrupt):
            pipeline.process(stored, "preprocess")
    assert files(stored) == before
    assert pipeline.process(stored, "preprocess").action == "already done", "in the working copy"
    assert {s.stage: s.state for s in pipeline.status(stored)}["preprocess"] == "done"
    assert [p.name for p in stored.parent.iterdir()] == [stored.name]


@pytest.fixture
def kill_before_the_exchange(monkeypatch):
    """Make the process end once a change is committed in the working copy, as a kill does."""

    class Killed(BaseException):
        pass

    def kill(_working, path, _disk):
        shutil.copytree(path.parent, path.parent.with_name("as-killed"))
        raise Killed

    def run_killed(change, stored):
        with monkeypatch.context() as patched:
            patched.setattr(zarr_editing, "_exchange", kill)
            with pytest.raises(Killed):
                change()
        shutil.rmtree(stored.parent)
        stored.parent.with_name("as-killed").rename(stored.parent)

    return run_killed


@pytest.fixture
def alone(stored):
    """The session in a folder of its own."""
    folder = stored.parent / "sessions"
    folder.mkdir()
    return stored.rename(folder / stored.name)


def test_a_single_change_that_was_killed_is_made_once_by_the_same_command(
    alone, kill_before_the_exchange
):
    def choose(value):
        pipeline.record_parameters(alone, {"motion": {"max_shift_px": value}})

    kill_before_the_exchange(lambda: choose(7), alone)
    assert (alone.parent / f"{alone.name}.scratch").exists(), "the kill left a copy"
    with open_session(alone) as session:
        assert read_choices(session) == []
    kill_before_the_exchange(lambda: choose(8), alone)
    choose(9)
    with open_session(alone) as session:
        assert [choice.value for choice in read_choices(session)] == ["9"]
        assert len(session.h5["file_create_date"]) == 2, "converted, and changed once"
    assert [p.name for p in alone.parent.iterdir()] == [alone.name]


def test_a_single_change_keeps_what_stages_have_left_to_go_on_from(alone, kill_before_the_exchange):
    kill_before_the_exchange(lambda: pipeline.process(alone, "preprocess"), alone)
    kill_before_the_exchange(
        lambda: pipeline.record_parameters(alone, {"motion": {"max_shift_px": 7}}), alone
    )
    with pytest.raises(CurationError, match="no ROIs"):
        decide(alone, [Draft("accept", (0,), "Ann")])
    pipeline.record_parameters(alone, {"motion": {"max_shift_px": 8}})
    assert {s.stage: s.state for s in pipeline.status(alone)}["preprocess"] == "done"
    with open_session(alone) as session:
        assert [choice.value for choice in read_choices(session)] == ["8"]
    assert [p.name for p in alone.parent.iterdir()] == [alone.name]


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_changed_session_takes_the_name_of_the_old_one(can_exchange, tmp_path, monkeypatch):
    monkeypatch.setattr(zarr_editing, "export_zarr", lambda _working, new: new.mkdir())
    (tmp_path / "s.zarr").mkdir()
    (tmp_path / "s.zarr" / "old").touch()
    if not can_exchange:
        monkeypatch.setattr(Disk, "exchange", lambda *_arguments: False)
    elif sys.platform == "linux":
        monkeypatch.setattr(Disk, "rename", lambda *_arguments: pytest.fail("without its name"))
    zarr_editing._exchange(Path("working.nwb"), tmp_path / "s.zarr", Disk())
    assert [p.name for p in tmp_path.rglob("*")] == ["s.zarr"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_to_a_zarr_session_stays_one_and_the_folder_is_changed(stored, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.nwb.zarr"
    link.symlink_to(stored)
    pipeline.record_parameters(link, {"motion": {"max_shift_px": 7}})
    assert link.is_symlink()
    assert [p.name for p in link.parent.iterdir()] == [link.name]
    with open_session(stored) as session:
        assert read_choices(session)[0].value == "7"


def test_between_the_two_renames_the_session_is_found_where_it_was_put_aside(stored):
    stored.rename(stored.with_name(f"{stored.name}.replaced"))
    with open_session(stored) as session:
        assert session.has(layout.MOVIE)
    pipeline.process(stored, "preprocess")
    assert [p.name for p in stored.parent.iterdir()] == [stored.name]


def test_metadata_edits_and_choices_change_a_zarr_session_as_a_whole(stored):
    pipeline.record_parameters(stored, {"motion": {"max_shift_px": 7}})
    with open_session(stored) as session:
        assert read_choices(session)[0].value == "7"
    assert [p.name for p in stored.parent.glob("session.nwb.zarr*")] == [stored.name]


def test_a_change_that_is_refused_leaves_a_zarr_session_and_nothing_beside_it(stored):
    before = files(stored)
    with pytest.raises(CurationError, match="no ROIs"):
        decide(stored, [Draft("accept", (0,), "Ann")])
    assert files(stored) == before
    assert [p.name for p in stored.parent.iterdir()] == [stored.name]


@pytest.mark.parametrize(
    "command",
    [["repack"], ["recover"], ["export", "--without-raw", "light.nwb"]],
)
def test_what_only_a_file_needs_is_refused_for_zarr(stored, command, capsys):
    assert run([*command, str(stored)]) == 1
    assert "is a folder; an NWB session file was expected" in capsys.readouterr().err
