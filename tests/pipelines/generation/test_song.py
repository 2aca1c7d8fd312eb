"""A song is read in beats whatever the file's resolution, type and tempo; of damaged files the reason is said."""

from __future__ import annotations

import math
import pathlib
import re
import struct

import mido
import numpy as np
import pytest

from grooves import channels, drums
from pipelines.generation import outputs, song
from pipelines.generation.piece import Piece
from tests import songs
from tests.midi_files import CLOSED_HAT, KICK, OPEN_HAT, SNARE

PIANO = mido.Message("program_change", channel=2, program=5)


def raw(body: bytes, *, midi_type: int = 0, division: bytes = struct.pack(">h", 480)) -> bytes:
    """Returns a MIDI file of one track with these bytes."""
    return b"MThd" + struct.pack(">LHH", 6, midi_type, 1) + division + b"MTrk" + struct.pack(">L", len(body)) + body


def written(tmp_path: pathlib.Path, content: bytes) -> pathlib.Path:
    path = tmp_path / "song.mid"
    path.write_bytes(content)
    return path


def read_notes(path: pathlib.Path, *how) -> list[tuple[float, int, int]]:
    notes = song.read(path, *how).notes
    return list(zip(notes.quarters.tolist(), notes.pitches.tolist(), notes.velocities.tolist(), strict=True))


@pytest.mark.parametrize("ppq", [24, 97, 480, 960, 9600, 32767])
@pytest.mark.parametrize("midi_type", [0, 1])
def test_notes_lie_where_their_ticks_are_at_any_resolution(tmp_path, ppq, midi_type):
    path = songs.write_beat(tmp_path / "Ein Lied.mid", songs.beat(3), ppq, midi_type=midi_type)
    found = song.read(path)
    expected = sorted((round(quarter * ppq) / ppq, pitch, velocity) for quarter, pitch, velocity in songs.beat(3))
    assert sorted(read_notes(path)) == expected
    assert (found.label, found.num_bars, found.first_bar, found.qpm) == ("Ein Lied", 3, 0, 100.0)
    np.testing.assert_allclose(found.notes.lengths, 1 / 8, atol=1 / ppq)


@pytest.mark.parametrize(("quarter", "num_bars"), [(0, 1), (3.75, 1), (3.874, 1), (3.876, 2), (4, 2), (399, 100)])
def test_a_song_ends_with_the_bar_of_its_last_hit(tmp_path, quarter, num_bars):
    path = songs.write_beat(tmp_path / "a.mid", [(0, KICK, 9), (quarter, SNARE, 9)], 960)
    assert song.read(path).num_bars == num_bars


def test_the_drums_are_on_channel_10_unless_another_one_is_named(tmp_path):
    on_10, on_1 = songs.beat(1), [(0.5, SNARE, 33)]
    tracks = [songs.conductor(480), songs.notes_track(on_10, 480), songs.notes_track(on_1, 480, 0)]
    path = songs.write(tmp_path / "a.mid", tracks)
    assert sorted(read_notes(path)) == on_10
    assert read_notes(path, 1) == on_1
    assert sorted(read_notes(path, channels.ALL)) == sorted(on_10 + on_1)


