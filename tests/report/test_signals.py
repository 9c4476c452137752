"""Figures of traces, events, spectra and phases."""

import numpy as np
import pytest

from ace_nwb.report import theme
from ace_nwb.report.sections.events import (
    EventRaster,
    population_rate,
    raster_figure,
    similarity_order,
)
from ace_nwb.report.sections.phase import EventPhases, event_phase_figure, preferred_phase_figure
from ace_nwb.report.sections.spectrograms import SpectrogramPiece, spectrogram_figure, to_decibels
from ace_nwb.report.sections.traces import Traces, traces_figure
from ace_nwb.report.theme import round_length
from tests.report.examples import make_content


@pytest.fixture(scope="module")
def content():
    return make_content()


def test_traces_are_drawn_best_on_top_with_their_numbers(content):
    with theme.figure_theme():
        panel = traces_figure(content.traces, content.span_s).axes[0]
    heights = dict(
        zip([t.get_text() for t in panel.get_yticklabels()], panel.get_yticks(), strict=True)
    )
    assert heights["0"] > heights["1"] > heights["19"]


def test_traces_share_one_scale_and_the_bar_says_which(content):
    with theme.figure_theme():
        panel = traces_figure(content.traces, content.span_s).axes[0]
    bar = panel.lines[-1]
    assert np.ptp(bar.get_ydata()) == pytest.approx(0.2)
    assert {"20 %", "ΔF/F"} <= {text.get_text() for text in panel.texts}


def test_a_part_of_the_recording_shows_only_its_samples(content):
    with theme.figure_theme():
        panel = traces_figure(content.traces, (30.0, 40.0)).axes[0]
    times = panel.lines[0].get_xdata()
    assert times.min() >= 30.0
    assert times.max() <= 40.0


def test_half_an_hour_of_traces_is_drawn_with_few_points():
    n_frames = 36_000
    values = np.random.default_rng(0).normal(size=(n_frames, 2))
    traces = Traces(np.arange(n_frames) / 20, np.arange(2), values, values, "ΔF/F")
    with theme.figure_theme():
        panel = traces_figure(traces, (0.0, 1800.0)).axes[0]
    assert max(len(line.get_xdata()) for line in panel.lines) < 2000
    assert panel.get_xlabel() == "session time (min)"


@pytest.mark.parametrize("raw", [np.zeros((50, 2)), np.full((50, 2), np.nan), np.zeros((50, 0))])
def test_silent_traces_are_drawn(raw):
    traces = Traces(np.arange(50.0), np.arange(raw.shape[1]), raw, None, "a.u.")
    with theme.figure_theme():
        figure = traces_figure(traces, (0.0, 49.0))
    assert "<svg" in theme.to_svg(figure, name="x", title="t")


@pytest.mark.parametrize(("largest", "expected"), [(0.37, 0.2), (1.0, 1.0), (49, 20), (5.2, 5.0)])
def test_a_scale_bar_is_a_round_number_not_above_the_spacing(largest, expected):
    assert round_length(largest) == pytest.approx(expected)


def test_every_event_has_one_tick_in_the_row_of_its_roi():
    events = EventRaster(np.array([1.0, 2.0, 2.5]), np.array([0, 1, 0]), 2, (0.0, 10.0))
    with theme.figure_theme():
        raster = raster_figure(events, (0.0, 10.0)).axes[0]
    times = raster.lines[0].get_xdata()[::3]
    rows = raster.lines[0].get_ydata()[::3] + 0.42
    assert times.tolist() == [1.0, 2.0, 2.5]
    assert rows.tolist() == [0.0, 1.0, 0.0]


def test_rois_that_are_active_together_stand_side_by_side():
    random = np.random.default_rng(0)
    group = np.arange(12) % 2
    times, rois = [], []
    for roi in range(12):
        centres = np.array([10, 30, 50]) + 10 * group[roi]
        times.append(centres + random.uniform(-1, 1, 3))
        rois.append(np.full(3, roi))
    events = EventRaster(np.concatenate(times), np.concatenate(rois), 12, (0.0, 70.0))
    ordered = group[similarity_order(events)]
    assert np.count_nonzero(np.diff(ordered)) <= 2


