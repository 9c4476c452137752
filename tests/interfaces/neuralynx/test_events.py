import numpy as np
import pytest

from ace_nwb.errors import EphysError
from ace_nwb.interfaces.neuralynx.events import read_events
from tests.fixtures.neuralynx_files import ttl, write_nev


def read(tmp_path, events):
    write_nev(tmp_path / "Events.nev", events)
    return read_events([tmp_path / "Events.nev"])


def test_one_toggling_line_gives_every_edge(tmp_path):
    events = [ttl(1000 + 10 * index, (index + 1) % 2) for index in range(8)]
    (line,) = read(tmp_path, events).lines
    assert line.name == "TTLBoard0Port0Bit0"
    assert line.times_us.tolist() == [time_us for time_us, _, _ in events]
    assert line.levels.tolist() == [1, 0] * 4


def test_the_edges_of_a_line_do_not_depend_on_other_lines_of_its_port(tmp_path):
    words = [0b0001, 0b1001, 0b1000, 0b1010, 0b1011, 0b0011, 0b0010, 0b0000]
    lines = {
        line.name[-4:]: line
        for line in read(tmp_path, [ttl(100 + n, word) for n, word in enumerate(words)]).lines
    }
    assert lines["Bit0"].times_us.tolist() == [100, 102, 104, 106]
    assert lines["Bit0"].levels.tolist() == [1, 0, 1, 0]
    assert lines["Bit3"].times_us.tolist() == [101, 105]
    assert lines["Bit1"].times_us.tolist() == [103, 107]


def test_ports_and_boards_are_told_apart_by_the_text(tmp_path):
    events = [ttl(1, 1), ttl(2, 2, port=1), ttl(3, 4, port=1, board=2), ttl(4, 0)]
    lines = read(tmp_path, events).lines
    assert [line.name for line in lines] == [
        "TTLBoard0Port0Bit0",
        "TTLBoard0Port1Bit1",
        "TTLBoard2Port1Bit2",
    ]
    assert lines[0].levels.tolist() == [1, 0]


def test_the_sixteenth_bit_is_a_line_like_any_other(tmp_path):
    (line,) = read(tmp_path, [ttl(1, 0x8000), ttl(2, 0)]).lines
    assert line.name == "TTLBoard0Port0Bit15"
    assert line.levels.tolist() == [1, 0]


def test_a_lone_line_that_starts_high_has_its_falling_edge(tmp_path):
    (line,) = read(tmp_path, [ttl(10, 0), ttl(20, 1), ttl(30, 0)]).lines
    assert line.times_us.tolist() == [10, 20, 30]
    assert line.levels.tolist() == [0, 1, 0]


def test_a_first_falling_edge_belongs_to_the_line_that_toggles_most(tmp_path):
    events = [ttl(10, 0), *(ttl(20 + n, n % 2) for n in range(1, 20)), ttl(50, 5), ttl(51, 1)]
    bit0, bit2 = read(tmp_path, events).lines
    assert (bit0.times_us[0], bit0.levels[0]) == (10, 0)
    assert bit2.times_us.tolist() == [50, 51]


def test_a_line_that_rested_high_has_no_edge_where_another_line_rises(tmp_path):
    # bit 0 toggles every 10 us and was high before bit 1 rose
    events = [ttl(99, 3), *(ttl(100 + 10 * n, 2 + n % 2) for n in range(12)), ttl(300, 0)]
    bit0, bit1 = read(tmp_path, events).lines
    assert bit0.times_us.tolist() == [100 + 10 * n for n in range(12)] + [300]
    assert bit1.times_us.tolist() == [99, 300]


def test_events_of_the_same_microsecond_stay_in_their_order(tmp_path):
    events = [ttl(10, 1), ttl(20, 3), ttl(20, 2), ttl(30, 0)]
    bit0, bit1 = read(tmp_path, events).lines
    assert bit0.times_us.tolist() == [10, 20]
    assert bit1.times_us.tolist() == [20, 30]


def test_system_messages_change_no_line(tmp_path):
    start = (1, 0, "Starting Recording")
    note = (25, 0, "animal moved, port open")
    events = read(tmp_path, [start, ttl(10, 1), ttl(20, 3), note, ttl(30, 1), ttl(40, 0)])
    assert [message.text for message in events.messages] == [start[2], note[2]]
    bit0, bit1 = events.lines
    assert bit0.times_us.tolist() == [10, 40]
    assert bit1.times_us.tolist() == [20, 30]


def test_events_out_of_order_are_put_in_order(tmp_path):
    (line,) = read(tmp_path, [ttl(30, 1), ttl(10, 1), ttl(20, 0)]).lines
    assert line.times_us.tolist() == [10, 20, 30]


def test_a_cut_last_event_is_left_out_and_counted(tmp_path):
    path = tmp_path / "Events.nev"
    write_nev(path, [ttl(1, 1), ttl(2, 0), ttl(3, 1)])
    path.write_bytes(path.read_bytes()[:-100])
    events = read_events([path])
    assert events.lines[0].times_us.tolist() == [1, 2]
    assert events.n_cut_bytes == 84


def test_no_events_at_all_are_none(tmp_path):
    assert read_events([]).lines == ()
    assert read(tmp_path, []).lines == ()


def test_a_foreign_event_file_is_refused(tmp_path):
    (tmp_path / "Events.nev").write_bytes(bytes(17000))
    with pytest.raises(EphysError, match=r"Events\.nev begins with"):
        read_events([tmp_path / "Events.nev"])


def test_the_simulated_frame_line_has_exactly_the_true_edges(toy_source):
    events = read_events([toy_source.ephys_folder / "Events.nev"])
    line = next(line for line in events.lines if line.name == "TTLBoard0Port0Bit0")
    truth = toy_source.truth
    expected_s = np.sort(np.concatenate([truth.taken_times_s, truth.stray_pulses_s]))
    found_s = (line.times_us - 3_217_604_915) / 1e6
    missing = [time for time in expected_s if np.abs(found_s - time).min() > 1e-6]
    assert missing == []
    assert len(found_s) - len(expected_s) in (0, 1)  # the level at the first event of the port
