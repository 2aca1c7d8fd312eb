"""What importing Magenta leaves for later is whole when somebody uses it."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import gc
import sys

from models import lazy_imports, magenta

loaded = {*lazy_imports.PUT_OFF, *lazy_imports.LEFT_OUT} & sys.modules.keys()
assert loaded <= {"scipy.linalg"}, loaded  # SciPy 1.15 needs it for what else is imported of it.
assert gc.isenabled()

import bokeh.plotting
import IPython.display
import note_seq.notebook_utils
import pandas
import scipy.linalg
import scipy.ndimage
import sklearn
import tensorflow_datasets
from magenta.models.music_vae import data

assert note_seq.notebook_utils.display.HTML is IPython.display.HTML
assert note_seq.notebook_utils.pd.DataFrame is pandas.DataFrame
assert note_seq.notebook_utils.bokeh.plotting.figure is bokeh.plotting.figure
assert note_seq.melody_inference.scipy.linalg.expm is scipy.linalg.expm
assert data.tfds.load is tensorflow_datasets.load
assert not hasattr(data.tfds, "no_such_name_anywhere")
"""


def test_magenta_finds_what_was_put_off() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "use",
    [
        "note_seq.notebook_utils.pd.DataFrame",
        "note_seq.notebook_utils.display.HTML",
        "note_seq.notebook_utils.bokeh.plotting.figure",
        "note_seq.melody_inference.scipy.linalg.expm",
        "magenta.models.music_vae.data.tfds.load",
    ],
)
def test_what_was_put_off_is_loaded_by_its_first_use(use: str) -> None:
    program = f"import models, magenta, note_seq; print({use}.__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip().splitlines()[-1:] == [use.rpartition(".")[2]], done.stderr
