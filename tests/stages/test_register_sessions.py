"""Cells of several session files: written into each, into a table, a picture, a project file."""

import csv
import shutil
import warnings
from dataclasses import replace

import numpy as np
import pynwb
import pytest
from scipy.sparse import csc_array

from ace_nwb import pipeline
from ace_nwb.batch.project import draw_picture, register_files
from ace_nwb.cli import run
from ace_nwb.imaging.common_field import LEVEL
from ace_nwb.imaging.segmentation import Segmentation
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.registration import read_matches, read_registration
from ace_nwb.nwb.content.rois import read_segmentation, write_segmentation
from ace_nwb.nwb.history import current_runs
from ace_nwb.nwb.objects.columns import read_columns
from ace_nwb.nwb.session import edit_session, open_session


def change_rois(path, order, shift_px):
    """Replace the ROIs by some of them, in another order and another place."""
    with edit_session(path) as writer:
        old = read_segmentation(writer)
        images = np.roll(old.image_masks(), shift_px, axis=(1, 2))[order]
        write_segmentation(
            writer,
            Segmentation(
                footprints=csc_array(images.reshape(len(order), -1).T),
                field_shape=old.field_shape,
                raw=old.raw[:, order],
                denoised=old.denoised[:, order],
                deconvolved=old.deconvolved[:, order],
                baseline=old.baseline[:, order],
                noise=old.noise[order],
                decay_time_s=old.decay_time_s[order],
                background=None,
                seeds=old.seeds,
            ),
        )


def stays_whole(path):
    """Return for every ROI of the first session whether the second one shows all of it."""
    with open_session(path) as session:
        images = read_segmentation(session).image_masks()
    last_rows, first_columns = slice(-3, None), slice(None, 2)
    return ~(images[:, last_rows].any(axis=(1, 2)) | images[:, :, first_columns].any(axis=(1, 2)))


@pytest.fixture(scope="module")
def project(demo, tmp_path_factory):
    """Three sessions; the second one shifted and shuffled, the third lacks two ROIs."""
    folder = tmp_path_factory.mktemp("project")
    paths = [folder / f"{name}.nwb" for name in ("a", "b", "c")]
    for path in paths:
        shutil.copyfile(demo[1] / "session.nwb", path)
    with open_session(paths[0]) as session:
        n_rois = read_segmentation(session).n_rois
    orders = [
        np.arange(n_rois),
        np.random.default_rng(0).permutation(n_rois),
        np.arange(n_rois - 2),
    ]
    for path, order, shift in zip(paths[1:], orders[1:], ((3, -2), (-1, 1)), strict=True):
        change_rois(path, order, shift)
    outputs = [folder / name for name in ("cells.csv", "cells.png", "project.nwb")]
    found, outcomes = register_files(paths, {"rois": "all"}, outputs=outputs)
    return paths, orders, found, outcomes, outputs


def test_each_file_says_which_roi_of_the_others_is_the_same_cell(project):
    paths, orders, _, outcomes, _ = project
    assert [outcome.action for outcome in outcomes] == ["ran"] * 3
    with open_session(paths[1]) as session:
        matches = read_matches(session)
        own = read_registration(session)
    to_a = matches["session"] == "a"
    expected = orders[1][matches["roi"][to_a]]
    assert (matches["other_roi"][to_a] == expected).all()
    assert set(np.flatnonzero(stays_whole(paths[0]))) <= set(expected.tolist())
    assert (matches["probability"] > 0.5).all()
    assert own["roi"].tolist() == list(range(len(orders[1])))


def test_cells_have_the_same_number_in_all_files(project):
    paths, orders, found, _, _ = project
    numbers = []
    for path in paths:
        with open_session(path) as session:
            numbers.append(read_registration(session)["cell"])
    is_whole = stays_whole(paths[0])  # what the shift took over the edge may be another cell
    assert is_whole.sum() > len(is_whole) / 2
    assert (numbers[1] == numbers[0][orders[1]])[is_whole[orders[1]]].all()
    assert found.cells.rois.shape[1] == 3


