"""Reference pages written from the stage table, the parameter models, the verbs, the layout."""

from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from ace_nwb.cli.verbs import VERBS, build_app
from ace_nwb.interfaces.metadata import SessionMetadata
from ace_nwb.nwb.layout import LAYOUT_VERSION
from ace_nwb.nwb.results import PLACES
from ace_nwb.registry import ENGINES, FORMATS
from ace_nwb.stages.table import STAGES, Stage


def write_pages(folder: Path) -> None:
    """Write all reference pages as Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    pages: dict[str, Callable[[], str]] = {
        "stages": _stages,
        "verbs": _verbs,
        "metadata": _metadata,
        "layout": _layout,
        "names": _names,
    }
    for name, write in pages.items():
        (folder / f"{name}.md").write_text(write(), encoding="utf-8")


def _stages() -> str:
    parts = [
        "# Stages and their parameters\n",
        "A parameter is set with `ace-nwb process STAGE FILE --parameter VALUE`, with `--set "
        "stage.parameter=value` on `ace-nwb run`, or in a pipeline file.\n",
    ]
    return "\n".join(parts + [_stage(stage) for stage in STAGES.values()])


def _stage(stage: Stage) -> str:
    facts = [
        ("Needs", ", ".join(stage.requires)),
        ("Uses where present", ", ".join(stage.uses)),
        ("Writes", ", ".join(f"`{path}`" for path in stage.produces)),
    ]
    lines = [f"## {stage.name}\n", stage.summary, ""]
    lines += [f"- {label}: {text}" for label, text in facts if text]
    if stage.on_request:
        lines.append("- Runs on request only.")
    properties = stage.params.model_json_schema()["properties"]
    if not properties:
        return "\n".join([*lines, ""])
    rows = [
        (f"`{name}`", _type(field), _default(field), field.get("description", ""))
        for name, field in properties.items()
    ]
    return "\n".join([*lines, "", _table(("parameter", "type", "default", ""), rows), ""])


def _type(field: dict[str, Any]) -> str:
    """Say in words what a parameter may be."""
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    names = {"null": "nothing", "string": "text", "boolean": "yes or no"}
    words = names.get(field.get("type", ""), field.get("type", "value"))
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {field[key]:g}" for key, sign in signs.items() if key in field]
    return f"{words} {', '.join(bounds)}".strip()


def _default(field: dict[str, Any]) -> str:
    if "default" not in field:
        return "required"
    value = field["default"]
    return "" if value is None else f"`{value}`"


def _verbs() -> str:
    parts = ["# Verbs of the command line\n", "What `ace-nwb VERB --help` prints.\n"]
    for verb in VERBS:
        parts += [f"## {verb}\n", "```text", _help(verb), "```\n"]
    return "\n".join(parts)


def _help(verb: str) -> str:
    from rich.console import Console

    shown = StringIO()
    with redirect_stdout(shown):
        build_app().help_print([verb], console=Console(file=shown, width=96))
    return "\n".join(line.rstrip() for line in shown.getvalue().strip().splitlines())


def _metadata() -> str:
    schema = SessionMetadata.model_json_schema()
    definitions = schema["$defs"]
    rows = list(_keys("", schema, definitions))
    return "\n".join(
        [
            "# Keys of meta.yaml\n",
            "`ace-nwb inspect FOLDER --template meta.yaml` writes a file to fill in.\n",
            _table(("key", "", ""), rows),
            "",
        ]
    )


def _keys(
    prefix: str, model: dict[str, Any], definitions: dict[str, Any]
) -> Iterable[tuple[str, str, str]]:
    for name, field in model["properties"].items():
        options = field.get("anyOf", [field])
        references = [o["$ref"] for o in options if "$ref" in o]
        if references:
            inner = definitions[references[0].rpartition("/")[2]]
            yield from _keys(f"{prefix}{name}.", inner, definitions)
        else:
            words = " or ".join(_type(o) for o in options if o.get("type") != "null")
            yield f"`{prefix}{name}`", words, field.get("description", "")


def _layout() -> str:
    rows = [
        (f"`{place.path}`", place.kind, place.text, ", ".join(place.axes), place.unit)
        for place in PLACES
    ]
    return "\n".join(
        [
            "# What stands where in a session file\n",
            f"Layout {LAYOUT_VERSION}. `ace-nwb contents FILE` lists a file, `ace-nwb schema "
            "layout` prints the JSON schema of that list, `ace-nwb validate` applies it. Results "
            "kept with `--keep-as NAME` stand beside these as `…_NAME`.\n",
            _table(("path", "NWB type", "", "axes in the file", "unit"), rows),
            "",
        ]
    )


def _names() -> str:
    formats = [(f"`{name}`", f"`{path}`") for name, path in FORMATS.paths().items()]
    engines = [(f"`{name}`", f"`{path}`") for name, path in ENGINES.paths().items()]
    return "\n".join(
        [
            "# Formats and engines\n",
            "## Formats\n",
            _table(("`--format`", "entry"), formats),
            "\n## Engines\n",
            _table(("`--engine`", "entry"), engines),
            "",
        ]
    )


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for row in rows:
        cells = [cell.replace("|", "\\|").replace("\n", " ") for cell in row]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
