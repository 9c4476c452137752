"""The quality report: one self-contained HTML page, and the overview picture of a session.

`content` says what is shown, `reading` takes it from the session file, `imaging`, `signals` and
`sync` draw it, `verdict` judges it, `page` writes it. matplotlib is loaded on first use only.
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
