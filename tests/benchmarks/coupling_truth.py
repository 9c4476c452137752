"""Phase locking found in simulated recordings, from raw folder to table, beside what was planted.

Run `python -m tests.benchmarks.coupling_truth [SEEDS]`, about a minute per seed.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy import stats

from ace_nwb.demo import run_demo
from ace_nwb.simulation.truth import load_truth
from tests.fixtures.coupling_scores import score_coupling


def main(n_seeds: int = 3) -> None:
    scores = []
    for seed in range(n_seeds):
        with TemporaryDirectory() as folder:
            run_demo(Path(folder), seed=seed)
            truth = load_truth(Path(folder, "recording", "truth"))
            scores.append(score_coupling(Path(folder, "session.nwb"), truth, channel="CSC1"))
        sys.stdout.write(f"seed {seed}: {_describe(scores[-1:])}\n")
    sys.stdout.write(f"together: {_describe(scores)}\n")


def _describe(scores) -> str:
    n_locked, n_found, n_free, n_false = (
        sum(getattr(score, name) for score in scores)
        for name in ("n_locked", "n_locked_found", "n_free", "n_free_found")
    )
    errors = np.abs(np.concatenate([score.phase_errors_rad for score in scores]))
    bounds = stats.binomtest(n_false, n_free).proportion_ci(0.95)
    return (
        f"{n_found} of {n_locked} locked cells found, {n_false} of {n_free} others "
        f"[{bounds.low:.3f}, {bounds.high:.3f}]; error of the preferred phase: median "
        f"{np.median(errors):.3f}, largest {errors.max():.3f} rad"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
