"""Generation beside Magenta's: what is counted, read and shown, equal decoding, and both commands from end to end."""

import json
import subprocess
import sys
import time
import wave

import numpy as np
import pytest
from absl import flags

import configs
from benchmarks import command, comparison, contenders, generate, generation, humanizing, likeliest, magenta_configs
from benchmarks import our_generate as ours
from grooves.groove import Groove
from pipelines.generation import outputs
from pipelines.generation.piece import song_of
from pipelines.runs import pretrained
from pipelines.runs.run_folder import RunFolder

SIZES = ("z_size", "enc_rnn_size", "dec_rnn_size", "max_seq_len", "dropout_keep_prob")


def write_beat(path):
    """Writes four bars with a kick on each quarter, all equally loud."""
    hits = np.zeros([64, 9])
    hits[::4, 0] = 1
    song = song_of(Groove(hits, hits * 0.6, np.zeros_like(hits)), 120, path.stem)
    outputs.write(outputs.Piece(song.label, song.notes, song.tempos, song.num_bars), path)


def write_everything(folder, names=("a", "b")):
    """Writes what `./run_generate.sh` does, in small."""
    for name in names:
        write_beat(folder / f"{name}.mid")
        (folder / f"{name}.png").write_bytes(generation.PNG_START)
        with wave.open(str(folder / f"{name}.wav"), "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(2)
            wav.setframerate(8000)
            wav.writeframes(bytes(160))
    (folder / "index.html").write_text("<html></html>")


def test_what_was_written_is_counted_and_read(tmp_path):
    write_everything(tmp_path)
    generation.check("it", tmp_path, 2, renders=True)
    (tmp_path / "originals").mkdir()
    write_beat(tmp_path / "originals" / "c.mid")
    generation.check("it", tmp_path, 2, renders=True)
    with pytest.raises(ValueError, match=r"it: wrote 2 \*\.mid, not 3"):
        generation.check("it", tmp_path, 3, renders=False)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.mid", b"MThd", "a.mid"),
        ("b.wav", b"RIFF", "b.wav: no WAV"),
        ("a.png", b"GIF89a", "a.png: no PNG"),
        ("b.png", None, r"it: wrote 1 \*\.png, not 2"),
        ("index.html", None, "it: wrote no index.html"),
    ],
)
def test_what_is_missing_or_damaged_is_told(tmp_path, name, content, message):
    write_everything(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        generation.check("it", tmp_path, 2, renders=True)


def test_a_wav_of_no_length_is_none(tmp_path):
    write_everything(tmp_path)
    with wave.open(str(tmp_path / "a.wav"), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(8000)
    with pytest.raises(ValueError, match=r"a\.wav: a WAV of no length"):
        generation.check("it", tmp_path, 2, renders=True)


def test_a_way_that_writes_nothing_fails():
    with pytest.raises(ValueError, match=r"idle: wrote 0 \*\.mid, not 1"):
        generation.Way("idle", ("-c", "pass")).run(1, [])


def test_a_way_writes_into_the_folder_that_it_is_given(tmp_path):
    write_beat(tmp_path / "beat.mid")
    program = f"""
import pathlib, shutil, sys
folder = pathlib.Path(sys.argv[-1].removeprefix("--output_dir="))
folder.mkdir()
shutil.copy({str(tmp_path / "beat.mid")!r}, folder / sys.argv[1])
"""
    outcome = generation.Way("it", ("-c", program)).run(1, ["one.mid"])
    assert outcome.secs > 0


def test_magentas_batches_stand_beside_what_ours_took_without_them():
    task, batched = generate.Task(1000, 3), generate.Task(1000, 3, 256)
    results = {
        "Magenta": {
            task.name: [command.Outcome(60.0, 900 * 2**20), command.Outcome(50.0, 800 * 2**20)],
            batched.name: [command.Outcome(24.0, 1000 * 2**20)],
        },
        "ours": {task.name: [command.Outcome(5.0, 100 * 2**20)]},
    }
    lines = comparison.table(results, generate.rows([task, batched]))
    assert [line.split()[-2:] for line in lines[1:]] == [
        *(["5.00", "11.00"], ["100", "8.50"]),
        *(["5.00", "4.80"], ["100", "10.00"]),
    ]
    assert lines[1].startswith("1,000 samples (s)")
    assert "55.00 (50.00 to 60.00)" in lines[1]
    assert lines[3].startswith("1,000 samples, 256 at once (s)")


def test_each_way_runs_each_task_in_turn_and_magentas_batches_only_magenta(monkeypatch, capsys):
    calls = []

    def run(self, num_files, arguments):
        calls.append((self.name, num_files, *arguments))
        return command.Outcome(1.0, 1)

    monkeypatch.setattr(generation.Way, "run", run)
    results = generate.measure([generate.Task(5, 2), generate.Task(9, 1, 3)], ["--config=x"])
    every = [(way.name, 5, "--config=x", "--num_outputs=5") for way in generation.WAYS]
    assert calls == [*every, *every, ("Magenta", 9, "--config=x", "--num_outputs=9", "--max_batch_size=3")]
    assert [len(outcomes) for outcomes in results["ours"].values()] == [2]
    assert "run 2 of 2  5 samples  ours: 1.00 s" in capsys.readouterr().out


@pytest.fixture
def given_flags():
    values = flags.FlagValues()
    flags.DEFINE_string("pretrained", "hier-drums", "", flag_values=values)
    flags.DEFINE_string("checkpoint_file", None, "", flag_values=values)
    flags.DEFINE_string("config", None, "", flag_values=values)
    return lambda *arguments: values(["program", *arguments]) and values


def test_the_model_is_named_by_its_name_or_by_checkpoint_and_config(given_flags):
    folder = pretrained.locate("tap")
    assert generate.model_of(given_flags("--pretrained=tap")) == ("groovae_4bar_tap_groove", str(folder / "tap.tar"))
    named = given_flags("--checkpoint_file=model.ckpt-3", "--config=groovae_4bar")
    assert generate.model_of(named) == ("groovae_4bar", "model.ckpt-3")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--checkpoint_file=model.ckpt-3"], "--checkpoint_file and --config go together"),
        (["--config=groovae_4bar"], "--checkpoint_file and --config go together"),
        (["--checkpoint_file=model.ckpt-3", "--config=nade"], "--config=nade: not one .* groovae_4bar_tap_groove"),
        (["--pretrained=hierdrums"], "unknown --pretrained='hierdrums'; known, nearest first: hier-drums"),
    ],
)
def test_a_model_that_cannot_be_measured_is_told(given_flags, arguments, message):
    with pytest.raises(ValueError, match=message):
        generate.model_of(given_flags(*arguments))


