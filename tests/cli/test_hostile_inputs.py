"""A selection of hostile inputs: no verb ends in a fault of ours, none without an end.

All of them, with bounds on time and memory and with flipped bits, which may bring HDF5 itself
down, are in `tests.benchmarks.hostile_inputs`.
"""

import numpy as np
import pytest

from ace_nwb.cli import FAULT, run
from tests.fixtures.hostile_inputs import SESSION, TEXTS

pytestmark = pytest.mark.filterwarnings("ignore")

DAMAGES = (
    "zero_page",
    "hard_link_cycle",
    "soft_link_cycle",
    "deep_groups",
    "absurd_shape",
    "remove_object",
    "remove_attribute",
    "wrong_attribute",
    "wrong_kind",
    "wrong_length",
    "strange_numbers",
)


def ends_well(capsys, *verb):
    code = run(list(map(str, verb)))
    said = capsys.readouterr()
    assert code != FAULT, said.err
    assert code == 0 or said.err.startswith("error: ") or "NOT valid" in said.out
    assert "Traceback" not in said.err


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_damaged_session_is_read_or_refused(recorded, damage, seed, capsys):
    SESSION[damage](recorded.path, np.random.default_rng(seed))
    for verb in ("status", "contents", "history"):
        ends_well(capsys, verb, recorded.path)


@pytest.mark.parametrize("damage", ["remove_object", "wrong_kind", "soft_link_cycle"])
def test_a_damaged_session_is_validated_and_exported_or_refused(recorded, damage, tmp_path, capsys):
    SESSION[damage](recorded.path, np.random.default_rng(3))
    ends_well(capsys, "validate", recorded.path)
    ends_well(capsys, "export", recorded.path, "--zarr", tmp_path / "x.zarr")


@pytest.mark.parametrize("seed", range(12))
def test_spoiled_yaml_is_read_or_refused(recorded, seed, tmp_path, capsys):
    text = tmp_path / "meta.yaml"
    text.write_text("Subject:\n  sex: F\n")
    TEXTS["yaml"](text, np.random.default_rng(seed))
    ends_well(capsys, "describe", recorded.path, text)
    ends_well(capsys, "batch", text, "--check")


@pytest.mark.parametrize("seed", range(6))
def test_a_spoiled_spreadsheet_is_read_or_refused(recorded, seed, tmp_path, capsys):
    table = tmp_path / "rois.csv"
    table.write_text("roi,decision,reviewer\n0,accept,Ann\n")
    TEXTS["csv"](table, np.random.default_rng(seed))
    ends_well(capsys, "import", table, recorded.path)
    ends_well(capsys, "batch", table, "--check")
