"""Screenshots of the pages, taken by a browser where the computer has one.

Elsewhere the pictures stand in that were taken when they were last committed (docs/*.png).
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from ace_nwb.apps.app import App
from ace_nwb.apps.cropping import build_crop_app
from ace_nwb.apps.curating import build_curate_app
from ace_nwb.apps.server import PageServer
from ace_nwb.apps.tuning import build_tune_app

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DRIVER = "chromedriver"
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--window-size=1440,900",
)
PAGES: dict[str, Callable[[Path], App]] = {
    "curate": build_curate_app,
    "crop": build_crop_app,
    "tune": build_tune_app,
}
LONGEST_S = 120
SECONDS_TO_PAINT = 2.0


def write_screenshots(folder: Path, session: Path) -> None:
    """Take a picture of each page as it opens on a session.

    Parameters
    ----------
    folder
        Where to write `curate.png`, `crop.png` and `tune.png`.
    session
        A session file with all stages done; it is not changed.
    """
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which(DRIVER)
    if program is None or driver is None:
        for name in PAGES:
            shutil.copy(folder.parent / f"{name}.png", folder / f"{name}.png")
        return
    with _browser(program, driver) as browser:
        for name, build in PAGES.items():
            _take(browser, build(session), folder / f"{name}.png")


@contextmanager
def _browser(program: str, driver: str) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for option in OPTIONS:
        options.add_argument(option)
    browser = webdriver.Chrome(options=options, service=webdriver.chrome.service.Service(driver))
    try:
        yield browser
    finally:
        browser.quit()


def _take(browser: Any, app: App, picture: Path) -> None:
    with PageServer(app, port=0) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        browser.get(server.address)
        is_ready = "return document.body.dataset.ready === 'yes'"
        WebDriverWait(browser, LONGEST_S).until(lambda page: page.execute_script(is_ready))
        time.sleep(SECONDS_TO_PAINT)
        browser.save_screenshot(str(picture))
        browser.get("about:blank")
        server.shutdown()
