"""The verb `tune` without a browser."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ace_nwb.cli.console import print_json, print_table, progress_bar, say
from ace_nwb.forms.commands import quoted


@Parameter(name="*")
@dataclass(frozen=True)
class Headless:
    """Find parameters without a browser.

    Parameters
    ----------
    headless
        Write pictures, tables and proposed parameters into a folder instead of opening a page.
    out
        The folder; by default the file's name with `_tuning` beside the file.
    cell_diameter
        Diameter of a cell to begin with, pixels; by default that of the session's parameters.
    seconds
        Length of the stretch from the middle of the movie that is looked at.
    save
        Record the proposed parameters in the session for the next run.
    json
        Print JSON for scripts.
    """

    headless: Annotated[bool, Parameter(negative="")] = False
    out: Path | None = None
    cell_diameter: float | None = None
    seconds: float = 120.0
    save: Annotated[bool, Parameter(negative="")] = False
    json: Annotated[bool, Parameter(negative="")] = False


def tune_headless(file: Path, options: Headless) -> None:
    """Tune a session without a browser and say what to set."""
    from ace_nwb.tuning.headless import tune, tuning_content
    from ace_nwb.tuning.pictures import trial_name

    folder = options.out or file.with_name(f"{file.stem}_tuning")
    with progress_bar("tune") as progress:
        result = tune(
            file,
            folder,
            cell_diameter_px=options.cell_diameter,
            seconds=options.seconds,
            progress=progress,
        )
    if options.save:
        _record(file, result.parameters)
    if options.json:
        print_json(tuning_content(result))
        return
    columns = ("trial", "ROIs", "accepted", "SNR", "r value", "score", "")
    rows = [
        (
            trial_name(trial),
            trial.n_rois,
            trial.n_accepted,
            f"{trial.median_snr:.1f}",
            f"{trial.median_r_value:.2f}",
            f"{trial.score:.1f}",
            "proposed" if trial is result.best else "",
        )
        for trial in result.trials
    ]
    print_table(columns, rows, title=f"Trials on {result.box.shape} px")
    limits = result.proposal.thresholds
    say(
        f"{len(result.proposal.seeds)} seeds in the whole field at correlation "
        f"{limits.min_correlation:.2f}, peak-to-noise {limits.min_peak_to_noise:.2f}."
    )
    say(f"Proposed: ace-nwb run {quoted(file)} {' '.join(result.settings)}")
    if options.save:
        say(f"Recorded in {file} for the next run.")
    say(f"Pictures and tables: {folder}")


def _record(file: Path, parameters: dict[str, float]) -> None:
    """Record "stage.parameter" -> value in the session."""
    from ace_nwb import pipeline

    values: dict[str, dict[str, float]] = {}
    for name, value in parameters.items():
        stage, _, parameter = name.partition(".")
        values.setdefault(stage, {})[parameter] = value
    pipeline.record_parameters(file, values, source="tuned")
