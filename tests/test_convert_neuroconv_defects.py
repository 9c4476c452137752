"""What NeuroConv's own Miniscope conversion gets wrong: ours is right, theirs is shown.

Theirs needs opencv-python-headless and ndx-miniscope; without them the tests are skipped. Should
one of these tests fail because NeuroConv has been mended, delete its half about NeuroConv.
"""

import json
import shutil
import warnings
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pytest

from ace_nwb.conversion import convert
from ace_nwb.errors import InputError
from tests.fixtures.recordings import (
    METADATA,
    TinyRecording,
    cut_file,
    draw_frames,
    make_tiny_recording,
    write_base,
    write_device,
    write_timestamps,
)

pytestmark = pytest.mark.interop
TRUE_START = datetime(2025, 6, 12, 19, 26, 31, 176000, UTC)
"""What msecSinceEpoch says; the local fields are four hours behind."""


@pytest.fixture
def tiny(tmp_path) -> TinyRecording:
    made = make_tiny_recording(tmp_path / "m1" / "2025_06_12" / "15_26_31")
    write_base(made.folder, ["My Scope"], ["Cam"])
    write_device(
        made.folder / "Cam", draw_frames(6, 20, 30), 10 + 50 * np.arange(6), device_type="WebCam"
    )
    return made


def convert_theirs(tiny: TinyRecording, out: Path) -> None:
    """Convert with their converter as its documentation says."""
    pytest.importorskip("cv2")
    pytest.importorskip("ndx_miniscope")
    from neuroconv.converters import MiniscopeConverter

    root = tiny.folder.parents[2]
    config = {
        "dataDirectory": ".",
        "directoryStructure": ["animalName", "date", "time"],
        "animalName": "m1",
        "devices": {
            "miniscopes": {"My_Scope": {"deviceType": "Miniscope_V4_BNO"}},
            "cameras": {"Cam": {"deviceType": "WebCam"}},
        },
    }
    (root / "UserConfigFile.json").write_text(json.dumps(config))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converter = MiniscopeConverter(
            folder_path=str(root), user_configuration_file_path=str(root / "UserConfigFile.json")
        )
        metadata = converter.get_metadata()
        metadata["NWBFile"]["session_description"] = "x"
        metadata["Subject"] = dict(METADATA["Subject"])
        converter.run_conversion(nwbfile_path=str(out), metadata=metadata, overwrite=True)


def read_start(path: Path) -> datetime:
    with h5py.File(path) as h5:
        return datetime.fromisoformat(h5["session_start_time"].asstr()[()])


def read_paths(path: Path) -> list[str]:
    found: list[str] = []
    with h5py.File(path) as h5:
        h5.visititems(
            lambda name, item: (
                found.extend(item.asstr()[()]) if name.endswith("external_file") else None
            )
        )
    return found


def read_times(path: Path) -> np.ndarray:
    with h5py.File(path) as h5:
        (name,) = (name for name in h5["acquisition"] if name.startswith("OnePhotonSeries"))
        series = h5["acquisition"][name]
        if "timestamps" in series:
            return series["timestamps"][:]
        start = series["starting_time"]
        return start[()] + np.arange(len(series["data"])) / start.attrs["rate"]


def test_the_session_starts_when_it_did(tiny, tmp_path):
    ours = convert(tiny.folder, tmp_path / "ours.nwb", metadata=METADATA)
    assert read_start(ours) == TRUE_START
    convert_theirs(tiny, tmp_path / "theirs.nwb")
    wrong = read_start(tmp_path / "theirs.nwb") - TRUE_START
    local = datetime(2025, 6, 12, 15, 26, 31).astimezone()
    assert abs(wrong - (local - TRUE_START)).total_seconds() < 1
    assert abs(wrong.total_seconds()) > 3600 or local.utcoffset() == -4 * 3600


def test_videos_are_found_where_the_file_goes(tiny, tmp_path):
    ours = convert(tiny.folder, tmp_path / "ours.nwb", metadata=METADATA)
    paths = read_paths(ours)
    assert paths
    assert not any(Path(path).is_absolute() for path in paths)
    assert all((tmp_path / path).is_file() for path in paths)
    convert_theirs(tiny, tmp_path / "theirs.nwb")
    assert all(Path(path).is_absolute() for path in read_paths(tmp_path / "theirs.nwb"))


def test_a_cut_movie_does_not_destroy_the_file_of_an_earlier_run(tiny, tmp_path):
    ours = convert(tiny.folder, tmp_path / "ours.nwb", metadata=METADATA)
    before = ours.read_bytes()
    whole = shutil.copytree(tiny.scope, tmp_path / "kept")
    cut_file(tiny.scope / "11.avi", 0.98)
    with pytest.raises(InputError, match=r"11\.avi is cut off"):
        convert(tiny.folder, ours, metadata=METADATA, overwrite=True)
    assert ours.read_bytes() == before
    shutil.copytree(whole, tiny.scope, dirs_exist_ok=True)
    theirs = tmp_path / "theirs.nwb"
    convert_theirs(tiny, theirs)
    n_bytes = theirs.stat().st_size
    cut_file(tiny.scope / "11.avi", 0.98)
    with pytest.raises(Exception):  # noqa: B017 - cv2.error, whatever its version
        convert_theirs(tiny, theirs)
    assert not theirs.exists() or theirs.stat().st_size < n_bytes


def test_shuffled_time_stamps_are_not_accepted(tiny, tmp_path):
    write_timestamps(tiny.scope, np.random.default_rng(0).permutation(tiny.stamps_ms))
    with pytest.raises(InputError, match="follows"):
        convert(tiny.folder, tmp_path / "ours.nwb", metadata=METADATA)
    assert not (tmp_path / "ours.nwb").exists()
    convert_theirs(tiny, tmp_path / "theirs.nwb")
    assert not (np.diff(read_times(tmp_path / "theirs.nwb")) > 0).all()
