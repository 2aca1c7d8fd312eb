"""MusicXML 4.0 of one staff of drums: the elements of its measures, notes and rests, in the order that they must have.

The format is described at https://www.w3.org/2021/06/musicxml40/.
"""

from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

from pipelines.pages.notation import beats, rhythm
from pipelines.pages.notation.drum_staff import Drum
from pipelines.pages.notation.noteheads import Head

VERSION = "4.0"
PART_NAME = "Drumset"
_PART_ID = "P1"
_DRUM_CHANNEL = 10  # Counted from 1, as MusicXML does; pitches and programs are, too.
_FORTE = 90  # The MIDI velocity that MusicXML counts loudness in hundredths of.
_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclasses.dataclass(frozen=True)
class Measure:
    """What a bar has on paper.

    Attributes:
        bar: The bar.
        voices: The symbols of each voice, from the hands' on.
        tempos: The tempos that begin in it, by division of the piece, in qpm.
        is_new_line: Whether a new line begins with it.
    """

    bar: beats.Bar
    voices: Sequence[Sequence[rhythm.Symbol]]
    tempos: Mapping[int, float]
    is_new_line: bool = False


def document(title: str, drums: Sequence[Drum], measures: Sequence[Measure], heads: Sequence[Mapping]) -> str:
    """Returns the whole document.

    Args:
        title: Any text; what XML cannot hold is shown as U+FFFD.
        drums: All that are hit.
        measures: In order.
        heads: For each voice, the heads by the division that they are written at.
    """
    root = ET.Element("score-partwise", version=VERSION)
    _add(_add(root, "work"), "work-title", " ".join(_NOT_IN_XML.sub("\ufffd", title).split()))
    encoding = _add(_add(root, "identification"), "encoding")
    for element in ("beam", "stem"):
        _add(encoding, "supports", element=element, type="yes")
    _add(encoding, "supports", element="print", type="yes", attribute="new-system", value="yes")
    _add_instruments(_add(_add(root, "part-list"), "score-part", id=_PART_ID), drums)
    part = _add(root, "part", id=_PART_ID)
    metre = None
    for number, measure in enumerate(measures, start=1):
        element = _add(part, "measure", number=str(number))
        if measure.is_new_line:
            _add(element, "print", new_system="yes")
        _add_attributes(element, measure.bar.metre if measure.bar.metre != metre else None, is_first=number == 1)
        metre = measure.bar.metre
        for voice, (symbols, of_voice) in enumerate(zip(measure.voices, heads, strict=False), start=1):
            if voice > 1:
                _add(_add(element, "backup"), "duration", measure.bar.length)
            for symbol in symbols:
                for start, qpm in measure.tempos.items() if voice == 1 else ():
                    if symbol.start <= start < symbol.start + symbol.length:
                        _add_tempo(element, start - symbol.start, qpm, metre)
                _add_symbol(element, symbol, () if symbol.is_rest else of_voice[symbol.start], voice)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _add(parent: ET.Element, tag: str, text: object = None, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, {name.replace("_", "-"): value for name, value in attributes.items()})
    element.text = None if text is None else str(text)
    return element


def _instrument_id(drum: Drum) -> str:
    return f"{_PART_ID}-I{drum.pitch + 1}"


def _add_instruments(part: ET.Element, drums: Sequence[Drum]) -> None:
    _add(part, "part-name", PART_NAME)
    for drum in drums:
        instrument = _add(part, "score-instrument", id=_instrument_id(drum))
        _add(instrument, "instrument-name", drum.name)
        _add(instrument, "instrument-sound", "drum.group.set")
    for drum in drums:
        midi = _add(part, "midi-instrument", id=_instrument_id(drum))
        _add(midi, "midi-channel", _DRUM_CHANNEL)
        _add(midi, "midi-program", 1)
        _add(midi, "midi-unpitched", drum.pitch + 1)


