"""Locking of calcium events and traces to the phase of an oscillation, with surrogate tests."""

from dataclasses import astuple, dataclass

import numpy as np
from scipy import fft

from ace_nwb.errors import InputError
from ace_nwb.signals.circular import PhaseLocking, compute_phase_locking, wrap_phase
from ace_nwb.signals.perievent import compute_simultaneous_band
from ace_nwb.signals.phase import interpolate_phase
from ace_nwb.signals.runs import find_breaks, find_runs
from ace_nwb.signals.surrogates import (
    SurrogateKind,
    compute_surrogate_p,
    control_false_discoveries,
    move_events,
)


@dataclass(frozen=True)
class EventPhaseCoupling:
    """Phase locking of the events of each ROI, arrays of shape (roi,).

    Parameters
    ----------
    n_events
        Events with a phase.
    preferred_phase, vector_length, rayleigh_p, pairwise_phase_consistency
        As in `circular.PhaseLocking`; NaN below the least number of events.
    surrogate_p
        Share of surrogates that lock as much, by pairwise phase consistency.
    null_vector_length
        Vector length that 95 % of the surrogates stay below.
    q_value
        `surrogate_p` (`rayleigh_p` without surrogates) adjusted for the number of ROIs tested.
    """

    n_events: np.ndarray
    preferred_phase: np.ndarray
    vector_length: np.ndarray
    rayleigh_p: np.ndarray
    pairwise_phase_consistency: np.ndarray
    surrogate_p: np.ndarray
    null_vector_length: np.ndarray
    q_value: np.ndarray


def compute_event_phase_coupling(
    event_times_s: list[np.ndarray],
    phase: np.ndarray,
    *,
    timestamps_s: np.ndarray,
    min_events: int,
    null: tuple[SurrogateKind, int],
    seed: int,
) -> EventPhaseCoupling:
    """Test whether the events of each ROI prefer a phase of an oscillation.

    The Rayleigh test takes events for independent; the surrogates keep their rhythm and bursts and
    are the safer test.

    Parameters
    ----------
    event_times_s
        Event times of each ROI, seconds.
    phase
        Phase of the oscillation, shape (sample,), radians; NaN where there is none.
    timestamps_s
        Times of the samples, same clock, shape (sample,).
    min_events
        ROIs with fewer events that have a phase are not tested.
    null
        Kind and number of surrogates; 0 for none.
    seed
        Of the surrogates. Each ROI has its own stream, so that numbers do not depend on the others.

    Returns
    -------
    EventPhaseCoupling
        One row per ROI.
    """
    support = find_phase_support(phase, timestamps_s)
    breaks = find_breaks(timestamps_s)
    rows: list[tuple[float, ...]] = []
    for roi, times_s in enumerate(event_times_s):
        found = interpolate_phase(phase, timestamps_s, times_s=times_s, breaks=breaks)
        locking = compute_phase_locking(found)
        roi_p, roi_length = np.nan, np.nan
        if locking.n_events < max(min_events, 1):
            locking = PhaseLocking(locking.n_events, np.nan, np.nan, np.nan, np.nan)
        elif null[1]:
            moved = move_events(
                np.asarray(times_s)[np.isfinite(found)],
                support,
                kind=null[0],
                n_surrogates=null[1],
                rng=np.random.default_rng([seed, roi]),
            )
            lengths = _compute_vector_lengths(phase, timestamps_s, times_s=moved)
            roi_p = float(compute_surrogate_p(np.array(locking.vector_length), lengths))
            roi_length = float(np.quantile(lengths, 0.95))
        rows.append((*astuple(locking), roi_p, roi_length))
    n_events, preferred, length, rayleigh_p, consistency, surrogate_p, null_length = (
        np.array(rows, dtype=float).reshape(-1, 7).T
    )
    return EventPhaseCoupling(
        n_events=n_events.astype(np.intp),
        preferred_phase=preferred,
        vector_length=length,
        rayleigh_p=rayleigh_p,
        pairwise_phase_consistency=consistency,
        surrogate_p=surrogate_p,
        null_vector_length=null_length,
        q_value=control_false_discoveries(surrogate_p if null[1] else rayleigh_p),
    )


def find_phase_support(phase: np.ndarray, timestamps_s: np.ndarray) -> np.ndarray:
    """Find the intervals in which there is a phase.

    Parameters
    ----------
    phase
        Shape (sample,); NaN where there is none.
    timestamps_s
        Times of the samples, shape (sample,), seconds.

    Returns
    -------
    numpy.ndarray
        Start and stop, shape (interval, 2), seconds.
    """
    runs = find_runs(np.isfinite(phase), find_breaks(timestamps_s))
    runs = runs[runs[:, 1] - runs[:, 0] > 1]
    if not len(runs):
        raise InputError(
            "No two successive samples have a phase. Filter a signal with fewer gaps, or with a "
            "band whose edges are shorter."
        )
    timestamps_s = np.asarray(timestamps_s, dtype=float)
    return np.column_stack([timestamps_s[runs[:, 0]], timestamps_s[runs[:, 1] - 1]])


@dataclass(frozen=True)
class TracePhaseCoupling:
    """How traces depend on the phase of an oscillation, first axis roi.

    Parameters
    ----------
    tuning
        Mean of the trace in bins of phase from -pi to pi, shape (roi, bin).
    preferred_phase
        Direction of the first harmonic of the tuning, radians, shape (roi,).
    depth
        Amplitude of that harmonic in the trace's unit, shape (roi,).
    surrogate_p
        Share of circularly shifted traces with at least this depth, shape (roi,).
    q_value
        `surrogate_p` adjusted for the number of ROIs.
    """

    tuning: np.ndarray
    preferred_phase: np.ndarray
    depth: np.ndarray
    surrogate_p: np.ndarray
    q_value: np.ndarray


