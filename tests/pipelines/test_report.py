"""Pictures and the page: what is drawn where, and that the page holds together."""

import html.parser
import pathlib
import subprocess
import sys
import urllib.parse
import wave

import numpy as np
import pretty_midi
import pytest
from PIL import Image

from pipelines import report
from pipelines.pages import pianoroll

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEP_SECS = 0.125  # A sixteenth at 120 qpm.


def write_midi(path, hits, *, is_drum=True, metre=(4, 4), qpm=120):
    """Writes `(step, pitch, velocity)` hits; steps are sixteenths and may lie between."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=qpm, resolution=480)
    midi.time_signature_changes.append(pretty_midi.TimeSignature(*metre, 0))
    instrument = pretty_midi.Instrument(0, is_drum=is_drum)
    for step, pitch, velocity in hits:
        secs = step * 15 / qpm
        instrument.notes.append(pretty_midi.Note(velocity, pitch, secs, secs + 0.1))
    midi.instruments.append(instrument)
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.write(str(path))
    return path


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


def test_grid_is_whole_bars_at_true_times(tmp_path):
    score = pianoroll.read(write_midi(tmp_path / "a.mid", [(0, 36, 100), (63.4, 38, 50)]))
    assert score.num_bars == 4
    np.testing.assert_allclose(score.bar_secs, [0, 2, 4, 6, 8])
    np.testing.assert_allclose(score.beat_secs, np.arange(16) * 0.5)
    np.testing.assert_allclose(score.step_secs, np.arange(64) * STEP_SECS)


def test_bars_follow_the_metre(tmp_path):
    score = pianoroll.read(write_midi(tmp_path / "a.mid", [(0, 36, 100), (13, 36, 100)], metre=(6, 8)))
    np.testing.assert_allclose(score.bar_secs, [0, 1.5, 3])
    assert len(score.beat_secs) == 12


def test_rows_are_the_kit_then_other_drums(tmp_path):
    path = write_midi(tmp_path / "a.mid", [(0, 36, 100), (1, 39, 100), (2, 27, 100), (3, 22, 9)])
    score = pianoroll.read(path)
    labels = pianoroll.rows(score)
    assert labels[:9] == [
        *("kick", "snare", "closed hi-hat", "open hi-hat", "low tom", "mid tom", "high tom", "crash", "ride")
    ]
    assert labels[9:] == ["drum 27", "hand clap"]
    assert [pianoroll.row_of(note) for note in score.notes] == [
        "kick",
        "hand clap",
        "drum 27",
        "closed hi-hat",
    ]


def test_rows_of_a_melody_are_its_pitches(tmp_path):
    score = pianoroll.read(write_midi(tmp_path / "a.mid", [(0, 60, 100), (4, 63, 100)], is_drum=False))
    assert pianoroll.rows(score) == ["C4", "C#4", "D4", "D#4"]


def test_marks_begin_at_the_hit_and_grow_with_velocity(tmp_path):
    score = pianoroll.read(write_midi(tmp_path / "a.mid", [(0, 36, 20), (4.2, 38, 120)]))
    soft, loud = pianoroll.marks(score, pianoroll.rows(score))
    assert soft[0][0] == 0
    assert loud[0][0] == pytest.approx(4.2 * STEP_SECS, abs=0.002)
    assert soft[:, 1].mean() == 0
    assert loud[:, 1].mean() == 1
    assert np.ptp(loud[:, 1]) > 2 * np.ptp(soft[:, 1])


def test_picture_shows_the_hits_where_they_are(tmp_path):
    score = pianoroll.read(write_midi(tmp_path / "a.mid", [(6, 36, 127), (32.5, 51, 127)]))
    left, right = pianoroll.draw(score, tmp_path / "a.png")
    image = np.array(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    height, width, _ = image.shape
    columns = np.flatnonzero(((image[:, :, 0] - image[:, :, 2]) > 60).any(axis=0))  # Warm, unlike grid and text.
    starts = [columns[0], *columns[1:][np.diff(columns) > 1]]
    expected = [(left + (right - left) * step / 48) * width for step in (6, 32.5)]
    np.testing.assert_allclose(starts, expected, atol=2)
    rows_of_first = np.flatnonzero(image[:, starts[0] + 3, 0] - image[:, starts[0] + 3, 2] > 60)
    rows_of_second = np.flatnonzero(image[:, starts[1] + 3, 0] - image[:, starts[1] + 3, 2] > 60)
    assert rows_of_first.min() > height / 2 > rows_of_second.max()  # The kick is the lowest row, the ride the highest.


@pytest.mark.parametrize("hits", [[], [(0, 36, 1)], [(n, 30 + n % 60, 100) for n in range(1600)]])
def test_empty_and_long_scores_can_be_drawn(tmp_path, hits):
    score = pianoroll.read(write_midi(tmp_path / "a.mid", hits))
    pianoroll.draw(score, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width < 8000


def test_page_links_resolve_and_need_nothing_else(tmp_path):
    for name in ("one", "sub dir/two é #1 & 100%"):
        write_wav(write_midi(tmp_path / f"{name}.mid", [(0, 36, 100)]).with_suffix(".wav"))
    page = report.write_page(tmp_path, tmp_path)
    links = Links(page.path.read_text(encoding="utf-8"))
    assert len(links.found) == 2 * (3 + 2)
    for link in links.found:
        assert not urllib.parse.urlsplit(link).scheme
        assert (tmp_path / urllib.parse.unquote(urllib.parse.urlsplit(link).path)).is_file()
    assert "http" not in page.path.read_text(encoding="utf-8")


def test_everything_is_escaped(tmp_path):
    write_midi(tmp_path / "<b>&.mid", [(0, 36, 100)])
    page = report.write_page(tmp_path, tmp_path, title="<i>$title", facts={"<u>": '"<script>"'})
    text = page.path.read_text(encoding="utf-8")
    for raw in ("<b>", "<i>$", "<u>", '"<script>"'):
        assert raw not in text
    assert {"<i>$title", "<b>&", "<u>", '"<script>"'} <= set(Links(text).texts)


def test_facts_are_computed_from_the_files(tmp_path):
    path = write_midi(tmp_path / "a.mid", [(n * 4, 36, 100) for n in range(8)], qpm=90)
    write_wav(path.with_suffix(".wav"))
    entry = report.make_entry(path)
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
    path = write_midi(tmp_path / "a.mid", [(0, 36, 100)])
    if content is not None:
        path.with_suffix(".wav").write_bytes(content)
    page = report.write_page([path], tmp_path)
    text = page.path.read_text(encoding="utf-8")
    assert "<audio" not in text
    assert "1 MIDI file has no sound yet" in text
    assert "python -m pipelines.render --input=" in text
    assert page.entries[0].wav_path is None


def test_a_corrupt_midi_is_on_the_page_by_name(tmp_path):
    write_midi(tmp_path / "good.mid", [(0, 36, 100)])
    (tmp_path / "bad.mid").write_bytes(b"no MIDI")
    page = report.write_page(tmp_path, tmp_path)
    assert [entry.error is None for entry in page.entries] == [False, True]
    assert "cannot be read as MIDI" in page.path.read_text(encoding="utf-8")
    assert not (tmp_path / "bad.png").exists()


def test_the_same_files_give_the_same_page_and_pictures(tmp_path):
    path = write_midi(tmp_path / "a.mid", [(0, 36, 100)])
    written = []
    for _ in range(2):
        page = report.write_page([path], tmp_path, facts={"seed": "1"})
        written.append((page.path.read_bytes(), path.with_suffix(".png").read_bytes()))
    assert written[0] == written[1]


def test_no_midi_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="at least one MIDI file"):
        report.write_page([], tmp_path)
    with pytest.raises(ValueError, match="this folder has no MIDI files"):
        report.write_page(tmp_path, tmp_path)


def test_command(tmp_path):
    def run(folder):
        return subprocess.run(
            [sys.executable, "-m", "pipelines.report", f"--input={folder}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )

    write_midi(tmp_path / "a.mid", [(0, 36, 100)])
    done = run(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{tmp_path / 'index.html'}: 1 picture, 0 with sound" in done.stdout
    (tmp_path / "bad.mid").write_bytes(b"no MIDI")
    for folder, part in ((tmp_path, "bad.mid: cannot be read"), (tmp_path / "a.mid", "this is a file")):
        done = run(folder)
        assert done.returncode == 1
        assert part in done.stderr
        assert "Traceback" not in done.stderr
