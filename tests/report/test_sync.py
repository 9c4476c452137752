"""Figures of the clock alignment and of lost frames."""

from dataclasses import replace

import numpy as np
import pytest

from ace_nwb.report import theme
from ace_nwb.report.sections.frames import draw_lost_frames, frames_figure
from ace_nwb.report.sections.sync import Flashes, judge_sync, sync_figure
from tests.report.examples import make_content


@pytest.fixture(scope="module")
def content():
    return make_content()


def test_drift_residuals_and_lost_frames_share_one_time_axis(content):
    with theme.figure_theme():
        figure = sync_figure(content.sync, content.frames, content.span_s)
    assert len(figure.axes) == 4
    assert {panel.get_xlim() for panel in figure.axes} == {content.span_s}
    assert figure.axes[0].get_ylabel() == "drift (ms)"
    assert figure.axes[1].get_ylabel() == "residual (ms)"


def test_every_residual_is_inside_the_panel(content):
    with theme.figure_theme():
        panel = sync_figure(content.sync, None, content.span_s).axes[1]
    shown, (bottom, top) = panel.lines[0].get_ydata(), panel.get_ylim()
    residuals = content.sync.residuals_ms
    assert bottom < shown.min() == residuals.min()
    assert top > shown.max() == residuals.max()


def test_a_span_without_pulses_is_shaded(content):
    with theme.figure_theme():
        panel = sync_figure(content.sync, None, content.span_s).axes[1]
    (shade,) = panel.patches
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (60.0, 62.0)


def test_a_lost_frame_is_marked_when_it_was_lost(content):
    with theme.figure_theme():
        panel = frames_figure(content.frames, content.span_s).axes[0]
    marks = np.unique(panel.lines[0].get_xdata())
    assert marks == pytest.approx(np.unique(content.frames.lost_times_s), abs=1e-3)


def test_a_movie_without_losses_says_so():
    with theme.figure_theme():
        _, (panel,) = theme.stack_panels([20])
        draw_lost_frames(panel, np.empty(0), (0.0, 1.0))
    assert "no frame lost" in {text.get_text() for text in panel.texts}


@pytest.mark.parametrize(("offset", "state"), [(0, "good"), (3, "problem")])
def test_flashes_have_a_panel_and_a_say_in_the_verdict(content, offset, state):
    offsets = np.array([0.0, 1.0, offset])
    flashes = Flashes(np.array([10.0, 20.0, 30.0]), offsets, "2 of 3 markers.")
    fit = replace(content.sync, flashes=flashes, n_matched=content.sync.n_frames)
    with theme.figure_theme():
        figure = sync_figure(fit, content.frames, content.span_s)
    panel = figure.axes[-1]
    assert len(figure.axes) == 5
    shown = np.concatenate([line.get_ydata() for line in panel.lines])
    assert sorted(shown) == sorted(offsets)
    found = judge_sync(fit, "s.nwb")
    assert found.state == state
    assert ("contradict" in found.advice) == (state == "problem")
