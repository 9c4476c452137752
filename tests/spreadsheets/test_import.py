"""A pair of spreadsheets with every form becomes a manifest; each bad cell is named."""

import csv

import pytest

from ace_nwb.cli import run
from ace_nwb.manifest import load_manifest
from ace_nwb.spreadsheets import import_spreadsheets

EXPERIMENTS = [
    {
        "Line Number": "001",  # headers differ in case
        "id": "R01",
        "date (YYMMDD)": "250612",
        "calcium imaging directory": r"m001\2025_06_12\15_26_31",
        "ephys directory": "ephys/a",
        "rat weight (kg)": "0.35",
        "systemic drug": "dexmedetomidine",
        "systemic dose (% or mg/kg/min)": "0.8",
        "systemic drug concentration (mg/mL)": "10",
        "total systemic time (min)": "30",
        "emg channel": "EMG1",
        "events filename": "Events.nev",
        "LFP and EEG CSCs": "PFCLFP;PFCEEG",
        "comments": "first, good",
        "Box calcium folder ID": "123",
        "mood": "fine",
    },
    {
        "Line Number": "2",
        "id": "R02",
        "date (YYMMDD)": "",
        "calcium imaging directory": "a/b;a/c",
        "ephys directory": "None",
        "rat weight (kg)": "0,41",
        "systemic drug": "isoflurane",
        "systemic dose (% or mg/kg/min)": "2%",
    },
]
PARAMETERS = [
    {
        "line number": "1.0",
        "gSig": "(7,7)",
        "gSiz": "None",
        "min_corr": "0.8",
        "min_pnr": "10",
        "max_shifts": "(20, 25)",
        "pw_rigid": "TRUE",
        "p": "1",
        "decay_time": "0.4",
        "merge_thr": "0.7",
        "min_SNR": "2.5",
        "rval_thr": "0.85",
        "ring_size_factor": "1.4",
        "rf": "40",
        "crop": "(95,482, 491,103)",
        "crop_square": "{'x0': 95, 'y0': 103, 'x1': 400, 'y1': 408}",
        "zero time (s)": "600",
        "baseline period (min)": "10",
        "periods of high slow wave power (s)": "[[700, 900], [1000, 1100]]",
        "control periods (s)": "(0,600)",
        "indices of TTL events to delete": "[0, 2]",
        "comments": "second look",
        "colour": "blue",
    },
    {"line number": "7", "gSig": "3"},
]


@pytest.fixture
def pair(tmp_path):
    def write(experiments=EXPERIMENTS, parameters=PARAMETERS, encoding="utf-8"):
        for name, rows in (("experiments", experiments), ("analysis_parameters", parameters)):
            with (tmp_path / f"{name}.csv").open("w", newline="", encoding=encoding) as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        return tmp_path / "experiments.csv", tmp_path / "analysis_parameters.csv"

    return write


def session_of(pair, index=0):
    imported = import_spreadsheets(*pair())
    assert imported.problems == []
    return imported.content["sessions"][index]


def test_animal_drug_and_weight_come_into_the_fields_of_nwb(pair):
    metadata = session_of(pair)["metadata"]
    assert metadata["Subject"] == {
        "subject_id": "R01",
        "weight": "0.35 kg",
        "species": "Rattus norvegicus",
    }
    assert metadata["NWBFile"]["session_id"] == "R01_20250612_line1"
    assert metadata["NWBFile"]["notes"] == "first, good\nsecond look"
    for word in ("dexmedetomidine", "0.8", "10 mg/mL", "30 min"):
        assert word in metadata["NWBFile"]["pharmacology"]
    assert set(metadata["Ecephys"]["channels"]) == {"PFCLFP", "PFCEEG", "EMG1"}


def test_drug_baseline_and_periods_become_intervals_of_the_ephys_clock(pair):
    intervals = session_of(pair)["intervals"]
    assert [(i["label"], i["start_s"], i["stop_s"]) for i in intervals] == [
        ("baseline", 0, 600),
        ("control", 0, 600),
        ("dexmedetomidine", 600, 2400),
        ("high slow-wave power", 700, 900),
        ("high slow-wave power", 1000, 1100),
    ]


def test_parameters_come_under_their_new_names(pair):
    stages = session_of(pair)["stages"]
    assert stages.pop("motion")["max_shift_px"] == 25
    assert stages == {
        "extract": {
            "decay_time_s": 0.4,
            "autoregressive_order": 1,
            "cell_diameter_px": 28.0,
            "ring_size_factor": 1.4,
            "min_correlation": 0.8,
            "min_peak_to_noise": 10.0,
            "merge_correlation": 0.7,
            "caiman_patch_radius_px": 40,
        },
        "summary": {"cell_diameter_px": 28.0},
        "evaluate": {"min_snr": 2.5, "min_r_value": 0.85},
    }


def test_every_cell_is_kept_but_the_folders_of_this_computer(pair):
    columns = session_of(pair)["columns"]
    assert columns["experiments.mood"] == "fine"
    assert columns["analysis_parameters.colour"] == "blue"
    assert columns["analysis_parameters.rf"] == "40"
    assert not [name for name in columns if "directory" in name]


def test_boxes_that_differ_are_said_and_the_first_is_used(pair):
    session = session_of(pair)
    assert session["crop_from_lower_left"] == [95, 482, 491, 103]
    assert "crop_square" in session["remarks"][0]


