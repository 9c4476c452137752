"""Our parameters in CaImAn's words."""

import pytest

from ace_nwb.engines.caiman.parameters import (
    DEFAULTS,
    EXTRACTION,
    FIXED_EXTRACTION,
    FIXED_MOTION,
    MOTION,
    translate,
)
from ace_nwb.stages.extract import engine_parameters
from ace_nwb.stages.settings.params import ExtractParams, MotionParams


def groups(**chosen):
    params = ExtractParams(engine="caiman", **chosen)
    return translate(
        EXTRACTION, engine_parameters(params), fixed=FIXED_EXTRACTION, frame_rate_hz=20.0
    )


def test_every_parameter_of_the_stage_is_translated_and_no_other():
    ours = set(engine_parameters(ExtractParams(engine="caiman")))
    assert ours == {entry.name for entry in EXTRACTION}
    assert set(MotionParams.model_fields) >= {entry.name for entry in MOTION}


def test_no_place_in_caiman_is_written_twice():
    places = [(entry.group, entry.caiman_name) for entry in (*EXTRACTION, *MOTION)]
    fixed = [
        (group, name)
        for values in (FIXED_EXTRACTION, FIXED_MOTION)
        for group, names in values.items()
        for name in names
    ]
    assert len(set(places + fixed)) == len(places + fixed)


def test_customary_sizes_of_a_cell_of_twelve_pixels():
    found = groups(cell_diameter_px=12)
    assert found["init"]["gSig"] == [3, 3]
    assert found["init"]["gSiz"] == [13, 13]


@pytest.mark.parametrize(("diameter_px", "sigma"), [(2.5, 1), (10, 2), (20, 5)])
def test_sizes_follow_the_diameter(diameter_px, sigma):
    found = groups(cell_diameter_px=diameter_px)
    assert found["init"]["gSig"] == [sigma] * 2
    assert found["init"]["gSiz"] == [4 * sigma + 1] * 2


def test_values_arrive_where_caiman_looks_for_them():
    found = groups(
        min_correlation=0.7,
        min_peak_to_noise=8.0,
        autoregressive_order=2,
        merge_correlation=0.6,
        decay_time_s=0.8,
        caiman_patch_radius_px=30,
        caiman_patch_overlap_px=12,
        caiman_spatial_downsampling=1,
    )
    assert (found["init"]["min_corr"], found["init"]["min_pnr"]) == (0.7, 8.0)
    assert found["preprocess"]["p"] == found["temporal"]["p"] == 2
    assert found["merging"]["merge_thr"] == 0.6
    assert found["data"] == {"fr": 20.0, "decay_time": 0.8}
    assert (found["patch"]["rf"], found["patch"]["stride"]) == (30, 12)
    assert found["init"]["ssub"] == 1
    assert found["quality"]["use_cnn"] is False


def test_what_our_engine_takes_from_the_data_has_a_value_for_caiman():
    found = groups()
    assert found["init"]["min_corr"] == DEFAULTS["min_correlation"]
    assert found["init"]["min_pnr"] == DEFAULTS["min_peak_to_noise"]
    assert found["data"]["decay_time"] == DEFAULTS["decay_time_s"]


def test_no_patches_are_no_patches():
    assert groups(caiman_patch_radius_px=None)["patch"]["rf"] is None


def test_translating_leaves_the_fixed_groups_alone():
    groups(min_correlation=0.9)
    assert "min_corr" not in FIXED_EXTRACTION["init"]


def test_motion_is_translated():
    found = translate(
        MOTION,
        {"max_shift_px": 12, "filter_radius_px": 12.0},
        fixed=FIXED_MOTION,
        frame_rate_hz=20.0,
    )
    assert found["motion"]["max_shifts"] == [12, 12]
    assert found["motion"]["gSig_filt"] == [7, 7]
    assert found["motion"]["pw_rigid"] is False


def test_the_engine_of_ours_is_not_given_what_belongs_to_caiman():
    assert not {"patch_radius_px", "caiman_patch_radius_px"} & set(
        engine_parameters(ExtractParams())
    )
