"""CaImAn, called directly, on one movie of the table: run by the Python that has it.

Its own motion correction, CNMF-E and evaluation, thresholds and downsampling at the best setting
known for these movies. Processor time is counted after the imports.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

BEST = {"min_corr": 0.6, "min_pnr": 6.0, "ssub": 2, "gSig_filt": 7}


def main() -> None:
    folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    sys.path.insert(0, settings["child_folder"])
    import child  # only for its substitute where tensorflow is missing

    child._pretend_tensorflow()
    scratch = tempfile.mkdtemp(dir=folder)
    os.environ["CAIMAN_TEMP"] = os.environ["CAIMAN_DATA"] = scratch
    import caiman
    from caiman.motion_correction import MotionCorrect
    from caiman.source_extraction.cnmf import cnmf, params

    frames = np.load(folder / "movie.npy").astype(np.float32)
    np.save(f"{scratch}/raw.npy", frames)
    width = round(settings["cell_diameter_px"] / 4)
    options = params.CNMFParams(
        params_dict={
            "data": {"fr": settings["frame_rate_hz"], "decay_time": 0.4},
            "motion": {
                "pw_rigid": False,
                "max_shifts": [20, 20],
                "gSig_filt": [BEST["gSig_filt"]] * 2,
                "border_nan": "copy",
            },
            "init": {
                "K": None,
                "nb": 0,
                "method_init": "corr_pnr",
                "center_psf": True,
                "normalize_init": False,
                "gSig": [width] * 2,
                "gSiz": [4 * width + 1] * 2,
                "min_corr": BEST["min_corr"],
                "min_pnr": BEST["min_pnr"],
                "ring_size_factor": 1.4,
                "tsub": 2,
                "ssub": BEST["ssub"],
                "ssub_B": 2,
            },
            "patch": {
                "rf": 40,
                "stride": 20,
                "nb_patch": 0,
                "only_init": True,
                "low_rank_background": None,
                "del_duplicates": True,
                "border_pix": 0,
            },
            "merging": {"merge_thr": 0.7},
            "preprocess": {"p": 1},
            "temporal": {"p": 1, "method_deconvolution": "oasis"},
            "spatial": {"update_background_components": True},
            "quality": {"min_SNR": 2.5, "rval_thr": 0.85, "use_cnn": False},
        }
    )
    clock = time.process_time()
    motion = MotionCorrect(f"{scratch}/raw.npy", dview=None, **options.get_group("motion"))
    motion.motion_correct(save_movie=True)
    path = caiman.save_memmap(motion.fname_tot_rig, base_name="memmap_", order="C", border_to_0=0)
    pixels, dims, n_frames = caiman.load_memmap(path)
    images = pixels.T.reshape((n_frames, *dims), order="F")
    model = cnmf.CNMF(1, params=options)
    model.fit(images)
    found = model.estimates
    found.evaluate_components(images, model.params)
    cpu_s = time.process_time() - clock
    kept = found.idx_components
    masks = found.A.toarray().T.reshape((-1, *dims), order="F")
    np.savez(
        folder / "caiman.npz",
        masks=masks[kept],
        denoised=found.C[kept].T,
        raw=(found.C + found.YrA)[kept].T,
        spikes=found.S[kept].T,
        shifts=np.asarray(motion.shifts_rig),
        cpu_s=cpu_s,
    )
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
