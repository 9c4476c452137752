"""The engine `caiman` with a stand-in for CaImAn: the way there and back, and what can fail."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ace_nwb.engines.base import EngineSettings
from ace_nwb.engines.caiman import estimate_motion, extract
from ace_nwb.engines.caiman.process import PREFIX, remove_abandoned
from ace_nwb.errors import OutputError, StageError
from ace_nwb.imaging.movie import ArrayMovie, no_progress
from ace_nwb.stages.extract import engine_parameters
from ace_nwb.stages.settings.params import ExtractParams
from tests.engines.conftest import planted_movie

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
PARAMETERS = engine_parameters(ExtractParams(engine="caiman", caiman_background_downsampling=3))


def run(environment, frames=None, progress=no_progress, workers=1):
    return extract(
        ArrayMovie(planted_movie() if frames is None else frames, 20.0),
        settings=EngineSettings(workers=workers, caiman_python=str(environment)),
        progress=progress,
        **PARAMETERS,
    )


def scratch(environment) -> list[Path]:
    return list((environment.parent / "scratch").iterdir())


@pytest.fixture(scope="module")
def seen() -> list[float]:
    return []


@pytest.fixture(scope="module")
def found(shared_environment, seen):
    return run(shared_environment, progress=lambda done, of: seen.append(done / of))


def test_footprints_and_traces_come_back_in_our_axes_and_scale(found):
    frames = planted_movie()
    assert found.n_rois == 1
    mask = found.image_masks()[0]
    np.testing.assert_allclose(mask[6:9, 4], 1 / np.sqrt(3), rtol=1e-6)
    assert mask.sum() == pytest.approx(np.sqrt(3))
    trace = frames[:, 7, 4].astype(float)
    scale = 2 * frames.std(0)[7, 4] * np.sqrt(3)
    np.testing.assert_allclose(found.raw[:, 0], scale * (trace - np.median(trace)), rtol=1e-4)
    np.testing.assert_allclose(found.denoised, 0.9 * found.raw, rtol=1e-4, atol=1e-4)
    assert found.noise[0] == pytest.approx(0.25 * scale, rel=1e-4)
    assert found.decay_time_s[0] == pytest.approx(-1 / (20 * np.log(0.9)))
    assert found.seeds.shape == (0, 2)


def test_baseline_is_the_ring_background_of_caimans_formula_under_the_footprint(found):
    frames = planted_movie().astype(float)
    mask = found.image_masks()[0].astype(float)
    rest = frames - found.denoised[:, 0, None, None] * mask - frames.mean(0)
    coarse = np.stack(  # 12 x 20 pixels make 4 x 7 squares of side 3, the last column narrower
        [
            [rest[:, r : r + 3, c : c + 3].mean((1, 2)) for c in range(0, 20, 3)]
            for r in (0, 3, 6, 9)
        ]
    ).transpose(2, 0, 1)
    column_by_column = coarse.transpose(0, 2, 1).reshape(len(frames), -1)
    ring = 0.5 * np.roll(column_by_column, -1, axis=1)
    ring = ring.reshape(len(frames), 7, 4).transpose(0, 2, 1)
    background = frames.mean(0) + np.repeat(np.repeat(ring, 3, 1), 3, 2)[:, :, :20]
    expected = (background * mask).sum((1, 2))
    np.testing.assert_allclose(found.baseline[:, 0], expected, rtol=1e-4)
    assert found.background.downsampling == 3
    np.testing.assert_allclose(found.background.baseline, frames.mean(0), rtol=1e-5)


def test_figures_and_versions_of_caiman_come_along(found):
    assert found.metrics["engine_snr"] == [4.0]
    assert found.metrics["engine_r_value"] == [0.75]
    assert found.metrics["engine_accepted"].tolist() == [True]
    assert found.software["caiman"] == "1.99"
    assert found.software["CaImAn's numpy"] == np.__version__


def test_progress_grows_to_its_end(found, seen):
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert sum(0.1 < share < 0.95 for share in seen) >= 3


def test_nothing_is_left_behind(found, shared_environment):
    assert scratch(shared_environment) == []


def test_more_workers_give_the_same_result(found, fake_environment):
    assert run(fake_environment, workers=2).raw.tobytes() == found.raw.tobytes()


def test_nothing_found_is_no_error(fake_environment, monkeypatch):
    monkeypatch.setenv("FAKE_CAIMAN", "empty")
    found = run(fake_environment)
    assert found.n_rois == 0
    assert found.raw.shape == (40, 0)
    assert found.background is None


def test_an_error_in_caiman_is_told_with_its_place_and_the_folder_is_removed(
    fake_environment, monkeypatch
):
    monkeypatch.setenv("FAKE_CAIMAN", "fail")
    with pytest.raises(StageError, match="FloatingPointError: the matrix is not what it was") as e:
        run(fake_environment)
    assert "(cnmf.py:" in str(e.value)
    assert "The file is unchanged" in str(e.value)
    assert "raise FloatingPointError" in str(e.value)
    assert scratch(fake_environment) == []


def test_a_killed_caiman_is_told_as_such(fake_environment, monkeypatch):
    monkeypatch.setenv("FAKE_CAIMAN", "killed")
    with pytest.raises(StageError, match="killed by signal 9, which may mean that memory ran out"):
        run(fake_environment)
    assert scratch(fake_environment) == []


def test_an_interrupt_stops_caiman_and_removes_the_folder(fake_environment, monkeypatch):
    monkeypatch.setenv("FAKE_CAIMAN", "hang")

    def interrupt(done, of):
        if done >= 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(fake_environment, progress=interrupt)
    assert scratch(fake_environment) == []
    assert "child.py" not in running_commands(fake_environment.parent)


def test_caiman_ends_when_we_are_killed(fake_environment, monkeypatch, tmp_path):
    monkeypatch.setenv("FAKE_CAIMAN", "hang")
    script = (
        "from tests.engines.test_caiman import run\n"
        "from pathlib import Path\nimport sys\n"
        "def told(done, of):\n    if done >= 11: print('working', flush=True)\n"
        "run(Path(sys.argv[1]), progress=told)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(fake_environment)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout.readline() == "working\n"
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    for _ in range(1000):
        if not scratch(fake_environment) and "child.py" not in running_commands(tmp_path):
            break
        time.sleep(0.02)
    assert scratch(fake_environment) == []
    assert "child.py" not in running_commands(tmp_path)


def test_folders_of_killed_runs_are_removed_by_the_next_one_and_no_others(tmp_path):
    over = subprocess.Popen([sys.executable, "-c", ""])
    over.wait()
    for number in (over.pid, os.getpid()):
        (tmp_path / f"{PREFIX}{number}-abc" / "temp").mkdir(parents=True)
    (tmp_path / "mine-1-2").mkdir()
    remove_abandoned(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{PREFIX}{os.getpid()}-abc", "mine-1-2"}


def running_commands(folder) -> str:
    """Return the command lines of running processes that mention a folder."""
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return "\n".join(line for line in listing.stdout.splitlines() if str(folder) in line)


def test_a_full_disk_is_told_before_anything_is_written(fake_environment, monkeypatch):
    monkeypatch.setattr(
        "ace_nwb.engines.caiman.exchange.shutil.disk_usage",
        lambda _path: type("Usage", (), {"free": 1000})(),
    )
    with pytest.raises(OutputError, match=r"CaImAn needs 0\.0 GB"):
        run(fake_environment)
    assert scratch(fake_environment) == []


@pytest.mark.parametrize("can_reserve", [True, False])
def test_a_disk_that_fills_up_meanwhile_is_told_and_is_no_bus_error(
    fake_environment, monkeypatch, can_reserve
):
    def refuse(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    if can_reserve:
        monkeypatch.setattr("os.posix_fallocate", refuse, raising=False)
    else:
        monkeypatch.delattr("os.posix_fallocate", raising=False)
        monkeypatch.setattr("ace_nwb.engines.caiman.exchange.bytes", refuse, raising=False)
    with pytest.raises(OutputError, match=r"GB left\. Free some space"):
        run(fake_environment)
    assert scratch(fake_environment) == []


def test_motion_is_what_caiman_would_apply_and_moves_frames_onto_each_other(fake_environment):
    frames = np.full((12, 16, 24), 10, np.float32)
    places = [(8 + frame % 3, 12 - frame % 2) for frame in range(12)]
    for frame, (row, column) in zip(frames, places, strict=True):
        frame[row - 2 : row + 3, column - 2 : column + 3] += 20
        frame[row, column] += 20
    motion, software = estimate_motion(
        ArrayMovie(frames, 20.0),
        settings=EngineSettings(caiman_python=str(fake_environment)),
        progress=no_progress,
        max_shift_px=5,
        filter_radius_px=3.0,
    )
    np.testing.assert_array_equal(motion.shifts, np.subtract(places[0], places))
    assert motion.quality.min() > 0.9
    assert not motion.is_bad.any()
    assert software["caiman"] == "1.99"
    assert scratch(fake_environment) == []
