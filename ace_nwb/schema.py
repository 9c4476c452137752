"""JSON Schemas of the files that people write: session metadata and pipelines.

The texts in `schemas/` are generated from the models by `ace-nwb schema`; a test compares them.
"""

from typing import Any, Literal

SchemaKind = Literal["metadata", "pipeline"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def build_schema(kind: SchemaKind) -> dict[str, Any]:
    """Return the JSON schema of the metadata file or the pipeline file."""
    build = {"metadata": _metadata_schema, "pipeline": _pipeline_schema}[kind]
    return {"$schema": DIALECT} | build()


def _metadata_schema() -> dict[str, Any]:
    from ace_nwb.interfaces.metadata import SessionMetadata

    return SessionMetadata.model_json_schema()


def _pipeline_schema() -> dict[str, Any]:
    from ace_nwb.stages.table import STAGES

    stages = {}
    for stage in STAGES.values():
        parameters = stage.params.model_json_schema()
        stages[stage.name] = parameters | {"type": ["object", "null"]}
    return {
        "title": "Pipeline",
        "description": "Stages to run, in the order of the stage table, and their parameters.",
        "type": "object",
        "properties": {
            "stages": {"type": "object", "properties": stages, "additionalProperties": False}
        },
        "required": ["stages"],
        "additionalProperties": False,
    }
