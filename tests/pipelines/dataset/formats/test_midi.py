"""MIDI to NoteSequences: the same as note-seq's, of whole, odd and damaged files, and what is refused."""

from __future__ import annotations

import io
import pathlib
import random
import struct
import subprocess
import sys
import time
import tracemalloc
import warnings
import zipfile

import note_seq
import pretty_midi
import pytest

from pipelines.dataset.formats import midi

STARTER = sorted((pathlib.Path(__file__).resolve().parents[4] / "data" / "starter").rglob("*.mid"))
END = b"\0\xff\x2f\0"
HIT = b"\0\x99\x24\x40\x60\x89\x24\0"  # A kick for 96 ticks.
KICK = (0, 96, 36, 64)


def variable_int(number: int) -> bytes:
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(number & 0x7F | 0x80)
    return bytes(reversed(digits))


def meta(kind: int, data: bytes, delta: int = 0) -> bytes:
    return variable_int(delta) + bytes([0xFF, kind]) + variable_int(len(data)) + data


def tempo(microseconds: int, delta: int = 0) -> bytes:
    return meta(0x51, microseconds.to_bytes(3, "big"), delta)


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack(">L", len(data)) + data


def smf(*tracks: bytes, kind: int = 1, division: int = 480, num_tracks: int | None = None) -> bytes:
    num_tracks = len(tracks) if num_tracks is None else num_tracks
    header = chunk(b"MThd", struct.pack(">hhH", kind, num_tracks, division))
    return header + b"".join(chunk(b"MTrk", track) for track in tracks)


