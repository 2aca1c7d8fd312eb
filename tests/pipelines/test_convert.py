"""MIDI to TFRecords: every file is accounted for, every window counted, and nothing is written by halves."""

from __future__ import annotations

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

from pipelines import cli
from pipelines.dataset import conversion
from pipelines.dataset.inputs import sources
from pipelines.files import atomic
from tests import midi_files
from tests.conversions import ROOT, SPLITS, contents, errors, run, sequences


def test_output_of_other_settings_is_not_replaced_unasked(mixed, tmp_path):
    out = tmp_path / "out"
    conversion.convert(str(mixed), out)
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
        conversion.convert("starter", out)
    conversion.convert(str(mixed), out)
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


def test_drums_of_another_channel_and_kit_on_the_command_line(tmp_path):
    moved = [(step, {36: 60, 38: 61}.get(pitch, pitch), velocity) for step, pitch, velocity in midi_files.groove(6)]
    midi_files.write(tmp_path / "in" / "a.mid", moved, channel=0)
    (tmp_path / "my kit.txt").write_bytes(b"\xef\xbb\xbf60: Kick\r\n61: SNARE # rim too\r\n42: hihat\r\n")
    flags = [f"--input={tmp_path}/in", f"--output_dir={tmp_path}/out", f"--drum_map={tmp_path}/my kit.txt"]
    ended = run(*flags)
    assert (ended.returncode, ended.stdout) == (cli.FAILED, "")
    assert errors(ended)[1] == (
        "  a.mid: nothing on MIDI channel 10; notes are on channel 1 (75); --drum_channel=1 takes them as drums"
    )
    for channel in ("1", "ALL"):
        ended = run(*flags, f"--drum_channel={channel}", "--overwrite")
        assert (ended.returncode, errors(ended)) == (0, [])
        assert ended.stdout.startswith("1 file found, 1 kept, 0 skipped\n75 hits → 75 in the nine classes")
        report = json.loads((tmp_path / "out" / "report.json").read_text())
        assert report["hits_per_class"]["closed hi-hat"] == 48
        assert report["hits_per_class"]["snare"] == 12
        assert report["by_drum_map"] == {"my kit.txt": {"files": 1, "windows": 3}}
        assert "my kit.txt (content " in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("flag", "content", "status", "expected"),
    [
        ("--drum_channel=0", b"", cli.USAGE, "flag --drum_channel=0: value should be one of <1|2|3|4|5|6|7|8|9|10|11|"),
        ("--drum_channel=17", b"", cli.USAGE, "flag --drum_channel=17: value should be one of <1|2|3|4|5|6|7|8|9|10|"),
        ("--drum_map=roalnd", b"", cli.FAILED, "--drum_map=roalnd: no such file, and none of roland, gm, auto; a drum"),
        ("--drum_map={}", b"", cli.FAILED, "{}: has no drum in it; a drum map is a text file with a line such as 36:"),
        (
            "--drum_map={}",
            b"36: kick\n38: snar",
            cli.FAILED,
            "{}, line 2: '38: snar': unknown drum; known, nearest fir",
        ),
        ("--drum_map={}", b"\x7fELF\2\1\1\0", cli.FAILED, "{}: is no text in UTF-8; a drum map is a text file with"),
        ("--drum_map={}", b"36: kick\n" * 1_200_000, cli.FAILED, "{}: larger than 1 MiB; a drum map is a text file"),
    ],
)
def test_drums_that_cannot_be_read_end_in_a_line_and_change_nothing(mixed, tmp_path, flag, content, status, expected):
    (tmp_path / "kit.txt").write_bytes(content)
    (tmp_path / "out").mkdir()
    ended = run(f"--input={mixed}", f"--output_dir={tmp_path}/out", flag.format(tmp_path / "kit.txt"))
    assert (ended.returncode, ended.stdout) == (status, "")
    first, *more = errors(ended)
    assert first.startswith("error: " + expected.format(tmp_path / "kit.txt"))
    assert more == (["  python -m pipelines.convert --help lists the flags"] if status == cli.USAGE else [])
    assert not list((tmp_path / "out").iterdir())


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
    for number in range(2 * conversion.FILES_A_PROCESS):
        midi_files.write(tmp_path / "many" / f"{number}.mid", midi_files.groove(5 + number % 3))
    (tmp_path / "many" / "broken.mid").write_bytes(b"")
    return tmp_path / "many"


@pytest.mark.slow
def test_a_pool_gives_what_one_process_gives(many, tmp_path):
    conversion.convert(str(many), tmp_path / "one", num_workers=1)
    ended = run(f"--input={many}", f"--output_dir={tmp_path}/pool", "--num_workers=2")
    assert (ended.returncode, errors(ended)) == (0, [])
    assert contents(tmp_path / "pool") == contents(tmp_path / "one")


@pytest.mark.slow
@pytest.mark.parametrize("num_workers", [1, 2])
@pytest.mark.parametrize("after_secs", [0, 0.2, 0.5])
def test_ctrl_c_ends_at_once_and_leaves_the_old_output_whole(many, mixed, tmp_path, num_workers, after_secs):
    out = tmp_path / "out"
    conversion.convert(str(mixed), out)
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
        conversion.convert(str(given), tmp_path / "whole" / given.name, num_shards=2)
        outputs.append(contents(tmp_path / "whole" / given.name))
    conversion.convert(str(mixed), out, num_shards=2)
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
    conversion.convert(str(mixed), out, num_shards=2, overwrite=True)
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
