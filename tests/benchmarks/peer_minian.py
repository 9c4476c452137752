"""minian on one movie of the table, in the order of its documentation: run by the Python with it.

Thresholds as its documentation has them, sizes set to the cell's. Processor time is that of this
process and its workers, counted after the imports.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

N_WORKERS = 2


def main() -> None:
    folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    scratch = tempfile.mkdtemp(dir=folder)
    os.environ["MINIAN_INTERMEDIATE"] = scratch
    import dask
    from dask.distributed import Client, LocalCluster

    dask.config.set({"distributed.worker.memory.terminate": False})
    cluster = LocalCluster(
        n_workers=N_WORKERS,
        threads_per_worker=1,
        memory_limit="4GB",
        resources={"MEM": 1},
        dashboard_address=None,
    )
    client = Client(cluster)
    started = _processor_seconds(client)
    found = run(np.load(folder / "movie.npy"), scratch, settings["cell_diameter_px"])
    cpu_s = _processor_seconds(client) - started
    client.close()
    cluster.close()
    np.savez(folder / "minian.npz", cpu_s=cpu_s, **found)
    shutil.rmtree(scratch)


def _processor_seconds(client) -> float:
    """Return the processor time of this process and all workers so far."""
    own = sum(os.times()[:2])
    return own + sum(client.run(lambda: sum(os.times()[:4])).values())


def run(frames: np.ndarray, scratch: str, diameter_px: float) -> dict[str, np.ndarray]:
    import xarray as xr
    from minian import cnmf, initialization, motion_correction, preprocessing
    from minian.utilities import get_optimal_chk, save_minian

    def keep(array, name, **chunks):
        options = {"chunks": chunks, "mem_limit": "1GB"} if chunks else {}
        return save_minian(array.rename(name), dpath=scratch, overwrite=True, **options)

    names = ("frame", "height", "width")
    coords = {name: np.arange(size) for name, size in zip(names, frames.shape, strict=True)}
    movie = xr.DataArray(frames, dims=names, coords=coords)
    size, _ = get_optimal_chk(movie.chunk({"frame": 200}), dtype=float)
    movie = keep(movie.chunk({"frame": size["frame"], "height": -1, "width": -1}), "varr")
    movie = movie - movie.min("frame").compute()
    movie = preprocessing.denoise(movie, method="median", ksize=7)
    movie = preprocessing.remove_background(movie, method="tophat", wnd=round(1.25 * diameter_px))
    movie = keep(movie, "reference")
    motion = keep(
        motion_correction.estimate_motion(movie, dim="frame").chunk({"frame": size["frame"]}),
        "motion",
    )
    by_frame = keep(
        motion_correction.apply_transform(movie, motion, fill=0).astype(np.float32), "by_frame"
    )
    by_pixel = keep(by_frame, "by_pixel", frame=-1, height=size["height"], width=size["width"])
    highest = keep(by_frame.max("frame"), "highest").compute()
    seeds = initialization.seeds_init(
        by_frame, wnd_size=1000, method="rolling", stp_size=500, max_wnd=15, diff_thres=3
    )
    seeds, _, _ = initialization.pnr_refine(by_pixel, seeds, noise_freq=0.06, thres=1)
    seeds = initialization.ks_refine(by_pixel, seeds, sig=0.05)
    seeds = seeds[seeds["mask_ks"] & seeds["mask_pnr"]].reset_index(drop=True)
    seeds = initialization.seeds_merge(
        by_pixel, highest, seeds, thres_dist=10, thres_corr=0.8, noise_freq=0.06
    )
    seeds = seeds[seeds["mask_mrg"]]
    footprints = keep(
        initialization.initA(by_pixel, seeds, thres_corr=0.8, wnd=10, noise_freq=0.06), "A_first"
    )
    traces = keep(initialization.initC(by_frame, footprints), "C_first", unit_id=1, frame=-1)
    footprints, traces = cnmf.unit_merge(footprints, traces, thres_corr=0.8)
    footprints, traces = keep(footprints, "A"), keep(traces, "C")
    by_time = keep(traces, "C_by_time", unit_id=-1, frame=size["frame"])
    noise = keep(cnmf.get_noise_fft(by_pixel, noise_range=(0.06, 0.5)), "noise")
    for number, overlap in enumerate((0.2, 0.4)):
        updated, mask, scale = cnmf.update_spatial(
            by_pixel, footprints, traces, noise, dl_wnd=10, sparse_penal=0.01, size_thres=(25, None)
        )
        traces = keep((traces.sel(unit_id=mask) * scale), f"C_scaled{number}")
        by_time = keep((by_time.sel(unit_id=mask) * scale), f"C_by_time_scaled{number}")
        back, course = cnmf.update_background(by_frame, updated, by_time)
        footprints = keep(updated, f"A{number}", unit_id=1, height=-1, width=-1)
        back = keep(back, f"b{number}")
        course = keep(course.chunk({"frame": size["frame"]}), f"f{number}")
        raw = keep(
            cnmf.compute_trace(by_frame, footprints, back, by_time, course),
            f"raw{number}",
            unit_id=1,
            frame=-1,
        )
        calcium, spikes, level, start, _, _ = cnmf.update_temporal(
            footprints,
            traces,
            YrA=raw,
            noise_freq=0.06,
            sparse_penal=1,
            p=1,
            add_lag=20,
            jac_thres=overlap,
        )
        traces = keep(calcium.chunk({"unit_id": 1, "frame": -1}), f"C{number}")
        spikes = keep(spikes.chunk({"unit_id": 1, "frame": -1}), f"S{number}")
        fitted = keep((traces + level + start).chunk({"unit_id": 1, "frame": -1}), f"fit{number}")
        footprints = footprints.sel(unit_id=traces.coords["unit_id"].values)
        if number == 0:
            footprints, traces, _ = cnmf.unit_merge(footprints, traces, [fitted], thres_corr=0.8)
            footprints, traces = keep(footprints, "A_merged"), keep(traces, "C_merged")
        by_time = keep(traces, f"C_by_time{number}", unit_id=-1, frame=size["frame"])
    return {
        "masks": footprints.transpose("unit_id", "height", "width").compute().values,
        "denoised": traces.transpose("frame", "unit_id").compute().values,
        "raw": raw.sel(unit_id=traces.coords["unit_id"].values)
        .transpose("frame", "unit_id")
        .compute()
        .values,
        "spikes": spikes.transpose("frame", "unit_id").compute().values,
        "shifts": motion.sel(shift_dim=["height", "width"]).compute().values,
    }


if __name__ == "__main__":
    main()
