"""What is true once `models` is imported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FUSE_OUTPUTS = "--xla_backend_extra_options=xla_cpu_use_multi_output_fusion"
PROGRAM = "import models.magenta, os; print(os.environ['XLA_FLAGS'])"


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
