"""Stage compare: event rates, dF/F and ephys bands of the conditions, by permutation."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ace_nwb.errors import InputError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.conditions import read_conditions
from ace_nwb.nwb.content.frames import FrameTimes
from ace_nwb.nwb.content.phase import list_filtered_ephys
from ace_nwb.nwb.content.roi_series import read_roi_series
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.conditions import bound_effect, compare_conditions, compute_effect_size
from ace_nwb.signals.epochs import Epochs, cut_epochs
from ace_nwb.signals.surrogates import control_false_discoveries
from ace_nwb.stages.common.channels import (
    choose_rois,
    join_channels,
    read_amplitudes,
    read_event_times,
)
from ace_nwb.stages.common.result_rows import ResultRows, write_rows
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import CompareParams

_COLUMNS = {
    "measure": "What is compared.",
    "subject": "Of what: a ROI, a channel, or the mean over ROIs.",
    "first": "The first condition.",
    "second": "The second condition.",
    "n_first": "Epochs of the first.",
    "n_second": "Epochs of the second.",
    "mean_first": "Mean of the first.",
    "mean_second": "Mean of the second.",
    "difference": "Mean of the second minus mean of the first.",
    "effect_size": "Hedges' g: the difference in SDs of the epochs.",
    "effect_lower": "Lower limit of the effect size (95 %, noncentral t, independent epochs).",
    "effect_upper": "Upper limit of the effect size.",
    "memory_s": "Integrated autocorrelation time within the conditions, with a margin.",
    "independent_first": "Independent epochs that the memory leaves of the first.",
    "independent_second": "Independent epochs that the memory leaves of the second.",
    "p_value": "Two-sided, by permutation of blocks long against the memory; NaN if none is given.",
    "smallest_p": "The least p that so few blocks can give.",
    "declined": "Why no p is given.",
    "q_value": "p corrected for the number of subjects of that measure (false discovery rate).",
}


_NUMBERS = (
    "mean_first",
    "mean_second",
    "difference",
    "effect_size",
    "effect_lower",
    "effect_upper",
    "p_value",
    "smallest_p",
)


@dataclass(frozen=True)
class _Measure:
    """A quantity of several subjects over time, shape (sample, subject)."""

    name: str
    subjects: list[str]
    times_s: np.ndarray
    values: np.ndarray


def compute(session: Session, params: CompareParams, context: StageContext) -> list[ResultRows]:
    """Compare every two conditions in every measure."""
    windows = read_conditions(session)
    table = ResultRows(
        layout.CONDITION_COMPARISON,
        f"Two conditions compared over epochs of {params.epoch_s:g} s: one row per measure, "
        "subject and pair of conditions.",
        _COLUMNS,
    )
    if len(windows) < 2:
        context.remarks.append(
            f"{len(windows)} conditions are named, nothing to compare; name two with the stage "
            "conditions"
        )
        return [table]
    measures = _read_measures(session, params)
    pairs = list(combinations(windows, 2))
    for number, (first, second) in enumerate(pairs, start=1):
        for measure in measures:
            found = cut_epochs(
                measure.values,
                measure.times_s,
                windows_s=(windows[first], windows[second]),
                epoch_s=params.epoch_s,
            )
            rows = [_compare(epochs, params) for epochs in found]
            q_value = control_false_discoveries(np.array([row["p_value"] for row in rows]))
            for subject, row, q in zip(measure.subjects, rows, q_value, strict=True):
                table.add(
                    measure=measure.name,
                    subject=subject,
                    first=first,
                    second=second,
                    q_value=q,
                    **row,
                )
            _remark_declined(context, f"{measure.name}, {first} and {second}", rows)
        context.progress(number, len(pairs))
    return [table]


def write(writer: SessionWriter, result: list[ResultRows]) -> None:
    """Write the table."""
    write_rows(writer, result)


def _read_measures(session: Session, params: CompareParams) -> list[_Measure]:
    """Return event rates and dF/F of the ROIs and their mean, amplitudes of the channels."""
    rois = choose_rois(session, params.rois)
    times_s = FrameTimes(session).timestamps
    traces = read_roi_series(session, layout.DFF_TRACES)[:, rois]
    subjects = ["mean of the ROIs", *(f"ROI {roi}" for roi in rois)]
    measures = [_Measure("dF/F", subjects, times_s, np.column_stack([traces.mean(axis=1), traces]))]
    for name, (onset_s, owners) in read_event_times(session).items():
        rate = _event_rate(onset_s, owners, times_s, rois=rois)
        measures.append(
            _Measure(
                f"event rate, Hz ({name})",
                subjects,
                times_s,
                np.column_stack([rate.mean(axis=1), rate]),
            )
        )
    if list_filtered_ephys(session):
        measures += [
            _Measure(
                "ephys amplitude, V", [channel.name], channel.times_s, channel.values[:, np.newaxis]
            )
            for channel in join_channels(read_amplitudes(session))
        ]
    return measures


def _event_rate(
    onset_s: np.ndarray, owners: np.ndarray, times_s: np.ndarray, *, rois: np.ndarray
) -> np.ndarray:
    """Return events per second and frame, shape (frame, roi); its mean is the rate."""
    frames = np.clip(np.searchsorted(times_s, onset_s), 0, len(times_s) - 1)
    n_rois = 1 + max(int(rois.max()), int(np.max(owners, initial=0)))
    counts = np.zeros((len(times_s), n_rois))
    np.add.at(counts, (frames, owners), 1.0)
    return counts[:, rois] / np.median(np.diff(times_s))


def _compare(epochs: Epochs, params: CompareParams) -> dict[str, Any]:
    """Return what a row says of one subject: the effect always, p where it can be given."""
    first, second = epochs.values
    row: dict[str, Any] = {
        "n_first": len(first),
        "n_second": len(second),
        "memory_s": epochs.memory_s,
        "independent_first": epochs.n_independent[0],
        "independent_second": epochs.n_independent[1],
        "declined": epochs.declined,
    }
    row |= dict.fromkeys(_NUMBERS, np.nan)
    if min(len(first), len(second)) < 2:
        return row | {"declined": "a condition has fewer than two epochs"}
    effect = float(compute_effect_size(first, second, is_paired=False))
    lower, upper = bound_effect(effect, *epochs.n_independent, is_paired=False)
    row |= {
        "mean_first": first.mean(),
        "mean_second": second.mean(),
        "difference": second.mean() - first.mean(),
        "effect_size": effect,
        "effect_lower": lower,
        "effect_upper": upper,
    }
    if epochs.declined:
        return row
    try:
        found = compare_conditions(
            *epochs.blocks,
            is_paired=epochs.is_paired,
            n_permutations=params.n_permutations,
            seed=params.seed,
        )
    except InputError as error:
        return row | {"declined": str(error)}
    return row | {"p_value": found.p_value, "smallest_p": found.smallest_p}


def _remark_declined(context: StageContext, place: str, rows: list[dict[str, Any]]) -> None:
    """Say of how many subjects no p is given, and why of the first."""
    reasons = [row["declined"] for row in rows if row["declined"]]
    if reasons:
        context.remarks.append(
            f"{place}: no p for {len(reasons)} of {len(rows)}; the effect and its interval are "
            f"given. The first: {reasons[0]}"
        )
