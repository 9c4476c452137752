"""Stage coherence: calcium and ephys at one frequency, over the whole and over time."""

from dataclasses import dataclass

import numpy as np

from ace_nwb.errors import InputError
from ace_nwb.nwb import layout
from ace_nwb.nwb.content.ephys import list_ephys
from ace_nwb.nwb.content.spectra import BandPower, write_spectrogram
from ace_nwb.nwb.session import Session, SessionWriter
from ace_nwb.signals.bands import average_bands
from ace_nwb.signals.coherence import (
    Coherence,
    compute_coherence,
    compute_coherogram,
    compute_shuffled_coherence,
    find_coherence_peaks,
)
from ace_nwb.signals.multitaper import SpectralPlan, plan_spectrogram
from ace_nwb.signals.surrogates import compute_surrogate_p, control_false_discoveries
from ace_nwb.stages.common.channels import FrameSignals, is_within, list_windows, read_frame_signals
from ace_nwb.stages.common.regular import describe_times
from ace_nwb.stages.common.result_rows import ResultRows, write_rows
from ace_nwb.stages.running.context import StageContext
from ace_nwb.stages.settings.params import CoherenceParams

_NOT_SPECTRAL = {"confidence", "rois", "channels", "n_surrogates", "seed"}
_PLACE = {
    "channel": "The ephys channel.",
    "condition": "Condition; whole is all of the recording.",
}
_VALUES = {
    "coherence": "Squared magnitude, 0 to 1.",
    "phase": "Phase of ephys minus calcium, radians: positive if ephys leads.",
    "lower": "Lower jackknife confidence limit of the coherence.",
    "upper": "Upper jackknife confidence limit of the coherence.",
    "n_estimates": "Windows without a gap times tapers; chance gives 1 / n_estimates.",
}


@dataclass(frozen=True)
class Course:
    """Coherence over time: values of shape (window, channel, band) at times (window,)."""

    channels: tuple[str, ...]
    times_s: np.ndarray
    coherence: np.ndarray
    band_limits_hz: np.ndarray


@dataclass(frozen=True)
class CoherenceResult:
    """Tables by frequency (mean trace) and by ROI (at its peak), and the coherogram."""

    tables: list[ResultRows]
    course: Course | None


def not_applicable(session: Session) -> str | None:
    """Say why a file has nothing to relate, or None."""
    return None if list_ephys(session) else "The file holds no electrophysiology."


def compute(session: Session, params: CoherenceParams, context: StageContext) -> CoherenceResult:
    """Compute the coherence of the mean trace and of every ROI with every channel."""
    signals = read_frame_signals(
        session, context, rois=params.rois, channels=params.channels, signal="resampled"
    )
    plan = plan_spectrogram(
        sampling_rate_hz=signals.rate_hz,
        **params.model_dump(exclude=_NOT_SPECTRAL),
    )
    if plan.message:
        context.remarks.append(plan.message)
    tables = _empty_tables()
    values = np.column_stack([signals.mean_trace, signals.traces])
    windows = list_windows(session)
    for number, (name, channel) in enumerate(signals.channels.items(), start=1):
        for condition, spans in windows.items():
            inside = np.where(is_within(signals.times_s, spans), channel, np.nan)
            found = compute_coherence(inside, values, plan=plan, confidence=params.confidence)
            if found.n_estimates.max() < 3:
                context.remarks.append(
                    f"{name}, {condition}: {found.n_estimates.max()} estimates are too few for a "
                    f"coherence, at least 3 are needed; a window lasts {params.window_s:g} s"
                )
                continue
            null = compute_shuffled_coherence(
                inside, values, plan=plan, n_surrogates=params.n_surrogates, seed=params.seed
            )
            place = {"channel": name, "condition": condition}
            _add_mean(tables[0], found, place, null=null)
            _add_rois(tables[1], found, place, rois=signals.rois, null=null)
        context.progress(number, len(signals.channels))
    context.remarks.append(
        f"{tables[1].count_below('q_value', 0.05)} of {len(tables[1])} pairs of ROI and channel "
        "are coherent (q < 0.05)"
    )
    # half of what windows resolve
    width_hz = params.time_bandwidth / params.window_s
    return CoherenceResult(tables, _follow(signals, plan, context, width_hz=width_hz))


def write(writer: SessionWriter, result: CoherenceResult) -> None:
    """Write the tables and the coherogram."""
    write_rows(writer, result.tables)
    if result.course is None:
        return
    course = result.course
    write_spectrogram(
        writer,
        layout.COHEROGRAM,
        BandPower(
            course.coherence,
            band_limits_hz=course.band_limits_hz,
            unit="n.a.",
            metric="coherence",
            description="Squared coherence of the mean dF/F of the analysed ROIs with ephys "
            f"channels: {', '.join(course.channels)}; times are window centres.",
            source=layout.DFF_TRACES,
        ),
        **describe_times(course.times_s),
    )


