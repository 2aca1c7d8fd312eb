"""The starter data set: the folder holds what the script plays, and a drummer could have played it."""

from __future__ import annotations

import collections
import csv
import itertools
import pathlib
import random
import statistics

import mido
import pytest

from data import make_starter, starter_arrange, starter_feel, starter_styles
from data.starter_styles import STYLES
from grooves import drums

STARTER_DIR = make_starter.STARTER_DIR
SPLITS = ("train", "validation", "test")
ROLAND_CLASSES = drums.ROLAND_CLASSES
SNARES, TOMS, CYMBALS = {38, 40, 37}, {43, 45, 48}, {49, 55, 59}
TICKS_PER_STEP = 120
TICKS_PER_BAR = 16 * TICKS_PER_STEP

Note = collections.namedtuple("Note", "start end pitch velocity")


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with (STARTER_DIR / "info.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def performances(rows) -> dict[str, list[Note]]:
    """The notes of every performance in ticks, by file name."""
    return {row["midi_filename"]: read_notes(STARTER_DIR / row["midi_filename"]) for row in rows}


def read_notes(path: pathlib.Path) -> list[Note]:
    """Returns the notes of a file in order; fails on a note that is struck again before it ends."""
    now, sounding, notes = 0, {}, []
    (track,) = mido.MidiFile(path).tracks
    for message in track:
        now += message.time
        if message.type != "note_on":
            continue
        assert message.channel == 9
        if message.velocity:
            assert message.note not in sounding, f"{path}: {message.note} overlaps at tick {now}"
            sounding[message.note] = (now, message.velocity)
        else:
            start, velocity = sounding.pop(message.note)
            notes.append(Note(start, now, message.note, velocity))
    assert not sounding, path
    return sorted(notes)


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".md"
    }


def test_script_writes_the_bundled_bytes(tmp_path):
    counts = make_starter.make_starter(tmp_path)
    assert counts == {"train": 60, "validation": 15, "test": 15}
    assert contents(tmp_path) == contents(STARTER_DIR)


def test_second_run_removes_its_own_stale_files_and_nothing_else(tmp_path):
    make_starter.make_starter(tmp_path)
    first = contents(tmp_path)
    stale = tmp_path / "drummer1/session1/99_polka_100_beat_4-4.mid"
    stale.write_bytes(next(body for name, body in first.items() if name.endswith(".mid")))
    notes = tmp_path / "drummer1/session1/notes.txt"
    notes.write_text("keep me")
    make_starter.make_starter(tmp_path)
    assert not stale.exists()
    assert contents(tmp_path) == first | {"drummer1/session1/notes.txt": b"keep me"}


def test_recordings_of_somebody_else_are_left_alone(tmp_path):
    recording = tmp_path / "drummer1/session1/1_funk_80_beat_4-4.mid"
    recording.parent.mkdir(parents=True)
    recording.write_bytes(b"MThd")
    with pytest.raises(ValueError, match=r"1_funk_80_beat_4-4\.mid was not made by this script; .*--output_dir"):
        make_starter.make_starter(tmp_path)
    assert contents(tmp_path) == {"drummer1/session1/1_funk_80_beat_4-4.mid": b"MThd"}


def test_size_and_counts(rows, performances):
    assert len(rows) >= 64
    assert len({row["style"] for row in rows}) >= 8
    assert sum(path.stat().st_size for path in STARTER_DIR.rglob("*") if path.is_file()) < 500_000
    for split in SPLITS:
        assert {row["style"] for row in rows if row["split"] == split} == {style.name for style in STYLES}
    for name, notes in performances.items():
        assert notes[-1].start // TICKS_PER_BAR + 1 >= 8, name


