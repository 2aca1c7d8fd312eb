"""The command as a process: it finds config and checkpoint by itself, says in a sentence what it lacks, and stops."""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import mido
import pytest

from tests import songs

ROOT = pathlib.Path(__file__).resolve().parents[2]
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


def start(*flags: str, cwd: pathlib.Path = ROOT) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.generate", *flags], cwd=cwd, env=environment, **PIPES, start_new_session=True
    )


def generate(*flags: str, cwd: pathlib.Path = ROOT) -> subprocess.CompletedProcess:
    process = start(*flags, cwd=cwd)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.mark.parametrize("part", ["", "best", "train/model.ckpt-2"])
def test_a_checkpoint_in_a_run_comes_with_its_config(tiny_runs, tmp_path, part):
    run_dir = tmp_path / "groovae"
    shutil.copytree(tiny_runs["groovae_4bar"], run_dir)
    shutil.copytree(run_dir / "train", run_dir / "best")
    done = generate(f"--checkpoint_file={run_dir / part}", "--num_outputs=1", f"--output_dir={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("config      groovae_4bar\n")
    assert [path.name[:19] for path in (tmp_path / "out").glob("*.mid")] == ["groovae_4bar_sample"]


@pytest.mark.parametrize("part", ["best", "train"])
def test_a_part_of_a_run_stands_for_it(tiny_runs, tmp_path, part):
    run_dir = tmp_path / "groovae"
    shutil.copytree(tiny_runs["groovae_4bar"], run_dir)
    shutil.copytree(run_dir / "train", run_dir / "best")
    done = generate(f"--run_dir={run_dir / part}", "--num_outputs=1", f"--output_dir={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    assert f"checkpoint  {run_dir / part}/model.ckpt-2\n" in done.stdout


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--run_dir=a", "--pretrained=b"],
            "give one of --run_dir, --checkpoint_file and --pretrained: where is the t",
        ),
        (
            ["--run_dir=a", "--mode=interpolate"],
            "--mode=interpolate goes from --input_midi_1 to --input_midi_2; give both\n",
        ),
        (["--run_dir=a", "--input_midi_1=no.mid"], "no.mid: no such MIDI file\n"),
    ],
)
def test_what_is_missing_is_said_before_long_work(tmp_path, flags, message):
    done = generate(*flags, f"--output_dir={tmp_path}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {message}") and done.stderr.count("\n") == 1


def test_where_no_model_is_named_the_one_that_suits_the_mode_plays(tmp_path):
    """From another folder, without TensorFlow's chatter."""
    done = generate("--num_outputs=1", "--output_dir=out", "--seed=1", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("config      hier-drums_4bar_groove_hikl\n")
    assert len(list((tmp_path / "out").glob("*.mid"))) == 1


@pytest.mark.parametrize(("name", "answers_input"), [("tap", True), ("groovae", False)])
def test_a_model_that_answers_what_goes_in_says_so_of_its_samples(tmp_path, name, answers_input):
    done = generate(f"--pretrained={name}", "--num_outputs=1", f"--output_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert ("note: this model answers what goes in" in done.stdout) == answers_input


def test_the_same_seed_gives_the_same_bytes_in_another_process(tmp_path):
    for name in ("a", "b"):
        done = generate("--mode=sample", "--form=AB", "--seed=3", "--num_outputs=1", f"--output_dir={tmp_path / name}")
        assert done.returncode == 0, done.stderr
    first, second = (next((tmp_path / name).glob("*.mid")).read_bytes() for name in ("a", "b"))
    assert first == second


SCRIPT = """
import sys
from absl import flags
from pipelines import cli, generate
generate.define_flags()
for line in sys.stdin.read().splitlines():
    flags.FLAGS.unparse_flags()
    for name in flags.FLAGS:
        flags.FLAGS[name].unparse()
    cli.parse_flags(["generate", *line.split("\\t")], "generate")
    assert cli.guard(generate.main) == 0, line
    heavy = {"tensorflow", "magenta", "note_seq", "pretty_midi", "librosa", "sklearn", "matplotlib"} & {*sys.modules}
    assert not heavy, (line, heavy)
print("all done")
"""


def test_the_models_of_nine_drums_play_without_tensorflow(tmp_path):
    """Each mode; importing TensorFlow or note_seq takes longer than all that is computed."""
    flat = songs.write_beat(tmp_path / "flat.mid", songs.beat(4))
    modes = [
        ["--mode=sample", "--form=AB", "--num_outputs=1", "--humanize_with=auto"],
        ["--mode=interpolate", f"--input_midi_1={flat}", f"--input_midi_2={flat}", "--num_outputs=2"],
        *([f"--mode={mode}", f"--input={flat}"] for mode in ("reconstruct", "vary", "humanize", "tap", "knn")),
        ["--mode=grid", "--grid_size=2"],
        ["--mode=transfer", f"--input={flat}", f"--groove={flat}"],
        ["--mode=attribute", f"--input={flat}", "--attribute=swing"],
        ["--mode=sample", "--pretrained=groovae", "--num_outputs=1"],
    ]
    lines = "\n".join("\t".join([*flags, f"--output_dir={tmp_path / 'out'}"]) for flags in modes)
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, cwd=ROOT, input=lines, capture_output=True, text=True)
    assert done.stderr == "" and done.stdout.endswith("all done\n")


def test_an_interrupted_command_leaves_whole_files_and_says_what_made_them(tmp_path):
    """Ctrl-C while a folder is played."""
    for number in range(300):
        songs.write_beat(tmp_path / "in" / f"{number:03d}.mid", songs.beat(8, number))
    out = tmp_path / "out"
    process = start("--mode=reconstruct", f"--input={tmp_path / 'in'}", f"--output_dir={out}")
    give_up = time.monotonic() + 120
    while len(list(out.glob("[!.]*.mid"))) < 2 and process.poll() is None and time.monotonic() < give_up:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith("interrupted\n") and "Traceback" not in err
    made = list(out.rglob("*"))
    assert 2 <= len(list(out.glob("*.mid"))) < 300
    assert {path.suffix for path in made if path.is_file()} <= {".mid", ".json"}
    assert not [path for path in made if "partial" in path.name]
    for path in made:
        if path.suffix == ".mid":
            assert mido.MidiFile(path).length > 0
    said = json.loads((out / "manifest.json").read_text())["outputs"]
    written = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.glob("*.mid")}
    named = {output["midi"]: output["sha256"] for output in said}
    assert named.items() <= written.items() and len(written) - len(named) <= 1  # The last one may have come too late.


def test_a_second_command_beside_the_first_overwrites_nothing(tmp_path):
    """Started in the same second, into the same folder."""
    flags = ["--mode=sample", "--num_outputs=2", f"--output_dir={tmp_path / 'out'}"]
    processes = [start(*flags, f"--seed={seed}") for seed in range(3)]
    for process in processes:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    assert len(list((tmp_path / "out").glob("*.mid"))) == 6


def test_help_names_the_modes_without_loading_anything():
    done = generate("--help")
    assert "humanize: a flat --input, played" in " ".join(done.stdout.split())
    assert done.stderr == ""