def referee(data: bytes) -> note_seq.NoteSequence:
    """Returns note-seq's own NoteSequence, or raises what it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return note_seq.midi_to_note_sequence(pretty_midi.PrettyMIDI(io.BytesIO(data)))


def serialized(sequence: note_seq.NoteSequence) -> bytes:
    return sequence.SerializeToString(deterministic=True)


def judged_alike(data: bytes) -> bool:
    """Asserts that we and the referee make the same of a file; returns whether that is a NoteSequence."""
    try:
        expected = serialized(referee(data))
    except Exception:
        with pytest.raises(ValueError, match=r"^unreadable MIDI: ."):
            midi.read_midi(data)
        return False
    assert serialized(midi.read_midi(data)) == expected
    return True


@pytest.fixture
def alone(monkeypatch):
    """Takes the fallback away."""

    def not_alone(*_):
        raise AssertionError("given to note-seq")

    monkeypatch.setattr(midi, "_read_with_note_seq", not_alone)


@pytest.fixture
def few_ticks(monkeypatch):
    """Lets files of a hundred million ticks be refused, for which the referee would take gigabytes."""
    monkeypatch.setattr(pretty_midi.pretty_midi, "MAX_TICK", 1e7)


@pytest.mark.parametrize("path", STARTER, ids=lambda path: path.stem)
def test_starter_files_are_read_as_note_seq_reads_them(path, alone):
    assert judged_alike(path.read_bytes())


@pytest.mark.thorough
def test_groove_files_are_read_as_note_seq_reads_them(groove_zip, alone):
    with zipfile.ZipFile(groove_zip) as archive:
        names = [name for name in archive.namelist() if name.endswith(".mid")]
        assert len(names) >= 1021
        for name in names:
            assert judged_alike(archive.read(name)), name


TWO_CHANNELS = b"\0\x90\x3c\x40\0\x99\x24\x41\x10\x80\x3c\0\0\x89\x24\0"
ODD = {
    "format 0": smf(HIT + END, kind=0),
    "format 2": smf(HIT + END, HIT + END, kind=2),
    "format 7": smf(HIT + END, kind=7),
    "no end of track": smf(HIT),
    "two ends of track": smf(END + HIT + END),
    "bytes after the last track": smf(HIT + END) + b"junk",
    "fewer tracks announced than there are": smf(HIT, HIT, num_tracks=1),
    "a longer header": chunk(b"MThd", struct.pack(">hhh", 1, 1, 96) + b"more") + chunk(b"MTrk", HIT),
    "one tick a quarter": smf(HIT + END, division=1),
    "velocity 0 ends a note": smf(b"\0\x99\x24\x40\x60\x99\x24\0" + END),
    "running status": smf(b"\0\x99\x24\x40\x10\x26\x41\x10\x24\0\x10\x26\0" + END),
    "running status across a meta event": smf(b"\0\x99\x24\x40" + meta(1, b"x") + b"\x10\x24\0"),
    "running status of programs and aftertouch": smf(b"\0\xc9\5\0\6\0\xd9\5\0\6" + HIT),
    "running status of a system message": smf(HIT + b"\0\xf2\1\2\0\3\4\0\xf1\5\0\6"),
    "running status of sysex": smf(HIT + b"\0\xf0\2\1\xf7\0\x33\2\1\xf7" + END),
    "two note-ons, one note-off": smf(b"\0\x99\x24\x40\x10\x99\x24\x41\x10\x89\x24\0" + END),
    "two note-ons, two note-offs": smf(b"\0\x99\x24\x40\x10\x99\x24\x41\x10\x89\x24\0\x10\x89\x24\0"),
    "a note of no length": smf(b"\0\x99\x24\x40\0\x89\x24\0\x10\x89\x24\0" + HIT),
    "two notes of no length": smf(b"\0\x99\x24\x40\0\x99\x24\x41\0\x89\x24\0\x10\x89\x24\0" + HIT),
    "note-on before note-off on one tick": smf(b"\0\x99\x24\x40\x10\x99\x24\x41\0\x89\x24\0\x10\x89\x24\0"),
    "a note-on that nothing ends": smf(b"\0\x99\x26\x40" + HIT),
    "a note-off that ends nothing": smf(b"\0\x89\x26\x40" + HIT),
    "a note-off in another track": smf(b"\0\x99\x26\x40", b"\x10\x89\x26\0" + HIT),
    "channels": smf(TWO_CHANNELS),
    "channels in two tracks": smf(TWO_CHANNELS, TWO_CHANNELS + END),
    "programs": smf(b"\0\xc0\5" + TWO_CHANNELS + b"\0\xc0\6" + TWO_CHANNELS + b"\0\xc0\5" + TWO_CHANNELS),
    "a program that changes while a note sounds": smf(b"\0\x90\x24\x40\x10\xc0\5\x10\x80\x24\0"),
    "controls before the first note": smf(b"\0\xb9\4\x10\1\xe9\0\x50" + HIT + b"\0\xb9\4\x11"),
    "controls before a program's first note": smf(HIT + b"\0\xb9\4\1\0\xc9\5\0\xb9\4\2" + HIT + b"\0\xb9\4\3"),
    "controls that two programs share": smf(b"\0\xb9\4\1" + HIT + b"\0\xc9\5\0\xb9\4\2" + HIT + b"\0\xc9\0\0\xb9\4\3"),
    "controls of a channel without notes": smf(b"\0\xb1\4\1\0\xe1\1\2" + HIT),
    "pitch bends": smf(HIT + b"\0\xe9\0\0\1\xe9\x7f\x7f\1\xe9\0\x40\1\1\x40"),
    "all channels": smf(b"".join(bytes([0, 0x90 | n, 9, 9, 5, 0x80 | n, 9, 9, 0, 0xE0 | n, 9, 9]) for n in range(16))),
    "aftertouch": smf(b"\0\xa9\x24\x40\1\xd9\x40" + HIT),
    "tempos": smf(tempo(400_000) + HIT + tempo(333_333, 100) + HIT + tempo(333_333, 9) + tempo(700_001, 9) + HIT + HIT),
    "two tempos at the beginning": smf(tempo(400_000) + tempo(333_333) + HIT),
    "two tempos on one tick": smf(HIT + tempo(400_000, 5) + tempo(333_333) + HIT),
    "a first tempo that comes late": smf(HIT + tempo(400_000, 5) + HIT),
    "the fastest and the slowest tempo": smf(tempo(1) + HIT + tempo(0xFFFFFF, 5) + HIT),
    "a tempo longer than three bytes": smf(meta(0x51, b"\7\xa1\x20\0") + HIT),
    "a tempo after the last note": smf(HIT + tempo(400_000, 10_000)),
    "tempo, metre and key in the second track": smf(
        HIT, tempo(400_000) + meta(0x58, b"\6\3\x18\x08") + meta(0x59, b"\1\0") + HIT
    ),
    "metres": smf(meta(0x58, b"\4\2\x18\x08") + HIT + meta(0x58, b"\xff\0\x18\x08", 7) + meta(0x58, b"\6\3\x18\x08")),
    "the finest metre": smf(meta(0x58, bytes([4, 28, 0, 0])) + HIT),
    "keys": smf(b"".join(meta(0x59, bytes([n & 0xFF, m]), 5) for n in range(-7, 8) for m in (0, 1)) + HIT),
    "a key that a later one replaces": smf(meta(0x59, b"\0\0") + meta(0x59, b"\1\0") + HIT),
    "sysex": smf(b"\0\xf0\4\1\2\3\xf7" + HIT + b"\0\xf7\1\1\0\xf0\0" + HIT),
    "sysex that says where it starts": smf(b"\x60\xf0\4\xf0\2\3\xf7" + HIT),
    "system messages": smf(b"\1\xf6\1\xf8\1\xfa\1\xfb\1\xfc\1\xfe\1\xf1\1\1\xf3\1" + HIT),
    "track name in Latin-1": smf(meta(3, "Schlagzeug, übermütig".encode("latin1")) + HIT),
    "track name in UTF-8": smf(meta(3, "太鼓".encode()) + HIT),
    "names of two tracks": smf(meta(3, b"conductor"), meta(3, b"kit") + HIT, meta(3, b"") + HIT),
    "a name after the first note": smf(HIT + meta(3, b"late") + TWO_CHANNELS),
    "a name before an early control's note": smf(b"\0\xb9\4\1" + meta(3, b"kit") + HIT),
    "texts and lyrics": smf(meta(1, "é".encode("latin1")) + meta(5, b"la \xff\xfe") + HIT, meta(5, b"la", 3)),
    "other meta events": smf(b"".join(meta(kind, b"\1\1\1\1\1") for kind in (0, 2, 4, 6, 7, 9, 32, 33, 84, 127)) + HIT),
    "empty meta events": smf(b"".join(meta(kind, b"", 5) for kind in (0, 1, 3, 33, 47, 127)) + HIT),
    "an unknown meta event, whose delta mido forgets": smf(HIT + meta(0x60, b"x", 100) + HIT),
    "a delta of five bytes": smf(b"\x80\x80\x80\x80\x10\x99\x24\x40\x10\x89\x24\0"),
    "SMPTE frames without notes": smf(b"\x60\xb9\4\1" + tempo(400_000, 5) + END, division=0xE728),
    "no notes": smf(END),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_files_are_read_as_note_seq_reads_them(name, alone):
    assert judged_alike(ODD[name])


def notes(sequence: note_seq.NoteSequence) -> list[tuple[float, float, int, int]]:
    """Returns (start tick, end tick, pitch, velocity) at 480 ticks a quarter and 120 qpm."""
    return [(round(n.start_time * 960, 6), round(n.end_time * 960, 6), n.pitch, n.velocity) for n in sequence.notes]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("no end of track", [KICK]),
        ("two note-ons, one note-off", [(0, 32, 36, 64), (16, 32, 36, 65)]),
        ("a note of no length", [(16, 112, 36, 64)]),
        ("note-on before note-off on one tick", [(0, 16, 36, 64), (16, 32, 36, 65)]),
        ("a note-on that nothing ends", [KICK]),
        ("a note-off in another track", [(16, 112, 36, 64)]),
        ("running status", [(0, 32, 36, 64), (16, 48, 38, 65)]),
        ("an unknown meta event, whose delta mido forgets", [KICK, (96, 192, 36, 64)]),
    ],
)
def test_which_notes_odd_files_hold(name, expected):
    assert notes(midi.read_midi(ODD[name])) == expected


def test_all_of_a_small_file(alone):
    data = smf(
        meta(3, b"kit") + tempo(400_000) + meta(0x58, b"\6\3\x18\x08") + meta(0x59, b"\xfd\1") + b"\0\xb9\4\x5a" + HIT
    )
    expected = note_seq.NoteSequence(ticks_per_quarter=480, total_time=0.08)
    expected.source_info.parser = note_seq.NoteSequence.SourceInfo.PRETTY_MIDI
    expected.source_info.encoding_type = note_seq.NoteSequence.SourceInfo.MIDI
    expected.tempos.add(qpm=150)
    expected.time_signatures.add(numerator=6, denominator=8)
    expected.key_signatures.add(key=note_seq.NoteSequence.KeySignature.C, mode=note_seq.NoteSequence.KeySignature.MINOR)
    expected.instrument_infos.add(name="kit")
    expected.notes.add(end_time=0.08, pitch=36, velocity=64, is_drum=True)
    expected.control_changes.add(control_number=4, control_value=90, is_drum=True)
    assert midi.read_midi(data) == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file ends too early"),
        (b"MThd", "the file ends too early"),
        (b"no MIDI at all", "MThd not found. Probably not a MIDI file"),
        (smf(HIT, num_tracks=2), "the file ends too early"),
        (smf(HIT)[:-1], "the file ends too early"),
        (smf() + chunk(b"MTrk", HIT)[:-3], "no tracks, or one without events"),
        (smf(num_tracks=-1), "no tracks, or one without events"),
        (smf(HIT, b""), "no tracks, or one without events"),
        (smf(num_tracks=1) + chunk(b"XFIH", HIT), "no MTrk header at start of track"),
        (smf(b"\0\x24\x40"), "running status without last_status"),
        (smf(meta(1, b"") + b"\0\x24\x40"), "running status without last_status"),
        (smf(b"\0\x99\x24\x80"), "data byte must be in range 0..127"),
        (smf(b"\0\x99\xa4\x40"), "data byte must be in range 0..127"),
        (smf(b"\0\xc9\x80"), "data byte must be in range 0..127"),
        (smf(b"\0\xf4"), "undefined status byte 0xf4"),
        (smf(b"\0\xf8\0\1" + HIT), "wrong number of bytes for clock message"),
        (smf(b"\0\xf0\2\x80\xf7" + HIT), "data byte must be in range 0..127"),
        (smf(b"\0\xf0\xbd\x84\x41" + HIT), "Message length 1000001 exceeds maximum length 1000000"),
        (smf(b"\0\xff\1\xbd\x84\x41" + HIT), "Message length 1000001 exceeds maximum length 1000000"),
        (smf(meta(1, bytes(1_000_001)) + HIT), "Message length 1000001 exceeds maximum length 1000000"),
        (smf(meta(0x59, b"\x09\0") + HIT), "Could not decode key with 9 sharps and mode 0"),
        (smf(HIT, meta(0x59, b"\x09\0")), "Could not decode key with 9 sharps and mode 0"),
        (smf(meta(0x58, b"\0\2\x18\x08") + HIT), "0 is not a valid `numerator` type or value"),
        (smf(meta(0x58, b"\4\x20\x18\x08") + HIT), "Invalid time signature denominator 4294967296"),
        (smf(meta(0x58, b"\4\x1d\x18\x08") + HIT), "denominator must be a power of 2"),  # 2 ** 29: mido's rounding.
        (smf(meta(0x58, b"\4") + HIT), "a meta event is too short"),
        (smf(tempo(0) + HIT), "a tempo or a time division of zero"),
        (smf(HIT, division=0), "a tempo or a time division of zero"),
        (smf(meta(0x54, b"\xff\0\0\0\0") + HIT), "an SMPTE offset with an unknown frame rate"),
        (smf(HIT, division=0xE728), "its time is in SMPTE frames, not in quarters"),
        (smf(b"\5" + meta(0x58, b"\4\2\x18\x08")[1:], division=0xE728), "its time is in SMPTE frames, not in quarters"),
        (
            smf(variable_int(10_000_000_000) + b"\x99\x24\x40"),
            "MIDI file has a largest tick of 10000000001, it is likely corrupt",
        ),
    ],
)
def test_refused_with_one_line(data, reason):
    assert not judged_alike(data)
    with pytest.raises(ValueError) as caught:
        midi.read_midi(data)
    assert str(caught.value) == f"unreadable MIDI: {reason}"


def test_cut_off_anywhere():
    data = ODD["tempos"] + b"\0"
    assert [judged_alike(data[:length]) for length in range(len(data))].count(True) == 1


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Returns a file with bytes flipped, cut, repeated and inserted; in most, its only track's length is put right."""
    damaged = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        position = rng.randrange(60 if rng.random() < 0.3 else len(damaged))
        match rng.randrange(5):
            case 0:
                damaged[position] ^= 1 << rng.randrange(8)
            case 1:
                damaged[position] = rng.randrange(128)
            case 2:
                del damaged[position : position + rng.choice([1, 2, 3, 4, 50])]
            case 3:
                damaged[position:position] = damaged[position : position + rng.randrange(1, 20)]
            case 4:
                damaged[position:position] = rng.randbytes(rng.randrange(1, 4))
    if rng.random() < 0.75 and damaged[14:18] == b"MTrk":
        damaged[18:22] = struct.pack(">L", len(damaged) - 22)
    return bytes(damaged)


