"""Stage compare: event rates, dF/F and ephys bands of the conditions, by permutation."""

from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np

from ace_nwb.errors import InputError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.conditions import read_conditions
from ace_nwb.nwb.content.movie import NwbMovie
from ace_nwb.nwb.content.phase import list_filtered_ephys
from ace_nwb.nwb.content.roi_series import read_roi_series
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.conditions import average_epochs, compare_conditions
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
    "effect_lower": "Lower limit of the effect size (95 %, noncentral t).",
    "effect_upper": "Upper limit of the effect size.",
    "p_value": "Two-sided, by permutation of epochs.",
    "smallest_p": "The least p that so few epochs can give.",
    "q_value": "p corrected for the number of subjects of that measure (false discovery rate).",
}


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
            epochs = [
                average_epochs(
                    measure.values,
                    measure.times_s,
                    intervals_s=windows[name],
                    epoch_s=params.epoch_s,
                )
                for name in (first, second)
            ]
            try:
                _add_rows(table, measure, epochs, params, names=(first, second))
            except InputError as error:
                context.remarks.append(f"{measure.name}, {first} and {second}: {error}")
        context.progress(number, len(pairs))
    return [table]


def write(writer: SessionWriter, result: list[ResultRows]) -> None:
    """Write the table."""
    write_rows(writer, result)


def _read_measures(session: Session, params: CompareParams) -> list[_Measure]:
    """Return event rates and dF/F of the ROIs and their mean, amplitudes of the channels."""
    rois = choose_rois(session, params.rois)
    times_s = NwbMovie(session).timestamps
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


def _add_rows(
    table: ResultRows,
    measure: _Measure,
    epochs: list[np.ndarray],
    params: CompareParams,
    *,
    names: tuple[str, str],
) -> None:
    """Add one row per subject of a measure."""
    found = [
        compare_conditions(
            epochs[0][:, column],
            epochs[1][:, column],
            is_paired=False,
            n_permutations=params.n_permutations,
            seed=params.seed,
        )
        for column in range(len(measure.subjects))
    ]
    q_value = control_false_discoveries(np.array([one.p_value for one in found]))
    for column, (subject, one) in enumerate(zip(measure.subjects, found, strict=True)):
        table.add(
            measure=measure.name,
            subject=subject,
            first=names[0],
            second=names[1],
            mean_first=np.nanmean(epochs[0][:, column]),
            mean_second=np.nanmean(epochs[1][:, column]),
            q_value=q_value[column],
            **asdict(one),
        )