def test_both_know_the_configs_of_the_trained_models():
    assert (*contenders.CONFIGS, *magenta_configs.HIERARCHIES) == contenders.GENERATING_CONFIGS
    for name in pretrained.names():
        assert RunFolder(pretrained.locate(name)).config_name in contenders.GENERATING_CONFIGS


@pytest.mark.parametrize("name", magenta_configs.HIERARCHIES)
def test_magentas_hierarchies_have_our_sizes_and_magentas_classes(name):
    theirs, ours = magenta_configs.build(name), configs.CONFIG_MAP[name]
    for hparam in SIZES:
        assert getattr(theirs.hparams, hparam) == getattr(ours.hparams, hparam)
    assert theirs.data_converter.input_depth == ours.data_converter.input_depth
    assert theirs.data_converter.output_depth == ours.data_converter.output_depth
    assert theirs.model.encoder.level_lengths == ours.model.encoder.level_lengths
    for part in (theirs.model, theirs.model.encoder, theirs.model.decoder, theirs.data_converter):
        assert type(part).__module__.startswith("magenta.")


@pytest.mark.parametrize("name", ["groovae", "hier-drums"])
def test_the_likeliest_is_what_stock_magenta_decodes(name):
    config = RunFolder(pretrained.locate(name)).config_name
    found = likeliest.compare(config, str(pretrained.tar_of(pretrained.locate(name))), num_vectors=8, seed=3)
    assert (found.hits, found.cells) == (0, 8 * 64 * 9)
    assert max(found.velocity, found.offset) < 1e-4


