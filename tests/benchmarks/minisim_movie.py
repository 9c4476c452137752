"""Writes a movie of the independent simulator minisim: run by the Python that has it.

`python minisim_movie.py FAMILY SEED FOLDER` writes movie.npy and minisim.npz; see engine_movies.py.
"""

import sys
from pathlib import Path

import numpy as np

RATE_HZ = 20.0
FAMILIES = {
    "small": {"side": 128, "frames": 1000, "density": 28000, "is_still": True},
    "medium": {"side": 256, "frames": 3000, "density": 24000},
    "dense": {"side": 256, "frames": 3000, "density": None},
    "hard": {"side": 128, "frames": 1500, "density": 28000, "photons": 60.0},
    "large": {"side": 480, "frames": 3000, "density": 24000},
    "empty": {"side": 256, "frames": 1500, "density": 120},
}


def simulate(family: str, seed: int, folder: Path) -> None:
    import minisim
    from minisim.presets import ca1, miniscope_v4

    spec = {"photons": 600.0, "is_still": False} | FAMILIES[family]
    scope = miniscope_v4()
    sensor = {"n_px_height": spec["side"], "n_px_width": spec["side"]}
    scope = scope.model_copy(update={"image_sensor": scope.image_sensor.model_copy(update=sensor)})
    region = ca1()
    if spec["density"]:
        population = {"density_per_mm3": float(spec["density"])}
        region = region.model_copy(
            update={"population": region.population.model_copy(update=population)}
        )
    steps = [] if spec["is_still"] else [minisim.BrainMotion(), minisim.Bleaching()]
    plan = minisim.build_spec(
        scope,
        region,
        duration_s=spec["frames"] / RATE_HZ,
        fps=RATE_HZ,
        seed=seed,
        sensor=minisim.Sensor(photons_per_unit=spec["photons"]),
        extra_steps=steps,
        include_neuropil=True,
    )
    recording = minisim.simulate(plan)
    truth = recording.ground_truth
    frames = np.asarray(recording.observed)
    np.save(folder / "movie.npy", frames.astype(np.uint8 if frames.max() <= 255 else np.uint16))
    shifts = truth.shifts if truth.shifts is not None else np.zeros((spec["frames"], 2))

    def light(values: np.ndarray | None) -> np.ndarray:
        return np.ones(1) if values is None else np.asarray(values)

    np.savez_compressed(
        folder / "minisim.npz",
        A=np.asarray(truth.A_observed, np.float16),
        C=truth.C,
        S=truth.S,
        shifts=shifts,
        bleaching=light(truth.bleaching),
        illum=light(truth.illumination),
        vig=light(truth.vignette),
        vess=light(truth.vasculature_mask),
        photons=spec["photons"],
    )


if __name__ == "__main__":
    simulate(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
