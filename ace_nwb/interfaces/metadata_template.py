"""A meta.yaml to fill in: what is required left blank, what sources say, the rest as hints."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from ace_nwb.interfaces.metadata import SessionMetadata

HEADER = """# For `ace-nwb convert --metadata`. Lines that begin with "#" are not read.
# Fill in what is REQUIRED: NWB or DANDI ask for it, and the recording does not say it. Of the rest,
# take away the "#" before what you want to say.
"""


def write_template(known: Mapping[str, Mapping[str, Any]], missing: list[str]) -> str:
    """Return the text of a template.

    Parameters
    ----------
    known
        Section -> key -> value, as sources say.
    missing
        Dotted keys that are required and not known; "A or B" for alternatives.
    """
    required = {text.split(" or ")[0] for text in missing}
    lines = list(_section_lines(SessionMetadata, known, required=required, prefix="", depth=0))
    return HEADER + "\n".join(lines) + "\n"


def _section_lines(
    model: type[BaseModel],
    known: Mapping[str, Any],
    *,
    required: set[str],
    prefix: str,
    depth: int,
) -> Iterator[str]:
    """Yield the lines of a section and of those within it."""
    indent = "  " * depth
    for name, field in model.model_fields.items():
        inner = _model_within(field.annotation)
        key = f"{prefix}{name}"
        if inner is None:
            value = known.get(name)
            is_required = key in required
            yield f"{indent}# {'REQUIRED. ' if is_required else ''}{field.description}"
            if value is not None:
                yield f"{indent}{name}: {_yaml(value)}"
            else:
                yield f"{indent}{name}:" if is_required else f"{indent}# {name}:"
            continue
        within = known.get(name)
        below = list(
            _section_lines(
                inner,
                within if isinstance(within, Mapping) else {},
                required=required,
                prefix=f"{key}.",
                depth=depth + 1,
            )
        )
        has_values = any(not line.lstrip().startswith("#") for line in below)
        yield f"{indent}{name}:" if has_values else f"{indent}# {name}:"
        yield from below


def _model_within(annotation: Any) -> type[BaseModel] | None:
    """Return the model that a field holds, None for plain values and free keys."""
    for option in (annotation, *get_args(annotation)):
        if isinstance(option, type) and issubclass(option, BaseModel):
            is_mapping = option is not annotation and str(annotation).startswith("dict")
            return None if is_mapping else option
    return None


def _yaml(value: Any) -> str:
    """Return a value on one line of YAML."""
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")
