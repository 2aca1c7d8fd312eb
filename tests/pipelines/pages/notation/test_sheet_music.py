"""Sheet music of MIDI files."""

import xml.etree.ElementTree as ET

import mido
import numpy as np
import pytest

from pipelines.pages.notation import beats, drum_staff, sheet_music
from tests import midi_files, sheets
from tests.midi_files import CLOSED_HAT, CRASH, KICK, OPEN_HAT, RIDE, SNARE

PEDAL_HAT, COWBELL = 44, 56


def write(tmp_path, hits, *, left_out=(), title="A title", **options):
    """Writes hits as MIDI and the MIDI as sheet music, which is checked and returned."""
    midi_path = midi_files.write(tmp_path / "a.mid", hits, **options)
    assert sheet_music.write(midi_path, tmp_path / "a.musicxml", title) == left_out
    text = (tmp_path / "a.musicxml").read_text(encoding="utf-8")
    sheets.check(text)
    return text


def test_a_rock_beat(tmp_path):
    hits = [(step, CLOSED_HAT, 80) for step in range(0, 16, 2)]
    hits += [(0, KICK, 100), (4, SNARE, 100), (8, KICK, 100), (10, KICK, 100), (12, SNARE, 100)]
    assert sheets.lines(write(tmp_path, hits)) == [
        [
            "eighth G5x, eighth G5x, eighth C5 G5x, eighth G5x, eighth G5x, eighth G5x, eighth C5 G5x, eighth G5x",
            "quarter F4, quarter -, eighth F4, eighth F4, quarter -",
        ]
    ]


def test_a_bar_with_all_marks(tmp_path):
    hits = [(0, CRASH, 100), (0, KICK, 100), (4, SNARE, 110), (6, SNARE, 30), (7, SNARE, 30)]
    hits += [(8, OPEN_HAT, 80), (10, CLOSED_HAT, 80), (12, PEDAL_HAT, 70), (12, COWBELL, 80), (15, SNARE, 110)]
    assert sheets.lines(write(tmp_path, hits)) == [
        [
            "quarter A5x, eighth C5, 16th (C5), 16th (C5), eighth oG5x, eighth +G5x, eighth. E5triangle, 16th C5",
            "quarter F4, quarter -, quarter -, quarter D4x",
        ]
    ]


def test_what_is_played_early_and_late_is_on_the_grid(tmp_path):
    hits = [(0.3, SNARE, 80), (3.7, SNARE, 80), (8.4, SNARE, 80), (15.8, SNARE, 80)]
    assert sheets.lines(write(tmp_path, hits)) == [
        ["quarter C5, quarter C5, quarter C5, quarter -"],
        ["quarter C5, quarter -, half -"],
    ]


def test_a_shuffle_is_in_triplets(tmp_path):
    hits = [(4 * beat + offset, RIDE, 80) for beat in range(4) for offset in (0, 8 / 3)]
    assert sheets.lines(write(tmp_path, hits)) == [[", ".join(["3quarter F5x, 3eighth F5x"] * 4)]]


def test_feet_alone_leave_the_hands_a_rest_and_hands_alone_leave_the_feet_nothing(tmp_path):
    hits = [(0, KICK, 80), (16, SNARE, 80)]
    assert sheets.lines(write(tmp_path, hits)) == [
        ["bar -", "quarter F4, quarter -, half -"],
        ["quarter C5, quarter -, half -"],
    ]


@pytest.mark.parametrize("hits", [[], [(0, KICK, 0), (5, SNARE, 0)]])
def test_silence_is_a_bar_of_rest(tmp_path, hits):
    assert sheets.lines(write(tmp_path, hits)) == [["bar -"]]


def test_bars_follow_the_metre(tmp_path):
    hits = [(0, KICK, 80), (12, KICK, 80), (20, SNARE, 80)]
    text = write(tmp_path, hits, metre=(3, 4))
    assert sheets.lines(text) == [
        ["bar -", "quarter F4, quarter -, quarter -"],
        ["quarter -, quarter -, quarter C5", "quarter F4, quarter -, quarter -"],
    ]
    assert ET.fromstring(text).findtext("part/measure/attributes/time/beats") == "3"