def test_differences_are_counted_and_measured_where_both_have_a_hit():
    hits = np.zeros([1, 2, 9])
    hits[0, 0, :3] = 1
    one = Groove(hits, hits * 0.5, hits * -0.25)
    others = hits.copy()
    others[0, 0, 0], others[0, 1, 8] = 0, 1
    velocities, offsets = others * 0.5, others * -0.25
    velocities[0, 0, 1], offsets[0, 0, 2] = 0.625, 0.5
    found = likeliest.difference(one, Groove(others, velocities, offsets))
    assert found == likeliest.Difference(hits=2, cells=18, velocity=0.125, offset=0.75)


def test_decoding_that_differs_is_an_error(monkeypatch):
    monkeypatch.setattr(likeliest, "compare", lambda *_, **__: likeliest.Difference(2, 36864, 0.0, 0.0))
    with pytest.raises(ValueError, match=r"a\.tar: of 36,864 cells of 64 windows, 2 are hit in one alone"):
        generate.tell_likeliest("groovae_4bar", "a.tar")


def test_a_part_is_timed_without_the_parts_in_it(monkeypatch):
    now_secs = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_secs[0])

    def pass_by(secs):
        now_secs[0] += secs

    stopwatch = ours.Stopwatch("start-up", started_secs=98.0)
    assert stopwatch.switch("the rest") == "start-up"
    inner = stopwatch.timed("reading", pass_by)

    def load():
        pass_by(1.0)
        inner(0.5)
        pass_by(0.25)
        raise OSError("no such file")

    with pytest.raises(OSError, match="no such file"):
        stopwatch.timed("loading", load)()
    pass_by(4.0)
    stopwatch.switch("the rest")
    assert stopwatch.secs == {"start-up": 2.0, "the rest": 4.0, "loading": 1.25, "reading": 0.5}


def test_the_parts_of_humanizing_make_up_its_time(tmp_path):
    beats, scratch = tmp_path / "beats", tmp_path / "scratch"
    beats.mkdir()
    scratch.mkdir()
    for name in ("a", "b"):
        write_beat(beats / f"{name}.mid")
    started_secs = time.monotonic()
    secs = humanizing.measure_parts(beats, "humanize", scratch)
    assert sum(secs.values()) < time.monotonic() - started_secs
    names = [part for part, *_ in ours.PARTS]
    assert set(secs) == {ours.START_UP, ours.REST, *names, "rendering", "pictures and page"}
    assert all(value > 0 for value in secs.values())
    lines = humanizing.table_of_parts({"reading": 1.0, "the model": 3.0})
    assert [line.split()[-3:] for line in lines] == [["1.00", "s", "25.0%"], ["3.00", "s", "75.0%"]]


def test_files_a_second_are_those_of_the_median():
    line = humanizing.summary("ours", [4.0, 2.0, 20.0], 200)
    assert line.split() == ["ours", "4.00", "(2.00", "to", "20.00)", "s,", "50.0", "files", "a", "second"]


@pytest.mark.thorough
def test_both_are_measured_from_end_to_end(tmp_path):
    output = tmp_path / "numbers.json"
    arguments = ["--few=2", "--many=3", "--runs=2", "--runs_of_many=1", "--magentas_batch_size=3", "--num_beats=2"]
    program = [sys.executable, "-m", "benchmarks.generate", "--pretrained=groovae", *arguments, f"--output={output}"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for said in ("groovae_4bar_groove, median", "2 files humanized by humanize", "the same hits in all 36,864 cells"):
        assert said in done.stdout
    numbers = json.loads(output.read_text())
    counts = {way: {task: len(runs) for task, runs in tasks.items()} for way, tasks in numbers["samples"].items()}
    both = {"2 samples": 2, "3 samples": 1}
    assert counts == {
        "Magenta": both | {"3 samples, 3 at once": 1},
        "ours": both,
        generation.WITH_SOUND: both,
    }
    magentas, of_ours = (numbers["samples"][way]["2 samples"] for way in ("Magenta", "ours"))
    assert min(run["peak_bytes"] for run in magentas) > 2 * max(run["peak_bytes"] for run in of_ours)
    assert numbers["humanized"]["the model"] > 0
