"""Verbs about ace_nwb itself: list, schema."""

from typing import Annotated, Literal

from cyclopts import Parameter

from ace_nwb.cli.console import print_json, print_table


def list_entries(
    kind: Literal["formats", "engines", "stages"],
    /,
    *,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """List formats, engines or stages.

    Example: `ace-nwb list stages`

    Parameters
    ----------
    kind
        What to list.
    json
        Print JSON for scripts.
    """
    entries = _stages() if kind == "stages" else _registered(kind)
    if json:
        print_json(entries)
    else:
        columns = list(entries[0])
        print_table(columns, [list(entry.values()) for entry in entries])


def schema(kind: Literal["metadata", "pipeline", "manifest", "layout"], /) -> None:
    """Print the JSON schema of the metadata, the pipeline, the manifest, or a session's layout.

    Example: `ace-nwb schema pipeline`

    Parameters
    ----------
    kind
        Which file.
    """
    from ace_nwb.schema import build_schema

    print_json(build_schema(kind))


def _stages() -> list[dict[str, str]]:
    from ace_nwb.stages.table import STAGES

    return [
        {
            "name": stage.name,
            "summary": stage.summary,
            "requires": ", ".join(stage.requires),
            "uses": ", ".join(stage.uses),
            "produces": ", ".join(stage.produces),
        }
        for stage in STAGES.values()
    ]


def _registered(kind: str) -> list[dict[str, str]]:
    from ace_nwb.registry import ENGINES, FORMATS

    registry = {"formats": FORMATS, "engines": ENGINES}[kind]
    paths = registry.paths()
    return [{"name": name, "from": paths[name]} for name in registry.names()]
