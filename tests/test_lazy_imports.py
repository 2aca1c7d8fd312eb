"""What importing Magenta leaves for later is whole when somebody uses it."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc
import sys

from models import environment, lazy_imports

left = [name for name in (*lazy_imports.PUT_OFF, *lazy_imports.LEFT_OUT) if name in sys.modules]
assert not left, left
assert gc.isenabled()

import bokeh.plotting
import note_seq.notebook_utils
import pandas
import scipy.ndimage
import sklearn
import tensorflow_datasets
from magenta.models.music_vae import data

assert note_seq.notebook_utils.pd.DataFrame is pandas.DataFrame
assert note_seq.notebook_utils.bokeh.plotting.figure is bokeh.plotting.figure
assert data.tfds.load is tensorflow_datasets.load
assert not hasattr(data.tfds, "no_such_name_anywhere")
"""


def test_magenta_finds_what_was_put_off() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_was_put_off_is_loaded_by_its_first_use() -> None:
    program = "import models.environment, note_seq; print(note_seq.notebook_utils.pd.DataFrame.__name__)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "DataFrame", done.stderr
