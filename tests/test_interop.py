"""The demo's session file, read and judged by programs that are not ours."""

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest
from nwbinspector import Importance, inspect_nwbfile, load_config

pytestmark = pytest.mark.interop


@pytest.fixture(autouse=True)
def others_may_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def stored(session, path):
    with h5py.File(session) as file:
        return file[path][:]


def test_pynwb_finds_no_schema_error(session):
    assert pynwb.validate(path=str(session)) == []


def test_nwb_inspector_finds_nothing_worse_than_a_suggestion(session):
    messages = list(
        inspect_nwbfile(
            nwbfile_path=str(session),
            config=load_config("dandi"),
            importance_threshold=Importance.BEST_PRACTICE_VIOLATION,
        )
    )
    assert not messages, [(m.check_function_name, m.location, m.message) for m in messages]


def test_dandi_finds_no_error(session, tmp_path):
    dandiset = tmp_path / "000000"
    asset = dandiset / "sub-m001" / "sub-m001_ses-demo_behavior+ecephys+image+ophys.nwb"
    asset.parent.mkdir(parents=True)
    shutil.copy(session, asset)
    (dandiset / "dandiset.yaml").write_text("identifier: DANDI:000000\nname: demo\n")
    cameras = [path for path in session.parent.rglob("BehavCam_1") if path.is_dir()]
    with h5py.File(asset) as file:
        for name in file["/acquisition/BehavCam1/external_file"].asstr()[:]:
            target = (asset.parent / name).resolve()
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(cameras[0] / Path(name).name, target)
    code = (
        "import json, sys; from dandi.validate._core import validate\n"
        "found = [(str(r.severity), r.id, r.message) for r in validate(sys.argv[1])]\n"
        "print(json.dumps(found))"
    )
    environment = os.environ | {"NO_ET": "1", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(asset)],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found is not None
    bad = [f for f in found if "ERROR" in f[0] or "CRITICAL" in f[0]]
    assert not bad


def test_pynapple_reads_traces_and_phase_at_the_times_of_the_movie(session):
    import pynapple as nap

    data = nap.load_file(str(session))
    traces = data["DfOverF/RoiResponseSeries"]
    times = stored(session, "/acquisition/OnePhotonSeries/timestamps")
    np.testing.assert_allclose(np.asarray(traces.t), times, atol=1e-6)
    np.testing.assert_array_equal(
        np.asarray(traces.values),
        stored(session, "/processing/ophys/DfOverF/RoiResponseSeries/data"),
    )
    phase = np.asarray(data["CalciumPhase"].values)
    assert np.nanmax(np.abs(phase)) <= np.pi + 1e-6


def test_roiextractors_reads_footprints_traces_images_and_acceptance(session):
    from roiextractors import NwbSegmentationExtractor

    extractor = NwbSegmentationExtractor(str(session))
    table = "/processing/ophys/ImageSegmentation/PlaneSegmentation"
    masks = stored(session, f"{table}/image_mask").swapaxes(1, 2)
    np.testing.assert_allclose(np.moveaxis(extractor.get_roi_image_masks(), -1, 0), masks)
    raw = stored(session, "/processing/ophys/Fluorescence/RoiResponseSeries/data")
    traces = extractor.get_traces_dict()
    np.testing.assert_array_equal(traces["raw"], raw)
    assert all(traces[name].shape == raw.shape for name in ("dff", "denoised", "deconvolved"))
    assert extractor.get_images_dict()["correlation"].shape == masks.shape[1:]
    accepted = stored(session, f"{table}/accepted")
    assert sum(extractor.get_property("accepted", extractor.get_roi_ids())) == accepted.sum()


def test_roiextractors_reads_the_raw_movie_in_rows_and_columns(session):
    from roiextractors import NwbImagingExtractor

    extractor = NwbImagingExtractor(str(session), optical_series_name="OnePhotonSeries")
    movie = stored(session, "/acquisition/OnePhotonSeries/data")
    np.testing.assert_array_equal(
        extractor.get_series(start_sample=5, end_sample=9), movie[5:9].swapaxes(1, 2)
    )
