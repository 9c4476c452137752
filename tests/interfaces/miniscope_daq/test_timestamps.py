import numpy as np
import pytest

from ace_nwb.errors import TimestampError
from ace_nwb.interfaces.frame_times import unwrap_daq_frames
from ace_nwb.interfaces.miniscope_daq.recording import read_frame_times as read_lenient
from ace_nwb.interfaces.policies import check_allowed
from ace_nwb.interfaces.stamps import count_junk_stamps
from tests.fixtures.recordings import write_timestamps

REGULAR = 20 + 50 * np.arange(30)


def read_frame_times(folder):
    """Read, and raise what the default policies refuse."""
    times = read_lenient(folder)
    check_allowed(times.irregularities)
    return times


def write(folder, text: str) -> None:
    (folder / "timeStamps.csv").write_bytes(text.encode())


def test_columns_are_read_by_name_whatever_their_order(tmp_path):
    write(
        tmp_path, "Buffer Index,Extra,Time Stamp (ms),Frame Number\n0,7,10,5\n3,7,60,6\n1,7,110,7\n"
    )
    times = read_frame_times(tmp_path)
    assert times.raw_s.tolist() == [0.01, 0.06, 0.11]
    assert times.frame_number.tolist() == [5, 6, 7]
    assert times.buffer_index.tolist() == [0, 3, 1]
    assert times.daq_frame is None


def test_five_columns_with_unix_time_are_read(tmp_path):
    header = "Frame Number,Time Stamp (ms),Buffer Index,DAQ Frame Number,Unix Time Stamp (ms)\n"
    write(tmp_path, header + "0,10,0,0,1749756391186\n1,60,0,1,1749756391236\n")
    assert read_frame_times(tmp_path).daq_frame.tolist() == [0, 1]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffFrame Number,Time Stamp (ms),Buffer Index\n0,10,0\n1,60,0\n",
        "Frame Number,Time Stamp (ms),Buffer Index\r\n0,10,0\r\n1,60,0\r\n",
        "Frame Number, Time Stamp (ms), Buffer Index\n0,10,0\n1,60,0\n\n\n",
        "Frame Number,Time Stamp (ms),Buffer Index\n0,10.0,0\n1,60.0,0\n\0\0\0\0",
    ],
    ids=["byte order mark", "CRLF", "blanks", "zeros at the end"],
)
def test_harmless_variants_of_the_text_are_read(tmp_path, text):
    write(tmp_path, text)
    assert read_frame_times(tmp_path).raw_s.tolist() == [0.01, 0.06]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"has the columns \(none\)"),
        ("Frame,Time\n0,1\n", r'A column "Time Stamp \(ms\)" was expected'),
        ("Frame Number,Time Stamp (ms)\n", "has a header but no rows"),
        (
            "Frame Number,Time Stamp (ms)\n0,10\n1,abc\n",
            r"line 3, column \"Time Stamp \(ms\)\" holds 'abc'",
        ),
        ("Frame Number,Time Stamp (ms)\n0,10\n1,\n", "line 3, .* holds ''"),
        ("Frame Number,Time Stamp (ms)\n0,10\n1,60\n2\n", "line 4 has 1 of 2 cells"),
        ("Frame Number;Time Stamp (ms)\n0;10\n", "separates its cells by semicolons"),
        ("Frame Number,Time Stamp (ms)\n0,10\n1,60\n2,nan\n3,160\n", "holds 'nan'"),
        ("Frame Number,Time Stamp (ms)\n0,10\n1,inf\n2,110\n", "holds 'inf'"),
        ("Frame Number,Time Stamp (ms)\n0,10\n1,1e300\n2,110\n", "holds '1e300'"),
    ],
)
def test_unreadable_files_are_refused_with_their_place(tmp_path, text, words):
    write(tmp_path, text)
    with pytest.raises(TimestampError, match=words):
        read_frame_times(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TimestampError, match=r"timeStamps\.csv does not exist"):
        read_frame_times(tmp_path)


