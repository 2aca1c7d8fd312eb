"""What goes in: an upload, or an example that is said to be one. Colab's own ways are tested in test_colab.py."""

import datetime
import pathlib
import sys

import pytest

from pipelines.audio import taps
from pipelines.notebook import inputs
from tests.sounds import needs_library

EXAMPLE = pathlib.Path("data") / "example.mid"
UPLOADED_8 = (
    {
        **{"name": "beat.mid", "type": "audio/midi", "size": 3, "content": memoryview(b"abc")},
        "last_modified": datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc),
    },
)
UPLOADED_7 = {"beat.mid": {"metadata": {"name": "beat.mid"}, "content": b"abc"}}


class TestFile:
    def test_where_nobody_asks_it_is_the_example(self, tmp_path, shown, capsys):
        asked = inputs.midi_file("example", tmp_path)
        assert asked.path(instead=EXAMPLE) == EXAMPLE
        assert not shown
        assert capsys.readouterr().out == f"nothing was given, so this is the example {EXAMPLE}\n"

    def test_a_button_takes_midi_and_until_it_has_it_is_the_example(self, tmp_path, shown, capsys):
        asked = inputs.midi_file("file", tmp_path)
        (button,) = shown
        assert button.accept == ".mid,.midi"
        assert asked.path(instead=EXAMPLE) == EXAMPLE
        assert capsys.readouterr().out == (
            f"choose a file, then run the next cell\nnothing was given, so this is the example {EXAMPLE}\n"
        )

    def test_what_was_uploaded_is_written_and_said(self, tmp_path, shown, capsys):
        asked = inputs.midi_file("file", tmp_path / "given")
        shown[0].value = UPLOADED_8
        path = asked.path(instead=EXAMPLE)
        assert path == tmp_path / "given" / "beat.mid"
        assert path.read_bytes() == b"abc"
        assert f"this is {path}" in capsys.readouterr().out

    @pytest.mark.parametrize("value", [UPLOADED_7, UPLOADED_8], ids=["ipywidgets 7", "ipywidgets 8"])
    def test_both_forms_of_ipywidgets_are_read(self, value):
        assert inputs._uploaded(value) == {"beat.mid": b"abc"}

    def test_a_name_cannot_lead_out_of_the_folder(self, tmp_path, shown):
        asked = inputs.midi_file("file", tmp_path / "given")
        shown[0].value = [UPLOADED_8[0] | {"name": "../../etc/beat.mid"}]
        assert asked.path(instead=EXAMPLE) == tmp_path / "given" / "beat.mid"
        assert [path.name for path in tmp_path.iterdir()] == ["given"]

    def test_without_ipywidgets_a_line_says_so_and_it_is_the_example(self, tmp_path, shown, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, "ipywidgets", None)
        asked = inputs.midi_file("file", tmp_path)
        assert not shown
        assert "%pip install ipywidgets" in capsys.readouterr().out
        assert asked.path(instead=EXAMPLE) == EXAMPLE

    @pytest.mark.parametrize("source", ["microphone", "", "File"])
    def test_an_unknown_source_names_the_known_ones(self, tmp_path, source):
        with pytest.raises(ValueError, match=r"is one of example, file$"):
            inputs.midi_file(source, tmp_path)


class TestTaps:
    def test_elsewhere_than_on_colab_a_recording_is_uploaded(self, tmp_path, shown, capsys):
        asked = inputs.taps("microphone", 8, tmp_path)
        (button,) = shown
        assert button.accept == ".wav,.flac,.ogg,.mp3"
        assert "recording in the browser works on Colab alone" in capsys.readouterr().out
        assert asked.path(instead=EXAMPLE) == EXAMPLE

    def test_a_rhythm_in_midi_will_do(self, tmp_path, shown):
        inputs.taps("file", 8, tmp_path)
        assert shown[0].accept == ".wav,.flac,.ogg,.mp3,.mid,.midi"

    def test_an_unknown_source_names_the_known_ones(self, tmp_path):
        with pytest.raises(ValueError, match=r"is one of example, file, microphone$"):
            inputs.taps("phone", 8, tmp_path)

    @needs_library
    def test_the_example_is_heard_as_the_rhythm_that_it_is(self, tmp_path):
        path = inputs.example_taps(tmp_path)
        assert path.suffix == ".wav"
        heard = taps.read(path)
        assert heard.qpm == pytest.approx(inputs.EXAMPLE_QPM, rel=0.01)
        assert heard.num_bars == 4
        assert len(heard.start_secs) == 4 * sum(inputs.EXAMPLE_TAPS.lower().count(sign) for sign in "x")

    def test_without_fluidsynth_the_example_is_midi(self, tmp_path, monkeypatch):
        monkeypatch.setattr(inputs.commands, "render", lambda _: None)
        assert inputs.example_taps(tmp_path).suffix == ".mid"
