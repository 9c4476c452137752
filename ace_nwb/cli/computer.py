"""The verb about the computer: doctor."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ace_nwb.cli.console import print_json, print_table, say


def doctor(
    folder: Path = Path(),
    /,
    *,
    json: Annotated[bool, Parameter(negative="", help="Print JSON for scripts.")] = False,
) -> int:
    """Examine this computer: packages, codecs, engines, memory, disk; exit 1 on a problem.

    Example: `ace-nwb doctor recordings`. Give its output with every report of a problem.

    Parameters
    ----------
    folder
        Where session files are to be written; 64 MB are written there and removed.
    """
    from ace_nwb.doctor import examine, is_fit

    checks = examine(folder)
    if json:
        print_json({"fit": is_fit(checks), "checks": [vars(check) for check in checks]})
    else:
        rows = [(c.topic, c.name, c.state, c.found, c.advice) for c in checks]
        print_table(("", "what", "state", "found", "advice"), rows)
        say("Fit for work." if is_fit(checks) else "NOT fit: see the problems above.")
    return 0 if is_fit(checks) else 1
