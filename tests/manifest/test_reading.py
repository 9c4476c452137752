"""A manifest is read as it was meant, and everything wrong in it is listed with its place."""

import jsonschema
import pytest
import yaml
from referencing import Registry, Resource

from ace_nwb.errors import ManifestError
from ace_nwb.manifest import load_manifest, read_manifest
from ace_nwb.schema import build_schema

GOOD = """
data_folder: raw
defaults:
  stages: {motion: {max_shift_px: 30}}
  metadata: {Subject: {species: Mus musculus}}
sessions:
  - name: monday
    folder: m1/10_00_00
    ephys_folder: e1
    metadata: {Subject: {sex: F}}
    intervals: [{label: drug, start_s: 60, stop_s: 120}]
  - name: tuesday
    folders: [m2/a, m2/b]
    stages: {extract: {cell_diameter_px: 14}}
    conversion: {policies: {cut_row: leave_out}, formats: [miniscope-daq]}
"""


def write(folder, text, name="sessions.yaml"):
    path = folder / name
    path.write_text(text.lstrip("\n"), encoding="utf-8")
    return path


def schema_check():
    schemas = {f"{kind}.schema.json": build_schema(kind) for kind in ("pipeline", "metadata")}
    resources = [(name, Resource.from_contents(content)) for name, content in schemas.items()]
    registry = Registry().with_resources(resources)
    return jsonschema.Draft202012Validator(build_schema("manifest"), registry=registry)


def problems_of(path):
    return [(p.line, p.column, p.message) for p in read_manifest(path)[1]]


def test_good_manifest_is_read_and_follows_the_schema(tmp_path):
    manifest = load_manifest(write(tmp_path, GOOD))
    monday, tuesday = manifest.sessions
    assert (monday.all_folders, tuesday.all_folders) == (["m1/10_00_00"], ["m2/a", "m2/b"])
    assert monday.intervals[0].label == "drug"
    assert manifest.defaults.stages["motion"] == {"max_shift_px": 30}
    check = schema_check()
    check.validate(yaml.safe_load(GOOD))
    with pytest.raises(jsonschema.ValidationError):
        check.validate(yaml.safe_load(GOOD.replace("max_shift_px: 30", "max_shift_px: -1")))


@pytest.mark.parametrize(
    ("line", "column", "found", "replaced", "by"),
    [
        (3, "12", "no stage 'motoin'. Did you mean 'motion'", "{motion:", "{motoin:"),
        (3, "21", "Did you mean 'max_shift_px'", "max_shift_px: 30", "max_shft_px: 30"),
        (3, "21", "pixels, at least 0 (default 20)", "max_shift_px: 30", "max_shift_px: -1"),
        (4, "24", "Subject.speces: unknown key. Did you mean 'species'", "species:", "speces:"),
        (6, "5", "one of folder and folders", "    folder: m1/10_00_00\n", ""),
        (7, "5", "foldr: unknown key. Did you mean 'folder'", "folder: m1", "foldr: m1"),
        (9, "26", "sex is 'x'", "sex: F", "sex: x"),
        (10, "17", "stop_s 12 is not after start_s 60", "stop_s: 120", "stop_s: 12"),
        (10, "31", "start_s is 'early'", "start_s: 60", "start_s: early"),
        (11, "5", "also that of session number 1", "name: tuesday", "name: Monday"),
        (11, "5", "name is 'a/b'", "name: tuesday", "name: a/b"),
        (14, "29", "no choice of cut_row 'mend'", "cut_row: leave_out", "cut_row: mend"),
        (14, "50", "no format 'daq'", "[miniscope-daq]", "[daq]"),
        (8, "5", "stands twice", "ephys_folder: e1", "folder: m3"),
        (9, "5", "pipeline", "metadata: {Subject: {sex: F}}", "pipeline: absent.yaml"),
        (14, "5", "mapping", "formats: [miniscope-daq]", "mapping: absent.yaml"),
        (0, "", "no YAML", "sessions:", "sessions: ["),
    ],
)
def test_each_mistake_is_reported_at_its_place(tmp_path, line, column, found, replaced, by):
    assert replaced in GOOD
    problems = problems_of(write(tmp_path, GOOD.replace(replaced, by)))
    matching = [p for p in problems if found in p[2] or found in by]
    assert matching, problems
    if line and "mapping" not in found:
        assert (matching[0][0], matching[0][1]) == (line, column)


def test_all_mistakes_are_listed_at_once_and_nothing_is_returned(tmp_path):
    text = GOOD.replace("max_shift_px: 30", "max_shift_px: -1").replace("sex: F", "sex: x")
    text = text.replace("stop_s: 120", "stop_s: 12")
    path = write(tmp_path, text)
    with pytest.raises(ManifestError, match=r"3 problems; nothing was run") as caught:
        load_manifest(path)
    assert [f"line {n}," in str(caught.value) for n in (3, 9, 10)] == [True] * 3


TABLE = """
name,folder,ephys_folder,stages.motion.max_shift_px,metadata.Subject.sex,conversion.formats,mood
monday,m1,e1,20,F,miniscope-daq,calm

tuesday,m2/a; m2/b,,,,,
"""


def test_table_is_read_like_the_yaml(tmp_path):
    manifest = load_manifest(write(tmp_path, TABLE, "sessions.csv"))
    monday, tuesday = manifest.sessions
    assert monday.stages == {"motion": {"max_shift_px": "20"}}
    assert monday.metadata == {"Subject": {"sex": "F"}}
    assert monday.conversion.formats == ["miniscope-daq"]
    assert monday.columns == {"mood": "calm"}
    assert (tuesday.all_folders, tuesday.columns) == (["m2/a", "m2/b"], {})


@pytest.mark.parametrize(
    ("line", "column", "replaced", "by"),
    [
        (2, "stages.motion.max_shift_px", ",20,", ",-20,"),
        (2, "metadata.Subject.sex", ",F,", ",femal,"),
        (2, "conversion.formats", "miniscope-daq", "daq"),
        (4, "name", "tuesday", "Monday"),
        (2, "", "calm", "calm,more"),
        (1, "mood", "conversion.formats,mood", "mood,mood"),
        (1, "stages.motion.max_shft_px", "max_shift_px", "max_shft_px"),
    ],
)
def test_each_mistake_in_a_table_is_reported_by_line_and_column(
    tmp_path, line, column, replaced, by
):
    problems = problems_of(write(tmp_path, TABLE.replace(replaced, by), "sessions.csv"))
    expected = 2 if "max_shft" in by else line
    assert (expected, column) in [p[:2] for p in problems]


def test_file_that_is_not_utf8_or_absent_is_named(tmp_path):
    path = tmp_path / "sessions.yaml"
    path.write_bytes(b"sessions:\n  - name: caf\xe9\n")
    assert problems_of(path) == [(2, "", "not UTF-8; save the file as UTF-8.")]
    with pytest.raises(ManifestError, match=r"absent\.yaml cannot be read"):
        read_manifest(tmp_path / "absent.yaml")
