import json
from dataclasses import fields, replace

import numpy as np

from ace_nwb.simulation.truth import MovieTruth, RecordingTruth, load_truth, save_truth


def assert_equal(found, expected) -> None:
    if hasattr(expected, "toarray"):
        found, expected = found.toarray(), expected.toarray()
    if isinstance(expected, tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
        return
    np.testing.assert_array_equal(found, expected)


def test_the_truth_survives_its_files(toy):
    found = load_truth(toy.truth_folder)
    for name in (field.name for field in fields(RecordingTruth) if field.name != "movie"):
        assert_equal(getattr(found, name), getattr(toy.truth, name))
    for field in fields(MovieTruth):
        assert_equal(getattr(found.movie, field.name), getattr(toy.truth.movie, field.name))


def test_a_truth_without_gap_and_drops_survives_too(toy, tmp_path):
    truth = replace(toy.truth, gap_s=None, saved_frames=np.arange(len(toy.truth.taken_times_s)))
    save_truth(tmp_path, truth)
    found = load_truth(tmp_path)
    assert found.gap_s is None
    assert not len(found.dropped_frames)


def test_the_summary_can_be_read_by_a_person(toy):
    facts = json.loads((toy.truth_folder / "truth.json").read_text())
    assert facts["dropped_frames"] == toy.truth.dropped_frames.tolist()
    assert facts["n_cells"] == 12


def test_the_correction_undoes_the_displacement(toy):
    movie = toy.truth.movie
    assert not (movie.correction_px + movie.displacement_px).any()
    assert movie.max_displacement_px == np.abs(movie.displacement_px).max()
