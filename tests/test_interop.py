"""The demo's session file, read and judged by programs that are not ours."""

import json
import os
import shutil
import subprocess
import sys
import warnings
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pynwb
import pytest
from nwbinspector import Importance, inspect_nwbfile, load_config
from pynwb import NWBHDF5IO

from ace_nwb.pipeline import process

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


def test_pynapple_reads_traces_and_phase_at_the_times_of_the_movie(session_copy):
    import pynapple as nap

    process(session_copy, "filter", {"mask_edges": False})  # 20 s are all edge at .1 Hz
    process(session_copy, "phase")
    data = nap.load_file(str(session_copy))
    traces = data["DfOverF/RoiResponseSeries"]
    times = stored(session_copy, "/acquisition/OnePhotonSeries/timestamps")
    np.testing.assert_allclose(np.asarray(traces.t), times, atol=1e-6)
    np.testing.assert_array_equal(
        np.asarray(traces.values),
        stored(session_copy, "/processing/ophys/DfOverF/RoiResponseSeries/data"),
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


def test_spikeinterface_reads_the_ephys_in_microvolts(session):
    from spikeinterface.extractors import read_nwb_recording

    path = "acquisition/ElectricalSeries0"
    recording = read_nwb_recording(session, electrical_series_path=path)
    with h5py.File(session) as file:
        data = file[f"{path}/data"]
        expected_uv = data[100:200] * (data.attrs["conversion"] * 1e6)
    read_uv = recording.get_traces(start_frame=100, end_frame=200, return_in_uV=True)
    np.testing.assert_allclose(read_uv, expected_uv, rtol=1e-5)


def test_chunks_and_masks_suit_viewers_that_read_over_the_web(session):
    with h5py.File(session) as file:
        masks = file["/processing/ophys/ImageSegmentation/PlaneSegmentation/image_mask"]
        assert masks.chunks[0] == 1  # one ROI at a time
        for path in ("/acquisition/OnePhotonSeries/data", "/acquisition/ElectricalSeries0/data"):
            data = file[path]
            assert np.prod(data.chunks) * data.dtype.itemsize < 4e6, path
            assert data.compression == "gzip", path


def test_a_file_of_plain_neuroconv_runs_through_our_stages(session, tmp_path):
    from neuroconv.tools.nwb_helpers import get_default_nwbfile_metadata
    from neuroconv.tools.roiextractors import write_imaging_to_nwbfile
    from roiextractors import NumpyImagingExtractor

    movie = stored(session, "/acquisition/OnePhotonSeries/data").swapaxes(1, 2)[:250, ..., None]
    metadata = get_default_nwbfile_metadata()
    metadata["NWBFile"].update(
        session_start_time=datetime(2025, 1, 1, tzinfo=UTC), session_description="Not by us."
    )
    named = {"default_metadata_key": {"name": "OnePhotonSeries"}}
    metadata["Ophys"] = {"MicroscopySeries": named}
    path = tmp_path / "theirs.nwb"
    write_imaging_to_nwbfile(
        imaging=NumpyImagingExtractor(timeseries=movie, sampling_frequency=20.0),
        nwbfile_path=path,
        metadata=metadata,
        photon_series_type="OnePhotonSeries",
        overwrite=True,
    )
    for stage in ("preprocess", "motion", "summary", "extract", "evaluate"):
        assert process(path, stage).action == "ran"
    process(path, "dff", {"window_s": 8.0})
    with NWBHDF5IO(path, "r") as io:
        ophys = io.read().processing["ophys"]
        table = ophys["ImageSegmentation"]["PlaneSegmentation"]
        assert sum(table["accepted"][:]) >= 3
        assert ophys["DfOverF"]["RoiResponseSeries"].data.shape == (250, len(table))
    assert pynwb.validate(path=str(path)) == []