def test_damaged_files_are_judged_as_note_seq_judges_them(few_ticks):
    rng = random.Random(1)
    whole = [path.read_bytes() for path in STARTER]
    num_read = sum(judged_alike(damaged(rng.choice(whole), rng)) for _ in range(1000))
    assert 200 < num_read < 800


def random_event(rng: random.Random) -> bytes:
    """Returns an event, of any kind, most of them valid; few channels, keys and programs, so that they meet."""
    delta = variable_int(rng.choice([0, 0, 0, 1, 96, 5000]))
    channel, pitch, value = rng.choice([0, 9, 9]), rng.choice([36, 38]), rng.randrange(128)
    data = rng.randbytes(rng.randrange(6))
    metas = [
        (0x51, rng.choice([b"\7\xa1\x20", b"\6\x1a\x80", b"\0\0\1"])),
        (0x58, bytes([rng.randrange(1, 256), rng.choice([0, 1, 2, 3, 3, 30])]) + b"\x18\x08"),
        (0x59, bytes([rng.randrange(-7, 8) & 0xFF, rng.randrange(2)])),
        (rng.choice([1, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9, 0x60, 0x7F]), data),
        (rng.choice([0, 0x20, 0x21, 0x2F]), data + b"\0\0"),
    ]
    kind, contents = rng.choice(metas)
    ons, offs = [bytes([0x90 | channel, pitch, rng.choice([0, 1, 90])])] * 6, [bytes([0x80 | channel, pitch, 0])] * 5
    return delta + rng.choice(
        [
            *ons,
            *offs,
            bytes([0xA0 | channel, pitch, value]),
            bytes([0xB0 | channel, pitch, value]),
            bytes([0xC0 | channel, rng.randrange(3)]),
            bytes([0xD0 | channel, value]),
            bytes([0xE0 | channel, pitch, value]),
            bytes([pitch, value]),  # Running status.
            bytes([0xFF, kind]) + variable_int(len(contents)) + contents,
            rng.choice([b"\xf0\2\1\xf7", b"\xf7\1\x7f", b"\xf1\1", b"\xf2\1\1", b"\xf8"]),
        ]
    )