def test_a_file_without_drums_says_which_channels_have_how_many_notes(tmp_path):
    tracks = [songs.notes_track(songs.beat(1), 480, 0), songs.notes_track([(0, 60, 1), (1, 61, 1)], 480, 15)]
    path = songs.write(tmp_path / "a.mid", tracks)
    message = (
        f"{path}: no drums: nothing on MIDI channel 10; notes are on channels 1 ({len(songs.beat(1))}) and 16 (2);"
        " --drum_channel=1 takes those on 1 as drums"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        song.read(path)
    path = songs.write(tmp_path / "b.mid", tracks[1:])
    with pytest.raises(ValueError, match=r"nothing on MIDI channel 3; notes are on channel 16 \(2\); --drum_ch"):
        song.read(path, 3)


def test_the_drum_map_is_the_one_that_the_notes_speak_for(tmp_path):
    """Pitch 45 is a mid tom on the Roland kit and a low tom in General MIDI."""
    roland = songs.write_beat(tmp_path / "a.mid", [(0, 45, 9), (1, 22, 9)])
    gm = songs.write_beat(tmp_path / "b.mid", [(0, 45, 9), (1, 54, 9)])
    assert song.read(roland).classes.tolist() == [5, 2]
    assert song.read(gm).classes.tolist() == [4, 2]
    assert song.read(gm, drum_map=drums.ROLAND).classes.tolist() == [5, 2]


def test_running_status_is_read(tmp_path):
    path = written(tmp_path, raw(bytes([0, 0x99, 36, 90, 96, 36, 0, 24, 38, 91, 96, 38, 0, 0, 0xFF, 0x2F, 0])))
    assert read_notes(path) == [(0, KICK, 90), (0.25, SNARE, 91)]
    assert song.read(path).notes.lengths.tolist() == [0.2, 0.2]


def test_notes_of_no_length_notes_that_never_end_and_notes_at_once_are_notes(tmp_path):
    on = {"type": "note_on", "channel": 9}
    track = mido.MidiTrack(
        [
            mido.Message(**on, note=36, velocity=90),
            mido.Message("note_off", channel=9, note=36),
            mido.Message(**on, note=42, velocity=80),
            mido.Message(**on, note=42, velocity=70, time=240),
            mido.Message(**on, note=38, velocity=1),
            mido.Message("note_off", channel=9, note=99),
            mido.MetaMessage("end_of_track", time=720),
        ]
    )
    found = song.read(songs.write(tmp_path / "a.mid", [track]))
    assert found.notes.quarters.tolist() == [0, 0, 0.5, 0.5]
    assert found.notes.pitches.tolist() == [36, 42, 38, 42]
    assert found.notes.velocities.tolist() == [90, 80, 1, 70]
    assert found.notes.lengths.tolist() == [0, 2, 1.5, 1.5]


def test_of_two_notes_of_a_pitch_the_first_ends_first(tmp_path):
    message = mido.Message
    ons = [message("note_on", channel=9, note=36, velocity=velocity, time=240) for velocity in (1, 2)]
    offs = [message("note_off", channel=9, note=36, time=480)] * 2
    found = song.read(songs.write(tmp_path / "a.mid", [mido.MidiTrack([*ons, *offs])]))
    assert found.notes.velocities.tolist() == [1, 2]
    assert found.notes.lengths.tolist() == [1.5, 2]


def test_the_tempo_map_is_kept(tmp_path):
    path = songs.write_beat(tmp_path / "a.mid", songs.beat(4), tempos=[(0, 90), (4, 90), (6.5, 180), (12, 45.5)])
    np.testing.assert_allclose(song.read(path).tempos, [(0, 90), (6.5, 180), (12, 45.5)], rtol=1e-5)
    path = songs.write_beat(tmp_path / "b.mid", songs.beat(4), tempos=[(4, 60)])
    assert song.read(path).tempos == ((0.0, 120.0), (4.0, 60.0))  # MIDI's tempo until another one is said.


def test_a_tempo_of_nothing_is_none(tmp_path):
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=0)])
    path = songs.write(tmp_path / "a.mid", [track, songs.notes_track(songs.beat(1), 480)])
    assert song.read(path).tempos == ((0.0, 120.0),)


@pytest.mark.parametrize(
    ("metre", "message"), [(None, ""), ((2, 2), ""), ((8, 8), ""), ((3, 4), "in 3/4;"), ((12, 8), "in 12/8;")]
)
def test_bars_of_four_quarters_are_read_alone(tmp_path, metre, message):
    path = songs.write_beat(tmp_path / "a.mid", songs.beat(2), metre=metre)
    if not message:
        assert song.read(path).num_bars == 2
        return
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: {message} the models know bars of 4/4 alone$"):
        song.read(path)


