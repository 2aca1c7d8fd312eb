"""MIDI files to hear and WAVs to look into, for the tests."""

import importlib.util
import pathlib
import wave

import mido
import numpy as np
import pytest

from pipelines.audio import libfluidsynth

SIDE_STICK, CRASH = 37, 49


def _library_reason() -> str:
    try:
        libfluidsynth.library()
    except OSError as error:
        return str(error).splitlines()[0]
    return ""


needs_library = pytest.mark.skipif(bool(_library_reason()), reason=_library_reason())


def write_midi(path, hits, *, pitch=SIDE_STICK, velocity=100, channel=9, end_secs=None):
    """Writes hits of 50 ms at the given seconds, exact to 0.1 ms."""
    midi = mido.MidiFile(ticks_per_beat=10000)
    track = midi.add_track()
    track.append(mido.MetaMessage("set_tempo", tempo=1_000_000))
    events = []
    for secs in hits:
        tick = round(secs * 10000)
        events.append((tick, mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)))
        events.append((tick + 500, mido.Message("note_off", channel=channel, note=pitch)))
    events.sort(key=lambda event: event[0])
    last = 0
    for tick, message in events:
        track.append(message.copy(time=tick - last))
        last = tick
    if end_secs is not None:
        track.append(mido.MetaMessage("end_of_track", time=round(end_secs * 10000) - last))
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.save(path)
    return path


def read_wav(path):
    with wave.open(str(path)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth()) == (2, 2)
        samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2) / 32768
        return samples, wav.getframerate()


def without_kits(path):
    """Writes pretty_midi's soundfont without its drums: the bank of each kit is another."""
    folder = importlib.util.find_spec("pretty_midi").submodule_search_locations[0]
    data = bytearray((pathlib.Path(folder) / "TimGM6mb.sf2").read_bytes())
    start = data.index(b"phdr") + 8
    for place in range(start, start + int.from_bytes(data[start - 4 : start], "little"), 38):
        if data[place + 22 : place + 24] == b"\x80\0":  # SoundFont 2.04, section 7.2.
            data[place + 22] = 100
    path.write_bytes(data)
    return path
