"""Spectrograms by the estimator of the package `multitaper` (Prieto 2022), where it is installed.

Its own `spectrogram` function fails with numpy 2.4; its estimator of one window works. Ours in
`multitaper` gives the same but for the scale and is hundreds of times faster.
"""

import warnings
from typing import Any

import numpy as np

from ace_nwb.errors import MissingPackageError
from ace_nwb.signals.multitaper import SpectralPlan, Spectrogram, count_windows


def compute_package_spectrogram(
    values: np.ndarray, plan: SpectralPlan, *, is_adaptive: bool
) -> Spectrogram:
    """Compute the power of every window and channel with the package's estimator.

    Parameters
    ----------
    values
        Evenly sampled values, shape (sample, channel); NaN marks a gap.
    plan
        From `plan_spectrogram`.
    is_adaptive
        Weight tapers by the adaptive rule instead of equally.

    Returns
    -------
    Spectrogram
        Power scaled to the variance of each window, as the package does it.

    Raises
    ------
    MissingPackageError
        If the package is not installed.
    """
    estimate = _load_estimator()
    n_windows = count_windows(len(values), plan)
    starts = np.arange(n_windows) * plan.step_samples
    power = np.full((n_windows, values.shape[1], len(plan.frequencies_hz)), np.nan)
    bins = slice(plan.first_bin, plan.first_bin + len(plan.frequencies_hz))
    for row, start in enumerate(starts):
        block = values[start : start + plan.window_samples]
        for channel in np.flatnonzero(np.isfinite(block).all(axis=0)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # those of its own age
                found = estimate(
                    block[:, channel] - block[:, channel].mean(),
                    nw=(len(plan.tapers) + 1) / 2,
                    kspec=len(plan.tapers),
                    dt=1 / plan.sampling_rate_hz,
                    nfft=plan.window_samples,
                    iadapt=0 if is_adaptive else 1,
                )
            power[row, channel] = np.asarray(found.rspec()[1]).ravel()[bins]
    centres = (starts + (plan.window_samples - 1) / 2) / plan.sampling_rate_hz
    return Spectrogram(centres, plan.frequencies_hz, power)


def _load_estimator() -> Any:
    """Import the package's estimator of one window."""
    try:
        from multitaper.mtspec import MTSpec
    except ImportError as error:
        raise MissingPackageError(
            "method=multitaper needs the package multitaper, which is not installed. Install it "
            'with pip install "ace-nwb[multitaper]", or use method=dpss, which gives the same.'
        ) from error
    return MTSpec
