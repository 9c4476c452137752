"""How sure links between sessions are, on planted sessions and on unrelated ones.

`python -m tests.benchmarks.session_registration grid SEED ...` registers planted pairs (jitter 0 to
2 px, turnover 0 to 75 %, rotation to 8 degrees, warp to 6 px; cells of 12 px; 64 pairs and about 80
CPU s a seed) and prints the calibration of the links, and the recall beside two simple baselines on
the same alignment: the nearest centroid with a cosine above .5, and the nearest after a
second-order fit to those. `unrelated SEED ...` registers a triple of sessions of three places per
seed (about 4 CPU s) and counts what is linked. Settings were chosen on even seeds; the
documentation gives odd ones.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.spatial import cKDTree

from ace_nwb.imaging.cell_maps import CellMap, build_cell_map, move_footprints
from ace_nwb.imaging.registration import Registration, register_fields, register_pair
from tests.fixtures.shared_cells import DIAMETER_PX, Pair, draw_pair

JITTERS_PX = (0.0, 0.5, 1.2, 2.0)
TURNOVERS = (0.0, 0.3, 0.5, 0.75)
ROTATIONS_DEG = (0.0, 8.0)
WARPS_PX = (0.0, 6.0)
SPACINGS = (0.75, 0.75, 0.6)
"""Least distance of cells in diameters, of the unrelated sessions."""
REACH_PX = 0.75 * DIAMETER_PX
SCALES = {"cell_diameter_px": DIAMETER_PX, "max_rotation_deg": 10.0, "max_distance_px": REACH_PX}
LEAST_LINK = 0.05
"""Probability from which the stage stores a link."""
EDGES = (0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 1.0)
N_BINS = 10


@dataclass(frozen=True)
class Result:
    """One planted pair: its setting, right links and links of each method, probabilities."""

    setting: tuple[float, float, float, float]
    seed: int
    n_true: int
    found: dict[str, tuple[int, int]]
    stated: np.ndarray
    is_true: np.ndarray
    is_common: bool


def register_planted(setting: tuple[float, float, float, float], seed: int) -> Result:
    """Draw a pair, register it, and count."""
    jitter_px, turnover, rotation_deg, warp_px = setting
    pair = draw_pair(
        seed, jitter_px=jitter_px, turnover=turnover, rotation_deg=rotation_deg, warp_px=warp_px
    )
    first, second = (build_cell_map(each, pair.field_shape) for each in (pair.first, pair.second))
    found = register_pair(first.centroids, second.centroids, pair.field_shape, **SCALES)
    links = list(zip(found.pairs.first.tolist(), found.pairs.second.tolist(), strict=True))
    probable = np.flatnonzero(found.pairs.probability >= 0.5)
    chosen = {"ours": [links[k] for k in probable]}
    chosen |= match_simply(first, second, found)
    return Result(
        setting,
        seed,
        len(pair.true),
        {
            name: (sum(link in pair.true for link in each), len(each))
            for name, each in chosen.items()
        },
        found.pairs.probability,
        np.array([link in pair.true for link in links], float),
        found.common.is_common,
    )


def match_simply(
    first: CellMap, second: CellMap, found: Registration
) -> dict[str, list[tuple[int, int]]]:
    """Return the links of the baselines on the same alignment."""
    moved = move_footprints(second, found.alignment)
    near = find_mutual(first.centroids, moved.centroids)
    cosines = (first.unit.T @ moved.unit).toarray()
    alike = [link for link in near if cosines[link] > 0.5]
    refit = []
    if len(alike) > 8:  # a second-order fit has six parameters along each axis
        left, right = np.array(alike).T
        terms = expand(second.centroids)
        weights = np.linalg.lstsq(terms[right], first.centroids[left], rcond=None)[0]
        refit = find_mutual(first.centroids, terms @ weights)
    return {"nearest and cosine": alike, "nearest after refit": refit}


def find_mutual(first: np.ndarray, second: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs that are each other's nearest, within reach."""
    distance, nearest = cKDTree(first).query(second)
    back = cKDTree(second).query(first)[1]
    return [
        (int(i), j)
        for j, (i, apart) in enumerate(zip(nearest, distance, strict=True))
        if back[i] == j and apart <= REACH_PX
    ]


def expand(points: np.ndarray) -> np.ndarray:
    """Return the second-order terms of points, shape (point, 6)."""
    row, column = (points / 100).T
    return np.column_stack([np.ones(len(row)), row, column, row**2, row * column, column**2])


