"""Ephys channels over all their stretches, and both signals side by side at the frames."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.errors import InputError, NothingToDoError, RequirementError
from ace_nwb.forms.commands import quoted
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.conditions import read_conditions
from ace_nwb.nwb.content.events import list_calcium_events, read_events
from ace_nwb.nwb.content.phase import list_filtered_ephys
from ace_nwb.nwb.content.series import read_series
from ace_nwb.nwb.session import Session
from ace_nwb.signals.phase import compute_phase
from ace_nwb.signals.resampling import resample_at
from ace_nwb.stages.common.choosing import accepted_rois, choose_names, read_dff
from ace_nwb.stages.common.regular import (
    RegularSignal,
    frames_on_grid,
    hilbert_edge,
    read_slow_ephys,
)
from ace_nwb.stages.running.context import StageContext

WHOLE = "whole"
"""Name of the condition that is all of the recording."""


@dataclass(frozen=True)
class EphysChannel:
    """One ephys channel over all stretches, gaps between them; values of shape (sample,)."""

    name: str
    times_s: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class FrameSignals:
    """Traces and ephys channels at the same evenly spaced times.

    Parameters
    ----------
    times_s, rate_hz
        Times, shape (sample,), session clock, seconds, and samples per second.
    rois
        Rows of the ROI table.
    traces
        dF/F, shape (sample, roi); NaN where no frame was recorded.
    channels
        Name -> values, shape (sample,); NaN where nothing was recorded.
    """

    times_s: np.ndarray
    rate_hz: float
    rois: np.ndarray
    traces: np.ndarray
    channels: dict[str, np.ndarray]

    @property
    def mean_trace(self) -> np.ndarray:
        """Mean dF/F of the ROIs, shape (sample,)."""
        return self.traces.mean(axis=1)


def choose_rois(session: Session, rois: str) -> np.ndarray:
    """Return the rows of the ROI table to analyse."""
    if rois == "accepted":
        return accepted_rois(session)
    return np.arange(len(session.get(layout.PLANE_SEGMENTATION)))


def join_channels(stretches: list[RegularSignal], wanted: str | None = None) -> list[EphysChannel]:
    """Put the stretches of every channel behind each other, by default of field potentials."""
    every = list(dict.fromkeys(name for part in stretches for name in part.channel_names))
    analysed = list(dict.fromkeys(name for part in stretches for name in part.analysed))
    joined = []
    for name in choose_names("channel", wanted, every) if wanted is not None else analysed:
        parts = sorted(
            (part for part in stretches if name in part.channel_names), key=lambda p: p.start_s
        )
        joined.append(
            EphysChannel(
                name,
                np.concatenate([part.times_s for part in parts]),
                np.concatenate([part.values[:, part.channel_names.index(name)] for part in parts]),
            )
        )
    return joined


def read_filtered(session: Session) -> list[RegularSignal]:
    """Return the band-passed ephys stretches.

    Raises
    ------
    NothingToDoError
        If there are none.
    """
    found = [
        RegularSignal(
            series.name.removeprefix("EphysFiltered"),
            series.path,
            series.channel_names,
            series.read(),
            series.start_s,
            series.rate_hz,
            series.kinds,
        )
        for series in list_filtered_ephys(session)
    ]
    if not found:
        raise NothingToDoError(
            f"{session.path} holds no band-passed ephys; at least one stretch is needed. Run "
            f"`ace-nwb process ephys-filter {quoted(session.path.name)}` first."
        )
    return found


def read_amplitudes(session: Session) -> list[RegularSignal]:
    """Return the envelopes of the band-passed ephys stretches, volts."""
    return [
        part.with_values(
            compute_phase(
                part.values, edge_samples=hilbert_edge(session, "ephys-filter", part.rate_hz)
            )[1]
        )
        for part in read_filtered(session)
    ]


def read_phases(session: Session) -> list[RegularSignal]:
    """Return the phases that the stage phase wrote, radians."""
    found = []
    for part in read_filtered(session):
        path = f"/processing/phase/EphysPhase{part.name}"
        if session.has(path):
            found.append(part.with_values(read_series(session, path)[1].reshape(part.values.shape)))
    if not found:
        raise RequirementError(
            f"{session.path} holds no phase of ephys channels; at least one is needed. Run "
            f"`ace-nwb process phase {quoted(session.path.name)} --force` after ephys-filter."
        )
    return found


def read_event_times(session: Session) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return table name -> (times in seconds, rows of the ROI table) of the calcium events."""
    found = {}
    for path in list_calcium_events(session):
        times_s, columns = read_events(session, path)
        found[path.rpartition("/")[2]] = (times_s, columns["roi"])
    return found


def list_windows(session: Session) -> dict[str, np.ndarray]:
    """Return the whole recording and every condition: name -> (interval, 2), seconds."""
    return {WHOLE: np.array([[-np.inf, np.inf]]), **read_conditions(session)}


def is_within(times_s: np.ndarray, intervals_s: np.ndarray) -> np.ndarray:
    """Return whether each time lies in an interval, its end excluded."""
    inside = np.zeros(len(times_s), bool)
    for start, stop in intervals_s:
        inside |= (times_s >= start) & (times_s < stop)
    return inside


def read_frame_signals(
    session: Session, context: StageContext, *, rois: str, channels: str | None, signal: str
) -> FrameSignals:
    """Bring ephys to the times of the frames, low-passed so that nothing aliases.

    Parameters
    ----------
    rois, channels
        Parameters of the stage.
    signal
        "resampled" (artefacts bridged), "filtered" or "amplitude".
    """
    chosen = choose_rois(session, rois)
    traces, chosen = read_dff(session, chosen, context)
    grid = frames_on_grid(session, traces)
    if signal == "resampled":
        stretches = read_slow_ephys(
            session,
            max_frequency_hz=grid.rate_hz / 2,
            skip=context.remarks.append,
            treatment="interpolate",
        )
    else:
        stretches = read_filtered(session) if signal == "filtered" else read_amplitudes(session)
    found = {}
    for channel in join_channels(stretches, channels):
        rate_hz = 1 / np.median(np.diff(channel.times_s))
        found[channel.name] = resample_at(
            channel.values,
            channel.times_s,
            times_s=grid.times_s,
            max_frequency_hz=min(grid.rate_hz, 0.999 * rate_hz) / 2,
        )
    overlap = sum(np.isfinite(values).any() for values in found.values())
    if not overlap:
        raise InputError(
            f"{len(found)} ephys channels have no sample at the {len(grid.times_s)} frames from "
            f"{grid.times_s[0]:.1f} to {grid.times_s[-1]:.1f} s. Align the clocks (stage sync)."
        )
    return FrameSignals(grid.times_s, grid.rate_hz, chosen, grid.values, found)
