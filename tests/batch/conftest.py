import sys
from pathlib import Path

import pytest

from ace_nwb.batch import launch
from ace_nwb.batch.plan import SessionJob


@pytest.fixture
def make_job(tmp_path):
    def make(name):
        return SessionJob(
            name, ("raw",), str(tmp_path / f"{name}.nwb"), state_folder=str(tmp_path / "x.batch")
        )

    return make


@pytest.fixture
def fake_worker(monkeypatch):
    path = str(Path(__file__).parent / "fake_worker.py")
    monkeypatch.setattr(launch, "WORKER", (sys.executable, path))
    monkeypatch.setattr(launch, "_LOCK_PAUSE_S", 0.01)
