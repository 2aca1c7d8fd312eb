"""One file to one performance: its drum map, its windows and its hits."""

from __future__ import annotations

import hashlib

import pytest

from grooves import drums
from pipelines.dataset import conversion, performance
from pipelines.dataset.inputs import sources
from tests import midi_files
from tests.conversions import SPLITS, sequences


@pytest.mark.parametrize(("bars", "windows"), [(3, 0), (4, 1), (5, 2), (12, 9), (120, 117)])
def test_windows_move_bar_by_bar_without_an_end(tmp_path, bars, windows):
    midi_files.write(tmp_path / "in" / "a.mid", midi_files.groove(bars))
    source = next(sources.open_collections([str(tmp_path / "in")]).walk())
    assert len(performance.convert_file(source, performance.Options()).facts.window_digests) == windows
    every_third = performance.convert_file(source, performance.Options(stride_bars=3))
    assert len(every_third.facts.window_digests) == (windows + 2) // 3


@pytest.mark.parametrize(("pitches", "chosen"), [((36, 22, 48), "roland"), ((35, 54, 48), "gm"), ((36, 38, 48), "gm")])
def test_the_hits_choose_the_drum_map(tmp_path, pitches, chosen):
    played = [(4 * beat, pitches[beat % 3], 90) for beat in range(20)]
    midi_files.write(tmp_path / "in" / "a.mid", played)
    report = conversion.convert(str(tmp_path / "in"), tmp_path / "out")
    assert report["by_drum_map"] == {chosen: {"files": 1, "windows": sum(report["windows"].values())}}
    assert report["hits_per_class"]["high tom" if chosen == "roland" else "mid tom"] == 6


def test_hits_in_no_class_are_counted_by_pitch(tmp_path):
    midi_files.write(tmp_path / "in" / "a.mid", [*midi_files.groove(5), (70, 88, 90), (71, 88, 90), (72, 24, 90)])
    report = conversion.convert(str(tmp_path / "in"), tmp_path / "out")
    assert {pitch: counted["hits"] for pitch, counted in report["unmapped_pitches"].items()} == {"88": 2, "24": 1}


def score(channel: int, bars: int) -> str:
    """Returns a MusicXML score of kicks and snares in quarters, as MIDI pitches 36 and 38."""
    beats = [("C", 2), ("D", 2)] * 2
    notes = "".join(
        f"<note><pitch><step>{step}</step><octave>{octave}</octave></pitch><duration>1</duration>"
        "<voice>1</voice><type>quarter</type></note>"
        for step, octave in beats
    )
    attributes = (
        "<attributes><divisions>1</divisions><key><fifths>0</fifths></key>"
        "<time><beats>4</beats><beat-type>4</beat-type></time></attributes>"
    )
    measures = "".join(
        f'<measure number="{bar + 1}">{attributes if bar == 0 else ""}{notes}</measure>' for bar in range(bars)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><score-partwise version="3.0"><part-list><score-part id="P1">'
        '<part-name>Drums</part-name><score-instrument id="P1-I1"><instrument-name>Kit</instrument-name>'
        f'</score-instrument><midi-instrument id="P1-I1"><midi-channel>{channel}</midi-channel>'
        "<midi-program>1</midi-program></midi-instrument></score-part></part-list>"
        f'<part id="P1">{measures}</part></score-partwise>'
    )


def test_scores_give_drums_where_their_channel_is_the_drums(tmp_path):
    folder = tmp_path / "in"
    midi_files.write(folder / "a.mid", midi_files.groove(6))
    (folder / "beat.xml").write_text(score(channel=10, bars=5))
    (folder / "piano.musicxml").write_text(score(channel=1, bars=5))
    (folder / "settings.xml").write_text("<settings/>")
    report = conversion.convert(str(folder), tmp_path / "out")
    assert report["files_kept"] == 2
    assert report["skipped"]["piano.musicxml"] == (
        "no drums: nothing on MIDI channel 10; notes are on channel 1 (20); --drum_channel=1 takes them as drums"
    )
    assert report["skipped"]["settings.xml"] == "no notes"
    found = {s.filename: s for split in SPLITS for s in sequences(tmp_path / "out" / f"{split}.tfrecord")}
    beat = found["beat.xml"]
    assert beat.id == f"/id/musicxml/in/{hashlib.sha1(b'beat.xml').hexdigest()}"
    assert [note.pitch for note in beat.notes] == [36, 38] * 10
    assert sum(report["windows"].values()) == 3 + 1


def test_parts_of_scores_are_drums_by_their_channel_too(tmp_path):
    (tmp_path / "in").mkdir()
    for channel in (1, 10):
        (tmp_path / "in" / f"{channel}.xml").write_text(score(channel, bars=5))
    (tmp_path / "in" / "none.xml").write_text(score(1, bars=5).replace("<midi-channel>1</midi-channel>", ""))
    kept = {}
    for drum_channel in (10, 1, "all"):
        options = performance.Options(drum_channel=drum_channel)
        report = conversion.convert(str(tmp_path / "in"), tmp_path / str(drum_channel), options=options)
        kept[drum_channel] = {"1.xml", "10.xml", "none.xml"} - {*report["skipped"]}
        if drum_channel != "all":
            assert report["skipped"]["none.xml"] == (
                "no drums: no note is marked as a drum, and none has a MIDI channel;"
                " --drum_channel=all takes them as drums"
            )
    assert kept == {10: {"10.xml"}, 1: {"1.xml"}, "all": {"1.xml", "10.xml", "none.xml"}}


def test_the_hits_of_the_drums_channel_choose_the_drum_map(tmp_path):
    """What a piano plays on the tenth channel says nothing of a kit on the first."""
    roland = [(4 * beat, (36, 22, 48)[beat % 3], 90) for beat in range(20)]
    piano = [(4 * beat, 35, 90) for beat in range(20)]
    midi_files.write(tmp_path / "in" / "a.mid", roland, channel=0, also={midi_files.DRUM_CHANNEL: piano})
    source = next(sources.open_collections([str(tmp_path / "in")]).walk())
    assert performance.find_evidence(source, 1) == drums.ROLAND
    assert performance.find_evidence(source, 10) == drums.GM
    facts = performance.convert_file(source, performance.Options(drum_channel=1)).facts
    assert (facts.drum_map, facts.num_hits) == ("roland", 20)
