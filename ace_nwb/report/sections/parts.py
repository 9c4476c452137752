"""What every section of the report is made of: pictures, a verdict, words for what is missing."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from ace_nwb.nwb.session import Session
from ace_nwb.report import theme


@dataclass(frozen=True)
class Picture:
    """One figure with its caption; `good` says what a good one looks like."""

    svg: Markup
    caption: str
    good: str = ""
    is_wide: bool = True
    has_outline_key: bool = False


@dataclass(frozen=True)
class Section:
    """A heading with rows of pictures, and a line of text: what is missing, or what it rests on."""

    anchors: tuple[str, ...]
    title: str
    rows: tuple[tuple[Picture, ...], ...] = ()
    absent: str = ""


State = Literal["good", "look", "problem", "missing"]


@dataclass(frozen=True)
class Verdict:
    """The judgement of one aspect.

    Parameters
    ----------
    topic
        Aspect, also the anchor of its section.
    state
        good, look (worth a look), problem, or missing (not known yet).
    figure
        The number that matters, with its unit.
    note
        What the number says.
    advice
        What to do; empty when good.
    spark
        A series that shows the aspect in small, shape (point,); may be empty.
    """

    topic: str
    state: State
    figure: str
    note: str
    advice: str = ""
    spark: np.ndarray = field(default_factory=lambda: np.empty(0))


def make_picture(name: str, title: str, figure: Figure, **texts: object) -> Picture:
    """Turn a figure into a picture of the page."""
    return Picture(Markup(theme.to_svg(figure, name=name, title=title)), **texts)  # type: ignore[arg-type]


def absent(anchors: tuple[str, ...], title: str, command: str) -> Section:
    """Return a section that names the command which makes it."""
    return Section(anchors, title, absent=f"Not made yet: `{command}` makes it.")


def grade(excess: float, bounds: tuple[float, ...]) -> State:
    """Return the state of a number that should not exceed either bound."""
    look, problem = bounds
    if excess > problem:
        return "problem"
    return "look" if excess > look else "good"


def list_names(session: Session, module: str, prefix: str = "") -> list[str]:
    """Return the names of the objects of a processing module, sorted."""
    names = [path.rpartition("/")[2] for path in session.members(f"/processing/{module}")]
    return [name for name in names if name.startswith(prefix)]
