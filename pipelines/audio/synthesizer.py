"""FluidSynth without a sound device: a MIDI file in, samples out, with libfluidsynth 1, 2 or 3.

The library is loaded when it is first needed, so that everything else works without it.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
import types
from collections.abc import Callable

import mido
import numpy as np
from absl import logging

from pipelines.files import midi_files

SAMPLE_RATE_HZ = 44100
MIN_SAMPLE_RATE_HZ = 8000  # FluidSynth's own range.
MAX_SAMPLE_RATE_HZ = 96000
MAX_SECS = 1800  # Half an hour takes 0.7 GB while it is being made.

GAIN = 0.2  # FluidSynth's default. Samples are floats until they are normalised: nothing clips on the way.
BLOCK = 64  # Samples FluidSynth computes at once; a note starts where a block does.
TAIL_LEVEL = 10 ** (-60 / 20)  # Of the peak, below which the sound has died away.
TAIL_QUIET_SECS = 0.2
MAX_TAIL_SECS = 5.0
FADE_SECS = 0.01
SILENCE = 1e-5  # A peak below this (-100 dBFS) is nothing that a soundfont played.

_CHANNELS = 16
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
    """One FluidSynth with one soundfont, no sound device and no driver; use it in a `with`.

    Making one loads the soundfont; libfluidsynth 2 and 3 share the samples with those already open.

    Raises:
        ValueError: the library cannot load this soundfont.
    """

    def __init__(self, soundfont_path: str | os.PathLike[str], sample_rate_hz: int):
        check_sample_rate(sample_rate_hz)
        with _creation:
            self._synth = library().Synth(GAIN, sample_rate_hz, _CHANNELS)
        if self._synth.sfload(os.fspath(soundfont_path), 1) == library().FLUID_FAILED:
            self._synth.delete()
            version = ".".join(map(str, library_version()))
            raise ValueError(
                f"{soundfont_path}: FluidSynth {version} cannot load this soundfont; choose another with --soundfont"
            )

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

    def release(self) -> None:
        """Lets go of every key and pedal; what sounds dies away as its instrument does."""
        for channel in range(_CHANNELS):
            self._synth.cc(channel, _SUSTAIN_PEDAL, 0)
            self._synth.all_notes_off(channel)

    def write(self, samples: np.ndarray) -> None:
        """Fills `samples`, C-contiguous float32 `[samples, 2]`, with what sounds next."""
        address = samples.ctypes.data_as(ctypes.c_void_p)
        _float_writer()(self._synth.synth, len(samples), address, 0, 2, address, 1, 2)


def synthesize(
    midi_path: str | os.PathLike[str], soundfont_path: str | os.PathLike[str], sample_rate_hz: int = SAMPLE_RATE_HZ
) -> np.ndarray:
    """Plays a MIDI file from its first tick to its last, and on until it has died away.

    Programs, controllers and pitch bends play as they are in the file; channel 10 is the drum kit. A note
    starts at the block of 64 samples nearest to its time, at most 0.73 ms off at 44.1 kHz. The tail after the
    MIDI's end lasts until the sound has stayed 60 dB below its peak for 0.2 s, 5 s at the longest. The same
    input gives the same samples with the same library.

    Returns:
        float32 `[samples, 2]`, left and right, as loud as FluidSynth made it.

    Raises:
        ValueError: the MIDI cannot be read, has no notes, is too long, or is silent with this soundfont.
        OSError: libfluidsynth is missing.
    """
    events, end_secs = read_events(midi_path)
    num_body = _block_start(end_secs, sample_rate_hz)
    num_tail = _block_start(MAX_TAIL_SECS, sample_rate_hz)
    samples = np.zeros([num_body + num_tail, 2], np.float32)
    with Synthesizer(soundfont_path, sample_rate_hz) as synthesizer:
        done = 0
        for secs, message in events:
            start = _block_start(secs, sample_rate_hz)
            if start > done:
                synthesizer.write(samples[done:start])
                done = start
            synthesizer.send(message)
        if num_body > done:
            synthesizer.write(samples[done:num_body])
        synthesizer.release()
        end = _write_tail(synthesizer, samples, num_body, sample_rate_hz)
    if np.abs(samples[:end]).max() < SILENCE:
        raise ValueError(
            f"{midi_path}: silent with {soundfont_path}, which has no sound for its programs; try another --soundfont"
        )
    return samples[:end]


def read_events(midi_path: str | os.PathLike[str]) -> tuple[list[tuple[float, mido.Message]], float]:
    """Returns a MIDI file's channel messages with their times, in order, and its length, both in seconds.

    Raises:
        ValueError: the file cannot be read, has no notes, or is longer than `MAX_SECS`.
    """
    events, secs = [], 0.0
    with midi_files.reading(midi_path):
        for message in mido.MidiFile(os.fspath(midi_path)):
            secs += message.time
            if not message.is_meta and message.type != "sysex":
                events.append((secs, message))
    if not any(message.type == "note_on" and message.velocity for _, message in events):
        raise ValueError(f"{midi_path}: has no notes, so there is nothing to hear")
    if secs > MAX_SECS:
        raise ValueError(
            f"{midi_path}: lasts {secs / 60:.0f} minutes, and {MAX_SECS // 60} at most can be rendered;"
            " is its tempo or its last event wrong?"
        )
    return events, secs


def check_sample_rate(sample_rate_hz: int) -> None:
    """Raises ValueError unless FluidSynth can play at this rate."""
    if not MIN_SAMPLE_RATE_HZ <= sample_rate_hz <= MAX_SAMPLE_RATE_HZ:
        raise ValueError(
            f"--sample_rate={sample_rate_hz}: FluidSynth plays at"
            f" {MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ} Hz; {SAMPLE_RATE_HZ} is usual"
        )


def _block_start(secs: float, sample_rate_hz: int) -> int:
    return round(secs * sample_rate_hz / BLOCK) * BLOCK


def _write_tail(synthesizer: Synthesizer, samples: np.ndarray, start: int, sample_rate_hz: int) -> int:
    """Writes on from `start` until the sound has died away; returns where the sound ends."""
    threshold = np.abs(samples[:start]).max(initial=0.0) * TAIL_LEVEL
    quiet = _block_start(TAIL_QUIET_SECS, sample_rate_hz)
    end, last_loud = start, start
    while end < len(samples) and end - last_loud < quiet:
        block = samples[end : end + 16 * BLOCK]
        synthesizer.write(block)
        end += len(block)
        if np.abs(block).max() > threshold:
            last_loud = end
    fade = min(round(FADE_SECS * sample_rate_hz), end - start)
    samples[end - fade : end] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    return end


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
