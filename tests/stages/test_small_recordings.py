"""Recordings too small for a stage: said by stage and option, and the others go on."""

import pytest

from ace_nwb import pipeline
from ace_nwb.errors import NothingToDoError, RequirementError
from ace_nwb.nwb.content.imaging import read_field
from ace_nwb.nwb.session import open_session
from tests.fixtures.session_files import write_session_file
from tests.fixtures.tiny_sessions import PARAMETERS, make_frames

SETTINGS = [
    f"{stage}.{name}={value}"
    for stage in ("motion", "summary", "extract")
    for name, value in PARAMETERS[stage].items()
]


@pytest.mark.parametrize(
    ("n_frames", "side", "found"), [(1, 30, "1 frame"), (50, 1, "1 x 1 px"), (50, 7, "7 x 7 px")]
)
def test_a_movie_that_cannot_hold_a_cell_has_nothing_to_do(tmp_path, n_frames, side, found):
    path = tmp_path / "s.nwb"
    write_session_file(path, frames=make_frames(n_frames)[:, :side, :side])
    plan = pipeline.read_plan(None, SETTINGS)
    outcomes = {one.stage: one for one in pipeline.run(path, plan)}
    assert found.split()[0] in outcomes["motion"].remarks[0]
    for stage in ("motion", "summary", "extract", "dff", "phase"):
        assert outcomes[stage].action == "not applicable"
    assert outcomes["dff"].remarks == (
        "It reads what extract writes, and extract had nothing to do.",
    )
    with pytest.raises(NothingToDoError, match=r"Stage extract: The movie has .* At least 2 of 8"):
        pipeline.process(path, "extract")
    with pytest.raises(RequirementError, match="Stage dff: It reads what extract writes"):
        pipeline.process(path, "dff")


def test_a_recording_too_short_for_the_band_names_stage_and_option(tmp_path):
    path = tmp_path / "s.nwb"
    write_session_file(path, frames=make_frames(120))
    outcomes = {one.stage: one for one in pipeline.run(path, pipeline.read_plan(None, SETTINGS))}
    assert [outcomes[name].action for name in ("extract", "dff", "filter")] == [
        "ran",
        "ran",
        "not applicable",
    ]
    assert "The edges are filter.low_hz and filter.high_hz" in outcomes["filter"].remarks[0]
    with pytest.raises(
        NothingToDoError, match=r"Stage filter: No run of samples .* filter\.low_hz"
    ):
        pipeline.process(path, "filter")


def test_what_was_chosen_for_the_next_run_counts_when_the_stage_is_run_by_itself(tiny_session):
    pipeline.record_parameters(
        tiny_session, {"preprocess": {"crop_row_start": 2, "crop_row_stop": 25}}
    )
    pipeline.process(tiny_session, "preprocess", {"crop_column_start": 1})
    with open_session(tiny_session) as session:
        assert read_field(session).shape == (23, 35)
    pipeline.process(tiny_session, "preprocess")
    with open_session(tiny_session) as session:
        assert read_field(session).shape == (30, 36)
