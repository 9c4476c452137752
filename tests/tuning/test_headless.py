"""`ace-nwb tune --headless` on a session file with known cells."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from ace_nwb import pipeline
from ace_nwb.cli import run
from ace_nwb.tuning.headless import tune
from tests.conformance.test_engines import make_movie
from tests.fixtures.session_files import write_session_file


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    path = tmp_path_factory.mktemp("tuning") / "session.nwb"
    frames, _ = make_movie(240, ((20.0, 40.0), (32.0, 14.0)))
    write_session_file(path, frames=np.clip(frames, 0, 255).astype(np.uint8))
    return path


@pytest.fixture(scope="module")
def folder(template, tmp_path_factory):
    """A folder written by the command line, and a check that the session was only read."""
    before = template.read_bytes()
    folder = tmp_path_factory.mktemp("out") / "new"
    options = ["--headless", "--out", str(folder), "--cell-diameter", "8", "--seconds", "10"]
    assert run(["tune", str(template), *options]) == 0
    assert template.read_bytes() == before
    return folder


def test_pictures_and_tables_are_written(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {"seeds.png", "thresholds.png", "trials.png", "trials.csv", "tuning.json"}
    for path in folder.glob("*.png"):
        with Image.open(path) as image:
            assert image.width > 500
            assert np.asarray(image.convert("L")).std() > 5


def test_the_proposal_finds_the_planted_cells(folder):
    content = json.loads((folder / "tuning.json").read_text())
    assert content["n_seeds"] == len(content["seeds"]) >= 2
    assert content["trials"][0]["n_accepted"] == 2
    assert content["parameters"]["extract.cell_diameter_px"] == pytest.approx(8, abs=3)
    with (folder / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(content["trials"]) == 7
    assert rows[0]["changed"] == ""


def test_settings_are_options_that_run_accepts(folder):
    content = json.loads((folder / "tuning.json").read_text())
    settings = [text.removeprefix("--set ") for text in content["settings"]]
    plan = pipeline.read_plan(None, settings)
    assert plan.choices["extract"]["cell_diameter_px"].value
    assert plan.choices["summary"]["cell_diameter_px"].value


def test_saving_records_the_proposal_for_the_next_run(template, tmp_path, monkeypatch, capsys):
    path = tmp_path / "session.nwb"
    path.write_bytes(template.read_bytes())
    monkeypatch.setattr("ace_nwb.tuning.sweep.DIAMETER_FACTORS", ())
    monkeypatch.setattr("ace_nwb.tuning.sweep.PEAK_TO_NOISE_FACTORS", ())
    monkeypatch.setattr("ace_nwb.tuning.sweep.CORRELATION_STEPS", ())
    options = ["--headless", "--cell-diameter", "9", "--seconds", "5", "--save"]
    assert run(["tune", str(path), *options]) == 0
    assert "--set extract.cell_diameter_px=9.0" in capsys.readouterr().out
    assert (tmp_path / "session_tuning" / "seeds.png").exists()
    again = tune(path, tmp_path / "again", seconds=5)
    assert again.proposal.cell_diameter_px == 9


def test_patches_are_drawn_for_the_engine_that_has_some(template, tmp_path, monkeypatch):
    path = tmp_path / "session.nwb"
    path.write_bytes(template.read_bytes())
    for name in ("DIAMETER_FACTORS", "PEAK_TO_NOISE_FACTORS", "CORRELATION_STEPS"):
        monkeypatch.setattr(f"ace_nwb.tuning.sweep.{name}", ())
    chosen = {"engine": "caiman", "caiman_patch_radius_px": 12, "caiman_patch_overlap_px": 6}
    pipeline.record_parameters(path, {"extract": chosen})
    result = tune(path, tmp_path / "out", cell_diameter_px=8, seconds=5)
    assert tmp_path / "out" / "patches.png" in result.files
