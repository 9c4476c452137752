import numpy as np
import pytest

from ace_nwb.report.clip_frames import (
    COLOURS,
    HEAD_PX,
    STRIP_LEFT_PX,
    STRIP_RIGHT_PX,
    ClipCanvas,
    Panel,
    choose_levels,
    draw_strip,
)
from ace_nwb.report.ephys_line import Line
from ace_nwb.report.sections.field import Outlines
from ace_nwb.report.sections.traces import Traces

FIELD = (12, 20)
PANELS = (Panel("raw", 10, 20), Panel("neural", 0, 50))


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return {"raw": rng.uniform(5, 25, FIELD), "neural": rng.uniform(0, 60, FIELD)}


def cut(picture, stage, number):
    (row, column), (height, width) = stage.panel_corner(number), stage.panel_shape
    return picture[row : row + height, column : column + width]


def square(roi, top, left, side):
    corners = [(0, 0), (0, side), (side, side), (side, 0), (0, 0)]
    return Outlines(
        np.array([roi]), ((np.array(corners) + np.array([top, left]),),), np.array([True])
    )


def test_every_panel_shows_its_values_between_black_and_white(images):
    stage = ClipCanvas(FIELD, PANELS)
    picture = stage.draw(images, time_s=0, note="")
    times = stage.panel_shape[1] // FIELD[1]
    assert stage.panel_shape == (times * FIELD[0], times * FIELD[1])
    for number, panel in enumerate(PANELS):
        grey = np.clip((images[panel.name] - panel.low) / (panel.high - panel.low), 0, 1) * 255
        shown = cut(picture, stage, number)
        assert (shown == shown[..., :1]).all()
        middles = shown[times // 2 :: times, times // 2 :: times, 0]
        np.testing.assert_allclose(middles, grey, atol=0.51)


@pytest.mark.parametrize("field", [(12, 20), (300, 200), (600, 608), (7, 3000)])
def test_the_picture_is_even_and_fits_whatever_the_field(field):
    stage = ClipCanvas(field, tuple(Panel(name, 0, 255) for name in "abcde"))
    grey = np.full(field, 100.0)
    picture = stage.draw(dict.fromkeys("abcde", grey), time_s=0, note="0 s")
    assert picture.shape == (*stage.shape, 3)
    assert stage.shape[0] % 2 == stage.shape[1] % 2 == 0
    assert stage.shape[1] <= 1600
    assert (cut(picture, stage, 4) == 100).all()


def test_large_fields_are_averaged():
    stage = ClipCanvas((900, 1400), (Panel("a", 0, 255), Panel("b", 0, 255)))
    checks = 255.0 * (np.indices((900, 1400)).sum(axis=0) % 2)
    shown = cut(stage.draw({"a": checks, "b": checks}, time_s=0, note=""), stage, 0)
    assert abs(shown.mean() - 127.5) < 2
    assert shown.std() < 40


def test_the_scale_bar_is_as_long_as_it_says(images):
    stage = ClipCanvas(FIELD, PANELS, pixel_um=2.5)
    picture = stage.draw(images, time_s=0, note="")
    per_pixel = stage.panel_shape[1] / FIELD[1]
    row = picture[HEAD_PX + stage.panel_shape[0] + 23]
    bar_px = (row == 255).all(axis=1).sum()
    assert bar_px == pytest.approx(20 / 2.5 * per_pixel)  # 20 um are 40 % of 50


def test_the_note_and_the_names_are_written(images):
    stage = ClipCanvas(FIELD, PANELS)
    empty, told = (stage.draw(images, time_s=0, note=note) for note in ("", "12.500 s"))
    changed = np.argwhere((empty != told).any(axis=2))
    assert len(changed) > 50
    assert changed[:, 0].min() > HEAD_PX + stage.panel_shape[0]
    nameless = ClipCanvas(FIELD, tuple(Panel("", p.low, p.high) for p in PANELS))
    assert (nameless._empty[:HEAD_PX] != stage._empty[:HEAD_PX]).any()


def test_outlines_stand_on_their_panel_in_the_colour_of_their_trace(images):
    stage = ClipCanvas(FIELD, PANELS, outlines=square(3, 2, 4, 5))
    picture = stage.draw(images, time_s=0, note="")
    colour = np.frombuffer(bytes.fromhex(COLOURS[0][1:]), np.uint8)
    rows, columns = np.nonzero((cut(picture, stage, 1) == colour).all(axis=2))
    scale = stage.panel_shape[1] / FIELD[1]
    assert rows.min() == pytest.approx(2.5 * scale, abs=1.5)
    assert columns.max() == pytest.approx(9.5 * scale, abs=1.5)
    plain = ClipCanvas(FIELD, PANELS).draw(images, time_s=0, note="")
    np.testing.assert_array_equal(cut(picture, stage, 0), cut(plain, stage, 0))


def test_the_cursor_runs_over_the_strip_with_time(images):
    times_s = np.linspace(10, 20, 200)
    traces = Traces(
        times_s, np.array([3, 5]), np.random.default_rng(0).random((200, 2)), None, "ΔF/F"
    )
    ephys = Line("CSC1", times_s, np.sin(times_s), "µV")
    strip = draw_strip(traces, ephys, span_s=(10.0, 20.0), width_px=900)
    assert strip.pixels.shape[1] == 900
    inner = 900 - STRIP_LEFT_PX - STRIP_RIGHT_PX
    assert strip.cursor_px(10.0) == STRIP_LEFT_PX
    assert strip.cursor_px(15.0) == pytest.approx(STRIP_LEFT_PX + inner / 2, abs=1)
    stage = ClipCanvas(FIELD, PANELS, strip)
    early, late = (stage.draw(images, time_s=t, note="") for t in (11.0, 19.0))
    moved = np.unique(np.argwhere((early != late).any(axis=2))[:, 1])
    assert {strip.cursor_px(11.0), strip.cursor_px(19.0)} <= set(moved)
    assert len(moved) == 4


@pytest.mark.parametrize(("n_rois", "has_ephys"), [(0, True), (2, False)])
def test_a_strip_may_have_traces_or_ephys_alone(n_rois, has_ephys):
    times_s = np.arange(50) / 10
    traces = Traces(times_s, np.arange(n_rois), np.zeros((50, n_rois)), None, "a.u.")
    ephys = Line("A1", times_s, times_s, "µV") if has_ephys else None
    assert draw_strip(traces, ephys, span_s=(0.0, 5.0), width_px=900).pixels.std() > 0
    assert draw_strip(None, None, span_s=(0.0, 5.0), width_px=900) is None


def test_levels_follow_the_values_and_the_residual_is_grey_at_zero():
    rng = np.random.default_rng(0)
    samples = {
        "raw": [rng.uniform(40, 90, FIELD)] * 3,
        "neural": [rng.exponential(size=FIELD)] * 3,
        "residual": [rng.standard_normal(FIELD)] * 3,
    }
    raw, neural, residual = choose_levels(samples)
    assert 40 <= raw.low < 45 < 85 < raw.high <= 90
    assert neural.low == 0
    assert residual.low == -residual.high
    assert abs(int(residual.to_grey(np.zeros(1))[0]) - 127) <= 1


def test_a_constant_panel_is_drawn():
    (panel,) = choose_levels({"raw": [np.full(FIELD, 7.0)]})
    assert panel.to_grey(np.full(FIELD, 7.0)).max() == 0
