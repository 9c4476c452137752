"""Verbs on the way to an archive: describe, contents, upgrade, dandi prepare, check, upload."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from ace_nwb.cli.console import print_table, progress_bar, say
from ace_nwb.cli.session import print_stale

dandi_app = App(
    name="dandi",
    help="Lay sessions out for the DANDI archive, check them offline, send them.\n\n"
    "Example: `ace-nwb dandi prepare 000123 monday.nwb --dandiset 000123`",
    help_format="markdown",
)


def describe(file: Path, metadata: Path, /) -> None:
    """Write metadata that were missing at conversion into a session file.

    Example: `ace-nwb describe session.nwb meta.yaml`. What the file does not name stays; results
    do not become stale. `ace-nwb inspect --template meta.yaml` writes a file to fill in.

    Parameters
    ----------
    file
        A session file.
    metadata
        A metadata file as for `ace-nwb convert`.
    """
    from ace_nwb.archive.description import describe as describe_session

    written = describe_session(file, metadata)
    say(f"Wrote {', '.join(written) if written else 'nothing: the file gives no value'}.")


def contents(file: str, /) -> None:
    """Print what a session file holds as JSON: path, NWB type, axes, unit, columns.

    Example: `ace-nwb contents session.nwb`. `ace-nwb schema layout` prints the JSON schema that
    this inventory follows.

    Parameters
    ----------
    file
        A session file, a Zarr folder, or the URL of a file.
    """
    from ace_nwb.cli.console import print_json
    from ace_nwb.nwb.contents import list_contents
    from ace_nwb.nwb.session import open_session

    with open_session(file) as session:
        print_json(list_contents(session))


def upgrade(file: Path, /) -> None:
    """Bring a session file of an older ace_nwb to the present layout.

    Example: `ace-nwb upgrade session.nwb`. Results stay as they are; which of them are stale is
    said.

    Parameters
    ----------
    file
        A session file.
    """
    from ace_nwb.archive.layout import upgrade as upgrade_session
    from ace_nwb.nwb.layout import LAYOUT_VERSION

    steps = upgrade_session(file)
    say(f"{file}: {'now' if steps else 'has'} layout {LAYOUT_VERSION}, the present one.")
    print_stale(file)


@dandi_app.command
def prepare(
    folder: Path,
    sessions: list[Path],
    /,
    *,
    dandiset: Annotated[str | None, Parameter(help="Six digits given by the archive.")] = None,
) -> int:
    """Copy sessions into a dandiset folder under dandi's names, and check it offline.

    Example: `ace-nwb dandi prepare 000123 monday.nwb tuesday.nwb --dandiset 000123`. The sessions
    stay where they are; videos that they refer to are copied beside the copies. Says what a person
    must still provide and where; exit 1 if anything keeps the folder from being uploaded.

    Parameters
    ----------
    folder
        The dandiset folder; made if missing, else added to.
    sessions
        Session files.
    """
    from ace_nwb.archive.dandiset import PLACEHOLDER, prepare_dandiset

    with progress_bar("copy") as progress:
        prepared = prepare_dandiset(folder, sessions, number=dandiset, progress=progress)
    wanted = [
        (item.need, session.source.name, item.place, item.found, item.expected)
        for session in prepared.sessions
        for item in session.missing
    ]
    if wanted:
        title = "To be said by a person, in meta.yaml; then `ace-nwb describe SESSION meta.yaml`:"
        print_table(("", "session", "key", "found", "expected"), wanted, title=title)
    for session in prepared.sessions:
        place = session.asset or "not copied: what is required is missing"
        videos = f" and {len(session.videos)} videos" if session.videos else ""
        say(f"{session.source}: {place}{videos}")
        print_stale(session.source)
    _print_findings(prepared.findings)
    if prepared.number == PLACEHOLDER:
        say("The dandiset has no number yet: create it on the archive's page, and repeat with")
        say("--dandiset and its six digits.")
    say(f"{folder}: {'ready for upload' if prepared.is_ready else 'NOT ready for upload'}.")
    return 0 if prepared.is_ready else 1


@dandi_app.command
def check(folder: Path, /) -> int:
    """Check a dandiset folder with the dandi package, offline; exit 1 if it finds errors.

    Example: `ace-nwb dandi check 000123`

    Parameters
    ----------
    folder
        A dandiset folder.
    """
    from ace_nwb.archive.dandiset import check_dandiset

    findings = check_dandiset(folder)
    _print_findings(findings)
    say(f"{folder}: {len(findings)} errors.")
    return 1 if findings else 0


@dandi_app.command
def upload(
    folder: Path,
    /,
    *,
    to: Annotated[str, Parameter(help="production, sandbox, local, or a name dandi knows.")],
) -> None:
    """Send a prepared dandiset to the archive; what is there already is skipped.

    Example: `ace-nwb dandi upload 000123 --to sandbox`. Nothing is ever sent without this verb and
    its `--to`. The API key is asked for, or taken from where dandi keeps it.

    Parameters
    ----------
    folder
        A folder made by `ace-nwb dandi prepare`.
    """
    from ace_nwb.archive.upload import upload_dandiset

    upload_dandiset(folder, instance=to)
    say(f"Sent {folder} to {to}.")


def _print_findings(findings: list) -> None:
    if findings:
        rows = [(finding.check, finding.location, finding.message) for finding in findings]
        print_table(("rule", "object", "message"), rows, title="Errors found by dandi:")
