"""Texts in tables for spreadsheets never compute, and read back as they were."""

import pytest

from ace_nwb.spreadsheets.formulas import as_cell, from_cell

FORMULAS = ["=1+1", "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''@x"]


@pytest.mark.parametrize("text", [*FORMULAS, "", "plain", "'quoted'", "a=b", "µ"])
def test_a_text_survives_the_way_through_a_cell(text):
    assert from_cell(as_cell(text)) == text
    assert not as_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("number", [-1, -1.5, 0, True, None])
def test_numbers_stay_numbers(number):
    assert as_cell(number) is number
