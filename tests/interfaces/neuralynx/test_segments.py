"""Samples lost between records are told from time stamps that are late by themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ace_nwb.interfaces.neuralynx.segments import find_segments, measure_rate

RATE_HZ = 32_000.0
SAMPLE_US = 1e6 / RATE_HZ


def stamps_of(n_records, *, losses=(), late_us=0.0, rate_hz=RATE_HZ):
    """Stamps of full records; losses are (record before which samples are lost, how many)."""
    n_samples = np.arange(n_records) * 512.0
    for record, n_lost in losses:
        n_samples[record:] += n_lost
    stamps = 5_000_000 + n_samples * 1e6 / rate_hz + late_us
    return np.round(stamps).astype(np.int64), np.full(n_records, 512)


def cuts_of(stamps, n_valid):
    return [part.first_record for part in find_segments(stamps, n_valid, nominal_hz=RATE_HZ)][1:]


@pytest.mark.parametrize("late_us", [22, 38, 90])
def test_every_eighth_record_late_is_one_series(late_us):
    late = np.where(np.arange(2600) % 8 == 3, late_us, 0)
    stamps, n_valid = stamps_of(2600, late_us=late)
    segments = find_segments(stamps, n_valid, nominal_hz=RATE_HZ)
    assert len(segments) == 1
    assert measure_rate(stamps, n_valid, segments=segments, nominal_hz=RATE_HZ) == RATE_HZ


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    jitter=st.floats(0, 0.499),
    ppm=st.floats(-200, 200),
)
def test_any_jitter_below_half_a_sample_is_one_series(seed, jitter, ppm):
    late = np.random.default_rng(seed).uniform(-jitter, jitter, 3000) * SAMPLE_US
    assert cuts_of(*stamps_of(3000, late_us=late, rate_hz=RATE_HZ * (1 + ppm * 1e-6))) == []


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    jitter=st.floats(0, 0.3),
    n_lost=st.one_of(st.integers(1, 5), st.integers(6, 10_000_000)),
    record=st.integers(3, 497),
)
def test_any_loss_of_whole_samples_is_a_gap_in_its_place(seed, jitter, n_lost, record):
    rng = np.random.default_rng(seed)
    late = rng.uniform(-jitter, jitter, 500) * SAMPLE_US
    stamps, n_valid = stamps_of(500, losses=[(record, n_lost)], late_us=late)
    before, after = find_segments(stamps, n_valid, nominal_hz=RATE_HZ)
    assert after.first_record == record
    gap_us = after.start_us - before.start_us - before.n_samples * SAMPLE_US
    assert gap_us / SAMPLE_US == pytest.approx(n_lost, abs=1.0)


def test_losses_beside_late_stamps_are_found_where_they_are():
    late = np.where(np.arange(400) % 8 == 3, 38, 0)
    losses = [(62, 1), (104, 2), (105, 1), (109, 512), (302, 1)]
    assert cuts_of(*stamps_of(400, losses=losses, late_us=late)) == [62, 104, 105, 109, 302]


@pytest.mark.parametrize("record", [0, 399])
def test_a_late_stamp_at_either_end_is_no_gap_and_moves_no_time(record):
    late = np.zeros(400)
    late[record] = 38
    stamps, n_valid = stamps_of(400, late_us=late)
    (segment,) = find_segments(stamps, n_valid, nominal_hz=RATE_HZ)
    assert segment.start_us == 5_000_000


@pytest.mark.parametrize("record", [1, 399])
def test_a_long_gap_beside_a_single_record_is_one(record):
    assert cuts_of(*stamps_of(400, losses=[(record, 32_000)])) == [record]


def test_a_burst_of_late_stamps_is_no_gap():
    late = np.zeros(400)
    late[200:212] = 40
    assert cuts_of(*stamps_of(400, late_us=late)) == []


@pytest.mark.parametrize("n_records", [1, 2, 3])
def test_recordings_of_few_records_are_one_series(n_records):
    assert cuts_of(*stamps_of(n_records)) == []


def test_a_loss_before_every_third_record_cuts_each_time():
    records = list(range(3, 48, 3))
    losses = [(record, 2 + record) for record in records]
    assert cuts_of(*stamps_of(50, losses=losses)) == records
