"""Progress where nobody watches a terminal."""

from ace_nwb.cli import console


def test_a_log_gets_a_line_with_the_time_left_now_and_then(monkeypatch, capsys):
    clock = iter([0.0, 10.0, 40.0, 45.0, 80.0])
    monkeypatch.setattr(console.time, "perf_counter", lambda: next(clock))
    with console.progress_bar("extract") as tell:
        tell(10, 100)  # too early to say anything
        tell(40, 100)
        tell(45, 100)  # too soon after the line before
    said = capsys.readouterr().err.splitlines()
    assert said == ["extract: 40%, 1 min 0 s left", "extract: 80.0 s"]
