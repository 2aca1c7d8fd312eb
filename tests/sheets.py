"""Sheet music for the tests: MusicXML read back into short lines, and checked note by note."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from fractions import Fraction

# The order that the XML schema of MusicXML 4.0 has the children of a note in, those that are written here.
NOTE_CHILDREN = (
    *("chord", "unpitched", "rest", "duration", "instrument", "voice", "type", "dot", "time-modification"),
    *("stem", "notehead", "beam", "notations"),
)
QUARTERS = {
    **{"whole": Fraction(4), "half": Fraction(2), "quarter": Fraction(1)},
    **{"eighth": Fraction(1, 2), "16th": Fraction(1, 4), "32nd": Fraction(1, 8)},
}
NUM_BEAMS = {"eighth": 1, "16th": 2, "32nd": 3}
SIGNS = {"open-string": "o", "stopped": "+"}


def lines(text: str) -> list[list[str]]:
    """Returns each measure's voices as a line each: symbols parted by a comma, with value, heads and marks.

    "eighth. C5 oG5x" is a chord of a dotted eighth with an open hi-hat; "(C5)" a ghost note, ">C5" one with an accent,
    "3eighth" one in a triplet, "quarter -" a rest and "bar -" one of a whole bar.
    """
    return [
        [
            ", ".join(" ".join((_value(notes[0]), *(_head(note) for note in notes))) for notes in symbols)
            for symbols in _voices(measure)
        ]
        for measure in ET.fromstring(text).iter("measure")
    ]


def num_heads(text: str) -> int:
    return len(list(ET.fromstring(text).iter("notehead")))


def check(text: str) -> None:
    """Fails where a document is not as its readers need it: measures that add up, beams and tuplets that end."""
    root = ET.fromstring(text.encode())
    divisions = int(root.findtext("part/measure/attributes/divisions"))
    instruments = {element.get("id") for element in root.iter("score-instrument")}
    assert instruments == {element.get("id") for element in root.iter("midi-instrument")}
    length = None
    for number, measure in enumerate(root.iter("measure"), start=1):
        assert measure.get("number") == str(number)
        time = measure.find("attributes/time")
        if time is not None:
            length = int(time.findtext("beats")) * 4 * divisions / int(time.findtext("beat-type"))
        voices = _voices(measure)
        assert [int(backup.findtext("duration")) for backup in measure.iter("backup")] == [length] * (len(voices) - 1)
        for symbols in voices:
            assert sum(int(notes[0].findtext("duration")) for notes in symbols) == length
            for notes in symbols:
                for note in notes:
                    _check_note(note, divisions, instruments)
                assert len({(note.findtext("duration"), note.findtext("type")) for note in notes}) == 1
            _check_beams([notes[0] for notes in symbols])
            _check_tuplets([notes[0] for notes in symbols], divisions)


def _voices(measure: ET.Element) -> list[list[list[ET.Element]]]:
    voices: dict[str, list[list[ET.Element]]] = {}
    for note in measure.iter("note"):
        symbols = voices.setdefault(note.findtext("voice"), [])
        if note.find("chord") is not None:
            symbols[-1].append(note)
        else:
            symbols.append([note])
    assert list(voices) == ["1", "2"][: len(voices)]
    return list(voices.values())


def _value(note: ET.Element) -> str:
    if note.find("type") is None:
        assert note.find("rest").get("measure") == "yes"
        return "bar"
    actual = note.findtext("time-modification/actual-notes") or ""
    return f"{actual}{note.findtext('type')}{'.' * len(note.findall('dot'))}"


def _head(note: ET.Element) -> str:
    if note.find("rest") is not None:
        return "-"
    notehead = note.find("notehead")
    place = note.findtext("unpitched/display-step") + note.findtext("unpitched/display-octave")
    text = f"{place}{notehead.text if notehead.text != 'normal' else ''}"
    text = f"({text})" if notehead.get("parentheses") else text
    signs = "".join(SIGNS[sign.tag] for sign in note.findall("notations/technical/*"))
    accent = ">" if note.find("notations/articulations/accent") is not None else ""
    return f"{accent}{signs}{text}"


def _check_note(note: ET.Element, divisions: int, instruments: set[str]) -> None:
    tags = [NOTE_CHILDREN.index(child.tag) for child in note]
    assert tags == sorted(tags)
    if note.find("rest") is None:
        assert note.find("instrument").get("id") in instruments
        assert note.findtext("stem") == {"1": "up", "2": "down"}[note.findtext("voice")]
    if note.find("type") is None:
        return
    quarters = QUARTERS[note.findtext("type")] * (Fraction(3, 2) if note.find("dot") is not None else 1)
    if note.find("time-modification") is not None:
        modification = (int(note.findtext(f"time-modification/{kind}-notes")) for kind in ("normal", "actual"))
        quarters *= Fraction(*modification)
    assert int(note.findtext("duration")) == quarters * divisions


def _check_beams(notes: list[ET.Element]) -> None:
    open_levels: set[str] = set()
    for note in notes:
        beams = {beam.get("number"): beam.text for beam in note.findall("beam")}
        if beams:
            assert len(beams) == NUM_BEAMS[note.findtext("type")]
        for level in open_levels:
            assert beams[level] in ("continue", "end")
        for level, beam in beams.items():
            assert (level in open_levels) == (beam in ("continue", "end"))
            if beam == "begin":
                open_levels.add(level)
            elif beam == "end":
                open_levels.remove(level)
            else:
                assert beam == "continue" or (beam in ("forward hook", "backward hook") and level != "1")
    assert not open_levels


def _check_tuplets(notes: list[ET.Element], divisions: int) -> None:
    length = None  # Of the tuplet that is open, so far.
    for note in notes:
        edges = [tuplet.get("type") for tuplet in note.findall("notations/tuplet")]
        if "start" in edges:
            assert length is None
            length = 0
        assert (length is not None) == (note.find("time-modification") is not None)
        if length is not None:
            length += int(note.findtext("duration"))
        if "stop" in edges:
            assert length in (divisions, divisions // 2)
            length = None
    assert length is None
