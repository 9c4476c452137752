"""Motion: the shift of every frame, and how well the frame then fits."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.imaging import read_motion
from ace_nwb.nwb.content.series import read_times
from ace_nwb.nwb.history import StageRun
from ace_nwb.nwb.session import Session
from ace_nwb.report import theme
from ace_nwb.report.sections.parts import Section, State, Verdict, absent, make_picture
from ace_nwb.report.wording import format_percent

MAX_BOUND_SHARE = 0.001  # frames whose shift lies at the edge of the search


@dataclass(frozen=True)
class ShiftCourse:
    """Shift (row, column) of every frame, pixels, shape (frame, 2), and how sure it is."""

    times_s: np.ndarray
    shifts_px: np.ndarray
    quality: np.ndarray | None
    max_shift_px: float | None = None


def read_shifts(session: Session, runs: dict[str, StageRun]) -> ShiftCourse | None:
    """Return the shift of every frame and the largest one that was searched."""
    if not session.has(layout.MOTION_SHIFTS):
        return None
    shifts, quality = read_motion(session)
    times_s = read_times(session.get(layout.MOTION_SHIFTS))
    parameters = runs["motion"].parameters if "motion" in runs else ()
    bound = next((float(p.value) for p in parameters if p.name == "max_shift_px"), None)
    return ShiftCourse(times_s, shifts, quality, bound)


def judge_motion(motion: ShiftCourse | None, file_name: str) -> Verdict:
    """Judge the registration by its largest shifts and by how many lie at the search's edge."""
    if motion is None:
        command = f"ace-nwb process motion {file_name}"
        return Verdict("Motion", "missing", "–", "not registered", f"Run `{command}`.")
    lengths = np.hypot(*motion.shifts_px.T)
    lengths = lengths[np.isfinite(lengths)]
    usual = float(np.percentile(lengths, 95)) if lengths.size else 0.0
    largest = float(lengths.max(initial=0.0))
    state: State = "good"
    advice = ""
    note = f"95 % of frames shift less than this; largest {largest:.1f} px"
    if motion.max_shift_px:
        at_bound = np.abs(motion.shifts_px).max(axis=1) >= 0.97 * motion.max_shift_px
        if at_bound.mean() > MAX_BOUND_SHARE:
            state = "look"
            note = f"{format_percent(float(at_bound.mean()))} of frames at the edge of the search"
            advice = "Raise it: `--set motion.max_shift_px=…`, or look for a loose baseplate."
    return Verdict("Motion", state, f"{usual:.1f} px", note, advice, lengths)


def motion_section(
    motion: ShiftCourse | None, span_s: tuple[float, float], file_name: str
) -> Section:
    """Show the shifts."""
    anchors, title = ("motion",), "Motion"
    if motion is None:
        return absent(anchors, title, f"ace-nwb process motion {file_name}")
    with theme.figure_theme():
        figure = motion_figure(motion, span_s)
    picture = make_picture(
        "motion",
        title,
        figure,
        caption="Shift taken out of every frame, and how well the frame then fits the template.",
        good="shifts of a few pixels that come back, a quality that stays high; "
        "a lasting step means the scope has moved.",
    )
    return Section(anchors, title, ((picture,),))


def motion_figure(motion: ShiftCourse, span_s: tuple[float, float]) -> Figure:
    """Return the shifts of rows and columns over time, and the registration quality."""
    heights = [120, 60] if motion.quality is not None else [120]
    figure, panels = theme.stack_panels(heights)
    names = (("rows", theme.CALCIUM), ("columns", theme.EPHYS))
    for axis, (_, colour) in enumerate(names):
        shifts = motion.shifts_px[:, axis]
        theme.plot_line(panels[0], motion.times_s, shifts, colour=colour, span_s=span_s)
    theme.name_lines(panels[0], names)
    theme.style_value_axis(panels[0], "shift (px)")
    if motion.quality is not None:
        theme.plot_line(
            panels[1], motion.times_s, motion.quality, colour=theme.THIRD, span_s=span_s
        )
        theme.style_value_axis(panels[1], "quality (r)", n_ticks=3)
    for panel in panels:
        theme.style_time_axis(panel, span_s, label=panel is panels[-1])
    theme.align_y_labels(panels)
    return figure
