"""Verbs that open a page in the browser: curate, crop, tune."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter


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


def _serve(build: Callable[[], Any], serving: Serving | None) -> None:
    """Serve a page until it is interrupted."""
    from ace_nwb.apps.server import PageServer, open_browser

    serving = serving or Serving()
    with PageServer(build(), host=serving.host, port=serving.port) as server:
        print(f"Open {server.address}")
        print(f"From another computer: ssh -L {server.port}:localhost:{server.port} THIS_COMPUTER")
        print("Stop with Ctrl+C; everything the page calls saved is in the file.", flush=True)
        if not serving.no_browser:
            open_browser(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("Stopped.")
