"""The schemas in the repository are those of the code, and accept what the code accepts."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

import ace_nwb
from ace_nwb.schema import build_schema

REPOSITORY = Path(ace_nwb.__file__).parent.parent


@pytest.mark.parametrize("kind", ["metadata", "pipeline", "manifest", "layout"])
def test_stored_schema_is_in_step_with_the_code(kind):
    stored = json.loads((REPOSITORY / "schemas" / f"{kind}.schema.json").read_text())
    assert stored == build_schema(kind), f"run `ace-nwb schema {kind} > schemas/{kind}.schema.json`"


@pytest.mark.parametrize("path", sorted((REPOSITORY / "examples").glob("*pipeline*.yaml")))
def test_example_pipelines_follow_the_schema(path):
    jsonschema.validate(yaml.safe_load(path.read_text()), build_schema("pipeline"))


def test_unknown_parameter_in_a_pipeline_is_refused_by_the_schema():
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"stages": {"motion": {"max_shft_px": 3}}}, build_schema("pipeline"))
