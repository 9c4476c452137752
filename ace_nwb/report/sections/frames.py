"""Which frames of the movie exist: read, judged and drawn."""

from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ace_nwb.nwb import layout
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.sync import read_ledger
from ace_nwb.nwb.content.unusable import read_unusable
from ace_nwb.nwb.session import Session
from ace_nwb.report import theme
from ace_nwb.report.sections.parts import Picture, Verdict, grade, make_picture
from ace_nwb.report.wording import format_percent

MAX_LOST_SHARE = (0.01, 0.05)  # above: look, problem


@dataclass(frozen=True)
class Frames:
    """Which frames of the movie exist.

    Parameters
    ----------
    n_recorded, n_lost
        Frames in the file, and frames that were captured but not stored.
    rate_hz
        Median frame rate.
    start_s, duration_s
        Time of the first frame, and from it to the last.
    lost_times_s
        When frames were lost, shape (lost,).
    longest_gap_s
        Longest time without a frame.
    n_irregular
        Time stamps that do not increase or are not finite.
    n_unusable
        Frames that show nothing: frozen, dark, or with missing pixels.
    intervals_s
        Time between frames, shape (frame - 1,).
    """

    n_recorded: int
    n_lost: int
    rate_hz: float
    start_s: float
    duration_s: float
    lost_times_s: np.ndarray
    longest_gap_s: float
    n_irregular: int = 0
    n_unusable: int = 0
    intervals_s: np.ndarray = field(default_factory=lambda: np.empty(0))


def read_frames(session: Session) -> Frames | None:
    """Return which frames exist, from the frame ledger where there is one."""
    if not session.has(layout.MOVIE):
        return None
    times_s = NwbMovie(session).timestamps
    intervals_s = np.diff(times_s)
    usual_s = float(np.nanmedian(intervals_s)) if len(intervals_s) else float("nan")
    if session.has(layout.FRAME_LEDGER):
        lost_s = _lost_in_ledger(read_ledger(session), times_s)
    else:
        lost_s = _lost_in_gaps(times_s, usual_s)
    return Frames(
        n_recorded=len(times_s),
        n_lost=len(lost_s),
        rate_hz=1 / usual_s if usual_s > 0 else float("nan"),
        start_s=float(times_s[0]) if len(times_s) else 0.0,
        duration_s=float(times_s[-1] - times_s[0]) if len(times_s) else 0.0,
        lost_times_s=lost_s,
        longest_gap_s=float(np.nanmax(intervals_s, initial=0.0)),
        n_irregular=int(np.sum(~(intervals_s > 0))),
        n_unusable=int(read_unusable(session, len(times_s)).sum()),
        intervals_s=intervals_s,
    )


def judge_frames(frames: Frames | None) -> Verdict:
    """Judge the movie by the share of frames lost and by its time stamps."""
    if frames is None:
        return Verdict("Frames", "missing", "–", "no movie in this file")
    share = (frames.n_lost + frames.n_unusable) / max(frames.n_lost + frames.n_recorded, 1)
    state = grade(share, MAX_LOST_SHARE)
    advice = "" if state == "good" else "Record to a faster disk or at a lower frame rate."
    note = f"lost {frames.n_lost} of {frames.n_recorded + frames.n_lost} frames"
    note += f", longest gap {frames.longest_gap_s:.2g} s"
    if frames.n_unusable:
        note += f"; {frames.n_unusable} are frozen, dark or have missing pixels"
    if frames.n_irregular:
        state = "problem"
        note += f"; {frames.n_irregular} time stamps do not increase"
        advice = "Look into the frame ledger, `processing/sync/FrameLedger`."
    return Verdict("Frames", state, format_percent(1 - share), note, advice, frames.intervals_s)


def frames_rows(
    frames: Frames | None, span_s: tuple[float, float]
) -> tuple[tuple[Picture, ...], ...]:
    """Return the picture of lost frames, for when there is no alignment to show."""
    if frames is None:
        return ()
    with theme.figure_theme():
        figure = frames_figure(frames, span_s)
    caption = "Frames that were lost."
    return ((make_picture("frames", caption, figure, caption=caption, good="few and scattered."),),)


def frames_figure(frames: Frames, span_s: tuple[float, float]) -> Figure:
    """Return where frames were lost, when there is no alignment to show."""
    figure, (panel,) = theme.stack_panels([26])
    draw_lost_frames(panel, frames.lost_times_s, span_s)
    theme.style_time_axis(panel, span_s)
    return figure


def draw_lost_frames(panel: Axes, lost_times_s: np.ndarray, span_s: tuple[float, float]) -> None:
    """Draw one tick where each lost frame should have been."""
    divisor = theme.time_unit(span_s)[0]
    times = np.unique(np.round(lost_times_s / divisor, 3))
    x = np.repeat(times, 3)
    y = np.tile([0.0, 1.0, np.nan], len(times))
    panel.plot(x, y, color=theme.ALERT, linewidth=1.2, solid_capstyle="butt")
    panel.set_ylim(0, 1)
    panel.set_yticks([])
    panel.spines["left"].set_visible(False)
    panel.annotate(
        "lost",
        (0, 0.5),
        xycoords="axes fraction",
        xytext=(-10, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        annotation_clip=False,
    )
    if not len(times):
        panel.annotate(
            "no frame lost",
            (0.5, 0.5),
            xycoords="axes fraction",
            ha="center",
            va="center",
            color=theme.MUTED,
        )


def _lost_in_ledger(ledger: dict[str, np.ndarray], times_s: np.ndarray) -> np.ndarray:
    """Return when the frames of the ledger that are not in the movie should have been."""
    frame = ledger["movie_frame"].astype(int)
    lost = frame < 0
    known = ledger.get("session_time_s", np.full(len(frame), np.nan))
    rows = np.flatnonzero(~lost & (frame < len(times_s)))
    if not len(rows):
        return np.empty(0)
    between = np.interp(np.flatnonzero(lost), rows, times_s[frame[rows]])
    return np.where(np.isfinite(known[lost]), known[lost], between)


def _lost_in_gaps(times_s: np.ndarray, usual_s: float) -> np.ndarray:
    """Return when frames are missing, judged by intervals of several usual ones."""
    intervals_s = np.diff(times_s)
    if not usual_s > 0:
        return np.empty(0)
    n_missing = np.clip(np.round(intervals_s / usual_s) - 1, 0, None)
    gaps = np.flatnonzero(np.nan_to_num(n_missing) > 0)
    return np.concatenate(
        [times_s[i] + usual_s * np.arange(1, n_missing[i] + 1) for i in gaps] or [np.empty(0)]
    )