def compute_trace_phase_coupling(
    traces: np.ndarray, phase: np.ndarray, *, n_bins: int, n_surrogates: int, seed: int
) -> TracePhaseCoupling:
    """Test whether traces depend on the phase of an oscillation.

    Parameters
    ----------
    traces
        Shape (frame, roi); frames with NaN in any ROI are left out.
    phase
        Phase at the frames, shape (frame,), radians; frames without one are left out.
    n_bins
        Bins of phase.
    n_surrogates
        Number of circular shifts of the phase against the traces.
    seed
        Of the shifts.

    Returns
    -------
    TracePhaseCoupling
        One row per ROI.
    """
    is_used = np.isfinite(phase) & np.isfinite(traces).all(axis=1)
    if is_used.sum() < 2 * n_bins:
        raise InputError(
            f"{is_used.sum()} frames have both a phase and traces, too few for {n_bins} bins. "
            f"At least {2 * n_bins} are needed."
        )
    traces, phase = traces[is_used], wrap_phase(phase[is_used])
    bins = np.minimum(((phase + np.pi) / (2 * np.pi) * n_bins).astype(np.intp), n_bins - 1)
    members = np.arange(n_bins)[:, np.newaxis] == bins
    with np.errstate(invalid="ignore", divide="ignore"):
        tuning = (members @ traces / members.sum(axis=1)[:, np.newaxis]).T
    centred = traces - traces.mean(axis=0)
    harmonic = 2 / len(phase) * np.exp(1j * phase) @ centred
    depth = np.abs(harmonic)
    surrogate_p = np.full(depth.shape, np.nan)
    if n_surrogates:
        shifts = np.random.default_rng(seed).integers(1, len(phase), n_surrogates)
        surrogate_p = compute_surrogate_p(depth, _shift_depths(phase, centred, shifts=shifts))
    q_value = control_false_discoveries(surrogate_p)
    return TracePhaseCoupling(tuning, np.angle(harmonic), depth, surrogate_p, q_value)


@dataclass(frozen=True)
class PhaseHistogram:
    """How many events fall into each bin of phase.

    Parameters
    ----------
    edges
        Radians from -pi to pi, shape (bin + 1,).
    counts
        Events per bin, shape (bin,).
    null_lower, null_upper
        Band that the whole histogram leaves by chance with probability 5 %, shape (bin,).
    p_value
        Probability that moved events leave their usual range as far in any bin.
    """

    edges: np.ndarray
    counts: np.ndarray
    null_lower: np.ndarray
    null_upper: np.ndarray
    p_value: float


def compute_phase_histogram_test(
    event_times_s: np.ndarray,
    phase: np.ndarray,
    *,
    timestamps_s: np.ndarray,
    n_bins: int,
    null: tuple[SurrogateKind, int],
    seed: int,
) -> PhaseHistogram:
    """Count events in bins of phase and compare with events moved in time.

    The null band follows the phases that the oscillation itself spends most time at.

    Parameters
    ----------
    event_times_s
        Shape (event,), seconds; events without a phase are left out.
    phase
        Phase of the oscillation, shape (sample,), radians; NaN where there is none.
    timestamps_s
        Times of the samples, same clock, shape (sample,).
    n_bins
        Bins from -pi to pi.
    null
        Kind and number of surrogates, at least 19.
    seed
        Of the surrogates.

    Returns
    -------
    PhaseHistogram
        Counts with their null band.
    """
    found = interpolate_phase(phase, timestamps_s, times_s=np.asarray(event_times_s, float))
    moved = move_events(
        np.asarray(event_times_s, float)[np.isfinite(found)],
        find_phase_support(phase, timestamps_s),
        kind=null[0],
        n_surrogates=null[1],
        rng=np.random.default_rng(seed),
    )
    every = np.angle(_take_vectors(phase, timestamps_s, times_s=moved))
    edges = np.linspace(-np.pi, np.pi, n_bins + 1)
    counts = np.histogram(wrap_phase(found[np.isfinite(found)]), bins=edges)[0]
    expected = np.array([np.histogram(wrap_phase(row), bins=edges)[0] for row in every])
    lower, upper, p_value = compute_simultaneous_band(counts, expected.reshape(-1, n_bins))
    return PhaseHistogram(edges, counts, lower, upper, p_value)


def _shift_depths(phase: np.ndarray, centred: np.ndarray, *, shifts: np.ndarray) -> np.ndarray:
    """Depth of the harmonic after circular shifts of the phase, shape (shift, roi)."""
    vectors = fft.fft(np.exp(-1j * phase)).conj()
    # One circular correlation holds the sums of all shifts.
    every = (fft.ifft(vectors * fft.fft(trace))[shifts] for trace in centred.T)
    return 2 / len(phase) * np.abs(np.column_stack(list(every)))


def _compute_vector_lengths(
    phase: np.ndarray, timestamps_s: np.ndarray, *, times_s: np.ndarray
) -> np.ndarray:
    """Length of the mean vector of every row of times, by the nearest sample with a phase."""
    return np.abs(_take_vectors(phase, timestamps_s, times_s=times_s).mean(axis=1))


def _take_vectors(
    phase: np.ndarray, timestamps_s: np.ndarray, *, times_s: np.ndarray
) -> np.ndarray:
    """Take the unit vectors of the nearest samples with a phase, shape of `times_s`."""
    is_valid = np.isfinite(phase)
    valid_times_s = np.asarray(timestamps_s, dtype=float)[is_valid]
    middles = (valid_times_s[1:] + valid_times_s[:-1]) / 2
    return np.exp(1j * phase[is_valid])[np.searchsorted(middles, times_s)]
