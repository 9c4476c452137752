"""Corrupt recordings: a clear error or a correct ledger, never a traceback or half a file.

Thirty examples here; `ACE_NWB_EXAMPLES=200 pytest tests/test_convert_corrupt.py` for more.
"""

import os
import shutil
import tempfile
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings

from ace_nwb.conversion import convert
from ace_nwb.errors import AceNwbError
from ace_nwb.inspection import inspect_folder
from ace_nwb.interfaces.policies import parse_policies
from ace_nwb.interfaces.sources import SourceOptions
from tests.fixtures.corruption import corrupt, corruptions
from tests.fixtures.recordings import METADATA, START, draw_frames, write_base, write_device

N_EXAMPLES = int(os.environ.get("ACE_NWB_EXAMPLES", "30"))
N_FRAMES = 14
STATED = METADATA | {
    "NWBFile": {"session_description": "x", "session_start_time": "2025-06-12T15:26:31-04:00"}
}


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "15_26_31"
    write_base(folder, ["S"])
    stamps = 40 + 50 * np.arange(N_FRAMES) + np.arange(N_FRAMES) % 4
    write_device(folder / "S", draw_frames(N_FRAMES), stamps, daq_frames=np.arange(N_FRAMES))
    rows = "".join(f"{stamp},1,0,0,0\n" for stamp in stamps)
    (folder / "S" / "headOrientation.csv").write_text(f"Time Stamp (ms),qw,qx,qy,qz\n{rows}")
    (folder / "notes.csv").write_text("Time Stamp (ms), Note\n100,eats\n200,S,led0,30\n")
    assert START["msec"] == 176
    return folder


@pytest.mark.parametrize("policies", [(), ("all=repair",)], ids=["default", "repair"])
def test_corrupt_recordings_are_refused_clearly_or_converted_rightly(template, policies):
    @settings(
        max_examples=N_EXAMPLES // 2,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @example(damages=[("json", "../metaData.json", "miniscopes", 10)])
    @example(damages=[("json", "../metaData.json", "cameras", 6)])
    @example(damages=[("flip", "0.avi", 1, 5)])
    @given(damages=corruptions)
    def run(damages):
        with tempfile.TemporaryDirectory() as made:
            folder = Path(shutil.copytree(template, Path(made) / "raw" / "15_26_31"))
            corrupt(folder / "S", damages)
            check(folder, Path(made) / "out", SourceOptions(policies=parse_policies(policies)))

    run()


def regular_times(series: h5py.Group) -> np.ndarray:
    """Cut or damaged rows can leave times that are exactly regular."""
    start = series["starting_time"]
    return start[()] + np.arange(len(series["data"])) / start.attrs["rate"]


def check(folder: Path, out_folder: Path, options: SourceOptions) -> None:
    """Inspect and convert; look at what came of it."""
    out_folder.mkdir()
    out = out_folder / "session.nwb"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inspect_folder(folder, options=options).to_text()
        try:
            convert(folder, out, metadata=STATED, options=options)
        except AceNwbError as error:
            message = str(error)
        else:
            message = None
    if message is not None:
        assert len(message) > 40
        assert list(out_folder.iterdir()) == []
        return
    with h5py.File(out) as h5:
        series = h5["acquisition/OnePhotonSeries"]
        times = series["timestamps"][:] if "timestamps" in series else regular_times(series)
        ledger = {name: column[:] for name, column in h5["processing/sync/FrameLedger"].items()}
        assert len(series["data"]) == len(times) == (ledger["movie_frame"] >= 0).sum()
        assert np.isfinite(times).all()
        assert (np.diff(times) > 0).all()
        assert b"root:" not in out.read_bytes()
