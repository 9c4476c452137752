"""Layout, decimation, and the way of a figure into the page."""

import base64
import io
import re

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from ace_nwb.report import theme


def draw(text="a title", *, colour=theme.CALCIUM):
    with theme.figure_theme():
        figure, (panel,) = theme.stack_panels([50])
        panel.plot([0, 1], [0, 1], color=colour)
        panel.set_title(text)
    return figure


def test_an_envelope_keeps_every_extreme_that_a_pixel_column_would_show():
    values = np.random.default_rng(0).normal(size=50_000)
    values[31_234] = 40.0
    kept = theme.envelope_indices(values, n_bins=500)
    assert len(kept) <= 1002
    assert 31_234 in kept
    assert values[kept].min() == values.min()
    assert (np.diff(kept) > 0).all()


def test_an_envelope_of_a_short_series_is_the_series():
    assert theme.envelope_indices(np.arange(10.0), n_bins=500).tolist() == list(range(10))


def test_an_envelope_prefers_numbers_to_nan():
    values = np.full(10_000, np.nan)
    values[::7] = 1.0
    kept = theme.envelope_indices(values, n_bins=100)
    assert np.isfinite(values[kept]).sum() >= 100


def test_an_envelope_of_nan_alone_stays_nan():
    kept = theme.envelope_indices(np.full(10_000, np.nan), n_bins=100)
    assert kept[0] == 0
    assert kept[-1] == 9_999


@pytest.mark.parametrize("n_samples", [0, 1, 2, 7, 1001, 2003, 100_003])
def test_an_envelope_never_leaves_the_series(n_samples):
    kept = theme.envelope_indices(np.random.default_rng(1).random(n_samples), n_bins=500)
    assert len(kept) == min(n_samples, len(kept))
    assert (kept < n_samples).all()


def test_points_of_a_scatter_are_few_and_hold_the_extremes():
    values = np.random.default_rng(0).normal(size=100_000)
    kept = theme.scatter_indices(values, n_points=1000)
    assert len(kept) < 1500
    assert {int(values.argmin()), int(values.argmax())} <= set(kept.tolist())


def test_long_recordings_read_in_minutes_and_short_ones_in_seconds():
    assert theme.time_unit((0, 1800)) == (60.0, "min")
    assert theme.time_unit((0, 120)) == (1.0, "s")


def test_panels_of_different_figures_stand_below_each_other():
    with theme.figure_theme():
        _, (one,) = theme.stack_panels([50])
        _, two = theme.stack_panels([120, 60, 30])
    left_right = {(p.get_position().x0, p.get_position().x1) for p in (one, *two)}
    assert len(left_right) == 1


def test_svg_for_the_page_refers_to_nothing_outside_it():
    svg = theme.to_svg(draw(), name="x", title="t")
    assert svg.startswith("<svg ")
    assert "http" not in svg
    assert "xlink" not in svg
    assert "<style" not in svg


def test_colours_of_the_theme_become_variables_that_follow_light_and_dark():
    svg = theme.to_svg(draw(), name="x", title="t")
    assert "var(--calcium)" in svg
    assert theme.CALCIUM not in svg


def test_every_variable_of_a_figure_is_defined_by_the_style_sheet():
    from ace_nwb.report.page import _resource

    css = _resource("style.css")
    assert all(f"--{name}:" in css for name in theme.CSS_NAMES.values())


def test_markup_in_a_label_stays_text():
    svg = theme.to_svg(draw("<script>alert(1)</script> & $x^{"), name="x", title="<b>")
    assert "<script>" not in svg
    assert "&lt;script&gt;" in svg
    assert "$x^{" in svg
    assert 'aria-label="&lt;b&gt;"' in svg


def test_tick_labels_keep_their_decimals():
    with theme.figure_theme():
        figure, (panel,) = theme.stack_panels([50])
        panel.set_yticks([0.12345], ["0.12345"])
    assert ">0.12345<" in theme.to_svg(figure, name="x", title="t")


def test_coordinates_of_paths_have_two_decimals():
    svg = theme.to_svg(draw(), name="x", title="t")
    assert not re.search(r' d="[^"]*\.\d{3}', svg)


def test_the_same_figure_gives_the_same_svg():
    assert theme.to_svg(draw(), name="x", title="t") == theme.to_svg(draw(), name="x", title="t")


def test_drawing_leaves_the_callers_settings_alone():
    before = dict(mpl.rcParams)
    theme.to_svg(draw(), name="x", title="t")
    assert dict(mpl.rcParams) == before


def test_a_name_in_another_script_draws_without_a_warning():
    assert "記録" in theme.to_svg(draw("記録"), name="x", title="t")


def test_a_png_has_the_size_asked_for():
    png = theme.to_png(draw(), dpi=2 * theme.PX_PER_INCH)
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20]) == 2 * theme.FIGURE_WIDTH_PX


def test_an_embedded_image_keeps_every_pixel_in_a_palette():
    shades = np.random.default_rng(0).random((40, 60))
    with theme.figure_theme():
        figure, (panel,) = theme.stack_panels([50])
        panel.imshow(shades, cmap="gray", vmin=0, vmax=1, interpolation="none")
    svg = theme.to_svg(figure, name="x", title="t")
    encoded = re.search(r"base64,([^\"]*)\"", svg).group(1)
    image = Image.open(io.BytesIO(base64.b64decode(encoded)))
    assert image.mode == "P"
    found = np.asarray(image.convert("RGBA"))[..., 0].astype(int)
    assert np.abs(found - np.floor(shades * 256)).max() <= 1  # rounding of the colour map


def test_an_image_of_many_colours_stays_as_it_is():
    colours = np.random.default_rng(0).random((40, 60, 3))
    with theme.figure_theme():
        figure, (panel,) = theme.stack_panels([50])
        panel.imshow(colours, interpolation="none")
    svg = theme.to_svg(figure, name="x", title="t")
    encoded = re.search(r"base64,([^\"]*)\"", svg).group(1)
    assert Image.open(io.BytesIO(base64.b64decode(encoded))).mode == "RGBA"
