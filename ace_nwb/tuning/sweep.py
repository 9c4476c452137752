"""Trials of the extraction with one parameter changed at a time, on a small part of the movie."""

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ace_nwb.engines.base import EngineSettings
from ace_nwb.engines.cnmfe import extract
from ace_nwb.engines.cnmfe.seeds import SeedThresholds
from ace_nwb.engines.evaluation import evaluate_components
from ace_nwb.imaging.movie import Movie, ProgressCallback, no_progress

DIAMETER_FACTORS = (0.75, 1.33)  # a third more or less: the step at which results begin to differ
PEAK_TO_NOISE_FACTORS = (0.75, 1.33)
"""A third more or less: the step at which results begin to differ."""
CORRELATION_STEPS = (-0.15, 0.15)  # of the correlation, about a third of its usual threshold
CLEAR_GAIN = 1.05
"""A trial must be better by this factor to be preferred to the parameters tried first."""


@dataclass(frozen=True)
class Trial:
    """One extraction and its evaluation.

    Parameters
    ----------
    changed
        Which parameter differs from the first trial; empty for the first.
    cell_diameter_px, min_correlation, min_peak_to_noise
        What was tried; thresholds of None were proposed by the engine.
    n_rois, n_accepted
        Number of ROIs, and of those that pass the evaluation.
    median_snr, median_r_value, median_size_px
        Over the accepted ROIs; NaN if there are none.
    score
        Sum of the r values of the accepted ROIs: more real cells, better shaped, give more.
    cpu_s
        Processor time, seconds.
    """

    changed: str
    cell_diameter_px: float
    min_correlation: float | None
    min_peak_to_noise: float | None
    n_rois: int
    n_accepted: int
    median_snr: float
    median_r_value: float
    median_size_px: float
    score: float
    cpu_s: float


def trial_grid(
    cell_diameter_px: float, thresholds: SeedThresholds
) -> list[tuple[str, dict[str, float | None]]]:
    """Return (what is changed, parameters) of every trial, the unchanged ones first."""
    first: dict[str, float | None] = {
        "cell_diameter_px": cell_diameter_px,
        "min_correlation": None,
        "min_peak_to_noise": None,
    }
    trials = [("", first)]
    for factor in DIAMETER_FACTORS:
        diameter_px = max(2.5, round(factor * cell_diameter_px, 1))
        trials.append(("cell_diameter_px", first | {"cell_diameter_px": diameter_px}))
    for factor in PEAK_TO_NOISE_FACTORS:
        value = round(factor * thresholds.min_peak_to_noise, 2)
        trials.append(("min_peak_to_noise", first | {"min_peak_to_noise": value}))
    for step in CORRELATION_STEPS:
        value = round(min(0.98, max(0.0, thresholds.min_correlation + step)), 2)
        trials.append(("min_correlation", first | {"min_correlation": value}))
    return trials


def sweep(
    movie: Movie,
    trials: list[tuple[str, dict[str, float | None]]],
    *,
    extraction: dict[str, Any],
    evaluation: dict[str, Any],
    settings: EngineSettings | None = None,
    progress: ProgressCallback = no_progress,
) -> list[Trial]:
    """Run every trial on a movie.

    Parameters
    ----------
    movie
        A small one: every trial reads it several times.
    trials
        See `trial_grid`.
    extraction, evaluation
        The other parameters of the engine cnmfe and of `evaluate_components`.
    settings
        Workers and memory.
    progress
        Called with (trials done, number of trials).
    """
    results = []
    for changed, parameters in trials:
        results.append(
            _run_trial(
                movie,
                changed,
                extraction | parameters,
                evaluation=evaluation,
                settings=settings or EngineSettings(),
            )
        )
        progress(len(results), len(trials))
    return results


def best_trial(results: list[Trial]) -> Trial:
    """Return the trial with the highest score, the first one unless another is clearly better."""
    best = max(results, key=lambda trial: trial.score)
    return best if best.score > CLEAR_GAIN * results[0].score else results[0]


def trial_rows(results: list[Trial]) -> list[dict[str, Any]]:
    """Return the trials as rows of a table: name -> value."""
    return [asdict(trial) for trial in results]


def _run_trial(
    movie: Movie,
    changed: str,
    parameters: dict[str, Any],
    *,
    evaluation: dict[str, Any],
    settings: EngineSettings,
) -> Trial:
    clock = time.process_time()
    found = extract(movie, settings=settings, progress=no_progress, **parameters)
    evaluation = evaluation | {"cell_diameter_px": parameters["cell_diameter_px"]}
    metrics = evaluate_components(movie, found, workers=settings.workers, **evaluation)
    accepted = np.flatnonzero(metrics.accepted)

    def median(values: np.ndarray) -> float:
        return round(float(np.median(values[accepted])), 3) if len(accepted) else float("nan")

    return Trial(
        changed=changed,
        cell_diameter_px=parameters["cell_diameter_px"],
        min_correlation=parameters["min_correlation"],
        min_peak_to_noise=parameters["min_peak_to_noise"],
        n_rois=found.n_rois,
        n_accepted=len(accepted),
        median_snr=median(metrics.snr),
        median_r_value=median(metrics.r_value),
        median_size_px=median(metrics.size_px),
        score=round(float(metrics.r_value[accepted].sum()), 3),
        cpu_s=round(time.process_time() - clock, 2),
    )
