"""Fit the probability that a ROI is a cell: `python -m tests.benchmarks.cell_probability 60`.

Simulates that many movies (about 8 CPU s each), extracts and evaluates them, fits a logistic
regression to the ROIs of the even ones, reports calibration on the odd ones, and prints the weights
of a fit to all for `ace_nwb/engines/evaluation.py`. What was measured of each movie is kept
in a folder, and measured once.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from ace_nwb.engines.base import EngineSettings
from ace_nwb.engines.cnmfe import extract
from ace_nwb.engines.evaluation import CellFeatures, evaluate_components, logistic_terms
from ace_nwb.imaging.movie import ArrayMovie, no_progress
from ace_nwb.simulation.scoring import compute_cosines, score_footprints
from ace_nwb.stages.extract import engine_parameters
from ace_nwb.stages.settings.params import EvaluateParams, ExtractParams
from tests.benchmarks.focus_movies import CELL_DIAMETER_PX, RATE_HZ, simulate

PRIOR = 1.0
"""Weight of the penalty on squared standardised coefficients, in ROIs."""
HALF_A_CELL = 0.3
"""Cosine with a true cell above which a unit that matches none is neither cell nor not: a twin."""


def measure(seed: int) -> dict[str, np.ndarray]:
    """Return the features of the ROIs of a movie, and which are cells: 1, 0 or -1 for neither."""
    frames, truth = simulate(seed)
    movie = ArrayMovie(frames, RATE_HZ)
    found = extract(
        movie,
        settings=EngineSettings(workers=1),
        progress=no_progress,
        **engine_parameters(ExtractParams(cell_diameter_px=CELL_DIAMETER_PX)),
    )
    parameters = EvaluateParams(cell_diameter_px=CELL_DIAMETER_PX).model_dump(exclude={"judge"})
    metrics = evaluate_components(movie, found, **parameters)
    units = csr_array(found.footprints.T, dtype=float)
    wrong = score_footprints(units, truth).false_units
    is_cell = np.ones(found.n_rois, int)
    is_cell[wrong] = 0
    if truth.n_cells:
        likeness = compute_cosines(units, truth.footprints).max(1, initial=0)
        is_cell[(is_cell == 0) & (likeness > HALF_A_CELL)] = -1
    names = CellFeatures.__dataclass_fields__
    return {name: getattr(metrics, name) for name in names} | {"is_cell": is_cell}


def fit(terms: np.ndarray, is_cell: np.ndarray) -> np.ndarray:
    """Return intercept and weights of a logistic regression by Newton's method."""
    mean, spread = terms.mean(0), terms.std(0)
    design = np.column_stack([np.ones(len(terms)), (terms - mean) / spread])
    penalty = PRIOR * np.append(0, np.ones(terms.shape[1]))
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        likely = 1 / (1 + np.exp(-design @ weights))
        slope = design.T @ (is_cell - likely) - penalty * weights
        curve = (design.T * (likely * (1 - likely))) @ design + np.diag(penalty)
        weights = weights + np.linalg.solve(curve, slope)
    scaled = weights[1:] / spread
    return np.append(weights[0] - scaled @ mean, scaled)


def predict(weights: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """Return the probability of every ROI."""
    return np.asarray(1 / (1 + np.exp(-(weights[0] + terms @ weights[1:]))))


def main() -> None:
    """Measure, fit, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("n_movies", type=int)
    parser.add_argument("--folder", type=Path, default=Path("cell_probability"))
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    tables = []
    for seed in range(options.n_movies):
        path = options.folder / f"{seed}.npz"
        if not path.exists():
            np.savez(path, **measure(seed))
        with np.load(path) as file:
            tables.append(dict(file))
    names = list(CellFeatures.__dataclass_fields__)
    rows, labels, movies = [], [], []
    for seed, table in enumerate(tables):
        known = table["is_cell"] >= 0
        features = CellFeatures(**{name: table[name][known] for name in names})
        terms = logistic_terms(features)
        rows.append(np.column_stack(list(terms.values())))
        labels.append(table["is_cell"][known])
        movies.append(np.full(known.sum(), seed))
    design, is_cell, movie = np.vstack(rows), np.concatenate(labels), np.concatenate(movies)
    even = movie % 2 == 0
    likely = predict(fit(design[even], is_cell[even]), design[~even])
    print(f"{len(is_cell)} ROIs, {is_cell.sum()} cells; on movies not fitted to:")
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01)):
        chosen = (likely >= low) & (likely < high)
        if chosen.any():
            share = is_cell[~even][chosen].mean()
            print(f"  {chosen.sum()} of {likely[chosen].mean():.2f}: {share:.2f} are cells")
    weights = fit(design, is_cell)
    for name, weight in zip(["intercept", *terms], weights, strict=True):
        print(f"  {name}: {weight:.3f}")


if __name__ == "__main__":
    main()
