"""Recordings of tapping and beatboxing, for the tests: rhythms as people play them, with sounds of their own."""

from __future__ import annotations

import dataclasses

import mido
import numpy as np
import soundfile

from pipelines.audio import playing, score

SAMPLE_RATE_HZ = 44100
LEAD_SECS = 0.7  # Silence before the first tap.
TAIL_SECS = 0.5
DOUBLE_SECS = 0.07
MIN_GAP_SECS = 0.055  # Nobody's hands are faster, however much a tap is off.
KICK, SIDE_STICK, SNARE, CLAP, CLOSED_HAT = 36, 37, 38, 39, 42
KIT = (KICK, CLOSED_HAT, SNARE, CLOSED_HAT)

# Rhythms: the steps (sixteenths) of a bar that are tapped, and how hard.
QUARTERS = {0: 0.9, 4: 0.8, 8: 0.9, 12: 0.8}
EIGHTHS = {0: 0.9, 2: 0.5, 4: 0.8, 6: 0.5, 8: 0.9, 10: 0.5, 12: 0.8, 14: 0.55}
SWUNG = {0: 0.9, 4: 0.7, 6 + 2 / 3: 0.5, 8: 0.9, 12: 0.7, 14 + 2 / 3: 0.5}
CLAVE = {0: 0.9, 3: 0.7, 6: 0.8, 10: 0.7, 12: 0.9}
SYNCOPATED = {0: 1.0, 3: 0.6, 4: 0.8, 7: 0.5, 10: 0.9, 12: 0.8, 14: 0.6}
GHOSTED = {0: 1.0, 2: 0.3, 4: 0.95, 7: 0.25, 8: 0.8, 9: 0.25, 10: 0.9, 12: 0.95, 15: 0.3}
SIXTEENTHS = {step: (0.9, 0.4, 0.6, 0.45)[step % 4] for step in range(16)}
RHYTHMS = {
    "quarters": QUARTERS,
    "eighths": EIGHTHS,
    "swung": SWUNG,
    "clave": CLAVE,
    "syncopated": SYNCOPATED,
    "ghosted": GHOSTED,
    "sixteenths": SIXTEENTHS,
}


@dataclasses.dataclass(frozen=True)
class Tapping:
    """What somebody tapped: `secs` [n] from the beginning of the recording, `velocities` [n] in (0, 1]."""

    secs: np.ndarray
    velocities: np.ndarray
    qpm: float


def play(
    rhythm: dict[float, float], qpm: float, num_bars: int, rng: np.random.Generator, jitter_secs: float = 0.0
) -> Tapping:
    """Plays bars of a rhythm as a person does: each tap `jitter_secs` (standard deviation) off, a little uneven."""
    steps = np.array([16 * bar + step for bar in range(num_bars) for step in rhythm])
    velocities = np.array([*rhythm.values()] * num_bars)
    secs = LEAD_SECS + steps * 15 / qpm + np.clip(rng.normal(0, 1, len(steps)), -2.5, 2.5) * jitter_secs
    velocities = np.clip(velocities * rng.normal(1, 0.07, len(steps)), 0.05, 1)
    secs = np.sort(secs)
    for index in range(1, len(secs)):
        secs[index] = max(secs[index], secs[index - 1] + MIN_GAP_SECS)
    return Tapping(secs, velocities, qpm)


def doubled(tapping: Tapping, every: int, secs: float = 0.06) -> Tapping:
    """Makes double strokes of every so manyth tap: a second one follows after so many seconds, as loud."""
    extra = slice(1, None, every)
    all_secs = np.concatenate([tapping.secs, tapping.secs[extra] + secs])
    order = np.argsort(all_secs)
    velocities = np.concatenate([tapping.velocities, 0.85 * tapping.velocities[extra]])
    return Tapping(all_secs[order], velocities[order], tapping.qpm)


def _turns(tapping: Tapping, num_sounds: int) -> np.ndarray:
    """Returns which sound each tap has, `[n]`: they take turns, but a double stroke is on one drum."""
    is_double = np.diff(tapping.secs, prepend=-np.inf) < DOUBLE_SECS
    return np.cumsum(~is_double) % num_sounds


