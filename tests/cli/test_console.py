"""What is written to the terminal: progress where nobody watches it, and texts of files."""

import gc

import h5py
import pytest

from ace_nwb.cli import console, main, run


def test_a_log_gets_a_line_with_the_time_left_now_and_then(monkeypatch, capsys):
    clock = iter([0.0, 10.0, 40.0, 45.0, 80.0])
    monkeypatch.setattr(console.time, "perf_counter", lambda: next(clock))
    with console.progress_bar("extract") as tell:
        tell(10, 100)  # too early to say anything
        tell(40, 100)
        tell(45, 100)  # too soon after the line before
    said = capsys.readouterr().err.splitlines()
    assert said == ["extract: 40%, 1 min 0 s left", "extract: 80.0 s"]


def test_a_quick_verb_does_not_look_for_garbage_until_its_work_begins(capsys):
    assert gc.isenabled()
    try:
        with pytest.raises(SystemExit, match="0"):
            main(["list", "stages"])
        assert not gc.isenabled()
        with console.progress_bar("extract"):
            assert gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "control", ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\r", "\x7f", "\u202e"]
)
def test_texts_of_files_cannot_steer_the_terminal(control, capsys):
    text = f"a{control}b"
    console.say(text)
    console.print_error(text)
    console.print_json({text: text})
    console.print_table([text], [[text]], title=text)
    said = capsys.readouterr()
    shown = said.out + said.err
    assert control[0] not in shown
    assert f"\\u{ord(control[0]):04x}" in shown


def test_lines_tabs_and_letters_of_every_script_are_shown_as_they_are(capsys):
    console.say("µm\tΔF\nжук")
    assert capsys.readouterr().out == "µm\tΔF\nжук\n"


def test_validate_shows_escapes_of_a_file_and_sends_none(recorded, capsys):
    with h5py.File(recorded.path, "r+") as h5:
        h5["acquisition/OnePhotonSeries"].move("timestamps", "times\x1b]0;x\x07\x1b[2J")
    assert run(["validate", str(recorded.path)]) == 1
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
