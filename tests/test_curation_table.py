"""The table of ROIs gives the same decisions as the page, without a browser."""

import csv

import numpy as np
import pytest

from ace_nwb.cli import run
from ace_nwb.curation import Draft, decide, load_curation
from ace_nwb.curation_table import export_rois, import_rois
from ace_nwb.errors import CurationError


@pytest.fixture
def curated(session_copy):
    """Votes of two reviewers, a merge and a vote on it, a split merge, an undone vote."""
    line = (0.0, 30.0, 70.0, 31.5)
    decide(
        session_copy,
        [
            Draft("reject", (0,), "Ann", "on a vessel, dark"),
            Draft("accept", (0, 1), "Bob"),
            Draft("merge", (2, 3), "Ann"),
            Draft("accept", (11,), "Ann"),
            Draft("merge", (4, 5), "Bob"),
            Draft("split", (12,), "Bob", line=line),
            Draft("unsure", (13,), "Bob"),
            Draft("accept", (6,), "Ann"),
            Draft("undo", (), "Ann", undoes=7),
        ],
    )
    return session_copy


@pytest.fixture
def untouched(session, tmp_path):
    copy = tmp_path / "untouched.nwb"
    copy.write_bytes(session.read_bytes())
    return copy


def follows(path):
    curation = load_curation(path)
    votes = {
        roi: {name: (vote.action, vote.reason, vote.decided_at) for name, vote in by.items()}
        for roi, by in curation.votes.items()
        if roi in curation.active
    }
    made = {roi: (making.sources, making.line) for roi, making in curation.makings.items()}
    return curation.active, made, votes, curation.digests()


def write_rows(path, *rows, delimiter=","):
    with path.open("w", newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows(rows)
    return path


def test_decisions_go_through_the_table_into_another_copy(curated, untouched, tmp_path, capsys):
    table = tmp_path / "rois.csv"
    assert run(["export", str(curated), "--rois", str(table)]) == 0
    assert run(["import", str(table), str(untouched)]) == 0
    assert "new decisions" in capsys.readouterr().out
    assert follows(untouched) == follows(curated)
    assert import_rois(table, untouched) == []
    assert import_rois(table, curated) == []


def test_table_shows_the_numbers_of_every_roi(curated, tmp_path):
    export_rois(curated, tmp_path / "rois.csv")
    with (tmp_path / "rois.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    first = [row for row in rows if row["roi"] == "0"]
    assert {row["reviewer"]: row["decision"] for row in first} == {"Ann": "reject", "Bob": "accept"}
    assert {row["outcome"] for row in first} == {"conflict"}
    assert float(first[0]["snr"]) > 0
    assert [row["outcome"] for row in rows if row["roi"] == "2"] == ["merged"]


def test_table_made_by_hand_needs_two_columns_and_a_name(untouched, tmp_path):
    table = write_rows(
        tmp_path / "mine.csv", ["ROI", "Decision"], ["1", "Accept"], ["2", ""], delimiter=";"
    )
    with pytest.raises(CurationError, match="Type your name"):
        import_rois(table, untouched)
    made = import_rois(table, untouched, reviewer="Cem")
    assert [(d.action, d.rois, d.reviewer) for d in made] == [("accept", (1,), "Cem")]


@pytest.mark.parametrize("name", ["mine.txt", "mine.tsv", "mine.csv"])
def test_the_unicode_text_of_excel_is_such_a_table(untouched, tmp_path, name):
    (tmp_path / name).write_text("roi\tdecision\treviewer\r\n1\taccept\tJos\xe9\r\n", "utf-16")
    assert run(["import", str(tmp_path / name), str(untouched)]) == 0
    assert load_curation(untouched).outcome(1) == "accept"


def test_merge_is_a_row_that_names_its_sources(untouched, tmp_path):
    rows = [["roi", "decision", "made_from"], ["both", "accept", "1; 2"], ["0", "reject", ""]]
    import_rois(write_rows(tmp_path / "m.csv", *rows), untouched, reviewer="Ann")
    curation = load_curation(untouched)
    assert not np.isin([1, 2], curation.active).any()
    assert curation.outcome(int(np.max(curation.active))) == "accept"  # new ROIs come last


def test_all_mistakes_are_named_with_their_lines_and_nothing_is_changed(untouched, tmp_path):
    rows = [
        ["roi", "decision", "made_from", "line"],
        ["0", "keep", "", ""],
        ["99", "accept", "", ""],
        ["x", "", "3", "1 2 3"],
        ["1", "accept", "", ""],
    ]
    with pytest.raises(CurationError) as caught:
        import_rois(write_rows(tmp_path / "bad.csv", *rows), untouched, reviewer="Ann")
    message = str(caught.value)
    assert "3 mistakes" in message
    assert "line 2, decision: 'keep'" in message
    assert "line 3, decision: there is no ROI '99'" in message
    assert "line 4, made_from: '1 2 3' is not a line" in message
    assert load_curation(untouched).decisions == ()


@pytest.mark.parametrize(
    ("content", "message"), [(b"name\n1\n", "no column 'roi'"), (b"\xff\xfd", "UTF-8")]
)
def test_file_that_is_no_such_table_is_refused(untouched, tmp_path, content, message):
    (tmp_path / "other.csv").write_bytes(content)
    with pytest.raises(CurationError, match=message):
        import_rois(tmp_path / "other.csv", untouched)
