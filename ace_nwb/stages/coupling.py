"""Stage coupling: do calcium events and traces prefer a phase of the ephys channels."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ace_nwb.errors import InputError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.ephys import list_ephys
from ace_nwb.nwb.content.frames import FrameTimes
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.circular import compute_phase_histogram, compute_phase_locking
from ace_nwb.signals.coupling import (
    compute_event_phase_coupling,
    compute_phase_histogram_test,
    compute_trace_phase_coupling,
)
from ace_nwb.signals.phase import interpolate_phase
from ace_nwb.stages.common.channels import (
    EphysChannel,
    choose_rois,
    is_within,
    join_channels,
    list_windows,
    read_event_times,
    read_phases,
)
from ace_nwb.stages.common.choosing import read_dff
from ace_nwb.stages.common.doubt import remark_ambiguity, remark_locking_change
from ace_nwb.stages.common.result_rows import ResultRows, write_rows
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import CouplingParams

LEVEL = 0.05
"""False discovery rate (q value) below which the remark counts a ROI as locked."""
_PAIR = {
    "roi": "The ROI.",
    "channel": "The ephys channel whose phase was taken.",
    "condition": "Condition; whole is all of the recording.",
}
_EVENTS = {"events": "The table of calcium events."}
_PREFERRED = {
    "preferred_phase": "Preferred phase, radians, 0 at the peak of the oscillation.",
}
_Q = {"q_value": "p corrected for the number of ROIs tested (false discovery rate)."}


@dataclass(frozen=True)
class _Case:
    """One channel in one condition; the phase is NaN outside of it."""

    channel: EphysChannel
    condition: str


def not_applicable(session: Session) -> str | None:
    """Say why a file has nothing to relate, or None."""
    return None if list_ephys(session) else "The file holds no electrophysiology."


def compute(session: Session, params: CouplingParams, context: StageContext) -> list[ResultRows]:
    """Relate every chosen ROI to every channel in every condition."""
    remark_ambiguity(session, context)
    rois = choose_rois(session, params.rois)
    channels = join_channels(read_phases(session), params.channels)
    cases = [
        _Case(replace(c, values=np.where(is_within(c.times_s, spans), c.values, np.nan)), condition)
        for c in channels
        for condition, spans in list_windows(session).items()
    ]
    tables = _empty_tables()
    traces, with_dff = read_dff(session, rois, context)
    frame_times_s = FrameTimes(session).timestamps
    events = read_event_times(session)
    for number, case in enumerate(cases, start=1):
        try:
            for name, (times_s, owners) in events.items():
                by_roi = [
                    times_s[owners == roi] if roi in rois else times_s[:0]
                    for roi in range(max(rois) + 1)
                ]
                _add_events(tables, case, rois, params, name=name, by_roi=by_roi)
            phase = interpolate_phase(
                case.channel.values, case.channel.times_s, times_s=frame_times_s
            )
            _add_traces(tables[2], case, with_dff, params, traces=traces, phase=phase)
        except InputError as error:
            context.remarks.append(f"{case.channel.name}, {case.condition}: {error}")
        context.progress(number, len(cases))
    _add_remarks(tables[0], params, context)
    remark_locking_change(
        session, context, lambda moved_s: _locking(cases, events, rois, moved_s=moved_s)
    )
    return tables


def write(writer: SessionWriter, result: list[ResultRows]) -> None:
    """Write the tables."""
    write_rows(writer, result)


def _locking(
    cases: list[_Case],
    events: Mapping[str, tuple[np.ndarray, np.ndarray]],
    rois: np.ndarray,
    *,
    moved_s: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return preferred phases and vector lengths with the events moved by some seconds."""
    found = []
    for case in cases:
        phase, stamps_s = case.channel.values, case.channel.times_s
        for times_s, owners in events.values():
            at = interpolate_phase(phase, stamps_s, times_s=times_s + moved_s)
            found += [compute_phase_locking(at[owners == roi]) for roi in rois]
    phases = np.array([one.preferred_phase for one in found], float)
    return phases, np.array([one.vector_length for one in found], float)


