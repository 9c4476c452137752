"""What a field of a pydantic model takes, in the words of somebody who fills it in.

`explain` turns pydantic's errors into what was found and what was expected: kind, unit, limits,
choices, default. It serves metadata, manifests, pipelines and the options of the command line.
"""

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ace_nwb.errors import unknown_name_message

UNITS = {
    "px": "in pixels",
    "s": "in seconds",
    "ms": "in milliseconds",
    "hz": "in Hz",
    "um": "in micrometres",
    "nm": "in nanometres",
    "uv": "in microvolts",
    "deg": "in degrees",
    "ppm": "in parts per million",
    "sd": "in standard deviations",
}
"""Ending of a name -> its unit (see the style of names: the unit is part of the name)."""

_KINDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    AwareDatetime: "a time with UTC offset",
}
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


@dataclass(frozen=True)
class Fault:
    """Something wrong in what a person wrote.

    Parameters
    ----------
    path
        Keys that lead to it.
    message
        What was found and expected, beginning with the name of the key.
    """

    path: tuple[Any, ...]
    message: str

    @property
    def place(self) -> str:
        """The path as people write it: Subject.sex."""
        return ".".join(str(part) for part in self.path) or "(top)"


def explain(
    error: ValidationError, model: type[BaseModel], names: Mapping[str, str] | None = None
) -> Iterator[Fault]:
    """Yield what is wrong for each error of pydantic, at its place.

    Parameters
    ----------
    error
        What pydantic raised.
    model
        The model whose content was checked.
    names
        Field -> how the reader calls it, such as an option; by default the dotted path.
    """
    for item in error.errors():
        path = tuple(item["loc"])
        owner, found = _find(model, path)
        label = ".".join(str(part) for part in path) or "the content"
        label = (names or {}).get(label, label)
        yield Fault(path, _sentence(label, item, owner, found))


def expectation(name: str, found: FieldInfo) -> str:
    """Say what a field takes: 'a whole number in pixels, at least 0 (default 20)'."""
    said = _kind(found.annotation)
    unit = UNITS.get(name.rpartition("_")[2])
    if unit is not None and "number" in said:
        said += f" {unit}"
    bounds = [
        f"{word} {getattr(limit, key):g}"
        for limit in found.metadata
        for key, word in _BOUNDS.items()
        if hasattr(limit, key)
    ]
    said = ", ".join([said, " and ".join(bounds)]) if bounds else said
    if found.examples:
        said += f", such as {found.examples[0]}"
    if found.default not in (None, PydanticUndefined):
        said += f" (default {_shown(found.default)})"
    elif type(None) in get_args(found.annotation) and not found.examples:
        said += ", or none"
    return said


def _sentence(label: str, item: Any, owner: Any, found: FieldInfo | None) -> str:
    """Say what was found and what was expected."""
    name = str(item["loc"][-1]) if item["loc"] else ""
    if item["type"] == "extra_forbidden":
        known = list(owner.model_fields) if owner is not None else []
        told = unknown_name_message("key", name, known)
        return f"{label}: unknown key. {told.removeprefix(f'There is no key {name!r}. ')}"
    if item["type"] == "missing":
        expected = f" Expected: {expectation(name, found)}." if found else ""
        return f"{label!r} is missing.{expected}"
    if item["type"] == "value_error":
        message = str(item["msg"]).removeprefix("Value error, ")
        is_whole = isinstance(item["input"], dict | list)
        return f"{label}: {message}." if is_whole else f"{label} is {_input(item)}; {message}."
    if found is None:
        return f"{label} is {_input(item)}; {item['msg'][:1].lower()}{item['msg'][1:]}."
    reason = (item.get("ctx") or {}).get("error") if "date" in item["type"] else None
    text = f"{label} is {_input(item)}" + (f" ({reason})" if reason else "")
    text += f"; expected: {expectation(name, found)}."
    if item["type"] == "string_type" and isinstance(item["input"], int | float):
        text += " Put it in quotes."
    return f"{text} {found.description}" if found.description else text


def _find(model: Any, path: tuple[Any, ...]) -> tuple[Any, FieldInfo | None]:
    """Return the model that a path ends in and its last field, as far as there are any."""
    found: FieldInfo | None = None
    has_free_keys = False
    for place, part in enumerate(path):
        if model is None or not isinstance(part, str) or has_free_keys:
            has_free_keys = False
            continue  # an entry of a list or of a mapping with free keys
        found = model.model_fields.get(part)
        if found is None or place == len(path) - 1:
            break
        has_free_keys = get_origin(found.annotation) is dict
        model = model_within(found.annotation)
    return model, found


def model_within(annotation: Any) -> type[BaseModel] | None:
    """Return the model that a field, its entries or its alternatives are of; None for others."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (model_within(option) for option in get_args(annotation))
    return next((model for model in inner if model is not None), None)


def _kind(annotation: Any) -> str:
    """Return what a type takes, in words."""
    if annotation in _KINDS:
        return _KINDS[annotation]
    origin, options = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(options[0])
    if origin is Literal:
        return f"one of {', '.join(str(option) for option in options)}"
    if origin in (Union, types.UnionType):
        return " or ".join(_kind(option) for option in options if option is not type(None))
    if isinstance(annotation, type) and issubclass(annotation, date):
        return "a date"
    if origin in (list, tuple):
        return "a list"
    model = model_within(annotation)
    if model is not None:
        return f"lines of 'key: value' below it ({', '.join(model.model_fields)})"
    return "lines of 'key: value' below it"


def _input(item: Any) -> str:
    """Return what was typed, shortened if it is long."""
    text = repr(item["input"])
    return text if len(text) <= 60 else f"{text[:57]}..."


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
