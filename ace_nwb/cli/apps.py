"""Verbs that open a page in the browser: curate, crop, tune."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ace_nwb.cli.console import say
from ace_nwb.cli.tuning import Headless, tune_headless


@Parameter(name="*")
@dataclass(frozen=True)
class Serving:
    """Where the page is served.

    Parameters
    ----------
    port
        Port; the first free one from 8765 by default, 0 for any.
    host
        Address to listen on; other computers can reach the page with anything but the default,
        without encryption.
    no_browser
        Do not open a browser.
    """

    port: int | None = None
    host: str = "127.0.0.1"
    no_browser: Annotated[bool, Parameter(negative="")] = False


def curate(file: Path, /, *, reviewer: str = "", serving: Serving | None = None) -> None:
    """Look at every ROI in the browser: accept, reject, merge, split; every decision is kept.

    Example: `ace-nwb curate session.nwb --reviewer Ann`. On a server: `ace-nwb curate session.nwb
    --port 8765` there, `ssh -L 8765:localhost:8765 server` here, then open the address.

    Parameters
    ----------
    file
        A session file.
    reviewer
        Name that decisions carry; it can be typed in the page.
    """
    from ace_nwb.apps.curating import build_curate_app

    _serve(lambda: build_curate_app(file, reviewer=reviewer), serving)


def crop(
    file: Path,
    /,
    *,
    rows: str | None = None,
    columns: str | None = None,
    serving: Serving | None = None,
) -> None:
    """Choose the part of the field that is analysed, by mouse or by numbers; nothing is run.

    Example: `ace-nwb crop session.nwb`, or without a browser `ace-nwb crop session.nwb --rows
    20:580 --columns 0:400`. The next `ace-nwb run` uses it.

    Parameters
    ----------
    file
        A session file.
    rows
        First row and the row after the last, as FIRST:LAST; either may be left out.
    columns
        The same for columns.
    """
    from ace_nwb.apps.cropping import build_crop_app, crop_by_numbers

    if rows is None and columns is None:
        _serve(lambda: build_crop_app(file), serving)
        return
    box = crop_by_numbers(file, rows or ":", columns or ":")
    say(
        f"Recorded rows {box.row_start}:{box.row_stop}, columns {box.column_start}:"
        f"{box.column_stop} for the next run of preprocess."
    )


def tune(
    file: Path,
    /,
    *,
    tuning: Headless | None = None,
    serving: Serving | None = None,
) -> None:
    """Find parameters of the extraction in the browser: thresholds, diameter, a quick trial.

    Example: `ace-nwb tune session.nwb`. What is recorded is used by the next `ace-nwb run`.
    Without a browser: `ace-nwb tune session.nwb --headless --out folder` writes the seeds on their
    images, a table of trials and the proposed parameters; `--save` records these.

    Parameters
    ----------
    file
        A session file.
    """
    if tuning is not None and tuning.headless:
        tune_headless(file, tuning)
        return
    from ace_nwb.apps.tuning import build_tune_app

    _serve(lambda: build_tune_app(file), serving)


def _serve(build: Callable[[], Any], serving: Serving | None) -> None:
    """Serve a page until it is interrupted."""
    from ace_nwb.apps.server import PageServer, open_browser

    serving = serving or Serving()
    with PageServer(build(), host=serving.host, port=serving.port) as server:
        say(f"Open {server.address}")
        say(f"From another computer: ssh -L {server.port}:localhost:{server.port} THIS_COMPUTER")
        say("Stop with Ctrl+C; everything the page calls saved is in the file.")
        if not serving.no_browser:
            open_browser(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("Stopped.")
