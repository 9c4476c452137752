"""A stage of another package takes part like ours: the page on adding one, as it stands."""

import shutil
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ace_nwb.archive.layout import check_layout
from ace_nwb.nwb import layout
from ace_nwb.nwb.session import open_session
from ace_nwb.pipeline import process
from tests.docs.pages import REPOSITORY, blocks

PAGE = REPOSITORY / "docs" / "extend" / "add_a_stage.md"
COMMANDS = """
import sys
site, *commands = sys.argv[1:]
sys.path.insert(0, site)
from ace_nwb.cli import run
print([run(command.split()) for command in commands])
"""


@pytest.fixture
def installed(tmp_path):
    """Install the package of the page: its module, and its entry point."""
    texts = blocks(PAGE)
    module = next(text for kind, text in texts if kind == "python" and "compute(" in text)
    groups = tomllib.loads(next(text for kind, text in texts if kind == "toml"))
    package = tmp_path / "site" / "my_package"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "population.py").write_text(module, encoding="utf-8")
    described = tmp_path / "site" / "my_package-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Name: my-package\nVersion: 1.0\n", encoding="utf-8")
    entries = groups["project"]["entry-points"]["ace_nwb.stages"]
    lines = ["[ace_nwb.stages]", *(f"{name} = {path}" for name, path in entries.items())]
    (described / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    return package.parent


@pytest.fixture(scope="module")
def traced_template(tiny_session_template, tmp_path_factory):
    """A session up to dF/F."""
    path = shutil.copy(tiny_session_template, tmp_path_factory.mktemp("traced") / "session.nwb")
    for stage, parameters in {"extract": {}, "dff": {"window_s": 10.0}}.items():
        process(path, stage, parameters)
    return path


@pytest.fixture
def traced(traced_template, tmp_path):
    """The same as a file of one's own."""
    return shutil.copy(traced_template, tmp_path / "session.nwb")


def type_commands(site, *commands):
    """Type commands in a fresh interpreter that has the package; return what they say."""
    code = [sys.executable, "-c", COMMANDS, str(site), *commands]
    done = subprocess.run(code, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_the_stage_of_the_page_takes_part_like_ours(installed, traced):
    said = type_commands(
        installed,
        "list stages",
        f"process population {traced} --no-is-scaled",
        f"process population {traced}",
        f"history {traced}",
    )
    assert "Mean dF/F of all ROIs" in said
    assert "[0, 0, 0, 0]" in said
    with open_session(traced) as session:
        mean = session.get("/processing/ophys/PopulationMean")
        traces = np.asarray(session.get(layout.DFF_TRACES).data)
        assert_allclose(mean.data, (traces / traces.std(axis=0)).mean(axis=1), rtol=1e-6)
        assert session.is_own("/processing/ophys/PopulationMean")
        assert not [one for one in check_layout(session) if "Population" in str(one)]


def test_its_result_goes_when_what_it_was_made_from_is_made_anew(installed, traced):
    path = "/processing/ophys/PopulationMean"
    type_commands(installed, f"process population {traced}")
    said = type_commands(
        installed, f"process dff {traced} --force --prune --window-s 10", f"status {traced}"
    )
    assert "[0, 0]" in said
    with open_session(traced) as session:
        assert not session.has(path)


def test_without_its_package_the_result_is_kept_and_the_history_can_be_read(installed, traced):
    type_commands(installed, f"process population {traced}")
    assert "population" in type_commands("", f"history {traced}")
    assert "[0, 0]" in type_commands("", f"status {traced}", f"process deconvolve {traced}")
    with open_session(traced) as session:
        assert session.has("/processing/ophys/PopulationMean")


def test_a_stage_that_cannot_be_loaded_is_told_and_the_others_run(installed, traced):
    (installed / "my_package" / "population.py").write_text("import nothing_there")
    said = type_commands(installed, f"status {traced}")
    assert "The stage population of another package is left out" in said
    assert "[0]" in said
