"""Where CaImAn is looked for, and what is said when it is not there."""

import sys
from pathlib import Path

import pytest

from ace_nwb.engines.caiman.environment import VARIABLE, child_environment, find_environment
from ace_nwb.errors import MissingPackageError
from tests.engines.conftest import make_environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
CONDA_VARIABLES = (
    "MAMBA_ROOT_PREFIX",
    "CONDA_ROOT",
    "CONDA_PREFIX",
    "CONDA_PREFIX_1",
    "CONDA_EXE",
    VARIABLE,
)


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """Hide the environments of this computer."""
    for name in CONDA_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")


def test_without_caiman_the_error_says_what_to_install():
    with pytest.raises(MissingPackageError) as error:
        find_environment()
    for part in ("conda env create -f environment-caiman.yml", "--caiman-python", VARIABLE):
        assert part in str(error.value)


def test_the_package_that_only_has_the_name_is_recognised_without_importing_it(tmp_path):
    packages = tmp_path / "packages"
    (packages / "caiman").mkdir(parents=True)
    (packages / "caiman" / "__init__.py").write_text("raise SystemExit('imported')\n")
    chosen = make_environment(tmp_path / "environment", packages)
    with pytest.raises(MissingPackageError, match="not CaImAn but a build tool for MicroPython"):
        find_environment(str(chosen))


def test_an_environment_is_found_by_path_by_variable_and_by_name(
    fake_environment, monkeypatch, tmp_path
):
    python = fake_environment / "bin" / "python"
    assert find_environment(str(python)).python == python
    monkeypatch.setenv(VARIABLE, str(fake_environment))
    assert find_environment().python == python
    monkeypatch.delenv(VARIABLE)
    named = tmp_path / "conda" / "envs" / "caiman"
    named.parent.mkdir(parents=True)
    fake_environment.rename(named)
    monkeypatch.setenv("CONDA_EXE", str(tmp_path / "conda" / "bin" / "conda"))
    assert find_environment().versions["caiman"] == "1.99"


def test_a_choice_that_does_not_work_is_an_error_and_not_passed_over(fake_environment, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(fake_environment))
    with pytest.raises(MissingPackageError, match="--caiman-python is 'nonesuch'"):
        find_environment("nonesuch")


def test_a_folder_without_a_python_is_told(tmp_path):
    with pytest.raises(MissingPackageError, match="a folder without a Python"):
        find_environment(str(tmp_path))


def test_a_file_that_is_no_python_is_told(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("no program")
    with pytest.raises(MissingPackageError, match="does not run as a Python"):
        find_environment(str(file))


def test_environments_that_conda_lists_are_found(fake_environment, tmp_path):
    listing = tmp_path / "home" / ".conda" / "environments.txt"
    listing.parent.mkdir(parents=True)
    place = tmp_path / "elsewhere" / "caiman"
    place.parent.mkdir()
    fake_environment.rename(place)
    listing.write_text(f"/nowhere/else\n{place}\n")
    assert find_environment("caiman").python == place / "bin" / "python"


def test_caiman_gets_folders_of_its_own_and_none_of_our_paths(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", "/ours")
    variables = child_environment(Path(sys.executable), tmp_path)
    assert "PYTHONPATH" not in variables
    assert Path(variables["CAIMAN_TEMP"]).is_dir()
    assert Path(variables["CAIMAN_DATA"]).parent == tmp_path
    assert variables["OMP_NUM_THREADS"] == "1"
