"""Pieces become MIDI files that everything reads, beside what else the song has, and the same ones each time."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib

import mido
import numpy as np
import pytest

from grooves import channels
from pipelines.dataset.formats.midi import note_seq, pretty_midi
from pipelines.generation import outputs, selection, song
from pipelines.generation.piece import Piece
from pipelines.generation.song import Notes, Song
from tests import disks, songs
from tests.midi_files import CLOSED_HAT, CRASH, KICK, SNARE

BAR = 4 * 960  # Ticks.


def notes_of(*notes: tuple[float, float, int, int]) -> Notes:
    """Returns notes of quarter, length in quarters, pitch and velocity."""
    quarters, lengths, pitches, velocities = np.array(notes).T
    return Notes(quarters, lengths, pitches.astype(np.int64), velocities.astype(np.int64))


def write(tmp_path: pathlib.Path, piece: Piece) -> pathlib.Path:
    path = tmp_path / "out.mid"
    assert outputs.write(piece, path) == hashlib.sha256(path.read_bytes()).hexdigest()
    return path


@pytest.fixture
def piece() -> Piece:
    notes = [(0, 0.25, KICK, 100), (0, 0.5, CLOSED_HAT, 60), (0.97, 0.25, SNARE, 90), (7.9, 0.25, CRASH, 127)]
    return Piece("some", notes_of(*notes), ((0.0, 100.0), (4.0, 150.0)), 2)


def test_a_file_has_drums_on_channel_10_in_4_4_at_its_tempos(tmp_path, piece):
    path = write(tmp_path, piece)
    midi = mido.MidiFile(path)
    assert (midi.type, midi.ticks_per_beat, len(midi.tracks)) == (1, 960, 2)
    assert songs.hits(path) == [(0, KICK, 100), (0, CLOSED_HAT, 60), (931, SNARE, 90), (7584, CRASH, 127)]
    assert songs.tempos(path) == [(0, 100), (4, 150)]
    metres = [(m.numerator, m.denominator) for _, m in songs.messages(path) if m.type == "time_signature"]
    assert metres == [(4, 4)]
    assert [m.name for _, m in songs.messages(path) if m.type == "track_name"] == ["Drums"]
    channels = {m.channel for _, m in songs.messages(path) if not m.is_meta}
    assert channels == {9}
    assert sum(message.time for message in midi.tracks[0]) == 2 * BAR  # Its length, for whoever loops it.


def test_pretty_midi_and_note_seq_read_the_same(tmp_path, piece):
    path = write(tmp_path, piece)
    expected = [(0, KICK, 100), (0, CLOSED_HAT, 60), (931 / 960 * 0.6, SNARE, 90), (2.4 + 3.9 * 0.4, CRASH, 127)]
    read = pretty_midi.PrettyMIDI(str(path))
    (drums,) = read.instruments
    assert drums.is_drum
    found = [sorted((note.start, note.pitch, note.velocity) for note in drums.notes)]
    sequence = note_seq.midi_io.midi_to_note_sequence(path.read_bytes())
    assert all(note.is_drum for note in sequence.notes)
    found.append(sorted((note.start_time, note.pitch, note.velocity) for note in sequence.notes))
    for notes in found:
        assert [note[1:] for note in notes] == [note[1:] for note in expected]
        np.testing.assert_allclose([note[0] for note in notes], [note[0] for note in expected], atol=1e-9)
    assert [round(tempo.qpm, 3) for tempo in sequence.tempos] == [100, 150]
    assert [(metre.numerator, metre.denominator) for metre in sequence.time_signatures] == [(4, 4)]


def test_the_same_piece_gives_the_same_bytes(tmp_path, piece):
    first = write(tmp_path, piece).read_bytes()
    assert write(tmp_path, piece).read_bytes() == first


def test_an_early_first_hit_begins_at_tick_0(tmp_path, piece):
    early = notes_of((-0.1, 0.25, CRASH, 90), (-0.05, 0.25, KICK, 80), (0.1, 0.25, SNARE, 70))
    path = write(tmp_path, dataclasses.replace(piece, notes=early))
    assert songs.hits(path) == [(0, KICK, 80), (0, CRASH, 90), (96, SNARE, 70)]
    assert songs.spans(path)[CRASH] == [(0, 144)]


def test_no_two_notes_of_a_pitch_overlap_and_none_is_lost(tmp_path, piece):
    """Rolls, notes at once, notes of no length, long ones under short ones."""
    random = np.random.default_rng(1)
    notes = [
        (0, 1, SNARE, 100), (0.25, 1, SNARE, 101), (0.5, 0, SNARE, 102), (0.5, 0, SNARE, 103), (0.5, 0, KICK, 104),
        (-0.1, 0.01, KICK, 1), (-0.05, 0.01, KICK, 2), (0, 0.01, KICK, 3), (0.0001, 0.01, KICK, 4),
        *((random.uniform(0, 8), random.uniform(0, 2), random.choice([36, 42, 51]), 64) for _ in range(300)),
    ]  # fmt: skip
    path = write(tmp_path, dataclasses.replace(piece, notes=notes_of(*notes)))
    spans = songs.spans(path)  # Raises an error where two overlap, or one never ends.
    assert sum(map(len, spans.values())) == len(songs.hits(path)) == len(notes)
    assert all(start < end for of_pitch in spans.values() for start, end in of_pitch)
    assert spans[SNARE] == [(0, 240), (240, 480), (480, 481), (481, 482)]
    assert [(tick, velocity) for tick, pitch, velocity in songs.hits(path) if pitch == KICK][:4] == [
        (0, 1), (1, 2), (2, 3), (3, 4)
    ]  # fmt: skip


def test_no_note_rings_on_after_the_end_but_a_late_last_one_sounds(tmp_path, piece):
    notes = notes_of((0, 9999, CRASH, 90), (7, 1.5, SNARE, 90), (7.95, 0.25, KICK, 90), (7.95, 3, CLOSED_HAT, 90))
    spans = songs.spans(write(tmp_path, dataclasses.replace(piece, notes=notes)))
    last = round(7.95 * 960)
    assert spans == {CRASH: [(0, 2 * BAR)], SNARE: [(7 * 960, 2 * BAR)]} | {
        pitch: [(last, last + 240)] for pitch in (KICK, CLOSED_HAT)
    }


@pytest.mark.parametrize("qpm", [3.6, 20, 59.94, 120, 400, 60e6])
def test_any_tempo_that_midi_has_is_kept(tmp_path, piece, qpm):
    path = write(tmp_path, dataclasses.replace(piece, tempos=((0.0, qpm),)))
    (tempo,) = (message.tempo for _, message in songs.messages(path) if message.type == "set_tempo")
    assert tempo == max(1, round(60e6 / qpm))


@pytest.fixture
def whole_band(tmp_path) -> pathlib.Path:
    """Eight bars: drums from bar 1 to bar 6, bass and piano to the end, on a tempo map, at 96 ticks a quarter."""
    ppq = 96
    bass = [(quarter, 33 + quarter % 5, 70) for quarter in range(32)]
    message = mido.Message
    piano = [
        (0, mido.MetaMessage("track_name", name="Piano ü")),
        (0, message("program_change", channel=1, program=4)),
        (0, message("control_change", channel=1, control=7, value=90)),
        (10, message("sysex", data=[1, 2, 3])),
        (12, message("pitchwheel", channel=1, pitch=300)),
        (384, message("note_on", channel=1, note=60, velocity=80)),
        (384, message("control_change", channel=1, control=64, value=127)),
        (8 * 384 - 1, message("note_off", channel=1, note=60, velocity=20)),
        (8 * 384, message("note_on", channel=1, note=62, velocity=81)),
        (8 * 384, message("note_off", channel=1, note=62)),
    ]
    kit = [(0, message("program_change", channel=9, program=16)), (0, message("control_change", channel=9, control=7))]
    words = [(384, mido.MetaMessage("marker", text="Strophe")), (0, mido.MetaMessage("key_signature", key="Bb"))]
    tracks = [
        songs.conductor(ppq, [(0, 90), (16, 120)]),
        songs.track_of(words),
        songs.track_of(kit),
        songs.notes_track(songs.beat(6), ppq),
        songs.notes_track(bass, ppq, 0, 0.9),
        mido.MidiTrack(event.copy(time=time) for event, time in _deltas(piano)),
    ]
    return songs.write(tmp_path / "band.mid", tracks, ppq)


def _deltas(events):
    now = 0
    for tick, message in events:
        yield message, tick - now
        now = tick


def backed(found: Song) -> Piece:
    return Piece(found.label, found.notes, found.tempos, found.num_bars, backing=found)


@pytest.mark.parametrize("midi_type", [0, 1])
def test_what_else_is_in_the_file_goes_along_completely(tmp_path, whole_band, midi_type):
    tracks = mido.MidiFile(whole_band).tracks
    source = songs.write(tmp_path / "source.mid", tracks, 96, midi_type)
    path = write(tmp_path, backed(selection.choose(song.read(source), 1, None)))
    assert songs.hits(path) == [(tick * 10, *rest) for tick, *rest in songs.hits(source)]
    assert songs.tempos(path) == songs.tempos(source) == [(0, 90), (16, 120)]
    for channel in (0, 1):
        before, after = (songs.messages(each, channel) for each in (source, path))
        assert [(tick * 10, message.bytes()) for tick, message in before] == [
            (tick, message.bytes()) for tick, message in after
        ]
    kit = [message.bytes() for _, message in songs.messages(path, 9) if "note" not in message.type]
    assert kit == [[0xC9, 16], [0xB9, 7, 0]]
    metas = {m.type: (tick, m) for tick, m in songs.messages(path) if m.is_meta or m.type == "sysex"}
    assert (metas["marker"][0], metas["marker"][1].text, metas["key_signature"][1].key) == (BAR, "Strophe", "Bb")
    assert metas["sysex"] == (100, mido.Message("sysex", data=[1, 2, 3], time=metas["sysex"][1].time))
    if midi_type == 1:
        names = [m.name for _, m in songs.messages(path) if m.type == "track_name"]
        assert sorted(names) == ["Drums", "Piano ü"]
    songs.spans(path)


def test_of_some_bars_other_tracks_begin_and_end_with_them(tmp_path, whole_band):
    """Programs and controllers of before still hold; what began before is silent; what goes on ends with the bars."""
    path = write(tmp_path, backed(selection.choose(song.read(whole_band), 2, 3)))
    drums = [(10 * (tick - 384), *rest) for tick, *rest in songs.hits(whole_band) if 384 <= tick < 4 * 384]
    assert songs.hits(path) == drums
    piano = [(tick, message.bytes()) for tick, message in songs.messages(path, 1)]
    assert piano == [
        (0, [0xC1, 4]),
        (0, [0xB1, 7, 90]),
        (0, mido.Message("pitchwheel", channel=1, pitch=300).bytes()),
        (0, [0x91, 60, 80]),
        (0, [0xB1, 64, 127]),
        (3 * BAR, [0x81, 60, 64]),
    ]
    assert songs.spans(path, 0) == {
        pitch: [(10 * start - BAR, 10 * end - BAR) for start, end in spans if 384 <= start < 4 * 384]
        for pitch, spans in songs.spans(whole_band, 0).items()
    }
    assert max(tick for tick, _ in songs.messages(path)) == 3 * BAR
    assert [(tick, m.text) for tick, m in songs.messages(path) if m.type == "marker"] == [(0, "Strophe")]


def test_a_bass_note_a_little_before_the_bar_line_belongs_to_the_bar_as_a_drum_does(tmp_path):
    bass = [(3.95, 40, 70), (7.95, 41, 71), (11.95, 42, 72)]
    tracks = [songs.notes_track(songs.beat(3), 480), songs.notes_track(bass, 480, 0, 0.5)]
    source = songs.write(tmp_path / "a.mid", tracks)
    path = write(tmp_path, backed(selection.choose(song.read(source), 2, 1)))
    assert songs.spans(path, 0) == {40: [(0, 432)]}


def test_short_notes_of_a_fine_file_still_end(tmp_path):
    """At ten times the ticks, a note may end at the tick that it begins at."""
    piano = mido.MidiTrack(
        [mido.Message("note_on", channel=0, note=60), mido.Message("note_off", channel=0, note=60, time=3)]
    )
    source = songs.write(tmp_path / "a.mid", [songs.notes_track(songs.beat(1), 9600), piano], 9600)
    path = write(tmp_path, backed(song.read(source)))
    assert songs.spans(path, 0) == {60: [(0, 0)]}


def test_drums_of_another_channel_are_replaced_and_what_is_on_channel_10_stays(tmp_path):
    tracks = [
        songs.track_of([(0, mido.Message("program_change", channel=0, program=40))]),
        songs.notes_track(songs.beat(1), 480, 0),
        songs.notes_track([(0, 56, 99)], 480, 9),
    ]
    source = songs.write(tmp_path / "a.mid", tracks)
    path = write(tmp_path, backed(song.read(source, 1)))
    assert songs.messages(path, 0) == []
    assert songs.hits(path) == sorted([*((2 * tick, *rest) for tick, *rest in songs.hits(source, 0)), (0, 56, 99)])


def test_where_all_channels_are_drums_nothing_else_is_left(tmp_path, whole_band):
    path = write(tmp_path, backed(song.read(whole_band, channels.ALL)))
    assert {m.channel for _, m in songs.messages(path) if not m.is_meta and m.type != "sysex"} == {9}
    assert len(songs.hits(path)) == sum(len(songs.hits(whole_band, channel)) for channel in (0, 1, 9))


def test_messages_of_a_running_system_are_left_out(tmp_path):
    """A clock's ticks, which sloppy recorders write into files, and which files have no place for."""
    track = mido.MidiTrack([mido.Message("note_on", channel=0, note=60), mido.Message("note_off", note=60, time=9)])
    source = songs.write(tmp_path / "a.mid", [songs.notes_track(songs.beat(1), 480), track])
    content = source.read_bytes()
    end = content.rindex(b"\x00\xff\x2f\x00")
    head = content.rindex(b"MTrk")
    body = content[head + 8 : end] + b"\x00\xf8" + b"\x00\xf2\x01\x02" + content[end:]
    source.write_bytes(content[: head + 4] + len(body).to_bytes(4, "big") + body)
    assert {"clock", "songpos"} <= {message.type for _, message in songs.messages(source)}
    path = write(tmp_path, backed(song.read(source)))
    assert {m.type for _, m in songs.messages(path) if not m.is_meta} == {"note_on", "note_off"}


