"""The table of sessions: one row each, with its verdicts, whatever the file is."""

from dataclasses import replace

import numpy as np
import pytest

from ace_nwb.archive import Finding
from ace_nwb.cli import run
from ace_nwb.errors import OutputError
from ace_nwb.report.content import judge
from ace_nwb.report.gallery import (
    TOPICS,
    Entry,
    describe_states,
    find_sessions,
    make_thumbnail,
    render_gallery,
    write_gallery,
)
from tests.report.examples import make_content, without
from tests.report.test_page import HOSTILE, Page


@pytest.fixture(scope="module")
def content():
    return make_content()


def entry_of(content, **changes):
    return Entry(
        "m1 · s1",
        "a.nwb",
        link="a.html",
        verdicts=tuple(judge(content, [], "a.nwb")),
        thumbnail=make_thumbnail(content),
        **changes,
    )


@pytest.fixture
def folder(recorded_template, tmp_path):
    """Two sessions, one of them below, and a file that is none."""
    (tmp_path / "day two").mkdir()
    for name in ("one.nwb", "day two/two.nwb"):
        (tmp_path / name).write_bytes(recorded_template.path.read_bytes())
    (tmp_path / "broken.nwb").write_bytes(b"no session")
    (tmp_path / "notes.txt").write_text("no session either")
    return tmp_path


def check_nothing(_path):
    return [Finding("CRITICAL", "check_x", "/units", "Bad units.")], []


def test_every_session_has_a_row_with_five_verdicts_and_links(content):
    page = Page(render_gallery([entry_of(content), entry_of(without(content, "sync"))]))
    assert page.count("tr") == 3
    assert page.count("img") == 2
    for topic in TOPICS:
        assert page.count("td", **{"data-topic": topic}) == 2
    assert "a.html" in page.attributes("href")
    assert "a.html#help-sync" in page.attributes("href")


def test_the_page_needs_nothing_from_outside_and_text_stays_text(content):
    hostile = replace(entry_of(content), title=HOSTILE, file_name=HOSTILE)
    broken = Entry(HOSTILE, "b.nwb", error=HOSTILE)
    text = render_gallery([hostile, broken])
    page = Page(text)
    assert page.count("script") == 0
    assert all(link.startswith("a.html") for link in page.attributes("href"))
    assert all(source.startswith("data:image/jpeg") for source in page.attributes("src"))


def test_sessions_of_folders_are_found_once_and_in_order(folder):
    found = find_sessions([folder, folder / "one.nwb"])
    assert [path.name for path in found] == ["broken.nwb", "two.nwb", "one.nwb"]
    (folder / "empty").mkdir()
    with pytest.raises(OutputError, match=r"no \.nwb file"):
        find_sessions([folder / "empty"])


def test_reports_stand_beside_their_files_and_one_bad_file_stops_nothing(folder):
    table = folder / "tables" / "all.html"
    table.parent.mkdir()
    entries = write_gallery(find_sessions([folder]), table, check=check_nothing)
    assert [bool(entry.error) for entry in entries] == [True, False, False]
    links = [entry.link for entry in entries[1:]]
    assert links == ["../day%20two/two.html", "../one.html"]
    assert "Bad units." in (folder / "day two" / "two.html").read_text()
    page = Page(table.read_text())
    assert page.count("td", colspan="5") == 1
    assert not (folder / "broken.html").exists()


def test_the_table_does_not_take_the_place_of_a_report_or_a_session(folder):
    for name in ("one.html", "one.nwb"):
        with pytest.raises(OutputError):
            write_gallery([folder / "one.nwb"], folder / name, check=check_nothing)
    assert not (folder / "one.html").exists()


def test_the_headline_counts_the_worst_state_of_each(content):
    bad = without(content, "sync")
    entries = [entry_of(content), entry_of(content), entry_of(bad), Entry("x", "x.nwb", error="?")]
    assert describe_states(entries) == "4 sessions: 1 to fix, 1 unfinished, 2 good"
    assert describe_states(entries[:1]) == "1 session: 1 good"


def test_a_thumbnail_is_small_and_may_be_missing(content):
    assert 1000 < len(make_thumbnail(content)) < 30_000
    assert make_thumbnail(without(content, "images")) == ""
    dark = replace(content, images={"mean": np.zeros((40, 60))}, outlines=None)
    assert make_thumbnail(dark).startswith("data:image/jpeg")


def test_a_thousand_sessions_stay_below_forty_megabytes(content):
    assert len(render_gallery([entry_of(content)] * 1000)) < 40e6


def test_the_command_writes_all_and_says_what_it_found(folder, capsys, monkeypatch):
    monkeypatch.setattr("ace_nwb.cli.viewing._check", check_nothing)
    assert run(["report", "--batch", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "broken.nwb: " in said
    assert "3 sessions: 3 to fix" in said
    assert (folder / "sessions.html").is_file()
    assert (folder / "one.html").is_file()


def test_several_files_without_batch_are_refused(folder, capsys):
    files = [str(folder / name) for name in ("one.nwb", "a.html", "b.html")]
    assert run(["report", *files]) == 1
    assert "--batch" in capsys.readouterr().err