def test_info_agrees_with_the_files(rows):
    names = {row["midi_filename"] for row in rows}
    assert names == {path.relative_to(STARTER_DIR).as_posix() for path in STARTER_DIR.rglob("*.mid")}
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        midi = mido.MidiFile(STARTER_DIR / row["midi_filename"])
        (tempo,) = [message.tempo for message in midi.tracks[0] if message.type == "set_tempo"]
        (metre,) = [message for message in midi.tracks[0] if message.type == "time_signature"]
        assert midi.ticks_per_beat == 480
        assert mido.tempo2bpm(tempo) == pytest.approx(float(row["bpm"]), abs=1e-3)
        assert f"{metre.numerator}-{metre.denominator}" == row["time_signature"] == "4-4"
        assert midi.length == pytest.approx(float(row["duration"]), abs=1e-3)
        number = row["id"].rsplit("/", 1)[1]
        style = row["style"].replace("/", "-")
        assert row["midi_filename"] == f"{row['session']}/{number}_{style}_{row['bpm']}_beat_4-4.mid"
        assert row["session"].startswith(row["drummer"] + "/")
        assert row["audio_filename"] == ""


def test_readme_counts_every_style(rows):
    readme = (STARTER_DIR / "README.md").read_text(encoding="utf-8")
    for style in STYLES:
        counts = [sum(row["style"] == style.name and row["split"] == split for row in rows) for split in SPLITS]
        cells = [style.name, f"{style.tempos_qpm[0]}-{style.tempos_qpm[-1]}", *map(str, counts)]
        assert "| " + " | ".join(cells) + " |" in readme


def test_every_pitch_has_a_class(performances):
    classes = {pitch: number for number, pitches in enumerate(ROLAND_CLASSES) for pitch in pitches}
    used = {note.pitch for notes in performances.values() for note in notes}
    assert used <= classes.keys()
    assert {classes[pitch] for pitch in used} == set(range(9))


def test_notes_are_short(performances, rows):
    for row in rows:
        ticks_per_sec = float(row["bpm"]) * 480 / 60
        for note in performances[row["midi_filename"]]:
            assert 0 < note.end - note.start <= 0.101 * ticks_per_sec


def test_two_hands_and_two_feet():
    for take in make_starter.takes():
        num_bars, section_bars = make_starter.FORMS[take.number]
        rng = random.Random(take.midi_filename)
        hits = starter_arrange.arrange(take.style, take.number, num_bars, section_bars, rng)
        hands = collections.Counter(hit.step for hit in hits if hit.voice not in ("kick", "pedal"))
        assert max(hands.values()) <= 2, (take.midi_filename, hands.most_common(1))


@pytest.mark.parametrize("take", make_starter.takes(), ids=lambda take: take.midi_filename)
def test_timing_is_human(take, performances):
    """Played hits stay within a third of a sixteenth of the written place, and seldom on it."""
    num_bars, section_bars = make_starter.FORMS[take.number]
    style = take.style
    hits = starter_arrange.arrange(style, take.number, num_bars, section_bars, random.Random(take.midi_filename))
    ticks_per_step = TICKS_PER_BAR // style.steps_per_bar
    swing_ticks = style.swing * TICKS_PER_STEP
    written = sorted(hit.step * ticks_per_step for hit in hits)
    offsets = []
    for note in performances[take.midi_filename]:
        nearest = min((note.start - place - swung for place in set(written) for swung in (0, swing_ticks)), key=abs)
        offsets.append(nearest)
    assert max(map(abs, offsets)) <= TICKS_PER_STEP / 3 + 1
    assert statistics.pstdev(offsets) > 3
    assert len(performances[take.midi_filename]) >= len(written) - 2


def test_swing_delays_every_second_sixteenth():
    hits = [starter_feel.Hit(step, "hat", "x") for step in range(16)]
    drummer = starter_feel.Drummer(0.0, {}, 0.0, 0.0, {}, 0.0)
    style = make_starter.Style("test", (120,), (), (), (), swing=0.25)
    notes = starter_feel.perform(hits, style, drummer, 120, random.Random("test"))
    assert [note.tick - 120 * step for step, note in enumerate(notes)] == [0, 30] * 8


