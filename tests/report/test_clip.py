"""A clip decoded again: its frames are those of the session file."""

import av
import numpy as np
import pytest

from ace_nwb.cli import run
from ace_nwb.engines.components import ComponentMovie
from ace_nwb.errors import OutputError, ParameterError, UnknownNameError
from ace_nwb.nwb.content.imaging import write_motion
from ace_nwb.nwb.content.rois import read_segmentation, write_segmentation
from ace_nwb.nwb.session import edit_session, open_session
from ace_nwb.report import clip, clip_frames
from ace_nwb.report.clip import ClipRequest, write_clip
from ace_nwb.stages.common.corrected import open_corrected_movie
from tests.fixtures.session_files import N_COLUMNS, N_FRAMES, N_ROWS, make_segmentation

SHIFTS = np.tile([1.0, -2.0], (N_FRAMES, 1))


@pytest.fixture(scope="module")
def analysed(recorded_template, tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "session.nwb"
    path.write_bytes(recorded_template.path.read_bytes())
    with edit_session(path) as writer:
        write_motion(writer, SHIFTS, np.ones(N_FRAMES))
        write_segmentation(writer, make_segmentation((N_ROWS, N_COLUMNS)))
    return path


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(clip_frames, "MAX_WIDTH_PX", 380)
    monkeypatch.setattr(clip, "MIN_WIDTH_PX", 380)


def decode(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return np.stack(frames), float(stream.average_rate)


def panel_of(frames, stage, number):
    """Return the grey levels of the middle of every pixel of a panel, (frame, row, column)."""
    (row, column), (height, width) = stage.panel_corner(number), stage.panel_shape
    times = width // N_COLUMNS
    part = frames[:, row : row + height, column : column + width].mean(axis=3)
    return part[:, times // 2 :: times, times // 2 :: times]


def test_frames_of_every_panel_come_back(analysed, recorded_template, tmp_path):
    times_s = recorded_template.frame_times_s
    request = ClipRequest(start_s=times_s[10] - 1e-6, stop_s=times_s[40] - 1e-6)
    made = write_clip(analysed, tmp_path / "clip.mp4", request)
    frames, rate_hz = decode(tmp_path / "clip.mp4")
    assert (made.first_frame, made.stop_frame) == (10, 40)
    assert frames.shape == (30, *made.stage.shape, 3)
    with open_session(analysed) as session:
        movie = open_corrected_movie(session, workers=1)
        assert rate_hz == pytest.approx(movie.frame_rate_hz, rel=1e-3)
        parts = ComponentMovie(movie, read_segmentation(session)).read(10, 40)
    wanted = {"raw": recorded_template.frames[10:40]} | vars(parts)
    assert [panel.name for panel in made.stage.panels] == list(wanted)
    for number, panel in enumerate(made.stage.panels):
        shown = panel_of(frames, made.stage, number)
        error = np.abs(shown - panel.to_grey(wanted[panel.name]).astype(float))
        assert np.median(error) < 6  # of 255: the codec is lossy, the outlines lie on one panel


def test_without_results_there_are_two_panels(recorded_template, tmp_path):
    made = write_clip(recorded_template.path, tmp_path / "clip.mp4")
    assert [panel.name for panel in made.stage.panels] == ["raw", "corrected"]
    assert len(decode(tmp_path / "clip.mp4")[0]) == made.n_frames == N_FRAMES


def test_the_blocks_that_are_read_do_not_show(analysed, monkeypatch):
    pictures = []
    with open_session(analysed) as session:
        source = clip._Source.open(session, workers=1)
        made = clip._plan(session, source, ClipRequest(start_s=0.0, stop_s=1.0))
        for n_frames in (1000, 7):
            monkeypatch.setattr(clip, "BLOCK_PIXELS", n_frames * N_ROWS * N_COLUMNS)
            pictures.append(np.stack(list(clip._draw(source, made, lambda _done, _of: None))))
    assert len(pictures[0]) == made.n_frames
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() <= 1


def test_the_command_says_what_it_wrote(analysed, tmp_path, capsys):
    out = tmp_path / "clip.mp4"
    arguments = ["--out", str(out), "--start", "1", "--stop", "2", "--speed", "2"]
    assert run(["movie", str(analysed), *arguments]) == 0
    assert "raw, corrected, neural, background, residual" in capsys.readouterr().out
    frames, rate_hz = decode(out)
    assert len(frames) == pytest.approx(20, abs=1)
    assert rate_hz == pytest.approx(40, rel=0.05)


def test_the_busiest_half_minute_is_the_default():
    times_s = np.arange(0, 200, 0.1)
    raw = np.zeros((2000, 2))
    raw[1200:1400:20] = 1.0
    traces = clip.Traces(times_s, np.arange(2), raw, None, "a.u.")
    start_s, stop_s = clip._choose_span(times_s, traces, ClipRequest())
    assert stop_s - start_s == pytest.approx(30)
    assert start_s <= 122
    assert stop_s >= 138
    assert clip._choose_span(times_s, traces, ClipRequest(stop_s=50.0)) == (20.0, 50.0)
    assert clip._choose_span(times_s, traces, ClipRequest(start_s=50.0)) == (50.0, 80.0)


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        (ClipRequest(start_s=500.0), ParameterError, "500 and 530 s. The movie runs from 0.10"),
        (ClipRequest(start_s=2.0, stop_s=1.0), ParameterError, "between 2 and 1 s"),
        (ClipRequest(speed=0.0), ParameterError, "speed = 0"),
        (ClipRequest(channel="CSC99"), UnknownNameError, "CSC99"),
    ],
)
def test_a_clip_of_nothing_is_refused_with_what_there_is(
    analysed, tmp_path, request_, error, message
):
    with pytest.raises(error, match=message):
        write_clip(analysed, tmp_path / "clip.mp4", request_)
    assert not list(tmp_path.iterdir())


def test_a_clip_that_cannot_be_written_is_an_error(analysed, tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write_clip(analysed, tmp_path / "nowhere" / "clip.mp4", ClipRequest(stop_s=1.0))
    with pytest.raises(OutputError, match="session file itself"):
        write_clip(analysed, analysed)
