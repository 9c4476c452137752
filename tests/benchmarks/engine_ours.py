"""Our engine on one movie of the table: `python -m tests.benchmarks.engine_ours FOLDER SETTINGS`.

Default parameters plus the cell diameter. Processor time is counted after the imports.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from ace_nwb.engines.base import EngineSettings
from ace_nwb.engines.cnmfe import extract
from ace_nwb.engines.evaluation import evaluate_components
from ace_nwb.imaging.bleaching import estimate_bleaching
from ace_nwb.imaging.corrected import CorrectedMovie
from ace_nwb.imaging.motion import estimate_motion
from ace_nwb.imaging.movie import ArrayMovie, no_progress
from ace_nwb.imaging.projections import compute_projections
from ace_nwb.stages.extract import engine_parameters
from ace_nwb.stages.settings.params import EvaluateParams, ExtractParams, MotionParams


def main() -> None:
    folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
    movie = ArrayMovie(np.load(folder / "movie.npy"), settings["frame_rate_hz"])
    workers = settings["workers"]
    clock = time.process_time()
    brightness = compute_projections(movie).median_brightness
    times = np.arange(movie.shape[0]) / movie.frame_rate_hz
    curve = estimate_bleaching(brightness, times, detrend="exponential")
    before = time.process_time()
    parameters = MotionParams().model_dump(exclude={"engine"})
    motion = estimate_motion(CorrectedMovie(movie, bleaching=curve), workers=workers, **parameters)
    corrected = CorrectedMovie(
        movie, bleaching=curve, shifts=motion.shifts, deviations=motion.deviations
    )
    params = ExtractParams(cell_diameter_px=settings["cell_diameter_px"])
    found = extract(
        corrected,
        settings=EngineSettings(workers=workers),
        progress=no_progress,
        **engine_parameters(params),
    )
    evaluation = EvaluateParams(cell_diameter_px=settings["cell_diameter_px"])
    metrics = evaluate_components(
        corrected, found, workers=workers, **evaluation.model_dump(exclude={"judge"})
    )
    cpu_s = time.process_time() - before
    kept = np.flatnonzero(metrics.accepted)
    np.savez(
        folder / "ours.npz",
        masks=found.image_masks()[kept],
        denoised=found.denoised[:, kept],
        raw=found.raw[:, kept],
        spikes=found.deconvolved[:, kept],
        shifts=motion.shifts,
        **({} if motion.deviations is None else {"deviations": motion.deviations}),
        cpu_s=cpu_s,
        cpu_before_s=before - clock,
    )


if __name__ == "__main__":
    main()