def test_dynamics_have_ghosts_and_accents(performances):
    for name, notes in performances.items():
        velocities = [note.velocity for note in notes]
        assert statistics.pstdev(velocities) > 9, name
        assert len(set(velocities)) > 20, name
    funk = [note for name, notes in performances.items() if "_funk_" in name for note in notes]
    snares = [note.velocity for note in funk if note.pitch in SNARES]
    assert sum(velocity < 40 for velocity in snares) > len(snares) / 3
    assert sum(velocity > 80 for velocity in snares) > len(snares) / 4


def test_fills_lead_into_a_cymbal(performances):
    """At least one phrase ends unlike it went on before, in snare or toms, and a cymbal answers it."""
    for name, notes in performances.items():
        bars = collections.defaultdict(list)
        for note in notes:
            bar, step = divmod(round(note.start / TICKS_PER_STEP), 16)
            bars[bar].append((step, note.pitch, note.velocity))
        answered = [
            bar
            for bar in range(3, max(bars), 4)
            if loud_drums(bars[bar]) - loud_drums(bars[bar - 2])
            and any(step == 0 and pitch in CYMBALS for step, pitch, _ in bars[bar + 1])
        ]
        assert answered, name


def loud_drums(bar: list[tuple[int, int, int]]) -> set[tuple[int, bool]]:
    """Returns step and kind of the hits on snare and toms in a bar's second half that are no ghost notes."""
    drums = SNARES | TOMS
    return {(step, pitch in TOMS) for step, pitch, loud in bar if pitch in drums and step >= 8 and loud > 50}


def test_held_out_performances_are_no_copies(rows, performances):
    for style in STYLES:
        takes = [row for row in rows if row["style"] == style.name]
        assert len({row["bpm"] for row in takes}) == len(takes)
        grids = [
            {(round(note.start / TICKS_PER_STEP), note.pitch) for note in performances[row["midi_filename"]]}
            for row in takes
        ]
        for one, other in itertools.combinations(grids, 2):
            assert len(one & other) < 0.9 * max(len(one), len(other)), style.name


@pytest.mark.parametrize(
    ("tab", "message"),
    [
        ("cowbell x...x...x...x...", "unknown voice 'cowbell'.*known: kick, snare"),
        ("hat x..Q............", "unknown sign 'Q'.*known: . g o x X"),
        ("hat x...x...\nkick x...", "bars of a tab have one length, at most 16"),
        ("hat x...x...x...x...x", "bars of a tab have one length, at most 16"),
    ],
)
def test_bad_tabs_are_named(tab, message):
    with pytest.raises(ValueError, match=message):
        starter_arrange.parse_tab(tab, 16)


def test_arrangement_of_a_known_bar():
    hits = starter_arrange.arrange(STYLES[0], 0, 16, 8, random.Random("a"))
    second_bar = [hit for hit in hits if 16 <= hit.step < 32]
    assert [hit.step - 16 for hit in second_bar if hit.voice == "kick"] == [0, 8, 10]
    assert [hit.step - 16 for hit in second_bar if hit.voice == "snare"] == [4, 12]
    assert "".join(hit.sign for hit in second_bar if hit.voice == "hat") == "XxXxXxXx"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name: rock\ntempo: 90", "'tempo'"),
        ("name: rock\ntempos_qpm: fast", "invalid literal"),
        ("name: rock\ntempos_qpm: 90\n\n[break]\nkick x...", r"'\[break\]'"),
        ("name: rock", "tempos_qpm"),
    ],
)
def test_a_style_that_cannot_be_read_is_named(tmp_path, text, reason):
    (tmp_path / "rock.txt").write_text(text)
    with pytest.raises(ValueError, match=rf"rock\.txt: cannot be read as a style \(.*{reason}"):
        starter_styles.read(tmp_path / "rock.txt")
