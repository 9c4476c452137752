"""Every Python that is declared: found by CI, and with a tested set of versions."""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECLARED = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if "Python :: 3." in text]
OWN = f"{sys.version_info[0]}.{sys.version_info[1]}"
CONSTRAINTS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def make_python(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def find_pythons(folder: Path, *wanted: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PATH": str(folder), "PYENV_ROOT": str(folder / "pyenv")}
    command = [sys.executable, ROOT / ".ci" / "find_pythons.py", *wanted]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def as_if(number: str, implementation: str = "cpython", *, free_threaded: bool = False) -> str:
    return f"echo {implementation} {free_threaded} {number} /somewhere/python{number}"


@pytest.mark.skipif(sys.platform == "win32", reason="stands in for Pythons with shell scripts")
def test_ci_finds_each_declared_python_once_and_names_what_it_leaves_out(tmp_path):
    own = OWN
    other = next(number for number in DECLARED if number != own)
    pyenv = tmp_path / "pyenv" / "versions" / "x" / "bin"
    pyenv.mkdir(parents=True)
    make_python(pyenv, f"python{other}", as_if(other))
    make_python(tmp_path, f"python{other}", "exit 1")
    make_python(tmp_path, "python3.8", as_if("3.8"))
    make_python(tmp_path, "python3.98", as_if("3.98"))
    make_python(tmp_path, f"python{own}", as_if(own))
    done = find_pythons(tmp_path)
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [own, other]
    assert lines[1].split()[1] == f"/somewhere/python{other}"
    assert "3.98 left out" in done.stderr
    assert "3.8 " not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="stands in for Pythons with shell scripts")
@pytest.mark.parametrize(
    "script",
    [
        "echo 'pyenv: python3.12: command not found' >&2; exit 127",
        as_if("3.12", "pypy"),
        as_if("3.12", free_threaded=True),
    ],
)
def test_ci_takes_no_shim_of_an_absent_python_and_no_other_kind(tmp_path, script):
    make_python(tmp_path, "python3.12", script.replace("3.12", "3.97"))
    done = find_pythons(tmp_path, "3.97")
    assert done.returncode == 1
    assert "No CPython of 3.97" in done.stderr
    assert "left out" not in done.stderr


@pytest.mark.parametrize("python", DECLARED)
def test_every_dependency_has_one_tested_version_that_is_allowed(python):
    environment = {"python_version": python}
    tested: dict[str, set[str]] = {}
    for one in CONSTRAINTS:
        if one.marker is None or one.marker.evaluate(environment):
            tested.setdefault(one.name, set()).update(s.version for s in one.specifier)
    for requirement in map(Requirement, PROJECT["dependencies"]):
        (number,) = tested[requirement.name.lower()]
        assert number in requirement.specifier, requirement


def test_readme_workflow_and_this_python_are_among_the_declared():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    workflow = yaml.safe_load(
        (ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    )
    assert workflow["jobs"]["tests"]["strategy"]["matrix"]["python"] == DECLARED
    assert f"CPython {', '.join(DECLARED[:-1])} or {DECLARED[-1]}" in readme
    assert OWN in DECLARED
    assert int(version("zarr").split(".")[0]) < 3
