"""The elements of MusicXML."""

import xml.etree.ElementTree as ET

import pytest

from pipelines.pages.notation import beats, drum_staff, musicxml, rhythm
from pipelines.pages.notation.beats import Metre
from pipelines.pages.notation.noteheads import Head
from tests import sheets

SNARE = drum_staff.SNARE
KICK = drum_staff.drums_of([36])[36]


def document(title="A title", heads=({}, {}), metres=(), last=0, tempos=None):
    """Returns a document of so many bars, with the heads of hands and feet by their divisions."""
    measures = []
    for bar in beats.bars(list(metres), last):
        voices = [[place for place in of_voice if bar.start <= place < bar.start + bar.length] for of_voice in heads]
        voices = [rhythm.fill(bar, places) for places in (voices if voices[1] else voices[:1])]
        of_bar = {start: qpm for start, qpm in (tempos or {}).items() if bar.start <= start < bar.start + bar.length}
        measures.append(musicxml.Measure(bar, voices, of_bar))
    text = musicxml.document(title, [KICK, SNARE], measures, heads)
    sheets.check(text)
    return text


def test_a_small_piece_word_for_word():
    text = document(heads=({0: [Head(SNARE, 90, is_ghost=True)]}, {}), metres=[Metre(0, 1, 4)], tempos={0: 120.0})
    assert text == (
        """<?xml version="1.0" encoding="UTF-8"?>
<score-partwise version="4.0">
  <work>
    <work-title>A title</work-title>
  </work>
  <identification>
    <encoding>
      <supports element="beam" type="yes" />
      <supports element="stem" type="yes" />
      <supports element="print" type="yes" attribute="new-system" value="yes" />
    </encoding>
  </identification>
  <part-list>
    <score-part id="P1">
      <part-name>Drumset</part-name>
      <score-instrument id="P1-I37">
        <instrument-name>Kick</instrument-name>
        <instrument-sound>drum.group.set</instrument-sound>
      </score-instrument>
      <score-instrument id="P1-I39">
        <instrument-name>Snare</instrument-name>
        <instrument-sound>drum.group.set</instrument-sound>
      </score-instrument>
      <midi-instrument id="P1-I37">
        <midi-channel>10</midi-channel>
        <midi-program>1</midi-program>
        <midi-unpitched>37</midi-unpitched>
      </midi-instrument>
      <midi-instrument id="P1-I39">
        <midi-channel>10</midi-channel>
        <midi-program>1</midi-program>
        <midi-unpitched>39</midi-unpitched>
      </midi-instrument>
    </score-part>
  </part-list>
  <part id="P1">
    <measure number="1">
      <attributes>
        <divisions>24</divisions>
        <time>
          <beats>1</beats>
          <beat-type>4</beat-type>
        </time>
        <clef>
          <sign>percussion</sign>
        </clef>
      </attributes>
      <direction placement="above">
        <direction-type>
          <metronome>
            <beat-unit>quarter</beat-unit>
            <per-minute>120</per-minute>
          </metronome>
        </direction-type>
        <sound tempo="120.00" />
      </direction>
      <note dynamics="100.00">
        <unpitched>
          <display-step>C</display-step>
          <display-octave>5</display-octave>
        </unpitched>
        <duration>24</duration>
        <instrument id="P1-I39" />
        <voice>1</voice>
        <type>quarter</type>
        <stem>up</stem>
        <notehead parentheses="yes">normal</notehead>
      </note>
    </measure>
  </part>
</score-partwise>
"""
    )


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("<script>alert('x') & \"y\"</script>", "<script>alert('x') & \"y\"</script>"),
        ("]]> &amp; <!--", "]]> &amp; <!--"),
        ("null \0 bell \7 lone \ud800 end \uffff", "null \ufffd bell \ufffd lone \ufffd end \ufffd"),
        (" two\n\tlines  ", "two lines"),
        ("Übung 🥁", "Übung 🥁"),
        ("", None),
    ],
)
def test_titles_are_text_whatever_they_hold(title, expected):
    root = ET.fromstring(document(title).encode("utf-8"))
    assert root.findtext("work/work-title") == (expected or "")
    assert len(root.findall("*")) == 4


