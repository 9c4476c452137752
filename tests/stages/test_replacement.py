"""What a stage replaces, what it must leave, and what the history says of it in the same commit."""

import h5py
import pytest

import ace_nwb.stages.dff as dff
import ace_nwb.stages.extract as extract
from ace_nwb import pipeline
from ace_nwb.errors import StageError
from ace_nwb.nwb import layout
from ace_nwb.nwb.session import open_session
from tests.fixtures.tiny_sessions import PARAMETERS, write_tiny_session


@pytest.fixture(scope="module")
def analysed_template(tmp_path_factory):
    """A tiny session with dF/F, events and a spectrogram."""
    path = write_tiny_session(tmp_path_factory.mktemp("analysed") / "session.nwb")
    for stage in ("extract", "dff", "spectrogram"):
        pipeline.process(path, stage, PARAMETERS.get(stage, {}))
    return path


@pytest.fixture
def analysed(analysed_template, tmp_path):
    path = tmp_path / "session.nwb"
    path.write_bytes(analysed_template.read_bytes())
    return path


def states(path):
    return {status.stage: status.state for status in pipeline.status(path)}


def extract_again(path, **changes):
    return pipeline.process(path, "extract", PARAMETERS["extract"] | changes, force=True)


def test_what_ends_while_an_extraction_computes_is_missing_after_it(tiny_session, monkeypatch):
    analysed = tiny_session
    extract_again(analysed)
    compute = extract.compute

    def compute_while_others_work(session, params, context):
        pipeline.process(analysed, "dff", {"window_s": 6.0})
        return compute(session, params, context)

    monkeypatch.setattr(extract, "compute", compute_while_others_work)
    extract_again(analysed)
    with open_session(analysed) as session:
        assert not session.has(layout.DF_OVER_F)
    assert states(analysed)["dff"] == "missing"
    plan = pipeline.Plan(("dff", "deconvolve"))
    assert {one.action for one in pipeline.run(analysed, plan)} == {"ran"}


def test_what_only_links_to_a_removed_result_is_missing_too(analysed):
    extract_again(analysed)
    with h5py.File(analysed) as file:
        assert "processing/spectral" not in file
    assert states(analysed)["spectrogram"] == "missing"


def test_a_stage_whose_rois_are_replaced_while_it_computes_is_refused(analysed, monkeypatch):
    compute = dff.compute

    def compute_while_rois_change(session, params, context):
        extract_again(analysed, merge_correlation=0.9)
        return compute(session, params, context)

    monkeypatch.setattr(dff, "compute", compute_while_rois_change)
    with pytest.raises(StageError, match="replaced by another process"):
        pipeline.process(analysed, "dff", {"window_s": 6.0})
    assert states(analysed)["dff"] == "missing"
