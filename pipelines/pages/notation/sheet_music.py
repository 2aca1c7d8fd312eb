"""Sheet music of the drums of a MIDI file, as MusicXML 4.0 for MuseScore and other notation programs.

One staff with a percussion clef: the hands' voice has its stems up, the feet's has them down. What is played early or
late is written on the grid (`beats.written` says on which one), and nothing is repeated by a sign.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from grooves import timing
from pipelines.files import atomic, midi_files
from pipelines.pages.notation import beats, drum_staff, musicxml, noteheads, rhythm
from pipelines.pages.notation.drum_staff import SNARE
from pipelines.pages.notation.noteheads import Head

with midi_files.importing_libraries():
    import mido

SUFFIX = ".musicxml"
_TEMPO_CHANGE = 0.02  # A smaller one than by this part of the tempo that was last written is not written.
_LINE_WIDTH = 36  # So many notes and rests, one after the other, fit into a line of a page.
_DRUM_CHANNEL = 9  # Counted from 0.


@dataclasses.dataclass(frozen=True)
class Performance:
    """What of a MIDI file can be written, and what not. Positions are in divisions, `beats.DIVISIONS` a quarter."""

    hits: tuple[tuple[float, int, int], ...]  # Position, pitch, velocity; in this order.
    metres: tuple[beats.Metre, ...]
    tempos: tuple[tuple[int, float], ...]  # Where each begins, and its quarters a minute; the first begins at 0.
    num_others: int  # Notes that are not on the drums' channel.


def write(midi_path: pathlib.Path, xml_path: pathlib.Path, title: str) -> tuple[str, ...]:
    """Writes the drums of a MIDI file as MusicXML, whole or not at all; the same MIDI gives the same bytes.

    Args:
        midi_path: The MIDI file. Without notes it gives a bar of rest.
        xml_path: The sheet music, whose name should end in `SUFFIX`.
        title: Any text.

    Returns:
        What of the MIDI is not on paper, a sentence each.

    Raises:
        ValueError: the MIDI cannot be read, has notes but no drums, or a metre or length that cannot be written.
        OSError: the sheet music cannot be written.
    """
    performance = read(midi_path)
    if performance.num_others and not performance.hits:
        raise ValueError(f"{midi_path}: no drums: nothing on MIDI channel 10; only drums can be written as sheet music")
    try:
        text, num_merged = to_musicxml(performance, title)
    except ValueError as error:
        raise ValueError(f"{midi_path}: no sheet music can be written of it: {error}") from error
    atomic.write_text(xml_path, text)
    return _left_out(performance.num_others, num_merged)


def read(midi_path: pathlib.Path) -> Performance:
    """Reads a MIDI file, to the tick.

    Raises:
        ValueError: the file cannot be read.
    """
    with midi_files.reading(midi_path):
        midi = mido.MidiFile(midi_path)
        if midi.ticks_per_beat < 1:
            raise ValueError("its time is counted in video frames, not in quarters")
        hits, metres, tempos, num_others, tick = [], [], {0: timing.QPM}, 0, 0
        for message in mido.merge_tracks(midi.tracks):
            tick += message.time
            position = tick * beats.DIVISIONS / midi.ticks_per_beat
            if message.type == "note_on" and message.velocity:
                if message.channel == _DRUM_CHANNEL:
                    hits.append((position, message.note, message.velocity))
                else:
                    num_others += 1
            elif message.type == "time_signature":
                start = round(position / beats.SIXTEENTH) * beats.SIXTEENTH
                metres.append(beats.Metre(start, message.numerator, message.denominator))
            elif message.type == "set_tempo":
                tempos[round(position)] = mido.tempo2bpm(message.tempo)
        return Performance(tuple(sorted(hits)), tuple(metres), tuple(tempos.items()), num_others)


def to_musicxml(performance: Performance, title: str) -> tuple[str, int]:
    """Returns the sheet music, and how many hits share a notehead with another one and are not seen.

    Raises:
        ValueError: a metre cannot be written, or there are too many bars.
    """
    last = performance.hits[-1][0] if performance.hits else 0
    bars = beats.bars(performance.metres, last + beats.SIXTEENTH / 2)
    drums = drum_staff.drums_of(pitch for _, pitch, _ in performance.hits)
    heads = _heads(performance, bars, drums)
    marks = _tempo_marks(performance.tempos)
    voices = [_voices(bar, heads) for bar in bars]
    bars_per_line = _bars_per_line(voices)
    measures = [
        musicxml.Measure(
            bar,
            voices[number],
            {start: qpm for start, qpm in marks if bar.start <= start < bar.start + bar.length},
            is_new_line=number > 0 and number % bars_per_line == 0,
        )
        for number, bar in enumerate(bars)
    ]
    by_pitch = {drum.pitch: drum for drum in drums.values()}
    num_written = sum(len(chord) for voice in heads for chord in voice.values())
    text = musicxml.document(title, [drum for _, drum in sorted(by_pitch.items())] or [SNARE], measures, heads)
    return text, len(performance.hits) - num_written


def _heads(
    performance: Performance, bars: Sequence[beats.Bar], drums: Mapping[int, drum_staff.Drum]
) -> tuple[dict[int, list[Head]], dict[int, list[Head]]]:
    """Returns the heads of the hands and those of the feet, by the division that they are written at.

    Of several with the same head at the same place, the loudest is written. Heads are sorted from the lowest place.
    """
    all_beats = [beat for bar in bars for beat in bar.beats]
    written = beats.written(all_beats, [position for position, _, _ in performance.hits])
    loudest: dict[tuple, Head] = {}
    for start, (_, pitch, velocity) in zip(written, performance.hits, strict=True):
        drum = drums[pitch]
        key = (start, drum.height, drum.notehead)
        if key not in loudest or loudest[key].velocity < velocity:
            loudest[key] = Head(drum, velocity)
    keys = sorted(loudest)
    heads = noteheads.marked([loudest[key] for key in keys])
    hands, feet = {}, {}
    for (start, *_), head in zip(keys, heads, strict=True):
        (feet if head.drum.is_played_by_foot else hands).setdefault(start, []).append(head)
    return hands, feet


def _voices(bar: beats.Bar, heads: Sequence[Mapping[int, object]]) -> list[list[rhythm.Symbol]]:
    """Returns what each voice has in a bar; the feet's is left out where they have nothing, the hands' is a rest."""
    places = [[place for place in range(bar.start, bar.start + bar.length) if place in voice] for voice in heads]
    return [rhythm.fill(bar, of_voice) for number, of_voice in enumerate(places) if of_voice or number == 0]


def _bars_per_line(voices: Sequence[Sequence[Sequence[rhythm.Symbol]]]) -> int:
    """Returns four, or two where four bars in a line would be too narrow."""
    widths = [len({symbol.start for voice in bar for symbol in voice}) for bar in voices]
    is_narrow = any(sum(widths[number : number + 4]) > _LINE_WIDTH for number in range(0, len(widths), 4))
    return 2 if is_narrow else 4


def _tempo_marks(tempos: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Returns the tempos that are written: the first, and each that is another one than the last that was written."""
    marks = [tempos[0]]
    for start, qpm in tempos[1:]:
        if abs(qpm / marks[-1][1] - 1) > _TEMPO_CHANGE:
            marks.append((start, qpm))
    return marks


def _left_out(num_others: int, num_merged: int) -> tuple[str, ...]:
    sentences = []
    if num_others:
        sentences.append(f"{_count(num_others, 'note')} left out: not on MIDI channel 10, and so no drums")
    if num_merged:
        sentences.append(f"{_count(num_merged, 'hit')} left out: another one has the same notehead on their step")
    return tuple(sentences)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number != 1 else ''}"
