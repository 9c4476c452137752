"""Stage perievent: traces and ephys bands around TTL pulses, notes and bouts."""

from functools import partial
from typing import Any

import numpy as np

from ace_nwb.errors import InputError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.bouts import read_bouts
from ace_nwb.nwb.content.events import list_event_tables, read_events
from ace_nwb.nwb.content.frames import FrameTimes
from ace_nwb.nwb.content.phase import list_filtered_ephys
from ace_nwb.nwb.content.sync import read_clock_fit
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.perievent import (
    PerieventAverage,
    compute_perievent_average,
    compute_perievent_averages,
)
from ace_nwb.signals.surrogates import control_false_discoveries
from ace_nwb.stages.common.channels import choose_rois, join_channels, read_amplitudes
from ace_nwb.stages.common.choosing import choose_names, read_dff
from ace_nwb.stages.common.doubt import remark_ambiguity, remark_change
from ace_nwb.stages.common.result_rows import ResultRows, write_rows
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import PerieventParams

_FEWEST_SURROGATES = 19
"""As few as the average takes: only its means are compared."""


def compute(session: Session, params: PerieventParams, context: StageContext) -> list[ResultRows]:
    """Average the traces of the ROIs, their mean, and the ephys amplitudes around every trigger."""
    remark_ambiguity(session, context)
    traces, rois = read_dff(session, choose_rois(session, params.rois), context)
    columns = np.column_stack([traces.mean(axis=1), traces])
    times_s = FrameTimes(session).timestamps
    has_ephys = bool(list_filtered_ephys(session))
    channels = join_channels(read_amplitudes(session)) if has_ephys else []
    lags_s = _lags(params)
    how: dict[str, Any] = {
        "lags_s": lags_s,
        "n_surrogates": params.n_surrogates,
        "seed": params.seed,
        "null": params.null,
    }
    tables = _empty_tables()
    triggers = _read_triggers(session, params)
    for number, (name, event_times_s) in enumerate(triggers.items(), start=1):
        if len(event_times_s) < params.min_events:
            context.remarks.append(
                f"{name} has {len(event_times_s)} events, fewer than {params.min_events}"
            )
            continue
        try:
            found = compute_perievent_averages(columns, times_s, event_times_s=event_times_s, **how)
            _add_mean(tables[0], found[0], trigger=name, signal="mean dF/F")
            mean = partial(_mean_curves, columns, times_s, event_times_s=event_times_s, how=how)
            remark_change(session, context, f"dF/F around {name}", mean)
            _add_rois(tables[1], found[1:], rois, trigger=name)
            for channel in channels:
                average = compute_perievent_average(
                    channel.values, channel.times_s, event_times_s=event_times_s, **how
                )
                signal = f"amplitude of {channel.name}"
                _add_mean(tables[0], average, trigger=name, signal=signal)
        except InputError as error:
            context.remarks.append(f"{name}: {error}")
        context.progress(number, len(triggers))
    return tables


def write(writer: SessionWriter, result: list[ResultRows]) -> None:
    """Write the tables."""
    write_rows(writer, result)


def _mean_curves(
    columns: np.ndarray,
    times_s: np.ndarray,
    moved_s: float,
    *,
    event_times_s: np.ndarray,
    how: dict[str, Any],
) -> np.ndarray:
    """Return the mean curves, shape (signal, lag), with the frames moved by some seconds."""
    few = how | {"n_surrogates": _FEWEST_SURROGATES}
    found = compute_perievent_averages(
        columns, times_s + moved_s, event_times_s=event_times_s, **few
    )
    return np.array([one.mean for one in found])


def _lags(params: PerieventParams) -> np.ndarray:
    """Return the lags, shape (lag,), seconds; zero is one of them."""
    before = int(np.floor(params.before_s / params.step_s + 1e-9))
    after = int(np.floor(params.after_s / params.step_s + 1e-9))
    return np.arange(-before, after + 1) * params.step_s


def _read_triggers(session: Session, params: PerieventParams) -> dict[str, np.ndarray]:
    """Return name -> times in seconds: rising edges, events, starts of bouts of every channel."""
    names = [path.rpartition("/")[2] for path in list_event_tables(session)]
    bouts = layout.OSCILLATION_BOUTS.rpartition("/")[2]
    known = names + ([bouts] if session.has(layout.OSCILLATION_BOUTS) else [])
    chosen = choose_names("events table", params.around, known)
    if params.around is None and session.has(layout.CLOCK_FIT):
        frame_line = str(read_clock_fit(session)["line"][0])
        chosen = [name for name in chosen if name != frame_line]
    found: dict[str, np.ndarray] = {}
    for name in chosen:
        if name == bouts:
            for channel, spans in read_bouts(session).items():
                found[f"{bouts} {channel}"] = spans[:, 0]
            continue
        times_s, columns = read_events(session, f"{layout.EVENTS}/{name}")
        is_rising = columns["level"] == 1 if "level" in columns else np.ones(len(times_s), bool)
        found[name] = np.asarray(times_s)[is_rising]
    return found


def _empty_tables() -> list[ResultRows]:
    trigger = {"trigger": "What happened at lag zero."}
    return [
        ResultRows(
            layout.MEAN_PERIEVENT,
            "A signal around events: one row per lag.",
            trigger
            | {
                "signal": "The mean dF/F of the analysed ROIs, or the band of a channel (volts).",
                "lag_s": "Seconds after the event.",
                "mean": "Mean over events.",
                "standard_error": "Of that mean.",
                "n_events": "Events with a value at this lag.",
                "null_lower": "Lower limit of the band that moved events keep to (95 %).",
                "null_upper": "Upper limit of that band.",
                "p_value": "Probability of such an excursion at any lag.",
            },
        ),
        ResultRows(
            layout.ROI_PERIEVENT,
            "dF/F of a ROI around events: one row per ROI and trigger.",
            {"roi": "The ROI."}
            | trigger
            | {
                "n_events": "Events with a value at every lag.",
                "peak_lag_s": "Lag of the mean that is farthest from chance.",
                "peak": "Mean dF/F at that lag.",
                "p_value": "Probability of such an excursion at any lag.",
                "q_value": "p corrected for the number of ROIs tested (false discovery rate).",
                "mean": "Mean dF/F at the lags of MeanPerievent.",
            },
        ),
    ]


def _add_mean(table: ResultRows, found: PerieventAverage, *, trigger: str, signal: str) -> None:
    """Add one row per lag."""
    for index, lag_s in enumerate(found.lags_s):
        table.add(
            trigger=trigger,
            signal=signal,
            lag_s=lag_s,
            p_value=found.p_value,
            **{
                key: getattr(found, key)[index]
                for key in ("mean", "standard_error", "n_events", "null_lower", "null_upper")
            },
        )


def _add_rois(
    table: ResultRows, found: list[PerieventAverage], rois: np.ndarray, *, trigger: str
) -> None:
    """Add one row per ROI."""
    q_value = control_false_discoveries(np.array([one.p_value for one in found]))
    for roi, one, q in zip(rois, found, q_value, strict=True):
        centre = (one.null_lower + one.null_upper) / 2
        reach = (one.null_upper - one.null_lower) / 2
        excess = np.abs(one.mean - centre) / np.where(reach > 0, reach, np.inf)
        peak = int(np.argmax(np.nan_to_num(excess)))
        table.add(
            roi=roi,
            trigger=trigger,
            n_events=one.n_events.min(),
            peak_lag_s=one.lags_s[peak],
            peak=one.mean[peak],
            p_value=one.p_value,
            q_value=q,
            mean=one.mean,
        )