@pytest.mark.parametrize(("step", "lines_begin"), [(2, ["5"]), (1, ["3", "5", "7"])])
def test_a_line_has_four_bars_or_two_of_many_notes(tmp_path, step, lines_begin):
    text = write(tmp_path, [(at, CLOSED_HAT, 80) for at in range(0, 128, step)])
    begin = [
        measure.get("number") for measure in ET.fromstring(text).iter("measure") if measure.find("print") is not None
    ]
    assert begin == lines_begin


def test_without_a_metre_it_is_four_four(tmp_path):
    assert len(sheets.lines(write(tmp_path, midi_files.groove(3), metre=None))) == 3


def test_a_metre_that_cannot_be_written_is_named(tmp_path):
    midi_path = midi_files.write(tmp_path / "a.mid", [], metre=(5, 64))
    with pytest.raises(ValueError, match=r"a\.mid: no sheet music can be written of it: a metre of 5/64"):
        sheet_music.write(midi_path, tmp_path / "a.musicxml", "")
    assert not (tmp_path / "a.musicxml").exists()


@pytest.mark.parametrize(
    ("tempos", "expected"),
    [
        ([(0, 60)], [("1", "60")]),
        ([], [("1", "120")]),
        ([(16, 60)], [("1", "120"), ("2", "60")]),
        ([(0, 100), (16, 101), (32, 101.9), (48, 102.5)], [("1", "100"), ("4", "102")]),
        ([(0, 60_000_000)], [("1", "60000000")]),
        ([(0, 3.58)], [("1", "4")]),
        ([(0, 90), (0.01, 80)], [("1", "80")]),
        ([(0, 90), (1_000_000, 80)], [("1", "90")]),
    ],
)
def test_tempos_are_written_where_they_change_audibly(tmp_path, tempos, expected):
    root = ET.fromstring(write(tmp_path, midi_files.groove(4), tempos=tempos))
    marks = [
        (measure.get("number"), mark.text) for measure in root.iter("measure") for mark in measure.iter("per-minute")
    ]
    assert marks == expected


def test_a_thousand_bars(tmp_path):
    text = write(tmp_path, midi_files.groove(1000))
    assert text.count("<measure ") == 1000


def test_a_piece_without_end_is_refused(tmp_path):
    midi_path = midi_files.write(tmp_path / "a.mid", [(500_000, KICK, 80)])
    with pytest.raises(ValueError, match=r"a\.mid: no sheet music can be written of it: it has more than 40,000 beats"):
        sheet_music.write(midi_path, tmp_path / "a.musicxml", "")


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("metre", [(4, 4), (3, 4), (7, 8), (12, 8), (5, 16), (3, 32)])
def test_whatever_is_played_adds_up_and_is_where_it_was_played(tmp_path, seed, metre):
    random = np.random.default_rng(seed)
    hits = midi_files.at_random(seed, bars=3) + [
        (8 * beat + third, int(pitch), 90)
        for beat, pitch in enumerate(random.integers(0, 128, 20))
        for third in random.choice([0, 2 / 3, 4 / 3, 8 / 3, 10 / 3], 3, replace=False)
    ]
    midi_path = midi_files.write(tmp_path / "a.mid", hits, metre=metre, tempos=[(0, 90), (7, 140), (33, 60)])
    left_out = sheet_music.write(midi_path, tmp_path / "a.musicxml", "")
    text = (tmp_path / "a.musicxml").read_text(encoding="utf-8")
    sheets.check(text)
    num_left_out = sum(int(sentence.split()[0]) for sentence in left_out)
    assert sheets.num_heads(text) == len(hits) - num_left_out
    performance = sheet_music.read(midi_path)
    bars = beats.bars(performance.metres, performance.hits[-1][0] + 3)
    places = beats.written([beat for bar in bars for beat in bar.beats], [hit[0] for hit in performance.hits])
    distances = np.abs(np.array(places) - [hit[0] for hit in performance.hits])
    assert distances.max() <= 4  # Half of a triplet's eighth; a sixteenth's half is 3.


