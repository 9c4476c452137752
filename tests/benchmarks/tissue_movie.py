"""Writes a movie of a generator of tissue: `python tissue_movie.py SCRIPT FAMILY SEED FOLDER`.

The generator is a script with a function `make(folder, family, seed)`; see engine_movies.py. How
the field stretches it does not write: that is overheard while it draws it.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np

N_STRETCHES = 4
"""Courses that the generator draws at once for the stretching of the field alone."""
GRID = 9
"""Points along each side of the field at which its displacement is told."""


def simulate(script: Path, family: str, seed: int, folder: Path) -> None:
    spec = importlib.util.spec_from_file_location("tissue", script)
    tissue = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tissue)
    stretches = []
    draw = tissue.smooth_noise

    def overheard(rng, n, *args):
        courses = draw(rng, n, *args)
        if n == N_STRETCHES:
            stretches.append(courses)
        return courses

    tissue.smooth_noise = overheard
    tissue.make(folder, family, seed)
    for path in (folder / family).iterdir():
        path.replace(folder / path.name)
    (folder / family).rmdir()
    amount = json.loads((folder / "spec.json").read_text())["stretch"] / 2
    np.savez(folder / "bending.npz", places=places(folder), bend=bend(folder, amount, stretches[0]))


def places(folder: Path) -> np.ndarray:
    """Return points all over the field, shape (point, 2), pixels."""
    side = np.load(folder / "movie.npy", mmap_mode="r").shape[1]
    at = np.linspace(side / 10, side * 0.9, GRID)
    return np.stack(np.meshgrid(at, at, indexing="ij"), -1).reshape(-1, 2)


def bend(folder: Path, amount: float, courses: np.ndarray) -> np.ndarray:
    """Return how far tissue at the points moves beyond the frame, shape (frame, point, 2), px."""
    side = np.load(folder / "movie.npy", mmap_mode="r").shape[1]
    with np.load(folder / "truth.npz") as truth:
        turn = truth["rot"]
    down, across = (places(folder) - side / 2).T
    y, x = down / (side / 2), across / (side / 2)
    a, b, c, d = amount * courses
    rows = np.outer(turn, across) + np.outer(a, y * abs(y)) + np.outer(b, 0.5 * np.sin(2.2 * x))
    columns = np.outer(-turn, down) + np.outer(c, x * abs(x)) + np.outer(d, 0.5 * np.sin(2.2 * y))
    return -np.stack([rows, columns], -1)


if __name__ == "__main__":
    simulate(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
