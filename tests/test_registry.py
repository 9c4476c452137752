import pytest

from ace_nwb.errors import UnknownNameError
from ace_nwb.registry import ENGINES, FORMATS, Registry


def test_every_built_in_entry_can_be_loaded():
    for registry in (FORMATS, ENGINES):
        for name in registry.names():
            assert registry.load(name) is not None


def test_unknown_name_lists_the_known_ones_and_the_nearest():
    registry = Registry(
        "format", "ace_nwb.test", {"neuralynx": "json:loads", "intan": "json:dumps"}
    )
    with pytest.raises(
        UnknownNameError, match=r"Did you mean 'neuralynx'\? Known: intan, neuralynx"
    ):
        registry.load("neuralinx")
