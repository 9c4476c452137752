"""A light session stands alone, says what it lacks, and becomes whole again exactly."""

import shutil

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO

from ace_nwb import pipeline
from ace_nwb.archive import is_valid, validate
from ace_nwb.cli import run
from ace_nwb.errors import OutputError, SessionFileError
from ace_nwb.nwb.objects.copying import find_difference
from ace_nwb.nwb.shared.light import join_movies, write_light_session

MOVIE = "/acquisition/OnePhotonSeries"


@pytest.fixture
def light(session, tmp_path):
    target = tmp_path / "light.nwb"
    write_light_session(session, target, n_preview_frames=3)
    return target


def without_dates(path):
    """Make two files comparable: the dates of their changes differ."""
    with h5py.File(path, "r+") as file:
        file["file_create_date"].resize((1,))
        file["file_create_date"][0] = b"2026-01-01T00:00:00+00:00"


def test_the_light_file_is_valid_has_all_results_and_stays_done(session, light):
    assert is_valid(validate(light))
    with h5py.File(session) as whole:
        movie_bytes = whole[f"{MOVIE}/data"].id.get_storage_size()
    assert light.stat().st_size < session.stat().st_size - 0.9 * movie_bytes
    assert pipeline.status(light) == pipeline.status(session)
    with h5py.File(session) as whole, h5py.File(light) as file:
        assert MOVIE not in file
        traces = "/processing/ophys/DfOverF/RoiResponseSeries"
        np.testing.assert_array_equal(
            file[f"{traces}/timestamps"][:], whole[f"{MOVIE}/timestamps"][:]
        )
        np.testing.assert_array_equal(file[f"{traces}/data"][:], whole[f"{traces}/data"][:])
        preview = file["/acquisition/PreviewOfOnePhotonSeries"]
        last = len(whole[f"{MOVIE}/data"]) - 1
        np.testing.assert_array_equal(preview[f"frame_{last}"][:], whole[f"{MOVIE}/data"][last])
    with NWBHDF5IO(str(light), "r") as io:
        table = io.read().processing["misc"]["RemovedMovies"]
        assert len(table["sha256"].data[0]) == 64


def test_joining_gives_the_original_back_to_the_last_value(session, light, tmp_path):
    whole = tmp_path / "whole.nwb"
    shutil.copy(session, whole)
    for name in videos(session):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(session.parent / name, tmp_path / name)
    joined = tmp_path / "joined.nwb"
    assert run(["import", str(light), str(joined), "--raw", str(whole)]) == 0
    without_dates(whole)
    without_dates(joined)
    with h5py.File(whole) as first, h5py.File(joined) as second:
        assert find_difference(first, second) is None


def videos(session):
    with h5py.File(session) as file:
        return list(file["/acquisition/BehavCam1/external_file"].asstr()[:])


def test_another_movie_is_not_joined(session_copy, light, tmp_path):
    with h5py.File(session_copy, "r+") as file:
        file[f"{MOVIE}/data"][7, 1, 2] ^= 1
    with pytest.raises(SessionFileError, match="is not the one that was left out"):
        join_movies(light, session_copy, tmp_path / "joined.nwb")
    assert not list(tmp_path.glob("joined*"))


def test_names_and_free_texts_are_left_out_on_request_and_the_science_stays(session, tmp_path):
    target = tmp_path / "light.nwb"
    light = write_light_session(session, target, is_anonymous=True)
    assert "/general/experimenter" in light.anonymised
    with NWBHDF5IO(str(target), "r") as io:
        file = io.read()
        assert file.experimenter is None
        assert file.session_description == "Left out."
        assert "Notes" not in file.events
        assert (file.subject.species, file.subject.sex is not None) == ("Mus musculus", True)
    content = target.read_bytes()
    with h5py.File(session) as whole:
        for person in whole["/general/experimenter"].asstr()[:]:
            assert person.encode() not in content  # nor in space that is no longer used
    assert is_valid(validate(target))


def test_an_unprocessed_session_and_an_existing_target_are_refused(session, light):
    with pytest.raises(OutputError, match="exists already"):
        write_light_session(session, light)
    with pytest.raises(SessionFileError, match="holds no raw movie"):
        write_light_session(light, light.with_name("lighter.nwb"))
    with pytest.raises(SessionFileError, match="names no removed movies"):
        join_movies(session, session, light.with_name("joined.nwb"))
    assert run(["export", str(session)]) == 1
