"""FluidSynth without a sound device: MIDI messages in, samples out, with libfluidsynth 1, 2 or 3.

The library is loaded when it is first needed, so that everything else works without it.
"""

from __future__ import annotations

import ctypes
import functools
import os
import pathlib
import threading
import types
from collections.abc import Callable, Collection

import mido
import numpy as np
from absl import logging

from pipelines.audio import soundfont
from pipelines.files import midi_files

SAMPLE_RATE_HZ = 44100
MIN_SAMPLE_RATE_HZ = 8000  # FluidSynth's own range.
MAX_SAMPLE_RATE_HZ = 96000

GAIN = 0.2  # FluidSynth's default. Samples are floats until they are written: nothing clips on the way.
BLOCK = 64  # Samples FluidSynth computes at once; a note starts where a block does.
CLICK_CHANNEL = 16  # The first that no MIDI file can reach: clicks have their own kit, volume and controllers.

_FILE_CHANNELS = 16
_SUSTAIN_PEDAL = 64
_LOG_LEVELS = 5
_creation = threading.Lock()  # libfluidsynth 1 prepares global tables, unguarded, in its first synthesizer.

HOW_TO_INSTALL = (
    "libfluidsynth was not found: MIDI and pictures are made without it, sound is not\n"
    "  Debian, Ubuntu: sudo apt-get install libfluidsynth3 (older ones: libfluidsynth2 or 1);"
    " macOS: brew install fluid-synth; Windows: choco install fluidsynth"
)


@functools.cache
def library() -> types.ModuleType:
    """Returns pyfluidsynth with its library loaded, and FluidSynth's messages sent to our log.

    Raises:
        OSError: pyfluidsynth or libfluidsynth is missing; the message says what to install.
    """
    try:
        with midi_files.importing_libraries():
            import fluidsynth
    except ModuleNotFoundError as error:
        raise OSError("pyfluidsynth is not installed: pip install pyfluidsynth") from error
    except (ImportError, OSError) as error:
        raise OSError(HOW_TO_INSTALL) from error
    _keep_quiet(fluidsynth)
    return fluidsynth


def library_version() -> tuple[int, int, int]:
    """Returns libfluidsynth's version, such as (2, 3, 1); libfluidsynth3 is 2.2 and later."""
    parts = [ctypes.c_int() for _ in range(3)]
    library().fluid_version(*parts)
    return tuple(part.value for part in parts)


class Synthesizer:
    """One FluidSynth with one soundfont, no sound device and no driver; use it in a `with`, in one thread.

    Making one loads the soundfont; libfluidsynth 2 and 3 share the samples with those already open.

    Args:
        soundfont_path: The soundfont to play.
        sample_rate_hz: Samples a second.
        channels: The channels that will be played, counted from 0; each has program 0 until a message says another.
            `CLICK_CHANNEL` has a drum kit.
        chorus: Whether there is any. It takes a sixth of the time, and does nothing to drums.

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
            self._synth = library().Synth(GAIN, sample_rate_hz, num_channels, **settings)
        loaded = self._synth.sfload(os.fspath(soundfont_path), 0)
        if loaded == library().FLUID_FAILED:
            self._synth.delete()
            version = ".".join(map(str, library_version()))
            raise ValueError(
                f"{soundfont_path}: FluidSynth {version} cannot load this soundfont; choose another with --soundfont"
            )
        for channel in channels:
            if channel != CLICK_CHANNEL:
                self._synth.program_change(channel, 0)
            elif self._synth.program_select(channel, loaded, soundfont.DRUM_BANK, 0) == library().FLUID_FAILED:
                self._synth.delete()
                raise ValueError(f"{soundfont_path}: has no drum kit to click with; choose another with --soundfont")

    def __enter__(self) -> Synthesizer:
        return self

    def __exit__(self, *_: object) -> None:
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
        address = samples.ctypes.data_as(ctypes.c_void_p)
        _float_writer()(self._synth.synth, len(samples), address, 0, 2, address, 1, 2)


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


@functools.cache
def _float_writer() -> Callable[..., int]:
    """Returns `fluid_synth_write_float`, left out by pyfluidsynth; unlike the 16-bit one it cannot clip."""
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    return library().cfunc(
        "fluid_synth_write_float",
        integer,
        ("synth", pointer, 1),
        ("len", integer, 1),
        ("lout", pointer, 1),
        ("loff", integer, 1),
        ("lincr", integer, 1),
        ("rout", pointer, 1),
        ("roff", integer, 1),
        ("rincr", integer, 1),
    )


_LogFunction = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


@_LogFunction  # Kept by the module: FluidSynth calls it for as long as the process lives.
def _log(_level: int, message: bytes, _data: object) -> None:
    """FluidSynth complains of sound devices that are not asked for; --verbosity=1 shows what it says."""
    logging.vlog(1, "fluidsynth: %s", message.decode(errors="replace"))


def _keep_quiet(fluidsynth: types.ModuleType) -> None:
    set_log_function = fluidsynth.cfunc(
        "fluid_set_log_function",
        ctypes.c_void_p,
        ("level", ctypes.c_int, 1),
        ("function", _LogFunction, 1),
        ("data", ctypes.c_void_p, 1),
    )
    for level in range(_LOG_LEVELS):
        set_log_function(level, _log, None)
