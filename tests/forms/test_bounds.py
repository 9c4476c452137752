"""Texts that people write are read within bounds, and raise what their readers document."""

import io
import time

import pytest

from ace_nwb.errors import InputError
from ace_nwb.forms.csv_rows import LONGEST_CELL, CsvRows
from ace_nwb.forms.yaml_files import DEEPEST, YamlError, parse_yaml

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a0: &a0 {k: v}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 9)
)


@pytest.mark.parametrize("depth", [DEEPEST - 1, DEEPEST])
def test_yaml_up_to_the_bound_of_depth_is_read(depth):
    content = parse_yaml(f"{'[' * (depth - 1)}1{']' * (depth - 1)}").content
    for _ in range(depth - 1):
        content = content[0]
    assert content == 1


def test_few_aliases_are_read():
    text = "a: &a {k: v}\nb: *a\nc: {<<: *a, l: 2}\n"
    assert parse_yaml(text).content == {"a": {"k": "v"}, "b": {"k": "v"}, "c": {"k": "v", "l": 2}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "aliases make more than"),
        (MERGES, "aliases make more than"),
        ("a: &a [*a]\n", "within what it stands for"),
        (f"{'[' * (DEEPEST + 1)}1{']' * (DEEPEST + 1)}", "deep"),
        ("[" * 50_000, "deep"),
        ("a: " + "9" * 5000, "Exceeds the limit"),
        ("a: \x00\n", "special characters"),
        ("!!python/object/apply:os.system ['true']\n", "constructor"),
    ],
)
def test_yaml_that_is_none_or_grows_without_bounds_is_refused_at_once(text, reason):
    started = time.process_time()
    with pytest.raises(YamlError, match=reason):
        parse_yaml(text)
    assert time.process_time() - started < 2  # seconds; writing the aliases out takes minutes


def test_cells_of_any_sensible_length_are_read():
    long = "x" * 200_000
    assert list(CsvRows(io.StringIO(f"a;{long}\n"), "t.csv", delimiter=";")) == [["a", long]]


def test_a_cell_without_an_end_is_refused_by_file_and_line():
    text = 'a,b\n1,"' + "x" * (LONGEST_CELL + 1)
    rows = CsvRows(io.StringIO(text), "t.csv")
    assert next(rows) == ["a", "b"]
    with pytest.raises(InputError, match=r"t\.csv, line 2"):
        next(rows)