def test_every_hit_keeps_its_drum_and_loudness(tmp_path):
    hits = [(step, pitch, 30 + step) for step, pitch in enumerate([*midi_files.PITCHES, PEDAL_HAT, 37, 53])]
    root = ET.fromstring(write(tmp_path, hits))
    pitches = {
        element.get("id"): int(element.findtext("midi-unpitched")) - 1 for element in root.iter("midi-instrument")
    }
    written = sorted(
        (pitches[note.find("instrument").get("id")], round(float(note.get("dynamics")) * 0.9))
        for note in root.iter("note")
        if note.find("instrument") is not None
    )
    assert written == sorted((pitch, velocity) for _, pitch, velocity in hits)
    assert {element.text for element in root.iter("midi-channel")} == {"10"}


def test_of_hits_that_share_a_head_the_loudest_is_written_and_the_others_are_told(tmp_path):
    hits = [(0, SNARE, 60), (0.2, SNARE, 90), (4, OPEN_HAT, 80), (4, CLOSED_HAT, 70), (4, 37, 80)]
    text = write(tmp_path, hits, left_out=("2 hits left out: another one has the same notehead on their step",))
    assert sheets.lines(text) == [["quarter C5, quarter C5x oG5x, half -"]]
    assert next(note.get("dynamics") for note in ET.fromstring(text).iter("note")) == "100.00"


def test_notes_that_are_no_drums_are_told(tmp_path):
    drums, bass = mido.MidiTrack(), mido.MidiTrack()
    for track, channel in ((drums, 9), (bass, 0)):
        track += [mido.Message("note_on", channel=channel, note=36), mido.Message("note_off", note=36, time=99)]
    midi_path = tmp_path / "a.mid"
    mido.MidiFile(tracks=[bass, drums]).save(midi_path)
    left_out = sheet_music.write(midi_path, tmp_path / "a.musicxml", "")
    assert left_out == ("1 note left out: not on MIDI channel 10, and so no drums",)
    assert sheets.lines((tmp_path / "a.musicxml").read_text()) == [["bar -", "quarter F4, quarter -, half -"]]


def test_a_melody_alone_is_refused(tmp_path):
    midi_path = midi_files.write(tmp_path / "a.mid", [(0, 60, 80)], channel=0)
    with pytest.raises(ValueError, match=r"a\.mid: no drums: nothing on MIDI channel 10; only drums can be written"):
        sheet_music.write(midi_path, tmp_path / "a.musicxml", "")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file ends too early"),
        (b"<script>", "MThd not found"),
        (b"MThd\0\0\0\6\0\1\0\0\xe7\x28", "video frames"),  # SMPTE: 25 frames a second of 40 ticks.
    ],
)
def test_a_file_that_is_no_midi_is_named_and_nothing_is_written(tmp_path, data, reason):
    (tmp_path / "a.mid").write_bytes(data)
    (tmp_path / "a.musicxml").write_text("older")
    with pytest.raises(ValueError, match=rf"a\.mid: cannot be read as MIDI \(.*{reason}"):
        sheet_music.write(tmp_path / "a.mid", tmp_path / "a.musicxml", "")
    assert (tmp_path / "a.musicxml").read_text() == "older"


def test_the_same_midi_gives_the_same_bytes_and_leaves_nothing_else(tmp_path):
    hits = midi_files.at_random(3)
    midi_path = midi_files.write(tmp_path / "a.mid", hits)
    folder = tmp_path / "made for it"
    for name in ("a", "b"):
        sheet_music.write(midi_path, folder / f"{name}.musicxml", "<A & B>")
    assert (folder / "a.musicxml").read_bytes() == (folder / "b.musicxml").read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["a.musicxml", "b.musicxml"]


def test_a_title_is_escaped(tmp_path):
    text = write(tmp_path, [], title="<script>alert(1)</script>")
    assert "<script" not in text
    assert ET.fromstring(text).findtext("work/work-title") == "<script>alert(1)</script>"


def test_every_pitch_is_written(tmp_path):
    hits = [(pitch, pitch, 80) for pitch in range(128)]
    text = write(tmp_path, hits)
    assert sheets.num_heads(text) == 128
    names = [words.text for words in ET.fromstring(text).iter("words")]
    assert len(names) == len({drum.name for drum in drum_staff.drums_of(range(128)).values() if not drum.is_in_kit})
    assert "Cowbell" in names
