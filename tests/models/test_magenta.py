"""What is true once `models` is imported."""

from __future__ import annotations

import ast
import os
import pathlib
import subprocess
import sys

import pytest

FUSE_OUTPUTS = "--xla_backend_extra_options=xla_cpu_use_multi_output_fusion"
ROOT = pathlib.Path(__file__).resolve().parents[2]
ROOMS = ("grooves", "models", "pipelines", "benchmarks", "data", "setup")
PROGRAM = "import models.magenta, os; print(os.environ['XLA_FLAGS'])"

LATER = """
import gc
import sys

from models import magenta

assert gc.isenabled()
assert not {"pandas.core", "bokeh.models", "sklearn", "tensorflow_datasets.core"} & sys.modules.keys()
assert magenta.cards.cache_info().currsize == 0  # GPUs are looked for when somebody asks.

import bokeh.plotting
import note_seq.notebook_utils
import pandas
import sklearn
import tensorflow_datasets
from magenta.models.music_vae import data

assert note_seq.notebook_utils.pd.DataFrame is pandas.DataFrame
assert note_seq.notebook_utils.bokeh.plotting.figure is bokeh.plotting.figure
assert data.tfds.load is tensorflow_datasets.load is magenta.tensorflow_datasets().load
assert not hasattr(data.tfds, "no_such_name_anywhere")
print("whole")
"""


def run(program: str) -> str:
    """Returns the last line that a Python program prints, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize("given", [None, "false"])
def test_gpu_memory_grows_unless_the_user_says_otherwise(given: str | None) -> None:
    name = "TF_FORCE_GPU_ALLOW_GROWTH"
    environment = {key: value for key, value in os.environ.items() if key != name} | ({name: given} if given else {})
    program = f"import models.magenta, os; print(os.environ['{name}'])"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [given or "true"], done.stderr


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", FUSE_OUTPUTS),
        ("--xla_cpu_max_isa=AVX2", f"{FUSE_OUTPUTS} --xla_cpu_max_isa=AVX2"),
        (f"--xla_cpu_max_isa=AVX2 {FUSE_OUTPUTS}", f"--xla_cpu_max_isa=AVX2 {FUSE_OUTPUTS}"),
    ],
)
def test_what_the_user_tells_xla_comes_last_and_is_kept(given: str, expected: str) -> None:
    environment = os.environ | {"XLA_FLAGS": given}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == expected, done.stderr


def test_xla_takes_an_option_that_it_does_not_know() -> None:
    program = """
from models.magenta import tf

with tf.Graph().as_default(), tf.Session() as session:
    print(session.run(tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(1))))
"""
    environment = os.environ | {"XLA_FLAGS": f"{FUSE_OUTPUTS},no_such_option"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "2", done.stderr


def test_no_other_module_imports_tensorflow_or_magenta() -> None:
    """Stock Magenta's processes in benchmarks, what counts kernels, and the tests apart."""
    own = {
        "models/magenta.py",
        "benchmarks/gpu_kernels.py",
        "benchmarks/likeliest.py",
        "benchmarks/magenta_configs.py",
        "benchmarks/magenta_generate.py",
        "benchmarks/magenta_train.py",
        "benchmarks/step_hook.py",
    }
    found = []
    for path in sorted(ROOT.glob("*.py")) + [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            if {name.partition(".")[0] for name in names} & {"tensorflow", "magenta"}:
                found.append(path.relative_to(ROOT).as_posix())
    assert set(found) == own


@pytest.mark.parametrize(
    "order",
    [
        pytest.param("models.magenta, note_seq", marks=pytest.mark.thorough),
        "note_seq, models.magenta",
        pytest.param("tensorflow, models.magenta", marks=pytest.mark.thorough),
    ],
)
def test_it_can_be_imported_in_any_order(order: str) -> None:
    use = "models.magenta.tf.layers.dense; print(models.magenta.note_seq.NoteSequence().ticks_per_quarter)"
    program = f"import {order}; {use}"
    assert run(program) == "0"


def test_imports_that_are_put_off_are_whole_when_somebody_uses_them() -> None:
    assert run(LATER) == "whole"
