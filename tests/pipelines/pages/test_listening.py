"""The page of MIDI files: that it holds together, and that its facts are the files'."""

import html.parser
import urllib.parse
import wave

import numpy as np
import pytest

from pipelines.pages import listening
from tests import midi_files


def write_wav(path, peak=16384):
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(8000)
        wav.writeframes(np.array([[0, peak], [-peak, 0]] * 4000, "<i2").tobytes())


class Links(html.parser.HTMLParser):
    """Collects where a page's links and sources point, and checks that its tags are closed."""

    def __init__(self, page):
        super().__init__()
        self.found, self.texts, self._open = [], [], []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("href", "src")]
        if tag not in ("meta", "img", "link", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_page_links_resolve_and_need_nothing_else(tmp_path):
    for name in ("one", "sub dir/two é #1 & 100%"):
        write_wav(midi_files.write(tmp_path / f"{name}.mid", [(0, 36, 100)]).with_suffix(".wav"))
    listening.write_page(tmp_path, "Drums")
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    links = Links(text)
    assert len(links.found) == 2 * (3 + 2)
    for link in links.found:
        assert not urllib.parse.urlsplit(link).scheme
        assert (tmp_path / urllib.parse.unquote(urllib.parse.urlsplit(link).path)).is_file()
    assert "http" not in text


def test_everything_is_escaped(tmp_path):
    for name in ("<b>&", '"<script>"'):
        midi_files.write(tmp_path / f"{name}.mid", [(0, 36, 100)])
    listening.write_page(tmp_path, "<i>$title")
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    for raw in ("<b>", "<i>$", '"<script>"'):
        assert raw not in text
    assert {"<i>$title", "<b>&", '"<script>"'} <= set(Links(text).texts)


def test_facts_are_computed_from_the_files(tmp_path):
    path = midi_files.write(tmp_path / "a.mid", [(n * 4, 36, 100) for n in range(8)], tempos=[(0, 90)])
    write_wav(path.with_suffix(".wav"))
    entry = listening.make_entry(path)
    assert entry.facts == {
        "bars": "2",
        "tempo": "90 qpm",
        "hits": "8",
        "hits a bar": "4.0",
        "sound": "1.0 s",
        "peak": "-6.0 dBFS",
    }
    assert entry.roll.secs == pytest.approx(2 * 4 * 60 / 90)


@pytest.mark.parametrize("content", [None, b"", b"RIFF", b"no WAV"])
def test_without_a_wav_the_page_says_how_to_get_one(tmp_path, content):
    path = midi_files.write(tmp_path / "a.mid", [(0, 36, 100)])
    if content is not None:
        path.with_suffix(".wav").write_bytes(content)
    entries = listening.write_page(tmp_path, "Drums")
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<audio" not in text
    assert "1 MIDI file has no sound yet" in text
    assert "python -m pipelines.render --input=" in text
    assert entries[0].wav_path is None


def test_a_corrupt_midi_is_on_the_page_by_name(tmp_path):
    midi_files.write(tmp_path / "good.mid", [(0, 36, 100)])
    (tmp_path / "bad.mid").write_bytes(b"no MIDI")
    entries = listening.write_page(tmp_path, "Drums")
    assert [entry.error is None for entry in entries] == [False, True]
    assert "cannot be read as MIDI" in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert not (tmp_path / "bad.png").exists()


def test_the_same_files_give_the_same_page_and_pictures(tmp_path):
    path = midi_files.write(tmp_path / "a.mid", [(0, 36, 100)])
    written = []
    for _ in range(2):
        listening.write_page(tmp_path, "Drums")
        written.append(((tmp_path / "index.html").read_bytes(), path.with_suffix(".png").read_bytes()))
    assert written[0] == written[1]


def test_no_midi_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="this folder has no MIDI files"):
        listening.write_page(tmp_path, "Drums")
