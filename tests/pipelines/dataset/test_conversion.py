"""Collections to TFRecords: every file is accounted for, and nothing is written by halves."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import zipfile

import pytest

from grooves import metadata
from pipelines import cli
from pipelines.dataset import conversion, performance, record_set
from pipelines.dataset.inputs import sources
from pipelines.dataset.inputs.source import split_by_hash
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
            "b/Flügel.mid": "no drums: nothing on MIDI channel 10",
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
        assert metadata.read(sequence) == (row, "roland")
        assert sequence.sequence_metadata.artist == row["drummer"]
        assert list(sequence.sequence_metadata.genre) == row["style"].split("/")
        assert sequence.tempos[0].qpm == pytest.approx(float(row["bpm"]), abs=0.01)


def test_a_performance_that_fits_both_maps_follows_its_collection(tmp_path):
    for name, hat in (("a", 22), ("b", 26), ("c", 42), ("d", 42)):
        midi_files.write(tmp_path / "in" / f"{name}.mid", [(4 * beat, (36, hat)[beat % 2], 90) for beat in range(20)])
    report = conversion.convert(str(tmp_path / "in"), tmp_path / "auto")
    assert report["by_drum_map"]["roland"]["files"] == 4
    forced = conversion.convert(str(tmp_path / "in"), tmp_path / "gm", options=performance.Options(drum_map="gm"))
    assert forced["by_drum_map"]["gm"]["files"] == 4


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
