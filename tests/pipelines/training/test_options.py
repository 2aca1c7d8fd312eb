"""Options are values: flags make them without TensorFlow, and they say where a run's checkpoints lie."""

import pathlib
import subprocess
import sys

import pytest

from pipelines.training import options


@pytest.mark.parametrize(("evaluates_best", "folder"), [(False, "train"), (True, "best")])
def test_a_run_knows_the_checkpoints_to_evaluate(evaluates_best, folder):
    run = options.Run(pathlib.Path("runs/a"), "groovae_4bar", None, None, "data", evaluates_best=evaluates_best)
    assert run.checkpoint_dir == pathlib.Path("runs/a", folder)
    assert run.folder.path == run.run_dir


def test_options_need_no_tensorflow():
    code = "import sys; from pipelines.training import options; options.Training(); print('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
