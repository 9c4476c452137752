"""Ready-made movies for tests and benchmarks of engines, by name."""

from dataclasses import replace

from ace_nwb.errors import UnknownNameError
from ace_nwb.simulation.movie import MovieSpec

SMALL = MovieSpec(n_frames=1000, n_rows=112, n_columns=128, n_cells=20)

FAMILIES: dict[str, MovieSpec] = {
    "small": SMALL,
    "still": replace(SMALL, drift_px=0.0, jump_px=0.0, jumps_per_minute=0.0),
    "medium": MovieSpec(n_frames=3000, n_rows=256, n_columns=256, n_cells=80),
    "large": MovieSpec(n_frames=3000, n_rows=480, n_columns=480, n_cells=266),
    "hard": MovieSpec(
        n_frames=1500,
        n_rows=128,
        n_columns=144,
        n_cells=40,
        min_distance_diameters=0.6,
        transient_grey=7.0,
        baseline_grey=70.0,
        neuropil_grey=6.0,
        local_neuropil_share=0.25,
        bleached_share=0.35,
        bleach_time_s=60.0,
        drift_px=1.5,
        jump_px=4.0,
        jumps_per_minute=8.0,
        max_displacement_px=10.0,
    ),
    "empty": MovieSpec(n_frames=600, n_rows=96, n_columns=112, n_cells=0),
}


def movie_spec(family: str) -> MovieSpec:
    """Return the movie of that name.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    if family not in FAMILIES:
        raise UnknownNameError.among("movie family", family, FAMILIES)
    return FAMILIES[family]
