"""Pictures of the pages, drawn from a demo session by the package's own report."""

import re
import tempfile
from importlib.resources import files
from pathlib import Path

from ace_nwb.demo import run_demo
from ace_nwb.nwb.session import open_session
from ace_nwb.report.content import build_sections, collect
from ace_nwb.report.overview import write_overview_png
from build_steps.screenshots import write_screenshots


def write_pictures(folder: Path, demo: Path | None) -> None:
    """Draw every picture of the report of a demo session as a file of its own.

    Parameters
    ----------
    folder
        Where to write: `overview.png`, a screenshot of each page in the browser, and
        `<section>-<n>.svg` for each section of the report.
    demo
        Folder of a finished demo; a small one is made if not given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        if demo is None:
            demo = Path(scratch)
            run_demo(demo, size="toy", seed=6)
        session = demo / "session.nwb"
        write_overview_png(session, folder / "overview.png")
        write_screenshots(folder, session)
        with open_session(session) as opened:
            content = collect(opened)
        for section in build_sections(content, session.name):
            pictures = [picture for row in section.rows for picture in row]
            for number, picture in enumerate(pictures):
                path = folder / f"{section.anchors[0]}-{number}.svg"
                path.write_text(_standalone(str(picture.svg)), encoding="utf-8")


def _standalone(svg: str) -> str:
    """Give a picture of the page what it takes from there: name space, colours, font."""
    style = files("ace_nwb.report").joinpath("style.css").read_text(encoding="utf-8")
    variables = "".join(re.findall(r":root\s*\{[^}]*\}", style)[:1]).replace(":root", "svg", 1)
    rules = f"{variables} svg {{ background: white; font-family: sans-serif }}"
    start = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    svg = svg.replace("<svg", start, 1)
    head, close, body = svg.partition(">")
    return f"{head}{close}<style>{rules}</style>{body}"
