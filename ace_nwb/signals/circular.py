"""Statistics of angles: mean direction, Rayleigh test, pairwise phase consistency, histogram.

Phases are radians; those that are NaN are left out.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PhaseLocking:
    """How a set of phases concentrates.

    Parameters
    ----------
    n_events
        Number of phases that are not NaN.
    preferred_phase
        Direction of the mean vector, radians in (-pi, pi].
    vector_length
        Length of the mean vector, 0 (spread) to 1 (all equal).
    rayleigh_p
        Probability of so long a vector if phases are uniform.
    pairwise_phase_consistency
        Estimate of the squared vector length that is unbiased at small n.
    """

    n_events: int
    preferred_phase: float
    vector_length: float
    rayleigh_p: float
    pairwise_phase_consistency: float


def compute_mean_vector(phases: np.ndarray) -> complex:
    """Compute the mean of unit vectors: its angle is the circular mean, its length the locking.

    Parameters
    ----------
    phases
        Radians, any shape; NaN are left out.

    Returns
    -------
    complex
        Mean vector, NaN if there is no phase.
    """
    phases = np.asarray(phases, dtype=float)
    phases = phases[np.isfinite(phases)]
    if phases.size == 0:
        return complex(np.nan, np.nan)
    return complex(np.mean(np.exp(1j * phases)))


def compute_circular_mean(phases: np.ndarray) -> float:
    """Compute the mean direction of angles, radians in (-pi, pi].

    Parameters
    ----------
    phases
        Radians, any shape; NaN are left out.
    """
    return float(np.angle(compute_mean_vector(phases)))


def compute_rayleigh_p(vector_length: float, n_events: int) -> float:
    """Compute the p-value of the Rayleigh test of uniformity.

    Wilkie (1983), the approximation that Zar (2010, eq. 27.4) recommends; good to 3 digits from
    n = 10 and conservative enough below.

    Parameters
    ----------
    vector_length
        Length of the mean vector.
    n_events
        Number of phases.

    Returns
    -------
    float
        p-value; NaN without events.
    """
    if n_events == 0:
        return float("nan")
    resultant = n_events * vector_length
    root = np.sqrt(1 + 4 * n_events + 4 * max(n_events**2 - resultant**2, 0.0))
    return float(min(1.0, np.exp(root - (1 + 2 * n_events))))


def compute_pairwise_phase_consistency(vector_length: float, n_events: int) -> float:
    """Compute the mean cosine between all pairs of phases (Vinck et al. 2010).

    Parameters
    ----------
    vector_length
        Length of the mean vector.
    n_events
        Number of phases.

    Returns
    -------
    float
        Between -1 / (n - 1) and 1; its mean is 0 for uniform phases. NaN below two phases.
    """
    if n_events < 2:
        return float("nan")
    return float((n_events * vector_length**2 - 1) / (n_events - 1))


def compute_phase_locking(phases: np.ndarray) -> PhaseLocking:
    """Summarise the phases at which events happened.

    Parameters
    ----------
    phases
        Radians, any shape; NaN are left out.

    Returns
    -------
    PhaseLocking
        Count, direction, length, Rayleigh p and pairwise phase consistency.
    """
    n_events = int(np.isfinite(np.asarray(phases, dtype=float)).sum())
    vector = compute_mean_vector(phases)
    length = abs(vector)
    return PhaseLocking(
        n_events=n_events,
        preferred_phase=float(np.angle(vector)),
        vector_length=float(length),
        rayleigh_p=compute_rayleigh_p(length, n_events),
        pairwise_phase_consistency=compute_pairwise_phase_consistency(length, n_events),
    )


def compute_phase_histogram(
    phases: np.ndarray, *, n_bins: int = 18
) -> tuple[np.ndarray, np.ndarray]:
    """Count phases in equal bins from -pi to pi.

    Parameters
    ----------
    phases
        Radians, any shape; NaN are left out, others wrapped.
    n_bins
        Number of bins.

    Returns
    -------
    counts, edges
        Counts, shape (bin,), and bin edges in radians, shape (bin + 1,).
    """
    phases = np.asarray(phases, dtype=float)
    wrapped = wrap_phase(phases[np.isfinite(phases)])
    return np.histogram(wrapped, bins=np.linspace(-np.pi, np.pi, n_bins + 1))


def wrap_phase(phases: np.ndarray) -> np.ndarray:
    """Wrap angles into [-pi, pi).

    Parameters
    ----------
    phases
        Radians, any shape.
    """
    return np.mod(np.asarray(phases) + np.pi, 2 * np.pi) - np.pi