def test_text_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "timeStamps.csv").write_bytes(
        "Frame Number,Time Stamp (ms)\n0,10\n".encode("utf-16")
    )
    with pytest.raises(TimestampError):
        read_frame_times(tmp_path)


@pytest.mark.parametrize(
    ("row", "value", "line"), [(20, REGULAR[10], 22), (20, 3, 22), (slice(20, 22), REGULAR[19], 22)]
)
def test_stamps_that_do_not_increase_are_refused(tmp_path, row, value, line):
    stamps = REGULAR.copy()
    stamps[row] = value
    write_timestamps(tmp_path, stamps)
    with pytest.raises(TimestampError, match=rf"line {line}: the time stamp {value} ms follows"):
        read_frame_times(tmp_path)


def test_shuffled_rows_are_refused(tmp_path):
    write_timestamps(tmp_path, np.random.default_rng(0).permutation(REGULAR))
    with pytest.raises(TimestampError, match="Time stamps that increase"):
        read_frame_times(tmp_path)


@pytest.mark.parametrize(
    ("junk", "n_junk"),
    [
        ([], 0),
        ([935703178], 1),
        ([-2147483648], 1),
        ([-5000, -4999], 2),
        ([935703178, 935703180, 935703190], 3),
        ([20], 1),
    ],
    ids=["none", "huge", "very negative", "two negative", "three huge", "the same as the next"],
)
def test_leading_junk_is_counted_and_nothing_else(junk, n_junk):
    assert count_junk_stamps(np.array([*junk, *REGULAR]) / 1000) == n_junk


@pytest.mark.parametrize(
    "stamps",
    [
        [-31, 19, 69, 119, 169],
        [0, 3000, 3050, 3100, 3150],
        [0, 50, 100, 80, 130],
        [10, 60],
        [10],
    ],
    ids=["just before the press", "a pause", "backwards later", "two", "one"],
)
def test_unusual_but_possible_first_stamps_are_kept(stamps):
    assert count_junk_stamps(np.array(stamps) / 1000) == 0


def test_a_junk_stamp_is_counted_back_from_the_next_by_the_median_interval(tmp_path):
    write_timestamps(tmp_path, [935703178, *REGULAR])
    times = read_frame_times(tmp_path)
    assert times.device_time_s[:3] == pytest.approx([-0.030, 0.020, 0.070])
    assert times.raw_s[0] == 935703.178
    assert times.n_repaired == 1


def test_a_junk_stamp_before_lost_frames_is_counted_back_by_the_board_number(tmp_path):
    write_timestamps(tmp_path, [-99999, *(200 + REGULAR)], [0, *range(3, 33)])
    assert read_frame_times(tmp_path).device_time_s[0] == pytest.approx(0.220 - 3 * 0.050)


def test_regular_stamps_are_kept_as_they_are(tmp_path):
    write_timestamps(tmp_path, REGULAR)
    times = read_frame_times(tmp_path)
    assert np.array_equal(times.device_time_s, REGULAR / 1000)
    assert set(times.repair) == {""}


def test_frame_rate_is_that_of_the_median_interval(tmp_path):
    stamps = REGULAR.copy()
    stamps[10:] += 4000
    write_timestamps(tmp_path, stamps)
    assert read_frame_times(tmp_path).frame_rate_hz == pytest.approx(20.0)


def test_board_numbers_continue_over_their_wrap():
    raw = (np.arange(65530, 65530 + 20) % 65536) - 65530
    assert raw.min() < -60000
    assert unwrap_daq_frames(raw).tolist() == list(range(20))


def test_board_numbers_continue_over_several_wraps_with_losses():
    true = np.arange(0, 300_000, 7)
    assert np.array_equal(unwrap_daq_frames(true % 65536), true)


def test_a_failed_read_is_filled_in_where_only_one_number_is_possible():
    assert unwrap_daq_frames(np.array([4, -1, -1, 7, 9, -1, 12])).tolist() == [
        4,
        5,
        6,
        7,
        9,
        -1,
        12,
    ]


def test_failed_reads_alone_stay_unknown():
    assert unwrap_daq_frames(np.array([-1, -1])).tolist() == [-1, -1]
