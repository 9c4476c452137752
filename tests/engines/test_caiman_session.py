"""The engine `caiman` through a session file and the command line."""

import sys

import numpy as np
import pytest

from ace_nwb.cli import run
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.imaging import read_motion
from ace_nwb.nwb.content.rois import read_segmentation
from ace_nwb.nwb.history import current_runs
from ace_nwb.nwb.session import open_session
from tests.engines.conftest import planted_movie
from tests.fixtures.session_files import write_session_file

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")


@pytest.fixture
def file(tmp_path, fake_environment):
    path = tmp_path / "session.nwb"
    write_session_file(path, frames=np.clip(planted_movie(), 0, 255).astype(np.uint8))
    return path


def test_extraction_by_caiman_is_written_like_any_other(file, fake_environment):
    where = ["--caiman-python", str(fake_environment)]
    assert run(["process", "extract", str(file), "--engine", "caiman", *where]) == 0
    with open_session(file) as session:
        found = read_segmentation(session)
        record = current_runs(session)["extract"]
        table = session.get(layout.PLANE_SEGMENTATION)
        assert table.neurodata_type == "PlaneSegmentation"
        assert table["engine_accepted"].data[:].tolist() == [True]
    assert found.n_rois == 1
    assert np.argwhere(found.image_masks()[0]).tolist() == [[6, 4], [7, 4], [8, 4]]
    assert found.background.downsampling == 2
    assert record.engine == "caiman"
    assert "caiman 1.99" in record.software
    assert str(fake_environment).encode() not in file.read_bytes()


def test_the_verdict_of_caiman_counts_on_request(file, fake_environment, capsys):
    where = ["--caiman-python", str(fake_environment)]
    options = ["--engine", "caiman", "--caiman-min-snr", "4.5"]
    assert run(["process", "extract", str(file), *options, *where]) == 0
    assert run(["process", "evaluate", str(file), "--judge", "engine"]) == 0
    with open_session(file) as session:
        table = session.get(layout.PLANE_SEGMENTATION)
        assert table["snr"].data[:].tolist() == [4.0]
        assert table["accepted"].data[:].tolist() == [False]
    assert "0 of 1 ROIs accepted" in capsys.readouterr().out


def test_motion_by_caiman_is_written_like_ours(file, fake_environment):
    where = ["--caiman-python", str(fake_environment)]
    assert run(["process", "motion", str(file), "--engine", "caiman", *where]) == 0
    with open_session(file) as session:
        shifts, quality = read_motion(session)[:2]
        assert current_runs(session)["motion"].engine == "caiman"
    assert shifts.shape == (40, 2)
    assert len(quality) == 40


def test_piecewise_motion_by_caiman_is_refused(file, capsys):
    assert run(["process", "motion", str(file), "--engine", "caiman", "--piecewise"]) == 1
    assert "Use --engine own for piecewise motion" in capsys.readouterr().err


def test_no_caiman_is_our_error_and_leaves_the_file_alone(file, tmp_path, capsys):
    before = file.read_bytes()
    options = ["--engine", "caiman", "--caiman-python", str(tmp_path / "nothing")]
    assert run(["process", "extract", str(file), *options]) == 1
    assert "environment-caiman.yml" in capsys.readouterr().err
    assert file.read_bytes() == before
