import numpy as np
import pytest

from ace_nwb.errors import EphysError
from ace_nwb.interfaces.neuralynx.folder import read_recording
from ace_nwb.interfaces.neuralynx.samples import read_starts, segment_samples
from tests.fixtures.neuralynx_files import FIRST_US, draw_samples, header_bytes, write_ncs


def read_channel(path):
    (channel,) = read_starts(path)
    return channel


def read_segments(path) -> list[np.ndarray]:
    channel = read_channel(path)
    sources = [segment_samples([channel], index) for index in range(len(channel.segments))]
    return [source.read(0, source.shape[0])[:, 0] for source in sources]


def read_gaps(folder) -> tuple[float, ...]:
    return read_recording(folder).streams[0].gaps_s


def starts_with_gaps(n_records: int, rate_hz: float, gaps: dict[int, float]) -> np.ndarray:
    """Return record times; `gaps` is record -> seconds missing before it."""
    starts = np.arange(n_records) * 512 / rate_hz
    for record, gap_s in gaps.items():
        starts[record:] += gap_s
    return FIRST_US + np.round(starts * 1e6).astype(np.int64)


def test_samples_of_a_channel_without_gap_are_read_exactly(tmp_path):
    samples = draw_samples(512 * 9 + 100)
    write_ncs(tmp_path / "CSC1.ncs", samples)
    channel = read_channel(tmp_path / "CSC1.ncs")
    assert channel.name == "CSC1"
    assert channel.rate_hz == 2000.0
    assert read_gaps(tmp_path) == ()
    assert np.array_equal(read_segments(tmp_path / "CSC1.ncs")[0], samples)


@pytest.mark.parametrize("span", [(0, 1), (0, 512), (511, 514), (1000, 3000), (4600, 4708)])
def test_any_range_is_read(tmp_path, span):
    samples = draw_samples(512 * 9 + 100)
    write_ncs(tmp_path / "a.ncs", samples)
    source = segment_samples([read_channel(tmp_path / "a.ncs")], 0)
    assert np.array_equal(source.read(*span)[:, 0], samples[slice(*span)])


def test_records_filled_in_part_are_read_without_their_padding(tmp_path):
    lengths = np.array([512, 100, 512, 1, 512, 30])
    samples = draw_samples(int(lengths.sum()))
    starts = FIRST_US + np.round(np.concatenate([[0], np.cumsum(lengths)[:-1]]) / 2000 * 1e6)
    write_ncs(tmp_path / "a.ncs", samples, lengths=lengths, starts_us=starts.astype(np.int64))
    (segment,) = read_segments(tmp_path / "a.ncs")
    assert np.array_equal(segment, samples)
    source = segment_samples([read_channel(tmp_path / "a.ncs")], 0)
    assert np.array_equal(source.read(600, 1126)[:, 0], samples[600:1126])


@pytest.mark.parametrize("gap_s", [0.25, 0.002, 0.0005])
def test_gaps_down_to_one_sample_make_segments_with_true_starts(tmp_path, gap_s):
    samples = draw_samples(512 * 10)
    starts = starts_with_gaps(10, 2000.0, {4: gap_s})
    write_ncs(tmp_path / "a.ncs", samples, starts_us=starts)
    channel = read_channel(tmp_path / "a.ncs")
    assert [segment.start_us for segment in channel.segments] == [starts[0], starts[4]]
    assert read_gaps(tmp_path) == pytest.approx([gap_s], abs=2e-6)
    assert np.array_equal(np.concatenate(read_segments(tmp_path / "a.ncs")), samples)


def test_several_gaps_are_all_found(tmp_path):
    gaps = {2: 0.1, 3: 1.5, 9: 0.03}
    starts = starts_with_gaps(12, 32000.0, gaps)
    write_ncs(tmp_path / "a.ncs", draw_samples(512 * 12), rate_hz=32000.0, starts_us=starts)
    assert read_gaps(tmp_path) == pytest.approx([0.1, 1.5, 0.03], abs=1e-5)


