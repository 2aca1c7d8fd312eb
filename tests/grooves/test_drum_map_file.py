"""A drum map of one's own: what a file may say, and what is said of one that cannot be read."""

from __future__ import annotations

import codecs
import os
import subprocess
import sys

import pytest

from grooves import drum_map_file, drums
from tests.conversions import ROOT

FORM = "; a drum map is a text file with a line such as 36: kick for each pitch"
KIT = "36: kick\n38: snare\n42: closed hi-hat\n"
CLASSES = {36: 0, 38: 1, 42: 2}


@pytest.fixture
def kit(tmp_path):
    """Returns a function that writes a drum map and reads it."""

    def read(content: bytes | str) -> drums.DrumMap:
        path = tmp_path / "kit.txt"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return drum_map_file.read(path)

    return read


@pytest.mark.parametrize(
    "content",
    [
        KIT.encode(),
        KIT.rstrip().encode(),
        codecs.BOM_UTF8 + KIT.encode(),
        KIT.replace("\n", "\r\n").encode(),
        KIT.replace("\n", "\r").encode(),
        KIT.encode("utf-16"),
        codecs.BOM_UTF16_BE + KIT.encode("utf-16-be"),
        ("\n# größe 鼓\n" + KIT + "\n\n \t# " + "x" * 10_000 + "\n").encode(),
        b"36:kick#the big one\n  38 :  snare  \n\t042\t:\tclosed hi-hat\n",
        b"42: closed hi-hat\n38: snare\n36: kick\n36: kick\n44: none\n45: -\n46: NONE\n",
        b"36: KICK\n38: Snare\n42: Closed Hi-Hat",
    ],
)
def test_files_that_say_the_same(kit, content):
    assert kit(content) == drums.DrumMap.of("kit.txt", CLASSES)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        *((name, name) for name in drums.CLASS_NAMES),
        ("hihat", "closed hi-hat"),
        ("Hi-Hat", "closed hi-hat"),
        ("HIHAT", "closed hi-hat"),
        ("closed_hihat", "closed hi-hat"),
        ("open-hi-hat", "open hi-hat"),
        ("OpenHiHat", "open hi-hat"),
        ("low  tom", "low tom"),
        ("hightom", "high tom"),
    ],
)
def test_case_hyphens_and_spaces_are_as_they_like(kit, spelling, name):
    assert kit(f"127: {spelling}").classes[127] == drums.CLASS_NAMES.index(name)


def test_the_first_and_the_last_pitch_have_a_drum():
    assert drum_map_file.parse("0: kick\n127: ride", "kit") == {0: 0, 127: 8}


