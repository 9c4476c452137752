"""Messages as somebody at a terminal reads them: options in place of Python's names.

The package speaks Python to programs; here its errors and warnings become what a person types.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TextIO

from cyclopts.exceptions import CycloptsError

from ace_nwb.cli.console import say
from ace_nwb.errors import AceNwbWarning

_FORM = {"int": "a whole number", "float": "a number", "Path": "a path", "bool": "true or false"}
_PYTHON_TOO = re.compile(r" \(\w+=True\)")
"""The same as a keyword of Python, behind an option."""

_CANNOT_CONVERT = re.compile(r'unable to convert "(.*)" into (\w+)\.')


@contextmanager
def told_on_the_terminal() -> Iterator[None]:
    """Show warnings as remarks; those of other packages with the name of the package."""
    with warnings.catch_warnings():
        warnings.showwarning = _show
        yield


def as_options(message: str) -> str:
    """Return a message with the parameters of stages named as options: offset_s is --offset-s.

    What stands behind a stage and a dot, before "=", or in quotes is typed as it is.
    """
    told, listing, known = message.partition("Known: ")  # names of --set and of files
    told = _PYTHON_TOO.sub("", told)
    told = _parameter_names().sub(lambda name: "--" + name[0].replace("_", "-"), told)
    return told + listing + known


def usage_message(error: CycloptsError) -> str:
    """Return what is wrong with a command line, without the parser's own vocabulary."""
    cause = error.__cause__
    if type(cause).__name__ != "ValidationError":
        return _plain(str(error))
    from ace_nwb.forms.fields import explain
    from ace_nwb.stages.table import STAGES

    problem: Any = cause
    words = re.findall(r"\w+", problem.title)  # such as nullable[MotionParams]
    stage = next((s for s in STAGES.values() if s.params.__name__ in words), None)
    if stage is None:
        return _plain(str(error))
    names = {name: "--" + name.replace("_", "-") for name in stage.params.model_fields}
    told = " ".join(fault.message for fault in explain(problem, stage.params, names))
    return f"{told} See `ace-nwb process {stage.name} --help`."


def _plain(text: str) -> str:
    """Return a message of the parser in words."""
    text = re.sub(r'Command "([\w -]+)" parameter ([A-Z_]+) requires an argument\.', _missing, text)
    return _CANNOT_CONVERT.sub(
        lambda found: f'{_FORM.get(found[2], found[2])} was expected, not "{found[1]}".', text
    )


def _missing(found: re.Match[str]) -> str:
    """Return which argument is missing, and where to see all."""
    return f"{found[2]} is missing. See `ace-nwb {found[1]} --help` for what is to be given."


@cache
def _parameter_names() -> re.Pattern[str]:
    """Match the names of parameters of stages where they stand alone."""
    from ace_nwb.stages.table import STAGES

    names = {name for s in STAGES.values() for name in s.params.model_fields if "_" in name}
    longest_first = "|".join(sorted(names, key=len, reverse=True))
    return re.compile(rf"(?<![\w.'\"`/\\-])(?:{longest_first})(?![\w='\"`/\\]|\.\w)")


def _show(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,  # noqa: ARG001 (Python passes it)
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    """Write a warning to standard error as a remark, without a place in the code."""
    source = "" if issubclass(category, AceNwbWarning) else f" ({_package_of(filename)})"
    say(f"note{source}: {as_options(str(message))}", to_stderr=True)


def _package_of(filename: str) -> str:
    """Return the package that a file of code belongs to."""
    _, found, rest = filename.replace("\\", "/").rpartition("/site-packages/")
    return rest.partition("/")[0] if found else "Python"
