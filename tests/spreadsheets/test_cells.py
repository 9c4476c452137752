"""Every form of a cell that the predecessor's users have written."""

from datetime import date

import pytest

from ace_nwb.spreadsheets import cells


@pytest.mark.parametrize("cell", ["", " ", "None", "none", "NaN", "n/a", "'None'", '""', "\u00a0"])
def test_signs_of_nothing_are_empty(cell):
    assert cells.clean(cell) == ""


@pytest.mark.parametrize(
    ("read", "cell", "value"),
    [
        (cells.read_number, "0.35", 0.35),
        (cells.read_number, "0,35", 0.35),
        (cells.read_number, "1e-1", 0.1),
        (cells.read_number, "2%", 2.0),
        (cells.read_count, "3.0", 3),
        (cells.read_count, "007", 7),
        (cells.read_line_number, "001", "1"),
        (cells.read_line_number, "1.0", "1"),
        (cells.read_line_number, "7b", "7b"),
        (cells.read_flag, "TRUE", True),
        (cells.read_flag, "False", False),
        (cells.read_flag, "1", True),
        (cells.read_date, "250612", date(2025, 6, 12)),
        (cells.read_date, "50612", date(2005, 6, 12)),
        (cells.read_date, "250612.0", date(2025, 6, 12)),
        (cells.read_pair, "(7,7)", (7, 7)),
        (cells.read_pair, "[7, 8]", (7, 8)),
        (cells.read_pair, "7", (7, 7)),
        (cells.read_pair, "7, 8", (7, 8)),
        (cells.read_pair, "('7','8')", (7, 8)),
        (cells.read_list, "[0, 2]", [0, 2]),
        (cells.read_list, "5", [5]),
        (cells.read_list, "[]", []),
        (cells.read_list, "0;2", [0, 2]),
        (cells.read_periods, "(0,600)", [(0, 600)]),
        (cells.read_periods, "[[0, 600], [900, 1200.5]]", [(0, 600), (900, 1200.5)]),
        (cells.read_periods, "[0, 600, 900, 1200]", [(0, 600), (900, 1200)]),
        (cells.read_periods, "0-600; 900-1200", [(0, 600), (900, 1200)]),
        (cells.read_baseline, "10", 10.0),
        (cells.read_baseline, "(0, 10)", [(0, 10)]),
        (cells.read_box, "(95,482, 491,103)", (95, 482, 491, 103)),
        (cells.read_box, "95,482,491,103", (95, 482, 491, 103)),
        (cells.read_box, "{'x0': 1, 'y0': 2, 'x1': '30', 'y1': 4.5}", (1, 2, 30, 4.5)),
        (cells.read_paths, r"m001\2025\a", ["m001/2025/a"]),
        (cells.read_paths, "a/b; 'a/c'", ["a/b", "a/c"]),
        (cells.read_paths, r"D:\data\a", [r"D:\data\a"]),
        (cells.read_names, "PFCLFP;PFCEEG; ", ["PFCLFP", "PFCEEG"]),
    ],
)
def test_every_accepted_form_is_read(read, cell, value):
    assert read(cells.clean(cell)) == value


@pytest.mark.parametrize(
    ("read", "cell", "form"),
    [
        (cells.read_number, "heavy", "a number"),
        (cells.read_number, "inf", "a number"),
        (cells.read_number, "__import__('os')", "a number"),
        (cells.read_count, "2.5", "a whole number"),
        (cells.read_flag, "perhaps", "TRUE or FALSE"),
        (cells.read_date, "251345", "YYMMDD"),
        (cells.read_date, "2025-06-12", "YYMMDD"),
        (cells.read_pair, "(7,7,7)", "two numbers"),
        (cells.read_pair, "(7,", "two numbers"),
        (cells.read_pair, "(TRUE, 7)", "two numbers"),
        (cells.read_list, "a;b", "numbers such as"),
        (cells.read_periods, "(600, 0)", "stop after start"),
        (cells.read_periods, "(1,2,3)", "start and stop"),
        (cells.read_box, "(1,2,3)", "a box"),
        (cells.read_box, "{'x0': 1}", "a box"),
        (cells.read_box, "(5,1,5,9)", "not an empty one"),
        (cells.read_paths, ";", "a folder"),
    ],
)
def test_other_forms_are_refused_with_the_accepted_ones(read, cell, form):
    with pytest.raises(cells.CellError, match=form):
        read(cells.clean(cell))
