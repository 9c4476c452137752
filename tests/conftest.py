"""Fixtures that every test may use; those of one theme are in `fixtures/`."""

from pathlib import Path

import pytest

from ace_nwb.demo import run_demo

TESTS = Path(__file__).parent

pytest_plugins = [
    "tests.fixtures.fake_isx",
    "tests.fixtures.recordings",
    "tests.fixtures.session_files",
    "tests.fixtures.changes",
    "tests.fixtures.coupled_sessions",
    "tests.fixtures.tiny_sessions",
]


def pytest_collection_modifyitems(items):
    """Begin with the longest files, those of the whole way, so that no core is idle at the end."""
    first = [TESTS / "docs", TESTS / "apps", TESTS]
    items.sort(key=lambda item: [*first, item.path.parent].index(item.path.parent))


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return run_demo(folder, size="toy", seed=6), folder


@pytest.fixture
def session(demo):
    return demo[1] / "session.nwb"


@pytest.fixture
def session_copy(session, tmp_path):
    copy = tmp_path / "copy.nwb"
    copy.write_bytes(session.read_bytes())
    return copy