def test_a_change_of_metre_is_refused(tmp_path):
    change = songs.track_of([(1920, mido.MetaMessage("time_signature", numerator=7, denominator=8))])
    path = songs.write(tmp_path / "a.mid", [songs.conductor(480), change, songs.notes_track(songs.beat(2), 480)])
    with pytest.raises(ValueError, match="in 7/8; the models know bars of 4/4 alone"):
        song.read(path)


NOTE = bytes([0, 0x99, 36, 90, 96, 36, 0])
END = bytes([0, 0xFF, 0x2F, 0])
HUGE = b"\xff" * 150 + b"\x7f"  # A delta time that no array holds, and no floating-point number.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as MIDI (the file ends too early)"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "cannot be read as MIDI (MThd not found. Probably not a MIDI file)"),
        (raw(NOTE + END)[:-6], "cannot be read as MIDI (the file ends too early)"),
        (raw(END), "has no notes at all"),
        (raw(bytes([0, 0x99, 36, 200]) + END), "cannot be read as MIDI (data byte must be in range 0..127)"),
        (
            raw(NOTE + END, midi_type=2),
            "a MIDI file of type 2, in which each track is a song; export it as type 0 or 1",
        ),
        (raw(NOTE + END, midi_type=7), "a MIDI file of type 7, which MIDI does not have; export it as type 0 or 1"),
        (
            raw(NOTE + END, division=b"\xe7\x28"),
            "counts time in SMPTE frames, not in beats; export it with ticks per quarter note",
        ),
        (raw(NOTE + END, division=b"\0\0"), "damaged: it has 0 ticks per quarter note; export it again"),
        (
            raw(NOTE + b"\xff\xff\xff\x7f" + NOTE[1:] + END),
            "has more than 10000 bars, which are not read; is a note at its end a mistake?",
        ),
        (
            raw(NOTE + HUGE + NOTE[1:] + END),
            "has more than 10000 bars, which are not read; is a note at its end a mistake?",
        ),
    ],
)
def test_what_cannot_be_read_is_said_in_a_line(tmp_path, content, message):
    path = written(tmp_path, content)
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path}: {message}')}$"):
        song.read(path)


def test_times_that_no_array_holds_do_no_harm_behind_the_notes(tmp_path):
    """A note that ends, and a tempo that begins, after the end of time."""
    tempo = bytes([0xFF, 0x51, 3, 7, 0xA1, 0x20])
    path = written(tmp_path, raw(NOTE[:4] + HUGE + bytes([0x99, 36, 0, 0]) + tempo + END))
    found = song.read(path)
    assert (found.num_bars, len(found.notes), found.tempos) == (1, 1, ((0.0, 120.0),))
    outputs.write(Piece("a", found.notes, found.tempos, 1, backing=found), tmp_path / "out.mid")
    assert songs.spans(tmp_path / "out.mid") == {36: [(0, 4 * 960)]}


def test_a_file_that_is_not_there_and_a_folder_are_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(str(tmp_path))}/no.mid: no such MIDI file$"):
        song.read(tmp_path / "no.mid")
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(str(tmp_path))}: this is a folder$"):
        song.read(tmp_path)


