"""Multitaper spectrograms beside a loop over `multitaper`'s estimator, in the same run.

Run `pytest -s tests/benchmarks/signals_speed.py` where `multitaper` is installed, about 3 minutes.
The loop is timed on some of the windows and scaled up: as its documentation shows it, and with
tapers made once, which its interface allows. Seconds are those of the clock, ours with as many
threads as there are cores; processor time of one thread stands beside.
"""

import os
import resource
import sys
import time

import numpy as np
import pytest

from ace_nwb.signals.multitaper import iterate_spectrogram, plan_spectrogram
from ace_nwb.signals.resampling import decimate
from tests.fixtures.long_recordings import LongRecording

N_CORES = len(os.sched_getaffinity(0))


def time_of(run):
    """Return clock seconds, processor seconds and the result."""
    start, start_cpu = time.perf_counter(), time.process_time()
    result = run()
    return time.perf_counter() - start, time.process_time() - start_cpu, result


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
    """Power of some windows, and seconds per window: clock and processor."""
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

    clock_s, cpu_s, power = time_of(run)
    return power, clock_s / len(starts), cpu_s / len(starts)


def compare(name, compute, values, plan, n_windows):
    """Report both loops and return how much longer they take: plain, with tapers made once."""
    compute(1)
    cpu_s = time_of(lambda: compute(1))[1]
    clock_s = time_of(lambda: compute(N_CORES))[0]
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(
        f"\n{name}: ours {clock_s:.2f} s with {N_CORES} threads, {cpu_s:.2f} CPU s with one"
    )
    ratios = []
    for title, is_prepared, n_timed in (("plain", False, 20), ("tapers made once", True, 60)):
        _, loop_s, loop_cpu_s = loop_over_multitaper(values, plan, n_timed, is_prepared=is_prepared)
        ratios.append(n_windows * loop_s / clock_s)
        sys.stdout.write(
            f"; loop, {title}: {n_windows * loop_s:.2f} s, {n_windows * loop_cpu_s:.2f} CPU s: "
            f"{ratios[-1]:.1f} times longer, {n_windows * loop_cpu_s / cpu_s:.1f} in CPU s"
        )
    sys.stdout.write(f"; peak {peak_mb:.0f} MB")
    return ratios


def test_half_an_hour_of_200_rois_is_five_times_faster():
    traces = np.random.default_rng(0).standard_normal((36_000, 200))
    plan = make_plan(20.0, 10.0)

    def compute(workers):
        blocks = iterate_spectrogram(traces, plan, workers=workers)
        return np.concatenate([block.power[:, 0].copy() for block in blocks])

    first_roi = compute(1)
    power = loop_over_multitaper(traces[:, 0].copy(), plan, 591, is_prepared=True)[0]
    # multitaper scales every window to its variance: one factor per window, else equal.
    ratio = power[:, 1:-1] / first_roi[:, 1 : power.shape[1] - 1]
    assert np.allclose(ratio, ratio[:, :1], rtol=1e-6)
    n_windows = 200 * len(first_roi)
    ratios = compare("30 min x 20 Hz x 200 ROIs", compute, traces[:, 0].copy(), plan, n_windows)
    assert min(ratios) > 5


def test_an_hour_of_30_khz_decimated_to_1_khz_is_five_times_faster():
    hour = LongRecording(30_000 * 3600, np.int16)
    _, decimate_s, slow = time_of(lambda: decimate(hour, factor=30))
    sys.stdout.write(f"\ndecimation of 1 h from 30 kHz to 1 kHz: {decimate_s:.2f} CPU s")
    plan = make_plan(1000.0, 50.0)

    def compute(workers):
        return sum(len(block.power) for block in iterate_spectrogram(slow, plan, workers=workers))

    n_windows = compute(1)
    ratios = compare("1 h x 1 kHz", compute, slow, make_plan(1000.0, 500.0), n_windows)
    assert min(ratios) > 5