def _add_attributes(measure: ET.Element, metre: beats.Metre | None, is_first: bool) -> None:
    if not is_first and metre is None:
        return
    attributes = _add(measure, "attributes")
    if is_first:
        _add(attributes, "divisions", beats.DIVISIONS)
    if metre is not None:
        time = _add(attributes, "time")
        _add(time, "beats", metre.numerator)
        _add(time, "beat-type", metre.denominator)
    if is_first:
        _add(_add(attributes, "clef"), "sign", "percussion")


def _add_tempo(measure: ET.Element, offset: int, qpm: float, metre: beats.Metre) -> None:
    """Adds a tempo mark so many divisions after the symbol that is added next."""
    direction = _add(measure, "direction", placement="above")
    metronome = _add(_add(direction, "direction-type"), "metronome")
    _add(metronome, "beat-unit", "quarter")
    if metre.is_compound:
        _add(metronome, "beat-unit-dot")
    quarters = beats.DOTTED_QUARTER / beats.DIVISIONS if metre.is_compound else 1
    _add(metronome, "per-minute", f"{qpm / quarters:.0f}")
    if offset:
        _add(direction, "offset", offset, sound="yes")
    _add(direction, "sound", tempo=f"{qpm:.2f}")


def _add_symbol(measure: ET.Element, symbol: rhythm.Symbol, heads: Sequence[Head], voice: int) -> None:
    """Adds a rest, or a note for each head of a chord, from the lowest."""
    for head in heads:
        if head.label:
            _add(_add(_add(measure, "direction", placement="above"), "direction-type"), "words", head.label)
    for number, head in enumerate(heads or [None]):
        is_first = number == 0
        note = _add(measure, "note", **_loudness(head))
        if not is_first:
            _add(note, "chord")
        _add_content(note, symbol, head)
        _add(note, "duration", symbol.length)
        if head:
            _add(note, "instrument", id=_instrument_id(head.drum))
        _add(note, "voice", voice)
        _add_value(note, symbol)
        if head:
            _add(note, "stem", "up" if voice == 1 else "down")
            _add(note, "notehead", head.drum.notehead, **({"parentheses": "yes"} if head.is_ghost else {}))
        for level, beam in enumerate(symbol.beams if is_first else (), start=1):
            _add(note, "beam", beam, number=str(level))
        _add_notations(note, symbol if is_first else None, head, voice)


def _loudness(head: Head | None) -> dict[str, str]:
    return {"dynamics": f"{head.velocity / _FORTE * 100:.2f}"} if head else {}


def _add_content(note: ET.Element, symbol: rhythm.Symbol, head: Head | None) -> None:
    if head:
        unpitched = _add(note, "unpitched")
        _add(unpitched, "display-step", head.drum.place[0])
        _add(unpitched, "display-octave", head.drum.place[1])
    elif symbol.kind:
        _add(note, "rest")
    else:
        _add(note, "rest", measure="yes")


def _add_value(note: ET.Element, symbol: rhythm.Symbol) -> None:
    if symbol.kind:
        _add(note, "type", symbol.kind)
    if symbol.is_dotted:
        _add(note, "dot")
    if symbol.tuplet:
        modification = _add(note, "time-modification")
        _add(modification, "actual-notes", symbol.tuplet.actual)
        _add(modification, "normal-notes", symbol.tuplet.normal)
        _add(modification, "normal-type", symbol.tuplet.kind)


def _add_notations(note: ET.Element, symbol: rhythm.Symbol | None, head: Head | None, voice: int) -> None:
    notations = ET.Element("notations")
    if symbol and symbol.tuplet_edge == "start":
        bracket = "no" if symbol.beams else "yes"
        _add(notations, "tuplet", type="start", bracket=bracket, placement="above" if voice == 1 else "below")
    elif symbol and symbol.tuplet_edge:
        _add(notations, "tuplet", type="stop")
    if head and head.sign:
        _add(_add(notations, "technical"), head.sign, placement="above")
    if head and head.is_accented:
        _add(_add(notations, "articulations"), "accent", placement="above")
    if len(notations):
        note.append(notations)
