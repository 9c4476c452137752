"""Intervals of a manifest lie within the recording that they are of."""

from dataclasses import replace

import pytest

from ace_nwb.batch.session import INTERVALS, run_session
from ace_nwb.batch.settings import BatchSettings
from ace_nwb.errors import InputError
from ace_nwb.nwb.session import open_session
from ace_nwb.pipeline import no_bar


def job_of(make_job, path, start_s, stop_s):
    interval = {"label": "drug", "start_s": start_s, "stop_s": stop_s, "description": "x"}
    return replace(make_job("s"), output=str(path), intervals=(interval,), stages=())


def test_an_interval_that_begins_behind_the_recording_is_refused(make_job, tiny_session):
    before = tiny_session.read_bytes()
    with pytest.raises(
        InputError, match=r"'drug' begins at 120 s, the recording ends at 2\d\.\d s"
    ):
        run_session(job_of(make_job, tiny_session, 120.0, 720.0), BatchSettings(), no_bar)
    assert tiny_session.read_bytes() == before


def test_an_interval_may_end_later_than_the_recording(make_job, tiny_session):
    run_session(job_of(make_job, tiny_session, 12.0, 720.0), BatchSettings(), no_bar)
    with open_session(tiny_session) as session:
        assert session.has(INTERVALS)
