"""How often `compare` and `correlation` find what is not there, by the colour of the signal.

    python -m tests.benchmarks.compare_null_rates [--nulls 400] [--subjects 20] [--seed 20000]

Sessions of 20 minutes at 5 Hz; the conditions are halves, a quarter against the rest, or stretches
that alternate. A test that is declined rejects nothing; its share is printed beside.
"""

import argparse
import contextlib

import numpy as np
from scipy import signal as scipy_signal

from ace_nwb.errors import InputError
from ace_nwb.signals.conditions import compare_conditions
from ace_nwb.signals.epochs import cut_epochs
from ace_nwb.signals.lags import compute_lagged_correlation

RATE_HZ = 5.0
LENGTH_S = 1200.0
TIMES_S = np.arange(int(LENGTH_S * RATE_HZ)) / RATE_HZ
LEVEL = 0.05


def white(rng):
    return rng.standard_normal(len(TIMES_S))


def remembers(memory_s):
    """Return a source of AR(1) with a memory."""

    def draw(rng):
        decay = np.exp(-1 / (memory_s * RATE_HZ))
        noise = rng.standard_normal(len(TIMES_S) + round(10 * memory_s * RATE_HZ))
        return unit(scipy_signal.lfilter([1], [1, -decay], noise)[-len(TIMES_S) :])

    return draw


def bursts(rng):
    """Return the rate of 30 bursts of about five events."""
    rate = np.zeros(len(TIMES_S))
    for start_s in rng.uniform(0, LENGTH_S, 30):
        times_s = start_s + np.cumsum(rng.exponential(0.5, rng.poisson(4) + 1))
        np.add.at(rate, np.minimum((times_s * RATE_HZ).astype(int), len(rate) - 1), RATE_HZ)
    return rate


def random_walk(rng):
    return unit(scipy_signal.detrend(np.cumsum(rng.standard_normal(len(TIMES_S)))))


def drifting(deviations, base=white):
    """Return a source that drifts by some standard deviations."""
    line = np.sqrt(12) * deviations * TIMES_S / LENGTH_S
    return lambda rng: base(rng) + line


def mixed(rng):
    """Return white noise with a slow part below it."""
    return 0.8 * white(rng) + 0.6 * remembers(10)(rng)


def unit(values):
    return (values - values.mean()) / values.std()


def alternate(length_s):
    edges_s = np.arange(0, LENGTH_S + 1e-6, length_s)
    intervals_s = np.column_stack([edges_s[:-1], edges_s[1:]])
    return intervals_s[::2], intervals_s[1::2]


COLOURS = {
    "white": white,
    "memory 1 s": remembers(1),
    "memory 10 s": remembers(10),
    "memory 30 s": remembers(30),
    "memory 60 s": remembers(60),
    "bursts": bursts,
    "random walk, detrended": random_walk,
    "drift of 1 SD": drifting(1.0),
    "drift of .3 SD": drifting(0.3),
    "drift and memory 10 s": drifting(1.0, remembers(10)),
    "white over memory 10 s": mixed,
}
DESIGNS = {
    "halves": (np.array([[0.0, 600.0]]), np.array([[600.0, 1200.0]])),
    "a quarter, the rest": (np.array([[0.0, 300.0]]), np.array([[300.0, 1200.0]])),
    "60 s alternating": alternate(60.0),
    "200 s alternating": alternate(200.0),
    "20 s alternating": alternate(20.0),
}


def compare_nulls(draw, windows_s, options):
    """Return the p of nulls compared between two conditions; NaN where none is given."""
    found = []
    for seed in range(options.nulls // options.subjects):
        rng = np.random.default_rng(options.seed + seed)
        values = np.column_stack([draw(rng) for _ in range(options.subjects)])
        for epochs in cut_epochs(values, TIMES_S, windows_s=windows_s, epoch_s=10.0):
            found.append(np.nan)
            if not epochs.declined:
                with contextlib.suppress(InputError):
                    found[-1] = compare_conditions(
                        *epochs.blocks, is_paired=epochs.is_paired, n_permutations=499, seed=0
                    ).p_value
    return np.array(found)


def correlate_nulls(draw, options):
    """Return the p of pairs of nulls correlated at lags up to 10 s."""
    found = []
    for seed in range(options.nulls):
        rng = np.random.default_rng(options.seed + seed)
        pair = draw(rng), draw(rng)
        settings = {"sampling_rate_hz": RATE_HZ, "max_lag_s": 10.0, "n_surrogates": 199}
        found.append(compute_lagged_correlation(*pair, **settings, seed=seed).p_value)
    return np.array(found)


def tell(place, colour, p_values):
    rejected, declined = np.sum(p_values <= LEVEL), np.mean(np.isnan(p_values))
    share = rejected / len(p_values)
    print(f"| {place} | {colour} | {share:.3f} | {declined:.2f} |", flush=True)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nulls", type=int, default=400)
    parser.add_argument("--subjects", type=int, default=20, help="per session")
    parser.add_argument("--seed", type=int, default=20000)
    options = parser.parse_args()
    print("| conditions | signal | found at .05 | declined |\n|---|---|---|---|")
    for colour, draw in COLOURS.items():
        tell("correlation", colour, correlate_nulls(draw, options))
        for place, windows_s in DESIGNS.items():
            tell(place, colour, compare_nulls(draw, windows_s, options))


if __name__ == "__main__":
    main()
