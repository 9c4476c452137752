"""Several starts of the recorder in one folder, on one clock or with a clock that began anew."""

import numpy as np
import pytest

from ace_nwb.interfaces.neuralynx.folder import read_recording
from ace_nwb.interfaces.policies import parse_policies
from tests.fixtures.neuralynx_files import FIRST_US, draw_samples, ttl, write_ncs, write_nev

RATE_HZ = 2000.0
SAMPLES = draw_samples(512 * 18)


def stamps(n_records, first_us):
    return first_us + np.round(np.arange(n_records) * 512 / RATE_HZ * 1e6).astype(np.int64)


def write_second(folder, first_us, *, names=("CSC1", "CSC2")):
    """Write eight records of a second start, as Cheetah numbers its files."""
    for name in names:
        starts = stamps(8, first_us)
        write_ncs(folder / f"{name}_0001.ncs", SAMPLES[5120 : 5120 + 4096], starts_us=starts)
    write_nev(folder / "Events_0001.nev", [ttl(first_us + 1000 * n, n % 2) for n in range(1, 5)])


@pytest.fixture
def folder(tmp_path):
    for name in ("CSC1", "CSC2"):
        write_ncs(tmp_path / f"{name}.ncs", SAMPLES[:5120])
    write_nev(tmp_path / "Events.nev", [ttl(FIRST_US + 5000 * n, n % 2) for n in range(1, 9)])
    return tmp_path


def read(folder, choice=None):
    policies = parse_policies([f"clock_restarts={choice}"] if choice else [])
    return read_recording(folder, policies)


def samples_of(segment):
    return segment.samples.read(0, segment.samples.shape[0])[:, 0]


def test_a_second_start_on_the_same_clock_is_a_later_stretch_of_the_same_channels(folder):
    write_second(folder, FIRST_US + 10_000_000)
    recording = read(folder)
    assert [one.name for one in recording.electrodes] == ["CSC1", "CSC2"]
    (stream,) = recording.streams
    assert [segment.start_s for segment in stream.segments] == [0.0, 10.0]
    assert np.array_equal(samples_of(stream.segments[0]), SAMPLES[:5120])
    assert np.array_equal(samples_of(stream.segments[1]), SAMPLES[5120:9216])
    assert sum(len(line.times_s) for line in recording.lines) == 12
    assert recording.irregularities == ()


def test_a_second_start_of_some_channels_makes_groups(folder):
    write_second(folder, FIRST_US + 10_000_000, names=("CSC1",))
    streams = read(folder).streams
    assert [len(stream.segments) for stream in streams] == [2, 1]


@pytest.mark.parametrize(
    ("choice", "n_samples", "n_edges"),
    [(None, 5120, 8), ("longest", 5120, 8), ("first", 5120, 8), ("last", 4096, 4)],
)
def test_a_second_start_on_a_new_clock_is_refused_or_chosen(folder, choice, n_samples, n_edges):
    write_second(folder, FIRST_US - 1_000_000)
    recording = read(folder, choice)
    (stream,) = recording.streams
    assert stream.lengths == (n_samples,)
    assert stream.segments[0].start_s == 0.0
    assert sum(len(line.times_s) for line in recording.lines) == n_edges
    (item,) = recording.irregularities
    assert item.is_refused == (choice is None)
    assert "the clock of the system began anew. There are 2 starts of 2.6, 2.0 s" in item.sentence


@pytest.mark.parametrize(
    ("choice", "part", "n_edges"), [("first", slice(0, 3072), 6), ("last", slice(3072, 5120), 4)]
)
def test_a_clock_that_begins_anew_within_the_files(tmp_path, choice, part, n_edges):
    starts = np.concatenate([stamps(6, FIRST_US), stamps(4, 1_000_000)])
    for name in ("CSC1", "CSC2"):
        write_ncs(tmp_path / f"{name}.ncs", SAMPLES[:5120], starts_us=starts)
    events = [ttl(FIRST_US + 5000 * n, n % 2) for n in range(1, 7)]
    events += [ttl(1_000_000 + 5000 * n, n % 2) for n in range(1, 5)]
    write_nev(tmp_path / "Events.nev", events)
    (stream,) = read(tmp_path, choice).streams
    assert np.array_equal(samples_of(stream.segments[0]), SAMPLES[part])
    assert sum(len(line.times_s) for line in read(tmp_path, choice).lines) == n_edges
    (refused,) = read(tmp_path).irregularities
    assert "within the file" in refused.sentence
    assert "--policy clock_restarts=longest" in refused.sentence


def test_a_number_in_the_name_of_a_channel_alone_is_its_name(tmp_path):
    write_ncs(tmp_path / "CSC1_0001.ncs", SAMPLES[:5120])
    assert [one.name for one in read(tmp_path).electrodes] == ["CSC1_0001"]
