"""ROIs and the decisions on them as a table for spreadsheets: out of a session file, and back.

One row per ROI and reviewer. A row that names in `made_from` the ROIs it is made of is a merge;
with one ROI there and a `line`, it is half of a split. Whatever the page `curate` does can be done
here as well.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ace_nwb.curation import Draft, decide, load_curation
from ace_nwb.errors import CurationError, reason
from ace_nwb.forms.csv_rows import CsvRows
from ace_nwb.nwb.commit.new_file import as_text, new_file
from ace_nwb.nwb.content.decisions import Decision, Line
from ace_nwb.nwb.content.roi_series import read_roi_table
from ace_nwb.nwb.session import open_session
from ace_nwb.spreadsheets.formulas import as_cell, from_cell
from ace_nwb.stages.common.curated import VOTES, Curation, check_decision, read_curation

COLUMNS = ("roi", "decision", "reviewer", "reason", "decided_at", "outcome", "made_from", "line")
_NEEDED = ("roi", "decision")
_HIDDEN = {"id", "decision", "reviewer", "decided_at", "reason", "made_from"}
_MOST_PROBLEMS = 20
"""Mistakes of a table that are told at once: a screenful."""


def export_rois(nwb_path: Path, csv_path: Path) -> int:
    """Write the ROIs with their numbers and the decisions on them; return the number of rows.

    Columns: those of `COLUMNS`, then every number of the ROI table.
    """
    with open_session(nwb_path) as session:
        curation = read_curation(session)
        table = read_roi_table(session)
    numbers = [name for name, values in table.items() if name not in _HIDDEN and values.ndim == 1]
    place = {int(roi): row for row, roi in enumerate(table["id"])}
    rois = sorted({*curation.extracted, *curation.makings})
    count = 0
    with new_file(csv_path) as stream, as_text(stream) as text:
        writer = csv.writer(text)
        writer.writerow([*COLUMNS, *map(as_cell, numbers)])
        for roi in rois:
            values = [_cell(table[name][place[roi]]) if roi in place else "" for name in numbers]
            for texts in _decision_cells(curation, roi):
                writer.writerow([*map(as_cell, texts), *values])
                count += 1
    return count


def import_rois(csv_path: Path, nwb_path: Path, *, reviewer: str = "") -> list[Decision]:
    """Take the decisions of a table over into a session file, all or none.

    What stands in the file already is not repeated, so that a table can be imported twice.

    Parameters
    ----------
    csv_path
        As written by `export_rois`; further columns are ignored, all but roi and decision may be
        missing. Commas, semicolons or tabs between the cells; UTF-8, or UTF-16 as
        in the "Unicode text" of Excel.
    nwb_path
        The session file.
    reviewer
        Who decided in rows without a name.

    Raises
    ------
    CurationError
        If a cell is wrong; all are named at once, with their lines.
    """
    rows = list(_read_rows(csv_path))
    reading = _Reading(load_curation(nwb_path), reviewer)
    for row in rows:
        reading.take_making(row)
    for row in rows:
        reading.take_vote(row)
    if reading.problems:
        shown = reading.problems[:_MOST_PROBLEMS]
        more = len(reading.problems) - len(shown)
        listed = "\n".join(shown) + (f"\nand {more} more" if more else "")
        raise CurationError(
            f"{csv_path} holds {len(reading.problems)} mistakes; nothing was changed:\n{listed}"
        )
    return decide(nwb_path, reading.drafts) if reading.drafts else []


@dataclass(frozen=True)
class _Line:
    """A line of the table; missing cells are empty."""

    line: int
    cells: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.cells.get(name, "")


@dataclass
class _Reading:
    """Turns rows into drafts, and remembers which ROI of the table is which in the file."""

    curation: Curation
    reviewer: str
    ids: dict[str, int] = field(default_factory=dict)
    drafts: list[Draft] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ids = {str(roi): roi for roi in self.curation.extracted}

    def take_making(self, row: _Line) -> None:
        """Take over a merge or a split, unless it stands already."""
        name = row["roi"]
        if not row["made_from"] or name in self.ids:
            return
        try:
            sources = tuple(self._find(part) for part in row["made_from"].split(";"))
            line = _read_line(row["line"])
            found = self._standing(sources, line)
            if found is None:
                draft = Draft("merge" if line is None else "split", sources, "", line=line)
                found = self._add(row, draft).makes
        except CurationError as error:
            self._complain(row, "made_from", error)
            return
        taken = set(self.ids.values())
        self.ids[name] = next((roi for roi in found if roi not in taken), found[0])

    def take_vote(self, row: _Line) -> None:
        """Take over a verdict, unless it is the reviewer's latest already."""
        verdict = row["decision"].lower()
        if not verdict:
            return
        try:
            if verdict not in VOTES:
                raise CurationError(f"{verdict!r} is not one of {', '.join(VOTES)}, or empty.")
            roi = self._find(row["roi"])
            if roi in self.curation.replaced:
                return  # it was merged or split: its votes count no more
            name = row["reviewer"] or self.reviewer
            latest = self.curation.votes.get(roi, {}).get(name)
            if latest and (latest.action, latest.reason) == (verdict, row["reason"]):
                return
            self._add(row, Draft(verdict, (roi,), name, row["reason"]))  # type: ignore[arg-type]
        except CurationError as error:
            self._complain(row, "decision", error)

    def _add(self, row: _Line, draft: Draft) -> Decision:
        """Add a draft, and see what follows from it."""
        draft = Draft(
            draft.action,
            draft.rois,
            draft.reviewer or row["reviewer"] or self.reviewer,
            draft.reason,
            line=draft.line,
            decided_at=row["decided_at"],
        )
        number = len(self.curation.decisions)
        decision = Decision(
            draft.action,
            draft.rois,
            draft.reviewer,
            draft.decided_at,
            draft.reason,
            number=number,
            line=draft.line,
        )
        checked = check_decision(decision, self.curation)
        self.drafts.append(draft)
        self.curation = self.curation.with_decisions([checked])
        return checked

    def _standing(self, sources: tuple[int, ...], line: Line | None) -> tuple[int, ...] | None:
        """Return what a merge or split that stands in the file makes."""
        for decision in self.curation.standing:
            if decision.makes and set(decision.rois) == set(sources) and decision.line == line:
                return decision.makes
        return None

    def _find(self, text: str) -> int:
        name = text.strip()
        if name not in self.ids:
            raise CurationError(f"there is no ROI {name!r} in the file or in a row above.")
        return self.ids[name]

    def _complain(self, row: _Line, column: str, error: CurationError) -> None:
        self.problems.append(f"line {row.line}, {column}: {error}")


