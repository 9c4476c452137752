"""The verb that shows everything: demo."""

from pathlib import Path
from typing import Literal

from ace_nwb.cli.console import print_table, progress_bar, say


def demo(
    output_dir: Path = Path("ace_nwb_demo"),
    /,
    *,
    size: Literal["toy", "demo", "full"] = "demo",
    seed: int = 0,
) -> int:
    """Simulate a raw recording, take it through every step, compare the result with the truth.

    Writes OUTPUT_DIR/session.nwb, report.html, summary.json; exit 1 if the file is not valid.

    Example: `ace-nwb demo --size toy`

    Parameters
    ----------
    output_dir
        Folder to write to; an earlier demo in it is replaced.
    size
        toy: 20 s; demo: 2 min; full: 30 min of 608x608 pixels.
    seed
        Seed of the simulation; the same seed gives the same recording.
    """
    from ace_nwb.demo import run_demo

    summary = run_demo(output_dir, size=size, seed=seed, bar=progress_bar, say=print)
    rows = [(figure.name, figure.text, figure.meaning) for figure in summary.figures]
    print_table(("figure", "value", "meaning"), rows, title="Result against the truth")
    for name, path in summary.files.items():
        say(f"{name + ':':<9} {path}")
    return 0 if summary.is_valid else 1
