"""MIDI files are found, and what is no MIDI is named."""

import pytest

from pipelines.files import midi_files


def test_inputs_without_midi_are_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such file or folder"):
        midi_files.find(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="this folder has no MIDI files"):
        midi_files.find(tmp_path)
    (tmp_path / "a.txt").touch()
    with pytest.raises(ValueError, match=r"a\.txt: not a MIDI file"):
        midi_files.find(tmp_path / "a.txt")
