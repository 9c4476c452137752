"""What a notebook shows of a session file (`NWBFile._repr_html_`) comes at once."""

import time
import warnings

import pytest
from pynwb import NWBHDF5IO

LIMIT_S = 2.0
"""Processor time in which a page must stand: a reader waits no longer for a listing."""

SLOWED = 2.0
"""How much longer that may be counted while other tests use the second thread of the core."""

LIMIT_BYTES = 5_000_000
"""Size of the page, which does not depend on the computer; each table of ROIs takes 0.17 MB of the
2.4 MB of a processed demo session. The circle made more than 1 GB."""


@pytest.fixture
def tiny(tiny_session):
    return tiny_session


@pytest.fixture
def coupled(related):
    return related.path


@pytest.mark.parametrize("fixture", ["session", "tiny", "coupled"])
def test_a_session_is_listed_before_its_reader_loses_patience(fixture, request):
    with NWBHDF5IO(request.getfixturevalue(fixture), "r") as io:
        nwbfile = io.read()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pandas, which draws the tables
            started = time.process_time()
            page = nwbfile._repr_html_()
            took_s = time.process_time() - started
    assert len(page) < LIMIT_BYTES
    assert took_s < LIMIT_S * SLOWED