@pytest.mark.parametrize("true_hz", [2000.1, 1998.0, 32012.8])
def test_the_true_rate_comes_from_the_time_stamps(tmp_path, true_hz):
    nominal_hz = 2000.0 if true_hz < 3000 else 32000.0
    starts = FIRST_US + np.round(np.arange(200) * 512 / true_hz * 1e6).astype(np.int64)
    write_ncs(tmp_path / "a.ncs", draw_samples(512 * 200), rate_hz=nominal_hz, starts_us=starts)
    channel = read_channel(tmp_path / "a.ncs")
    assert len(channel.segments) == 1
    assert channel.rate_hz == pytest.approx(true_hz, rel=1e-6)


def test_the_last_record_cut_off_leaves_the_whole_ones(tmp_path):
    samples = draw_samples(512 * 5)
    path = tmp_path / "a.ncs"
    write_ncs(path, samples)
    path.write_bytes(path.read_bytes()[:-700])
    assert np.array_equal(read_segments(path)[0], samples[: 512 * 4])
    assert read_channel(path).n_cut_bytes == 1044 - 700


def test_inverted_inputs_have_a_negative_scale(tmp_path):
    write_ncs(tmp_path / "a.ncs", draw_samples(600), InputInverted="True")
    assert read_channel(tmp_path / "a.ncs").volt_per_bit == -0.00000003051851


def test_a_channel_with_a_header_alone_is_empty(tmp_path):
    (tmp_path / "a.ncs").write_bytes(header_bytes({"SamplingFrequency": "2000"}))
    assert read_starts(tmp_path / "a.ncs") == ()


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"SamplingFrequency": "fast"}, "-SamplingFrequency fast"),
        ({"ADBitVolts": ""}, "-ADBitVolts"),
        ({"SamplingFrequency": "0"}, "positive number"),
        ({"SamplingFrequency": "1e300"}, "at most 1,000,000"),
        ({"ADBitVolts": "1e9"}, "at most 1,000,000"),
    ],
)
def test_headers_without_rate_or_scale_are_refused(tmp_path, entries, words):
    write_ncs(tmp_path / "a.ncs", draw_samples(600), **entries)
    with pytest.raises(EphysError, match=words):
        read_channel(tmp_path / "a.ncs")


def test_a_file_of_another_program_is_refused(tmp_path):
    (tmp_path / "a.ncs").write_bytes(b"RIFF" + bytes(20000))
    with pytest.raises(EphysError, match="begins with 'RIFF'"):
        read_channel(tmp_path / "a.ncs")


def test_a_record_of_more_samples_than_fit_is_refused(tmp_path):
    write_ncs(tmp_path / "a.ncs", draw_samples(512 * 4))
    content = bytearray((tmp_path / "a.ncs").read_bytes())
    content[16384 + 1044 + 16 : 16384 + 1044 + 20] = (60_000).to_bytes(4, "little")
    (tmp_path / "a.ncs").write_bytes(content)
    with pytest.raises(EphysError, match=r"record 1 says that it holds 60000 samples \(1 such"):
        read_channel(tmp_path / "a.ncs")


@pytest.mark.parametrize(("first", "stop"), [(3, 4), (0, 1), (2, 6), (7, 8)])
def test_records_that_stand_twice_are_read_once(tmp_path, first, stop):
    samples = draw_samples(512 * 8)
    path = tmp_path / "a.ncs"
    write_ncs(path, samples)
    content = path.read_bytes()
    at = 16384 + 1044 * stop
    again = content[16384 + 1044 * first : at]
    path.write_bytes(content[:at] + again + content[at:])
    channel = read_channel(path)
    assert channel.n_repeated == stop - first
    (segment,) = read_segments(path)
    assert np.array_equal(segment, samples)
    assert f"holds {stop - first} record(s) twice" in read_recording(tmp_path).told()[0]