def test_random_events_are_read_as_note_seq_reads_them(few_ticks):
    rng = random.Random(2)
    num_read = 0
    for _ in range(1000):
        tracks = [
            b"".join(random_event(rng) for _ in range(rng.choice([1, 10, 30, 60]))) for _ in range(rng.randrange(1, 4))
        ]
        num_read += judged_alike(smf(*tracks, kind=rng.randrange(3), division=rng.choice([480, 480, 1, 96, 32767])))
    assert 300 < num_read < 900


CHANNELS = [1, 2, 9, 10, 16, "all"]


@pytest.mark.parametrize("drum_channel", CHANNELS)
def test_both_readers_take_the_drums_of_the_same_channel(drum_channel):
    for name, data in ODD.items():
        assert serialized(midi.read_midi(data, drum_channel)) == serialized(
            midi._read_with_note_seq(data, drum_channel)
        ), name
    for path in STARTER[::10]:
        data = path.read_bytes()
        assert serialized(midi.read_midi(data, drum_channel)) == serialized(
            midi._read_with_note_seq(data, drum_channel)
        ), path


@pytest.mark.parametrize("drum_channel", [1, 2, 10, 16])
def test_another_channel_has_drums_as_if_it_were_the_tenth(drum_channel, alone):
    """Both channels change places in the bytes, and note-seq reads them."""
    swapped = {drum_channel - 1: 9, 9: drum_channel - 1}
    for seed in range(200):
        tracks, as_tenth = (random_tracks(seed, mapped) for mapped in ({}, swapped))
        assert serialized(midi.read_midi(smf(*tracks), drum_channel)) == serialized(referee(smf(*as_tenth)))


