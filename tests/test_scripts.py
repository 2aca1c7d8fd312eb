"""The scripts themselves, from a clean copy of the project."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from pipelines import export
from pipelines.generation import command

PROJECT_DIR = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A copy of the files that git knows or would add, in a path with a space and what looks like a pattern.

    Its quick run has three steps, and it has no trained models.
    """
    folder = tmp_path_factory.mktemp("clone") / "a b [2]"
    list_files = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(list_files, cwd=PROJECT_DIR, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git clone")
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if (PROJECT_DIR / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT_DIR / name, folder / name)
    shutil.rmtree(folder / "pretrained", ignore_errors=True)
    workflow_path = folder / "pipelines" / "workflow.py"
    text = workflow_path.read_text()
    for name, value in {"QUICK_NUM_STEPS": "3", "QUICK_HPARAMS": '"batch_size=4"'}.items():
        text, found = re.subn(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
        assert found == 1
    workflow_path.write_text(text)
    return folder


def run_script(clone: pathlib.Path, script: str, *arguments: str, cwd: pathlib.Path, **variables: str):
    env = os.environ | {"VENV": "none", "PYTHON": sys.executable} | variables
    command = [str(clone / script), *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


class TestScripts:
    """The scripts themselves, with the environment that runs the tests."""

    def test_help_names_the_scripts_flags_and_those_handed_on(self, clone, tmp_path):
        for script, own, handed_on in (
            ("run_train.sh", "--dataset", "--num_steps"),
            ("run_generate.sh", "--soundfont", "--temperature"),
        ):
            result = run_script(clone, script, "--help", cwd=tmp_path)
            assert result.returncode == 0
            assert own in result.stdout
            assert handed_on in result.stdout

    @pytest.mark.parametrize("argument", ["--nosuch=1", "stray"])
    @pytest.mark.parametrize("script", ["run_train.sh", "run_generate.sh"])
    def test_a_wrong_argument_ends_it_before_anything_is_done(self, clone, tmp_path, script, argument):
        result = run_script(clone, script, argument, cwd=tmp_path)
        assert result.returncode == 2
        assert argument.split("=")[0].removeprefix("--") in result.stderr
        assert "Traceback" not in result.stderr
        assert result.stdout == ""

    def test_run_tests_hands_its_flags_to_pytest(self, clone, tmp_path):
        result = run_script(clone, "run_tests.sh", "--collect-only", "tests/test_scripts.py", cwd=tmp_path)
        assert "TestScripts::test_run_tests_hands_its_flags_to_pytest" in result.stdout

    def test_ci_runs_the_readmes_test_command_and_finds_groove(self, tmp_path):
        (tmp_path / "clone" / ".ci").mkdir(parents=True)
        shutil.copy(PROJECT_DIR / ".ci" / "run", tmp_path / "clone" / ".ci" / "run")
        tests = tmp_path / "clone" / "run_tests.sh"
        tests.write_text('#!/usr/bin/env bash\necho "tests $* ${GROOVE_ZIP:-none}"\nexit 3\n')
        tests.chmod(0o755)
        env = {name: value for name, value in os.environ.items() if name != "GROOVE_ZIP"}
        run = {"cwd": tmp_path, "env": env, "capture_output": True, "text": True, "check": False}
        result = subprocess.run([str(tmp_path / "clone" / ".ci" / "run")], **run)
        assert (result.returncode, result.stdout) == (3, "tests  none\n")
        groove_zip = tmp_path / "shared" / "data" / "groove-midionly-trainval.zip"
        groove_zip.parent.mkdir(parents=True)
        groove_zip.write_bytes(b"")
        result = subprocess.run([str(tmp_path / "clone" / ".ci" / "run")], **run)
        assert pathlib.Path(result.stdout.split()[-1]).samefile(groove_zip)

    @pytest.mark.slow
    def test_from_a_clean_copy_to_sound(self, clone, tmp_path):
        for name in ("runs", "pretrained"):
            shutil.rmtree(clone / name, ignore_errors=True)
        result = run_script(clone, "run_generate.sh", "--seed=1", cwd=tmp_path)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "no trained run" in result.stdout
        assert "none in the clone" in result.stdout
        assert "devices" in result.stdout
        assert result.stdout.splitlines()[-1].endswith(f"{clone}/generated/index.html")
        generated = clone / "generated"
        assert len(list(generated.glob("*.mid"))) == command.USUAL_OUTPUTS
        assert (generated / "index.html").stat().st_size > 1000
        if "libfluidsynth was not found" not in result.stdout:
            assert len(list(generated.glob("*.wav"))) == command.USUAL_OUTPUTS
        assert not list(tmp_path.iterdir()), "nothing is left in the caller's folder"

        again = run_script(clone, "run_generate.sh", "--num_outputs=1", "--output_dir=out", cwd=tmp_path)
        assert again.returncode == 0, again.stdout + again.stderr
        assert f"plays {clone}/runs/quick, the newest run" in again.stdout
        assert len(list((tmp_path / "out").glob("*.mid"))) == 1, "paths are relative to the caller's folder"

    @pytest.mark.slow
    def test_a_trained_model_plays_until_there_is_a_run_of_ones_own(self, clone, tiny_runs, tmp_path):
        export.export_run(str(tiny_runs["hier-drums_4bar_small"]), str(clone / "pretrained" / "hier-drums"))
        export.export_run(str(tiny_runs["groovae_4bar"]), str(clone / "pretrained" / "groovae"))
        shutil.rmtree(clone / "runs", ignore_errors=True)
        for flag, name in (("--seed=1", "hier-drums"), ("--config=groovae_4bar", "groovae")):
            output_dir = tmp_path / name
            result = run_script(clone, "run_generate.sh", flag, f"--output_dir={output_dir}", cwd=tmp_path)
            assert result.returncode == 0, result.stdout + result.stderr
            assert f"plays {clone}/pretrained/{name}, trained before; ./run_train.sh " in result.stdout
            assert len(list(output_dir.glob("*.mid"))) == command.USUAL_OUTPUTS
            assert "devices" not in result.stdout, "nothing is trained"

        trained = run_script(clone, "run_train.sh", "--dataset=starter", cwd=tmp_path)
        assert trained.returncode == 0, trained.stdout + trained.stderr
        assert (clone / "runs" / "quick" / "eval" / "metrics.json").exists()
        own = run_script(clone, "run_generate.sh", "--num_outputs=1", "--output_dir=own", cwd=tmp_path)
        assert f"plays {clone}/runs/quick, the newest run" in own.stdout
        named = ("--pretrained=groovae", "--num_outputs=1", "--output_dir=named")
        result = run_script(clone, "run_generate.sh", *named, cwd=tmp_path)
        assert [path.name[:12] for path in (tmp_path / "named").glob("*.mid")] == ["groovae_4bar"], result.stderr

    @pytest.mark.slow
    def test_training_and_evaluation_of_a_users_folder(self, clone, tmp_path):
        shutil.copytree(PROJECT_DIR / "data" / "starter", tmp_path / "my grooves")
        small = ("--config=hier-drums_4bar_small", "--run_dir=my run", "--hparams=batch_size=4")
        result = run_script(clone, "run_train.sh", "--dataset=my grooves", "--num_steps", "2", *small, cwd=tmp_path)
        assert result.returncode == 0, result.stdout + result.stderr
        assert (tmp_path / "my run" / "train" / "checkpoint").exists()
        metrics_path = tmp_path / "my run" / "eval" / "metrics.json"
        assert json.loads(metrics_path.read_text())

        metrics_path.unlink()
        evaluation = ("--mode=eval", "--run_dir=my run", "--dataset=my grooves", "--split=test")
        result = run_script(clone, "run_train.sh", *evaluation, cwd=tmp_path)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "already converted" in result.stdout
        assert metrics_path.exists()

    @pytest.mark.slow
    def test_a_stages_error_is_the_scripts(self, clone, tmp_path):
        result = run_script(clone, "run_train.sh", "--dataset=nowhere", cwd=tmp_path)
        assert result.returncode == 1
        assert "nowhere" in result.stderr
        assert "Traceback" not in result.stderr
