"""What we write for other programs holds the same numbers, and they read it."""

import csv
import json
import subprocess
import warnings

import av
import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from ace_nwb.adopt import adopt, read_results
from ace_nwb.cli import run
from ace_nwb.nwb.content.rois import read_segmentation
from ace_nwb.nwb.session import open_session
from tests.adopt.foreign_files import draw_known, write_caiman
from tests.fixtures.session_files import N_COLUMNS, N_FRAMES, N_ROWS


@pytest.fixture
def with_rois(recorded, tmp_path):
    known = draw_known((N_ROWS, N_COLUMNS), N_FRAMES)
    adopt(recorded.path, read_results(write_caiman(tmp_path / "e.hdf5", known)))
    with open_session(recorded.path) as session:
        return recorded, read_segmentation(session)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables_hold_the_traces_with_their_times(with_rois, tmp_path, kind):
    pandas = pytest.importorskip("pandas")
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    recorded, found = with_rois
    folder = tmp_path / "tables"
    assert run(["export", "tables", str(recorded.path), str(folder), "--format", kind]) == 0
    read = pandas.read_csv if kind == "csv" else pandas.read_parquet
    table = read(folder / f"raw.{kind}")
    np.testing.assert_allclose(table["time_s"], recorded.frame_times_s)
    np.testing.assert_allclose(table.iloc[:, 1:], found.raw, rtol=1e-5)
    assert "snr" in read(folder / f"rois.{kind}")
    assert run(["export", "tables", str(recorded.path), str(folder), "--format", kind]) == 1


def test_tables_hold_no_text_of_the_file_that_computes(with_rois, tmp_path):
    path = with_rois[0].path
    with h5py.File(path, "r+") as h5:
        table = h5["processing/ophys/ImageSegmentation/PlaneSegmentation"]
        texts = ["@SUM(A1)"] * len(table["id"])
        column = table.create_dataset("=cmd", data=texts, dtype=h5py.string_dtype())
        column.attrs.update(table["id"].attrs)
        column.attrs["neurodata_type"], column.attrs["description"] = "VectorData", "="
        table.attrs["colnames"] = [*table.attrs["colnames"], "=cmd"]
    assert run(["export", "tables", str(path), str(tmp_path / "tables")]) == 0
    with (tmp_path / "tables" / "rois.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["'=cmd"] for row in rows} == {"'@SUM(A1)"}


def test_arrays_are_read_by_pynapple(with_rois, tmp_path):
    pynapple = pytest.importorskip("pynapple")
    recorded, found = with_rois
    assert run(["export", "pynapple", str(recorded.path), str(tmp_path / "npz")]) == 0
    loaded = pynapple.load_file(str(tmp_path / "npz" / "denoised.npz"))
    np.testing.assert_allclose(loaded.values, found.denoised)
    np.testing.assert_allclose(loaded.times(), recorded.frame_times_s, atol=1e-9)


def test_matlab_file_holds_traces_and_footprints(with_rois, tmp_path):
    recorded, found = with_rois
    path = tmp_path / "session.mat"
    assert run(["export", "matlab", str(recorded.path), str(path)]) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of SciPy 1.18, for sparse arrays
        content = loadmat(path)
    np.testing.assert_allclose(content["raw"], found.raw)
    np.testing.assert_allclose(content["time_s"].ravel(), recorded.frame_times_s)
    np.testing.assert_allclose(content["footprints"].toarray(), found.footprints.toarray())


def read_video(path):
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="gray") for f in container.decode(video=0)])


@pytest.mark.parametrize("name", ["movie.tif", "movie.avi"])
def test_lossless_movies_hold_the_recorded_pixels(recorded, tmp_path, name):
    path = tmp_path / name
    arguments = ["export", "movie", str(recorded.path), str(path), "--start", "5", "--stop", "30"]
    assert run(arguments) == 0
    if name.endswith("tif"):
        with Image.open(path) as stack:
            frames = [np.array(stack) for i in range(stack.n_frames) if stack.seek(i) is None]
    else:
        frames = read_video(path)
    np.testing.assert_array_equal(frames, recorded.frames[5:30])
    facts = json.loads(path.with_suffix(path.suffix + ".json").read_text())
    np.testing.assert_allclose(facts["timestamps_s"], recorded.frame_times_s[5:30])


def test_movie_for_looking_at_has_every_frame(recorded, tmp_path):
    path = tmp_path / "movie.mp4"
    assert run(["export", "movie", str(recorded.path), str(path), "--corrected"]) == 0
    assert read_video(path).shape == (N_FRAMES, N_ROWS, N_COLUMNS)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [("movie.gif", [], "One of .tif, .avi, .mp4"), ("movie.tif", ["--start", "60"], "Frames 60")],
)
def test_movies_that_cannot_be_written_are_refused(
    recorded, tmp_path, name, options, message, capsys
):
    assert run(["export", "movie", str(recorded.path), str(tmp_path / name), *options]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / name).exists()


def test_job_scripts_name_one_session_per_task(tmp_path, capsys):
    manifest = tmp_path / "my sessions.yaml"
    manifest.write_text("sessions:\n  - {name: a b, folder: x}\n  - {name: c, folder: y}\n")
    folder = tmp_path / "jobs"
    command = ["export", "job", str(manifest), str(folder), "--threads", "2"]
    assert run([*command, "--max-memory", "2GB", "--partition", "short"]) == 0
    script = (folder / "sessions.sbatch").read_text()
    for line in ("--array=0-1%4", "--cpus-per-task=2", "--mem=3072M", "--partition=short"):
        assert f"#SBATCH {line}" in script
    assert (folder / "sessions.txt").read_text() == "a b\nc\n"
    for name in ("sessions.sbatch", "summary.sbatch", "submit.sh"):
        subprocess.run(["bash", "-n", str(folder / name)], check=True)


def test_names_of_several_lines_are_refused_as_they_would_shift_the_tasks(tmp_path, capsys):
    manifest = tmp_path / "sessions.yaml"
    manifest.write_text('sessions:\n  - {name: "a\\nb", folder: x}\n  - {name: c, folder: y}\n')
    assert run(["export", "job", str(manifest), str(tmp_path / "jobs")]) == 1
    assert "name is 'a\\nb'" in capsys.readouterr().err
    assert not (tmp_path / "jobs").exists()


def test_a_manifest_of_any_name_gives_one_name_of_a_job(tmp_path):
    manifest = tmp_path / "a\n#SBATCH --mail-user=x.yaml"
    manifest.write_text("sessions:\n  - {name: -x, folder: x}\n")
    assert run(["export", "job", str(manifest), str(tmp_path / "jobs")]) == 0
    script = (tmp_path / "jobs" / "sessions.sbatch").read_text()
    directives = script.partition("set -eu")[0]
    assert "\n#SBATCH --mail-user" not in directives
    assert '--only="$session"' in script
