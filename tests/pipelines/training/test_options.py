"""Options are values: flags make them without TensorFlow, and they say where a run's checkpoints lie."""

import subprocess
import sys

import pytest

from pipelines import train
from pipelines.runs.run_folder import RunFolder


@pytest.mark.parametrize(("part", "folder"), [("", "train"), ("train", "train"), ("best", "best")])
def test_a_run_knows_the_checkpoints_to_evaluate(tmp_path, part, folder):
    RunFolder(tmp_path).write_settings({"config": "groovae_4bar"})
    run = train.check_run(tmp_path / part, None, "", "train.tfrecord", None)
    assert run.checkpoint_dir == tmp_path / folder
    assert run.folder.path == tmp_path


def test_options_need_no_tensorflow():
    code = "import sys; from pipelines.training import options; options.Training(); print('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