def random_tracks(seed: int, mapped: dict[int, int]) -> list[bytes]:
    """Returns tracks of notes, controls, bends and programs on a few channels, some of which are `mapped` to others."""
    rng = random.Random(seed)
    tracks = []
    for _ in range(rng.randrange(1, 4)):
        events = []
        for _ in range(40):
            channel = rng.choice([0, 0, 1, 9, 9, 15])
            kind = rng.choice([0x90, 0x90, 0x90, 0x80, 0x80, 0xB0, 0xE0, 0xC0])
            data = bytes([rng.choice([36, 38]), rng.choice([0, 40, 90])])[: 1 if kind == 0xC0 else 2]
            events.append(variable_int(rng.choice([0, 1, 96])) + bytes([kind | mapped.get(channel, channel)]) + data)
        tracks.append(b"".join(events))
    return tracks


def test_the_channel_changes_nothing_but_what_is_marked_as_drums(alone):
    data = ODD["all channels"]
    for drum_channel in CHANNELS:
        sequence = midi.read_midi(data, drum_channel)
        expected = midi.read_midi(data)
        for events in ("notes", "pitch_bends"):
            for number, event in enumerate(getattr(expected, events)):
                event.is_drum = drum_channel in ("all", number + 1)
        assert serialized(sequence) == serialized(expected)


