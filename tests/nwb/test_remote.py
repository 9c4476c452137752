"""A session on a server is read lazily: little more than what is asked for is fetched."""

import h5py
import numpy as np
import pytest

from ace_nwb.cli import run
from ace_nwb.errors import SessionFileError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.imaging import read_projections, write_projections
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.rois import read_segmentation
from ace_nwb.nwb.history import current_runs
from ace_nwb.nwb.session import edit_session, open_session
from tests.fixtures.changes import add_motion
from tests.fixtures.web_server import serve

N_FRAMES = 20_000


@pytest.fixture(scope="module")
def large(analysed_template, tmp_path_factory):
    """A session of a gigabyte, which takes little room on the disk: its frames are zeros."""
    path = tmp_path_factory.mktemp("large") / "session.nwb"
    path.write_bytes(analysed_template.read_bytes())
    image = np.random.default_rng(0).random((11, 16)).astype(np.float32)
    with edit_session(path) as writer:
        write_projections(writer, {"mean": image})
    with h5py.File(path, "r+") as h5:
        series = h5["acquisition/OnePhotonSeries"]
        attributes = dict(series["data"].attrs)
        del series["data"], series["timestamps"]
        frames = series.create_dataset("data", (N_FRAMES, 250, 200), np.uint8)
        frames[-1] = 7
        frames.attrs.update(attributes)
        series["timestamps"] = np.cumsum(np.random.default_rng(0).random(N_FRAMES) + 0.5)
        series["timestamps"].attrs.update({"interval": 1, "unit": "seconds"})
    assert path.stat().st_size > 1e9
    return path, image


@pytest.mark.filterwarnings("ignore:.*Length of data does not match")
def test_showing_the_images_of_a_large_session_fetches_little_of_it(large):
    path, image = large
    with serve(path.parent) as served:
        with open_session(f"{served.address}/session.nwb") as session:
            assert np.array_equal(read_projections(session)["mean"], image)
            assert session.has(layout.PLANE_SEGMENTATION)
        assert 0 < served.n_bytes < 0.05 * path.stat().st_size


def test_everything_can_be_read_over_the_web(analysed):
    with open_session(analysed) as session:
        expected = read_segmentation(session)
        frames = NwbMovie(session).read(3, 20)
    with serve(analysed.parent) as served, open_session(f"{served.address}/session.nwb") as session:
        found = read_segmentation(session)
        assert np.array_equal(found.raw, expected.raw)
        assert (found.footprints != expected.footprints).nnz == 0
        assert np.array_equal(NwbMovie(session).read(3, 20), frames)
        assert list(current_runs(session)) == ["motion", "extract"]


def test_what_is_not_there_or_no_session_is_refused(tmp_path):
    (tmp_path / "x.nwb").write_bytes(b"something else" * 1000)
    with serve(tmp_path) as served:
        for name in ("gone.nwb", "x.nwb"):
            with pytest.raises(SessionFileError, match="cannot be opened"):
                open_session(f"{served.address}/{name}")


def test_a_session_on_a_server_that_points_at_files_here_is_refused(recorded):
    with h5py.File(recorded.path, "r+") as h5:
        h5["acquisition/x"] = h5py.ExternalLink("/etc/other.nwb", "/data")
    refusal = pytest.raises(SessionFileError, match="takes its content from")
    with serve(recorded.path.parent) as served, refusal:
        open_session(f"{served.address}/session.nwb")


def test_a_session_on_a_server_cannot_be_changed():
    with pytest.raises(SessionFileError, match="Download it"):
        edit_session("https://example.org/session.nwb")


@pytest.mark.parametrize("verb", ["status", "history", "validate", "report", "diff"])
def test_every_verb_that_only_reads_takes_an_address(verb, recorded, tmp_path, capsys):
    path = recorded.path
    with edit_session(path) as writer:
        add_motion(writer)
    arguments = {"report": [str(tmp_path / "report.html")], "diff": [str(path)]}.get(verb, [])
    local = run([verb, str(path), *arguments])
    told = capsys.readouterr().out
    with serve(path.parent) as served:
        address = f"{served.address}/{path.name}"
        assert run([verb, address, *arguments]) == local
    if verb in {"status", "history"}:
        assert capsys.readouterr().out == told
    assert {p.suffix for p in tmp_path.iterdir()} <= {".nwb", ".html"}


@pytest.mark.parametrize("command", [["run"], ["process", "motion"], ["sync"]])
def test_what_changes_a_session_refuses_an_address(command, recorded, capsys):
    with serve(recorded.path.parent) as served:
        address = f"{served.address}/{recorded.path.name}"
        assert run([*command, address]) == 1
    assert f"{address} can be read but not changed" in capsys.readouterr().err
