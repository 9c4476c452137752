"""Table of motion, extraction and evaluation on simulated families: quality, CPU time, memory.

Run it by hand: `python -m tests.benchmarks.engine_table medium small --seeds 1 2 3`.
Every movie runs in a process of its own, so that peak memory is its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

from ace_nwb.engines.base import EngineSettings
from ace_nwb.engines.cnmfe import extract
from ace_nwb.engines.evaluation import evaluate_components
from ace_nwb.imaging.bleaching import estimate_bleaching
from ace_nwb.imaging.corrected import CorrectedMovie
from ace_nwb.imaging.motion import estimate_motion
from ace_nwb.imaging.movie import ArrayMovie, no_progress
from ace_nwb.imaging.projections import compute_projections
from ace_nwb.simulation.families import FAMILIES, movie_spec
from ace_nwb.simulation.movie import simulate_movie
from ace_nwb.simulation.scoring import (
    correlate_traces,
    motion_rmse_px,
    rest_offset,
    score_footprints,
)
from ace_nwb.stages.params import EvaluateParams, ExtractParams, MotionParams

COLUMNS = (
    "family",
    "seed",
    "cells",
    "precision",
    "recall",
    "f1",
    "r_denoised",
    "r_raw",
    "motion_px",
    "cpu_s",
    "peak_mb",
)


def measure(family: str, seed: int, workers: int) -> dict[str, float | str]:
    """Run the pipeline on one movie with default parameters plus the cell diameter."""
    spec = movie_spec(family)
    frames, truth = simulate_movie(spec, seed)
    movie = ArrayMovie(frames, spec.frame_rate_hz)
    brightness = compute_projections(movie).median_brightness
    curve = estimate_bleaching(brightness, truth.frame_times_s, detrend="exponential")
    start = time.process_time()
    motion = estimate_motion(
        CorrectedMovie(movie, bleaching=curve), workers=workers, **MotionParams().model_dump()
    )
    corrected = CorrectedMovie(movie, bleaching=curve, shifts=motion.shifts)
    params = ExtractParams(cell_diameter_px=spec.cell_diameter_px).model_dump(exclude={"engine"})
    found = extract(
        corrected, settings=EngineSettings(workers=workers), progress=no_progress, **params
    )
    metrics = evaluate_components(
        corrected, found, workers=workers, **EvaluateParams().model_dump()
    )
    cpu_s = time.process_time() - start
    kept = np.flatnonzero(metrics.accepted)
    score = score_footprints(
        found.footprints[:, kept].T.tocsr(),
        truth,
        origin_px=tuple(rest_offset(motion.shifts, truth.displacement_px)),
    )
    denoised = correlate_traces(found.denoised[:, kept], truth.calcium, score.matches)
    raw = correlate_traces(found.raw[:, kept], truth.calcium, score.matches)
    return {
        "family": family,
        "seed": seed,
        "cells": score.n_counting,
        "precision": score.precision,
        "recall": score.recall,
        "f1": score.f1,
        "r_denoised": float(np.median(denoised)) if len(denoised) else float("nan"),
        "r_raw": float(np.median(raw)) if len(raw) else float("nan"),
        "motion_px": motion_rmse_px(motion.shifts, truth.displacement_px),
        "cpu_s": cpu_s,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Print one row per movie."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", default=["small", "hard"], choices=list(FAMILIES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--one", action="store_true", help="print one movie's row as JSON")
    options = parser.parse_args()
    if options.one:
        row = measure(options.families[0], options.seeds[0], options.workers)
        sys.stdout.write(json.dumps(row))
        return
    sys.stdout.write(" | ".join(COLUMNS) + "\n")
    for family in options.families:
        for seed in options.seeds:
            command = [sys.executable, "-m", "tests.benchmarks.engine_table", family]
            command += ["--seeds", str(seed), "--workers", str(options.workers), "--one"]
            row = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            cells = (row[c] if isinstance(row[c], str) else f"{row[c]:.4g}" for c in COLUMNS)
            sys.stdout.write(" | ".join(cells) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
