"""TensorFlow and Magenta, imported as they must be. Every other module takes its names from here, in any order.

Magenta's MusicVAE is a TensorFlow 1 program: graphs, sessions, `tf.layers`. On TensorFlow 2.16 and later `tf.layers`
lives in the package tf-keras, and only when `TF_USE_LEGACY_KERAS` says so before the first import.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import io
import os
import sys
import types
import warnings
from collections.abc import Iterator

from models import devices

__all__ = [
    "HParams",
    "base_model",
    "data",
    "lstm_models",
    "lstm_utils",
    "magenta_configs",
    "merge_hparams",
    "note_seq",
    "seq2seq",
    "tf",
]

# What note-seq needs in notebooks alone, 0.35 s and 0.25 s, and TFDS, 0.15 s, which few commands use.
LAZY = ("bokeh.plotting", "pandas", "tensorflow_datasets")

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # What matters is raised as an exception; 0 shows everything.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Or TensorFlow takes all of a GPU's memory, whatever a session's settings say: input pipelines open the GPU before it.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
# A step's gates and state in one pass over memory. A TensorFlow that does not know the option passes over it, and what
# the user has put into XLA_FLAGS comes after it and wins.
_FUSE_OUTPUTS = "--xla_backend_extra_options=xla_cpu_use_multi_output_fusion"
if _FUSE_OUTPUTS not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{_FUSE_OUTPUTS} {os.environ.get('XLA_FLAGS', '')}".strip()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drops what imports print, unless the user asked for it.

    C++ code writes to stderr before its log level applies; pyfluidsynth, which note-seq imports, tells on stdout where
    it found its library if `CI` is set.
    """
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0":
        yield
        return
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


class _LazyFinder(importlib.abc.MetaPathFinder):
    """Finds LAZY modules so that the first use of something in them loads them."""

    def find_spec(self, fullname, path, target=None) -> importlib.machinery.ModuleSpec | None:
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target) if fullname in LAZY else None
        if spec:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


@contextlib.contextmanager
def _fast_imports() -> Iterator[None]:
    """Imports within take half a second less by LAZY modules, and another 0.7 s less without garbage collection."""
    finder, collects = _LazyFinder(), gc.isenabled()
    sys.meta_path.insert(0, finder)
    gc.disable()  # Nearly all of a million new objects stay.
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        gc.freeze()  # Later collections leave them out.
        if collects:
            gc.enable()


@contextlib.contextmanager
def _without(*names: str) -> Iterator[None]:
    """Imports within do without some modules: importing these raises ImportError, unless they are loaded already."""
    left_out = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(left_out))
    try:
        yield
    finally:
        for name in left_out:
            del sys.modules[name]


with _quiet(), warnings.catch_warnings(), _fast_imports(), _without("sklearn"):  # tf-slim's, for clusters: 0.5 s.
    warnings.simplefilter("ignore")  # Deprecations inside of magenta, tf-slim and note-seq.
    with _without("pandas"):  # tf-keras's, which imports it if it can. A second import loads what is lazy.
        import tensorflow.compat.v1 as tf
    from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig

    tf.disable_v2_behavior()  # As `music_vae_train` does: TensorFlow 1 graphs, control flow and variables.
    tf.logging.set_verbosity(tf.logging.ERROR)
    import note_seq
    from magenta.common import merge_hparams
    from magenta.contrib import seq2seq
    from magenta.contrib.rnn import LSTMBlockCell
    from magenta.contrib.training import HParams
    from magenta.models.music_vae import base_model, data, lstm_models, lstm_utils
    from magenta.models.music_vae import configs as magenta_configs

    # Nothing in it is to be converted, but to find that out AutoGraph looks into every module that is loaded.
    LSTMBlockCell.call = tf.autograph.experimental.do_not_convert(LSTMBlockCell.call)

warnings.filterwarnings("ignore", message=r"`tf.layers.dense` is deprecated")  # Magenta's layers are made of it.
warnings.filterwarnings("ignore", module=r"(tensorflow|tf_keras|tf_slim|magenta|note_seq|pretty_midi)\b")


@functools.cache
def cards() -> list[devices.Card]:
    """Returns all GPUs that the driver shows, those that this TensorFlow cannot use too."""
    with _quiet():
        found = tf.config.list_physical_devices("GPU")
        details = [tf.config.experimental.get_device_details(gpu) for gpu in found]
    return [
        devices.Card(of_gpu.get("device_name", gpu.name), of_gpu.get("compute_capability"))
        for gpu, of_gpu in zip(found, details, strict=True)
    ]


def gpus() -> list[devices.Card]:
    """Returns the GPUs that TensorFlow computes on."""
    return [card for card in cards() if card.is_supported]


def describe_devices() -> list[str]:
    """Returns lines that name the devices in use and warn of cards that do not fit."""
    return devices.describe(cards(), os.cpu_count())


def session_config(num_gpus: int = 1, num_cpus: int = 1) -> tf.ConfigProto:
    """Returns a session's settings: operations without a GPU's kernel are computed on the CPU.

    Args:
        num_gpus: So many GPUs are used, if there are; the session takes their memory as it needs it.
        num_cpus: So many devices share the CPU.
    """
    config = tf.ConfigProto(allow_soft_placement=True, device_count={"GPU": num_gpus, "CPU": num_cpus})
    config.gpu_options.allow_growth = True
    # A second pass over the graph changes nothing here, and takes a tenth of a second before the first step.
    config.graph_options.rewrite_options.meta_optimizer_iterations = RewriterConfig.ONE
    return config


def tensorflow_datasets() -> types.ModuleType:
    """Returns TFDS, which takes seconds to import and which few commands need."""
    return importlib.import_module("tensorflow_datasets")
