"""What the package exports, and that examples and pages for users need nothing deeper."""

import re
from importlib import import_module
from pathlib import Path

import pytest

import ace_nwb

ROOT = Path(__file__).parents[1]
EXPORTED = [
    "AceNwbError",
    "AceNwbWarning",
    "Finding",
    "InscopixInterface",
    "IntanInterface",
    "MappedMovieInterface",
    "MiniscopeDaqInterface",
    "MiniscopeV3Interface",
    "NeuralynxInterface",
    "OnixInterface",
    "OnixMiniscopeInterface",
    "OpenEphysBinaryInterface",
    "OpenEphysLegacyInterface",
    "OpenEphysMiniscopeInterface",
    "Replacement",
    "Session",
    "SpikeGlxInterface",
    "convert",
    "describe",
    "diff",
    "edit_session",
    "inspect_folder",
    "is_valid",
    "join_movies",
    "open_session",
    "prepare_dandiset",
    "process",
    "read_events",
    "read_plan",
    "run",
    "run_demo",
    "status",
    "upload_dandiset",
    "validate",
    "write_light_session",
    "write_overview_png",
    "write_report",
]
FOR_USERS = [
    *ROOT.glob("examples/*.py"),
    ROOT / "README.md",
    ROOT / "docs/tutorial.md",
    *ROOT.glob("docs/tasks/*.md"),
]


def test_exactly_these_names_are_exported():
    assert ace_nwb.__all__ == EXPORTED
    assert dir(ace_nwb) == sorted([*EXPORTED, "__version__"])


@pytest.mark.parametrize("name", EXPORTED)
def test_every_name_is_the_one_object_of_its_module(name):
    found = getattr(ace_nwb, name)
    assert found is getattr(import_module(found.__module__), name)
    assert found.__doc__


def test_the_version_is_that_of_the_installed_package():
    assert re.match(r"\d+\.\d+", ace_nwb.__version__)


def test_an_unknown_name_is_refused():
    name = "analyse"
    with pytest.raises(AttributeError, match="has no attribute 'analyse'"):
        getattr(ace_nwb, name)


@pytest.mark.parametrize("path", FOR_USERS, ids=lambda path: path.name)
def test_examples_and_pages_for_users_import_nothing_deeper(path):
    assert not re.findall(r"^(?:from|import) ace_nwb\.\S+", path.read_text("utf-8"), re.MULTILINE)