def test_rows_missing_in_one_file_are_said(pair):
    imported = import_spreadsheets(*pair())
    assert [session["name"] for session in imported.content["sessions"]] == ["line001", "line002"]
    assert imported.content["sessions"][1]["folders"] == ["a/b", "a/c"]
    assert "stages" not in imported.content["sessions"][1]
    assert any("Line number 2 has no row" in remark for remark in imported.remarks)
    assert any("Line number 7" in remark for remark in imported.remarks)


def test_file_of_another_encoding_is_read_and_said(pair):
    rows = [{**EXPERIMENTS[0], "comments": "café"}]
    imported = import_spreadsheets(*pair(rows, encoding="cp1252"))
    assert "café" in imported.content["sessions"][0]["metadata"]["NWBFile"]["notes"]
    assert any("not UTF-8" in remark for remark in imported.remarks)


@pytest.mark.parametrize(
    ("encoding", "named"), [("mac_roman", "Mac Roman"), ("cp1252", "Windows-1252")]
)
@pytest.mark.parametrize("words", ["café \xb5l", "Größe, süß", "Ångström", "señal"])
def test_files_of_a_mac_and_of_windows_are_told_apart(pair, encoding, named, words):
    imported = import_spreadsheets(
        *pair([{**EXPERIMENTS[0], "comments": words}], encoding=encoding)
    )
    assert words in imported.content["sessions"][0]["metadata"]["NWBFile"]["notes"]
    (remark,) = [remark for remark in imported.remarks if "not UTF-8" in remark]
    assert f"it was read as {named}" in remark


def test_events_to_delete_are_kept_as_text_and_said(pair):
    remarks = session_of(pair)["remarks"]
    assert any("TTL events" in remark and "kept as text" in remark for remark in remarks)


def test_command_writes_a_manifest_that_can_be_read(pair, tmp_path, capsys):
    out = tmp_path / "sessions.yaml"
    paths = [str(path) for path in pair()]
    assert run(["batch", "--from-spreadsheets", *paths, "--output", str(out)]) == 0
    assert len(load_manifest(out).sessions) == 2
    assert "Line number 7" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "column", "cell", "form"),
    [
        ("experiments", "date (YYMMDD)", "12.6.2025", "YYMMDD"),
        ("experiments", "rat weight (kg)", "heavy", "a number"),
        ("experiments", "systemic drug concentration (mg/mL)", "ten", "a number"),
        ("experiments", "total systemic time (min)", "[30]", "a number"),
        ("experiments", "calcium imaging directory", ";", "a folder"),
        ("experiments", "calcium imaging directory", "", "folder of the recording"),
        ("experiments", "Line Number", "", "needs its line number"),
        ("experiments", "Line Number", "2.0", "also stands in line"),
        ("experiments", "id", "R/1", "a name without a slash was expected"),
        ("analysis_parameters", "gSig", "(7,", "two numbers"),
        ("analysis_parameters", "gSiz", "wide", "two numbers"),
        ("analysis_parameters", "min_corr", "0.8.1", "a number"),
        ("analysis_parameters", "min_corr", "8", "at least 0 and at most 1"),
        ("analysis_parameters", "p", "1.5", "a whole number"),
        ("analysis_parameters", "p", "3", "one of 1, 2"),
        ("analysis_parameters", "pw_rigid", "perhaps", "TRUE or FALSE"),
        ("analysis_parameters", "max_shifts", "(1,2,3)", "two numbers"),
        ("analysis_parameters", "crop", "(95,482)", "a box"),
        ("analysis_parameters", "crop_square", "{'x0': 1}", "a box"),
        ("analysis_parameters", "zero time (s)", "noon", "a number"),
        ("analysis_parameters", "baseline period (min)", "(10, 0)", "stop after start"),
        ("analysis_parameters", "periods of high slow wave power (s)", "late", "start and stop"),
        ("analysis_parameters", "control periods (s)", "[1, 2, 3]", "start and stop"),
        ("analysis_parameters", "indices of TTL events to delete", "first", "numbers such as"),
    ],
)
def test_each_bad_cell_is_reported_at_its_place(pair, file, column, cell, form):
    tables = {"experiments": EXPERIMENTS, "analysis_parameters": PARAMETERS}
    rows = [{**tables[file][0], column: cell}, *tables[file][1:]]
    experiments, parameters = pair(**{"parameters" if "_" in file else file: rows})
    imported = import_spreadsheets(experiments, parameters)
    line = 3 if "also stands" in form else 2
    found = [(p.file.endswith(f"{file}.csv"), p.line, p.column) for p in imported.problems]
    assert found == [(True, line, column)], [p.text for p in imported.problems]
    assert form in imported.problems[0].message


def test_all_bad_cells_are_listed_at_once_and_nothing_is_written(pair, tmp_path, capsys):
    experiments = [{**EXPERIMENTS[0], "rat weight (kg)": "heavy"}, EXPERIMENTS[1]]
    parameters = [{**PARAMETERS[0], "gSig": "(7,", "crop": "all"}, PARAMETERS[1]]
    paths = [str(path) for path in pair(experiments, parameters)]
    out = tmp_path / "sessions.yaml"
    assert run(["batch", "--from-spreadsheets", *paths, "--output", str(out)]) == 1
    shown = capsys.readouterr().err
    assert [name in shown for name in ("rat weight (kg)", "gSig", "crop")] == [True] * 3
    assert not out.exists()


@pytest.mark.parametrize("text", ["", "id,date\nR1,250612\n"])
def test_file_without_line_numbers_is_named(tmp_path, text):
    path = tmp_path / "experiments.csv"
    path.write_text(text)
    imported = import_spreadsheets(path)
    assert "no column 'line number'" in imported.problems[0].message
