"""What differs between conditions, where somebody asked for it."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from ace_nwb.nwb import layout
from ace_nwb.nwb.content import coupling as stored
from ace_nwb.nwb.session import Session
from ace_nwb.report import theme
from ace_nwb.report.sections.coupling import BOX, SMALL_HEIGHT_PX, SMALL_WIDTH_PX, select_rows
from ace_nwb.report.sections.parts import Section, make_picture
from ace_nwb.report.wording import plain_label

LEVEL = 0.05  # false discovery rate that is called a difference, as everywhere in the report
MAX_SUBJECTS = 400  # points; more cover each other at this width


@dataclass(frozen=True)
class Effects:
    """Effect sizes of one measure between two conditions, shape (subject,)."""

    measure: str
    first: str
    second: str
    subjects: np.ndarray
    effect: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    q_value: np.ndarray


def read_effects(session: Session) -> tuple[Effects, ...]:
    """Return the effects between the first two conditions, one part per measure of ROIs."""
    columns = stored.read_result_table(session, layout.CONDITION_COMPARISON)
    if not columns:
        return ()
    first, second = str(columns["first"][0]), str(columns["second"][0])
    found = []
    for measure in dict.fromkeys(columns["measure"].tolist()):
        rows = select_rows(columns, measure=measure, first=first, second=second)
        found.append(
            Effects(
                measure,
                first,
                second,
                rows["subject"],
                rows["effect_size"],
                rows["effect_lower"],
                rows["effect_upper"],
                rows["q_value"],
            )
        )
    return tuple(found)


def conditions_section(found: tuple[Effects, ...]) -> Section:
    """Show the comparison of conditions where somebody asked for one."""
    anchors, title = ("conditions",), "Conditions"
    if not found:
        return Section(anchors, title)
    pictures = []
    for number, effects in enumerate(found):
        with theme.figure_theme():
            figure = effects_figure(effects)
        n_sure = int(np.sum(effects.q_value < 0.05))
        caption = f"{plain_label(effects.measure)}, {plain_label(effects.second)} minus "
        caption += f"{plain_label(effects.first)}: effect size and its 95 % interval of each of "
        caption += f"{len(effects.subjects)}; in colour the {n_sure} with q < 0.05."
        pictures.append(
            make_picture(f"effects-{number}", caption, figure, caption=caption, is_wide=False)
        )
    rows = [tuple(pictures[i : i + 2]) for i in range(0, len(pictures), 2)]
    return Section(anchors, title, tuple(rows))


def effects_figure(effects: Effects) -> Figure:
    """Return the effect size of every subject with its interval, in ascending order."""
    figure = theme.new_figure(SMALL_WIDTH_PX, SMALL_HEIGHT_PX)
    panel = theme.add_panel(figure, BOX)
    order = np.argsort(effects.effect, kind="stable")[:MAX_SUBJECTS]
    rank = np.arange(len(order))
    is_sure = effects.q_value[order] < LEVEL
    for kept, colour in ((~is_sure, theme.FAINT), (is_sure, theme.CALCIUM)):
        rows = order[kept]
        panel.vlines(rank[kept], effects.lower[rows], effects.upper[rows], color=colour)
        panel.plot(rank[kept], effects.effect[rows], "o", color=colour, markersize=3.5)
    panel.axhline(0, color=theme.MUTED, linewidth=0.8)
    # A few wide intervals would press all the others flat; they run out of the picture.
    reach = 1.15 * np.nanpercentile(np.abs([effects.lower[order], effects.upper[order]]), 95)
    reach = max(reach, 1.15 * float(np.nanmax(np.abs(effects.effect[order]), initial=0.0)), 0.5)
    panel.set_ylim(-reach, reach)
    theme.style_value_axis(panel, "effect size (g)")
    panel.set_xticks([])
    panel.set_xlabel("sorted")
    panel.set_title(plain_label(effects.measure))
    return figure
