"""Colab's own ways, with a stand-in for its module: JavaScript runs in a real browser, which hears a recording."""

import contextlib
import pathlib
import re
import sys
import time
import types
import wave

import numpy as np
import pytest
import soundfile

from pipelines.audio import taps
from pipelines.notebook import archive, colab, inputs
from tests import browsers

EXAMPLE = pathlib.Path("data") / "example.mid"


@pytest.fixture
def google(monkeypatch):
    """A stand-in for `google.colab`, whose parts a test fills in."""
    module = types.ModuleType("google.colab")
    module.files, module.output = types.SimpleNamespace(), types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "google.colab", module)
    return module


def test_it_is_known_by_its_module(google, monkeypatch):
    assert colab.is_here()
    monkeypatch.delitem(sys.modules, "google.colab")
    assert not colab.is_here()


class TestFiles:
    def test_an_upload_goes_into_the_folder_and_nowhere_else_and_replaces_an_older_one(
        self, google, tmp_path, monkeypatch
    ):
        def upload():
            pathlib.Path("a (1).mid").write_bytes(b"new")  # As Colab does, where the notebook works.
            return {"a.mid": b"new"}

        monkeypatch.chdir(tmp_path)
        (tmp_path / "given").mkdir()
        (tmp_path / "given" / "a.mid").write_bytes(b"old")
        google.files.upload = upload
        asked = inputs.midi_file("file", tmp_path / "given")
        assert asked.path(instead=EXAMPLE) == tmp_path / "given" / "a.mid"
        assert [path.read_bytes() for path in (tmp_path / "given").iterdir()] == [b"new"]
        assert [path.name for path in tmp_path.iterdir()] == ["given"]
        assert pathlib.Path.cwd() == tmp_path

    def test_a_cancelled_upload_is_the_example(self, google, tmp_path):
        google.files.upload = dict
        assert inputs.midi_file("file", tmp_path).path(instead=EXAMPLE) == EXAMPLE

    def test_an_upload_that_fails_leaves_the_notebook_where_it_was(self, google):
        def upload():
            raise RuntimeError("the page was closed")

        before = pathlib.Path.cwd()
        google.files.upload = upload
        with pytest.raises(RuntimeError, match="closed"):
            colab.upload()
        assert pathlib.Path.cwd() == before

    def test_the_browser_downloads(self, google, tmp_path, shown):
        downloaded = []
        google.files.download = downloaded.append
        archive.offer(tmp_path / "drums.zip", tmp_path)
        assert downloaded == [str(tmp_path / "drums.zip")]
        assert not shown


class TestMicrophone:
    def test_a_browser_that_gives_none_is_told_and_it_is_the_example(self, google, tmp_path, capsys):
        google.output.eval_js = lambda _: "NotAllowedError: Permission denied"
        asked = inputs.taps("microphone", 8, tmp_path)
        assert asked.path(instead=EXAMPLE) == EXAMPLE
        assert "the browser gave no recording (NotAllowedError: Permission denied)" in capsys.readouterr().out
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("secs", [0, -1, 121, float("nan")])
    def test_a_length_out_of_range_is_refused_before_the_browser_is_asked(self, google, tmp_path, secs):
        with pytest.raises(ValueError, match="up to 120 are recorded"):
            inputs.taps("microphone", secs, tmp_path)


@contextlib.contextmanager
def cell(google, folder: pathlib.Path, *flags: str, stop_after_secs: float | None = None):
    """Lets the stand-in run JavaScript in the output of a cell, where somebody clicks Record and perhaps Stop."""
    page = folder / "page.html"
    page.write_text("<!doctype html><title>cell</title><div id=output-area></div>")
    with browsers.chromium(folder / "profile", *flags) as browser:
        browser.open(page)

        def eval_js(code: str):
            browser.js("(window.answer = eval(arguments[0]), null)", code)
            browser.find("#record").click()
            if stop_after_secs is not None:
                browser.wait("!document.querySelector('#stop').disabled")
                time.sleep(stop_after_secs)
                browser.find("#stop").click()
            return browser.js("await window.answer")

        google.output.eval_js = eval_js
        yield browser


def write_taps(path: pathlib.Path) -> pathlib.Path:
    """Writes two seconds with a knock every half second, to be heard again and again."""
    rate_hz = 48000
    secs = np.arange(rate_hz // 2) / rate_hz
    knock = 0.6 * np.exp(-40 * secs) * np.sin(2 * np.pi * 400 * secs)
    soundfile.write(path, np.tile(knock, 4), rate_hz, subtype="PCM_16")
    return path


class TestMicrophoneInABrowser:
    """Chromium, whose microphone hears a file."""

    @pytest.fixture
    def flags(self, tmp_path):
        heard = write_taps(tmp_path / "heard.wav")
        fakes = ("use-fake-device-for-media-stream", "use-fake-ui-for-media-stream")
        return (*fakes, f"use-file-for-fake-audio-capture={heard}")

    def test_a_recording_is_a_wav_that_has_its_taps(self, google, tmp_path, flags):
        with cell(google, tmp_path, *flags) as browser:
            asked = inputs.taps("microphone", 4, tmp_path / "given")
            assert browser.find("span").text == "recorded"
            assert browser.errors() == []
        path = asked.path(instead=EXAMPLE)
        with wave.open(str(path)) as wav:
            assert (wav.getnchannels(), wav.getsampwidth()) == (1, 2)
            assert wav.getnframes() / wav.getframerate() == pytest.approx(4, abs=0.7)
        heard = taps.read(path, qpm=120)
        assert len(heard.start_secs) >= 6
        assert np.diff(heard.start_secs) == pytest.approx(0.5, abs=0.03)

    def test_stop_ends_it_sooner(self, google, tmp_path, flags):
        with cell(google, tmp_path, *flags, stop_after_secs=1):
            assert colab.record(tmp_path / "given" / "a.wav", 60) == ""
        assert soundfile.info(tmp_path / "given" / "a.wav").duration < 5

    def test_where_the_microphone_is_refused_the_reason_is_told(self, google, tmp_path):
        with cell(google, tmp_path, "deny-permission-prompts"):
            reason = colab.record(tmp_path / "given" / "a.wav", 4)
        assert re.match(r"the browser gave no recording \(Not(Allowed|Found)Error: .+\)", reason)
        assert not (tmp_path / "given").exists()
