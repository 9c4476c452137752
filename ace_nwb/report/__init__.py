"""The quality report: one self-contained HTML page, and the overview picture of a session.

Each section is a file of `sections`: what is read, judged, drawn and said. `content` puts them
together, `page` writes the page, `overview` and `clip` the pictures. matplotlib is loaded on first
use only.
"""

from typing import Any

__all__ = ["write_overview_png", "write_report"]


def __getattr__(name: str) -> Any:
    """Load the two functions when they are asked for."""
    if name == "write_report":
        from ace_nwb.report.page import write_report

        return write_report
    if name == "write_overview_png":
        from ace_nwb.report.overview import write_overview_png

        return write_overview_png
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
