"""What `--input` names is found, and read as drums or as taps; what is not is said."""

from __future__ import annotations

import dataclasses
import pathlib
import re

import numpy as np
import pytest

from grooves import drums, transforms
from pipelines.generation import inputs
from pipelines.generation.inputs import Reading
from tests import midi_files, songs
from tests.midi_files import KICK, SNARE


@pytest.fixture
def late_beat(tmp_path) -> pathlib.Path:
    """Two empty bars, then two of drums at 90 qpm, and a piano on channel 1."""
    piano = songs.notes_track([(0, 60, 70), (0, 64, 90), (0, 67, 80), (1.5, 60, 50)], 480, 0)
    tracks = [songs.conductor(480, [(0, 90), (12, 95)]), songs.notes_track(songs.beat(2, 2), 480), piano]
    return songs.write(tmp_path / "late.mid", tracks)


def test_drums_begin_where_they_do_or_with_the_file(late_beat):
    from_drums, from_file = (Reading().drums(late_beat, all_bars) for all_bars in (False, True))
    assert (from_drums.first_bar, from_drums.num_bars) == (2, 2)
    assert (from_file.first_bar, from_file.num_bars) == (0, 4)
    assert from_drums.notes.quarters[0] == 0 and from_file.notes.quarters[0] == 8
    asked = Reading(start_bar=4, num_bars=1).drums(late_beat, True)
    assert (asked.first_bar, asked.num_bars) == (3, 1)


def test_a_tempo_that_is_given_replaces_the_files(late_beat):
    np.testing.assert_allclose(Reading().drums(late_beat).tempos, [(0, 90), (4, 95)], atol=1e-3)
    assert Reading(qpm=133).drums(late_beat).tempos == ((0.0, 133),)


def test_the_channel_and_the_map_are_those_that_are_given(late_beat):
    assert len(Reading(drum_channel=1, drum_map=drums.DrumMap.of("c", {60: 0})).drums(late_beat).notes) == 4
    mapped = Reading(drum_map=drums.DrumMap.of("own", {KICK: 7})).drums(late_beat)
    assert set(mapped.classes[mapped.notes.pitches == KICK]) == {7}
    assert set(mapped.classes[mapped.notes.pitches != KICK]) == {-1}


def test_what_is_not_there_is_said_with_the_files_name(late_beat):
    with pytest.raises(ValueError, match=rf"^{re.escape(str(late_beat))}: has 4 bars, so that --start_bar=5"):
        Reading(start_bar=5).drums(late_beat)
    with pytest.raises(ValueError, match=rf"^{re.escape(str(late_beat))}: has no hits in bars 1 to 2"):
        Reading(num_bars=2).drums(late_beat, True)


def test_a_rhythm_is_every_note_of_every_channel_and_a_chord_is_one_tap(late_beat):
    rhythm, found = Reading(num_bars=1).rhythm(late_beat)
    assert found == ""
    assert rhythm.notes.quarters.tolist() == [0, 1.5]
    assert rhythm.notes.velocities.tolist() == [90, 50]
    assert set(rhythm.notes.pitches) == {inputs.TAP_PITCH}
    assert set(rhythm.classes) == {transforms.TAP_CLASS}
    assert rhythm.drum_channel == 10  # Where the kit goes; what was tapped on others stays.


def test_a_rhythm_of_a_channel_is_that_of_no_other(late_beat):
    rhythm, _ = Reading(drum_channel=1).rhythm(late_beat)
    assert (rhythm.first_bar, len(rhythm.notes), rhythm.drum_channel) == (0, 2, 1)
    rhythm, _ = Reading(drum_channel=10).rhythm(late_beat)
    assert rhythm.first_bar == 2


def test_drums_of_no_class_are_taps_too(tmp_path):
    path = songs.write_beat(tmp_path / "a.mid", [(0, 3, 70), (1, 99, 80)])
    assert len(Reading().rhythm(path)[0].notes) == 2