def _decision_cells(curation: Curation, roi: int) -> Iterator[list[Any]]:
    """Yield the cells of `COLUMNS` for every vote on a ROI, or once without a vote."""
    making = curation.makings.get(roi)
    origin = "; ".join(map(str, making.sources)) if making else ""
    line = " ".join(repr(float(v)) for v in making.line) if making and making.line else ""
    replaced = {d.number: d.action for d in curation.standing}
    outcome = curation.outcome(roi)
    if roi in curation.replaced:
        outcome = "merged" if replaced[curation.replaced[roi]] == "merge" else "split"  # type: ignore[assignment]
    votes: Iterable[Decision] = curation.votes.get(roi, {}).values()
    for vote in votes:
        cells = (vote.action, vote.reviewer, vote.reason, vote.decided_at)
        yield [roi, *cells, outcome, origin, line]
    if roi not in curation.votes:
        maker = next((d for d in curation.standing if roi in d.makes), None)
        who = (maker.reviewer, maker.reason, maker.decided_at) if maker else ("", "", "")
        yield [roi, "", *who, outcome, origin, line]


def _read_rows(csv_path: Path) -> Iterator[_Line]:
    """Yield the rows of the table with names of columns in small letters."""
    try:
        content = csv_path.read_bytes()
        is_utf_16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        text = content.decode("utf-16" if is_utf_16 else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CurationError(
            f"{csv_path} cannot be read ({reason(error)}). A CSV file in UTF-8 was expected, as "
            "written by `ace-nwb export FILE --rois TABLE`."
        ) from error
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = CsvRows(io.StringIO(text), csv_path, delimiter=delimiter)
    names = [name.strip().lower() for name in next(reader, [])]
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise CurationError(
            f"{csv_path} has no column {missing[0]!r}; it has {', '.join(names) or 'nothing'}. "
            f"Expected columns: {', '.join(COLUMNS)}."
        )
    for cells in reader:
        if any(cell.strip() for cell in cells):
            texts = (from_cell(cell.strip()) for cell in cells)
            values = dict(zip(names, texts, strict=False))
            yield _Line(reader.line_num, values)


def _read_line(text: str) -> Line | None:
    """Return a dividing line "row column row column", recorded field, pixels."""
    if not text:
        return None
    try:
        row_start, column_start, row_stop, column_stop = (float(part) for part in text.split())
    except ValueError as error:
        raise CurationError(f"{text!r} is not a line: row column row column.") from error
    return row_start, column_start, row_stop, column_stop


def _cell(value: Any) -> str:
    """Return a value of the ROI table as text."""
    if isinstance(value, np.floating):
        return "" if np.isnan(value) else f"{value:.6g}"
    return str(value)