def test_a_full_disk_leaves_nothing_half_written(tmp_path, piece):
    with disks.small(tmp_path / "disk", 8) as disk:
        (disk / "much").write_bytes(b"0" * 4096)
        many = notes_of(*((quarter / 100, 0.01, KICK, 1 + quarter % 127) for quarter in range(2000)))
        with pytest.raises(OSError, match="No space left on device"):
            outputs.write(dataclasses.replace(piece, notes=many), disk / "out.mid")
        assert [path.name for path in disk.iterdir()] == ["much"]


def test_a_stamp_is_had_by_one_command_alone(tmp_path):
    """Neither files that are there have it nor another command that has written nothing yet."""
    folder = tmp_path / "new" / "out"
    with outputs.stamped(folder) as first, outputs.stamped(folder) as second, outputs.stamped(folder) as third:
        assert len({first, second, third}) == 3
        (folder / f"a_sample_{first}-000-of-001.mid").touch()
    assert [path.name for path in folder.iterdir()] == [f"a_sample_{first}-000-of-001.mid"]
    (folder / f"a_sample_{second}_2-000-of-001.mid").touch()
    with outputs.stamped(folder) as fourth:
        assert fourth not in (first, second)
    with outputs.stamped(folder, first) as again:
        assert again == first


def test_a_folder_that_was_made_for_nothing_goes_again(tmp_path):
    with pytest.raises(ValueError, match="no drums"), outputs.stamped(tmp_path / "new" / "out"):
        assert (tmp_path / "new" / "out").is_dir()
        raise ValueError("no drums")
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    with outputs.stamped(tmp_path / "old"):
        pass
    assert (tmp_path / "old").is_dir()
