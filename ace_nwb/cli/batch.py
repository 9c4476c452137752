"""The verb that runs many sessions: batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ace_nwb.cli.console import parse_size, print_json, say
from ace_nwb.errors import ManifestError, OutputError, ParameterError
from ace_nwb.forms.commands import quoted

if TYPE_CHECKING:
    from ace_nwb.batch import BatchSettings, SessionJob
    from ace_nwb.batch.cluster import SlurmOptions
    from ace_nwb.batch.monitor import Pool

Flag = Annotated[bool, Parameter(negative="")]


@Parameter(name="*")
@dataclass(frozen=True)
class Load:
    """How many sessions at a time, and what each may use; never changes a result.

    Parameters
    ----------
    workers
        Sessions at the same time on this machine; half the processors by default.
    threads
        Threads of each session; the processors divided among the sessions by default.
    max_memory
        Memory of each session, such as 4GB; a process that needs much more is ended.
    retries
        How often a session is begun again when its process was lost.
    spread
        Address of a Dask scheduler whose workers compute the blocks of each session's movie,
        while the sessions run here; for few, long recordings.
    """

    workers: int | None = None
    threads: int | None = None
    max_memory: str = "4GB"
    retries: int = 2
    spread: str | None = None


@Parameter(name="*")
@dataclass(frozen=True)
class Slurm:
    """What Slurm is asked for.

    Parameters
    ----------
    jobs
        Jobs at the same time.
    walltime
        Longest time of a job.
    partition
        Queue.
    account
        Account that is charged.
    sbatch
        A further option of sbatch, such as --constraint=cpu; may be repeated.
    """

    jobs: int = 4
    walltime: str = "08:00:00"
    partition: str | None = None
    account: str | None = None
    sbatch: Annotated[list[str] | None, Parameter(negative="")] = None


def batch(
    manifest: Path | None = None,
    /,
    *,
    check: Flag = False,
    only: Annotated[list[str] | None, Parameter(negative="")] = None,
    resume: Flag = False,
    scheduler: str | None = None,
    slurm: Flag = False,
    summary: Flag = False,
    json: Flag = False,
    from_spreadsheets: Annotated[tuple[Path, Path] | None, Parameter(negative="")] = None,
    output: Path = Path("sessions.yaml"),
    data_folder: str = ".",
    load: Load | None = None,
    slurm_load: Slurm | None = None,
) -> int:
    """Convert and process many sessions: everything is checked first, then each runs by itself.

    Example: `ace-nwb batch sessions.yaml --check`, then `ace-nwb batch sessions.yaml --workers 2`

    Sessions that are done are not touched; a session that fails does not stop the others. States,
    logs and the summary (JSON, HTML) go to the folder `sessions.batch` beside the manifest.

    Parameters
    ----------
    manifest
        YAML or CSV with the sessions; `ace-nwb schema manifest` says what it holds.
    check
        List all problems of the manifest and of the raw folders; run nothing.
    only
        Name of a session to run; may be repeated.
    resume
        Do not even open the sessions that the last batch brought to their end.
    scheduler
        Address of a Dask scheduler whose workers run the sessions, such as tcp://10.0.0.1:8786.
    slurm
        Have Slurm start the workers.
    summary
        Only sum up what the last batch did.
    json
        Print the summary as JSON.
    from_spreadsheets
        The predecessor's experiments.csv and analysis_parameters.csv, made into a manifest.
    output
        The manifest to write from spreadsheets.
    data_folder
        What the directories in the spreadsheets are relative to.
    """
    if from_spreadsheets is not None:
        return _import_spreadsheets(*from_spreadsheets, output=output, data_folder=data_folder)
    if manifest is None:
        raise ManifestError(
            "No manifest is given. A YAML or CSV with the sessions was expected, such as "
            "`ace-nwb batch sessions.yaml`."
        )
    from ace_nwb.batch import plan_jobs
    from ace_nwb.manifest import load_manifest

    jobs = plan_jobs(load_manifest(manifest), manifest, only=only or ())
    if check:
        return _check(jobs, manifest)
    if not summary:
        settings = worker_settings(load, is_local=scheduler is None and not slurm)
        options = slurm_options(slurm_load) if slurm else None
        _run(_unfinished(jobs) if resume else jobs, settings, scheduler, options)
    return _sum_up(jobs, manifest, is_part=bool(only), json=json)


def _import_spreadsheets(
    experiments: Path, parameters: Path, *, output: Path, data_folder: str
) -> int:
    """Write the manifest of two spreadsheets, unless a cell is wrong."""
    from ace_nwb.manifest.problems import refuse
    from ace_nwb.nwb.commit.new_file import write_new
    from ace_nwb.spreadsheets import import_spreadsheets

    if output.exists():
        raise OutputError(
            f"{output} exists. A new file was expected; give another name with --output."
        )
    imported = import_spreadsheets(experiments, parameters, data_folder=data_folder)
    refuse(experiments, imported.problems)
    write_new(output, imported.to_yaml())
    for remark in imported.remarks:
        say(remark)
    say(f"Wrote {output}. Next: ace-nwb batch {quoted(output)} --check.")
    return 0


def _check(jobs: "list[SessionJob]", manifest: Path) -> int:
    """List what is wrong with the raw folders; the manifest itself has been read."""
    from ace_nwb.batch import check_sources

    problems = check_sources(jobs, manifest)
    for problem in problems:
        say(problem.text)
    n_bad = len(problems)
    say(f"{len(jobs) - n_bad} of {len(jobs)} sessions can be run.")
    return 1 if problems else 0


def _unfinished(jobs: "list[SessionJob]") -> "list[SessionJob]":
    """Return the jobs that the last batch did not bring to their end."""
    from ace_nwb.batch.monitor import StateFolder
    from ace_nwb.batch.summary import is_finished

    known = StateFolder(jobs[0].state_path.parent).read() if jobs else {}
    return [job for job in jobs if not is_finished(job, known.get(job.name, {}))]


def _run(
    jobs: "list[SessionJob]",
    settings: "BatchSettings",
    scheduler: str | None,
    slurm: "SlurmOptions | None",
) -> None:
    """Run the sessions and show how far they are."""
    from ace_nwb.batch import watch
    from ace_nwb.cli.batch_table import live_table

    if not jobs:
        return
    slurm_logs = jobs[0].log_path.parent
    with _open_pool(settings, scheduler, slurm, slurm_logs) as pool, live_table() as show:
        watch(jobs, pool, show)


@contextmanager
def _open_pool(
    settings: "BatchSettings", scheduler: str | None, slurm: "SlurmOptions | None", slurm_logs: Path
) -> "Iterator[Pool]":
    """Open what runs the sessions: this machine, a cluster, or Slurm."""
    if scheduler is not None:
        from ace_nwb.batch.cluster import connect

        with connect(scheduler, settings) as pool:
            yield pool
    elif slurm is not None:
        from ace_nwb.batch.cluster import start_slurm

        with start_slurm(slurm, settings, slurm_logs) as pool:
            yield pool
    else:
        from ace_nwb.batch.launch import LocalPool

        with LocalPool(settings) as local:
            yield local


def worker_settings(load: Load | None, *, is_local: bool) -> "BatchSettings":
    """Return processes, threads and memory."""
    from ace_nwb.batch import BatchSettings

    load = load or Load()
    n_processors = cpu_count() or 1
    workers = load.workers if load.workers is not None else max(1, n_processors // 2)
    share = max(1, n_processors // max(1, workers)) if is_local else 1
    threads = load.threads if load.threads is not None else share
    if workers < 1 or threads < 1 or load.retries < 0:
        raise ParameterError(
            f"{workers} workers, {threads} threads, {load.retries} retries were asked for. At "
            "least one worker and one thread were expected; correct the options."
        )
    return BatchSettings(
        workers=workers,
        threads=threads,
        max_memory_bytes=parse_size(load.max_memory),
        retries=load.retries,
        block_scheduler=load.spread,
    )


def slurm_options(options: Slurm | None) -> "SlurmOptions":
    """Return what Slurm is asked for."""
    from ace_nwb.batch.cluster import SlurmOptions

    options = options or Slurm()
    return SlurmOptions(
        options.jobs,
        options.walltime,
        options.partition,
        options.account,
        tuple(options.sbatch or ()),
    )


def _sum_up(jobs: Any, manifest: Path, *, is_part: bool, json: bool) -> int:
    """Print what came of the sessions and write it beside the manifest."""
    from ace_nwb.batch import summarise
    from ace_nwb.batch.plan import batch_folder

    summary = summarise(jobs, manifest)
    paths = [] if is_part else summary.write(batch_folder(manifest))
    if json:
        print_json(summary.to_json())
    else:
        say(summary.to_text())
        if paths:
            say(f"Wrote {' and '.join(str(path) for path in paths)}.")
    return 1 if summary.failed else 0
