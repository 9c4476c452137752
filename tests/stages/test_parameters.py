import pytest

from ace_nwb.errors import ParameterError
from ace_nwb.stages.settings.texts import Choice, build_parameters, format_value, parse_value
from ace_nwb.stages.table import STAGES


def choose(**values):
    return {name: Choice(value, "command line") for name, value in values.items()}


def test_every_default_survives_the_way_through_text():
    for stage in STAGES.values():
        default = stage.params()
        texts = {name: format_value(getattr(default, name)) for name in stage.params.model_fields}
        assert build_parameters(stage, choose(**texts)) == default


@pytest.mark.parametrize(
    ("stage", "name", "text", "value"),
    [
        ("motion", "max_shift_px", "30", 30),
        ("preprocess", "detrend", "none", "none"),
        ("preprocess", "crop_row_stop", "none", None),
        ("extract", "decay_time_s", "0.4", 0.4),
        ("extract", "autoregressive_order", "2", 2),
        ("sync", "line", "TTL7", "TTL7"),
        ("sync", "line", "", None),
    ],
)
def test_text_becomes_the_value_it_means(stage, name, text, value):
    assert parse_value(STAGES[stage], name, text) == value


def test_unknown_parameter_is_refused_with_the_one_that_may_be_meant():
    with pytest.raises(ParameterError, match="Did you mean 'max_shift_px'"):
        build_parameters(STAGES["motion"], choose(max_shft_px="30"))


def test_value_out_of_bounds_is_refused_with_name_value_and_bound():
    with pytest.raises(ParameterError, match=r"motion.max_shift_px is -3; .*at least 0"):
        build_parameters(STAGES["motion"], choose(max_shift_px="-3"))
