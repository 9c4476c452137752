"""What a job holds follows from the manifest: defaults, pipeline, the session's own wishes."""

import pytest

from ace_nwb.batch import plan_jobs
from ace_nwb.batch.plan import check_sources
from ace_nwb.errors import UnknownNameError
from ace_nwb.manifest import load_manifest
from tests.fixtures.recordings import cut_file, make_tiny_recording

MANIFEST = """
data_folder: raw
output_folder: out
defaults:
  pipeline: short.yaml
  stages: {motion: {max_shift_px: 30}}
  metadata: meta.yaml
  conversion: {timezone: "+02:00", policies: {cut_row: leave_out}}
sessions:
  - name: monday
    folder: m1
    metadata: {Subject: {sex: F}}
    stages: {motion: {filter_radius_px: 5}}
    conversion: {policies: {extra_rows: leave_out}}
  - name: tuesday
    folders: [day/a, day/b]
    ephys_folder: /abs/e
    output: other.nwb
"""


@pytest.fixture
def jobs(tmp_path):
    (tmp_path / "short.yaml").write_text("stages: {motion: {max_shift_px: 5}, preprocess:}")
    (tmp_path / "meta.yaml").write_text("Subject: {species: Mus musculus, sex: M}")
    path = tmp_path / "sessions.yaml"
    path.write_text(MANIFEST)
    return plan_jobs(load_manifest(path), path), tmp_path, path


def test_own_wishes_stand_above_defaults_and_these_above_the_pipeline(jobs):
    (monday, tuesday), _, _ = jobs
    assert monday.stages == ("preprocess", "motion")
    assert monday.choices["motion"] == {"max_shift_px": 30, "filter_radius_px": 5}
    assert tuesday.choices["motion"] == {"max_shift_px": 30}
    assert monday.metadata["Subject"] == {"species": "Mus musculus", "sex": "F"}
    assert monday.conversion["policies"] == {"cut_row": "leave_out", "extra_rows": "leave_out"}
    assert monday.conversion["timezone"] == "+02:00"


def test_paths_are_absolute_and_do_not_depend_on_where_the_program_runs(jobs):
    (monday, tuesday), folder, _ = jobs
    assert monday.folders == (str(folder / "raw/m1"),)
    assert monday.output == str(folder / "out/monday.nwb")
    assert tuesday.output == str(folder / "out/other.nwb")
    assert tuesday.ephys_folder == "/abs/e"
    assert tuesday.folder == folder / "raw/day"
    assert [path.name for path in tuesday.source_options().segments] == ["a", "b"]


def test_sessions_can_be_chosen_by_name(jobs):
    _, _, path = jobs
    assert [job.name for job in plan_jobs(load_manifest(path), path, only=["tuesday"])] == [
        "tuesday"
    ]
    with pytest.raises(UnknownNameError, match="Did you mean 'monday'"):
        plan_jobs(load_manifest(path), path, only=["mondy"])


def test_check_names_every_folder_that_is_missing(jobs):
    planned, folder, path = jobs
    (folder / "raw" / "m1").mkdir(parents=True)
    problems = [problem.text for problem in check_sources(planned, path)]
    assert len(problems) == 2
    assert "session monday" in problems[0]
    assert "holds no imaging recording" in problems[0]
    assert "day/a does not exist" in problems[1]


def test_check_finds_what_the_conversion_will_refuse_and_says_what_to_write(tmp_path):
    recordings = {n: make_tiny_recording(tmp_path / "raw" / n) for n in ("cut", "whole")}
    cut_file(recordings["cut"].scope / "3.avi", 0.8)
    sessions = "".join(f"  - {{name: {n}, folder: raw/{n}}}\n" for n in ("cut", "whole"))
    path = tmp_path / "batch.yaml"
    path.write_text(f"output_folder: out\nsessions:\n{sessions}")
    (problem,) = check_sources(plan_jobs(load_manifest(path), path), path)
    assert "session cut" in problem.text
    assert "3.avi is cut off" in problem.text
    assert "`conversion: {policies: {cut_movies: salvage}}`" in problem.text
    assert "--policy" not in problem.text


def test_check_finds_folders_that_overlap_in_time(tmp_path):
    for name in ("a", "b"):
        make_tiny_recording(tmp_path / "raw" / name)
    path = tmp_path / "batch.yaml"
    path.write_text("output_folder: out\nsessions:\n  - {name: ab, folders: [raw/a, raw/b]}\n")
    (problem,) = check_sources(plan_jobs(load_manifest(path), path), path)
    assert "overlap in time" in problem.text


def test_any_change_of_the_wishes_changes_the_mark(jobs):
    (monday, tuesday), _, path = jobs
    assert monday.mark != tuesday.mark
    again = plan_jobs(load_manifest(path), path)[0]
    assert again.mark == monday.mark
    path.write_text(MANIFEST.replace("filter_radius_px: 5", "filter_radius_px: 6"))
    assert plan_jobs(load_manifest(path), path)[0].mark != monday.mark
