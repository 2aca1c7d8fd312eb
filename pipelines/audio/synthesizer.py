"""FluidSynth without a sound device: MIDI messages in, samples out."""

from __future__ import annotations

import ctypes
import os
import pathlib
import threading
from collections.abc import Collection

import mido
import numpy as np

from pipelines.audio import libfluidsynth, soundfont
from pipelines.audio.shelf import Shelf

SAMPLE_RATE_HZ = 44100
MIN_SAMPLE_RATE_HZ = 8000  # FluidSynth's own range.
MAX_SAMPLE_RATE_HZ = 96000

GAIN = 0.2  # FluidSynth's default. Samples are floats until they are written: nothing clips on the way.
BLOCK = 64  # Samples FluidSynth computes at once; a note starts where a block does.
CLICK_CHANNEL = 16  # The first that no MIDI file can reach: clicks have their own kit, volume and controllers.

_FILE_CHANNELS = 16
_SUSTAIN_PEDAL = 64
# The synthesizer and how many samples; for the left and the right ones where they go, from where and how far apart.
_OF_WRITE_FLOAT = (ctypes.c_void_p, ctypes.c_int, *(ctypes.c_void_p, ctypes.c_int, ctypes.c_int) * 2)
_creation = threading.Lock()  # libfluidsynth 1 prepares global tables, unguarded, in its first synthesizer.


class Synthesizer:
    """One FluidSynth with one soundfont, no sound device and no driver; use it in a `with`, in one thread.

    Making one loads the soundfont; libfluidsynth 2 and 3 share the samples with those already open.

    Args:
        soundfont_path: The soundfont to play.
        sample_rate_hz: Samples a second.
        channels: The channels that will be played, counted from 0; each has program 0 until a message says another.
            `CLICK_CHANNEL` has a drum kit.
        chorus: Whether there is any. It takes a sixth of the time, and does nothing to drums.
        shelf: Where the soundfont is taken from, if it lies there, and put afterwards.

    Raises:
        ValueError: the library cannot load this soundfont, or it has no drum kit to click with.
    """

    def __init__(
        self,
        soundfont_path: str | os.PathLike[str],
        sample_rate_hz: int,
        channels: Collection[int] = (),
        *,
        chorus: bool = False,
        shelf: Shelf | None = None,
    ) -> None:
        check_sample_rate(sample_rate_hz)
        settings = {
            "synth.chorus.active": int(chorus),
            "synth.threadsafe-api": 0,
            # Or a .sf3 is decoded whole, which takes seconds. With .sf2, FluidSynth 2.3 then plays what lies behind the
            # end of some samples.
            "synth.dynamic-sample-loading": int(pathlib.Path(soundfont_path).suffix.lower() == soundfont.COMPRESSED),
        }
        num_channels = _FILE_CHANNELS * (2 if CLICK_CHANNEL in channels else 1)
        with _creation:
            self._synth = libfluidsynth.library().Synth(GAIN, sample_rate_hz, num_channels, **settings)
        failed = libfluidsynth.library().FLUID_FAILED
        self._path, self._shelf = soundfont_path, shelf
        self._loaded = (
            shelf.load(self._synth, soundfont_path) if shelf else self._synth.sfload(os.fspath(soundfont_path), 0)
        )
        if self._loaded == failed:
            self._synth.delete()
            version = ".".join(map(str, libfluidsynth.version()))
            raise ValueError(
                f"{soundfont_path}: FluidSynth {version} cannot load this soundfont; choose another with --soundfont"
            )
        for channel in channels:
            if channel != CLICK_CHANNEL:
                self._synth.program_change(channel, 0)
            elif self._synth.program_select(channel, self._loaded, soundfont.DRUM_BANK, 0) == failed:
                self._delete()
                raise ValueError(f"{soundfont_path}: has no drum kit to click with; choose another with --soundfont")

    def __enter__(self) -> Synthesizer:
        return self

    def __exit__(self, *_: object) -> None:
        self._delete()

    def _delete(self) -> None:
        if self._shelf:
            self._shelf.delete(self._synth, self._path, self._loaded)
        else:
            self._synth.delete()

    def send(self, message: mido.Message) -> None:
        """Plays one MIDI message now. What changes no sound here (meta, sysex, aftertouch) is passed over."""
        synth = self._synth
        if message.type == "note_on":
            synth.noteon(message.channel, message.note, message.velocity)
        elif message.type == "note_off":
            synth.noteoff(message.channel, message.note)
        elif message.type == "program_change":
            synth.program_change(message.channel, message.program)
        elif message.type == "control_change":
            synth.cc(message.channel, message.control, message.value)
        elif message.type == "pitchwheel":
            synth.pitch_bend(message.channel, message.pitch)

    def click(self, key: int, velocity: int) -> None:
        """Hits a drum of the kit that clicks."""
        self._synth.noteon(CLICK_CHANNEL, key, velocity)

    def release(self) -> None:
        """Lets go of every key and pedal; what sounds dies away as its instrument does."""
        for channel in range(_FILE_CHANNELS):
            self._synth.cc(channel, _SUSTAIN_PEDAL, 0)
            self._synth.all_notes_off(channel)

    def write(self, samples: np.ndarray) -> None:
        """Fills `samples`, C-contiguous float32 `[samples, 2]`, with what sounds next."""
        # Unlike the 16-bit one that pyfluidsynth has, it cannot clip.
        write_float = libfluidsynth.function("fluid_synth_write_float", ctypes.c_int, *_OF_WRITE_FLOAT)
        address = samples.ctypes.data_as(ctypes.c_void_p)
        write_float(self._synth.synth, len(samples), address, 0, 2, address, 1, 2)


def check_sample_rate(sample_rate_hz: int) -> None:
    """Raises ValueError unless FluidSynth can play at this rate."""
    if not MIN_SAMPLE_RATE_HZ <= sample_rate_hz <= MAX_SAMPLE_RATE_HZ:
        raise ValueError(
            f"--sample_rate={sample_rate_hz}: FluidSynth plays at"
            f" {MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ} Hz; {SAMPLE_RATE_HZ} is usual"
        )


def block_start(secs: float, sample_rate_hz: int) -> int:
    """Returns the sample that the block nearest to a time starts with."""
    return round(secs * sample_rate_hz / BLOCK) * BLOCK
