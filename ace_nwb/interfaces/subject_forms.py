"""Species, sex and age as archives take them, and the common ways of writing them.

What a lab writes in another common way is translated, and the translation is said; what could mean
two things is refused with the forms that are accepted.
"""

import re
from difflib import get_close_matches

LATIN_NAME = re.compile(r"[A-Z][a-z]+ [a-z]+( [a-z]+)?")
TAXON = re.compile(r"https?://\S+NCBITaxon_\d+")
DURATION = re.compile(
    r"P(?!$)(\d+(\.\d+)?Y)?(\d+(\.\d+)?M)?(\d+(\.\d+)?W)?(\d+(\.\d+)?D)?(T.+)?(/(P.*)?)?"
)
"""ISO 8601; a second one behind a slash makes a range."""

SPECIES = {
    "mouse": "Mus musculus",
    "mice": "Mus musculus",
    "house mouse": "Mus musculus",
    "rat": "Rattus norvegicus",
    "rats": "Rattus norvegicus",
    "human": "Homo sapiens",
    "marmoset": "Callithrix jacchus",
    "rhesus macaque": "Macaca mulatta",
    "rhesus monkey": "Macaca mulatta",
    "zebra finch": "Taeniopygia guttata",
    "zebrafish": "Danio rerio",
}
"""Words that mean one species in a laboratory; "monkey" or "hamster" mean several."""

SEXES = {"male": "M", "female": "F", "unknown": "U", "other": "O"}

_AGE_UNITS = {
    **dict.fromkeys(("d", "day", "days"), "D"),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), "W"),
    **dict.fromkeys(("mo", "month", "months"), "M"),
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), "Y"),
}
"""Unit of an age -> its letter in ISO 8601. "m" may be a minute and stays out."""

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)\.?\s*(?:,|and|old)?\s*")
_POSTNATAL = re.compile(r"(?:p|pd|pnd|postnatal day)\s*(\d+)")
_DAYS_A_WEEK = 7  # ISO 8601 knows weeks; archives want days

EXPECTED = {
    "species": 'the Latin name, such as "Mus musculus" or "Rattus norvegicus", was expected',
    "sex": "M, F, U (unknown) or O (other) was expected",
    "age": "an ISO 8601 duration was expected: P90D for 90 days, P12W for 12 weeks, P3M for 3 "
    "months, P90D/P120D for a range",
}


def read_species(text: str) -> str:
    """Return the Latin name (or the NCBI taxon) that a text means.

    Raises
    ------
    ValueError
        If it means none, or several.
    """
    if TAXON.fullmatch(text):
        return text
    typed = " ".join(text.lower().split())
    known = SPECIES | {name.lower(): name for name in SPECIES.values()}
    if typed in known:
        return known[typed]
    if LATIN_NAME.fullmatch(text) and not set(typed.split()) & set(SPECIES):
        return text
    close = get_close_matches(typed, known, n=1)
    raise ValueError(EXPECTED["species"] + (f"; {known[close[0]]!r} may be meant" if close else ""))


def read_sex(text: str) -> str:
    """Return the letter that a text means."""
    letter = SEXES.get(text.lower(), text.upper())
    if letter not in SEXES.values():
        raise ValueError(EXPECTED["sex"] + "; the words male and female are understood too")
    return letter


def read_age(text: str) -> str:
    """Return the ISO 8601 duration that a text means: "12 weeks" is P12W, "P90" is P90D."""
    if DURATION.fullmatch(text.upper()):
        return text.upper()
    lowered = text.lower()
    postnatal = _POSTNATAL.fullmatch(lowered)
    if postnatal:
        return f"P{postnatal[1]}D"
    found = _QUANTITY.findall(lowered)
    units = [_AGE_UNITS.get(unit) for _, unit in found]
    if not found or None in units or _QUANTITY.sub("", lowered) or len(set(units)) < len(units):
        raise ValueError(EXPECTED["age"])
    return _duration({unit: number for (number, _), unit in zip(found, units, strict=True) if unit})


def _duration(amounts: dict[str, str]) -> str:
    """Return unit -> amount as ISO 8601, in which weeks stand alone."""
    if "W" in amounts and len(amounts) > 1:
        days = float(amounts.pop("W")) * _DAYS_A_WEEK + float(amounts.get("D", 0))
        amounts["D"] = f"{days:g}"
    return "P" + "".join(f"{amounts[unit]}{unit}" for unit in "YMWD" if unit in amounts)
