"""The doctor finds a fit computer fit, and names what is wrong with one that is not."""

import json
import os

import pytest

from ace_nwb import doctor
from ace_nwb.cli import run


def found(folder, name):
    (check,) = (check for check in doctor.examine(folder) if check.name == name)
    return check


def test_this_computer_is_fit_and_nothing_is_left_behind(tmp_path, capsys):
    assert run(["doctor", str(tmp_path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    states = {check["name"]: check["state"] for check in report["checks"]}
    assert report["fit"]
    assert {"ffv1", "cnmfe", "pynwb", "permissions", "speed"} <= set(states)
    assert "problem" not in states.values()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_problem_with_advice(tmp_path, capsys):
    missing = tmp_path / "nowhere"
    assert found(missing, "permissions").state == "problem"
    assert run(["doctor", str(missing)]) == 1
    assert "NOT fit" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("attribute", "value", "name", "state"),
    [
        ("PACKAGES", ("numpy", "no-such-package"), "no-such-package", "problem"),
        ("MOVIE_CODECS", ("no_such_codec",), "no_such_codec", "problem"),
        ("CONFLICTING", "numpy", "numpy", "problem"),
        ("SLOW_DISK_MB_S", 1e12, "speed", "note"),
        ("SMALL_DISK_GB", 1e12, "free space", "note"),
        ("SMALL_MEMORY_GB", 1e12, "memory", "note"),
    ],
)
def test_what_is_missing_or_small_is_named(tmp_path, monkeypatch, attribute, value, name, state):
    monkeypatch.setattr(doctor, attribute, value)
    if attribute == "CONFLICTING":
        monkeypatch.setattr(doctor, "PACKAGES", ())
    check = found(tmp_path, name)
    assert check.state == state
    assert check.advice


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_a_problem(tmp_path):
    tmp_path.chmod(0o500)
    assert found(tmp_path, "permissions").state == "problem"
