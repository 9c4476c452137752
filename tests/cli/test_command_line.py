"""The surface that scripts rely on: verbs, options, exit codes, messages."""

import errno
import json
import os
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from ace_nwb.cli import run
from ace_nwb.cli.console import parse_size
from ace_nwb.cli.verbs import HELP_OF_LAZY, VERBS
from ace_nwb.cli.wording import as_options, told_on_the_terminal
from ace_nwb.errors import AceNwbWarning, ParameterError
from ace_nwb.forms.commands import quoted
from ace_nwb.interfaces.detection import load_format
from ace_nwb.registry import FORMATS, Registry
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
        (
            ["process", "motion", "x.nwb", "--max-shift-px", "-3"],
            "--max-shift-px is '-3'; exp",
        ),
        (["process", "motion", "x.nwb", "--max-shift-px", "a"], "pixels, at least 0 (default 20)"),
        (["process", "motion", "x.nwb", "--workers", "a"], "a whole number was expected"),
        (["reprot", "x.nwb"], 'Did you mean "report"'),
        (["convert"], "FOLDER is missing. See `ace-nwb convert --help`"),
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
        ("motion.max_shift_px=-3", "motion.max_shift_px is -3; expected: a whole number"),
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


@pytest.mark.parametrize("module", ["cyclopts", "h5py", "ace_nwb.pipeline"])
def test_an_interrupt_during_imports_ends_without_a_traceback(module):
    code = (
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from ace_nwb.cli import main\n"
        "main(['status', 'absent.nwb'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "error: Interrupted. What was being written is as it was before.\n"


@pytest.mark.parametrize(
    ("message", "typed"),
    [
        ("Give offset_s, or start_s and stop_s.", "Give --offset-s, or --start-s and --stop-s."),
        ("Give a shorter window_s.", "Give a shorter --window-s."),
        ("sync.offset_s, --set start_s=3, `stop_s`", "sync.offset_s, --set start_s=3, `stop_s`"),
        ("x/window_s.csv has no session_start_s.", "x/window_s.csv has no session_start_s."),
        (
            "No parameter 'x'. Known: window_s, step_s.",
            "No parameter 'x'. Known: window_s, step_s.",
        ),
        ("give --overwrite (overwrite=True) to", "give --overwrite to"),
    ],
)
def test_parameters_are_named_as_options_where_they_stand_alone(message, typed):
    assert as_options(message) == typed


def test_warnings_are_told_as_notes_without_a_line_of_code(capsys):
    with told_on_the_terminal():
        warnings.simplefilter("always")
        warnings.warn("The field is dark; give start_s.", AceNwbWarning, stacklevel=1)
        warnings.warn_explicit("old", UserWarning, "/x/site-packages/hdmf/io.py", 3)
    assert capsys.readouterr().err == "note: The field is dark; give --start-s.\nnote (hdmf): old\n"


def test_a_folder_with_nothing_known_is_said_with_what_was_looked_for(tmp_path, capsys):
    (tmp_path / "a.jpg").touch()
    (tmp_path / "inner").mkdir()
    assert run(["inspect", str(tmp_path), "--template", str(tmp_path / "m.yaml")]) == 1
    told = capsys.readouterr().err
    assert "it holds 1 x .jpg, 1 folder" in told
    assert all(f"  {name}: " in told for name in FORMATS.names())
    assert not (tmp_path / "m.yaml").exists()


@pytest.mark.parametrize("name", FORMATS.names())
def test_every_format_says_by_what_it_is_recognised(name):
    assert load_format(name).looks_for


def test_printed_commands_quote_paths():
    command = shlex.split(f"ace-nwb run {quoted(Path('my data/day 1.nwb'))}")
    assert command == ["ace-nwb", "run", str(Path("my data/day 1.nwb"))]


def test_a_city_as_time_zone_is_refused_with_the_zone_that_may_be_meant(tmp_path, capsys):
    assert run(["inspect", str(tmp_path), "--timezone", "Berlin"]) == 1
    assert "Did you mean 'Europe/Berlin'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "exit_code"), [(errno.EIO, 1), (errno.ENOSPC, 1), (errno.EINVAL, 70)]
)
def test_a_disk_that_refuses_is_no_fault_of_ours(code, exit_code, monkeypatch, capsys):
    def refuse(_registry):
        raise OSError(code, os.strerror(code), "place")

    monkeypatch.setattr(Registry, "names", refuse)
    assert run(["list", "formats"]) == exit_code
    assert "place" in capsys.readouterr().err


def test_a_verb_that_is_imported_when_it_is_typed_says_the_same_in_the_list_and_in_its_help(capsys):
    for verb, path in VERBS.items():
        if isinstance(path, str):
            run([verb, "--help"])
            assert HELP_OF_LAZY[path] in " ".join(capsys.readouterr().out.split())


def test_a_setting_whose_value_stands_apart_is_told_as_one(tmp_path, capsys):
    assert run(["run", str(tmp_path / "s.nwb"), "--set", "dff.window_s", "14"]) == 1
    assert "'dff.window_s' is not of the form stage.parameter=value" in capsys.readouterr().err
