import numpy as np
import pytest

from ace_nwb.errors import SyncError
from ace_nwb.sync.barcodes import fit_barcodes


def barcodes(n: int, seed: int) -> np.ndarray:
    """Edges of a code of 32 random bits of 30 ms every 30 s."""
    rng, edges = np.random.default_rng(seed), []
    for code in range(n):
        bits = np.concatenate([[1], rng.integers(0, 2, 32), [0]])
        changes = np.flatnonzero(np.diff(np.concatenate([[0], bits])))
        edges.append(30.0 * code + 0.03 * changes)
    return np.concatenate(edges)


def test_barcodes_of_which_each_side_missed_some_tie_both_clocks():
    edges = barcodes(20, 1)
    device = np.delete(edges / (1 + 80e-6), np.arange(40, 75))
    ephys = np.delete(edges + 512.25, np.arange(200, 230))
    fit = fit_barcodes(np.round(device * 1e3) / 1e3, ephys)
    at = np.array([0.0, 600.0])
    np.testing.assert_allclose(fit.slope * at + fit.offset_s, at * (1 + 80e-6) + 512.25, atol=5e-4)


def test_random_pulses_tie_them_too():
    edges = np.cumsum(np.random.default_rng(2).uniform(0.5, 4.0, 120))
    fit = fit_barcodes(edges - 3.0, edges[30:])
    assert fit.slope * 0.0 + fit.offset_s == pytest.approx(3.0, abs=1e-6)
    assert fit.n_matched > 60


@pytest.mark.parametrize("other", ["steady", "foreign"])
def test_lines_that_have_nothing_irregular_in_common_are_refused(other):
    steady = np.arange(0, 3000, 1.0)
    mine, theirs = (steady, steady) if other == "steady" else (barcodes(8, 3), barcodes(8, 4))
    with pytest.raises(SyncError, match="irregular line"):
        fit_barcodes(mine, theirs + 5.0)
