"""What must be true before TensorFlow is imported, and how it is told to behave afterwards.

Magenta's MusicVAE is a TensorFlow 1 program: graphs, sessions, `tf.layers`. On TensorFlow 2.16 and later `tf.layers`
lives in the package tf-keras, and only when `TF_USE_LEGACY_KERAS` says so before the first import. Importing this
module (or anything else in `models`) sees to that; the lint settings sort `models` before other packages' imports.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import types
import warnings
from collections.abc import Iterator

from models import devices
from models.lazy_imports import lazy_imports

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
    "trained_model",
]

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # What matters is raised as an exception; 0 shows everything.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# A step's gates and state in one pass over memory. A TensorFlow that does not know the option passes over it, and what
# the user has put into XLA_FLAGS comes after it and wins.
_FUSE_OUTPUTS = "--xla_backend_extra_options=xla_cpu_use_multi_output_fusion"
if _FUSE_OUTPUTS not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{_FUSE_OUTPUTS} {os.environ.get('XLA_FLAGS', '')}".strip()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drops what C++ code writes to stderr before its log level applies; kept when the user asked for it."""
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0":
        yield
        return
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


with _quiet(), warnings.catch_warnings(), lazy_imports():
    warnings.simplefilter("ignore")  # Deprecations inside of magenta, tf-slim and note-seq.
    import tensorflow.compat.v1 as tf
    from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig

    tf.disable_v2_behavior()  # As `music_vae_train` does: TensorFlow 1 graphs, control flow and variables.
    tf.logging.set_verbosity(tf.logging.ERROR)
    import note_seq
    from magenta.common import merge_hparams
    from magenta.contrib import seq2seq
    from magenta.contrib.rnn import LSTMBlockCell
    from magenta.contrib.training import HParams
    from magenta.models.music_vae import base_model, data, lstm_models, lstm_utils, trained_model
    from magenta.models.music_vae import configs as magenta_configs

    # Nothing in it is to be converted, but to find that out AutoGraph looks into every module that is loaded.
    LSTMBlockCell.call = tf.autograph.experimental.do_not_convert(LSTMBlockCell.call)

    _PHYSICAL_GPUS = tf.config.list_physical_devices("GPU")
    _DETAILS = [tf.config.experimental.get_device_details(gpu) for gpu in _PHYSICAL_GPUS]
    CARDS = [
        devices.Card(details.get("device_name", gpu.name), details.get("compute_capability"))
        for gpu, details in zip(_PHYSICAL_GPUS, _DETAILS, strict=True)
    ]
    GPUS = [card for card in CARDS if card.is_supported]

warnings.filterwarnings("ignore", module=r"(tensorflow|tf_keras|tf_slim|magenta|note_seq|pretty_midi)\b")


def describe_devices() -> list[str]:
    """Returns what TensorFlow computes on, and what is to be known about it, a line each."""
    return devices.describe(CARDS, os.cpu_count())


def session_config() -> tf.ConfigProto:
    """Returns a session's settings: GPU memory grows as needed, operations fall back to the CPU."""
    config = tf.ConfigProto(allow_soft_placement=True)
    config.gpu_options.allow_growth = True
    # A second pass over the graph changes nothing here, and takes a tenth of a second before the first step.
    config.graph_options.rewrite_options.meta_optimizer_iterations = RewriterConfig.ONE
    return config


def tensorflow_datasets() -> types.ModuleType:
    """Returns TFDS, which takes seconds to import and which few commands need."""
    return importlib.import_module("tensorflow_datasets")
