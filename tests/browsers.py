"""Pages in Chromium, opened from the disk, for the tests: what a person would do with them."""

from __future__ import annotations

import contextlib
import json
import pathlib
import shutil
import time
import urllib.parse
from collections.abc import Iterator

import pytest

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    *("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"),
    *("disable-component-update", "disable-sync", "autoplay-policy=no-user-gesture-required", "hide-scrollbars"),
)
DESK, PHONE = (1280, 900), (360, 740)
SILENCE = 1e-4  # Root mean square: -80 dBFS.

# Waits for what it is asked, and returns it or what is wrong with it.
_ASK = "const done = arguments[arguments.length - 1]; (async () => (%s))().then(done, (error) => done(`${error}`))"


@contextlib.contextmanager
def chromium(user_data_dir: pathlib.Path, *more_flags: str) -> Iterator[Browser]:
    """Yields a browser without a window; skips the test where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium, which opens the pages, is not installed")
    if not (CHROMIUM and CHROMEDRIVER):
        pytest.skip("chromium or chromedriver, which open the pages, are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, *more_flags, f"user-data-dir={user_data_dir}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
    driver.set_script_timeout(20)
    try:
        yield Browser(driver)
    finally:
        driver.quit()


class Browser:
    """A page; `driver` is Selenium's."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, page_path: pathlib.Path, size: tuple[int, int] = DESK, **media: str) -> None:
        """Opens a page in a window of this size; `media` are CSS media features, with underscores."""
        self.do("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False)
        features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
        self.do("Emulation.setEmulatedMedia", features=features)
        self.errors()  # Of pages before.
        self.driver.get(f"file://{urllib.parse.quote(str(page_path))}")
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")

    def do(self, command: str, **options: object) -> None:
        """Gives a command of Chrome's DevTools protocol."""
        self.driver.execute_cdp_cmd(command, options)

    def js(self, expression: str, *args: object) -> object:
        """Returns the value of an expression, or what it resolves to."""
        return self.driver.execute_async_script(_ASK % expression, *args)

    def wait(self, condition: str, secs: float = 8) -> None:
        """Waits until an expression is true."""
        end = time.monotonic() + secs
        while not self.js(condition):
            assert time.monotonic() < end, f"{condition} is not so after {secs} s"
            time.sleep(0.02)

    def find(self, selector: str):
        return self.driver.find_element("css selector", selector)

    def find_all(self, selector: str) -> list:
        return self.driver.find_elements("css selector", selector)

    @property
    def actions(self):
        from selenium.webdriver.common.action_chains import ActionChains

        return ActionChains(self.driver, duration=50)

    def press(self, *keys: str) -> None:
        self.actions.send_keys(*keys).perform()

    def heard(self) -> str:
        """Returns what is heard, as `wait_for` takes it; nothing when it is silent."""
        return self.js("loops.isPlaying && loops.now.track === sideOf(current).track ? nameOf(current) : ''")

    def wait_for(self, heard: str) -> None:
        """Waits until this is heard: a sample's label and, where it has two sides, the side."""
        self.wait(
            "loops.isPlaying && loops.now.track === sideOf(current).track"
            f" && nameOf(current) === {json.dumps(heard)} && loops.level > {SILENCE}"
        )

    def errors(self) -> list[str]:
        """Returns the errors in the console since it was last asked for them."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
