"""Collections to TFRecords: every file is accounted for, and nothing is written by halves."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import zipfile

import pytest

from grooves import drum_map_file, drums, metadata
from pipelines import cli
from pipelines.dataset import conversion, performance, record_set
from pipelines.dataset.formats import tfrecords
from pipelines.dataset.inputs import sources
from pipelines.dataset.inputs.source import split_by_hash
from pipelines.dataset.report import table
from tests import midi_files
from tests.conversions import SPLITS, contents, sequences


def test_report_accounts_for_every_file(mixed, tmp_path):
    report = conversion.convert(str(mixed), tmp_path / "out")
    written = (tmp_path / "out" / "report.json").read_text("utf-8")
    assert json.loads(written) == report
    assert "Flügel" in written
    assert "Flügel" in (tmp_path / "out" / "report.html").read_text("utf-8")
    broken, empty = report["skipped"].pop("b/broken.mid"), report["skipped"].pop("b/empty.midi")
    assert broken.startswith("unreadable MIDI: ") and empty.startswith("unreadable MIDI: ")
    expected = {
        "input": str(mixed),
        "files_found": 8,
        "files_kept": 3,
        "files_skipped": 5,
        "files_without_a_four_bar_window": 1,
        "windows": {"train": 3, "validation": 1, "test": 0},
        "splits": {
            "train": {"files": 1, "windows": 3},
            "validation": {"files": 2, "windows": 1},
            "test": {"files": 0, "windows": 0},
        },
        "skipped_by_reason": {"unreadable MIDI": 2, "no drums": 1, "no notes": 1, "not in 4/4": 1},
        "skipped": {
            "b/Flügel.mid": (
                "no drums: nothing on MIDI channel 10; notes are on channel 1 (101);"
                " --drum_channel=1 takes them as drums"
            ),
            "b/silence.mid": "no notes",
            "b/waltz.mid": "not in 4/4: 3/4",
        },
        "listed_but_missing": ["b/gone.mid"],
        "found_but_not_listed": ["b/empty.midi"],
    }
    assert {key: report[key] for key in expected} == expected


def test_records_are_the_midi_files(mixed, tmp_path):
    conversion.convert(str(mixed), tmp_path)
    (six,) = sequences(tmp_path / "train.tfrecord")
    assert (six.filename, six.collection_name) == ("a/six bars.mid", "in put")
    assert six.id == f"/id/midi/in put/{hashlib.sha1(b'a/six bars.mid').hexdigest()}"
    played = sorted((round(note.start_time * 8, 6), note.pitch, note.velocity) for note in six.notes)
    assert played == midi_files.groove(6)
    assert [s.filename for s in sequences(tmp_path / "validation.tfrecord")] == ["a/kürzer.MID", "a/same bars.mid"]
    assert (tmp_path / "test.tfrecord").read_bytes() == b""


def test_without_info_csv_the_names_decide(tmp_path):
    for letter in "abjkn":
        midi_files.write(tmp_path / "in" / f"{letter}.mid", midi_files.groove(4))
    report = conversion.convert(str(tmp_path / "in"), tmp_path / "out")
    assert {split: counts["files"] for split, counts in report["splits"].items()} == {
        "train": 2,
        "validation": 1,
        "test": 2,
    }
    for split in SPLITS:
        for sequence in sequences(tmp_path / "out" / f"{split}.tfrecord"):
            assert split_by_hash(sequence.filename) == split


def test_a_zip_with_a_damaged_member_gives_the_rest(mixed, tmp_path):
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents(mixed).items():
            archive.writestr(f"groove/{name}", content)
    whole = conversion.convert(str(path), tmp_path / "out")
    assert whole["windows"] == conversion.convert(str(mixed), tmp_path / "folder")["windows"]
    content = path.read_bytes()
    start = content.index(b"MThd", content.index(b"groove/a/same bars.mid"))
    path.write_bytes(content[:start] + b"????" + content[start + 4 :])
    report = conversion.convert(str(path), tmp_path / "out")
    assert report["skipped"]["groove/a/same bars.mid"] == "unreadable: damaged in the zip (wrong checksum)"
    assert report["skipped_by_reason"]["unreadable"] == 1
    assert report["files_kept"] == whole["files_kept"] - 1


def test_the_same_input_gives_the_same_bytes(starter_records, tmp_path):
    conversion.convert("starter", tmp_path, num_workers=1)
    expected = {name: content for name, content in contents(starter_records).items() if not name.startswith(".")}
    assert contents(tmp_path) == expected


def test_the_starter_set_is_used_whole(starter_records):
    report = json.loads((starter_records / "report.json").read_text())
    assert report["files_found"] == report["files_kept"] == len(list(sources.STARTER_DIR.rglob("*.mid")))
    assert report["skipped"] == {}
    assert report["files_without_a_four_bar_window"] == 0


@pytest.mark.parametrize(
    ("bars", "metre", "expected"),
    [
        (3, (4, 4), "no usable examples: none of the 1 drum files has four bars without a pause"),
        (8, (3, 4), "no usable examples: all 1 files were skipped: not in 4/4 (1)"),
    ],
)
def test_nothing_usable_is_an_error_and_writes_nothing(tmp_path, bars, metre, expected):
    folder = tmp_path / "in"
    midi_files.write(folder / "a.mid", midi_files.groove(bars), metre=metre)
    with pytest.raises(ValueError, match="no usable examples") as caught:
        conversion.convert(str(folder), tmp_path / "out")
    assert str(caught.value) == f"{folder}: {expected}"
    assert not (tmp_path / "out").exists()


def test_output_dir_is_checked_before_the_work(mixed, tmp_path, monkeypatch):
    monkeypatch.setattr(
        conversion, "convert_all", lambda *_, **__: pytest.fail("converted before the folder was checked")
    )
    (tmp_path / "file").write_text("old")
    with pytest.raises(ValueError, match=r"file: is a file; --output_dir takes a folder$"):
        conversion.convert(str(mixed), tmp_path / "file")
    with pytest.raises(NotADirectoryError) as caught:
        conversion.convert(str(mixed), tmp_path / "file" / "below")
    assert caught.value.filename == str(tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize("when", ["write", "write_report"])
def test_an_interruption_leaves_the_old_output_whole(mixed, tmp_path, monkeypatch, when):
    out = tmp_path / "out"
    conversion.convert(str(mixed), out)
    before = contents(out)
    midi_files.write(mixed / "more.mid", midi_files.groove(9))

    interrupted = {"write": record_set.RecordFiles, "write_report": record_set.Folder}[when]
    monkeypatch.setattr(interrupted, when, lambda *_: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        conversion.convert(str(mixed), out)
    assert contents(out) == before


@pytest.fixture
def tiny_disk(tmp_path) -> pathlib.Path:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if not mount or os.geteuid() != 0 or subprocess.run([mount, *options], capture_output=True).returncode:
        pytest.skip("only root can mount a tiny disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_old_output_whole(mixed, tmp_path, tiny_disk):
    out = tiny_disk / "out"
    conversion.convert(str(mixed), out)
    before = contents(out)
    with pytest.raises(Exception, match="No space left on device") as caught:
        conversion.convert("starter", out, num_workers=1, overwrite=True)
    explained = cli.explain(caught.value)
    assert explained.startswith("the disk is full (")
    assert explained.endswith("; free some space and run the command again")
    assert "\n" not in explained
    assert contents(out) == before


def test_the_columns_travel_into_the_notesequence(starter_records):
    found = {sequence.filename: sequence for sequence in sequences(starter_records / "train.tfrecord")}
    with (sources.STARTER_DIR / "info.csv").open(encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if row["split"] == "train"]
    assert len(rows) == len(found)
    for row in rows:
        sequence = found[row["midi_filename"]]
        assert metadata.read(sequence) == (row, drums.ROLAND)
        assert sequence.sequence_metadata.artist == row["drummer"]
        assert list(sequence.sequence_metadata.genre) == row["style"].split("/")
        assert sequence.tempos[0].qpm == pytest.approx(float(row["bpm"]), abs=0.01)


@pytest.mark.parametrize("drum_channel", [10, 1])
def test_a_performance_that_fits_both_maps_follows_its_collection(tmp_path, drum_channel):
    for name, hat in (("a", 22), ("b", 26), ("c", 42), ("d", 42)):
        played = [(4 * beat, (36, hat)[beat % 2], 90) for beat in range(20)]
        midi_files.write(tmp_path / "in" / f"{name}.mid", played, channel=drum_channel - 1)
    auto = performance.Options(drum_channel=drum_channel)
    report = conversion.convert(str(tmp_path / "in"), tmp_path / "auto", options=auto)
    assert report["by_drum_map"]["roland"]["files"] == 4
    forced = conversion.convert(
        str(tmp_path / "in"), tmp_path / "gm", options=dataclasses.replace(auto, drum_map=drums.GM)
    )
    assert forced["by_drum_map"]["gm"]["files"] == 4


def test_without_flags_records_are_what_they_have_always_been(starter_records):
    """Digests of the bundled set; they change with `data/starter` and with `conversion.VERSION`, and not otherwise."""
    found = {
        split: hashlib.sha256((starter_records / f"{split}.tfrecord").read_bytes()).hexdigest() for split in SPLITS
    }
    assert found == {
        "train": "44b62ffdf03f052ec6086f95afaa4fe11601634466c32a1fb1946adb19c23fa5",
        "validation": "20d7723fcd6ac441e5812563add368d7d8bf2e7d42020696546f8d5b5fe41244",
        "test": "1903f9461d01b477527ed2c0e259588c731cc11ad6c1fc4c2aedcd91bc627111",
    }
    settings = json.loads((starter_records / "report.json").read_text())["settings"]
    assert settings == {"version": 1, "input": ["starter"], "drum_map": "auto", "stride_bars": 1, "num_shards": 1}


BASS = [(step, 36, 80) for step in range(0, 96, 8)]  # Where a kick would be, on a channel of its own.


def all_sequences(folder: pathlib.Path) -> list:
    return [sequence for split in SPLITS for sequence in sequences(folder / f"{split}.tfrecord")]


@pytest.mark.parametrize("drum_channel", [1, "all"])
def test_drums_on_another_channel_are_found_where_it_is_said(tmp_path, drum_channel):
    for name, channel in (("first", 0), ("tenth", midi_files.DRUM_CHANNEL)):
        midi_files.write(tmp_path / name / "a.mid", midi_files.groove(6), channel=channel)
    tenth = conversion.convert(str(tmp_path / "tenth"), tmp_path / "expected")
    with pytest.raises(ValueError, match="no usable examples") as caught:
        conversion.convert(str(tmp_path / "first"), tmp_path / "out")
    assert str(caught.value).splitlines() == [
        f"{tmp_path}/first: no usable examples: all 1 files were skipped: no drums (1);",
        "  a.mid: nothing on MIDI channel 10; notes are on channel 1 (75); --drum_channel=1 takes them as drums",
    ]
    options = performance.Options(drum_channel=drum_channel)
    report = conversion.convert(str(tmp_path / "first"), tmp_path / "out", options=options)
    assert report["settings"]["drum_channel"] == drum_channel
    for counted in ("windows", "steps", "onsets", "hits_per_class", "by_drum_map"):
        assert report[counted] == tenth[counted]
    (found,), (expected,) = all_sequences(tmp_path / "out"), all_sequences(tmp_path / "expected")
    assert list(found.notes) == list(expected.notes)
    assert all(note.is_drum for note in found.notes)


def test_another_channel_than_the_drums_is_no_drum_and_all_takes_every_note(tmp_path):
    played = midi_files.groove(6, alike=True)
    midi_files.write(tmp_path / "in" / "a.mid", played, also={0: BASS, 3: [(2, 100, 50)]})
    kicks, unmapped = {}, {}
    for drum_channel in (10, 1, "all"):
        options = performance.Options(drums.GM, drum_channel=drum_channel)
        report = conversion.convert(str(tmp_path / "in"), tmp_path / str(drum_channel), options=options)
        kicks[drum_channel] = report["steps"]["hits"]["read"], report["hits_per_class"]["kick"]
        unmapped[drum_channel] = {pitch: counted["hits"] for pitch, counted in report["unmapped_pitches"].items()}
        (sequence,) = all_sequences(tmp_path / str(drum_channel))
        assert len(sequence.notes) == len(played) + len(BASS) + 1  # What is no drum stays in the record.
    num_played = len(played)
    # Every other note of the bass falls on a kick of the drums.
    assert kicks == {10: (num_played, 6), 1: (len(BASS), 12), "all": (num_played + len(BASS) + 1, 12)}
    assert unmapped == {10: {}, 1: {}, "all": {"100": 1}}


def test_files_without_drums_count_as_one_kind_whatever_is_said_of_them(tmp_path, capsys):
    midi_files.write(tmp_path / "in" / "a.mid", midi_files.groove(6))
    midi_files.write(tmp_path / "in" / "b.mid", BASS, channel=2, also={0: midi_files.groove(6)})
    midi_files.write(tmp_path / "in" / "c.mid", BASS, channel=15)
    report = conversion.convert(str(tmp_path / "in"), tmp_path / "out")
    assert report["skipped_by_reason"] == {"no drums": 2}
    assert report["steps"]["files"][3] == {"step": "drum check", "files": 1, "lost": {"no drums": 2}}
    assert report["skipped"] == {
        "b.mid": "no drums: nothing on MIDI channel 10; notes are on channels 1 (75) and 3 (12);"
        " --drum_channel=1 takes those on 1 as drums",
        "c.mid": "no drums: nothing on MIDI channel 10; notes are on channel 16 (12);"
        " --drum_channel=16 takes them as drums",
    }
    table.print_report(report, "out")
    assert capsys.readouterr().out.splitlines()[:4] == [
        "3 files found, 1 kept, 2 skipped",
        "  no drums: 2 (b.mid, c.mid)",
        "    b.mid: nothing on MIDI channel 10; notes are on channels 1 (75) and 3 (12); --drum_channel=1",
        "    takes those on 1 as drums",
    ]


def test_notesequences_say_themselves_which_notes_are_drums(tmp_path):
    """A TFRecord has no channels: a number is for the MIDI beside it, "all" is for everything."""
    midi_files.write(tmp_path / "midi" / "train.mid", midi_files.groove(6), also={0: BASS})
    options = {channel: performance.Options(drums.GM, drum_channel=channel) for channel in (10, 1, "all")}
    for channel in (10, "all"):
        conversion.convert(str(tmp_path / "midi"), tmp_path / str(channel), options=options[channel])
    (path,) = (path for path in (tmp_path / "10").glob("*.tfrecord") if path.stat().st_size)
    for channel, expected in ((1, "10"), ("all", "all")):
        conversion.convert(str(path), tmp_path / "again", options=options[channel], overwrite=True)
        assert (tmp_path / "again" / path.name).read_bytes() == (tmp_path / expected / path.name).read_bytes()
    unmarked = midi_files.sequence(midi_files.groove(6), is_drum=False)
    with (tmp_path / "piano.tfrecord").open("wb") as file:
        tfrecords.write(file, unmarked.SerializeToString())
    with pytest.raises(ValueError) as caught:
        conversion.convert(str(tmp_path / "piano.tfrecord"), tmp_path / "piano", options=options[1])
    assert str(caught.value).endswith(
        "piano.tfrecord record 0: no note is marked as a drum, and none has a MIDI channel;"
        " --drum_channel=all takes them as drums"
    )
    report = conversion.convert(str(tmp_path / "piano.tfrecord"), tmp_path / "piano", options=options["all"])
    assert report["steps"]["hits"]["read"] == len(unmarked.notes)


@pytest.fixture
def own_kit(tmp_path) -> pathlib.Path:
    """A drum map in which a kick is on 60, a snare on 61 and a hi-hat on 42."""
    path = tmp_path / "own kit.txt"
    path.write_text("60: kick\n61: snare\n42: hihat\n36: none\n")
    return path


def test_a_drum_map_of_ones_own(tmp_path, own_kit):
    moved = {midi_files.KICK: 60, midi_files.SNARE: 61}
    played = [(step, moved.get(pitch, pitch), velocity) for step, pitch, velocity in midi_files.groove(6)]
    extra = [(1, 36, 90), (2, 99, 90), (3, 99, 90)]
    midi_files.write(tmp_path / "usual" / "a.mid", midi_files.groove(6))
    midi_files.write(tmp_path / "own" / "a.mid", sorted([*played, *extra]))
    usual = conversion.convert(str(tmp_path / "usual"), tmp_path / "expected")
    options = performance.Options(drum_map_file.read(own_kit))
    report = conversion.convert(str(tmp_path / "own"), tmp_path / "out", options=options)
    assert report["onsets"] == usual["onsets"]
    assert report["windows"] == usual["windows"]
    assert {pitch: counted["hits"] for pitch, counted in report["unmapped_pitches"].items()} == {"36": 1, "99": 2}
    assert list(report["by_drum_map"]) == ["own kit.txt"]
    (sequence,) = all_sequences(tmp_path / "out")
    assert metadata.read(sequence) == ({}, options.drum_map)
    assert {note.pitch for note in sequence.notes} == {36, 42, 60, 61, 99}  # As they were played.
    split = next(split for split in SPLITS if report["splits"][split]["files"])
    own_kit.unlink()
    again = conversion.convert(str(tmp_path / "out" / f"{split}.tfrecord"), tmp_path / "again")
    assert again["onsets"] == usual["onsets"]
    assert (tmp_path / "again" / f"{split}.tfrecord").read_bytes() == (
        tmp_path / "out" / f"{split}.tfrecord"
    ).read_bytes()


def test_another_content_of_a_drum_map_is_another_setting(tmp_path, own_kit):
    midi_files.write(tmp_path / "in" / "a.mid", midi_files.groove(6))

    def convert():
        conversion.convert(
            str(tmp_path / "in"), tmp_path / "out", options=performance.Options(drum_map_file.read(own_kit))
        )

    convert()
    own_kit.write_text(f"# As before.\n\n{own_kit.read_text()}")
    convert()
    own_kit.write_text("42: ride\n")
    with pytest.raises(
        ValueError, match=r"--drum_map: own kit\.txt \(content (\w{8})\) then, own kit\.txt \(content (?!\1)\w{8}\) now"
    ):
        convert()


def test_shards_and_processes_take_the_same_drums(tmp_path, own_kit):
    for number in range(8):
        midi_files.write(tmp_path / "in" / f"{number}.mid", midi_files.groove(4 + number), channel=4)
    options = performance.Options(drum_map_file.read(own_kit), drum_channel=5)
    one = conversion.convert(str(tmp_path / "in"), tmp_path / "one", options=options, num_workers=1)
    many = conversion.convert(str(tmp_path / "in"), tmp_path / "many", options=options, num_workers=2, num_shards=3)
    whole = {sequence.filename: sequence for sequence in all_sequences(tmp_path / "one")}
    parts = sequences(*(tmp_path / "many").glob("*.tfrecord-*"))
    assert {sequence.filename: sequence for sequence in parts} == whole
    assert len(whole) == len(parts) == 8
    assert {**one, "settings": 0} == {**many, "settings": 0}


def test_converted_records_convert_again_to_the_same(starter_records, tmp_path):
    """TFRecords of NoteSequences as input, whose columns, names and splits stay."""
    report = conversion.convert(str(starter_records / "train.tfrecord"), tmp_path / "out")
    assert report["files_kept"] == 60
    assert (tmp_path / "out" / "train.tfrecord").read_bytes() == (starter_records / "train.tfrecord").read_bytes()


@pytest.mark.slow
def test_groove_is_used_whole(groove_zip, tmp_path):
    report = conversion.convert(str(groove_zip), tmp_path)
    assert report["files_found"] == report["files_kept"] + report["files_skipped"]
    assert report["windows"]["train"] == 15_629
    assert report["windows"]["validation"] == 1_910
    for split in ("train", "validation"):
        assert len(sequences(tmp_path / f"{split}.tfrecord")) == report["splits"][split]["files"]
