"""Plain sbatch scripts that run a batch without Dask: an array job, and one that sums it up."""

import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ace_nwb.batch.cluster import SlurmOptions
from ace_nwb.batch.settings import BatchSettings
from ace_nwb.nwb.commit.new_file import make_folder, write_new

_ARRAY = """#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --array=0-{last}%{jobs}
#SBATCH --cpus-per-task={threads}
#SBATCH --mem={memory_mb}M
#SBATCH --time={walltime}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output={logs}/slurm-%A_%a.log
{directives}
# One session per task of the array; without Slurm: SLURM_ARRAY_TASK_ID=0 bash {script}
set -eu
session=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {names})
exec {command} batch {manifest} --only="$session" --workers 1 --threads {threads} \\
  --max-memory {max_memory_mb}MB
"""

_SUMMARY = """#!/bin/bash
#SBATCH --job-name={name}-summary
#SBATCH --cpus-per-task=1
#SBATCH --mem=1000M
#SBATCH --time=00:10:00
#SBATCH --output={logs}/slurm-summary-%j.log
{directives}
set -eu
exec {command} batch {manifest} --summary
"""

_SUBMIT = """#!/bin/bash
# Submits the sessions, and a summary that runs when the last one has ended.
set -eu
cd "$(dirname "$0")"
sessions=$(sbatch --parsable sessions.sbatch)
sbatch --dependency=afterany:"$sessions" summary.sbatch
"""


@dataclass(frozen=True)
class Scripts:
    """The scripts that were written."""

    folder: Path
    paths: tuple[Path, ...]


def write_scripts(
    folder: Path,
    manifest_path: Path,
    names: Sequence[str],
    *,
    settings: BatchSettings,
    options: SlurmOptions,
) -> Scripts:
    """Write sessions.sbatch, summary.sbatch, submit.sh and the list of sessions.

    Parameters
    ----------
    folder
        Made if needed.
    manifest_path
        The manifest.
    names
        The sessions, one task each.
    settings
        Threads and memory of a session.
    options
        What Slurm is asked for.
    """
    make_folder(folder)
    manifest = Path(manifest_path).resolve()
    values = {
        "name": re.sub(r"[^\w.-]", "_", manifest.stem),  # stands in a line of its own, unquoted
        "last": len(names) - 1,
        "jobs": options.jobs,
        "threads": settings.threads,
        "memory_mb": settings.limit_bytes // 2**20,
        "max_memory_mb": settings.max_memory_bytes // 2**20,
        "walltime": options.walltime,
        "logs": shlex.quote(str(folder.resolve())),
        "directives": "\n".join(f"#SBATCH {line}" for line in _directives(options)),
        "script": shlex.quote(str(folder.resolve() / "sessions.sbatch")),
        "names": shlex.quote(str(folder.resolve() / "sessions.txt")),
        "manifest": shlex.quote(str(manifest)),
        "command": f"{shlex.quote(sys.executable)} -m ace_nwb",
    }
    contents = {
        "sessions.txt": "".join(f"{name}\n" for name in names),
        "sessions.sbatch": _ARRAY.format(**values),
        "summary.sbatch": _SUMMARY.format(**values),
        "submit.sh": _SUBMIT,
    }
    for name, text in contents.items():
        write_new(folder / name, text, replace=True)
    return Scripts(folder, tuple(folder / name for name in contents))


def _directives(options: SlurmOptions) -> list[str]:
    """Return further options of sbatch."""
    lines = list(options.extra)
    if options.partition:
        lines.append(f"--partition={options.partition}")
    if options.account:
        lines.append(f"--account={options.account}")
    return lines
