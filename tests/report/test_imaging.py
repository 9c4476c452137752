"""Figures of the field of view."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex

from ace_nwb.report import theme
from ace_nwb.report.sections.brightness import BrightnessTrend, brightness_figure
from ace_nwb.report.sections.field import MAX_IMAGE_SIDE_PX, Outlines, image_figure
from ace_nwb.report.sections.motion import ShiftCourse, motion_figure
from ace_nwb.report.theme import round_length
from tests.report.examples import outline_mask


def disc(row, column, radius=5.0, shape=(40, 60)):
    rows, columns = np.indices(shape)
    inside = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
    return inside.astype(np.float32)


@pytest.fixture
def two_rois():
    contours = tuple(outline_mask(disc(*centre)) for centre in ((10, 15), (25, 40)))
    return Outlines(np.array([3, 8]), contours, np.array([True, False]))


def drawn_lines(panel):
    return [c for c in panel.collections if isinstance(c, LineCollection)]


def test_an_outline_encloses_the_footprint_where_it_is():
    (line,) = outline_mask(disc(10, 15))
    assert line.mean(axis=0) == pytest.approx([10, 15], abs=0.5)
    assert np.hypot(*(line - [10, 15]).T) == pytest.approx(5.5, abs=0.8)


def test_an_outline_at_the_edge_of_the_field_is_closed():
    (line,) = outline_mask(disc(0, 59))
    assert (line[0] == line[-1]).all()


def test_an_empty_footprint_has_no_outline():
    assert outline_mask(np.zeros((5, 6))) == ()


def test_two_pieces_have_two_outlines():
    assert len(outline_mask(np.maximum(disc(10, 15), disc(30, 50)))) == 2


def test_accepted_and_rejected_rois_differ_in_colour_and_in_line(two_rois):
    with theme.figure_theme():
        panel = image_figure(disc(10, 15), two_rois).axes[0]
    rejected, accepted = drawn_lines(panel)
    assert to_hex(accepted.get_color()[0]) == theme.ACCEPTED
    assert to_hex(rejected.get_color()[0]) == theme.REJECTED
    assert accepted.get_linestyle() != rejected.get_linestyle()


def test_rejected_rois_can_be_left_out(two_rois):
    kept = two_rois.of_accepted()
    assert kept.numbers.tolist() == [3]
    assert kept.accepted.all()
    assert kept.contours == two_rois.contours[:1]


def test_outlines_lie_on_the_image_as_column_and_row(two_rois):
    with theme.figure_theme():
        panel = image_figure(disc(10, 15), two_rois).axes[0]
    _, accepted = drawn_lines(panel)
    (segment,) = accepted.get_segments()
    assert segment.mean(axis=0) == pytest.approx([15, 10], abs=0.5)


def test_rois_carry_the_numbers_of_their_table(two_rois):
    with theme.figure_theme():
        panel = image_figure(disc(10, 15), two_rois, with_numbers=True).axes[0]
    assert {text.get_text() for text in panel.texts} == {"3", "8"}


def test_an_image_keeps_its_shape_and_has_units_on_both_axes():
    with theme.figure_theme():
        panel = image_figure(np.zeros((40, 60))).axes[0]
    assert panel.get_xlim() == (-0.5, 59.5)
    assert panel.get_ylim() == (39.5, -0.5)
    assert "(px)" in panel.get_xlabel()
    assert "(px)" in panel.get_ylabel()


def test_a_large_image_is_averaged_to_what_a_page_can_show():
    image = np.zeros((1300, 2000))
    image[600:604, 1000:1004] = 1.0
    with theme.figure_theme():
        (picture,) = image_figure(image).axes[0].images
    shown = picture.get_array()
    assert max(shown.shape) <= MAX_IMAGE_SIDE_PX
    assert shown.sum() * 16 == pytest.approx(16)


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_an_image_without_contrast_is_drawn(value):
    with theme.figure_theme():
        figure = image_figure(np.full((10, 12), value))
    assert "<image" in theme.to_svg(figure, name="x", title="t")


def test_motion_shows_rows_and_columns_in_pixels_above_the_quality():
    times_s = np.arange(100) / 20
    shifts = np.stack([np.full(100, 2.0), np.full(100, -3.0)], axis=1)
    with theme.figure_theme():
        figure = motion_figure(ShiftCourse(times_s, shifts, np.ones(100)), (0.0, 5.0))
    top, bottom = figure.axes
    assert [line.get_ydata()[0] for line in top.lines] == [2.0, -3.0]
    assert top.get_ylabel() == "shift (px)"
    assert bottom.get_xlabel() == "session time (s)"


def test_motion_without_quality_has_one_panel():
    with theme.figure_theme():
        figure = motion_figure(ShiftCourse(np.arange(9.0), np.zeros((9, 2)), None), (0.0, 8.0))
    assert len(figure.axes) == 1


def test_the_bleaching_trend_lies_over_the_brightness():
    times_s = np.arange(100.0)
    with theme.figure_theme():
        figure = brightness_figure(
            BrightnessTrend(times_s, 100 - times_s / 10, 100 - times_s / 10), (0.0, 99.0)
        )
    mean, trend = figure.axes[0].lines
    assert mean.get_ydata() == pytest.approx(trend.get_ydata())
    assert trend.get_linestyle() != mean.get_linestyle()


@pytest.mark.parametrize(
    ("longest", "length"), [(49.9, 20), (50, 50), (99, 50), (100, 100), (0.3, 0.2), (1999, 1000)]
)
def test_a_bar_of_length_is_round_and_not_longer_than_wanted(longest, length):
    assert round_length(longest) == pytest.approx(length)


def test_a_bar_of_length_spans_the_pixels_it_says():
    with theme.figure_theme():
        panel = image_figure(np.zeros((40, 60)), pixel_um=2.0).axes[0]
    (bar,) = panel.lines
    assert np.ptp(bar.get_xdata()) == pytest.approx(10)  # 20 um; 30 % of the field are 36 um
    assert [text.get_text() for text in panel.texts] == ["20 µm"]


def test_without_a_pixel_size_there_is_no_bar():
    with theme.figure_theme():
        panel = image_figure(np.zeros((40, 60))).axes[0]
    assert not panel.lines
    assert not panel.texts