def calibration_error(stated: np.ndarray, is_true: np.ndarray) -> float:
    """Return the expected calibration error over ten bins of equal width."""
    bins = np.minimum((stated * N_BINS).astype(int), N_BINS - 1)
    gaps = [abs((stated - is_true)[bins == k].sum()) for k in range(N_BINS)]
    return float(sum(gaps) / max(len(stated), 1))


def report_grid(results: Sequence[Result]) -> None:
    """Print recall and precision by setting, and the calibration."""
    print_group("all", results)
    axes = (("jitter", JITTERS_PX), ("turnover", TURNOVERS), ("rotation", ROTATIONS_DEG))
    for axis, (name, values) in enumerate((*axes, ("warp", WARPS_PX))):
        for value in values:
            print_group(f"{name} {value:g}", [r for r in results if r.setting[axis] == value])
    for jitter, turnover in product(JITTERS_PX, TURNOVERS):
        chosen = [r for r in results if r.setting[:2] == (jitter, turnover)]
        print_group(f"jitter {jitter:g}, turnover {turnover:g}", chosen)
    for r in results:
        if not r.is_common:
            print(f"no common field: {r.setting}, seed {r.seed}, {r.n_true} cells shared", r.found)
    stated, is_true = pool(results)
    for low, high in zip(EDGES, (*EDGES[1:-1], 1.01), strict=False):
        inside = (stated >= low) & (stated < high)
        if inside.any():
            print(
                f"links of p {low:g} to {min(high, 1):g}: {inside.sum()}, stated "
                f"{stated[inside].mean():.3f}, true {is_true[inside].mean():.3f}"
            )


def pool(results: Sequence[Result]) -> tuple[np.ndarray, np.ndarray]:
    """Return stated probabilities and truth of all pairs judged."""
    stated = np.concatenate([r.stated for r in results])
    return stated, np.concatenate([r.is_true for r in results])


def print_group(name: str, results: Sequence[Result]) -> None:
    """Print one line: recall and precision of each method, calibration error, verdicts."""
    n_true = sum(r.n_true for r in results)
    parts = []
    for method in ("ours", "nearest and cosine", "nearest after refit"):
        right, of = np.sum([r.found[method] for r in results], axis=0)
        parts.append(f"{method} {right / n_true:.3f} ({right / max(of, 1):.3f})")
    stated, is_true = pool(results)
    kept = stated >= LEAST_LINK
    errors = calibration_error(stated[kept], is_true[kept]), calibration_error(stated, is_true)
    n_common = sum(r.is_common for r in results)
    print(
        f"{name}: {n_true} cells; recall (precision) {', '.join(parts)}; calibration error "
        f"{errors[0]:.4f} of links, {errors[1]:.4f} of all; common {n_common} of {len(results)}"
    )


def report_unrelated(seeds: Sequence[int]) -> None:
    """Register triples of sessions of three places; print what is linked."""
    n_links, chances = 0, []
    for number, seed in enumerate(seeds):
        places = [draw_unrelated(3 * seed + place, number) for place in range(3)]
        cells = [build_cell_map(each.first, each.field_shape).centroids for each in places]
        found = register_fields(cells, places[0].field_shape, reference=1, **SCALES)
        n_links += sum((pair.pairs.probability > 0.5).sum() for pair in found.pairs.values())
        chances += [pair.common.p_chance for pair in found.pairs.values()]
    least = ", ".join(f"{p:.4f}" for p in sorted(chances)[:3])
    print(
        f"{len(seeds)} unrelated triples: {n_links} links above p .5; least p of {len(chances)} "
        f"pairs: {least}; p below .05 in {np.mean(np.array(chances) < 0.05):.3f}"
    )


def draw_unrelated(seed: int, number: int) -> Pair:
    """Return a session of a place of its own; densities change from triple to triple."""
    turnover, spacing = TURNOVERS[number % 4], SPACINGS[number % 3]
    return draw_pair(10_000 + seed, turnover=turnover, spacing=spacing)


def report_planted(seeds: Sequence[int]) -> None:
    """Register the whole grid for each seed and report it."""
    settings = list(product(JITTERS_PX, TURNOVERS, ROTATIONS_DEG, WARPS_PX))
    report_grid([register_planted(setting, seed) for seed in seeds for setting in settings])


REPORTS: dict[str, Callable[[Sequence[int]], None]] = {
    "grid": report_planted,
    "unrelated": report_unrelated,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", choices=REPORTS)
    parser.add_argument("seeds", type=int, nargs="+")
    options = parser.parse_args()
    REPORTS[options.report](options.seeds)
