"""What a cell shows of a folder: pictures, players, and a line where something is wrong."""

import base64
import io
import json
import re
import shutil
import wave

import numpy as np
import pytest
import soundfile

from pipelines.notebook import results, tabs
from pipelines.pages import manifest
from tests.sounds import needs_library


@pytest.fixture
def humanized(made, tmp_path):
    return shutil.copytree(made / "humanized", tmp_path / "humanized")


def in_html(html: str, tag: str) -> tuple[str, bytes]:
    """Returns the media type and the bytes of the file in an element of this name."""
    kind, data = re.search(rf'<{tag} [^>]*src="data:([a-z/]+);base64,([^"]+)"', html).groups()
    return kind, base64.b64decode(data)


class TestShow:
    @needs_library
    def test_a_piece_stands_below_what_it_was_made_of_each_with_picture_and_sound(self, humanized, shown):
        results.show(humanized)
        before, after = (display.data for display in shown)
        assert "<b>what went in</b> · bars 4 · tempo 92 qpm · hits" in before
        assert "<b>beat</b> · bars 4 · tempo 92 qpm" in after
        assert "timing 1" in after
        for html in (before, after):
            assert in_html(html, "img")[1].startswith(b"\x89PNG")
            kind, data = in_html(html, "audio")
            assert kind == "audio/mpeg"
            assert soundfile.info(io.BytesIO(data)).duration == pytest.approx(4 * 4 * 60 / 92, abs=3)
        assert in_html(before, "img") != in_html(after, "img")
        assert in_html(before, "audio") != in_html(after, "audio")

    def test_originals_can_be_left_out(self, humanized, shown):
        results.show(humanized, originals=False)
        assert len(shown) == 1

    def test_an_original_of_several_stands_above_the_first(self, humanized, shown):
        path = humanized / manifest.NAME
        content = json.loads(path.read_text())
        content["outputs"] *= 3
        path.write_text(json.dumps(content))
        results.show(humanized)
        assert ["what went in" in display.data for display in shown] == [True, False, False, False]

    def test_only_the_newest_command_is_shown(self, humanized, shown):
        path = humanized / manifest.NAME
        before = json.loads(path.read_text())
        tabs.write("new", "kick x---------------", 120, 4, humanized)
        path.write_text(json.dumps({"mode": "sample", "outputs": [{"midi": "new.mid"}], "earlier": [before]}))
        results.show(humanized)
        assert len(shown) == 1
        assert "<b>new</b>" in shown[0].data

    def test_of_a_damaged_manifest_a_line_is_said_and_all_files_are_shown(self, humanized, shown, capsys):
        (humanized / manifest.NAME).write_text('{"outputs": ')
        results.show(humanized)
        assert "manifest.json cannot be read" in capsys.readouterr().out
        assert len(shown) == 2

    def test_labels_are_text_and_a_missing_file_is_named(self, humanized, shown):
        name = "<script>alert(1)</script>"
        outputs = [{"midi": "gone.mid", "label": name, "facts": {name: name}}]
        (humanized / manifest.NAME).write_text(json.dumps({"mode": "sample", "outputs": outputs}))
        results.show(humanized)
        (display,) = shown
        assert "<script>" not in display.data
        assert "&lt;script&gt;" in display.data
        assert "gone.mid: cannot be read as MIDI" in display.data

    def test_a_path_that_leads_out_of_the_folder_is_not_followed(self, humanized, shown):
        tabs.write("outside", "kick x---------------", 120, 4, humanized.parent)
        outputs = [{"midi": "../outside.mid"}]
        (humanized / manifest.NAME).write_text(json.dumps({"mode": "sample", "outputs": outputs}))
        results.show(humanized)
        assert all("outside" not in display.data for display in shown)

    def test_a_folder_without_midi_is_an_error(self, tmp_path):
        with pytest.raises(ValueError, match="no MIDI files"):
            results.show(tmp_path)

    def test_without_a_wav_the_picture_is_shown_and_said_to_be_silent(self, tmp_path, shown):
        results.show_file(tabs.write("beat", "kick x---------------", 120, 4, tmp_path))
        assert "<b>beat</b>" in shown[0].data
        assert "no sound" in shown[0].data
        assert "<audio" not in shown[0].data


class TestPlay:
    def test_a_recording_and_a_rhythm_in_midi(self, tmp_path, shown):
        soundfile.write(tmp_path / "taps.wav", np.zeros((4410, 1)), 44100)
        results.play(tmp_path / "taps.wav", "taps")
        results.play(tabs.write("rhythm", "snare x---------------", 120, 1, tmp_path), "rhythm")
        assert ["<audio" in display.data for display in shown] == [True, False]
        assert "<img" in shown[1].data

    @pytest.mark.parametrize("content", [b"", b"no sound at all"])
    def test_what_is_no_sound_is_named(self, tmp_path, content):
        path = tmp_path / "taps.wav"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"taps\.wav: cannot be read as a sound"):
            results.play(path, "taps")


class TestSound:
    def test_it_is_a_tenth_of_the_wav_and_sounds_the_same(self, tmp_path):
        rate_hz = 44100
        tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * rate_hz) / rate_hz)
        soundfile.write(tmp_path / "a.wav", np.stack([tone, tone], 1), rate_hz)
        kind, data = results.sound(tmp_path / "a.wav")
        assert kind == results.MPEG
        assert len(data) < (tmp_path / "a.wav").stat().st_size / 5
        samples, _ = soundfile.read(io.BytesIO(data))
        spectrum = np.abs(np.fft.rfft(samples[:rate_hz, 0]))
        assert np.argmax(spectrum) == pytest.approx(440, abs=2)

    @pytest.mark.parametrize(("rate_hz", "num_channels"), [(96000, 2), (44100, 6)])
    def test_what_mp3_cannot_hold_is_a_wav_of_16_bits(self, tmp_path, rate_hz, num_channels):
        soundfile.write(tmp_path / "a.wav", np.zeros((1000, num_channels)), rate_hz, subtype="FLOAT")
        kind, data = results.sound(tmp_path / "a.wav")
        assert kind == results.WAV
        with wave.open(io.BytesIO(data)) as wav:
            assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (rate_hz, num_channels, 2)
