"""Entries: the files of a MIDI on the page, and facts that are the files'."""

import pathlib

import numpy as np
import pytest
import soundfile

from pipelines.pages import entries
from tests import generated, midi_files


def write_wav(path, peak=0.5):
    soundfile.write(path, np.tile([[0, peak], [-peak, 0]], [4000, 1]), 8000)


def test_facts_are_computed_from_the_files(tmp_path):
    path = midi_files.write(tmp_path / "a.mid", [(n * 4, 36, 100) for n in range(8)], tempos=[(0, 90)])
    write_wav(path.with_suffix(".wav"))
    entry = entries.make(path, tmp_path)
    assert entry.facts == {
        "bars": "2",
        "tempo": "90 qpm",
        "hits": "8",
        "hits a bar": "4.0",
        "sound": "1.0 s",
        "peak": "-6.0 dBFS",
    }
    assert entry.roll.secs == pytest.approx(2 * 4 * 60 / 90)
    assert (entry.roll.num_bars, entry.roll.num_beats) == (2, 8)


def test_files_beside_it_are_found_and_made(tmp_path):
    path = midi_files.write(tmp_path / "sub" / "a.mid", [(0, 36, 100)])
    bare = entries.make(path, tmp_path)
    assert (bare.wav_path, bare.script_path, bare.score_path) == (None, None, None)
    assert bare.png_path.is_file() and not (tmp_path / "sounds").exists()
    write_wav(path.with_suffix(".wav"))
    path.with_suffix(".musicxml").write_text("<score-partwise/>")
    entry = entries.make(path, tmp_path, "dark")
    assert entry.script_path == tmp_path / "sounds" / "sub" / "a.js"
    assert all(path.is_file() for path in (entry.png_path, entry.wav_path, entry.script_path, entry.score_path))
    assert entry.roll.background == "dark"


def test_silent_bars_at_the_end_are_kept_where_it_is_said_how_many_there_are(tmp_path):
    path = midi_files.write(tmp_path / "a.mid", [(0, 36, 100)])
    assert [entries.make(path, tmp_path, min_bars=bars).facts["bars"] for bars in (1, 4)] == ["1", "4"]


def test_what_is_no_midi_has_an_error(tmp_path):
    (tmp_path / "bad.mid").write_bytes(b"no MIDI")
    entry = entries.make(tmp_path / "bad.mid", tmp_path)
    assert "bad.mid: cannot be read as MIDI" in entry.error
    assert not (tmp_path / "bad.png").exists()


def test_in_several_processes_the_same_comes_out_in_the_same_order(tmp_path):
    names = [generated.write_groove(tmp_path, f"{number}", shift=number) for number in range(3)]
    (tmp_path / "bad.mid").write_bytes(b"no MIDI")
    files = {tmp_path / name: 1 + number for number, name in enumerate([*names, "bad.mid"])}
    made = list(entries.make_all(files, tmp_path))
    pictures = [path.with_suffix(".png").read_bytes() for path in files if path.name != "bad.mid"]
    assert list(entries.make_all(files, tmp_path, num_workers=2)) == made
    assert [entry.midi_path for entry in made] == list(files)
    assert [path.with_suffix(".png").read_bytes() for path in files if path.name != "bad.mid"] == pictures


@pytest.mark.parametrize("num_workers", [None, 1])
def test_a_picture_that_cannot_be_written_is_an_error(tmp_path, num_workers):
    path = tmp_path / generated.write_groove(tmp_path, "a")
    path.with_suffix(".png").mkdir()
    with pytest.raises(OSError) as raised:
        list(entries.make_all({path: 1}, tmp_path, num_workers=num_workers))
    assert pathlib.Path(raised.value.filename2 or raised.value.filename).name == "a.png"