def test_files_stay_valid_and_the_stage_is_done(project):
    for path in project[0]:
        assert pynwb.validate(path=str(path)) == []
        assert {s.stage: s.state for s in pipeline.status(path)}["register-sessions"] == "done"


def test_table_picture_and_project_file_are_written(project):
    _, orders, found, _, (table, picture, nwb) = project
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found.cells.rois)
    shared = [row for row in rows if row["a"] and row["b"]]
    assert all(orders[1][int(row["b"])] == int(row["a"]) for row in shared)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert pynwb.validate(path=str(nwb)) == []
    with pynwb.NWBHDF5IO(nwb, "r") as io:
        cells = io.read().processing["ophys"]["Cells"]
        np.testing.assert_array_equal(cells["roi_1"][:], found.cells.rois[:, 1])


@pytest.fixture(scope="module")
def strangers(project, tmp_path_factory):
    """Two sessions of one place and one of another: its cells lie where they like."""
    folder = tmp_path_factory.mktemp("strangers")
    paths = [folder / f"{name}.nwb" for name in ("a", "b", "x")]
    for path in paths:
        shutil.copyfile(project[0][0], path)
    scatter_rois(paths[2])
    outputs = [folder / name for name in ("cells.csv", "cells.png", "project.nwb")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, outcomes = register_files(paths, {"rois": "all"}, outputs=outputs)
    return paths, found, outcomes, outputs


def scatter_rois(path):
    """Move every ROI to a place of its own."""
    rng = np.random.default_rng(0)
    with edit_session(path) as writer:
        old = read_segmentation(writer)
        images = [np.roll(each, rng.integers(0, each.shape), (0, 1)) for each in old.image_masks()]
        footprints = csc_array(np.reshape(images, (old.n_rois, -1)).T)
        write_segmentation(writer, replace(old, footprints=footprints))


def test_sessions_of_two_places_have_no_link_and_every_output_says_so(strangers):
    paths, found, outcomes, (table, _, nwb) = strangers
    assert {(link.session, link.other_session) for link in found.links} == {(0, 1)}
    remarks = [" ".join(outcome.remarks) for outcome in outcomes]
    assert [remark.count("no common field") for remark in remarks] == [1, 1, 2]
    assert "no common field with x" in remarks[0]
    with open_session(paths[2]) as session:
        alignment = read_columns(session.get(layout.SESSION_ALIGNMENT))
        assert alignment["no_common_field"].tolist() == ["a, b"]
        assert alignment["p_chance"][0] > LEVEL
        assert len(read_matches(session)["roi"]) == 0
        assert "no common field" in current_runs(session)["register-sessions"].warnings
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert {(bool(row["x"]), row["no_common_field"]) for row in rows} == {
        (False, "x"),
        (True, "a, b"),
    }
    with pynwb.NWBHDF5IO(nwb, "r") as io:
        pairs = io.read().processing["ophys"]["Pairs"]
        assert pairs["common_field"][:].tolist() == [True, False, False]


def test_picture_names_the_sessions_of_other_fields(strangers):
    titles = [axes.get_title() for axes in draw_picture(strangers[1]).axes]
    assert "no common field with x" in titles[0]
    assert "no common field with a, b" in titles[2]


def test_second_registration_does_nothing(project, capsys):
    paths = [str(path) for path in project[0]]
    assert run(["register-sessions", *paths, "--rois", "all"]) == 0
    assert capsys.readouterr().out.count("already done") == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "Two sessions or more"), (["--output", "cells.txt"], "One of .csv, .nwb, .png")],
)
def test_wrong_use_is_refused_before_anything_is_written(project, arguments, message, capsys):
    path = project[0][0]
    before = path.stat().st_mtime_ns
    assert run(["register-sessions", str(path), *arguments]) == 1
    assert message in capsys.readouterr().err
    assert path.stat().st_mtime_ns == before
