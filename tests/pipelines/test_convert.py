"""MIDI to TFRecords: every file is accounted for, every window counted, and nothing is written by halves."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import note_seq
import pytest

from grooves import metadata
from pipelines import cli, convert
from pipelines.dataset.inputs import sources
from pipelines.examples import note_sequences
from pipelines.files import atomic
from tests import midi_files

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPLITS = ("train", "validation", "test")


@pytest.fixture
def mixed(tmp_path) -> pathlib.Path:
    """A folder with three kinds of drums and one file of each kind that cannot be used."""
    folder = tmp_path / "in put"
    midi_files.write(folder / "a" / "six bars.mid", midi_files.groove(6))
    midi_files.write(folder / "a" / "same bars.mid", midi_files.groove(6, alike=True))
    midi_files.write(folder / "a" / "kürzer.MID", midi_files.groove(3))
    midi_files.write(folder / "b" / "waltz.mid", midi_files.groove(8), metre=(3, 4))
    midi_files.write(folder / "b" / "Flügel.mid", midi_files.groove(8), channel=0)
    midi_files.write(folder / "b" / "silence.mid", [])
    (folder / "b" / "broken.mid").write_bytes(b"MThd\0\0\0\6 and no more")
    (folder / "b" / "empty.midi").touch()
    (folder / "info.csv").write_text(
        "midi_filename,split\na/six bars.mid,train\na/same bars.mid,validation\na/kürzer.MID,validation\n"
        "b/waltz.mid,test\nb/Flügel.mid,test\nb/silence.mid,test\nb/broken.mid,train\nb/gone.mid,train\n"
    )
    return folder


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sequences(*paths: pathlib.Path) -> list[note_seq.NoteSequence]:
    return list(note_sequences.read_records(paths))


def errors(ended: subprocess.CompletedProcess) -> list[str]:
    """Returns what is on stderr, without the progress that a slow machine shows."""
    return [line for line in ended.stderr.splitlines() if not line.startswith("files: ")]


def run(*arguments: str | pathlib.Path, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pipelines.convert", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, **options)


def test_report_accounts_for_every_file(mixed, tmp_path):
    report = convert.convert(str(mixed), tmp_path / "out")
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
    convert.convert(str(mixed), tmp_path)
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
    report = convert.convert(str(tmp_path / "in"), tmp_path / "out")
    assert {split: counts["files"] for split, counts in report["splits"].items()} == {
        "train": 2,
        "validation": 1,
        "test": 2,
    }
    for split in SPLITS:
        for sequence in sequences(tmp_path / "out" / f"{split}.tfrecord"):
            assert sources.split_by_hash(sequence.filename) == split


@pytest.mark.parametrize(("bars", "windows"), [(3, 0), (4, 1), (5, 2), (12, 9), (120, 117)])
def test_windows_move_bar_by_bar_without_an_end(tmp_path, bars, windows):
    midi_files.write(tmp_path / "in" / "a.mid", midi_files.groove(bars))
    source = next(sources.open_collections([str(tmp_path / "in")]).walk())
    assert len(convert.convert_file(source, convert.Options()).facts.window_digests) == windows
    every_third = convert.convert_file(source, convert.Options(stride_bars=3))
    assert len(every_third.facts.window_digests) == (windows + 2) // 3


def test_a_zip_with_a_damaged_member_gives_the_rest(mixed, tmp_path):
    path = tmp_path / "in.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents(mixed).items():
            archive.writestr(f"groove/{name}", content)
    whole = convert.convert(str(path), tmp_path / "out")
    assert whole["windows"] == convert.convert(str(mixed), tmp_path / "folder")["windows"]
    content = path.read_bytes()
    start = content.index(b"MThd", content.index(b"groove/a/same bars.mid"))
    path.write_bytes(content[:start] + b"????" + content[start + 4 :])
    report = convert.convert(str(path), tmp_path / "out")
    assert report["skipped"]["groove/a/same bars.mid"] == "unreadable: damaged in the zip (wrong checksum)"
    assert report["skipped_by_reason"]["unreadable"] == 1
    assert report["files_kept"] == whole["files_kept"] - 1


@pytest.mark.parametrize("num_shards", [2, 3, 30])
def test_shards_hold_every_record_once(starter_records, tmp_path, num_shards):
    convert.convert("starter", tmp_path, num_shards=num_shards, num_workers=1)
    for split in SPLITS:
        names = [f"{split}.tfrecord-{number:05d}-of-{num_shards:05d}" for number in range(num_shards)]
        assert sorted(path.name for path in tmp_path.glob(f"{split}.*")) == names
        found = [sequence.filename for sequence in sequences(*[tmp_path / name for name in names])]
        whole = [sequence.filename for sequence in sequences(starter_records / f"{split}.tfrecord")]
        assert sorted(found) == sorted(whole)
        assert len(set(found)) == len(found)


def test_another_sharding_replaces_the_old_one_and_nothing_else(mixed, tmp_path):
    out = tmp_path / "out"
    convert.convert(str(mixed), out, num_shards=3)
    (out / "train.tfrecord.backup").write_text("somebody else's")
    convert.convert(str(mixed), out, overwrite=True)
    records = ["test.tfrecord", "train.tfrecord", "train.tfrecord.backup", "validation.tfrecord"]
    assert sorted(contents(out)) == ["report.html", "report.json", *records]
    convert.convert(str(mixed), out, num_shards=2, overwrite=True)
    assert not (out / "train.tfrecord").exists()
    assert len(list(out.glob("*.tfrecord-*-of-00002"))) == 6


def test_output_of_other_settings_is_not_replaced_unasked(mixed, tmp_path):
    out = tmp_path / "out"
    convert.convert(str(mixed), out)
    before = contents(out)
    ended = run(f"--input={mixed}", f"--output_dir={out}", "--drum_map=gm", "--min_bpm=90", "--splits=train,validation")
    assert (ended.returncode, ended.stdout) == (cli.FAILED, "")
    assert errors(ended) == [
        f"error: {out} holds the output of other settings (--drum_map: auto then, gm now, "
        "--min_bpm: nothing then, 90.0 now, --splits: nothing then, train,validation now);",
        "  --overwrite replaces it; another --output_dir keeps both",
    ]
    assert contents(out) == before
    with pytest.raises(ValueError, match=rf"--input: {mixed} then, starter now"):
        convert.convert("starter", out)
    convert.convert(str(mixed), out)
    assert contents(out) == before


def test_records_of_somebody_else_are_not_replaced_unasked(mixed, tmp_path):
    (tmp_path / "train.tfrecord").write_bytes(b"precious")
    with pytest.raises(ValueError, match=r"\(train.tfrecord is there, and no report.json that says how it was made\)"):
        convert.convert(str(mixed), tmp_path)
    assert (tmp_path / "train.tfrecord").read_bytes() == b"precious"


def test_the_same_input_gives_the_same_bytes(starter_records, tmp_path):
    convert.convert("starter", tmp_path, num_workers=1)
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
        convert.convert(str(folder), tmp_path / "out")
    assert str(caught.value) == f"{folder}: {expected}"
    assert not (tmp_path / "out").exists()


def test_output_dir_is_checked_before_the_work(mixed, tmp_path, monkeypatch):
    monkeypatch.setattr(
        convert, "convert_file", lambda *_, **__: pytest.fail("converted before the folder was checked")
    )
    (tmp_path / "file").write_text("old")
    with pytest.raises(ValueError, match=r"file: is a file; --output_dir takes a folder$"):
        convert.convert(str(mixed), tmp_path / "file")
    with pytest.raises(NotADirectoryError) as caught:
        convert.convert(str(mixed), tmp_path / "file" / "below")
    assert caught.value.filename == str(tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize("when", ["write", "write_report"])
def test_an_interruption_leaves_the_old_output_whole(mixed, tmp_path, monkeypatch, when):
    out = tmp_path / "out"
    convert.convert(str(mixed), out)
    before = contents(out)
    midi_files.write(mixed / "more.mid", midi_files.groove(9))

    interrupted = {"write": convert.record_set.RecordFiles, "write_report": convert.record_set}[when]
    monkeypatch.setattr(interrupted, when, lambda *_: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        convert.convert(str(mixed), out)
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
    convert.convert(str(mixed), out)
    before = contents(out)
    with pytest.raises(Exception, match="No space left on device") as caught:
        convert.convert("starter", out, num_workers=1, overwrite=True)
    explained = cli.explain(caught.value)
    assert explained.startswith("the disk is full (")
    assert explained.endswith("; free some space and run the command again")
    assert "\n" not in explained
    assert contents(out) == before


@pytest.mark.parametrize(
    ("given", "output_dir", "status", "expected"),
    [
        ("empty", "out", cli.FAILED, "no MIDI file in it (looked for *.mid and *.midi, in all folders)"),
        ("broken.zip", "out", cli.FAILED, "neither a folder nor a readable zip"),
        ("useless", "out", cli.FAILED, "no usable examples: all 1 files were skipped: unreadable MIDI (1)"),
        ("good", "broken.zip/out", cli.FAILED, "Not a directory; a part of this path is a file; give another path"),
        ("good", "--num_shards=0", cli.USAGE, "flag --num_shards=0: 0 is not an integer in the range [1, 1000]"),
    ],
)
def test_bad_input_on_the_command_line(tmp_path, given, output_dir, status, expected):
    midi_files.write(tmp_path / "good" / "a.mid", midi_files.groove(4))
    (tmp_path / "empty").mkdir()
    (tmp_path / "useless").mkdir()
    (tmp_path / "useless" / "a.mid").write_bytes(b"no MIDI")
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    before = contents(tmp_path)
    output = (
        [output_dir, f"--output_dir={tmp_path}/out"] if "=" in output_dir else [f"--output_dir={tmp_path}/{output_dir}"]
    )
    ended = run(f"--input={tmp_path / given}", *output)
    assert ended.returncode == status
    assert ended.stdout == ""
    first, *more = errors(ended)
    assert first.startswith("error: ") and expected in first
    assert len(more) <= 1
    assert contents(tmp_path) == before
    assert not (tmp_path / "out").exists()


def test_command_line_end_to_end(mixed, tmp_path):
    ended = run(f"--input={mixed}", f"--output_dir={tmp_path}/o u t", "--num_shards=2")
    assert (ended.returncode, errors(ended)) == (0, [])
    assert ended.stdout.startswith("8 files found, 3 kept, 5 skipped\n")
    assert len(sequences(*sorted((tmp_path / "o u t").glob("train.tfrecord-*")))) == 1


@pytest.mark.slow
def test_tfds_on_the_command_line(tmp_path):
    import tensorflow_datasets as tfds

    folder = tmp_path / "unpacked" / "groove"
    midi_files.write(folder / "a.mid", midi_files.groove(6))
    header = "drummer,id,style,bpm,beat_type,time_signature,midi_filename,split"
    row = "drummer1,drummer1/session1/1,rock,120,beat,4-4,a.mid,"
    (folder / "info.csv").write_text("\n".join([header, *(row + split for split in SPLITS)]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds.download.DownloadManager, "download_and_extract", lambda *_: str(folder.parent))
        tfds.builder("groove/full-midionly", data_dir=tmp_path / "tfds").download_and_prepare()
    environment = os.environ | {"TFDS_DATA_DIR": str(tmp_path / "tfds")}
    ended = run("--input=groove", f"--output_dir={tmp_path}/out", env=environment)
    assert (ended.returncode, errors(ended)) == (0, [])
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["windows"] == dict.fromkeys(SPLITS, 3)
    (sequence,) = sequences(tmp_path / "out" / "test.tfrecord")
    assert sequence.filename == "drummer1/session1/1.mid"


@pytest.fixture
def many(tmp_path) -> pathlib.Path:
    """A folder of as many files as a pool is worth."""
    for number in range(2 * convert.FILES_A_PROCESS):
        midi_files.write(tmp_path / "many" / f"{number}.mid", midi_files.groove(5 + number % 3))
    (tmp_path / "many" / "broken.mid").write_bytes(b"")
    return tmp_path / "many"


@pytest.mark.slow
def test_a_pool_gives_what_one_process_gives(many, tmp_path):
    convert.convert(str(many), tmp_path / "one", num_workers=1)
    ended = run(f"--input={many}", f"--output_dir={tmp_path}/pool", "--num_workers=2")
    assert (ended.returncode, errors(ended)) == (0, [])
    assert contents(tmp_path / "pool") == contents(tmp_path / "one")


@pytest.mark.slow
@pytest.mark.parametrize("num_workers", [1, 2])
@pytest.mark.parametrize("after_secs", [0, 0.2, 0.5])
def test_ctrl_c_ends_at_once_and_leaves_the_old_output_whole(many, mixed, tmp_path, num_workers, after_secs):
    out = tmp_path / "out"
    convert.convert(str(mixed), out)
    before = contents(out)
    command = [sys.executable, "-m", "pipelines.convert", f"--input={many}", f"--output_dir={out}", "--overwrite"]
    process = subprocess.Popen(
        [*command, f"--num_workers={num_workers}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not children.read_text():  # The workers are being started.
        time.sleep(0.01)
    time.sleep(after_secs)
    os.killpg(process.pid, signal.SIGINT)  # As a terminal does, workers included.
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (cli.INTERRUPTED, "", "interrupted\n")
    assert contents(out) == before


def damaged(midi: bytes, drawn: random.Random) -> bytes:
    """Returns a MIDI file with a few of its bytes flipped, cut, repeated or put in."""
    midi = bytearray(midi)
    for _ in range(drawn.randrange(1, 3)):
        at, length = drawn.randrange(len(midi)), drawn.randrange(1, 40)
        kind = drawn.choice(["flip", "cut", "end", "repeat", "insert"])
        if kind == "flip":
            midi[at] ^= 1 << drawn.randrange(8)
        elif kind == "cut":
            del midi[at : at + length]
        elif kind == "end" and at:
            del midi[at:]
        elif kind == "repeat":
            midi[at:at] = midi[at : at + length]
        else:
            midi[at:at] = drawn.randbytes(length)
        midi = midi or bytearray(b"M")
    return bytes(midi)


def test_a_thousand_damaged_files_are_each_accounted_for(tmp_path):
    whole = [path.read_bytes() for path in sorted(sources.STARTER_DIR.rglob("*.mid"))]
    drawn = random.Random(1)
    (tmp_path / "in").mkdir()
    for number in range(1000):
        (tmp_path / "in" / f"{number:04d}.mid").write_bytes(damaged(whole[number % len(whole)], drawn))
    ended = run(f"--input={tmp_path}/in", f"--output_dir={tmp_path}/out", "--file_timeout_secs=20")
    assert (ended.returncode, errors(ended)) == (0, [])
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["files_found"] == 1000 == report["files_kept"] + report["files_skipped"]
    assert len(report["skipped"]) == report["files_skipped"] == sum(report["skipped_by_reason"].values())
    assert not any("crashes" in reason or "takes longer" in reason for reason in report["skipped"].values())
    assert report["files_kept"] > 100 and report["files_skipped"] > 300
    kept = [sequence.filename for split in SPLITS for sequence in sequences(tmp_path / "out" / f"{split}.tfrecord")]
    assert sorted([*kept, *report["skipped"]]) == [f"{number:04d}.mid" for number in range(1000)]


@pytest.mark.slow
def test_kill_leaves_the_old_output_or_the_new_one(many, mixed, tmp_path):
    """At any moment: while the workers start, while they work, while files are moved into their places."""
    out, drawn = tmp_path / "out", random.Random(1)
    outputs = []
    for given in (mixed, many):
        convert.convert(str(given), tmp_path / "whole" / given.name, num_shards=2)
        outputs.append(contents(tmp_path / "whole" / given.name))
    convert.convert(str(mixed), out, num_shards=2)
    command = [sys.executable, "-m", "pipelines.convert", f"--output_dir={out}", "--overwrite", "--num_shards=2"]
    started = time.monotonic()
    subprocess.run([*command, f"--input={many}"], cwd=ROOT, check=True, capture_output=True)
    whole_secs = time.monotonic() - started
    killed = 0
    for turn in range(10):
        process = subprocess.Popen(
            [*command, f"--input={(mixed, many)[turn % 2]}"], cwd=ROOT, stdout=subprocess.DEVNULL
        )
        time.sleep(drawn.uniform(0.2, 1.1) * whole_secs)
        process.kill()
        killed += process.wait() == -signal.SIGKILL
        atomic.finish(out)
        left = {name: content for name, content in contents(out).items() if not name.startswith(".")}
        differing = [
            sorted(name for name in {**left, **output} if left.get(name) != output.get(name)) for output in outputs
        ]
        assert [] in differing, f"turn {turn}: a mixture"
    assert killed
    convert.convert(str(mixed), out, num_shards=2, overwrite=True)
    assert contents(out) == outputs[0], "leftovers"


def test_several_inputs_with_filters(tmp_path):
    midi_files.write(tmp_path / "a" / "song.mid", midi_files.groove(6), tempos=[(0, 90)])
    midi_files.write(tmp_path / "b" / "song.mid", midi_files.groove(7), tempos=[(0, 130)])
    inputs = ["--input=starter", f"--input={tmp_path}/a", f"--input={tmp_path}/b"]
    ended = run(*inputs, f"--output_dir={tmp_path}/out", "--min_bpm=80", "--max_bpm=100")
    assert (ended.returncode, errors(ended)) == (0, [])
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["files_found"] == 92
    assert report["skipped_by_reason"] == {"not selected": report["files_skipped"]}
    found = sequences(*[tmp_path / "out" / f"{split}.tfrecord" for split in SPLITS])
    assert {sequence.collection_name for sequence in found} == {"starter", "a"}
    assert len({sequence.id for sequence in found}) == len(found) == report["files_kept"]
    assert all(80 <= sequence.tempos[0].qpm <= 100.001 for sequence in found)


def test_an_unknown_style_lists_the_known_ones(tmp_path):
    ended = run("--input=starter", f"--output_dir={tmp_path}/out", "--styles=rok")
    assert (ended.returncode, ended.stdout) == (cli.FAILED, "")
    (line,) = errors(ended)
    assert line.startswith("error: --styles=rok: unknown; known, nearest first: rock, ")
    assert not (tmp_path / "out").exists()


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


@pytest.mark.parametrize(("pitches", "chosen"), [((36, 22, 48), "roland"), ((35, 54, 48), "gm"), ((36, 38, 48), "gm")])
def test_the_hits_choose_the_drum_map(tmp_path, pitches, chosen):
    played = [(4 * beat, pitches[beat % 3], 90) for beat in range(20)]
    midi_files.write(tmp_path / "in" / "a.mid", played)
    report = convert.convert(str(tmp_path / "in"), tmp_path / "out")
    assert report["by_drum_map"] == {chosen: {"files": 1, "windows": sum(report["windows"].values())}}
    assert report["hits_per_class"]["high tom" if chosen == "roland" else "mid tom"] == 6


def test_a_performance_that_fits_both_maps_follows_its_collection(tmp_path):
    for name, hat in (("a", 22), ("b", 26), ("c", 42), ("d", 42)):
        midi_files.write(tmp_path / "in" / f"{name}.mid", [(4 * beat, (36, hat)[beat % 2], 90) for beat in range(20)])
    report = convert.convert(str(tmp_path / "in"), tmp_path / "auto")
    assert report["by_drum_map"]["roland"]["files"] == 4
    forced = convert.convert(str(tmp_path / "in"), tmp_path / "gm", options=convert.Options(drum_map="gm"))
    assert forced["by_drum_map"]["gm"]["files"] == 4


def test_hits_in_no_class_are_counted_by_pitch(tmp_path):
    midi_files.write(tmp_path / "in" / "a.mid", [*midi_files.groove(5), (70, 88, 90), (71, 88, 90), (72, 24, 90)])
    report = convert.convert(str(tmp_path / "in"), tmp_path / "out")
    assert {pitch: counted["hits"] for pitch, counted in report["unmapped_pitches"].items()} == {"88": 2, "24": 1}


def test_converted_records_convert_again_to_the_same(starter_records, tmp_path):
    """TFRecords of NoteSequences as input, whose columns, names and splits stay."""
    report = convert.convert(str(starter_records / "train.tfrecord"), tmp_path / "out")
    assert report["files_kept"] == 60
    assert (tmp_path / "out" / "train.tfrecord").read_bytes() == (starter_records / "train.tfrecord").read_bytes()


@pytest.mark.slow
def test_groove_is_used_whole(groove_zip, tmp_path):
    report = convert.convert(str(groove_zip), tmp_path)
    assert report["files_found"] == report["files_kept"] + report["files_skipped"]
    assert report["windows"]["train"] == 15_629
    assert report["windows"]["validation"] == 1_910
    for split in ("train", "validation"):
        assert len(sequences(tmp_path / f"{split}.tfrecord")) == report["splits"][split]["files"]


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
    report = convert.convert(str(folder), tmp_path / "out")
    assert report["files_kept"] == 2
    assert report["skipped"]["piano.musicxml"] == "no drums: nothing on MIDI channel 10"
    assert report["skipped"]["settings.xml"] == "no notes"
    found = {s.filename: s for split in SPLITS for s in sequences(tmp_path / "out" / f"{split}.tfrecord")}
    beat = found["beat.xml"]
    assert beat.id == f"/id/musicxml/in/{hashlib.sha1(b'beat.xml').hexdigest()}"
    assert [note.pitch for note in beat.notes] == [36, 38] * 10
    assert sum(report["windows"].values()) == 3 + 1
