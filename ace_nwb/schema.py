"""JSON Schemas of the files that people write, and of the layout of a session file.

The texts in `schemas/` are generated from the models by `ace-nwb schema`; a test compares them.
"""

from typing import Any, Literal

SchemaKind = Literal["metadata", "pipeline", "manifest", "layout"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def build_schema(kind: SchemaKind) -> dict[str, Any]:
    """Return one of the JSON schemas in `schemas/`."""
    build = {
        "metadata": _metadata_schema,
        "pipeline": _pipeline_schema,
        "manifest": _manifest_schema,
        "layout": _layout_schema,
    }[kind]
    return {"$schema": DIALECT} | build()


def _metadata_schema() -> dict[str, Any]:
    from ace_nwb.interfaces.metadata import SessionMetadata

    return SessionMetadata.model_json_schema()


def _layout_schema() -> dict[str, Any]:
    from ace_nwb.nwb.contents import layout_schema

    return layout_schema()


def _manifest_schema() -> dict[str, Any]:
    """Return the schema of sessions.yaml; it refers to the other two, which stand beside it."""
    from ace_nwb.manifest.models import Manifest

    schema = Manifest.model_json_schema()
    for name in ("Shared", "SessionEntry"):
        properties = schema["$defs"][name]["properties"]
        described = properties["stages"]["description"]
        properties["stages"] = {
            "$ref": "pipeline.schema.json#/properties/stages",
            "description": described,
        }
        properties["metadata"]["anyOf"][1] = {"$ref": "metadata.schema.json"}
    return schema


def _pipeline_schema() -> dict[str, Any]:
    from ace_nwb.stages.table import STAGES

    decisions = {
        "description": "Decisions of reviewers, as `ace-nwb history --as-pipeline` writes them.",
        "type": "object",
        "properties": {
            "rois_of": {
                "type": "string",
                "description": "Fingerprint of the extraction whose ROIs they are about.",
            },
            "rows": {"type": "array", "items": {"type": "object"}},
        },
        "required": ["rois_of", "rows"],
        "additionalProperties": False,
    }
    stages = {}
    for stage in STAGES.values():
        parameters = stage.params.model_json_schema()
        stages[stage.name] = parameters | {"type": ["object", "null"]}
    return {
        "title": "Pipeline",
        "description": "Stages to run, in the order of the stage table, and their parameters.",
        "type": "object",
        "properties": {
            "stages": {"type": "object", "properties": stages, "additionalProperties": False},
            "decisions": decisions,
        },
        "required": ["stages"],
        "additionalProperties": False,
    }
