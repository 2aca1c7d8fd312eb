"""MusicXML to NoteSequences: the same as note-seq's, and what is refused."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile

import note_seq
import pytest

from pipelines.dataset.formats import musicxml


def serialized(sequence: note_seq.NoteSequence) -> bytes:
    return sequence.SerializeToString(deterministic=True)


SCORE = """<?xml version="1.0" encoding="UTF-8"?>
{doctype}
<score-partwise version="3.1">
  <part-list>
    <score-part id="P1">
      <part-name>Drums é</part-name>
      <midi-instrument id="P1-I1"><midi-channel>10</midi-channel><midi-program>1</midi-program></midi-instrument>
    </score-part>
  </part-list>
  <part id="P1">
    <measure number="1">
      <attributes>
        <divisions>4</divisions>
        <key><fifths>1</fifths><mode>major</mode></key>
        <time><beats>4</beats><beat-type>4</beat-type></time>
      </attributes>
      <direction><sound tempo="90"/></direction>
      <note>
        <pitch><step>C</step><octave>2</octave></pitch><duration>4</duration><voice>1</voice><type>quarter</type>
      </note>
      <note><rest/><duration>4</duration><voice>1</voice><type>quarter</type></note>
      <note>
        <pitch><step>D</step><octave>2</octave></pitch><duration>8</duration><voice>1</voice><type>half</type>
      </note>
    </measure>
  </part>
</score-partwise>
"""
DOCTYPE = (
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 3.1 Partwise//EN" "http://x.invalid/partwise.dtd">'
)
PLAIN = SCORE.format(doctype=DOCTYPE).encode()
BOMB = SCORE.format(doctype='<!DOCTYPE s [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>').replace("Drums", "&b;")
CONTAINER = b'<container><rootfiles><rootfile full-path="partition \xc3\xa9.xml"/></rootfiles></container>'
ENTITIES = "its DTD defines entities; a score without them is needed"
NO_STEP = """not a score as MusicXML has it: AttributeError("'NoneType' object has no attribute 'text'")"""
BOTH = {"META-INF/container.xml": CONTAINER, "partition é.xml": PLAIN}


def mxl(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as archive:
        for name, contents in files.items():
            archive.writestr(name, contents)
    return data.getvalue()


def without_utf8_flag(archive: bytes) -> bytes:
    """Returns a zip file whose names are UTF-8 and not marked as such, as many programs write them."""
    unmarked = bytearray(archive)
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = -1
        while (start := archive.find(signature, start + 1)) >= 0:
            unmarked[start + offset + 1] &= ~0x08
    return bytes(unmarked)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.xml", PLAIN),
        ("A.XML", PLAIN),
        ("a.musicxml", PLAIN),
        ("without a doctype.xml", SCORE.format(doctype="").encode()),
        ("utf16.xml", PLAIN.decode().replace("UTF-8", "UTF-16").encode("utf-16")),
        ("a.mxl", mxl(BOTH)),
        ("folder/A.MXL", mxl(BOTH)),
        ("stored.mxl", mxl(BOTH, zipfile.ZIP_STORED)),
        ("with a picture.mxl", mxl({**BOTH, "cover.png": b"\x89PNG\r\n\x1a\n\0"})),
        ("unmarked.mxl", without_utf8_flag(mxl(BOTH))),
    ],
)
def test_musicxml_is_read_as_note_seq_reads_it(name, data, tmp_path):
    path = tmp_path / ("score.mxl" if name.lower().endswith("mxl") else "score.xml")
    path.write_bytes(data)
    sequence = musicxml.read_musicxml(data, name)
    assert serialized(sequence) == serialized(note_seq.musicxml_file_to_sequence_proto(str(path)))
    assert [(n.start_time, n.end_time, n.pitch, n.instrument) for n in sequence.notes] == [
        (0, pytest.approx(2 / 3), 36, 10),
        (pytest.approx(4 / 3), pytest.approx(8 / 3), 38, 10),
    ]
    assert sequence.part_infos[0].name == "Drums é"


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.xml", b"", "no element found: line 1, column 0"),
        ("a.xml", b"none", "syntax error: line 1, column 0"),
        ("a.xml", PLAIN[:-10], "unclosed token: line 27, column 0"),
        ("a.mxl", PLAIN, "File is not a zip file"),
        ("a.mxl", mxl({"a.xml": PLAIN}), "Unable to locate main .xml file in compressed archive."),
        ("a.mxl", mxl(BOTH, zipfile.ZIP_BZIP2), "its compression is none of MusicXML's"),
        ("a.xml", BOMB.encode(), ENTITIES),
        ("a.xml", BOMB.replace("UTF-8", "UTF-16").encode("utf-16"), ENTITIES),
        ("a.mxl", mxl({**BOTH, "partition é.xml": BOMB.encode()}), ENTITIES),
        ("a.xml", bytes((64 << 20) + 1), "more than 64 MiB, unpacked"),
        ("a.mxl", mxl({**BOTH, "a": bytes(40 << 20), "b": bytes(40 << 20)}), "more than 64 MiB, unpacked"),
        ("a.xml", PLAIN.replace(b"pitch>", b"unpitched>"), "Unpitched notes are not supported"),
        ("a.xml", PLAIN.replace(b"<step>C</step>", b""), NO_STEP),
    ],
)  # fmt: skip
def test_musicxml_refused_with_one_line(name, data, reason):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError) as caught:
            musicxml.read_musicxml(data, name)
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()
    assert str(caught.value) == f"unreadable MusicXML: {reason}"


def test_a_zip_file_that_lies_about_its_size_is_not_unpacked():
    bomb = bytearray(mxl({"META-INF/container.xml": bytes(200 << 20)}))
    for signature, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        start = bomb.find(signature) + offset
        bomb[start : start + 4] = struct.pack("<L", 10)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"^unreadable MusicXML: Bad CRC-32 for file 'META-INF/container.xml'$"):
            musicxml.read_musicxml(bytes(bomb), "a.mxl")
        assert tracemalloc.get_traced_memory()[1] < 150 << 20
    finally:
        tracemalloc.stop()


def test_musicxml_leaves_no_files_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(musicxml.tempfile, "tempdir", str(tmp_path))
    musicxml.read_musicxml(PLAIN, "a.xml")
    with pytest.raises(ValueError, match="unreadable MusicXML"):
        musicxml.read_musicxml(b"", "a.xml")
    assert not list(tmp_path.iterdir())
