"""The pages driven by mouse and keyboard in a real browser."""

import time

import pytest

from ace_nwb.apps.cropping import build_crop_app
from ace_nwb.apps.curating import build_curate_app
from ace_nwb.apps.tuning import build_tune_app
from ace_nwb.curation import load_curation
from ace_nwb.stages.running.execution import read_state
from tests.apps.serving import served

pytestmark = pytest.mark.browser

LONGEST_S = 120.0


class Page:
    """A page in the browser, and what a person does with it."""

    def __init__(self, browser, client):
        self.browser, self.client = browser, client
        self.open()

    def open(self):
        self.browser.get("about:blank")
        self.browser.get(self.client.server.address)
        self.until("document.body.dataset.ready === 'yes'")

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def until(self, condition):
        deadline = time.monotonic() + LONGEST_S
        while not self.run(f"return !!({condition})"):
            assert time.monotonic() < deadline, (condition, self.complaints())
            time.sleep(0.05)

    def find(self, name):
        return self.browser.find_element("css selector", name)

    def text(self, name):
        return self.find(name).text

    def press(self, keys):
        body = self.find("body")
        for key in keys:
            body.send_keys(key)

    def drag(self, *places):
        """Drag over the image: places are (row, column) of the field."""
        from selenium.webdriver import ActionChains

        points = [self.on_screen(*place) for place in places]
        chain = ActionChains(self.browser, duration=20)
        chain.w3c_actions.pointer_action.move_to_location(*points[0])
        chain.w3c_actions.pointer_action.pointer_down()
        for point in points[1:]:
            chain.w3c_actions.pointer_action.move_to_location(*point)
        chain.w3c_actions.pointer_action.pointer_up()
        chain.perform()

    def click(self, row, column, *, with_shift=False):
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.keys import Keys

        chain = ActionChains(self.browser, duration=20)
        pointer, keys = chain.w3c_actions.pointer_action, chain.w3c_actions.key_action
        if with_shift:
            chain.key_down(Keys.SHIFT)
        pointer.move_to_location(*self.on_screen(row, column))
        pointer.click()
        for _step in range(3):  # keyboard and mouse act in step: move, press, release
            keys.pause()
        if with_shift:
            chain.key_up(Keys.SHIFT)
        chain.perform()

    def on_screen(self, row, column):
        """Return (x, y) in the window of a place in the field."""
        x, y = self.run(
            "const view = (globalThis.curation ?? globalThis.cropping ?? globalThis.tuning).field;"
            "const box = view.canvas.getBoundingClientRect();"
            "const [x, y] = view.toScreen(arguments[0], arguments[1]);"
            "const ratio = view.canvas.width / box.width;"
            "return [box.left + x / ratio, box.top + y / ratio]",
            row,
            column,
        )
        return round(x), round(y)

    def complaints(self):
        entries = self.browser.get_log("browser")
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]


class CuratePage(Page):
    """The page of the ROIs."""

    @property
    def rows(self):
        """Ids of the ROIs in the list, as far as it is in view."""
        script = """
            const done = arguments[0];
            const rows = () => [...document.querySelectorAll(".row")].map((r) => +r.dataset.roi);
            requestAnimationFrame(() => requestAnimationFrame(() => done(rows())));
        """
        return self.browser.execute_async_script(script)

    @property
    def current(self):
        return self.run("return curation.view.current")

    def saved(self):
        self.until("document.getElementById('saved').textContent === 'saved'")
        self.until("!curation.model.waiting.length && !curation.model.isSending")

    def centre(self, roi):
        return self.run("return curation.view.centres.get(arguments[0])", roi)

    def filter(self, text):
        box = self.find("#filter")
        self.run("arguments[0].value = arguments[1]", box, text)
        self.run("arguments[0].dispatchEvent(new Event('input'))", box)


@pytest.fixture
def curate(chromium, session_copy):
    with served(build_curate_app(session_copy, reviewer="Ann")) as client:
        page = CuratePage(chromium, client)
        page.path = session_copy
        yield page
        assert [text for text in page.complaints() if "409" not in text] == []
        chromium.get("about:blank")