def test_files_are_refused_alike_whatever_channel_has_the_drums():
    for data in (b"", b"no MIDI at all", smf(HIT, b""), smf(meta(0x59, b"\x09\0") + HIT), smf(HIT, division=0xE728)):
        said = set()
        for drum_channel in CHANNELS:
            with pytest.raises(ValueError, match=r"^unreadable MIDI: ") as caught:
                midi.read_midi(data, drum_channel)
            said.add(str(caught.value))
        assert len(said) == 1


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (ODD["channels in two tracks"], {1: 2, 10: 2}),
        (ODD["programs"], {1: 3, 10: 3}),
        (ODD["all channels"], dict.fromkeys(range(1, 17), 1)),
        (ODD["controls of a channel without notes"], {10: 1}),
        (ODD["no notes"], {}),
        (b"no MIDI at all", {}),
    ],
)
def test_notes_are_counted_by_channel(data, expected):
    assert midi.count_by_channel(data) == expected


def test_a_billion_ticks_take_no_memory(alone):
    """pretty_midi fills 8 GB with the times of all ticks."""
    tick = 1_000_000_000
    data = smf(tempo(400_000) + b"\0\x99\x24\x40" + variable_int(tick) + b"\x89\x24\0" + END)
    tracemalloc.start()
    try:
        (note,) = midi.read_midi(data).notes
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert note.end_time == 60 / (150.0 * 480) * tick


def test_it_is_faster_than_note_seq():
    data = max((path.read_bytes() for path in STARTER), key=len)
    secs = {}
    for read in (midi.read_midi, referee):
        tries = []
        for _ in range(5):
            start = time.perf_counter()
            read(data)
            tries.append(time.perf_counter() - start)
        secs[read] = min(tries)
    assert secs[midi.read_midi] * 4 < secs[referee]


def test_ctrl_c_is_not_taken_for_a_damaged_file(monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(midi.pretty_midi, "PrettyMIDI", interrupted)
    with pytest.raises(KeyboardInterrupt):
        midi.read_midi(b"")


def test_advice_for_programmers_is_not_shown():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        midi.read_midi(ODD["tempo, metre and key in the second track"])
        midi._read_with_note_seq(ODD["tempo, metre and key in the second track"])


def test_import_is_silent_and_without_tensorflow():
    modules = "{'tensorflow', 'magenta', 'models'} & {*sys.modules}"
    program = f"import sys, pipelines.dataset.formats.midi; print(sorted({modules}))"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=pathlib.Path(__file__).resolve().parents[4]
    )
    assert (run.stdout, run.stderr, run.returncode) == ("[]\n", "", 0)