def _empty_tables() -> list[ResultRows]:
    return [
        ResultRows(
            layout.EVENT_PHASE_COUPLING,
            "Phase of an ephys channel at the calcium events of a ROI: one row per ROI, channel, "
            "condition and table of events.",
            _PAIR
            | _EVENTS
            | {"n_events": "Events with a phase."}
            | _PREFERRED
            | {
                "vector_length": "Length of the mean vector, 0 (spread) to 1 (all at one phase).",
                "rayleigh_p": "Probability of so long a vector if events were independent.",
                "pairwise_phase_consistency": "Squared locking, unbiased at few events.",
                "surrogate_p": "Share of moved copies of the events that lock as much.",
                "null_vector_length": "Vector length that 95 % of the moved copies stay below.",
            }
            | _Q
            | {"counts": "Events per bin of phase, equal bins from -pi to pi."},
        ),
        ResultRows(
            layout.PHASE_HISTOGRAM,
            "Phase of an ephys channel at the events of all analysed ROIs: one row per bin.",
            {key: _PAIR[key] for key in ("channel", "condition")}
            | _EVENTS
            | {
                "lower_phase": "Lower edge of the bin, radians.",
                "upper_phase": "Upper edge of the bin, radians.",
                "count": "Events in the bin.",
                "null_lower": "Lower limit of the band that moved events keep to (95 %).",
                "null_upper": "Upper limit of that band.",
                "p_value": "Probability that moved events leave their range as far in any bin.",
            },
        ),
        ResultRows(
            layout.TRACE_PHASE_COUPLING,
            "dF/F of a ROI by the phase of an ephys channel: one row per ROI, channel, condition.",
            _PAIR
            | _PREFERRED
            | {
                "depth": "Amplitude of the modulation, dF/F.",
                "surrogate_p": "Share of circularly shifted traces that are modulated as much.",
            }
            | _Q
            | {"tuning": "Mean dF/F per bin of phase, equal bins from -pi to pi."},
        ),
    ]


def _add_events(
    tables: list[ResultRows],
    case: _Case,
    rois: np.ndarray,
    params: CouplingParams,
    *,
    name: str,
    by_roi: list[np.ndarray],
) -> None:
    """Add the rows of one channel, condition and table of events."""
    phase, stamps_s = case.channel.values, case.channel.times_s
    null = (params.null, params.n_surrogates)
    found = compute_event_phase_coupling(
        by_roi,
        phase,
        timestamps_s=stamps_s,
        min_events=params.min_events,
        null=null,
        seed=params.seed,
    )
    place = {"channel": case.channel.name, "condition": case.condition, "events": name}
    for roi in rois:
        phases = interpolate_phase(phase, stamps_s, times_s=by_roi[roi])
        counts, _ = compute_phase_histogram(phases, n_bins=params.n_bins)
        values = {key: column[roi] for key, column in vars(found).items()}
        tables[0].add(roi=roi, counts=counts, **place, **values)
    pooled = compute_phase_histogram_test(
        np.sort(np.concatenate(by_roi)),
        phase,
        timestamps_s=stamps_s,
        n_bins=params.n_bins,
        null=null,
        seed=params.seed,
    )
    for index, count in enumerate(pooled.counts):
        tables[1].add(
            lower_phase=pooled.edges[index],
            upper_phase=pooled.edges[index + 1],
            count=count,
            null_lower=pooled.null_lower[index],
            null_upper=pooled.null_upper[index],
            p_value=pooled.p_value,
            **place,
        )


def _add_traces(
    table: ResultRows,
    case: _Case,
    rois: np.ndarray,
    params: CouplingParams,
    *,
    traces: np.ndarray,
    phase: np.ndarray,
) -> None:
    """Add how the traces depend on one channel in one condition."""
    found = compute_trace_phase_coupling(
        traces, phase, n_bins=params.n_bins, n_surrogates=params.n_surrogates, seed=params.seed
    )
    for index, roi in enumerate(rois):
        values = {key: column[index] for key, column in vars(found).items()}
        table.add(roi=roi, channel=case.channel.name, condition=case.condition, **values)


def _add_remarks(table: ResultRows, params: CouplingParams, context: StageContext) -> None:
    """Say how many ROIs are locked, and whether the surrogates were enough to tell."""
    columns = {name: values for name, (_, values) in table.columns().items()}
    if not len(table):
        return
    for channel in np.unique(columns["channel"]):
        rows = (columns["channel"] == channel) & (columns["condition"] == "whole")
        tested = np.isfinite(columns["q_value"]) & rows
        n_locked = int(np.sum(columns["q_value"][rows] < LEVEL))
        context.remarks.append(f"{channel}: {n_locked} of {tested.sum()} ROIs tested are locked")
        least = int(np.ceil(tested.sum() / (params.n_surrogates + 1) / LEVEL))
        if least > 1:
            context.remarks.append(
                f"{channel}: with n_surrogates={params.n_surrogates}, fewer than {least} locked "
                f"ROIs among {tested.sum()} cannot be told from chance; take more"
            )
