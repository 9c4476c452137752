"""Comparison of conditions (baseline, drug, ...): permutation tests and effect sizes."""

from dataclasses import dataclass
from math import comb

import numpy as np
from scipy import special

from ace_nwb.errors import InputError
from ace_nwb.signals.surrogates import compute_surrogate_p

# Up to so many arrangements, all are tried instead of random ones.
MAX_EXACT = 20_000


@dataclass(frozen=True)
class Comparison:
    """Difference between two conditions.

    Parameters
    ----------
    n_first, n_second
        Number of values.
    difference
        Mean of the second minus mean of the first.
    effect_size
        Hedges' g: the difference in SDs, corrected for small samples.
    effect_lower, effect_upper
        95 % interval of the effect size, by the noncentral t distribution.
    p_value
        Two-sided, by permutation.
    smallest_p
        The least p that so few values can give: beside it, "not significant" is no evidence.
    """

    n_first: int
    n_second: int
    difference: float
    effect_size: float
    effect_lower: float
    effect_upper: float
    p_value: float
    smallest_p: float


def compare_conditions(
    first: np.ndarray,
    second: np.ndarray,
    *,
    is_paired: bool,
    n_permutations: int,
    seed: int,
    alpha: float = 0.05,
) -> Comparison:
    """Compare the means of two conditions by permutation of labels (or of signs, if paired).

    Values must be exchangeable: one per animal or session, or epochs long against the signal's
    memory (see `epochs`).

    Parameters
    ----------
    first, second
        Values of each condition, shape (value,); NaN are left out (pairs with one, if paired).
    is_paired
        Whether values with the same index belong together.
    n_permutations
        Random arrangements; all of them are tried if there are fewer than 20,000.
    seed
        Of the permutations.
    alpha
        Level at which the test should be able to reject.

    Returns
    -------
    Comparison
        Difference, effect size with interval, and p.

    Raises
    ------
    InputError
        If there are so few values that no outcome can reach `alpha`.
    """
    first, second = _take_finite(first, second, is_paired=is_paired)
    n_exact = 2 ** len(first) if is_paired else comb(len(first) + len(second), len(first))
    n_used = n_exact if n_exact <= MAX_EXACT else n_permutations
    # A two-sided test of a symmetric statistic meets each extreme twice, unless labels cannot swap.
    n_extreme = 2 if n_exact <= MAX_EXACT and (is_paired or len(first) == len(second)) else 1
    smallest_p = n_extreme / n_used if n_exact <= MAX_EXACT else 1 / (n_used + 1)
    if min(len(first), len(second)) < 2 or smallest_p > alpha:
        least = f" below {smallest_p:.3g}" if smallest_p < 1 else ""
        raise InputError(
            f"{len(first)} and {len(second)} values can give no p{least}, so a test at "
            f"{alpha:g} is idle. Give more values (animals, sessions or epochs)."
        )
    rng = np.random.default_rng(seed)
    differences = _permute_differences(
        first,
        second,
        is_paired=is_paired,
        n_exact=n_exact,
        n_permutations=n_permutations,
        rng=rng,
    )
    difference = float(second.mean() - first.mean())
    # Rounding must not tell an arrangement from its mirror image.
    reached = np.abs(differences) >= abs(difference) * (1 - 1e-9)
    if n_exact <= MAX_EXACT:
        p_value = float(reached.mean())
    else:
        p_value = float(compute_surrogate_p(np.array(1.0), reached.astype(float)))
    effect = float(compute_effect_size(first, second, is_paired=is_paired))
    lower, upper = bound_effect(effect, len(first), len(second), is_paired=is_paired)
    return Comparison(
        len(first), len(second), difference, effect, lower, upper, p_value, smallest_p
    )


def compute_effect_size(first: np.ndarray, second: np.ndarray, *, is_paired: bool) -> np.ndarray:
    """Compute Hedges' g along the last axis.

    Parameters
    ----------
    first, second
        Shape (..., value).
    is_paired
        Standardise by the SD of the differences instead of the pooled SD.

    Returns
    -------
    numpy.ndarray
        Shape (...); NaN or infinite without any spread.
    """
    difference = second.mean(axis=-1) - first.mean(axis=-1)
    if is_paired:
        freedom = first.shape[-1] - 1
        spread = (second - first).std(axis=-1, ddof=1)
    else:
        freedom = first.shape[-1] + second.shape[-1] - 2
        squares = sum(
            ((part - part.mean(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
            for part in (first, second)
        )
        spread = np.sqrt(squares / freedom)
    with np.errstate(divide="ignore", invalid="ignore"):
        return difference / spread * _correct_for_size(freedom)


def _take_finite(
    first: np.ndarray, second: np.ndarray, *, is_paired: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Finite values, pair by pair if paired."""
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if not is_paired:
        return first[np.isfinite(first)], second[np.isfinite(second)]
    if first.shape != second.shape:
        raise InputError(
            f"{first.size} and {second.size} values are not pairs. Give equally many, in order."
        )
    is_whole = np.isfinite(first) & np.isfinite(second)
    return first[is_whole], second[is_whole]


def _permute_differences(
    first: np.ndarray,
    second: np.ndarray,
    *,
    is_paired: bool,
    n_exact: int,
    n_permutations: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Differences of means under all, or random, exchanges of labels."""
    n_first, n_second = len(first), len(second)
    if is_paired:
        change = second - first
        if n_exact <= MAX_EXACT:
            codes = np.arange(n_exact)[:, np.newaxis] >> np.arange(n_first)
            return (1 - 2 * (codes & 1)) @ change / n_first
        return rng.choice([-1.0, 1.0], (n_permutations, n_first)) @ change / n_first
    pooled = np.concatenate([first, second])
    if n_exact <= MAX_EXACT:
        sums = _sum_all_subsets(pooled, n_first)
    else:
        shuffled = rng.permuted(np.tile(pooled, (n_permutations, 1)), axis=1)
        sums = shuffled[:, :n_first].sum(axis=1)
    return (pooled.sum() - sums) / n_second - sums / n_first


def _sum_all_subsets(values: np.ndarray, size: int) -> np.ndarray:
    """Add up every subset of a given size."""
    sums = [np.zeros(1)] + [np.zeros(0)] * size
    for value in values:
        sums = [sums[0]] + [
            np.concatenate([sums[n], sums[n - 1] + value]) for n in range(1, size + 1)
        ]
    return sums[size]


def bound_effect(
    effect: float, n_first: float, n_second: float, *, is_paired: bool
) -> tuple[float, float]:
    """Return the 95 % interval of Hedges' g, noncentral t (Steiger & Fouladi 1997).

    Parameters
    ----------
    effect
        Hedges' g.
    n_first, n_second
        Independent values of each condition; may be fractions, as memory leaves them.
    is_paired
        Whether the effect is that of pairs.
    """
    least = 1 if is_paired else 2  # values that the means take
    if not np.isfinite(effect) or (n_first if is_paired else n_first + n_second) <= least:
        return float("nan"), float("nan")
    freedom = n_first - 1 if is_paired else n_first + n_second - 2
    scale = np.sqrt(1 / n_first if is_paired else 1 / n_first + 1 / n_second)
    scale *= _correct_for_size(freedom)
    lower, upper = (special.nctdtrinc(freedom, p, effect / scale) for p in (0.975, 0.025))
    return float(scale * lower), float(scale * upper)


def _correct_for_size(freedom: float) -> float:
    """Hedges' factor against the bias of small samples."""
    return 1 - 3 / (4 * freedom - 1) if freedom >= 1 else 0.5  # its value for 1.75 and for less
