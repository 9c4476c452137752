"""The page as a whole: self-contained, complete, safe, small, the same every time."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from ace_nwb.archive import Finding
from ace_nwb.cli.verbs import VERBS
from ace_nwb.errors import OutputError
from ace_nwb.report import theme
from ace_nwb.report.guidance import TOPICS
from ace_nwb.report.page import render
from ace_nwb.report.sections.facts import Facts
from ace_nwb.report.sections.stages import HistoryRow, StageRow
from ace_nwb.report.sections.traces import busiest_span
from ace_nwb.report.writing import save_file
from ace_nwb.stages.table import STAGES
from tests.report.examples import make_content, without

HOSTILE = "</style></title><script>alert(1)</script>\"' onload=x `<b>` {{ 7*7 }} $\\frac{ \x00"
PARTS = ("sync", "motion", "brightness", "images", "outlines", "rois", "traces")
LATER_PARTS = ("events", "spectrograms", "phases")


class Page(HTMLParser):
    """What the tests ask of a page: tags with attributes, text, and whether tags close."""

    VOID = frozenset({"meta", "br", "img"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.texts = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def attributes(self, name):
        return [attrs[name] for _, attrs in self.tags if name in attrs]

    def count(self, tag, **wanted):
        return sum(t == tag and wanted.items() <= attrs.items() for t, attrs in self.tags)


@pytest.fixture(scope="module")
def content():
    return make_content()


@pytest.fixture(scope="module")
def small_content():
    return make_content(n_rois=3, duration_s=10.0)


@pytest.fixture(scope="module")
def text(content):
    return render(content, "session.nwb", [Finding("CRITICAL", "check_x", "/units", "Bad units.")])


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


@pytest.fixture(scope="module")
def bare_page(content):
    return Page(render(without(content, *PARTS, *LATER_PARTS), "session.nwb"))


def test_every_tag_is_closed(page, bare_page):
    assert page.open == []
    assert bare_page.open == []


def test_the_page_needs_nothing_from_outside(text, page):
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert page.attributes("src") == []
    for address in page.attributes("href"):
        assert address.startswith(("#", "data:image/png;base64,"))
    for address in re.findall(r"url\(([^)]*)\)", text):
        assert address.startswith("#")


def test_a_browser_is_told_to_load_nothing(page):
    (policy,) = [attrs["content"] for _, attrs in page.tags if "http-equiv" in attrs]
    assert policy.startswith("default-src 'none'")


def test_every_warning_links_to_what_to_do(content):
    stale = replace(content.stages[0], status="stale", remark="motion has been run again")
    told = replace(content.stages[1], remark="CSC2 has irregular time stamps and is left out.")
    warned = replace(
        without(content, "sync", "motion"),
        rois=replace(content.rois, accepted=np.zeros(content.rois.n_rois, bool)),
        frames=replace(content.frames, n_lost=900),
        stages=(stale, told),
    )
    found = Page(render(warned, "a.nwb", [Finding("CRITICAL", "check_x", "/units", "Bad units.")]))
    links = [attrs["href"] for tag, attrs in found.tags if tag == "a" and "href" in attrs]
    for topic in TOPICS:
        assert f"#{topic.anchor}" in links
        assert found.count("div", id=topic.anchor) == 1
    assert links.count("#help-validation") == 2  # the verdict, and the finding


def test_a_good_session_is_not_told_what_to_do(content):
    fine = replace(content, stages=())
    found = Page(render(fine, "session.nwb", []))
    links = [attrs["href"] for tag, attrs in found.tags if tag == "a"]
    assert not [link for link in links if link.startswith("#help-")]


def test_the_advice_names_commands_and_parameters_that_exist():
    text = " ".join(step for topic in TOPICS for step in topic.steps)
    for verb in re.findall(r"ace-nwb ([a-z-]+)", text):
        assert verb in VERBS
    named = re.findall(r"`([a-z]+)\.([a-z_]+)`", text)
    assert len(named) >= 5
    for stage, parameter in named:
        assert parameter in STAGES[stage].params.model_fields
    for stage, option in re.findall(r"ace-nwb (sync|process [a-z]+) {file} --([a-z-]+)", text):
        fields = STAGES[stage.split()[-1]].params.model_fields
        assert option.replace("-", "_") in fields


def test_every_link_leads_to_a_place_in_the_page(page):
    places = page.attributes("id")
    links = [attrs["href"][1:] for tag, attrs in page.tags if tag == "a"]
    assert len(links) > 5
    assert set(links) <= set(places)


def test_every_reference_inside_a_figure_has_its_target(text, page):
    used = {attrs["href"][1:] for tag, attrs in page.tags if tag == "use"}
    clips = set(re.findall(r"url\(#([^)]*)\)", text))
    assert used
    assert clips
    assert used | clips <= set(page.attributes("id"))


def test_figures_do_not_share_names(page):
    names = page.attributes("id")
    assert len(names) == len(set(names))


def test_the_verdict_comes_before_the_pictures_and_the_history_last(text):
    marks = ["figure-of-merit", "<figure", 'id="stages"', 'id="history"']
    positions = [text.index(mark) for mark in marks]
    assert positions == sorted(positions)
    assert text.rindex("<section") == text.index('<section id="history"')


def test_every_topic_has_a_badge_with_a_word_not_only_a_colour(page):
    assert page.count("li", **{"class": "verdict good"}) >= 3
    badges = [t.strip() for t in page.texts if t.strip() in ("✓ good", "! look", "✕ fix")]
    assert len(badges) == 5


def test_every_section_has_its_pictures(page):
    assert page.count("svg", **{"class": "figure"}) == 12


def test_no_figure_is_empty(text):
    figures = re.findall(r'<svg class="figure".*?</svg>', text, flags=re.DOTALL)
    for figure in figures:
        assert len(figure) > 3000
        assert "<path" in figure


def test_every_picture_says_what_it_is(page):
    assert page.count("figcaption") == page.count("figure") == page.count("svg", role="img")


def test_a_section_that_was_not_made_says_which_command_makes_it(bare_page):
    text = "".join(bare_page.texts)
    for stage in ("summary", "preprocess", "motion", "extract", "events", "spectrogram", "phase"):
        assert f"ace-nwb process {stage} session.nwb" in text
    assert "ace-nwb sync session.nwb" in text
    assert bare_page.count("svg", **{"class": "figure"}) == 1  # lost frames are known without sync


@pytest.mark.parametrize("part", [*PARTS, *LATER_PARTS, "frames"])
def test_any_single_part_may_be_missing(small_content, part, monkeypatch):
    # every picture is built; to write them out takes most of the time, and other tests do
    monkeypatch.setattr(theme, "to_svg", lambda *_, **__: '<svg role="img"></svg>')
    assert Page(render(without(small_content, part), "session.nwb")).open == []


def test_text_from_the_file_stays_text(small_content):
    content = small_content
    hostile = replace(
        content,
        facts=Facts(HOSTILE, ((HOSTILE, HOSTILE),), ((HOSTILE, HOSTILE),)),
        stages=(StageRow(HOSTILE, HOSTILE, (HOSTILE,), 1.0, HOSTILE, HOSTILE),),
        history=(HistoryRow(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 1.0, ((HOSTILE,) * 3,)),),
        spectrograms=(replace(content.spectrograms[0], name=HOSTILE),),
        phases=replace(content.phases, channel=HOSTILE),
        traces=replace(content.traces, unit=HOSTILE),
    )
    page = Page(render(hostile, f"{HOSTILE}.nwb", [Finding("ERROR", "x", HOSTILE, HOSTILE)]))
    assert page.open == []
    assert not {"script", "title"} & {tag for tag, _ in page.tags[page.tags.index(("body", {})) :]}
    assert page.attributes("onload") == []
    assert "49" not in {t.strip() for t in page.texts}


def test_stages_show_what_was_changed_and_what_is_stale(page):
    text = "".join(page.texts)
    assert "max_shift_px = 30" in text
    assert "motion re-run with max_shift_px 30" in text
    assert "Out of date: extract." in text
    assert "ace-nwb run session.nwb" in text


def test_a_finding_is_listed_and_the_verdict_is_a_problem(page):
    assert "Bad units." in page.texts
    assert page.count("li", **{"class": "verdict problem"}) == 1


def test_many_findings_are_cut_and_counted(content):
    findings = [Finding("BEST_PRACTICE_SUGGESTION", "x", f"/{i}", "Hint.") for i in range(90)]
    text = "".join(Page(render(without(content, *PARTS, *LATER_PARTS), "s.nwb", findings)).texts)
    assert text.count("Hint.") == 40
    assert "50 more" in text


def test_the_same_content_gives_the_same_page(small_content):
    assert render(small_content, "s.nwb") == render(small_content, "s.nwb")


def test_a_large_session_stays_far_below_ten_megabytes():
    content = make_content(n_rois=300, duration_s=400.0)
    image = np.random.default_rng(0).random((608, 608))
    content = replace(content, images=dict.fromkeys(content.images, image))
    assert len(render(content, "session.nwb").encode()) < 6_000_000


def test_a_long_recording_shows_its_busiest_minute_enlarged(small_content):
    traces = small_content.traces
    times_s = np.linspace(0, 600, 6000)
    quiet = np.zeros((6000, 3))
    quiet[3200:3500:10] = 1.0
    start_s, stop_s = busiest_span(replace(traces, times_s=times_s, raw=quiet, denoised=quiet))
    assert start_s <= 320 < 350 <= stop_s
    assert busiest_span(traces) is None


def test_a_page_replaces_an_earlier_one(tmp_path):
    target = tmp_path / "report.html"
    target.write_text("old")
    assert save_file(b"new", target) == target
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_page_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match="missing"):
        save_file(b"new", tmp_path / "missing" / "report.html")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError):
        save_file(b"new", tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_recording_too_short_for_a_window_has_no_spectrogram(small_content):
    empty = replace(small_content.spectrograms[0], times_s=np.empty(0), power=np.empty((0, 120)))
    page = Page(render(replace(small_content, spectrograms=(empty,)), "s.nwb"))
    assert "ace-nwb process spectrogram s.nwb" in page.texts


def test_many_rois_are_numbered_on_a_large_map(small_content):
    many = make_content(n_rois=70, duration_s=5.0).outlines
    page = Page(render(replace(small_content, outlines=many), "s.nwb"))
    few_page = Page(render(small_content, "s.nwb"))
    figures = page.count("svg", role="img"), few_page.count("svg", role="img")
    assert figures[0] == figures[1] + 1
    assert "69" in page.texts
