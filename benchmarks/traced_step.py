"""A training step of a config, built as `pipelines.train` builds it, taken on made-up batches and traced."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

import configs
from benchmarks import magenta_configs
from models.magenta import session_config, tf
from models.recurrence import BLOCK
from models.vae import MusicVAE
from pipelines.training import train_step

SEED = 1
HIT_SHARE = 0.2  # About that of a groove.
WARMUP_STEPS = 2


@dataclasses.dataclass(frozen=True)
class Trace:
    """A step that was taken.

    Attributes:
        graph: As the program made it.
        metadata: What TensorFlow tells of the step: the optimized graphs, and each operation as it was executed.
        input_bytes: The bytes of each tensor of a batch, by name.
    """

    graph: tf.Graph
    metadata: tf.RunMetadata
    input_bytes: dict[str, int]


def config_of(name: str, hparams: str = "", batch_size: int = 0, *, is_stock: bool = False) -> configs.Config:
    """Returns a config of ours, or the same of stock Magenta's classes; a `batch_size` of 0 is the config's own.

    Raises:
        ValueError: there is no config or hparam of a name.
    """
    batch_size_hparam = f"batch_size={batch_size}" if batch_size else ""
    overrides = ",".join(filter(None, [hparams, batch_size_hparam]))
    config = configs.with_hparams(magenta_configs.build(name) if is_stock else configs.CONFIG_MAP[name], overrides)
    if not is_stock:
        config.model.precision, config.model.seed = "fp32", SEED
    return config


def batch_of(config: configs.Config) -> dict[str, np.ndarray]:
    """Returns a batch of the shapes and types that `examples/batches.py` makes for the config, of random hits."""
    rng = np.random.default_rng(SEED)
    size, converter = config.hparams.batch_size, config.data_converter
    inputs = (rng.random([size, configs.STEPS, converter.input_depth]) < HIT_SHARE).astype(np.float32)
    outputs = inputs
    if converter.input_depth != converter.output_depth:
        tokens = rng.integers(0, converter.output_depth, [size, configs.STEPS], np.int32)
        is_ours = isinstance(config.model, MusicVAE)
        outputs = tokens if is_ours else np.eye(converter.output_depth, dtype=np.float32)[tokens]
    return {
        "inputs": inputs,
        "outputs": outputs,
        "controls": np.zeros([size, configs.STEPS, converter.control_depth], np.float32),
        "lengths": np.full([size], configs.STEPS, np.int32),
    }


def take(config: configs.Config, layers: str = BLOCK) -> Trace:
    """Takes some steps on the machine's default device, and traces the last of them.

    Args:
        config: Its model is built, and must not be used elsewhere. One of Magenta's classes is trained by Magenta.
        layers: How layers of ours are computed, one of `precision.LAYERS`; BLOCK is what a GPU does.

    Raises:
        ValueError: the machine cannot compute them so.
    """
    arrays = batch_of(config)

    def make_batches() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensors(tuple(arrays.values())).repeat().prefetch(2)

    with tf.Graph().as_default() as graph:
        if isinstance(config.model, MusicVAE):
            config.model.layers = layers
            step = train_step.build(config, make_batches)
            metadata = _run((step.train, step.step, step.scalars), step.fill)  # What the training loop fetches.
        else:
            metadata = _run(_stock_step(config, make_batches))
    return Trace(graph, metadata, {name: array.nbytes for name, array in arrays.items()})


def _stock_step(config: configs.Config, make_batches: Callable[[], tf.data.Dataset]) -> tf.Operation:
    """Returns what `music_vae_train.train` of magenta 2.1.4 fetches; to import it would define its flags."""
    model, hparams = config.model, config.hparams
    model.build(hparams, config.data_converter.output_depth, is_training=True)
    inputs, outputs, controls, lengths = _stock_batch(make_batches)
    optimizer = model.train(inputs, outputs, lengths, controls if config.data_converter.control_depth else None)
    gradients, variables = zip(*optimizer.compute_gradients(model.loss), strict=True)
    clipped = _stock_clipped(gradients, hparams)
    return optimizer.apply_gradients(
        list(zip(clipped, variables, strict=True)), global_step=model.global_step, name="train_step"
    )


def _stock_batch(make_batches: Callable[[], tf.data.Dataset]) -> tuple[tf.Tensor, ...]:
    iterator = tf.data.make_initializable_iterator(make_batches())
    tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    return iterator.get_next()


def _stock_clipped(gradients: Sequence[tf.Tensor], hparams) -> list[tf.Tensor]:
    """Returns gradients scaled down to the norm `grad_clip`, or zeros where their norm is far too large."""
    norm = tf.global_norm(gradients)
    return tf.cond(
        norm < hparams.grad_norm_clip_to_zero,
        lambda: tf.clip_by_global_norm(gradients, hparams.grad_clip, use_norm=norm)[0],
        lambda: [tf.zeros(tf.shape(gradient)) for gradient in gradients],
    )


def _run(fetches, before: tf.Operation | None = None) -> tf.RunMetadata:
    """Takes steps in the default graph, after `before` has run once, and returns what is told of the last."""
    tf.set_random_seed(SEED)
    metadata = tf.RunMetadata()
    options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE, output_partition_graphs=True)
    with tf.Session(config=session_config()) as session:
        session.run(tf.global_variables_initializer())
        session.run(tf.get_collection(tf.GraphKeys.TABLE_INITIALIZERS))
        if before is not None:
            session.run(before)
        for _ in range(WARMUP_STEPS):
            session.run(fetches)
        session.run(fetches, options=options, run_metadata=metadata)
    return metadata
