"""The events of a MIDI file: who plays which notes, what lies before and between them, and what is refused."""

from __future__ import annotations

import struct

import mido

from pipelines.dataset.formats import midi_events
from pipelines.dataset.formats.midi_events import Controls, Instrument


def smf(*tracks: bytes, division: int = 96) -> bytes:
    header = b"MThd" + struct.pack(">LhhH", 6, 1, len(tracks), division)
    return header + b"".join(b"MTrk" + struct.pack(">L", len(track)) + track for track in tracks)


KIT = b"\0\xff\3\3kit" + b"\0\xb9\4\x10" + b"\0\x99\x24\x40\x60\x89\x24\0"  # A control, then a kick for 96 ticks.
PIANO = b"\x60\xc0\5" + b"\0\x90\x3c\x50\x30\x3c\0" + b"\0\xe0\0\x50"


def test_each_channel_and_program_of_a_track_is_an_instrument():
    song = midi_events.parse(smf(KIT + PIANO, PIANO))
    assert song.ticks_per_quarter == 96
    early = Controls(changes=[(0, 4, 16)])
    assert song.instruments == [
        Instrument(program=0, channel=10, name="kit", controls=early, notes=[(0, 96, 36, 64)]),
        Instrument(5, 1, "kit", Controls(bends=[(240, 2048)]), [(192, 240, 60, 80)]),
        Instrument(5, 1, "", Controls(bends=[(144, 2048)]), [(96, 144, 60, 80)]),
    ]


def test_tempo_metre_and_key_are_the_first_tracks():
    tempo = b"\5\xff\x51\3\7\xa1\x20"
    song = midi_events.parse(smf(tempo + KIT, tempo))
    ((tick, message),) = song.metas["set_tempo"]
    assert (tick, message.tempo) == (5, 500_000)
    assert song.metas["time_signature"] == song.metas["key_signature"] == []


def test_what_note_seq_refuses_is_none():
    assert midi_events.parse(smf(KIT)) is not None
    for data in (b"", b"MThd", smf(), smf(b""), smf(KIT)[:-1], smf(b"\0\x99\x24\x80"), smf(b"\0\x24\x40")):
        assert midi_events.parse(data) is None


def test_mido_decodes_each_meta_event_that_it_knows():
    """The reader asks mido's own table; this one is what it leans on."""
    message = midi_events.meta.build_meta_message(0x51, b"\7\xa1\x20", 7)
    assert message == mido.MetaMessage("set_tempo", tempo=500_000, time=7)
