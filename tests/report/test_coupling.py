"""How calcium and ephys relate, from the file to the pictures."""

from dataclasses import replace

import numpy as np
import pytest

from ace_nwb.nwb.session import open_session
from ace_nwb.report import theme
from ace_nwb.report.content import build_sections
from ace_nwb.report.sections.conditions import Effects, effects_figure, read_effects
from ace_nwb.report.sections.coupling import (
    Band,
    Coherogram,
    Relations,
    coherence_figure,
    histogram_figure,
    read_relations,
)
from tests.fixtures.coupled_sessions import N_ROIS
from tests.report.examples import make_content


@pytest.fixture(scope="module")
def relations(related):
    with open_session(related.path) as session:
        return read_relations(session)


def band(name="CSC1"):
    x = np.linspace(-3, 3, 18)
    return Band(name, x, x * 0 + 0.5, x * 0 + 0.4, x * 0 + 0.6, x * 0, x * 0 + 0.3, note="n")


def made_up():
    times_s = np.arange(0, 100.0)
    values = np.random.default_rng(0).random((100, 9))
    values[40:50] = np.nan
    course = Coherogram("CSC1", times_s, np.arange(9.0), values)
    return Relations((band(),), (band(), band("CSC2")), course, (band("Line"),))


def made_up_effects():
    return Effects(
        "dF/F", "a", "b", np.array(["x", "y"]), *(np.array([1.0, -1]),) * 3, np.array([0.01, 0.5])
    )


def test_all_parts_are_read_from_the_file(relations):
    assert [b.name for b in relations.histograms] == ["CSC1", "CSC2"]
    assert len(relations.histograms[0].values) == 18
    assert "4 of 9 ROIs locked" in relations.histograms[0].note
    assert [b.name for b in relations.coherence] == ["CSC1", "CSC2"]
    assert relations.coherence[0].x[relations.coherence[0].values.argmax()] == pytest.approx(
        1.0, abs=0.35
    )
    assert relations.course.coherence.shape == (
        len(relations.course.times_s),
        len(relations.course.frequencies_hz),
    )
    assert "StimLine" in [b.name for b in relations.perievent]


def test_effects_are_read_measure_by_measure(related):
    with open_session(related.path) as session:
        effects = read_effects(session)
    assert {one.measure for one in effects} >= {"dF/F", "ephys amplitude, V"}
    assert len(effects[0].subjects) == N_ROIS + 1


def test_a_file_without_coupling_has_no_relations(coupled_template):
    with open_session(coupled_template.path) as session:
        assert read_relations(session).is_empty
        assert read_effects(session) == ()


def test_the_null_band_stands_behind_the_histogram():
    with theme.figure_theme():
        figure = histogram_figure([band(), band("CSC2")])
    for panel, name in zip(figure.axes, ("CSC1", "CSC2"), strict=True):
        assert len(panel.patches) == 18 + 2
        assert panel.get_title(loc="left") == name


def test_every_channel_has_a_panel_of_its_own():
    with theme.figure_theme():
        figure = coherence_figure([band("A"), band("B"), band("C")])
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["A", "B", "C"]


def test_sure_effects_are_coloured():
    with theme.figure_theme():
        figure = effects_figure(made_up_effects())
    colours = [line.get_color() for line in figure.axes[0].lines[:2]]
    assert colours == [theme.FAINT, theme.CALCIUM]


def test_one_wide_interval_does_not_press_the_others_flat():
    n_rois = 40
    lower, upper = np.full(n_rois, -1.0), np.full(n_rois, 1.0)
    lower[3] = -300
    effects = Effects("dF/F", "a", "b", np.arange(n_rois), lower * 0, lower, upper, upper)
    with theme.figure_theme():
        figure = effects_figure(effects)
    assert max(np.abs(figure.axes[0].get_ylim())) < 3


def test_the_page_shows_the_relations_and_says_what_is_missing():
    content = make_content()
    missing = {s.title: s for s in build_sections(content, "x.nwb")}
    assert "ace-nwb process coupling x.nwb" in missing["Coupling of calcium and ephys"].absent
    assert "Conditions" not in missing
    content = replace(content, relations=made_up(), effects=(made_up_effects(),))
    shown = {s.title: s for s in build_sections(content, "x.nwb")}
    assert len(shown["Coupling of calcium and ephys"].rows) == 4
    assert "1 with q < 0.05" in shown["Conditions"].rows[0][0].caption
