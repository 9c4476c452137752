"""Stage correlation: calcium traces and ephys at lags, with what chance would give."""

import numpy as np

from ace_nwb.errors import InputError, ParameterError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.ephys import list_ephys
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.lags import (
    LEAST_INDEPENDENT,
    LaggedCorrelation,
    compute_lagged_correlation,
)
from ace_nwb.signals.surrogates import control_false_discoveries
from ace_nwb.stages.common.channels import is_within, list_windows, read_frame_signals
from ace_nwb.stages.common.result_rows import ResultRows, write_rows
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import CorrelationParams

_PLACE = {
    "channel": "The ephys channel.",
    "condition": "Condition; whole is all of the recording.",
}


def not_applicable(session: Session) -> str | None:
    """Say why a file has nothing to relate, or None."""
    return None if list_ephys(session) else "The file holds no electrophysiology."


def compute(session: Session, params: CorrelationParams, context: StageContext) -> list[ResultRows]:
    """Correlate the mean trace and every ROI with every channel in every condition."""
    signals = read_frame_signals(
        session, context, rois=params.rois, channels=params.channels, signal=params.ephys_signal
    )
    tables = _empty_tables(params)
    windows = list_windows(session)
    for number, (name, channel) in enumerate(signals.channels.items(), start=1):
        for condition, spans in windows.items():
            place = {"channel": name, "condition": condition}
            inside = np.flatnonzero(is_within(signals.times_s, spans) & np.isfinite(channel))
            if not inside.size:
                context.remarks.append(f"{name}, {condition}: no frame has a sample of ephys")
                continue
            # From the first to the last sample; what lies between windows is left out.
            span = slice(inside[0], inside[-1] + 1)
            ours = np.where(is_within(signals.times_s, spans), channel, np.nan)[span]
            try:
                found = [
                    _correlate(ours, trace[span], params, rate_hz=signals.rate_hz)
                    for trace in (signals.mean_trace, *signals.traces.T)
                ]
            except (InputError, ParameterError) as error:
                context.remarks.append(f"{name}, {condition}: {error}")
                continue
            _add_mean(tables[0], found[0], place)
            _add_rois(tables[1], found[1:], place, rois=signals.rois)
        context.progress(number, len(signals.channels))
    n_declined = tables[1].count_below("effective_n", LEAST_INDEPENDENT)
    if n_declined:
        context.remarks.append(
            f"no p for {n_declined} of {len(tables[1])} pairs: their signals are so slow that "
            f"fewer than {LEAST_INDEPENDENT} independent samples are left"
        )
    context.remarks.append(
        f"{tables[1].count_below('q_value', 0.05)} of {len(tables[1])} pairs of ROI and channel "
        "are correlated (q < 0.05)"
    )
    return tables


def write(writer: SessionWriter, result: list[ResultRows]) -> None:
    """Write the tables."""
    write_rows(writer, result)


def _correlate(
    ephys: np.ndarray, trace: np.ndarray, params: CorrelationParams, *, rate_hz: float
) -> LaggedCorrelation:
    return compute_lagged_correlation(
        ephys,
        trace,
        sampling_rate_hz=rate_hz,
        **params.model_dump(include={"max_lag_s", "n_surrogates", "seed"}),
    )


def _empty_tables(params: CorrelationParams) -> list[ResultRows]:
    signal = {
        "resampled": "the channel at the frames' rate",
        "filtered": "the band-passed channel",
        "amplitude": "the amplitude of the band-passed channel",
    }[params.ephys_signal]
    return [
        ResultRows(
            layout.MEAN_CORRELATION,
            f"Correlation of the mean dF/F of the analysed ROIs with {signal}: one row per lag.",
            _PLACE
            | {
                "lag_s": "Lag, positive if calcium follows.",
                "correlation": "Pearson's r.",
                "null_lower": "Lower limit of the band that circular shifts keep to (95 %).",
                "null_upper": "Upper limit of that band.",
                "p_value": "Probability of such an excursion at any lag.",
            },
        ),
        ResultRows(
            layout.ROI_CORRELATION,
            f"Correlation of a ROI's dF/F with {signal} at lag zero and where it is strongest.",
            {"roi": "The ROI."}
            | _PLACE
            | {
                "correlation_at_zero": "Pearson's r at lag zero.",
                "effective_n": "Independent samples that the autocorrelations leave.",
                "p_at_zero": "Probability of it with that number; NaN below 20, as the other p.",
                "lag_s": "Lag of the strongest correlation, positive if calcium follows.",
                "correlation": "Pearson's r at that lag.",
                "p_value": "Probability of such an excursion at any lag, by circular shifts.",
                "q_value": "p corrected for the number of ROIs tested (false discovery rate).",
            },
        ),
    ]


def _add_mean(table: ResultRows, found: LaggedCorrelation, place: dict[str, str]) -> None:
    """Add one row per lag."""
    for index, lag_s in enumerate(found.lags_s):
        table.add(
            lag_s=lag_s,
            correlation=found.correlation[index],
            null_lower=found.null_lower[index],
            null_upper=found.null_upper[index],
            p_value=found.p_value,
            **place,
        )


def _add_rois(
    table: ResultRows, found: list[LaggedCorrelation], place: dict[str, str], *, rois: np.ndarray
) -> None:
    """Add one row per ROI."""
    q_value = control_false_discoveries(np.array([one.p_value for one in found]))
    for roi, one, q in zip(rois, found, q_value, strict=True):
        strongest = int(np.nanargmax(np.abs(np.nan_to_num(one.correlation))))
        table.add(
            roi=roi,
            correlation_at_zero=one.correlation[len(one.lags_s) // 2],
            effective_n=one.effective_n,
            p_at_zero=one.p_zero_lag,
            lag_s=one.lags_s[strongest],
            correlation=one.correlation[strongest],
            p_value=one.p_value,
            q_value=q,
            **place,
        )
