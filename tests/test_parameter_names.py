"""Every parameter that people bring has a place here, and the page that says so is true."""

import re
from pathlib import Path

import pytest

import ace_nwb
from ace_nwb.stages.table import STAGES

PAGE = Path(ace_nwb.__file__).parent.parent / "docs" / "tasks" / "parameter_names.md"
PREDECESSOR = [
    "pw_rigid",
    "max_shifts",
    "gSig_filt",
    "strides",
    "overlaps",
    "max_deviation_rigid",
    "border_nan",
    "decay_time",
    "p",
    "gSig",
    "gSiz",
    "tsub",
    "ssub",
    "ssub_B",
    "ring_size_factor",
    "min_corr",
    "min_pnr",
    "rf",
    "stride",
    "merge_thr",
    "min_SNR",
    "rval_thr",
    "nb",
    "r_values_min",
    "n_processes",
    "coords_dict",
    "detrend_method",
    "secs_window",
    "quantile_min",
    "df_over_f_method",
    "derivative",
    "event_height",
    "n",
    "cut",
    "ftype",
    "window_length",
    "window_step",
    "freq_lims",
    "time_bandwidth",
]
TEXT = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
NAMES = sorted(set(re.findall(r"`([a-z]+\.[a-z_]+)`", TEXT)) - {"stage.name"})

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="runs in a checkout")


def rows() -> dict[str, str]:
    """Return name elsewhere -> name here, from the tables of the page."""
    found = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", TEXT, re.M)
    return dict(found)


@pytest.mark.parametrize("name", PREDECESSOR)
def test_every_parameter_of_the_predecessor_has_a_counterpart(name):
    assert name in rows()


@pytest.mark.parametrize("here", NAMES)
def test_every_name_on_the_page_exists(here):
    stage, _, name = here.partition(".")
    assert name in STAGES[stage].params.model_fields


def test_nothing_maps_to_thin_air():
    for here in rows().values():
        assert here.startswith("--") or here.partition(".")[0] in STAGES
