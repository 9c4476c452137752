"""Commands under `export` that write for other programs: job, estimates, tables, movie, ..."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from ace_nwb.cli.batch import Load, Slurm, slurm_options, worker_settings
from ace_nwb.cli.console import progress_bar, say
from ace_nwb.cli.exchange import export

Flag = Annotated[bool, Parameter(negative="")]


def export_estimates(file: Path, output: Path, /) -> None:
    """Write the ROIs as an HDF5 file of estimates that CaImAn loads.

    Example: `ace-nwb export estimates session.nwb estimates.hdf5`

    Parameters
    ----------
    file
        A session file.
    output
        The file to write.
    """
    from ace_nwb.adopt.caiman_file import write
    from ace_nwb.nwb.session import open_session

    with open_session(file) as session:
        n_rois = write(session, output)
    say(f"Wrote {output}, {n_rois} ROIs.")


def export_tables(
    file: Path,
    folder: Path,
    /,
    *,
    format: Literal["csv", "parquet"] = "csv",  # noqa: A002
) -> None:
    """Write traces, ROIs and events as tables, CSV or Parquet.

    Example: `ace-nwb export tables session.nwb tables --format parquet`

    Parameters
    ----------
    file
        A session file.
    folder
        Where to write the tables.
    format
        Of the tables; Parquet needs pyarrow.
    """
    from ace_nwb.adopt.tables import export_tables as write_tables
    from ace_nwb.nwb.content.roi_series import count_rois
    from ace_nwb.nwb.session import open_session

    with open_session(file) as session:
        n_rois, paths = count_rois(session), write_tables(session, folder, kind=format)
    say(f"Wrote {', '.join(path.name for path in paths)} into {folder}, {n_rois} ROIs.")


def export_pynapple(file: Path, folder: Path, /) -> None:
    """Write the traces as NPZ files for pynapple.

    Example: `ace-nwb export pynapple session.nwb traces`

    Parameters
    ----------
    file
        A session file.
    folder
        Where to write them.
    """
    from ace_nwb.adopt.tables import export_pynapple as write_arrays
    from ace_nwb.nwb.content.roi_series import count_rois
    from ace_nwb.nwb.session import open_session

    with open_session(file) as session:
        n_rois, paths = count_rois(session), write_arrays(session, folder)
    say(f"Wrote {', '.join(path.name for path in paths)} into {folder}, {n_rois} ROIs.")


def export_matlab(file: Path, output: Path, /) -> None:
    """Write traces, ROIs, footprints and events into a .mat file.

    Example: `ace-nwb export matlab session.nwb session.mat`

    Parameters
    ----------
    file
        A session file.
    output
        The file to write.
    """
    from ace_nwb.adopt.tables import export_matlab as write_matlab
    from ace_nwb.nwb.content.roi_series import count_rois
    from ace_nwb.nwb.session import open_session

    with open_session(file) as session:
        n_rois, names = count_rois(session), write_matlab(session, output)
    say(f"Wrote {output}, {n_rois} ROIs: {', '.join(names)}.")


def export_movie(
    file: Path,
    output: Path,
    /,
    *,
    start: int = 0,
    stop: int | None = None,
    corrected: Flag = False,
) -> None:
    """Write the movie as TIFF, AVI (FFV1, lossless) or MP4, with a JSON of the frames' times.

    Example: `ace-nwb export movie session.nwb movie.avi --start 0 --stop 1000`

    Parameters
    ----------
    file
        A session file.
    output
        Ending .tif, .avi or .mp4.
    start
        First frame.
    stop
        The frame after the last one.
    corrected
        Cropped, debleached and motion corrected, in place of as recorded.
    """
    from ace_nwb.adopt.movies import MovieRange
    from ace_nwb.adopt.movies import export_movie as write_movie
    from ace_nwb.nwb.session import open_session

    with open_session(file) as session, progress_bar("movie") as progress:
        part = MovieRange(start, stop, corrected)
        n_frames = write_movie(session, output, part=part, progress=progress)
    say(f"Wrote {output}, {n_frames} frames.")


def export_job(
    manifest: Path,
    folder: Path,
    /,
    *,
    load: Load | None = None,
    slurm: Slurm | None = None,
) -> None:
    """Write sbatch scripts that run a batch without Dask: one task per session, then a summary.

    Example: `ace-nwb export job sessions.yaml jobs --threads 4 --max-memory 16GB`, then
    `bash jobs/submit.sh`

    Parameters
    ----------
    manifest
        YAML or CSV with the sessions.
    folder
        Where to write the scripts.
    """
    from ace_nwb.batch.plan import plan_jobs
    from ace_nwb.batch.slurm import write_scripts
    from ace_nwb.manifest import load_manifest

    names = [job.name for job in plan_jobs(load_manifest(manifest), manifest)]
    scripts = write_scripts(
        folder,
        manifest,
        names,
        settings=worker_settings(load, is_local=False),
        options=slurm_options(slurm),
    )
    say(f"Wrote {', '.join(path.name for path in scripts.paths)} into {folder}.")
    say(f"Next: bash {folder / 'submit.sh'}.")


def _build_export_app() -> App:
    """Return `export FILE --zarr ...` with commands of its own below it."""
    app = App(name="export", help_format="markdown")
    app.default(export)
    commands = {
        "estimates": export_estimates,
        "tables": export_tables,
        "pynapple": export_pynapple,
        "matlab": export_matlab,
        "movie": export_movie,
        "job": export_job,
    }
    for name, command in commands.items():
        app.command(command, name=name)
    return app


export_app = _build_export_app()
