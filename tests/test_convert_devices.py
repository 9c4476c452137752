"""Several scopes and cameras in one recording, and what segments keep: values, not names."""

import json
import os

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO

from ace_nwb.cli import run
from ace_nwb.conversion import convert
from ace_nwb.interfaces.imaging_segments import join_recordings
from ace_nwb.interfaces.onix.miniscope import read_recording
from ace_nwb.interfaces.sources import SourceOptions
from tests.fixtures.recordings import (
    METADATA,
    START,
    draw_frames,
    make_tiny_recording,
    write_base,
    write_device,
)
from tests.simulators.onix import write_acquisition

SCOPES = {"Left": (7, 18, 26), "Right": (12, 10, 14)}
CAMERAS = {"Side Cam": (6, 12, 16), "Top Cam": (11, 14, 20)}


def frames_of(name: str) -> np.ndarray:
    shape = (SCOPES | CAMERAS)[name]
    return draw_frames(*shape, seed=sum(shape))


def stamps_of(name: str) -> np.ndarray:
    n_frames = (SCOPES | CAMERAS)[name][0]
    return 10 + n_frames + 50 * np.arange(n_frames)


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Two scopes and two cameras, their movie files last modified in reverse order."""
    folder = tmp_path_factory.mktemp("several") / "15_26_31"
    write_base(folder, list(SCOPES), list(CAMERAS))
    for name in [*SCOPES, *CAMERAS]:
        device = folder / name.replace(" ", "_")
        kind = "WebCam" if name in CAMERAS else "Miniscope_V4_BNO"
        write_device(device, frames_of(name), stamps_of(name), per_file=1, device_type=kind)
        settings = json.loads((device / "metaData.json").read_text())
        settings |= {"gain": len(name), "ledsOn": [0, len(name)]}
        (device / "metaData.json").write_text(json.dumps(settings))
        for age, path in enumerate(sorted(device.glob("*.avi"), key=lambda p: int(p.stem))):
            os.utime(path, (1e9 - age, 1e9 - age))
    for number, name in enumerate(SCOPES):
        rows = [f"{stamp},{1 - number},0,0,{number}" for stamp in stamps_of(name)]
        text = "\n".join(["Time Stamp (ms),qw,qx,qy,qz", *rows]) + "\n"
        (folder / name / "headOrientation.csv").write_text(text)
    (folder / "notes.csv").write_text(
        "Time Stamp (ms), Note\n90,Right,gain,5\n95,Side_Cam,led0,7\n"
    )
    path = convert(folder, folder.parent / "out.nwb", metadata=METADATA)
    with NWBHDF5IO(path, "r") as io:
        yield path, io.read()


@pytest.mark.parametrize("name", SCOPES)
def test_every_scope_has_its_own_pixels_times_ledger_and_orientation(several, name):
    _path, nwbfile = several
    series = nwbfile.acquisition[f"OnePhotonSeries{name}"]
    assert np.array_equal(series.data[:].transpose(0, 2, 1), frames_of(name))
    times = stamps_of(name) / 1000
    stored = series.starting_time + np.arange(len(times)) / series.rate if series.rate else None
    assert (series.timestamps[:] if stored is None else stored) == pytest.approx(times, abs=1e-9)
    assert series.imaging_plane.name == f"ImagingPlane{name}"
    assert series.imaging_plane.device.name == name
    ledger = nwbfile.processing["sync"][f"FrameLedger{name}"][:]
    assert np.array_equal(ledger["device_time_s"], times)
    assert ledger["file"].tolist() == [f"{name}/{n}.avi" for n in range(len(times))]
    head = nwbfile.processing["behavior"][f"HeadOrientation{name}"]
    number = list(SCOPES).index(name)
    assert head.data[:].tolist() == [[1 - number, 0, 0, number]] * len(times)


@pytest.mark.parametrize("name", CAMERAS)
def test_every_camera_has_its_own_files_times_and_ledger(several, name):
    path, nwbfile = several
    series = nwbfile.acquisition[name.replace(" ", "")]
    n_frames = CAMERAS[name][0]
    folder = name.replace(" ", "_")
    expected = [f"15_26_31/{folder}/{n}.avi" for n in range(n_frames)]
    assert series.external_file[:].tolist() == expected
    assert all((path.parent / file).is_file() for file in expected)
    assert series.starting_frame[:].tolist() == list(range(n_frames))
    assert np.array_equal(series.timestamps[:], stamps_of(name) / 1000)
    assert series.device.name == series.name
    ledger = nwbfile.processing["sync"][f"FrameLedger{series.name}"][:]
    assert np.array_equal(ledger["device_time_s"], stamps_of(name) / 1000)


def test_settings_of_every_device_and_their_changes_are_told_apart(several):
    _path, nwbfile = several
    table = nwbfile.processing["misc"]["DeviceSettings"][:].set_index(["device", "setting"])
    for name in [*SCOPES, *CAMERAS]:
        device = name.replace(" ", "")
        assert table["value"][device, "gain"] == str(len(name))
        assert table["value"][device, "ledsOn"] == f"[0, {len(name)}]"
        n_columns = (SCOPES | CAMERAS)[name][2]
        assert table["value"][device, "ROI.width"] == str(n_columns)
    changes = nwbfile.events["ControlChanges"][:]
    assert changes["timestamp"].tolist() == [0.09, 0.095]
    rows = changes[["device", "control", "value"]].to_numpy().tolist()
    assert rows == [["Right", "gain", "5"], ["SideCam", "led0", "7"]]


def test_inspect_prints_every_device_as_json(several, capsys):
    path, _nwbfile = several
    assert run(["inspect", str(path.parent / "15_26_31"), "--json"]) == 0
    (recording,) = json.loads(capsys.readouterr().out)["recordings"]
    counted = {movie["device"]: movie["n_frames"] for movie in recording["movies"]}
    assert counted == {name: shape[0] for name, shape in (SCOPES | CAMERAS).items()}


def test_settings_that_differ_between_segments_are_changes_where_the_later_one_began(tiny):
    second = make_tiny_recording(tiny.folder.parent / "15_36_31")
    start = START | {"minute": 36, "msecSinceEpoch": START["msecSinceEpoch"] + 600_000}
    content = {"animalName": "m1", "miniscopes": ["My Scope"], "recordingStartTime": start}
    (second.folder / "metaData.json").write_text(json.dumps(content))
    settings = json.loads((second.scope / "metaData.json").read_text()) | {"gain": "Low"}
    (second.scope / "metaData.json").write_text(json.dumps(settings))
    options = SourceOptions(segments=True)
    out = tiny.folder.parents[1] / "o.nwb"
    with h5py.File(convert(tiny.folder.parent, out, metadata=METADATA, options=options)) as h5:
        changes = h5["events/ControlChanges"]
        assert changes["timestamp"][:].tolist() == [600.0]
        found = [changes[name].asstr()[0] for name in ("device", "control", "value")]
        assert found == ["MyScope", "gain", "Low"]


def test_slow_signals_of_all_segments_are_joined(tmp_path):
    for name in ("a", "b"):
        write_acquisition(tmp_path / name)
    (start,) = (tmp_path / "b").glob("start-time*")
    start.write_text(start.read_text().replace("12:34:56", "12:44:56"))
    parts = [read_recording(tmp_path / name) for name in ("a", "b")]
    joined = join_recordings(parts, base_path=tmp_path).scopes[0]
    alone = parts[0].scopes[0].signals
    assert [signal.name for signal in joined.signals] == [signal.name for signal in alone]
    for signal, part in zip(joined.signals, alone, strict=True):
        assert np.array_equal(signal.values, np.concatenate([part.values, part.values]))
        both = np.concatenate([part.times_s, part.times_s + 600])
        assert signal.times_s == pytest.approx(both, abs=1e-9)
    assert joined.clock is None  # the counts of the second began anew
