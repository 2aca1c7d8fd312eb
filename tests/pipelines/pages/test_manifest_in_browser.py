"""What a manifest adds to the page in Chromium: originals beside results, and grids."""

from __future__ import annotations

import shutil

import pytest

from pipelines.pages import listening
from tests import sounds
from tests.browsers import PHONE

keys = pytest.importorskip("selenium.webdriver.common.keys", reason="selenium is not installed").Keys
pytestmark = sounds.needs_library
SAME_PLACE_SECS = 0.003


class TestSides:
    def test_a_and_b_take_turns_in_time(self, browser, made):
        browser.open(made / listening.PAGE_NAME)
        buttons = "article.sample:not([hidden]) .sides button"
        browser.js("choose(samples[4], { play: true })")
        browser.wait_for("softly, result")
        browser.wait("loops.context.currentTime > loops.now.when + 0.2")
        before = browser.js("[loops.context.currentTime, loops.barsAt(loops.context.currentTime)]")
        original, result = browser.find_all(buttons)
        original.click()
        browser.wait_for("softly, original")
        after = browser.js("[loops.context.currentTime, loops.barsAt(loops.context.currentTime)]")
        assert abs((after[1] - before[1]) * 2 - (after[0] - before[0])) < SAME_PLACE_SECS
        assert [b.get_attribute("aria-pressed") for b in (original, result)] == ["true", "false"]
        assert browser.js("current.sides.map(({ head }) => head.hidden)") == [False, False]  # In both pictures.
        browser.find_all(".transport .sides button")[1].click()
        browser.wait_for("softly, result")
        assert browser.find(".said").get_attribute("textContent") == "Looping: softly, result"

    def test_the_transport_asks_for_a_side_only_where_there_are_two(self, browser, made):
        browser.open(made / listening.PAGE_NAME)
        assert not browser.find(".transport .sides").is_displayed()
        browser.js("choose(samples[4])")
        assert browser.find(".transport .sides").is_displayed()


class TestGrid:
    def test_pads_without_sound_show_their_pictures(self, browser, made, tmp_path):
        shutil.copytree(made, tmp_path / "silent", ignore=shutil.ignore_patterns("*.wav", "sounds"))
        listening.write_page(tmp_path / "silent", "Drums")
        browser.open(tmp_path / "silent" / listening.PAGE_NAME)
        self.pads(browser)[2].click()
        browser.press(keys.ARROW_RIGHT)
        articles = browser.find_all("article")
        assert [article.is_displayed() for article in articles] == [False, False, False, True, True]
        assert browser.js("samples.length + document.querySelectorAll('.transport, .hear').length") == 0

    def pads(self, browser):
        return browser.find_all("[role=grid] button")

    def test_a_pad_plays_when_it_is_clicked_and_its_picture_is_large(self, browser, made):
        browser.open(made / listening.PAGE_NAME)
        pads = self.pads(browser)
        pads[3].click()
        browser.wait_for("cell11")
        shown = browser.js("samples.slice(0, 4).filter(({ article }) => !article.hidden).map(({ label }) => label)")
        assert shown == ["cell11"]
        assert browser.js("sideOf(current).picture.getBoundingClientRect().width") > 600
        assert [pad.get_attribute("aria-pressed") for pad in pads] == ["false", "false", "false", "true"]
        browser.wait(
            "samples.slice(0, 4).every(({ sides }) => loops.loaded.has(sides[0].track.url))"
        )  # The others too.
        pads[3].click()
        browser.wait("!loops.isPlaying")

    def test_pads_play_when_they_are_dragged_over(self, browser, made):
        browser.open(made / listening.PAGE_NAME)
        pads = self.pads(browser)
        browser.js(
            "document.addEventListener('shown', () => loops.isPlaying && (window.seen ??= []).push(current.label))"
        )
        drag = browser.actions.click_and_hold(pads[0]).pause(0.4)
        drag.move_to_element(pads[1]).pause(0.4).move_to_element(pads[3]).pause(0.4).release().perform()
        browser.wait_for("cell11")
        assert list(dict.fromkeys(browser.js("seen"))) == ["cell00", "cell01", "cell11"]
        browser.actions.move_to_element(pads[2]).perform()  # The button is up.
        assert browser.heard() == "cell11"

    def test_a_finger_drags_too(self, browser, made):
        browser.open(made / listening.PAGE_NAME, PHONE)
        browser.do("Emulation.setTouchEmulationEnabled", enabled=True)
        try:
            boxes = browser.js("""(() => {
                const pads = [...document.querySelectorAll('[role=grid] button')];
                pads[0].scrollIntoView({ block: 'center', behavior: 'instant' });
                const boxes = pads.map((pad) => pad.getBoundingClientRect());
                return boxes.map(({ x, y, width, height }) => [x + width / 2, y + height / 2]);
            })()""")
            for kind, places in (("touchStart", boxes[:1]), ("touchMove", boxes[2:3]), ("touchEnd", [])):
                browser.do("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y} for x, y in places])
            browser.wait_for("cell10")
        finally:
            browser.do("Emulation.setTouchEmulationEnabled", enabled=False)

    def test_arrows_go_from_pad_to_pad(self, browser, made):
        browser.open(made / listening.PAGE_NAME)
        assert [pad.get_attribute("tabindex") for pad in self.pads(browser)] == ["0", "-1", "-1", "-1"]
        browser.js("document.querySelector('[role=grid] button').focus()")
        browser.press(keys.ARROW_DOWN)
        assert browser.js("[document.activeElement.ariaLabel, current.label, loops.isPlaying]") == [
            *("Row 2, column 1: cell10", "cell10", False)
        ]
        browser.press(keys.SPACE)
        browser.wait_for("cell10")
        browser.press(keys.ARROW_RIGHT)
        browser.wait_for("cell11")
        browser.press(keys.ARROW_RIGHT)  # There is nothing.
        assert browser.heard() == "cell11"
        browser.press(keys.ENTER)
        browser.wait("!loops.isPlaying")
