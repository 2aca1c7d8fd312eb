"""What a MIDI file has a synthesizer play: its messages, and its bars, both in seconds by its own tempos and metres."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math
import os
import pathlib
from collections.abc import Iterable, Iterator

import mido

from pipelines.files import midi_files

MAX_SECS = 1800  # Half an hour takes 1.4 GB while it is being rendered.
DRUM_CHANNEL = 9  # Counted from 0.

_USUAL_TEMPO = 500_000  # Microseconds a quarter, until a file says something else.


@dataclasses.dataclass(frozen=True)
class Metre:
    """Bars of one metre, and how many there are of them. The last one is shorter where the next metre cuts it off."""

    start_tick: int
    end_tick: float  # Of the last bar.
    beats_per_bar: int
    ticks_per_beat: float  # Of the metre's own beats: an eighth in 6/8.
    num_bars: int

    def beats(self) -> Iterator[tuple[float, bool]]:
        """Yields the tick of each beat, and whether a bar begins with it."""
        for index in itertools.count():
            tick = self.start_tick + index * self.ticks_per_beat
            if tick >= self.end_tick:
                return
            yield tick, index % self.beats_per_bar == 0


class TempoMap:
    """From ticks to seconds.

    Args:
        ticks_per_quarter: The file's resolution.
        tempos: Ticks, in order, with the microseconds a quarter that hold from there on.
    """

    def __init__(self, ticks_per_quarter: int, tempos: Iterable[tuple[int, int]]) -> None:
        self._ticks, self._secs, self._secs_per_tick = [0], [0.0], [_USUAL_TEMPO / 1e6 / ticks_per_quarter]
        for tick, tempo in tempos:
            secs = self.secs(tick)
            if tick > self._ticks[-1]:
                self._ticks.append(tick)
                self._secs.append(secs)
                self._secs_per_tick.append(0.0)
            self._secs_per_tick[-1] = tempo / 1e6 / ticks_per_quarter

    def secs(self, tick: float) -> float:
        place = bisect.bisect_right(self._ticks, tick) - 1
        return self._secs[place] + (tick - self._ticks[place]) * self._secs_per_tick[place]

    @property
    def first_secs_per_tick(self) -> float:
        return self._secs_per_tick[0]


@dataclasses.dataclass(frozen=True)
class Score:
    """What a MIDI file holds. `metres` ends with the bar of the last onset."""

    path: pathlib.Path
    events: tuple[tuple[float, mido.Message], ...]  # Seconds, and what is played then; in order.
    end_secs: float  # Of the file's last event, whatever that is.
    tempo_map: TempoMap
    metres: tuple[Metre, ...]

    @property
    def channels(self) -> tuple[int, ...]:
        """The channels that notes are on, counted from 0."""
        return tuple(sorted({message.channel for _, message in self.events}))

    @property
    def num_bars(self) -> int:
        return sum(metre.num_bars for metre in self.metres)

    @property
    def bars_secs(self) -> float:
        """When the last bar ends."""
        return self.tempo_map.secs(self.metres[-1].end_tick)

    @property
    def num_beats(self) -> int:
        """About how many `beats` there are, however many that is."""
        return sum(metre.num_bars * metre.beats_per_bar for metre in self.metres)

    def beats(self) -> Iterator[tuple[float, bool]]:
        """Yields the seconds of each beat to the end of the last bar, and whether a bar begins with it."""
        for metre in self.metres:
            for tick, begins_bar in metre.beats():
                yield self.tempo_map.secs(tick), begins_bar

    @property
    def first_beat_secs(self) -> float:
        """How long a beat of the first bar is in the file's first tempo."""
        return self.metres[0].ticks_per_beat * self.tempo_map.first_secs_per_tick


def read(midi_path: str | os.PathLike[str]) -> Score:
    """Reads a MIDI file.

    Tempos count wherever in the file they are, and metres in its first track, where they belong. What is sent to
    channels without notes is left out: nobody hears it.

    Raises:
        ValueError: the file cannot be read, has no notes, or is longer than `MAX_SECS`.
    """
    midi_path = pathlib.Path(midi_path)
    with midi_files.reading(midi_path):
        midi = mido.MidiFile(os.fspath(midi_path))
        if midi.ticks_per_beat <= 0:
            raise ValueError("its time is in frames of film, not in beats")
        messages = list(_with_ticks(midi.merged_track))
        tempos = ((tick, message.tempo) for tick, message in messages if message.type == "set_tempo")
        tempo_map = TempoMap(midi.ticks_per_beat, tempos)
        onsets = [(tick, message) for tick, message in messages if is_onset(message)]
        metres = _metres(midi, onsets[-1][0]) if onsets else ()
    if not onsets:
        raise ValueError(f"{midi_path}: has no notes, so there is nothing to hear")
    end_secs = tempo_map.secs(messages[-1][0])
    check_length(midi_path, end_secs)
    heard = {message.channel for _, message in onsets}
    events = tuple(
        (tempo_map.secs(tick), message)
        for tick, message in messages
        if not message.is_meta and message.type != "sysex" and getattr(message, "channel", None) in heard
    )
    return Score(midi_path, events, end_secs, tempo_map, metres)


def is_onset(message: mido.Message | mido.MetaMessage) -> bool:
    """Whether a note begins with a message; one of velocity 0 ends one."""
    return message.type == "note_on" and message.velocity > 0


def check_length(midi_path: pathlib.Path, secs: float) -> None:
    """Raises ValueError if something to render is longer than `MAX_SECS`."""
    if secs > MAX_SECS:
        raise ValueError(
            f"{midi_path}: lasts {secs / 60:.0f} minutes, and {MAX_SECS // 60} at most can be rendered;"
            " is its tempo or its last event wrong?"
        )


def _with_ticks(track: Iterable[mido.Message]) -> Iterator[tuple[int, mido.Message]]:
    tick = 0
    for message in track:
        tick += message.time
        yield tick, message


def _metres(midi: mido.MidiFile, last_tick: int) -> tuple[Metre, ...]:
    """Returns the bars to the end of `last_tick`'s, by arithmetic: a hostile file can have billions."""
    changes = [
        (tick, message.numerator, message.denominator)
        for tick, message in _with_ticks(midi.tracks[0])
        if message.type == "time_signature" and tick <= last_tick
    ]
    if not changes or changes[0][0] > 0:
        changes.insert(0, (0, 4, 4))
    metres = []
    for (start, numerator, denominator), (end, *_) in itertools.pairwise([*changes, (math.inf, 0, 0)]):
        if not numerator:
            raise ValueError(f"a metre of {numerator}/{denominator}")
        beat = midi.ticks_per_beat * 4 / denominator
        bar = numerator * beat
        if start < end:  # Of two metres at the same time, the latter holds.
            num_bars = math.floor((last_tick - start) / bar) + 1 if end == math.inf else math.ceil((end - start) / bar)
            metres.append(Metre(start, min(end, start + num_bars * bar), numerator, beat, num_bars))
    return tuple(metres)
