"""The command: it finds config and checkpoint by itself, and says in a sentence what it lacks."""

import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def generate(*flags: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pipelines.generate", *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("part", ["", "best", "train/model.ckpt-2"])
def test_a_checkpoint_in_a_run_comes_with_its_config(tiny_runs, tmp_path, part):
    run_dir = tmp_path / "groovae"
    shutil.copytree(tiny_runs["groovae_4bar"], run_dir)
    shutil.copytree(run_dir / "train", run_dir / "best")
    done = generate(f"--checkpoint_file={run_dir / part}", "--num_outputs=1", f"--output_dir={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("config      groovae_4bar\n")
    assert [path.name[:19] for path in (tmp_path / "out").iterdir()] == ["groovae_4bar_sample"]


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
        ([], "give one of --run_dir, --checkpoint_file and --pretrained: where is the trained model?"),
        (
            ["--run_dir=a", "--mode=interpolate"],
            "--mode=interpolate goes from --input_midi_1 to --input_midi_2; give both",
        ),
        (["--run_dir=a", "--input_midi_1=no.mid"], "no.mid: no such MIDI file"),
    ],
)
def test_what_is_missing_is_said_before_long_work(tmp_path, flags, message):
    done = generate(*flags, f"--output_dir={tmp_path}")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {message}\n")


@pytest.mark.parametrize(("name", "answers_input"), [("tap", True), ("groovae", False)])
def test_a_model_that_answers_what_goes_in_says_so_of_its_samples(tmp_path, name, answers_input):
    done = generate(f"--pretrained={name}", "--num_outputs=1", f"--output_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert ("note: this model answers what goes in" in done.stdout) == answers_input
