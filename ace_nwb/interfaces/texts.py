"""Texts that people typed into a recorder: decoded exactly, or asked about; never guessed.

Programs on Windows wrote them in the code page of the computer's language (Qt 5: Miniscope-DAQ-QT
before v2; the V3 software), which no file names. UTF-8 tells itself apart from all of them.
"""

import codecs
from pathlib import Path

from ace_nwb.errors import MetadataError
from ace_nwb.interfaces.policies import REFUSE, RULES, TEXT_ENCODING, Policies

SHOWN_BYTES = 60
"""Bytes of a line that a message shows in every code page."""


def read_typed_text(file_path: Path, policies: Policies) -> str:
    """Return the text of a file that people typed.

    Raises
    ------
    MetadataError
        If it is not UTF-8 (or UTF-16 with its mark) and no code page is stated, or another one.
    """
    return decode_typed(file_path.read_bytes(), f"{file_path} line {{line}}", policies)


def decode_typed(content: bytes, place: str, policies: Policies) -> str:
    """Return text that people typed.

    Parameters
    ----------
    content
        As stored.
    place
        Where it stands, for the message; "{line}" becomes the number of the line.
    policies
        The code page, if it is stated.

    Raises
    ------
    MetadataError
        If it is not UTF-8 (or UTF-16 with its mark) and no code page is stated, or another one.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        first_byte = error.start
    stated = policies[TEXT_ENCODING]
    text = None if stated == REFUSE else _decoded(content, stated)
    if text is None:
        raise MetadataError(_question(place, content, first_byte, stated=stated))
    return text


def _decoded(content: bytes, encoding: str) -> str | None:
    """Return bytes as text of a code page, None if they are none of it."""
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _question(place: str, content: bytes, first_byte: int, *, stated: str) -> str:
    """Show how the first doubtful line reads in every code page."""
    start = content.rfind(b"\n", 0, first_byte) + 1
    line = content[max(start, first_byte - SHOWN_BYTES // 2) :].split(b"\n", 1)[0][:SHOWN_BYTES]
    readings = [
        f"{name}: {text.strip()!r}"
        for name in RULES[TEXT_ENCODING]
        if name != REFUSE and (text := _decoded(line, name)) is not None
    ]
    number = 1 + content.count(b"\n", 0, first_byte)
    problem = "is not UTF-8" if stated == REFUSE else f"is neither UTF-8 nor {stated}"
    return (
        f"{place.replace('{line}', str(number))} {problem}. Text in UTF-8 or in a "
        f"stated code page was expected; it reads as {'; '.join(readings)}. Give the one that is "
        f"right, such as --policy {TEXT_ENCODING}=cp1252."
    )
