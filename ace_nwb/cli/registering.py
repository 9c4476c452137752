"""The verb that finds cells again in other sessions: register-sessions."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from ace_nwb.cli.console import print_table, progress_bar, say
from ace_nwb.stages.settings.params import RegisterSessionsParams

register_app = App(name="register-sessions", help_format="markdown", help_epilogue="")


@register_app.default
def register_sessions(
    *files: Path,
    output: Annotated[list[Path] | None, Parameter(negative="")] = None,
    params: Annotated[RegisterSessionsParams | None, Parameter(name="*")] = None,
) -> None:
    """Find which ROIs of several sessions are the same cell; write it into each file.

    Example: `ace-nwb register-sessions monday.nwb tuesday.nwb --output cells.csv`

    Parameters
    ----------
    files
        Session files of one animal and field, two or more.
    output
        A further file: a table (.csv), a picture (.png), the project as NWB (.nwb); may be
        repeated.
    """
    from ace_nwb.batch.project import register_files

    chosen = {} if params is None else {n: getattr(params, n) for n in params.model_fields_set}
    chosen.pop("sessions", None)
    with progress_bar("register") as progress:
        project, outcomes = register_files(
            files, chosen, outputs=output or (), source="command line", progress=progress
        )
    rows = []
    for number, (session, outcome) in enumerate(zip(project.sessions, outcomes, strict=True)):
        found = project.cells.rois[project.cells.rois[:, number] >= 0]
        alignment = project.fields.alignments[number]
        before, after = project.similarities[number]
        rows.append(
            (
                session.name,
                len(session.numbers),
                int(((found >= 0).sum(1) > 1).sum()),
                f"{alignment.rotation_deg:+.1f}",
                f"{before:.2f} -> {after:.2f}",
                project.name_strangers([number]) or "-",
                outcome.action,
            )
        )
    likeness = "likeness of the fields"
    strangers = "no common field with"
    columns = ("session", "ROIs", "found again", "rotation, deg", likeness, strangers, "")
    print_table(columns, rows)
    say(f"{len(project.cells.rois)} cells in {len(project.sessions)} sessions.")
    for path in output or ():
        say(f"Wrote {path}.")
