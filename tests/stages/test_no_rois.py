"""Nothing found is a result: stages have nothing to do where there are no ROIs, outputs say so."""

import re
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest

from ace_nwb import pipeline
from ace_nwb.adopt import read_results
from ace_nwb.archive import validate
from ace_nwb.cli import run
from ace_nwb.errors import FormatError, NothingToDoError
from ace_nwb.nwb import layout
from ace_nwb.nwb.session import open_session
from ace_nwb.report.content import build_sections, read_content
from ace_nwb.stages.common import choosing
from tests.adopt.foreign_files import draw_known, write_caiman, write_minian
from tests.fixtures.session_files import make_segmentation, write_session_file

STAGES = ("preprocess", "motion", "summary", "extract", "evaluate", "dff", "deconvolve", "events")
SETTINGS = ("motion.max_shift_px=2", "summary.cell_diameter_px=3", "dff.window_s=2")


@pytest.fixture(scope="module")
def analysed(tmp_path_factory):
    """A session that was run to its events, and in which no ROI was found."""
    path = tmp_path_factory.mktemp("no_rois") / "session.nwb"
    write_session_file(path)
    plan = replace(pipeline.read_plan(settings=SETTINGS), stages=STAGES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ace_nwb.stages.extract.compute", _find_nothing)
        pipeline.run(path, plan)
    return path


def _find_nothing(session, _params, _context):
    found = make_segmentation((14, 20), n_rois=0)
    return replace(found, background=None, seeds=np.zeros((0, 2), int))


@pytest.fixture
def copy(analysed, tmp_path):
    return shutil.copy(analysed, tmp_path / "session.nwb")


@pytest.mark.parametrize(
    ("accepted", "words"),
    [([], "Extraction has found no ROI"), ([0, 0], "None of the 2 ROIs is accepted")],
)
def test_without_an_accepted_roi_there_is_nothing_to_do(monkeypatch, accepted, words):
    table = {"id": np.arange(len(accepted)), "Accepted": np.array(accepted)}
    monkeypatch.setattr(choosing, "read_roi_table", lambda _session: table)
    with pytest.raises(NothingToDoError, match=words):
        choosing.accepted_rois(None)


@pytest.mark.parametrize(
    "command",
    [
        "export {file} --rois {out}.csv",
        "export tables {file} {out}",
        "export pynapple {file} {out}",
        "export matlab {file} {out}.mat",
        "export estimates {file} {out}.hdf5",
        "movie {file} --out {out}.mp4",
    ],
)
def test_outputs_say_once_that_there_are_no_rois(command, analysed, tmp_path, capsys):
    assert run(command.format(file=analysed, out=tmp_path / "out").split()) == 0
    said = capsys.readouterr()
    assert len(re.findall(r"\b0 (ROIs|rows)\b", said.out)) == 1
    assert "error" not in said.err


def test_the_report_says_it_once_and_names_no_command_that_would_make_the_rest(analysed):
    content = read_content(analysed)
    absent = [one.absent for one in build_sections(content, analysed.name) if one.absent]
    assert sum("0 ROIs" in text for text in absent) == 1
    assert not [text for text in absent if re.search("process (extract|spectro|phase|coup)", text)]


def test_there_is_nothing_to_decide_and_the_page_names_what_helps(analysed, capsys):
    assert run(["curate", str(analysed), "--reviewer", "Ann", "--no-browser"]) == 1
    assert re.search("has 0 ROIs: .* `ace-nwb tune", capsys.readouterr().err.replace("\n", " "))


def test_results_of_other_programs_without_rois_are_refused_in_words(analysed, tmp_path):
    known = draw_known((14, 20), 60, n_rois=0)
    ours = tmp_path / "ours.hdf5"
    assert run(["export", "estimates", str(analysed), str(ours)]) == 0
    theirs = write_caiman(tmp_path / "theirs.hdf5", known)
    for path in (ours, theirs, write_minian(tmp_path / "minian", known), analysed):
        with pytest.raises(FormatError, match=r"holds 0 ROIs"):
            read_results(path)


def test_sessions_without_rois_share_no_cell_are_no_strangers_and_stay_valid(
    copy, tmp_path, capsys
):
    other = shutil.copy(copy, tmp_path / "other.nwb")
    with h5py.File(other, "r+") as h5:
        h5["identifier"][()] = "other"
    assert run(["register-sessions", str(copy), str(other), "--cell-diameter-px", "4"]) == 0
    assert "0 cells in 2 sessions" in capsys.readouterr().out
    with open_session(copy) as session:
        row = session.read_table(layout.SESSION_ALIGNMENT)
    assert row["no_common_field"].tolist() == [""]
    assert not [one for one in validate(copy) if "evaluation" in one.check]