def test_rois_are_sorted_decided_undone_and_found_again_after_a_reload(curate):
    snr = curate.run("return Object.fromEntries(curation.model.columns.id.map("
                     "(roi, row) => [roi, curation.model.columns.snr[row]]))")  # fmt: skip
    best_first = sorted((int(roi) for roi in snr), key=lambda roi: -snr[str(roi)])
    assert curate.rows == best_first
    curate.find("[data-sort=id]").click()
    assert curate.rows == sorted(best_first)
    curate.find("[data-sort=snr]").click()
    assert curate.rows == best_first
    first, second, third = best_first[:3]
    curate.run("document.querySelector('#list .row').click()")
    curate.press("r")
    assert curate.current == second
    curate.press("a")
    assert curate.current == third
    curate.saved()
    assert load_curation(curate.path).outcome(first) == "reject"
    assert load_curation(curate.path).outcome(second) == "accept"
    curate.press("z")
    curate.saved()
    assert load_curation(curate.path).outcome(second) == ""
    curate.filter("rejected")
    assert curate.rows == [first]
    curate.open()
    assert curate.text("#progress") == f"1 of {len(best_first)} decided"
    curate.filter("undecided snr<1000")
    assert set(curate.rows) == set(best_first) - {first}
    curate.filter("nonsense")
    assert "wrong" in curate.find("#filter").get_attribute("class")


def test_rois_are_picked_in_the_image_merged_split_and_undone(curate):
    first, second = curate.rows[:2]
    curate.click(*curate.centre(first))
    assert curate.current == first
    curate.click(*curate.centre(second), with_shift=True)
    curate.press("m")
    curate.saved()
    (merge,) = load_curation(curate.path).standing
    assert (merge.action, set(merge.rois)) == ("merge", {first, second})
    (new,) = merge.makes
    curate.until(f"curation.view.current === {new} && curation.view.outlines.has({new})")
    assert f"ROI {new}" in curate.text("#title")
    curate.press("s")
    row, column = curate.centre(new)
    curate.drag((row - 3, column - 2), (row, column + 1), (row + 3, column + 2))
    from selenium.webdriver.common.keys import Keys

    curate.press([Keys.ENTER])
    curate.until("curation.model.decisions.length === 2")
    curate.saved()
    split = load_curation(curate.path).standing[-1]
    assert (split.action, split.rois) == ("split", (new,))
    curate.press("z")
    curate.until("curation.model.decisions.length === 3")
    curate.press("z")
    curate.until("curation.model.decisions.length === 4")
    curate.saved()
    assert set(load_curation(curate.path).active) == set(load_curation(curate.path).extracted)


def test_second_reviewer_sees_the_first_and_the_disagreement(curate):
    first = curate.current
    curate.press("a")
    curate.saved()
    name = curate.find("#reviewer")
    name.clear()
    name.send_keys("Bob")
    curate.run("document.activeElement.blur()")
    curate.click(*curate.centre(first))
    assert "Ann" in curate.text("#votes")
    curate.find("#reason").send_keys("too dim")
    curate.run("document.activeElement.blur()")
    curate.press("r")
    curate.saved()
    assert load_curation(curate.path).disagreements() == [first]
    assert load_curation(curate.path).votes[first]["Bob"].reason == "too dim"
    curate.find("#chip-conflict").click()
    assert curate.rows == [first]


def test_nothing_is_decided_without_a_name(curate):
    name = curate.find("#reviewer")
    name.clear()
    name.send_keys(" ")
    curate.run("document.activeElement.blur()")
    curate.press("a")
    assert "name" in curate.text("#toast")
    assert load_curation(curate.path).decisions == ()


