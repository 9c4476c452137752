"""Converted files please the validators and open in other programs."""

import warnings

import numpy as np
import pytest

from ace_nwb.conversion import convert
from ace_nwb.interfaces.data_interfaces import MiniscopeDaqInterface, NeuralynxInterface
from tests.fixtures.recordings import METADATA

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def toy_path(toy_source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dandiset")
    (folder / "sub-m001").mkdir()
    (folder / "dandiset.yaml").write_text(
        "identifier: DANDI:000000\nname: test\ndescription: test\n"
    )
    return convert(
        toy_source.miniscope_folder,
        folder / "sub-m001" / "sub-m001_ses-1_behavior+ecephys+image+ophys.nwb",
        ephys_folder=toy_source.ephys_folder,
        metadata=toy_source.metadata_path,
    )


def test_pynwb_validates_it(toy_path):
    import pynwb

    assert pynwb.validate(path=str(toy_path)) == []


def test_the_inspector_finds_nothing_above_a_suggestion(toy_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nwbinspector import Importance, inspect_nwbfile, load_config

        messages = list(
            inspect_nwbfile(
                nwbfile_path=toy_path,
                config=load_config("dandi"),
                importance_threshold=Importance.BEST_PRACTICE_SUGGESTION,
            )
        )
    worse = [m for m in messages if m.importance != Importance.BEST_PRACTICE_SUGGESTION]
    assert worse == []
    assert {m.check_function_name for m in messages} <= {
        "check_processing_module_name",
        "check_single_row",
    }


def test_dandi_finds_no_error_but_the_media_outside_its_folder(toy_path, monkeypatch):
    monkeypatch.setenv("NO_ET", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from dandi.validate._core import validate

        results = [r for r in validate(str(toy_path)) if r.severity is not None]
    errors = [r for r in results if r.severity.name in ("ERROR", "CRITICAL")]
    assert [(r.id, r.message) for r in errors if "media" not in str(r.id).lower()] == []


def test_roiextractors_reads_the_movie_the_right_way_round(toy_path):
    import h5py

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from roiextractors import NwbImagingExtractor

        extractor = NwbImagingExtractor(str(toy_path), optical_series_name="OnePhotonSeries")
        frames = extractor.get_series(start_sample=3, end_sample=9)
        shape = extractor.get_image_shape()
    assert tuple(shape) == (80, 96)
    with h5py.File(toy_path) as h5:
        expected = h5["acquisition/OnePhotonSeries/data"][3:9].transpose(0, 2, 1)
    assert np.array_equal(frames, expected)


def test_pynapple_opens_it(toy_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pynapple

        session = pynapple.load_file(str(toy_path))
        movie = session["OnePhotonSeries"]
        assert movie.shape == (397, 96, 80)
        assert session["HeadOrientation"].shape == (395, 4)


def test_neuroconv_converts_with_our_interfaces(tiny, toy_source, tmp_path):
    from neuroconv import ConverterPipe
    from pynwb import NWBHDF5IO

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converter = ConverterPipe(
            {
                "scope": MiniscopeDaqInterface(folder_path=tiny.folder),
                "ephys": NeuralynxInterface(folder_path=toy_source.ephys_folder),
            }
        )
        metadata = converter.get_metadata()
        metadata["NWBFile"]["session_description"] = "x"
        metadata["Subject"].update(METADATA["Subject"])
        path = tmp_path / "theirs.nwb"
        converter.run_conversion(nwbfile_path=path, metadata=metadata)
        with NWBHDF5IO(path, "r") as io:
            nwbfile = io.read()
            data = nwbfile.acquisition["OnePhotonSeries"].data[:]
            ephys = nwbfile.acquisition["ElectricalSeries1"].data[:]
            start = nwbfile.session_start_time
    assert np.array_equal(data.transpose(0, 2, 1), tiny.frames)
    assert start.isoformat() == "2025-06-12T15:26:31.176000-04:00"
    assert ephys.shape[1] == 3


def test_neuroconvs_own_interface_reads_the_same_pixels(tiny):
    pytest.importorskip("cv2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from neuroconv.datainterfaces import MiniscopeImagingInterface

        theirs = MiniscopeImagingInterface(folder_path=str(tiny.scope))
        frames = theirs.imaging_extractor.get_series(start_sample=0, end_sample=57)
    assert np.array_equal(np.asarray(frames).reshape(tiny.frames.shape), tiny.frames)
