"""What is left of filtered signals and their phase beside ends and gaps is right."""

import numpy as np
import pytest

from ace_nwb.signals.filters import apply_filter, design_filter
from ace_nwb.signals.phase import compute_phase


def true_and_found(kind, low_hz, high_hz, rate_hz, seed):
    """Return the phase of noise known far beyond the ends, and of its middle third alone."""
    band = design_filter(
        sampling_rate_hz=rate_hz, low_hz=low_hz, high_hz=high_hz, order=2, kind=kind
    )
    n = int(16 * rate_hz / low_hz)
    values = np.random.default_rng(seed).standard_normal(3 * n)
    whole, _ = apply_filter(values, band)
    part, _ = apply_filter(values[n : 2 * n], band, mask_edges=True)
    edge = int(np.ceil(rate_hz / low_hz))
    return compute_phase(whole)[0][n : 2 * n], compute_phase(part, edge_samples=edge)[0]


@pytest.mark.parametrize("kind", ["butterworth", "fir"])
@pytest.mark.parametrize(
    ("low_hz", "high_hz", "rate_hz"), [(0.5, 4, 30), (6, 10, 250), (0.1, 1.5, 20)]
)
def test_the_first_phase_that_is_left_is_right(kind, low_hz, high_hz, rate_hz):
    errors = []
    for seed in range(24):
        true, found = true_and_found(kind, low_hz, high_hz, rate_hz, seed)
        left = np.flatnonzero(np.isfinite(found))
        difference = np.angle(np.exp(1j * (found - true)))[left[[0, -1]]]
        errors.extend(np.abs(difference))
    assert np.median(errors) < 0.03
    assert np.quantile(errors, 0.9) < 0.1


def test_gaps_have_edges_too_and_runs_that_are_all_edge_have_no_phase():
    values = np.sin(np.arange(900) * 2 * np.pi / 30)
    values[400:410] = np.nan
    values[440:] = np.nan
    phase, amplitude = compute_phase(values, edge_samples=30)
    assert np.isnan(phase[[0, 29, 370, 399, 410, 425, 439]]).all()
    assert np.isfinite(phase[30:370]).all()
    assert np.array_equal(np.isnan(phase), np.isnan(amplitude))
