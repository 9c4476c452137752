"""Verbs that look at a session file or mend it: status, history, validate, recover."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ace_nwb.cli.console import print_json, print_table, say

Json = Annotated[bool, Parameter(negative="", help="Print JSON for scripts.")]


def status(file: Path, /, *, json: Json = False) -> None:
    """Show for every stage whether it is done, stale or missing, and why.

    Example: `ace-nwb status session.nwb`. Objects of other programs are listed where stages could
    use them, or where they have the place of a result.

    Parameters
    ----------
    file
        A session file.
    """
    from ace_nwb import pipeline

    statuses, foreign = pipeline.overview(file)
    if json:
        print_json([vars(s) for s in statuses])
        return
    print_table(("stage", "state", "reason"), [(s.stage, s.state, s.reason) for s in statuses])
    if foreign:
        rows = [(one.path, one.kind, one.remark) for one in foreign]
        print_table(("written by others", "type", "what it means"), rows)


def history(
    file: Path,
    /,
    *,
    json: Json = False,
    as_pipeline: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Show every stage run: when, how long, with which parameters chosen.

    Example: `ace-nwb history session.nwb --as-pipeline > pipeline.yaml`

    Parameters
    ----------
    file
        A session file.
    as_pipeline
        Print the pipeline file that gives the current results from the raw recording.
    """
    if as_pipeline:
        from ace_nwb import pipeline

        say(pipeline.history_as_pipeline(file), end="")
        return

    from dataclasses import asdict

    from ace_nwb.nwb.history import read_runs
    from ace_nwb.nwb.session import open_session

    with open_session(file) as session:
        runs = read_runs(session)
    if json:
        print_json([asdict(run) for run in runs])
        return
    rows = [
        (
            run.run_id,
            run.action,
            run.stage,
            run.started,
            f"{run.duration_s:.1f} s",
            ", ".join(f"{p.name}={p.value}" for p in run.parameters if p.source != "default"),
        )
        for run in runs
    ]
    print_table(("run", "", "stage", "started", "time", "chosen parameters"), rows)


def diff(first: Path, second: Path, /, *, json: Json = False) -> int:
    """Compare how two files came to be: parameters, versions, fingerprints; exit 1 if they differ.

    Example: `ace-nwb diff monday.nwb tuesday.nwb`

    Parameters
    ----------
    first
        A session file.
    second
        Another one.
    """
    from ace_nwb import pipeline

    found = pipeline.diff(first, second)
    if json:
        print_json([vars(difference) for difference in found])
    else:
        rows = [(d.stage, d.what, d.first, d.second) for d in found]
        print_table(("stage", "what", str(first), str(second)), rows)
        say("The files differ." if found else "Same stages, parameters, versions, fingerprints.")
    return 1 if found else 0


def validate(file: Path, /, *, json: Json = False) -> int:
    """Check a file against the NWB schema, the DANDI rules and our own; exit 1 if it fails.

    Example: `ace-nwb validate session.nwb`. Stale results are listed and do not make a file
    invalid: they are right for what they were made from.

    Parameters
    ----------
    file
        An NWB file.
    """
    from ace_nwb import pipeline
    from ace_nwb.archive import is_valid
    from ace_nwb.archive import validate as validate_file

    findings = validate_file(file)
    if json:
        stale = [vars(s) for s in pipeline.stale_stages(file)]
        valid = is_valid(findings)
        print_json({"valid": valid, "findings": [vars(f) for f in findings], "stale": stale})
    else:
        rows = [(f.severity, f.check, f.location, f.message) for f in findings]
        print_table(("severity", "check", "object", "message"), rows)
        say(f"{file}: {'valid' if is_valid(findings) else 'NOT valid'}.")
        print_stale(file)
    return 0 if is_valid(findings) else 1


def print_stale(file: Path) -> None:
    """Say which results are stale, in the words that every verb uses."""
    from ace_nwb import pipeline

    stale = pipeline.stale_stages(file)
    if stale:
        names = "; ".join(f"{one.stage} ({one.reason})" for one in stale)
        say(f"{file}: stale: {names}. `ace-nwb run {file}` computes them anew.")


def repack(file: Path, /) -> None:
    """Reclaim the space of replaced results: write beside, compare, take its place.

    Example: `ace-nwb repack session.nwb`

    Parameters
    ----------
    file
        A session file.
    """
    from ace_nwb.cli.console import progress_bar
    from ace_nwb.nwb.commit.repack import repack as repack_file

    with progress_bar("repack") as progress:
        sizes = repack_file(file, progress=progress)
    say(f"{file}: {sizes.size_before / 1e6:.1f} MB, now {sizes.size_after / 1e6:.1f} MB.")


def recover(
    file: Path,
    /,
    *,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    cut: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Complete or discard a write that was interrupted.

    Example: `ace-nwb recover session.nwb --dry-run`

    Parameters
    ----------
    file
        A session file.
    dry_run
        Say what would be done, and do nothing.
    cut
        Also drop what another program has left behind the end of the file. Give it only when no
        program has the file open: what it has not finished writing is lost.
    """
    from ace_nwb.nwb.commit.journal import recover as recover_file

    say(recover_file(file, dry_run=dry_run, cut=cut))