def test_damage_anywhere_is_a_song_or_a_line(tmp_path):
    """Bytes changed, left out and put in at random: what is read can be written, what is not says which file it is."""
    piano = songs.track_of([(0, PIANO), *((n * 240, mido.Message("note_on", channel=2, note=60)) for n in range(9))])
    tracks = [songs.conductor(96, [(0, 90), (3, 80)]), songs.notes_track(songs.beat(2), 96), piano]
    good = songs.write(tmp_path / "good.mid", tracks, 96).read_bytes()
    random = np.random.default_rng(1)
    refused = 0
    for _ in range(400):
        content = bytearray(good)
        for _ in range(int(random.integers(1, 4))):
            position, byte = int(random.integers(len(content))), int(random.integers(256))
            how = random.integers(4)
            if how == 0:
                del content[position : position + int(random.integers(1, 9))]
            elif how == 1:
                content.insert(position, byte)
            elif how == 2:
                content[position] ^= 1 << int(random.integers(8))
            else:
                content[position] = byte
        path = written(tmp_path, bytes(content))
        try:
            found = song.read(path)
        except (ValueError, OSError) as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
            refused += 1
            continue
        piece = Piece(found.label, found.notes, found.tempos, found.num_bars, backing=found)
        outputs.write(piece, tmp_path / "out.mid")
        assert len(songs.hits(tmp_path / "out.mid")) == len(found.notes)
        songs.spans(tmp_path / "out.mid")
    assert 100 < refused < 350  # Both happen.


def test_names_that_are_no_text_can_be_said(tmp_path):
    path = tmp_path / b"gr\xfcn.mid".decode("utf-8", "surrogateescape")
    found = song.read(songs.write_beat(path, songs.beat(1)))
    assert found.label.encode("utf-8") == rb"gr\xfcn"


def test_bars_are_counted_from_the_sixteenth_that_a_note_is_nearest_to(tmp_path):
    """A crash a little before the second bar opens it, and begins a little before it."""
    notes = [(0, KICK, 1), (3.9, 49, 2), (4, KICK, 3), (7.8, SNARE, 4), (8, KICK, 5)]
    path = songs.write_beat(tmp_path / "a.mid", notes, 960, tempos=[(0, 90), (4, 100), (5, 110), (8, 120)])
    second = song.read(path).bars(1, 1)
    np.testing.assert_allclose(second.notes.quarters, [-0.1, 0, 3.8], atol=1e-3)
    assert second.notes.velocities.tolist() == [2, 3, 4]
    assert second.classes.tolist() == [7, 0, 1]
    assert (second.first_bar, second.num_bars) == (1, 1)
    np.testing.assert_allclose(second.tempos, [(0, 100), (1, 110)], rtol=1e-5)
    of_both = song.read(path).bars(1, 2).bars(1, 1)
    assert (of_both.first_bar, of_both.notes.velocities.tolist(), of_both.qpm) == (2, [5], 120.0)


def test_a_groove_has_the_loudest_of_each_cell_and_how_far_it_is_from_its_step(tmp_path):
    quarter_of_a_step = 1 / 16
    notes = [
        (0, CLOSED_HAT, 50),
        (0.02, 44, 90),  # The pedal hi-hat: another pitch of the same drum, and louder.
        (1 - quarter_of_a_step, SNARE, 127),
        (2 + quarter_of_a_step, OPEN_HAT, 1),
        (3, 3, 99),  # No drum.
    ]
    groove = song.read(songs.write_beat(tmp_path / "a.mid", notes, 960)).groove()
    assert groove.hits.shape == (16, 9)
    assert sorted(zip(*map(list, np.nonzero(groove.hits)), strict=True)) == [(0, 2), (4, 1), (8, 3)]
    assert groove.velocities[[0, 4, 8], [2, 1, 3]] == pytest.approx([90 / 127, 1, 1 / 127])
    assert groove.offsets[[0, 4, 8], [2, 1, 3]] == pytest.approx([-0.16, 0.5, -0.5], abs=0.01)
    assert groove.qpm == 100.0


def test_halves_round_up_as_everywhere(tmp_path):
    """A note halfway between two sixteenths belongs to the later one, as early as can be."""
    groove = song.read(songs.write_beat(tmp_path / "a.mid", [(0.125, KICK, 64)], 960)).groove()
    assert np.argwhere(groove.hits).tolist() == [[1, 0]]
    assert groove.offsets[1, 0] == 1
    assert math.isclose(groove.velocities[1, 0], 64 / 127)
