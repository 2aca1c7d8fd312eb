"""What is read of a MIDI file to be played: its messages in time, its bars, and which files are refused."""

import pathlib
import struct
import time

import mido
import pytest

from pipelines.audio import score
from pipelines.pages import notes
from tests.sounds import write_midi

STARTER = pathlib.Path(__file__).resolve().parents[3] / "data" / "starter"


def write_track(path, *messages, ticks_per_beat=480):
    midi = mido.MidiFile(ticks_per_beat=ticks_per_beat)
    midi.tracks.append(mido.MidiTrack(messages))
    midi.save(path)
    return path


def hit(time=0):
    return mido.Message("note_on", channel=9, note=38, time=time), mido.Message("note_off", channel=9, note=38, time=10)


def metre(numerator, denominator, time=0):
    return mido.MetaMessage("time_signature", numerator=numerator, denominator=denominator, time=time)


def tempo(qpm, time=0):
    return mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(qpm), time=time)


def test_events_come_when_the_tempos_say(tmp_path):
    path = write_track(tmp_path / "a.mid", tempo(60), *hit(480), tempo(120, 470), *hit(960), *hit(950))
    read = score.read(path)
    assert [secs for secs, message in read.events if message.type == "note_on"] == pytest.approx([1, 3, 4])
    assert read.end_secs == pytest.approx(4 + 10 / 960)


@pytest.mark.parametrize(
    ("messages", "num_bars", "bars_secs"),
    [
        ((*hit(),), 1, 2),
        ((*hit(1919),), 1, 2),
        ((*hit(1920),), 2, 4),
        ((metre(3, 4), *hit(1440)), 2, 3),
        ((metre(6, 8), tempo(60), *hit(1440)), 2, 6),
        ((metre(7, 8), *hit(1679)), 1, 1.75),
        ((metre(4, 4), *hit(), metre(3, 4, 1910), *hit(1440)), 3, 5),
        ((metre(4, 4), *hit(), metre(2, 4, 950), *hit()), 2, 2),  # The first bar is cut off in its middle.
        ((*hit(480), metre(3, 4, 1430), *hit()), 2, 3.5),  # 4/4 until a file says something else.
        ((metre(4, 4), metre(5, 4), *hit()), 1, 2.5),
        ((metre(4, 4), *hit(), metre(3, 4, 9590), mido.MetaMessage("end_of_track", time=9)), 1, 2),
        ((tempo(60), *hit(), tempo(240, 950)), 1, 2.5),  # The tempo changes in the bar.
    ],
)
def test_bars_are_counted_as_on_the_piano_roll(tmp_path, messages, num_bars, bars_secs):
    path = write_track(tmp_path / "a.mid", *messages)
    read = score.read(path)
    assert (read.num_bars, read.bars_secs) == (num_bars, pytest.approx(bars_secs))
    assert notes.read(path).num_bars == num_bars


@pytest.mark.parametrize("path", sorted(STARTER.rglob("*.mid"))[::9], ids=lambda path: path.stem)
def test_real_performances_have_the_bars_and_beats_of_their_piano_roll(path):
    read, drawn = score.read(path), notes.read(path)
    assert read.num_bars == drawn.num_bars
    assert read.bars_secs == pytest.approx(drawn.bar_secs[-1], abs=1e-3)
    assert [secs for secs, _ in read.beats()] == pytest.approx(list(drawn.beat_secs), abs=1e-3)
    assert [secs for secs, begins_bar in read.beats() if begins_bar] == pytest.approx(
        list(drawn.bar_secs[:-1]), abs=1e-3
    )


def test_beats_are_the_metres_own(tmp_path):
    read = score.read(write_track(tmp_path / "a.mid", metre(6, 8), tempo(60), *hit()))
    assert list(read.beats()) == [(pytest.approx(beat / 2), beat == 0) for beat in range(6)]
    assert read.first_beat_secs == pytest.approx(0.5)
    assert read.num_beats == 6


def test_a_bar_that_is_cut_off_has_no_beats_beyond(tmp_path):
    path = write_track(tmp_path / "a.mid", metre(4, 4), *hit(), metre(2, 4, 710), *hit())
    assert [round(secs, 3) for secs, _ in score.read(path).beats()] == [0, 0.5, 0.75, 1.25]


def test_what_is_sent_to_channels_without_notes_is_left_out(tmp_path):
    program = mido.Message("program_change", channel=0, program=3)
    read = score.read(write_track(tmp_path / "a.mid", program, program.copy(channel=9), *hit()))
    assert read.channels == (9,)
    assert [message.type for _, message in read.events] == ["program_change", "note_on", "note_off"]


def test_a_midi_without_notes_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"a\.mid: has no notes, so there is nothing to hear"):
        score.read(write_midi(tmp_path / "a.mid", []))


@pytest.mark.parametrize("num_bytes", [0, 3, 14, 30, 45])
def test_a_midi_cut_short_is_named(tmp_path, num_bytes):
    path = write_midi(tmp_path / "a.mid", [0, 1])
    path.write_bytes(path.read_bytes()[:num_bytes])
    with pytest.raises(ValueError, match=r"a\.mid: (cannot be read as MIDI \(.+\)|has no notes)"):
        score.read(path)


def test_a_midi_of_hours_is_an_error(tmp_path):
    path = write_midi(tmp_path / "a.mid", [0], end_secs=7200)
    with pytest.raises(ValueError, match="lasts 120 minutes, and 30 at most"):
        score.read(path)
    assert score.read(write_midi(tmp_path / "b.mid", [0], end_secs=1800)).end_secs == 1800


def test_time_in_frames_is_an_error(tmp_path):
    path = write_midi(tmp_path / "a.mid", [0])
    path.write_bytes(path.read_bytes()[:12] + struct.pack(">bB", -30, 80) + path.read_bytes()[14:])
    with pytest.raises(ValueError, match=r"a\.mid: cannot be read as MIDI \(its time is in frames of film"):
        score.read(path)


def test_a_metre_of_no_beats_is_an_error(tmp_path):
    path = write_track(tmp_path / "a.mid", metre(5, 4), *hit())
    assert path.read_bytes().count(b"\xff\x58\x04\x05\x02") == 1
    path.write_bytes(path.read_bytes().replace(b"\xff\x58\x04\x05\x02", b"\xff\x58\x04\x00\x02"))
    with pytest.raises(ValueError, match=r"a\.mid: cannot be read as MIDI \(a metre of 0/4\)"):
        score.read(path)


def test_a_tempo_beyond_measure_costs_no_time(tmp_path):
    """A microsecond a quarter: two million bars in three seconds."""
    fast = mido.MetaMessage("set_tempo", tempo=1)
    path = write_track(tmp_path / "a.mid", fast, metre(1, 64), *hit(3_000_000), ticks_per_beat=1)
    started = time.monotonic()
    read = score.read(path)
    assert time.monotonic() - started < 1
    assert read.end_secs == pytest.approx(3, abs=0.1)
    assert read.num_bars == 3_000_000 * 16 + 1