def test_the_population_rate_counts_every_event():
    events = EventRaster(np.linspace(0.5, 119.5, 240), np.zeros(240, int), 4, (0.0, 120.0))
    centres_s, per_minute = population_rate(events)
    assert per_minute.mean() == pytest.approx(240 / 2 / 4)
    assert centres_s[0] > 0


@pytest.mark.parametrize("n_rois", [0, 1, 2])
def test_few_or_no_events_are_drawn(n_rois):
    times = np.arange(float(n_rois))
    events = EventRaster(times, np.arange(n_rois), n_rois, (0.0, 5.0))
    with theme.figure_theme():
        figure = raster_figure(events, (0.0, 5.0))
    assert "<svg" in theme.to_svg(figure, name="x", title="t")


def test_ephys_stands_above_calcium_on_the_same_time_axis(content):
    with theme.figure_theme():
        figure = spectrogram_figure(content.spectrograms, content.span_s)
    upper, lower = figure.axes[:2]
    assert upper.get_title(loc="left") == "CSC1"
    assert lower.get_title(loc="left") == "mean calcium"
    assert upper.get_xlim() == lower.get_xlim() == content.span_s


def test_a_spectrogram_shows_its_power_at_its_frequency_and_time():
    power = np.ones((100, 50))
    power[20, 10] = 1000.0
    spectrogram = SpectrogramPiece("x", np.arange(100.0), np.arange(50.0), power, False)
    with theme.figure_theme():
        panel = spectrogram_figure((spectrogram,), (0.0, 100.0)).axes[0]
    (picture,) = panel.images
    assert np.unravel_index(picture.get_array().argmax(), (50, 100)) == (10, 20)
    assert picture.get_extent() == [-0.5, 99.5, 0, 49.5]


def test_stretches_of_one_channel_share_a_panel_and_a_colour_scale():
    power = np.ones((10, 50))
    pieces = tuple(
        SpectrogramPiece("CSC1", start + np.arange(10.0), np.arange(50.0), factor * power, True)
        for start, factor in ((0.0, 1.0), (30.0, 100.0))
    )
    with theme.figure_theme():
        panel = spectrogram_figure(pieces, (0.0, 50.0)).axes[0]
    early, late = panel.images
    assert early.get_clim() == late.get_clim()
    assert late.get_array().max() - early.get_array().max() == pytest.approx(20)
    assert (early.get_extent()[1], late.get_extent()[0]) == (9.5, 29.5)


def test_power_of_ten_times_the_median_is_ten_decibels():
    power = np.array([[1.0, 1.0, 10.0], [1.0, 0.0, 1.0]])
    assert to_decibels(power).max() == pytest.approx(10)
    assert np.isfinite(to_decibels(power)).all()


def test_silence_has_a_spectrogram():
    assert (to_decibels(np.zeros((3, 4))) == 0).all()


def test_the_longest_petal_lies_at_the_phase_of_most_events():
    phases = np.random.default_rng(0).vonmises(1.2, 5, 500)
    empty = np.empty(0)
    with theme.figure_theme():
        panel = event_phase_figure(EventPhases("c", phases, empty, empty, empty, empty)).axes[0]
    longest = max(panel.patches, key=lambda petal: petal.get_height())
    centre = longest.get_x() + longest.get_width() / 2
    assert centre == pytest.approx(1.2, abs=0.4)
    assert sum(petal.get_height() for petal in panel.patches) == pytest.approx(100)


def test_only_locked_rois_are_in_colour():
    phases = EventPhases(
        "c",
        np.empty(0),
        np.arange(3),
        np.array([0.0, 1.0, 2.0]),
        np.array([0.5, 0.6, 0.1]),
        np.array([0.001, 0.2, 0.04]),
    )
    with theme.figure_theme():
        panel = preferred_phase_figure(phases).axes[0]
    dots = {line.get_color(): line for line in panel.lines if line.get_marker() == "o"}
    assert dots[theme.EPHYS].get_xdata().tolist() == [0.0, 2.0]
    assert dots[theme.FAINT].get_xdata().tolist() == [1.0]
