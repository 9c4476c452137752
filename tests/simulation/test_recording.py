import csv
from dataclasses import replace

import av
import numpy as np
import pytest
import yaml

from ace_nwb.errors import OutputError, UnknownNameError
from ace_nwb.simulation.movie import build_movie
from ace_nwb.simulation.neuralynx import NEV_DTYPE
from ace_nwb.simulation.recording import (
    SIZES,
    draw_dropped_frames,
    recording_spec,
    simulate_recording,
)

TINY = replace(
    SIZES["toy"],
    movie=replace(SIZES["toy"].movie, n_frames=60, n_rows=32, n_columns=40, n_cells=3),
    n_dropped=2,
)


@pytest.fixture(scope="module")
def scope_rows(toy):
    with (toy.miniscope_folder / "My_V4_Miniscope" / "timeStamps.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def read_bit_edges(folder, bit: int) -> np.ndarray:
    events = np.fromfile(folder / "Events.nev", NEV_DTYPE, offset=16 * 1024)
    zero = events["timestamp_us"][0]
    events = events[[b"port 0" in text for text in events["text"]]]
    levels = (events["ttl"].view(np.uint16) >> bit) & 1
    changed = np.flatnonzero(np.diff(levels.astype(int))) + 1
    return (events["timestamp_us"][changed] - zero) / 1e6


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    folders = [tmp_path / name for name in ("one", "two", "other")]
    for folder, seed in zip(folders, (1, 1, 2), strict=True):
        simulate_recording(folder, TINY, seed=seed)
    contents = [
        {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in folders
    ]
    assert contents[0] == contents[1]
    assert contents[0].keys() == contents[2].keys()
    assert contents[0] != contents[2]


def test_files_are_numbered_past_ten_and_hold_every_saved_frame(toy, scope_rows):
    scope = toy.miniscope_folder / "My_V4_Miniscope"
    numbers = sorted(int(path.stem) for path in scope.glob("*.avi"))
    assert numbers == list(range(13))
    counts = []
    for number in numbers:
        with av.open(str(scope / f"{number}.avi")) as container:
            counts.append(sum(1 for _ in container.decode(video=0)))
    assert counts[:-1] == [32] * 12
    assert sum(counts) == len(scope_rows) == len(toy.truth.saved_frames)


def test_the_videos_are_the_simulated_frames_without_the_dropped_ones(toy):
    truth, spec = toy.truth, SIZES["toy"].movie
    movie, _ = build_movie(
        spec, 3, spike_times_s=list(truth.movie.spike_times_s), frame_times_s=truth.taken_times_s
    )
    scope = toy.miniscope_folder / "My_V4_Miniscope"
    found = []
    for number in range(13):
        with av.open(str(scope / f"{number}.avi")) as container:
            found += [frame.to_ndarray() for frame in container.decode(video=0)]
    np.testing.assert_array_equal(np.stack(found), movie.read(0, 400)[truth.saved_frames])


def test_drops_agree_between_counter_rows_pulses_and_truth(toy, scope_rows):
    truth = toy.truth
    daq = np.array([int(row["DAQ Frame Number"]) for row in scope_rows])
    np.testing.assert_array_equal(daq, truth.saved_frames)
    assert len(truth.dropped_frames) == 3
    assert len(truth.taken_times_s) == len(scope_rows) + 3
    pulses = read_bit_edges(toy.ephys_folder, 0)
    expected = np.sort(np.concatenate([truth.taken_times_s, truth.stray_pulses_s]))
    assert len(pulses) in (len(expected), len(expected) - 1), "the first word may hide one edge"
    np.testing.assert_allclose(pulses, expected[-len(pulses) :], atol=1e-6)


def test_a_frame_is_timed_by_its_own_edge(toy):
    truth = toy.truth
    np.testing.assert_array_equal(
        truth.movie.frame_times_s, truth.taken_times_s[truth.saved_frames]
    )
    mapped = truth.clock_offset_s + truth.device_times_s * (1 + truth.clock_drift_ppm * 1e-6)
    np.testing.assert_allclose(truth.taken_times_s, mapped, atol=1e-12)


def test_software_stamps_trail_the_frames_on_the_device_clock(toy, scope_rows):
    stamps_s = np.array([int(row["Time Stamp (ms)"]) for row in scope_rows])[1:] / 1000
    late_s = stamps_s - toy.truth.device_times_s[toy.truth.saved_frames][1:]
    assert late_s.min() >= -0.001
    assert late_s.max() <= 0.031


def test_other_lines_share_the_word_with_the_frames(toy):
    events = np.fromfile(toy.ephys_folder / "Events.nev", NEV_DTYPE, offset=16 * 1024)
    words = set(events["ttl"].tolist())
    assert {0x0003, 0x0082, 0x0081} <= words
    assert len(read_bit_edges(toy.ephys_folder, 1)) >= 8
    assert len(read_bit_edges(toy.ephys_folder, 7)) >= 8


def test_stray_pulses_stand_before_the_start_and_after_the_stop(toy):
    truth = toy.truth
    assert (truth.stray_pulses_s < truth.taken_times_s[0]).sum() == 3
    assert (truth.stray_pulses_s > truth.taken_times_s[-1]).sum() == 3


def test_the_truth_has_a_row_for_every_saved_frame(toy):
    truth, n_saved = toy.truth, len(toy.truth.saved_frames)
    movie = truth.movie
    for array in (movie.calcium, movie.displacement_px, movie.brightness, movie.frame_times_s):
        assert len(array) == n_saved
    assert len(truth.slow_phase_rad) == n_saved
    assert len(truth.locked_cells) == round(0.3 * movie.n_cells)


def test_a_dropped_frame_is_a_jump_in_the_truth_as_well(toy):
    gaps = np.diff(toy.truth.movie.frame_times_s)
    assert (gaps > 0.09).sum() == 2, "one single frame, and two neighbours"
    assert gaps.max() == pytest.approx(0.15, abs=1e-4)


def test_metadata_are_enough_for_an_archive(toy):
    content = yaml.safe_load(toy.metadata_path.read_text())
    assert content["Subject"]["species"] == "Mus musculus"
    assert content["Subject"]["age"] == "P90D"
    assert content["Ophys"]["ImagingPlane"]["location"] == "CA1"


def test_progress_counts_the_saved_frames(tmp_path):
    calls = []
    simulate_recording(tmp_path, TINY, progress=lambda done, of: calls.append((done, of)))
    assert calls[-1] == (58, 58)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_two_recordings_are_never_mixed_in_one_folder(tmp_path):
    simulate_recording(tmp_path, TINY)
    with pytest.raises(OutputError, match="exists"):
        simulate_recording(tmp_path, TINY)


def test_an_unknown_size_names_the_known_ones():
    with pytest.raises(UnknownNameError, match="demo, full, toy"):
        recording_spec("huge")


def test_a_recording_may_lack_drops_gap_and_counter(tmp_path):
    plain = replace(TINY, n_dropped=0, gap_s=0.0, daq_first_raw=None, has_junk_stamp=False)
    recording = simulate_recording(tmp_path, plain)
    assert recording.truth.gap_s is None
    assert len(recording.truth.saved_frames) == 60
    header = (recording.miniscope_folder / "My_V4_Miniscope" / "timeStamps.csv").read_text()
    assert "DAQ" not in header


@pytest.mark.parametrize("n_dropped", [0, 1, 2, 5])
def test_as_many_frames_are_dropped_as_asked(n_dropped):
    dropped = draw_dropped_frames(300, n_dropped, np.random.default_rng(0))
    assert len(np.unique(dropped)) == n_dropped
    if n_dropped:
        assert dropped.min() >= 20
        assert dropped.max() < 281