def with_fluidsynth(tapping: Tapping, pitches: tuple[int, ...], midi_path, font) -> np.ndarray:
    """Returns float64 `[samples]` of FluidSynth playing the taps, on drums that take turns."""
    midi = mido.MidiFile(ticks_per_beat=10000)
    track = midi.add_track()
    track.append(mido.MetaMessage("set_tempo", tempo=1_000_000))
    events = []
    turns = _turns(tapping, len(pitches))
    for turn, secs, velocity in zip(turns, tapping.secs, tapping.velocities, strict=True):
        note = {"channel": 9, "note": pitches[turn]}
        tick = round(secs * 10000)
        events.append((tick, mido.Message("note_on", velocity=max(1, round(127 * velocity)), **note)))
        events.append((tick + 200, mido.Message("note_off", **note)))
    events.sort(key=lambda event: event[0])
    ticks = [0, *(tick for tick, _ in events)]
    track.extend(message.copy(time=tick - last) for last, (tick, message) in zip(ticks, events, strict=False))
    midi.save(midi_path)
    return normalised(playing.play(score.read(midi_path), font, SAMPLE_RATE_HZ).mean(axis=1))


def with_numpy(tapping: Tapping, sounds: tuple[str, ...], rng: np.random.Generator) -> np.ndarray:
    """Returns float64 `[samples]` of the taps with sounds of `SOUNDS`, which take turns."""
    samples = np.zeros(round((tapping.secs[-1] + TAIL_SECS) * SAMPLE_RATE_HZ))
    turns = _turns(tapping, len(sounds))
    for turn, secs, velocity in zip(turns, tapping.secs, tapping.velocities, strict=True):
        sound = SOUNDS[sounds[turn]](np.arange(round(0.3 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ, rng)
        start = round(secs * SAMPLE_RATE_HZ)
        part = samples[start : start + len(sound)]
        part += velocity**2 * sound[: len(part)]  # As soundfonts do: 40 log10(velocity) decibels.
    return normalised(samples)


def normalised(samples: np.ndarray, peak: float = 0.7) -> np.ndarray:
    return samples * (peak / np.abs(samples).max())


def with_noise(samples: np.ndarray, dbfs: float, rng: np.random.Generator) -> np.ndarray:
    """Adds a room: white noise and mains hum, at so many dBFS together."""
    noise = rng.normal(0, 1, len(samples)) + 1.4 * np.sin(2 * np.pi * 50 * np.arange(len(samples)) / SAMPLE_RATE_HZ)
    return samples + noise * (10 ** (dbfs / 20) / np.sqrt(np.mean(noise**2)))


def write(path, samples: np.ndarray, sample_rate_hz: int = SAMPLE_RATE_HZ, subtype: str | None = None):
    soundfile.write(path, samples, sample_rate_hz, subtype=subtype)
    return path


def _burst(t, rng):
    return rng.normal(0, 0.4, len(t)) * np.exp(-t / 0.02)


def _knock(t, rng):
    """A knuckle on a table."""
    tones = sum(np.sin(2 * np.pi * hz * t + 1) * np.exp(-t / decay) for hz, decay in ((180, 0.04), (430, 0.02)))
    return 0.5 * tones * np.minimum(t / 0.001, 1) + rng.normal(0, 0.2, len(t)) * np.exp(-t / 0.004)


def _mouth_kick(t, rng):
    phase = 2 * np.pi * np.cumsum(50 + 110 * np.exp(-t / 0.02)) * t[1]
    return np.sin(phase) * np.exp(-t / 0.06) * np.minimum(t / 0.004, 1) + 0.1 * rng.normal(0, 1, len(t)) * np.exp(
        -t / 0.008
    )


def _mouth_snare(t, rng):
    noise = np.diff(rng.normal(0, 1, len(t) + 1)) + rng.normal(0, 0.5, len(t))
    return 0.35 * noise * np.minimum(t / 0.005, 1) * np.exp(-t / 0.05)


def _mouth_hat(t, rng):
    noise = np.diff(rng.normal(0, 1, len(t) + 2), 2)
    return 0.3 * noise * np.minimum(t / 0.006, 1) * np.exp(-t / 0.025)


SOUNDS = {
    "burst": _burst,
    "knock": _knock,
    "mouth kick": _mouth_kick,
    "mouth snare": _mouth_snare,
    "mouth hat": _mouth_hat,
}
BEATBOX = ("mouth kick", "mouth hat", "mouth snare", "mouth hat")
