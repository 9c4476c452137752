"""Metadata written after the conversion are what readers find, and no result becomes stale."""

import pynwb
import pytest
from pynwb import NWBHDF5IO

from ace_nwb import pipeline
from ace_nwb.archive.description import describe
from ace_nwb.errors import MetadataError
from ace_nwb.nwb.history import read_runs
from ace_nwb.nwb.reading import Session
from ace_nwb.nwb.session import open_session

GIVEN = {
    "NWBFile": {
        "session_id": "day 3",
        "experimenter": ["Curie, Marie"],
        "keywords": ["CA1", "sleep"],
        "session_description": "Rest in the home cage.",
    },
    "Subject": {"sex": "F", "age": "P120D", "genotype": "wild type"},
    "Ophys": {
        "ImagingPlane": {"location": "CA3", "emission_lambda_nm": 515.0, "pixel_size_um": 2.0}
    },
    "Ecephys": {"location": "CA1"},
}


def test_every_key_given_is_what_pynwb_reads(session_copy):
    written = describe(session_copy, GIVEN)
    assert "Subject.sex" in written
    assert "Ecephys.location" in written
    with NWBHDF5IO(str(session_copy), "r") as io:
        file = io.read()
        assert (file.session_id, file.session_description) == ("day 3", "Rest in the home cage.")
        assert list(file.experimenter) == ["Curie, Marie"]
        assert list(file.keywords[:]) == ["CA1", "sleep"]
        subject = file.subject
        assert (subject.sex, subject.age, subject.genotype) == ("F", "P120D", "wild type")
        assert subject.age__reference == "birth"
        assert subject.species == "Mus musculus"  # not given: stays
        (plane,) = file.imaging_planes.values()
        assert plane.location == "CA3"
        assert plane.optical_channel[0].emission_lambda == 515.0
        assert list(plane.grid_spacing[:]) == [2e-6, 2e-6]
        assert set(file.electrodes["location"].data[:]) == {"CA1"}
    assert pynwb.validate(path=str(session_copy)) == []


def test_the_file_is_read_once_whatever_is_given(session_copy, monkeypatch):
    reads = []
    read = Session._read_nwbfile
    monkeypatch.setattr(Session, "_read_nwbfile", lambda one: reads.append(1) or read(one))
    describe(session_copy, GIVEN)
    assert len(reads) == 1


def test_results_stay_done_and_the_change_is_in_the_history(session_copy):
    before = pipeline.status(session_copy)
    describe(session_copy, GIVEN)
    assert pipeline.status(session_copy) == before
    with open_session(session_copy) as session:
        run = read_runs(session)[-1]
    assert run.action == "describe"
    assert {p.name: p.value for p in run.parameters}["NWBFile.keywords"] == "CA1; sleep"


def test_the_metadata_file_of_the_conversion_is_taken_with_its_start_time(session_copy):
    with open_session(session_copy) as session:
        start = session.nwbfile.session_start_time
    assert describe(session_copy, {"NWBFile": {"session_start_time": start, "lab": "L"}}) == [
        "NWBFile.lab"
    ]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"NWBFile": {"identifier": "other"}}, "NWBFile.identifier"),
        ({"NWBFile": {"session_start_time": "2020-01-01T00:00:00Z"}}, "session_start_time"),
        ({"Subject": {"sexx": "F"}}, "Did you mean 'sex'"),
        ({"Ecephys": {"channels": {"LFP9": {"location": "CA1"}}}}, "LFP9"),
    ],
)
def test_what_the_file_cannot_take_is_refused_and_nothing_is_written(session_copy, given, named):
    before = session_copy.read_bytes()
    with pytest.raises(MetadataError, match=named):
        describe(session_copy, given)
    assert session_copy.read_bytes() == before
