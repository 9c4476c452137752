"""An environment whose Python finds a stand-in for CaImAn, for tests of the way there and back."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

FAKE = Path(__file__).parent.parent / "fixtures" / "fake_caiman"


def make_environment(folder: Path, packages: Path) -> Path:
    """Return the folder of an environment whose Python also finds `packages`."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    lines = ["#!/bin/sh", f'PYTHONPATH="{packages}" exec "{sys.executable}" "$@"', ""]
    python.write_text("\n".join(lines))
    python.chmod(0o755)
    return folder


def make_fake_caiman(folder: Path) -> Path:
    """Return an environment with the stand-in for CaImAn, and an empty folder `scratch` beside."""
    packages = folder / "packages"
    shutil.copytree(FAKE, packages, ignore=shutil.ignore_patterns("__pycache__"))
    metadata = packages / "caiman-1.99.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: caiman\nVersion: 1.99\n")
    (folder / "scratch").mkdir()
    return make_environment(folder / "environment", packages)


@pytest.fixture
def fake_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr("tempfile.tempdir", None)
    return make_fake_caiman(tmp_path)


@pytest.fixture(scope="module")
def shared_environment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fake")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder / "scratch"))
        patch.setattr("tempfile.tempdir", None)
        yield make_fake_caiman(folder)


def planted_movie(n_frames: int = 40) -> np.ndarray:
    """Return frames of 12 x 20 pixels in which (7, 4) changes most, along a known course."""
    rng = np.random.default_rng(3)
    frames = rng.normal(100, 1, (n_frames, 12, 20))
    frames[:, 7, 4] += 30 * (np.arange(n_frames) % 10 == 0)
    return frames.astype(np.float32)
