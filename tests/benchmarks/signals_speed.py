"""Multitaper spectrograms beside a loop over `multitaper`'s estimator, in the same run.

Run `pytest -s tests/benchmarks/signals_speed.py` where `multitaper` is installed, about 3 minutes.
The loop is timed on some of the windows and scaled up: as its documentation shows it, and with
tapers made once, which its interface allows.
"""

import resource
import sys
import time

import numpy as np
import pytest

from ace_nwb.signals.multitaper import iterate_spectrogram, plan_spectrogram
from ace_nwb.signals.resampling import decimate


def cpu_of(run):
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def make_plan(rate_hz, high_hz):
    return plan_spectrogram(
        sampling_rate_hz=rate_hz,
        window_s=30.0,
        step_s=3.0,
        time_bandwidth=2.0,
        low_hz=0.0,
        high_hz=high_hz,
    )


def loop_over_multitaper(values, plan, n_timed, *, is_prepared):
    """Power of some windows, and CPU seconds per window."""
    mtspec = pytest.importorskip("multitaper.mtspec")
    tapers = {"vn": plan.tapers.T.copy(), "lamb": plan.concentrations} if is_prepared else {}
    starts = np.arange(0, len(values) - plan.window_samples + 1, plan.step_samples)[:n_timed]

    def run():
        power = []
        for start in starts:
            window = values[start : start + plan.window_samples]
            estimate = mtspec.MTSpec(
                window - window.mean(),
                nw=2.0,
                kspec=3,
                dt=1 / plan.sampling_rate_hz,
                nfft=plan.window_samples,
                iadapt=1,
                **tapers,
            )
            power.append(estimate.rspec()[1].ravel())
        return np.array(power)

    cpu_s, power = cpu_of(run)
    return power, cpu_s / len(starts)


def compare(name, ours_s, values, plan, n_windows):
    """Report both loops and return how much longer the documented one takes."""
    prepared_s = n_windows * loop_over_multitaper(values, plan, 40, is_prepared=True)[1]
    plain_s = n_windows * loop_over_multitaper(values, plan, 20, is_prepared=False)[1]
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(
        f"\n{name}: ours {ours_s:.2f} CPU s; loop {plain_s:.2f} CPU s, ratio "
        f"{plain_s / ours_s:.1f}; with tapers made once {prepared_s:.2f} CPU s, ratio "
        f"{prepared_s / ours_s:.1f}; peak {peak_mb:.0f} MB"
    )
    return plain_s / ours_s


def test_half_an_hour_of_200_rois_is_five_times_faster():
    traces = np.random.default_rng(0).standard_normal((36_000, 200))
    plan = make_plan(20.0, 10.0)
    ours_s, first_roi = cpu_of(
        lambda: np.concatenate([b.power[:, 0].copy() for b in iterate_spectrogram(traces, plan)])
    )
    power, _ = loop_over_multitaper(traces[:, 0].copy(), plan, 591, is_prepared=True)
    # multitaper scales every window to its variance: one factor per window, else equal.
    ratio = power[:, 1:-1] / first_roi[:, 1 : power.shape[1] - 1]
    assert np.allclose(ratio, ratio[:, :1], rtol=1e-6)
    n_windows = 200 * len(first_roi)
    assert compare("30 min x 20 Hz x 200 ROIs", ours_s, traces[:, 0].copy(), plan, n_windows) > 5


def test_an_hour_of_30_khz_decimated_to_1_khz_is_five_times_faster():
    hour = np.random.default_rng(0).integers(-3000, 3000, 30_000 * 3600, dtype=np.int16)
    decimate_s, slow = cpu_of(lambda: decimate(hour, factor=30))
    sys.stdout.write(f"\ndecimation of 1 h from 30 kHz to 1 kHz: {decimate_s:.2f} CPU s")
    plan = make_plan(1000.0, 50.0)
    ours_s, blocks = cpu_of(lambda: [block.power for block in iterate_spectrogram(slow, plan)])
    n_windows = sum(len(block) for block in blocks)
    assert compare("1 h x 1 kHz", ours_s, slow, make_plan(1000.0, 500.0), n_windows) > 5
