"""Fixtures that every test may use; those of one theme are in `fixtures/`."""

import os
import pickle
import shutil
import time
from pathlib import Path

import pytest

from ace_nwb.demo import run_demo

TESTS = Path(__file__).parent
SLOW = (
    "apps/test_browser.py",
    "archive/test_dandiset.py",
    "batch",
    "conformance",
    "docs",
    "nwb/test_crashes.py",
    "nwb/test_readers_at_work.py",
    "nwb/test_zarr.py",
    "nwb/test_zarr_editing.py",
    "stages/test_ownership.py",
    "stages/test_sync_ways.py",
    "test_any_sequence.py",
    "test_convert_corrupt.py",
    "test_convert_irregular.py",
    "test_convert_irregular_formats.py",
    "test_examples.py",
    "test_interruption.py",
)
"""Files and folders that take more than ten seconds on one core; `pytest -m "not slow"` leaves out
these, and all that needs the demo's session: what remains is the quick half."""

pytest_plugins = [
    "tests.fixtures.fake_isx",
    "tests.fixtures.recordings",
    "tests.fixtures.session_files",
    "tests.fixtures.changes",
    "tests.fixtures.coupled_sessions",
    "tests.fixtures.tiny_sessions",
]


IN_MEMORY = Path("/dev/shm")
"""A file system without a disk, on Linux: half of the suite's time went into waiting until files
were durable there. Tests strike at the calls that make them so, and need no disk for it."""
ROOM_BYTES = 4 * 2**30
"""What the suite keeps at a time is below 2 GB."""


def pytest_configure(config):
    """Keep temporary folders in memory, where there is room, unless another place was chosen."""
    has_room = IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ROOM_BYTES
    if has_room and config.option.basetemp is None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


def pytest_collection_modifyitems(items):
    """Mark slow tests; begin with the longest files, so that no core is idle at the end."""
    slow = tuple(str(TESTS / name) for name in SLOW)
    for item in items:
        if "demo" in item.fixturenames or str(item.path).startswith(slow):
            item.add_marker("slow")
    first = [TESTS / "docs", TESTS / "apps", TESTS]
    items.sort(key=lambda item: [*first, item.path.parent].index(item.path.parent))


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """Summary and folder of a toy demo, made once for all workers; each has a copy of its own."""
    made = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        made = made.parent
    made, summary = made / "demo_of_all", made / "demo_of_all.pickle"
    try:
        made.mkdir()
    except FileExistsError:
        _wait_for(summary)
    else:
        try:
            found = run_demo(made, size="toy", seed=6)
        except BaseException as error:
            found = error  # for those who wait
        partial = summary.with_suffix(".partial")
        partial.write_bytes(pickle.dumps(found))
        partial.rename(summary)
    found = pickle.loads(summary.read_bytes())
    if isinstance(found, BaseException):
        raise found
    folder = tmp_path_factory.mktemp("demo")
    return found, Path(shutil.copytree(made, folder, dirs_exist_ok=True))


def _wait_for(path: Path) -> None:
    """Wait until another worker has made the demo: a minute on a slow computer."""
    for _second in range(600):
        if path.exists():
            return
        time.sleep(1)
    raise TimeoutError(f"no {path} after ten minutes")


@pytest.fixture
def session(demo):
    return demo[1] / "session.nwb"


@pytest.fixture
def session_copy(session, tmp_path):
    copy = tmp_path / "copy.nwb"
    copy.write_bytes(session.read_bytes())
    return copy
