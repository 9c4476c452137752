"""What an interrupted stage had found is used again only if it is whole and of the same work."""

import numpy as np
import pytest

from ace_nwb.errors import AceNwbWarning
from ace_nwb.nwb.commit import scratch
from ace_nwb.nwb.commit.scratch import FileCheckpoint, Scratch

STATE = {"shifts": np.arange(6.0).reshape(3, 2), "quality": np.array([0.5, 0.25, 1 / 3])}


@pytest.fixture
def kept(tmp_path):
    place = Scratch(tmp_path / "session.nwb", "motion", "fingerprint")
    place.open(b"movie").save(STATE)
    return place


def test_a_state_comes_back_to_the_bit(kept):
    found = kept.open(b"movie").load()
    assert set(found) == set(STATE)
    assert all(np.array_equal(found[name], STATE[name]) for name in STATE)
    assert kept.path.parent.name == "session.nwb.scratch"


def test_nothing_is_found_where_nothing_was_kept(tmp_path):
    assert Scratch(tmp_path / "session.nwb", "motion", "fingerprint").open(b"movie").load() is None
    assert list(tmp_path.iterdir()) == []


def test_the_state_of_other_parameters_or_of_another_movie_is_not_used(kept):
    assert kept.open(b"another movie").load() is None
    assert Scratch(kept.session_path, "motion", "other").open(b"movie").load() is None


@pytest.mark.parametrize("position", [0, 9, 45, 100, -1])
def test_a_damaged_state_is_not_used(kept, position):
    content = bytearray(kept.path.read_bytes())
    content[position] ^= 1
    kept.path.write_bytes(content)
    assert kept.open(b"movie").load() is None


@pytest.mark.parametrize("length", [0, 7, 60, 300])
def test_a_state_cut_short_is_not_used(kept, length):
    kept.path.write_bytes(kept.path.read_bytes()[:length])
    assert kept.open(b"movie").load() is None


def test_saving_takes_a_small_part_of_the_time(kept, monkeypatch):
    times_s = iter([0.0, 1.0, 19.9, 20.1, 20.2])
    monkeypatch.setattr(scratch.time, "monotonic", lambda: next(times_s))
    checkpoint = kept.open(b"movie")
    for number in range(3):
        checkpoint.save({"n": np.array(number)})
    assert checkpoint.load()["n"] == 2


def test_the_folder_goes_with_its_last_state(kept, tmp_path):
    other = Scratch(kept.session_path, "extract", "fingerprint")
    other.open(b"movie").save(STATE)
    kept.remove()
    assert other.path.exists()
    other.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_is_too_large_is_not_kept_and_the_stage_goes_on(kept, monkeypatch):
    monkeypatch.setattr(scratch, "MAX_BYTES", 10)
    checkpoint = FileCheckpoint(kept.path, b"key")
    with pytest.warns(AceNwbWarning, match="at most 0 MB are kept"):
        checkpoint.save(STATE)
    checkpoint.save(STATE)
    assert kept.open(b"movie").load() is not None, "the earlier state stays"


def test_a_folder_that_cannot_be_made_does_not_stop_the_stage(tmp_path):
    (tmp_path / "session.nwb.scratch").write_text("in the way")
    checkpoint = Scratch(tmp_path / "session.nwb", "motion", "fingerprint").open(b"movie")
    told = r"cannot be kept in session\.nwb\.scratch"  # it goes into the history: no whole path
    with pytest.warns(AceNwbWarning, match=told):
        checkpoint.save(STATE)
    assert checkpoint.load() is None
