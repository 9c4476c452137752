"""The live table of a batch: sessions, stages, time left; lines where there is no terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ace_nwb.cli.console import say

if TYPE_CHECKING:
    from ace_nwb.batch import Snapshot

_STYLES = {"done": "green", "failed": "bold red", "running": "cyan"}
_MOST_ROWS = 40  # rows: what a terminal window shows


@contextmanager
def live_table() -> "Iterator[Callable[[Snapshot], None]]":
    """Open a display; call what is yielded with every new snapshot."""
    if not sys.stderr.isatty():
        yield _Lines().show
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), refresh_per_second=4) as live:
        yield lambda snapshot: live.update(build_table(snapshot))


def build_table(snapshot: "Snapshot") -> Any:
    """Return the table of a snapshot: who runs first, then who waits, failed and done."""
    from rich.table import Table
    from rich.text import Text

    table = Table("session", "state", "stage", "", "time", title=headline(snapshot))
    order = ("running", "failed", "waiting", "done")
    views = sorted(snapshot.sessions, key=lambda v: order.index(v.state) if v.state in order else 0)
    for view in views[:_MOST_ROWS]:
        bar = _bar(view.share) if view.state == "running" else ""
        elapsed = format_time(view.elapsed_s) if view.elapsed_s else ""
        stage = view.stage if view.state != "failed" else view.error.partition("\n")[0][:60]
        state = Text(view.state, style=_STYLES.get(view.state, ""))
        table.add_row(Text(view.name), state, Text(stage), bar, elapsed)
    if len(views) > _MOST_ROWS:
        table.add_row(f"... and {len(views) - _MOST_ROWS} more", "", "", "", "")
    return table


def headline(snapshot: "Snapshot") -> str:
    """Return how many sessions are done, and how long it will take."""
    left = "" if snapshot.eta_s is None else f", about {format_time(snapshot.eta_s)} left"
    n_failed = snapshot.count("failed")
    failed = f", {n_failed} failed" if n_failed else ""
    n_done, n_all = snapshot.count("done"), len(snapshot.sessions)
    return f"{n_done} of {n_all} done{failed}, {format_time(snapshot.elapsed_s)} so far{left}"


def format_time(seconds: float) -> str:
    """Return a duration such as 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _bar(share: float, width: int = 16) -> str:
    filled = round(share * width)
    return "━" * filled + "╌" * (width - filled)


class _Lines:
    """One line whenever a session begins, fails or is done."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}

    def show(self, snapshot: "Snapshot") -> None:
        """Print what has changed."""
        for view in snapshot.sessions:
            if self._states.get(view.name, "waiting") != view.state:
                self._states[view.name] = view.state
                reason = f": {view.error.partition(chr(10))[0]}" if view.state == "failed" else ""
                line = f"{view.name} {view.state}{reason} ({headline(snapshot)})"
                say(line, to_stderr=True)