@pytest.mark.parametrize(
    ("text", "line", "given", "expected"),
    [
        ("36: kick\n\n# x\n38: snar", 4, "38: snar", "unknown drum; known, nearest first: snare, "),
        ("38: clsed hihat", 1, "38: clsed hihat", "unknown drum; known, nearest first: closed hi-hat, open hi-hat, "),
        ("38: kick: snare", 1, "38: kick: snare", "unknown drum; known, nearest first: "),
        ("36: kick\r38: x\r", 2, "38: x", "unknown drum; known, nearest first: "),
        ("36 kick", 1, "36 kick", "is not written as pitch: drum, for instance 36: kick"),
        ("kick: 36", 1, "kick: 36", "is not written as pitch: drum, for instance 36: kick"),
        (": kick", 1, ": kick", "is not written as pitch: drum, for instance 36: kick"),
        ("36:", 1, "36:", "has no drum behind the pitch; write it as 36: kick"),
        ("36: # kick", 1, "36: # kick", "has no drum behind the pitch; write it as 36: kick"),
        ("36", 1, "36", "has no drum behind the pitch; write it as 36: kick"),
        ("128: kick", 1, "128: kick", "a pitch is a whole number from 0 to 127"),
        ("-1: kick", 1, "-1: kick", "a pitch is a whole number from 0 to 127"),
        ("36.5: kick", 1, "36.5: kick", "a pitch is a whole number from 0 to 127"),
        ("9999999: kick", 1, "9999999: kick", "a pitch is a whole number from 0 to 127"),
        ("C1: kick", 1, "C1: kick", "a pitch is a number, because C1 is another one in each program"),
        ("bb-1: kick", 1, "bb-1: kick", "a pitch is a number, because bb-1 is another one in each program"),
        ("٣٦: kick", 1, "٣٦: kick", "is not written as pitch: drum, for instance 36: kick"),
        ("36: kick\n38: snare\n36: ride", 3, "36: ride", "pitch 36 is kick on line 1; give it once"),
        ("36: none\n036: ride", 2, "036: ride", "pitch 36 is none on line 1; give it once"),
        ("36: ride\n36: -", 2, "36: -", "pitch 36 is ride on line 1; give it once"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_with_what_is_accepted(kit, tmp_path, text, line, given, expected):
    with pytest.raises(ValueError) as caught:
        kit(text)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path}/kit.txt, line {line}: {given!r}: {expected}")
    assert "\n" not in said
    if "unknown drum" in said:
        assert said.endswith("; none leaves a pitch out")
        assert all(name in said for name in drums.CLASS_NAMES)


def test_what_is_shown_of_a_line_is_short_and_harmless(kit):
    with pytest.raises(ValueError) as caught:
        kit("36: \x1b[2Jkick" + "k" * 900_000)
    assert len(str(caught.value)) < 400
    assert "\x1b" not in str(caught.value)
    assert r"'36: \x1b[2Jkick" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "has no drum in it"),
        (b"\n# 36: kick\n \t\r\n", "has no drum in it"),
        (b"36: none\n38: -\n", "has no drum in it"),
        (codecs.BOM_UTF8, "has no drum in it"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is no text in UTF-8"),
        (bytes(range(256)), "is no text in UTF-8"),
        (b"36: kick\n38: sn\xe4re", "is no text in UTF-8"),
        (KIT.encode("utf-16-le"), "is no text in UTF-8"),
        (codecs.BOM_UTF16_LE + b"3", "is no text in UTF-8"),
        (KIT.encode("utf-32"), "is no text in UTF-8"),
        (b"36: kick\0", "is no text in UTF-8"),
        (b"36: kick\n" * 1_200_000, "larger than 1 MiB"),
        (os.urandom(10 << 20), "larger than 1 MiB"),
    ],
)
def test_a_file_that_is_no_drum_map_says_what_one_is(kit, tmp_path, content, expected):
    with pytest.raises(ValueError) as caught:
        kit(content)
    assert str(caught.value) == f"{tmp_path}/kit.txt: {expected}{FORM}"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("nowhere.txt", "no such file, and none of roland, gm, auto"),
        ("rolnd", "no such file, and none of roland, gm, auto"),
        ("", "no such file, and none of roland, gm, auto"),
        (".", "is a folder"),
    ],
)
def test_a_path_without_a_file_says_what_is_accepted(given, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError) as caught:
        drum_map_file.choose(given)
    assert str(caught.value) == f"--drum_map={given}: {expected}{FORM}"


def test_names_of_maps_come_before_files_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gm").write_text(KIT)
    assert drum_map_file.choose("roland") is drums.ROLAND
    assert drum_map_file.choose("GM") is drums.GM
    assert drum_map_file.choose("auto") is None
    assert drum_map_file.choose("./gm") == drums.DrumMap.of("gm", CLASSES)


def test_a_home_folder_and_a_name_that_is_no_text(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    name = os.fsdecode(b"kit \xff.txt")
    (tmp_path / name).write_text(KIT)
    assert drum_map_file.choose(f"~/{name}") == drums.DrumMap.of(r"kit \xff.txt", CLASSES)


def test_a_map_takes_no_tensorflow():
    program = "import sys, grooves.drum_map_file; print(sorted({'tensorflow', 'magenta', 'note_seq'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