def test_decision_that_another_tab_made_is_not_overruled(curate):
    roi = curate.current
    client = curate.client
    curate.run("const m = curation.model; m.look = m.refresh; m.refresh = async () => ({});")
    body = {"reviewer": "Ann", "seen": 0, "decisions": [{"action": "accept", "rois": [roi]}]}
    assert client.json("/api/decide", body)[0] == 200
    curate.press("r")
    curate.run("curation.model.refresh = curation.model.look")
    curate.until("/another window/.test(document.getElementById('toast').textContent)")
    curate.until(f"curation.model.vote({roi}) === 'accept'")
    assert load_curation(curate.path).outcome(roi) == "accept"


def test_clip_trace_and_images_are_shown(curate):
    curate.until("curation.traces.shown && curation.traces.shown.roi === curation.view.current")
    lit = (
        "(() => { const c = document.getElementById(arguments[0]);"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "return d.some((v, i) => i % 4 === 0 && v > 60); })()"
    )
    deadline = time.monotonic() + LONGEST_S
    while not all(curate.run(f"return {lit}", name) for name in ("field", "clip", "trace")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    curate.press("2")
    assert curate.find("[data-image=max]").get_attribute("aria-pressed") == "true"
    curate.press("?")
    assert curate.find("#keys").is_displayed()


def test_crop_is_dragged_and_recorded_without_running(chromium, session_copy):
    before = read_state(session_copy).runs["preprocess"]
    with served(build_crop_app(session_copy)) as client:
        page = Page(chromium, client)
        page.drag((10.2, 20.1), (30, 40), (59.6, 70.4))
        box = [int(page.find(f"#{name}").get_attribute("value"))
               for name in ("row_start", "row_stop", "column_start", "column_stop")]  # fmt: skip
        assert max(abs(a - b) for a, b in zip(box, (11, 60, 21, 71), strict=True)) <= 1
        page.find("#record").click()
        page.until("document.getElementById('saved').textContent === 'recorded'")
        assert page.complaints() == []
        chromium.get("about:blank")
    state = read_state(session_copy)
    chosen = {name: one.value for name, one in state.waiting["preprocess"].items()}
    assert [int(value) for value in chosen.values()] == box
    assert state.runs["preprocess"].run_id == before.run_id


def test_thresholds_show_their_seeds_at_once_and_are_recorded(chromium, session_copy):
    with served(build_tune_app(session_copy)) as client:
        page = Page(chromium, client)
        if page.find("#automatic").is_selected():
            page.find("#automatic").click()
        slide = ("const box = document.getElementById(arguments[0]); box.value = arguments[1];"
                 "box.dispatchEvent(new Event('input'))")  # fmt: skip
        counts = []
        for height in (0, 8, 60):
            page.run(slide, "noise", height)
            page.until("true")
            page.run("tuning.field.draw()")
            counts.append(int(page.text("#count")))
        assert counts[0] > counts[1] > counts[2]
        page.run(slide, "noise", 7.5)
        page.find("#ruler").click()
        page.drag((30, 30), (30, 36), (30, 44))
        assert abs(float(page.find("#diameter").get_attribute("value")) - 14) <= 1
        page.find("#quilt").click()
        page.find("#record").click()
        page.until("document.getElementById('saved').textContent === 'recorded'")
        assert page.complaints() == []
        chromium.get("about:blank")
    waiting = read_state(session_copy).waiting
    assert float(waiting["extract"]["min_peak_to_noise"].value) == 7.5
    assert set(waiting) == {"extract", "summary"}


def test_trial_extraction_on_a_rectangle_shows_its_rois(chromium, session_copy):
    with served(build_tune_app(session_copy)) as client:
        page = Page(chromium, client)
        page.find("#try").click()
        page.until("/ROIs in/.test(document.getElementById('trial').textContent)")
        assert int(page.text("#trial").split()[0]) > 0
        chromium.get("about:blank")


def test_session_is_not_changed_by_looking(chromium, session_copy):
    before = session_copy.read_bytes()
    for build in (build_curate_app, build_crop_app, build_tune_app):
        with served(build(session_copy)) as client:
            Page(chromium, client)
            chromium.get("about:blank")
    assert session_copy.read_bytes() == before