def _empty_tables() -> list[ResultRows]:
    return [
        ResultRows(
            layout.MEAN_COHERENCE,
            "Coherence of the ROIs' mean dF/F with a channel, one row per frequency.",
            _PLACE
            | {"frequency_hz": "Frequency."}
            | _VALUES
            | {
                "p_value": "Probability of so large a coherence at this frequency, by formula: "
                "too small where both signals come in bursts. Judge by surrogate_p.",
                "surrogate_p": "Share of shuffles of the windows with as large a coherence at any "
                "frequency; corrected for the number of frequencies.",
                "null_level": "What 95 % of shuffles of the windows stay below everywhere.",
            },
        ),
        ResultRows(
            layout.ROI_COHERENCE,
            "Coherence of a ROI's dF/F with a channel at the frequency where it is greatest.",
            {"roi": "The ROI."}
            | _PLACE
            | {"frequency_hz": "Frequency of the greatest coherence."}
            | _VALUES
            | {
                "p_value": "Probability of so large a coherence at any frequency, by formula: too "
                "small where both signals come in bursts. Judge by surrogate_p.",
                "surrogate_p": "Share of shuffles of the windows with as large a coherence.",
                "q_value": "surrogate_p corrected for the number of ROIs (false discovery rate).",
                "spectrum": "Coherence at the frequencies of MeanCoherence.",
            },
        ),
    ]


def _add_mean(
    table: ResultRows, found: Coherence, place: dict[str, str], *, null: np.ndarray
) -> None:
    """Add one row per frequency of the mean trace, which is the first channel."""
    is_tested = np.isfinite(found.p_value[0]) & np.isfinite(null[0, 0])
    observed = np.where(is_tested, found.coherence[0], np.nan)
    surrogate_p = compute_surrogate_p(observed, null[:, :1])
    null_level = float(np.quantile(null[:, 0], 0.95))
    for index, frequency_hz in enumerate(found.frequencies_hz):
        table.add(
            frequency_hz=frequency_hz,
            **{
                key: getattr(found, key)[0, index]
                for key in ("coherence", "phase", "lower", "upper", "p_value")
            },
            n_estimates=found.n_estimates[0],
            surrogate_p=surrogate_p[index],
            null_level=null_level,
            **place,
        )


def _add_rois(
    table: ResultRows,
    found: Coherence,
    place: dict[str, str],
    *,
    rois: np.ndarray,
    null: np.ndarray,
) -> None:
    """Add one row per ROI at its peak."""
    peaks, p_value = find_coherence_peaks(found)
    greatest = np.take_along_axis(found.coherence, peaks[:, np.newaxis], axis=1)[:, 0]
    surrogate_p = compute_surrogate_p(np.where(np.isfinite(null[0]), greatest, np.nan), null)
    q_value = control_false_discoveries(surrogate_p[1:])
    for number, roi in enumerate(rois, start=1):
        table.add(
            roi=roi,
            frequency_hz=found.frequencies_hz[peaks[number]],
            **{
                key: getattr(found, key)[number, peaks[number]]
                for key in ("coherence", "phase", "lower", "upper")
            },
            n_estimates=found.n_estimates[number],
            p_value=p_value[number],
            surrogate_p=surrogate_p[number],
            q_value=q_value[number - 1],
            spectrum=found.coherence[number],
            **place,
        )


def _follow(
    signals: FrameSignals, plan: SpectralPlan, context: StageContext, *, width_hz: float
) -> Course | None:
    """Compute the coherence of the mean trace window by window; None if nothing is whole.

    Its bands are at most `width_hz` wide.
    """
    parts = []
    try:
        for channel in signals.channels.values():
            times_s, coherence, _ = compute_coherogram(channel, signals.mean_trace, plan=plan)
            parts.append(coherence)
    except InputError as error:
        context.remarks.append(f"no coherogram: {error}")
        return None
    values = np.stack(parts, axis=1)
    known = np.isfinite(values[:, :, -1]).any(axis=1)
    if not known.any():
        context.remarks.append(f"no coherogram: all {len(values)} windows hold a gap")
        return None
    averaged, limits = average_bands(values[known], plan.frequencies_hz, width_hz=width_hz)
    return Course(tuple(signals.channels), signals.times_s[0] + times_s[known], averaged, limits)
