"""From texts (command line, YAML, history) to stage parameters and back, with their sources."""

from dataclasses import dataclass
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from ace_nwb.errors import ParameterError, unknown_name_message
from ace_nwb.forms.fields import explain
from ace_nwb.stages.settings.params import StageParams
from ace_nwb.stages.stage import Stage

NONE_WORDS = ("", "none", "null")


@dataclass(frozen=True)
class Choice:
    """A parameter value that somebody chose.

    Parameters
    ----------
    value
        A text or a typed value.
    source
        Who chose it: "file" (pipeline), "command line", "python" or "imported".
    """

    value: Any
    source: str


def build_parameters(stage: Stage, choices: dict[str, Choice]) -> StageParams:
    """Return the stage's parameters with the chosen values and defaults elsewhere.

    Raises
    ------
    ParameterError
        If a name is unknown or a value is out of bounds; nothing is corrected silently.
    """
    values = {name: parse_value(stage, name, choice.value) for name, choice in choices.items()}
    try:
        return stage.params(**values)
    except ValidationError as error:
        raise ParameterError(_explain(stage, error)) from error


def parse_value(stage: Stage, name: str, value: Any) -> Any:
    """Turn a text into the value of a parameter; other values pass through.

    Raises
    ------
    ParameterError
        If the stage has no such parameter.
    """
    fields = stage.params.model_fields
    if name not in fields:
        raise ParameterError(unknown_name_message(f"parameter of stage {stage.name}", name, fields))
    if not isinstance(value, str):
        return value
    adapter: TypeAdapter[Any] = TypeAdapter(cast(Any, fields[name].annotation))
    if value.lower() in NONE_WORDS and _accepts(adapter, None):
        return None
    try:
        return adapter.validate_json(value)
    except ValidationError:
        return value


def format_value(value: Any) -> str:
    """Return the text of a parameter value that `parse_value` reads back."""
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


def _accepts(adapter: TypeAdapter[Any], value: Any) -> bool:
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True


def _explain(stage: Stage, error: ValidationError) -> str:
    """Say for each bad value what was found and what is allowed."""
    names = {name: f"{stage.name}.{name}" for name in stage.params.model_fields}
    faults = [fault.message for fault in explain(error, stage.params, names)]
    return " ".join(faults) + f" See `ace-nwb process {stage.name} --help`."