def test_a_voice_with_its_backup_and_a_chord():
    heads = ({0: [Head(SNARE, 80), Head(drum_staff.CLOSED_HAT, 80, sign="stopped")]}, {24: [Head(KICK, 80)]})
    with pytest.raises(AssertionError):
        document(heads=heads)  # Its hi-hat is none of the instruments, which the check finds.
    heads = ({0: [Head(SNARE, 80), Head(SNARE, 80, sign="stopped", is_accented=True)]}, {24: [Head(KICK, 80)]})
    assert sheets.lines(document(heads=heads)) == [
        ["quarter C5 >+C5, quarter -, half -", "quarter -, quarter F4, half -"]
    ]


def test_metres_are_written_where_they_change():
    text = document(metres=[Metre(0, 3, 4), Metre(144, 6, 8)], last=250)
    times = [
        (measure.get("number"), measure.find("attributes/time")) for measure in ET.fromstring(text).iter("measure")
    ]
    assert [(number, time.findtext("beats")) for number, time in times if time is not None] == [("1", "3"), ("3", "6")]


def test_a_measure_can_begin_a_line():
    bars = beats.bars([], 200)
    measures = [musicxml.Measure(bar, [rhythm.fill(bar, [])], {}, is_new_line=bar.start == 96) for bar in bars]
    text = musicxml.document("", [SNARE], measures, ({}, {}))
    assert [measure.find("print") is not None for measure in ET.fromstring(text).iter("measure")] == [
        False,
        True,
        False,
    ]


def test_tempos_stand_where_they_begin():
    """A program that reads no offset has them at the nearest symbol before."""
    heads = ({0: [Head(SNARE, 80)], 24: [Head(SNARE, 80)]}, {})
    (measure,) = ET.fromstring(document(heads=heads, tempos={0: 60.0, 24: 90.4, 54: 3.58})).iter("measure")
    assert [child.tag for child in measure if child.tag in ("direction", "note")] == [
        *("direction", "note", "direction", "note", "direction", "note")
    ]
    directions = measure.findall("direction")
    assert [direction.findtext("*/metronome/per-minute") for direction in directions] == ["60", "90", "4"]
    assert [direction.find("sound").get("tempo") for direction in directions] == ["60.00", "90.40", "3.58"]
    assert [direction.findtext("offset") for direction in directions] == [None, None, "6"]


def test_tempos_of_compound_metres_are_in_dotted_quarters():
    (direction,) = ET.fromstring(document(metres=[Metre(0, 6, 8)], tempos={0: 120.0})).iter("direction")
    assert [child.tag for child in direction.find("direction-type/metronome")] == [
        *("beat-unit", "beat-unit-dot", "per-minute")
    ]
    assert direction.findtext("direction-type/metronome/per-minute") == "80"
    assert direction.find("sound").get("tempo") == "120.00"  # In quarters, always.


def test_labels_stand_before_their_chord():
    heads = ({0: [Head(SNARE, 80, label="Cowbell <1>")]}, {})
    (measure,) = ET.fromstring(document(heads=heads)).iter("measure")
    assert [child.tag for child in measure][1:3] == ["direction", "note"]
    assert measure.findtext("direction/direction-type/words") == "Cowbell <1>"


def test_tuplets_have_a_bracket_where_no_beam_joins_them():
    for places, bracket in (([0, 8, 16], "no"), ([0, 16], "yes"), ([8, 16], "yes")):
        text = document(heads=({place: [Head(SNARE, 80)] for place in places}, {}))
        (tuplet, _) = ET.fromstring(text).iter("tuplet")
        assert (tuplet.get("bracket"), tuplet.get("placement")) == (bracket, "above")
