"""YAML means what people who type it mean, and every fault has its line."""

import pytest
import yaml

from ace_nwb.errors import MetadataError
from ace_nwb.forms.yaml_files import YamlError, parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("017", "017"),
        ("17", 17),
        ("-3", -3),
        ("1.50", 1.5),
        (".5", 0.5),
        ("1e3", "1e3"),
        ("1.5e+3", 1500.0),
        ("15:26:31", "15:26:31"),
        ("190:20:30.15", "190:20:30.15"),
        ("2025-06-12", "2025-06-12"),
        ("2025-13-06", "2025-13-06"),
        ("no", "no"),
        ("true", True),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("~", None),
        ("", None),
        ("[F, 2]", ["F", 2]),
    ],
)
def test_a_value_means_what_was_typed(typed, meant):
    content = parse_yaml(f"key: {typed}\n").content
    assert content == {"key": meant}
    assert type(content["key"]) is type(meant)


def test_what_we_write_is_read_back():
    texts = [
        "017",
        "2025-06-12",
        "no",
        "15:26:31",
        "1e3",
        "1.5e3",
        "-.5",
        "08",
        ".5",
        "1.",
        "~",
        "",
    ]
    value = {"a": [1, 2.5, 1e-9, 1e22, True, None, *texts], "b": {"c": "x: y"}}
    assert parse_yaml(yaml.safe_dump(value)).content == value


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: 1\n\tb: 2", 2, "a tab"),
        ("a: 1\nb: c: d", 2, "second colon"),
        ("a: [1\nb: 2", 2, "expected ','"),
        ("a: !!int x", 0, "invalid literal"),
    ],
)
def test_a_text_that_is_no_yaml_is_refused_with_line_and_reason(text, line, reason):
    with pytest.raises(YamlError, match=reason) as caught:
        parse_yaml(text)
    assert caught.value.line == line


def test_a_key_that_stands_twice_is_refused_with_its_second_line(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text("Subject:\n  sex: F\n  sex: M\n")
    with pytest.raises(MetadataError, match=r"line 3: 'sex' stands twice"):
        read_yaml(path, expected="Metadata", error=MetadataError)
