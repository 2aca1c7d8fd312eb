"""MIDI files as bytes are those that mido writes, and mido reads from them what was written."""

import io
import pathlib
import zipfile

import mido
import numpy as np
import pytest

from pipelines.files import midi_writing


def as_mido_writes(midi: mido.MidiFile) -> bytes:
    saved = io.BytesIO()
    midi.save(file=saved)
    return saved.getvalue()


def as_we_write(midi: mido.MidiFile) -> bytes:
    tracks = []
    for track in midi.tracks:
        ticks = np.cumsum([message.time for message in track], dtype=np.int64).tolist()
        events = [
            (tick, midi_writing.encode(message))
            for tick, message in zip(ticks, track, strict=True)
            if message.type != "end_of_track"
        ]
        tracks.append(midi_writing.track(events, ticks[-1] if ticks else 0))
    return midi_writing.file(tracks, midi.ticks_per_beat)


def test_all_kinds_of_messages_are_written_as_mido_does():
    note = mido.Message("note_on", channel=9, note=36, velocity=100)
    metas = [
        mido.MetaMessage("track_name", name="Ü"),
        mido.MetaMessage("set_tempo", tempo=500_000),
        mido.MetaMessage("time_signature", numerator=6, denominator=8),
        mido.MetaMessage("key_signature", key="Bb"),
        mido.MetaMessage("text", text="x" * 300),
        mido.UnknownMetaMessage(0x60, data=[1, 2, 3]),
        mido.MetaMessage("sequencer_specific", data=[0, 1]),
    ]
    sysex = [mido.Message("sysex", data=[1] * length) for length in (0, 3, 126, 127, 128, 20_000)]
    channel = [
        mido.Message("program_change", channel=9, program=16),
        mido.Message("control_change", channel=0, control=7, value=90),
        mido.Message("pitchwheel", channel=1, pitch=-300),
        mido.Message("aftertouch", channel=2, value=5),
        mido.Message("polytouch", channel=2, note=3, value=5),
        mido.Message("note_off", channel=9, note=36, velocity=64),
    ]
    messages = [note, note, metas[0], note, sysex[1], note, *metas, *sysex, *channel, *channel]
    midi = mido.MidiFile(type=1, ticks_per_beat=960)
    midi.tracks.append(mido.MidiTrack(messages))
    midi.tracks.append(mido.MidiTrack([note, note, mido.MetaMessage("end_of_track", time=77)]))
    midi.tracks.append(mido.MidiTrack())
    assert as_we_write(midi) == as_mido_writes(midi)


@pytest.mark.parametrize("delta", [0, 1, 0x7F, 0x80, 0x3FFF, 0x4000, 0x1FFFFF, 0x200000, 0x0FFFFFFF])
def test_times_of_any_length_are_written_as_mido_does(delta):
    midi = mido.MidiFile(type=1, ticks_per_beat=480)
    midi.tracks.append(
        mido.MidiTrack(
            [
                mido.Message("note_on", time=delta),
                mido.Message("note_off"),
                mido.MetaMessage("end_of_track", time=delta),
            ]
        )
    )
    assert as_we_write(midi) == as_mido_writes(midi)
    read = mido.MidiFile(file=io.BytesIO(as_we_write(midi)))
    assert [message.time for message in read.tracks[0]] == [delta, 0, delta]


def test_a_track_ends_with_its_last_event_or_later():
    for end, expected in ((0, 5), (5, 5), (9, 9)):
        content = midi_writing.file([midi_writing.track([(5, b"\x99\x24\x64")], end)], 480)
        (track,) = mido.MidiFile(file=io.BytesIO(content)).tracks
        assert sum(message.time for message in track) == expected


def test_what_drummers_played_is_written_as_mido_does(groove_zip):
    with zipfile.ZipFile(groove_zip) as files:
        names = [name for name in files.namelist() if pathlib.PurePath(name).suffix == ".mid"]
        for name in names[:: len(names) // 40]:
            midi = mido.MidiFile(file=io.BytesIO(files.read(name)))
            midi.type = 1
            assert as_we_write(midi) == as_mido_writes(midi)
