"""Tuning without a screen: pictures, tables and proposed parameters in a folder.

The session is only read; recording the proposal is up to the caller.
"""

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ace_nwb.engines.base import EngineSettings
from ace_nwb.imaging.cropping import CropBox
from ace_nwb.imaging.movie import Movie, ProgressCallback, no_progress
from ace_nwb.nwb.commit.new_file import as_text, make_folder, new_file, write_new
from ace_nwb.nwb.session import open_session
from ace_nwb.stages.common.corrected import open_corrected_movie
from ace_nwb.stages.extract import engine_parameters
from ace_nwb.stages.running.execution import SessionState, read_state
from ace_nwb.stages.running.status import previous_choices
from ace_nwb.stages.settings.params import EvaluateParams, ExtractParams, StageParams
from ace_nwb.stages.settings.texts import Choice, build_parameters, format_value
from ace_nwb.stages.table import STAGES
from ace_nwb.tuning import pictures
from ace_nwb.tuning.proposal import Proposal, propose
from ace_nwb.tuning.stretch import busiest_box, load_box, middle_stretch
from ace_nwb.tuning.sweep import Trial, best_trial, sweep, trial_grid, trial_rows

CROP_DIAMETERS = 10
"""Side of the square on which trials are made, in cell diameters."""

SWEPT = ("cell_diameter_px", "min_correlation", "min_peak_to_noise")


@dataclass(frozen=True)
class TuningOutcome:
    """The outcome: the images' proposal, the trials, and the parameters that are proposed.

    Parameters
    ----------
    proposal
        Images, thresholds and seeds.
    box
        Where the trials were made.
    trials, best
        All trials, and the one whose parameters are proposed.
    parameters
        "stage.parameter" -> value, only what is to be set.
    files
        What was written.
    """

    proposal: Proposal
    box: CropBox
    trials: list[Trial]
    best: Trial
    parameters: dict[str, Any]
    files: list[Path]

    @property
    def settings(self) -> list[str]:
        """The options that give these parameters to `ace-nwb run`."""
        return [f"--set {name}={format_value(value)}" for name, value in self.parameters.items()]


def tune(
    nwb_path: Path,
    folder: Path,
    *,
    cell_diameter_px: float | None = None,
    seconds: float = 120.0,
    settings: EngineSettings | None = None,
    progress: ProgressCallback = no_progress,
) -> TuningOutcome:
    """Find parameters of the extraction and write what they rest on.

    Parameters
    ----------
    nwb_path
        A session file; it is only read.
    folder
        Where pictures and tables go; made if it is missing.
    cell_diameter_px
        Diameter to begin with, pixels; None takes that of the session's parameters.
    seconds
        Length of the stretch from the middle of the movie that is looked at.
    settings
        Workers and memory.
    progress
        Called with (trials done, number of trials).
    """
    settings = settings or EngineSettings()
    known = read_state(nwb_path)
    params = cast(ExtractParams, chosen_params(known, "extract"))
    evaluation = cast(EvaluateParams, chosen_params(known, "evaluate"))
    diameter_px = cell_diameter_px or params.cell_diameter_px
    with open_session(nwb_path) as session:
        movie = middle_stretch(open_corrected_movie(session, workers=settings.workers), seconds)
        proposal = propose(movie, cell_diameter_px=diameter_px, workers=settings.workers)
        box = busiest_box(
            proposal.seeds, movie.shape[1:], side_px=round(CROP_DIAMETERS * diameter_px)
        )
        small = load_box(movie, box)
    trials = try_out(
        small,
        proposal,
        params=params,
        evaluation=evaluation,
        settings=settings,
        progress=progress,
    )
    best = best_trial(trials)
    result = TuningOutcome(proposal, box, trials, best, proposed_parameters(best), [])
    return write_tuning(result, folder, params=params)


def chosen_params(known: SessionState, stage: str) -> StageParams:
    """Return the parameters that the next run of a stage would take."""
    choices: dict[str, Choice] = dict(previous_choices(STAGES[stage], known.runs))
    return build_parameters(STAGES[stage], choices | known.waiting.get(stage, {}))


def try_out(
    movie: Movie,
    proposal: Proposal,
    *,
    params: ExtractParams,
    evaluation: EvaluateParams,
    settings: EngineSettings,
    progress: ProgressCallback = no_progress,
) -> list[Trial]:
    """Run the trials around a proposal on a small movie, with our own engine."""
    shared = engine_parameters(params.model_copy(update={"engine": "cnmfe"}))
    return sweep(
        movie,
        trial_grid(proposal.cell_diameter_px, proposal.thresholds),
        extraction={name: value for name, value in shared.items() if name not in SWEPT},
        evaluation=evaluation.model_dump(exclude={"judge"}),
        settings=settings,
        progress=progress,
    )


def proposed_parameters(best: Trial) -> dict[str, Any]:
    """Return "stage.parameter" -> value of a trial; thresholds left to the engine are not set."""
    values: dict[str, Any] = {f"extract.{name}": getattr(best, name) for name in SWEPT}
    values["summary.cell_diameter_px"] = best.cell_diameter_px
    return {name: value for name, value in values.items() if value is not None}


def write_tuning(result: TuningOutcome, folder: Path, *, params: ExtractParams) -> TuningOutcome:
    """Write pictures and tables into a folder; return the result with their paths."""
    make_folder(folder)
    names = ["seeds.png", "thresholds.png", "trials.png", "trials.csv", "tuning.json"]
    pictures.draw_seeds(result.proposal, result.box, folder / "seeds.png")
    pictures.draw_histograms(result.proposal, folder / "thresholds.png")
    pictures.draw_trials(result.trials, result.best, folder / "trials.png")
    if params.engine == "caiman" and params.caiman_patch_radius_px is not None:
        names.append("patches.png")
        pictures.draw_patches(
            result.proposal.images.correlation,
            folder / "patches.png",
            radius_px=params.caiman_patch_radius_px,
            overlap_px=params.caiman_patch_overlap_px,
        )
    rows = trial_rows(result.trials)
    with new_file(folder / "trials.csv", replace=True) as stream, as_text(stream) as text:
        table = csv.DictWriter(text, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    content = tuning_content(result)
    write_new(folder / "tuning.json", json.dumps(content, indent=2) + "\n", replace=True)
    return TuningOutcome(
        result.proposal,
        result.box,
        result.trials,
        result.best,
        result.parameters,
        [folder / name for name in names],
    )


def tuning_content(result: TuningOutcome) -> dict[str, Any]:
    """Return the outcome for scripts; values that do not exist are null."""
    limits = result.proposal.thresholds
    return {
        "parameters": result.parameters,
        "settings": result.settings,
        "thresholds_proposed_by_the_images": {
            "min_correlation": round(limits.min_correlation, 3),
            "min_peak_to_noise": round(limits.min_peak_to_noise, 3),
        },
        "n_seeds": len(result.proposal.seeds),
        "seeds": result.proposal.seeds.tolist(),
        "trial_box": dict(zip(("rows", "columns"), _limits(result.box), strict=True)),
        "trials": [
            {name: None if _is_missing(value) else value for name, value in row.items()}
            for row in trial_rows(result.trials)
        ],
    }


def _is_missing(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _limits(box: CropBox) -> tuple[list[int], list[int]]:
    return [box.row_start, box.row_stop], [box.column_start, box.column_stop]
