"""The real CaImAn through our adapter gives what CaImAn gives: run where it is installed."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ace_nwb.engines.caiman.environment import VARIABLE, child_environment, find_environment
from ace_nwb.engines.caiman.parameters import EXTRACTION, FIXED_EXTRACTION, translate
from ace_nwb.stages.extract import engine_parameters
from ace_nwb.stages.settings.params import ExtractParams
from tests.conformance.test_engines import DIAMETER_PX, FIELD, make_movie, run

pytestmark = [
    pytest.mark.caiman,
    pytest.mark.skipif(
        not os.environ.get(VARIABLE), reason=f"{VARIABLE} does not name a Python with CaImAn"
    ),
]

DIRECTLY = """
import json, os, sys
import numpy as np
sys.path.insert(0, sys.argv[2])
import child
child._pretend_tensorflow()
import caiman
from caiman.source_extraction.cnmf import cnmf, params
job = json.load(open(sys.argv[1]))
frames = np.load(job["frames"])
n_rows, n_columns = frames.shape[1:]
name = f"direct_d1_{n_rows}_d2_{n_columns}_d3_1_order_C_frames_{len(frames)}.mmap"
written = np.memmap(name, np.float32, "w+", shape=(n_rows * n_columns, len(frames)))
for row in range(n_rows):
    for column in range(n_columns):
        written[row + n_rows * column] = frames[:, row, column]
written.flush()
pixels, dims, n_frames = caiman.load_memmap(os.path.abspath(name))
images = pixels.T.reshape((n_frames,) + dims, order="F")
assert np.array_equal(images, frames)
model = cnmf.CNMF(1, params=params.CNMFParams(params_dict=job["parameters"]))
model.fit(images)
found = model.estimates
found.dims = dims
found.evaluate_components(images, model.params)
np.savez(job["result"], C=found.C, YrA=found.YrA, S=found.S, snr=found.SNR_comp,
         masks=found.A.toarray().T.reshape((-1,) + dims, order="F"),
         background=found.compute_background(pixels).T.reshape(images.shape, order="F"))
"""


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What the engine gives, and what CaImAn gives when it is called by a script of its own."""
    folder = tmp_path_factory.mktemp("direct")
    frames, _ = make_movie(400, ((20.0, 40.0), (32.0, 14.0)))
    params = ExtractParams(
        engine="caiman",
        cell_diameter_px=DIAMETER_PX,
        caiman_spatial_downsampling=1,
        caiman_temporal_downsampling=1,
    )
    groups = translate(
        EXTRACTION, engine_parameters(params), fixed=FIXED_EXTRACTION, frame_rate_hz=20.0
    )
    np.save(folder / "frames.npy", frames)
    job = {"frames": str(folder / "frames.npy"), "result": str(folder / "result.npz")}
    (folder / "job.json").write_text(json.dumps(job | {"parameters": groups}))
    (folder / "direct.py").write_text(DIRECTLY)
    python = find_environment().python
    child = Path(find_environment.__code__.co_filename).parent
    subprocess.run(
        [str(python), str(folder / "direct.py"), str(folder / "job.json"), str(child)],
        check=True,
        capture_output=True,
        env=child_environment(python, folder),
        cwd=folder,
    )
    with np.load(folder / "result.npz") as file:
        return run("caiman", frames), dict(file), frames


def test_footprints_and_traces_are_those_of_caiman(both):
    ours, theirs, _ = both
    assert ours.n_rois == len(theirs["C"]) == 2
    np.testing.assert_allclose(ours.image_masks(), theirs["masks"], atol=1e-6)
    np.testing.assert_allclose(ours.denoised.T, theirs["C"], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(ours.raw.T, theirs["C"] + theirs["YrA"], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(ours.deconvolved.T, theirs["S"], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(ours.metrics["engine_snr"], theirs["snr"], rtol=1e-5)


def test_the_baseline_is_the_background_of_caiman_under_the_footprint(both):
    ours, theirs, frames = both
    masks = ours.image_masks().reshape(2, FIELD[0] * FIELD[1])
    expected = theirs["background"].reshape(len(frames), -1) @ masks.T
    np.testing.assert_allclose(ours.baseline, expected, rtol=1e-3)
