"""The surface that scripts rely on: verbs, options, exit codes, messages."""

import json

import pytest

from ace_nwb.cli import run
from ace_nwb.cli.console import parse_size
from ace_nwb.errors import ParameterError
from ace_nwb.stages.table import STAGES


@pytest.mark.parametrize(
    "verb",
    [
        "inspect",
        "convert",
        "sync",
        "run",
        "status",
        "history",
        "validate",
        "report",
        "demo",
        "list",
        "recover",
        "schema",
        "diff",
        "export",
        "import",
        "repack",
        "curate",
        "crop",
        "tune",
    ],
)
def test_every_verb_has_help_with_an_example(verb, capsys):
    assert run([verb, "--help"]) == 0
    assert f"Example: ace-nwb {verb}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_offers_its_parameters_as_options(stage, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")  # long names are wrapped on a narrow terminal
    assert run(["process", stage, "--help"]) == 0
    shown = capsys.readouterr().out
    for name in STAGES[stage].params.model_fields:
        assert f"--{name.replace('_', '-')}" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["process", "motoin", "x.nwb"], 'Did you mean "motion"'),
        (["process", "motion", "x.nwb", "--max-shft-px", "3"], "Did you mean --max-shift-px"),
        (["process", "motion", "x.nwb", "--max-shift-px", "-3"], "greater than or equal to 0"),
        (["reprot", "x.nwb"], 'Did you mean "report"'),
        (["convert"], "FOLDER"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_may_be_meant(arguments, message, capsys):
    assert run(arguments) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("motoin.max_shift_px=3", "Did you mean 'motion'"),
        ("motion.max_shft_px=3", "Did you mean 'max_shift_px'"),
        ("motion.max_shift_px=-3", "greater than or equal to 0"),
        ("motion", "stage.parameter=value"),
    ],
)
def test_wrong_setting_exits_with_1_before_the_file_is_opened(setting, message, capsys):
    assert run(["run", "absent.nwb", "--set", setting]) == 1
    assert message in capsys.readouterr().err


def test_absent_file_is_named(capsys):
    assert run(["status", "absent.nwb"]) == 1
    assert "absent.nwb" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["formats", "engines", "stages"])
def test_lists_are_json_for_scripts(kind, capsys):
    assert run(["list", kind, "--json"]) == 0
    assert {"stages": "motion", "engines": "cnmfe", "formats": "neuralynx"}[kind] in [
        entry["name"] for entry in json.loads(capsys.readouterr().out)
    ]


@pytest.mark.parametrize(
    ("text", "size"), [("4GB", 4 * 2**30), ("800M", 800 * 2**20), ("1.5 GiB", 3 * 2**29), ("7", 7)]
)
def test_memory_sizes_are_read_as_people_write_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "many", "-1GB", "4XB"])
def test_a_text_that_is_no_size_is_refused(text):
    with pytest.raises(ParameterError):
        parse_size(text)
