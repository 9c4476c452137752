"""What the verbs share on the terminal: progress bars, tables, JSON, sizes."""

import gc
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ace_nwb.errors import ParameterError

WIDTH_IN_A_FILE = 140  # columns: no name in our tables is cut, and logs stay readable
SECONDS_BETWEEN_LINES = 30.0  # seconds: two lines a minute in a log
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


_CONTROLS = {
    code: f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    if chr(code) not in "\n\t"
}
"""Characters that steer a terminal (C0, DEL, C1) or turn the direction of text, and what is shown
in their place: texts of files may hold them."""


def plain(text: Any) -> str:
    """Return a text without characters that steer the terminal; they are shown as escapes."""
    return str(text).translate(_CONTROLS)


def say(text: Any = "", *, end: str = "\n", to_stderr: bool = False) -> None:
    """Write a text to the terminal; the only way to do so, as it may come from a file."""
    print(plain(text), end=end, file=sys.stderr if to_stderr else sys.stdout, flush=True)


def print_error(message: str) -> None:
    """Write an error to standard error."""
    say(f"error: {message}", to_stderr=True)


def print_json(content: Any) -> None:
    """Write machine-readable output."""
    say(json.dumps(content, indent=2, ensure_ascii=False, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> None:
    """Write a table as wide as the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        *map(plain, columns), title=plain(title) or None, title_justify="left", header_style="bold"
    )
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else WIDTH_IN_A_FILE).print(table)


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with the time left on a terminal, now and then a line elsewhere (logs)."""
    gc.enable()  # the work begins; see `QUICK_VERBS`
    if not sys.stderr.isatty():
        yield from _progress_lines(title)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description:<14}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    with bar:
        task = bar.add_task(title, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
        total = bar.tasks[0].total or 1
        bar.update(task, completed=total, total=total)


def _progress_lines(title: str) -> Iterator[Callable[[int, int], None]]:
    started = said = time.perf_counter()

    def tell(done: int, of: int) -> None:
        nonlocal said
        now = time.perf_counter()
        if not 0 < done < of or now - said < SECONDS_BETWEEN_LINES:
            return
        said, left_s = now, (now - started) * (of - done) / done
        left = f"{left_s // 60:.0f} min {left_s % 60:.0f} s left"
        say(f"{title}: {done / of:.0%}, {left}", to_stderr=True)

    yield tell
    say(f"{title}: {time.perf_counter() - started:.1f} s", to_stderr=True)


def parse_size(text: str) -> int:
    """Return the bytes of a size such as "4GB", "800M" or "4096".

    Raises
    ------
    ParameterError
        If the text is no size.
    """
    body = text.strip().upper().removesuffix("B").removesuffix("I")
    unit = body[-1:] if body[-1:].isalpha() else ""
    try:
        size = int(float(body.removesuffix(unit)) * UNITS[unit])
    except (ValueError, KeyError) as error:
        raise ParameterError(
            f"{text!r} is no size in bytes; write for example 4GB or 800MB."
        ) from error
    if size <= 0:
        raise ParameterError(f"A memory limit of {text!r} is not positive; write for example 4GB.")
    return size