def test_files_are_those_that_are_named_and_those_of_folders(mixed):
    folder = mixed / "b"
    (folder / "taps.WAV").touch()
    (folder / "notes.txt").touch()
    (folder / "._waltz.mid").touch()
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "c.mid").touch()
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "d.mid").touch()
    (folder / "named.mid").mkdir()  # A folder, whatever its name.
    names = ["Flügel.mid", "broken.mid", "empty.midi", "silence.mid", "waltz.mid"]
    assert sorted(path.name for path in inputs.files([str(folder)])) == names
    with_audio = [path.name for path in inputs.files([str(folder)], with_audio=True)]
    assert sorted(with_audio) == sorted([*names, "taps.WAV"])
    both = inputs.files([str(mixed / "a" / "kürzer.MID"), str(folder)])
    assert both[0].name == "kürzer.MID" and len(both) == 6
    assert [path.name for path in inputs.files([str(mixed)])] == [
        *("kürzer.MID", "same bars.mid", "six bars.mid"),
        *[path.name for path in inputs.files([str(folder)])],
    ]


def test_a_path_from_home_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = songs.write_beat(tmp_path / "a.mid", songs.beat(1))
    assert inputs.files(["~/a.mid"]) == [path]


@pytest.mark.parametrize(
    ("name", "with_audio", "error", "message"),
    [
        ("gone.mid", False, FileNotFoundError, "no such file or folder"),
        ("empty", False, ValueError, "this folder has no MIDI files (.mid, .midi), nor have its subfolders"),
        (
            "empty",
            True,
            ValueError,
            "this folder has no MIDI files and recordings (.mid, .midi, .wav, .flac, .ogg, .mp3), nor have its"
            " subfolders",
        ),
        ("song.txt", False, ValueError, "not of a kind that is read here: MIDI files (.mid, .midi)"),
        ("taps.wav", False, ValueError, "not of a kind that is read here: MIDI files (.mid, .midi)"),
    ],
)
def test_what_cannot_be_an_input_is_said(tmp_path, name, with_audio, error, message):
    (tmp_path / "empty" / "er").mkdir(parents=True)
    (tmp_path / "song.txt").touch()
    (tmp_path / "taps.wav").touch()
    with pytest.raises(error, match=f"^{re.escape(f'{tmp_path / name}: {message}')}$"):
        inputs.files([str(tmp_path / name)], with_audio)


def test_outputs_in_a_folder_of_inputs_are_no_inputs(tmp_path):
    path = songs.write_beat(tmp_path / "in" / "a.mid", songs.beat(1))
    songs.write_beat(tmp_path / "in" / "out" / "originals" / "b.mid", songs.beat(1))
    assert len(inputs.files([str(tmp_path / "in")])) == 2
    assert inputs.files([str(tmp_path / "in")], without=tmp_path / "in" / "out") == [path]
    with pytest.raises(ValueError, match="what is written there would be an input next time; give another --output_d"):
        inputs.files([str(tmp_path / "in")], without=tmp_path / "in" / "." / "out" / "..")
    with pytest.raises(ValueError, match="in: this folder has no MIDI files"):
        path.unlink()
        inputs.files([str(tmp_path / "in")], without=tmp_path / "in" / "out")


def test_windows_are_all_bars_in_a_row_of_what_is_drums_in_4_4(mixed):
    paths = inputs.files([str(mixed)])
    windows = inputs.windows_of(paths, 4)
    assert windows.hits.shape == (3 + 3, 64, 9)  # Three in each of the two files of six bars.
    six = Reading().drums(mixed / "a" / "six bars.mid").groove()
    np.testing.assert_array_equal(windows.hits[-1], six.hits[2 * 16 :])
    np.testing.assert_array_equal(windows.velocities[-1], six.velocities[2 * 16 :])
    assert len(inputs.windows_of(paths, 3).hits) == 4 + 4 + 1


def test_silent_windows_are_none(tmp_path):
    notes = [(0, KICK, 90), (4 * 9, SNARE, 90)]
    path = songs.write_beat(tmp_path / "a.mid", notes)
    assert len(inputs.windows_of([path], 4).hits) == 2


def test_no_windows_at_all_are_said(mixed):
    with pytest.raises(ValueError, match=r"^no 8 bars of drums in 4/4 in 8 MIDI files$"):
        inputs.windows_of(inputs.files([str(mixed)]), 8)


def test_gm_files_are_read_as_gm(tmp_path):
    path = midi_files.write(tmp_path / "a.mid", [(0, 45, 90), (4, 54, 90)])
    assert np.argwhere(Reading().drums(path).groove().hits).tolist() == [[0, 4], [4, 2]]
    roland = dataclasses.replace(Reading(), drum_map=drums.ROLAND)
    assert np.argwhere(roland.drums(path).groove().hits).tolist() == [[0, 5], [4, 2]]
