"""The page in Chromium, opened from the disk: what sounds, what moves, and what the keyboard does."""

from __future__ import annotations

import itertools
import pathlib
import shutil
import time
import urllib.parse

import pytest

from pipelines.pages import listening
from tests import generated, sounds
from tests.browsers import PHONE, SILENCE

keys = pytest.importorskip("selenium.webdriver.common.keys", reason="selenium is not installed").Keys
pytestmark = sounds.needs_library
SAME_PLACE_SECS = 0.003


class TestPage:
    def test_a_click_plays_and_the_playhead_moves(self, browser, plain):
        browser.open(plain / listening.PAGE_NAME)
        button = browser.find("article.sample .hear")
        assert button.get_attribute("aria-pressed") == "false"
        button.click()
        browser.wait_for("0 slow")
        assert button.get_attribute("aria-pressed") == "true"
        browser.wait(f"loops.level > {SILENCE}")
        places = []
        for _ in range(4):
            places.append(browser.js("[sideOf(current).head.getBoundingClientRect().left, loops.bars]"))
            time.sleep(0.15)
        assert all(later[0] > earlier[0] + 5 for earlier, later in itertools.pairwise(places))
        # Where the picture says that this time is.
        x, bars = browser.js("""new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => {
            const { head, picture, left, width } = sideOf(current), box = picture.getBoundingClientRect();
            const x = head.getBoundingClientRect().left + 1 - box.left;
            resolve([(x / box.width - left) / width * 2, loops.bars % 2]);
        })))""")
        assert x == pytest.approx(bars, abs=0.04)
        button.click()
        browser.wait("!loops.isPlaying && sideOf(current).head.hidden")
        assert browser.find(".said").get_attribute("textContent") == "Stopped"

    @pytest.mark.parametrize("to", [1, 2])
    def test_switching_keeps_the_position_in_the_bar(self, browser, plain, to):
        browser.open(plain / listening.PAGE_NAME)
        tempos = [8 * 60 / 90 / 2, 2, 2]  # Seconds a bar.
        first = 0 if to == 1 else 1
        browser.find_all(".hear")[first].click()
        browser.wait("loops.isPlaying && loops.context.currentTime > loops.now.when + 0.3")
        time_before, before = browser.js("[loops.context.currentTime, loops.barsAt(loops.context.currentTime)]")
        browser.find_all(".hear")[to].click()
        browser.wait(f"loops.isPlaying && loops.now.track === samples[{to}].sides[0].track")
        when, time_after, after = browser.js(
            "[loops.now.when, loops.context.currentTime, loops.barsAt(loops.context.currentTime)]"
        )
        expected = before + (when - time_before) / tempos[first] + (time_after - when) / tempos[to]
        assert abs(after - expected) * tempos[to] < SAME_PLACE_SECS
        assert browser.js("[...document.querySelectorAll('.hear[aria-pressed=true]')].length") == 1

    def test_a_click_on_the_picture_plays_from_there(self, browser, plain):
        browser.open(plain / listening.PAGE_NAME)
        box = browser.js(
            "(({ left, width, picture }) => [left + width * 0.75, picture.clientWidth])(samples[1].sides[0])"
        )
        roll = browser.find_all(".picture")[1]
        browser.actions.move_to_element_with_offset(roll, (box[0] - 0.5) * box[1], 0).click().perform()
        browser.wait_for("1 middle")
        assert browser.js("loops.now.bars") == pytest.approx(1.5, abs=0.01)

    def test_the_browsers_own_player_takes_turns_with_the_loop(self, browser, plain):
        browser.open(plain / listening.PAGE_NAME)
        browser.find("article.sample .hear").click()
        browser.wait_for("0 slow")
        browser.find("article.sample summary").click()
        browser.js("document.querySelector('audio').play()")
        browser.wait("!loops.isPlaying && !samples[0].sides[0].head.hidden")
        browser.wait("document.querySelector('audio').currentTime > 0.1")
        browser.find(".transport .toggle").click()
        browser.wait("loops.isPlaying && document.querySelector('audio').paused")

    def test_hostile_names_are_only_names(self, browser, plain):
        browser.open(plain / listening.PAGE_NAME)
        shown = browser.js("[...document.querySelectorAll('article h2')].map((h) => h.textContent)")
        assert set(generated.HOSTILE_NAMES) <= set(shown)
        loaded = browser.js(
            "Promise.all(samples.map(async ({ sides }) => (await loops.load(sides[0].track)).duration))"
        )
        assert loaded == pytest.approx([16 / 3, 4, 4, 4, 4, 4, 4], abs=1e-3)
        for label in shown:
            browser.js("choose(samples.find((sample) => sample.label === arguments[0]), { play: true })", label)
            browser.wait(f"loops.isPlaying && loops.level > {SILENCE}")
            assert browser.find(".transport .name").text == label
        for link in browser.js("[...document.querySelectorAll('a')].map((a) => a.href)"):
            assert pathlib.Path(urllib.parse.unquote(urllib.parse.urlsplit(link).path)).is_file()

    def test_a_sound_that_is_gone_is_told(self, chromium, plain, tmp_path):
        shutil.copytree(plain, tmp_path / "copy")
        (tmp_path / "copy" / "sounds" / "0 slow.js").unlink()
        chromium.open(tmp_path / "copy" / listening.PAGE_NAME)
        chromium.find(".transport .toggle").click()
        chromium.wait("document.querySelector('.note').textContent.includes('sounds/0 slow.js is missing')")
        assert not chromium.js("loops.isPlaying")
        assert all("ERR_FILE_NOT_FOUND" in error for error in chromium.errors())
        chromium.js("(choose(samples[0], { play: true }), choose(samples[1], { play: true }))")  # Before it is known.
        chromium.wait_for("1 middle")

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("folder", ["plain", "made"])
    def test_nothing_is_wider_than_a_phone(self, browser, folder, scheme, request):
        browser.open(request.getfixturevalue(folder) / listening.PAGE_NAME, PHONE, prefers_color_scheme=scheme)
        browser.js("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        browser.js("choose(samples[samples.length - 1], { play: true })")
        browser.wait("loops.isPlaying")
        assert browser.js("document.documentElement.scrollWidth") == PHONE[0]
        outside = (
            "[...document.querySelectorAll('.transport *')].some((e) => e.getBoundingClientRect().right > innerWidth)"
        )
        assert not browser.js(outside)

    def test_the_picture_follows_the_music_where_it_is_too_wide(self, browser, plain):
        browser.open(plain / listening.PAGE_NAME, PHONE)
        browser.js("choose(samples[1], { play: true, bars: 1.5 })")
        browser.wait("samples[1].sides[0].roll.scrollLeft > 100")
        names, head, roll = browser.js("""['.names', '.head', '.roll'].map((name) =>
            samples[1].article.querySelector(name).getBoundingClientRect()).map(({ left, right }) => [left, right])""")
        assert names[0] == roll[0]  # The drums' names stay.
        assert names[1] < head[0] < roll[1]

    def test_who_wants_no_motion_sees_the_playhead_go_from_beat_to_beat(self, browser, plain):
        browser.open(plain / listening.PAGE_NAME, prefers_reduced_motion="reduce")
        browser.find(".hear").click()
        browser.wait_for("0 slow")
        beats = browser.js("""new Promise((resolve) => {
            const seen = [], { head, picture, left, width } = sideOf(current);
            const look = () => {
                const x = new DOMMatrix(getComputedStyle(head).transform).e / picture.clientWidth;
                if (!head.hidden) seen.push((x - left) / width * 8);
                if (seen.length < 50) requestAnimationFrame(look); else resolve(seen);
            };
            look();
        })""")
        assert all(abs(beat - round(beat)) < 0.01 for beat in beats)

    def test_without_javascript_there_are_players_and_no_dead_buttons(self, browser, plain):
        browser.do("Emulation.setScriptExecutionDisabled", value=True)
        try:
            browser.open(plain / listening.PAGE_NAME)
            browser.find("article.sample summary").click()
            assert browser.find("audio").is_displayed()
            assert not any(button.is_displayed() for button in browser.find_all("button"))
        finally:
            browser.do("Emulation.setScriptExecutionDisabled", value=False)


class TestKeyboard:
    def test_space_starts_and_stops_and_arrows_go_on_in_time(self, browser, plain):
        browser.open(plain / listening.PAGE_NAME)
        browser.press(keys.SPACE)
        browser.wait_for("0 slow")
        assert browser.js("scrollY") == 0  # Where it is for the loop, it is not for the page.
        browser.press(keys.ARROW_RIGHT)
        browser.wait_for("1 middle")
        browser.press(keys.ARROW_RIGHT)
        browser.wait_for("1 more")
        browser.wait(
            "(({ top, bottom }) => top >= 0 && bottom <= innerHeight)(current.article.getBoundingClientRect())"
        )
        browser.press(keys.ARROW_LEFT)
        browser.wait_for("1 middle")
        assert browser.find(".said").get_attribute("textContent") == "Looping: 1 middle"
        browser.press(keys.SPACE)
        browser.wait("!loops.isPlaying")
        browser.press(keys.ARROW_LEFT, keys.ARROW_LEFT, keys.ARROW_LEFT)  # There is nothing before the first.
        assert browser.js("nameOf(current)") == "0 slow"
        assert not browser.js("loops.isPlaying")

    def test_what_has_the_focus_is_seen_and_goes_along(self, browser, plain):
        browser.open(plain / listening.PAGE_NAME)
        browser.press(keys.TAB)
        assert browser.js("document.activeElement === samples[0].button")
        assert browser.js("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        browser.press(keys.ENTER)
        browser.wait_for("0 slow")
        browser.press(keys.ARROW_RIGHT)
        browser.wait_for("1 middle")
        assert browser.js("document.activeElement === samples[1].button")
        browser.press(keys.SPACE)
        browser.wait("!loops.isPlaying")

    def test_keys_belong_to_what_takes_keys_itself(self, browser, plain):
        browser.open(plain / listening.PAGE_NAME)
        browser.js("document.querySelector('.volume').focus()")
        browser.press(keys.ARROW_LEFT, keys.ARROW_LEFT)
        assert browser.js("[loops.volume < 1, nameOf(current)]") == [True, "0 slow"]
