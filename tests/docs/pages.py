"""What the README and the pages of the documentation tell their readers to type."""

import re
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent.parent
PAGES = [
    REPOSITORY / "README.md",
    *sorted(
        page
        for page in (REPOSITORY / "docs").rglob("*.md")
        if "generated" not in page.parts and "_build" not in page.parts
    ),
]
WAITS = {
    ("curate",): "opens a page and waits",
    ("crop",): "opens a page and waits, without --rows or --columns",
    ("tune",): "opens a page and waits, without --headless",
}
ANSWERS = {
    "session_description": "Simulated recording of CA1.",
    "species": "Mus musculus",
    "sex": "F",
    "age": "P90D",
    "location": "CA1",
    "indicator": "GCaMP6f",
    "excitation_lambda_nm": "470",
    "emission_lambda_nm": "525",
}

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the blocks of a page: language and text."""
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def commands(block: str) -> Iterator[str]:
    """Yield the commands of a `sh` block: continued lines joined, comments left out."""
    for line in block.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            yield line


def is_verb(arguments: list[str], verbs: dict[tuple[str, ...], str]) -> bool:
    """Say whether arguments of `ace-nwb` begin with one of some verbs and let it wait."""
    if {"--headless", "--rows", "--columns"} & set(arguments):
        return False
    return any(tuple(arguments[: len(verb)]) == verb for verb in verbs)


def fill_in(template: Path) -> None:
    """Answer every question that a metadata template leaves blank, as its reader would.

    Raises
    ------
    KeyError
        If the template asks for something that has no answer here.
    """
    text = template.read_text(encoding="utf-8")
    blank = re.compile(r"^( +)(\w+):$(?!\n\1  )", re.MULTILINE)
    answered = blank.sub(lambda found: f"{found[0]} {ANSWERS[found[2]]}", text)
    template.write_text(answered, encoding="utf-8")
