import csv
import json
from datetime import datetime, timedelta, timezone

import av
import numpy as np
import pytest

from ace_nwb.simulation import miniscope_daq
from ace_nwb.simulation.miniscope_daq import JUNK_STAMP_MS, draw_frame_clock

TIMES_S = 0.04 + np.arange(400) / 20


def decode(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray() for frame in container.decode(video=0)])


def draw_clock(**changes):
    settings = {"daq_first_raw": 0, "has_junk_stamp": True} | changes
    rng = np.random.default_rng(0)
    return draw_frame_clock(TIMES_S, np.array([50, 51, 300]), **settings, rng=rng)


def test_scope_videos_decode_to_the_very_same_pixels(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (25, 33, 47), dtype=np.uint8)
    blocks = (frames[start : start + 7] for start in range(0, 25, 7))
    miniscope_daq.write_videos(tmp_path, blocks, frames_per_file=10, codec="ffv1")
    found = [decode(tmp_path / f"{number}.avi") for number in range(3)]
    assert [len(part) for part in found] == [10, 10, 5]
    np.testing.assert_array_equal(np.concatenate(found), frames)
    assert not (tmp_path / "3.avi").exists()


def test_no_empty_file_follows_a_full_last_one(tmp_path):
    frames = np.zeros((20, 16, 16), np.uint8)
    miniscope_daq.write_videos(tmp_path, [frames], frames_per_file=10, codec="ffv1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.avi", "1.avi"]


def test_the_container_claims_60_fps_and_lossless_grey(toy):
    scope = toy.miniscope_folder / "My_V4_Miniscope"
    with av.open(str(scope / "0.avi")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 60
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("ffv1", "gray")
        assert stream.codec_context.codec_tag == "FFV1"
    with av.open(str(toy.miniscope_folder / "BehavCam_1" / "0.avi")) as container:
        assert container.streams.video[0].codec_context.codec_tag == "MJPG"


def test_stamps_are_late_by_at_most_30_ms_and_never_out_of_order():
    clock = draw_clock(has_junk_stamp=False)
    late_ms = clock.stamps_ms - 1000 * TIMES_S[clock.saved]
    assert late_ms.min() >= -0.5
    assert 15 < late_ms.max() <= 30.5
    assert np.diff(clock.stamps_ms).min() >= 0


def test_the_first_stamp_can_be_junk():
    assert draw_clock().stamps_ms[0] == JUNK_STAMP_MS
    assert draw_clock().stamps_ms[1] < 1000


def test_dropped_frames_have_no_row_but_a_step_in_the_counter():
    clock = draw_clock()
    assert len(clock.saved) == 397
    steps = np.diff(clock.daq_numbers)
    np.testing.assert_array_equal(clock.saved[:-1][steps > 1], [49, 299])
    np.testing.assert_array_equal(steps[steps > 1], [3, 2])


def test_the_counter_wraps_at_16_bit():
    numbers = draw_clock(daq_first_raw=65_436).daq_numbers
    assert numbers[0] == 0
    assert np.diff(numbers).min() < -65_000
    np.testing.assert_array_equal(numbers % 65_536, draw_clock().daq_numbers)


def test_a_failed_reading_of_the_counter_says_minus_one():
    numbers = draw_clock(n_daq_failures=4).daq_numbers
    assert (numbers == -1).sum() == 4
    assert numbers[0] == 0


def test_a_clock_without_counter_writes_three_columns(tmp_path):
    clock = draw_clock(daq_first_raw=None)
    miniscope_daq.write_timestamps(tmp_path / "timeStamps.csv", clock)
    with (tmp_path / "timeStamps.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["Frame Number", "Time Stamp (ms)", "Buffer Index"]
    assert len(rows) == 398
    assert rows[-1][:2] == ["396", str(clock.stamps_ms[-1])]


def test_head_quaternions_have_unit_length():
    quaternions = miniscope_daq.draw_head_orientation(500, np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(quaternions, axis=1), 1)


def test_the_offset_to_utc_can_be_derived_from_the_start_time():
    start = datetime(2025, 6, 12, 15, 26, 31, 176000, tzinfo=timezone(timedelta(hours=-4)))
    fields = miniscope_daq.describe_start(start)
    assert fields["msecSinceEpoch"] == 1749756391176
    assert fields["msec"] == 176
    assert fields["hour"] == 15


def test_saved_blocks_leave_out_exactly_the_dropped_frames():
    movie = np.arange(30)[:, None, None] * np.ones((1, 2, 3), int)
    saved = np.setdiff1d(np.arange(30), [7, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29])
    blocks = miniscope_daq.read_saved_blocks(
        lambda start, stop: movie[start:stop], saved, block_frames=10
    )
    np.testing.assert_array_equal(np.concatenate(list(blocks))[:, 0, 0], saved)


@pytest.mark.parametrize("level", ["", "My_V4_Miniscope", "BehavCam_1"])
def test_every_level_has_its_metadata(toy, level):
    content = json.loads((toy.miniscope_folder / level / "metaData.json").read_text())
    if not level:
        assert content["miniscopes"] == ["My V4 Miniscope"]
        return
    assert content["deviceName"].replace(" ", "_") == level
    with av.open(str(toy.miniscope_folder / level / "0.avi")) as container:
        stream = container.streams.video[0]
        assert (content["ROI"]["height"], content["ROI"]["width"]) == (stream.height, stream.width)


def test_notes_hold_a_comma_and_a_control_change(toy):
    lines = (toy.miniscope_folder / "notes.csv").read_text().splitlines()
    notes = [line.split(",", 1)[1] for line in lines[1:]]
    assert "grooming, then still" in notes
    assert "My_V4_Miniscope,led0,30" in notes
