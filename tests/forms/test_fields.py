"""What a field takes is said with kind, unit, limits, choices and default."""

import pytest
from pydantic import ValidationError

from ace_nwb.forms.fields import UNITS, explain
from ace_nwb.interfaces.metadata import SessionMetadata
from ace_nwb.manifest.models import Manifest
from ace_nwb.stages.settings.params import (
    ExtractParams,
    MotionParams,
    PreprocessParams,
    SyncParams,
)
from ace_nwb.stages.table import STAGES

ABBREVIATED = {"px", "s", "ms", "hz", "um", "nm", "uv", "deg", "ppm"}


def told(model, content):
    with pytest.raises(ValidationError) as caught:
        model.model_validate(content)
    return " ".join(fault.message for fault in explain(caught.value, model))


@pytest.mark.parametrize(
    ("model", "content", "words"),
    [
        (MotionParams, {"max_shift_px": "x"}, "a whole number in pixels, at least 0 (default 20)"),
        (ExtractParams, {"min_correlation": 2}, "a number, at least 0 and at most 1, or none"),
        (ExtractParams, {"cell_diameter_px": 1}, "a number in pixels, above 2 (default 12.0)"),
        (PreprocessParams, {"detrend": "cubic"}, "one of none, exponential, linear"),
        (MotionParams, {"piecewise": 3}, "true or false, or none"),
        (SyncParams, {"accept_ambiguity": 3}, "true or false (default false)"),
        (Manifest, {"sessions": [{"name": "a", "folder": "b", "intervals": [{}]}]}, "'sessions.0."),
        (Manifest, {"sessions": 3}, "a list"),
        (SessionMetadata, {"Subject": "mouse"}, "lines of 'key: value' below it (subject_id, spec"),
        (SessionMetadata, {"Subject": {"weight": 0.031}}, "Put it in quotes."),
        (
            SessionMetadata,
            {"Ecephys": {"channels": {"A1": {"x": 1}}}},
            "Known: description, kind",
        ),
    ],
)
def test_what_is_expected_is_said_in_words(model, content, words):
    message = told(model, content)
    assert words in message
    assert "Input should" not in message


@pytest.mark.parametrize("stage", STAGES)
def test_every_unit_in_the_name_of_a_parameter_has_its_word(stage):
    endings = {name.rpartition("_")[2] for name in STAGES[stage].params.model_fields}
    assert endings & ABBREVIATED <= set(UNITS)
