"""Examples → the batches that a model is trained on.

Upstream shuffles a buffer of a few batches and, on TensorFlow 2.19 to 2.21, dies of `unbatch()` on its empty control
sequences (tensorflow/tensorflow#108489). Here the order is drawn over the whole set, and batches are cut out of arrays.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator

import numpy as np

import configs
from models.magenta import tf
from models.vae import MusicVAE
from pipelines.examples import augmentation, loading, names, note_sequences


def training_batches(
    config: configs.Config,
    examples_path: str | None,
    seed: int | None,
    cache_dir: str | os.PathLike[str] | None = None,
    tfds_data_dir: str | None = None,
    first_step: int = 0,
    share: tuple[int, int] = (0, 1),
) -> tuple[Callable[[], tf.data.Dataset], int]:
    """Returns a function that makes the training batches inside of a graph, and the number of examples.

    With the same seed, batch number k of a run is the same whether the run was interrupted before it or not; not so for
    configs that are random (`is_random`).

    Args:
        config, examples_path, cache_dir, tfds_data_dir: As in `loading.load`. The hparam `windows_per_performance`,
            where the config has one, says how many windows of each performance are drawn for an epoch; 0 is all.
        seed: Of the order; None draws one.
        first_step: The batches of so many steps have been used already.
        share: Which part of each epoch to read, of how many; with one seed the parts are all examples together.
    """
    batch_size = config.hparams.batch_size
    find = functools.partial(note_sequences.find, config, "train", examples_path, tfds_data_dir)
    if not is_random(config):
        examples = loading.load(config, "train", examples_path, cache_dir, tfds_data_dir)
        order = functools.partial(
            ordered_batches,
            examples,
            batch_size,
            seed,
            getattr(config.hparams, "windows_per_performance", 0),
            first_step=first_step,
            share=share,
            as_tokens=examples.is_one_hot and isinstance(config.model, MusicVAE),
            change=_augmenter(config, seed, first_step, lambda: names.styles(find())[examples.performance]),
        )
        return order, len(examples)
    config.data_converter.set_mode("train")
    performances = find()
    kept = list(performances.read())
    num_examples = sum(
        len(loading.tensors_of(config.data_converter, note_sequences.parse(record)).inputs) for record in kept
    )
    if not num_examples:
        raise note_sequences.no_examples(performances.where, len(kept))
    return (lambda: random_batches(config, kept, batch_size, seed, share)), num_examples


def ordered_batches(
    examples: loading.Examples,
    batch_size: int,
    seed: int | None,
    windows_per_performance: int = 0,
    *,
    first_step: int = 0,
    share: tuple[int, int] = (0, 1),
    as_tokens: bool = False,
    change: Callable[[augmentation.Batch, np.ndarray], augmentation.Batch] = lambda batch, _: batch,
) -> tf.data.Dataset:
    """Returns endless batches of (inputs, outputs, controls, lengths), each epoch in another order.

    No example is left out: where the last batch of an epoch is not full, the next epoch fills it.

    Args:
        examples: What to draw from.
        batch_size: Examples a batch.
        seed: Of the order; None draws one.
        windows_per_performance: As in `epochs`.
        first_step: So many batches are passed over.
        share: As in `epochs`.
        as_tokens: Outputs, which are one-hot, come as `[batch, steps]` int32 tokens, -1 behind shorter ones.
        change: Is done to each batch; it is told which examples are in it.
    """
    order = row_batches(epochs(examples.performance, seed, windows_per_performance, share), batch_size)
    order = itertools.islice(order, first_step, None)
    read = functools.partial(examples.dense, outputs_as_tokens=as_tokens)
    empty_batch = read(np.zeros([0], np.int64))

    def changed() -> augmentation.Batch:
        rows = next(order)
        return change(read(rows), rows)

    @tf.autograph.experimental.do_not_convert  # To find nothing to convert, it would look into every module.
    def gather(_: tf.Tensor) -> tuple[tf.Tensor, ...]:
        tensors = tf.numpy_function(changed, [], [array.dtype for array in empty_batch])
        for tensor, like in zip(tensors, empty_batch, strict=True):
            tensor.set_shape([batch_size, *like.shape[1:]])
        return tuple(tensors)

    # Not `from_generator`: beside it, training steps on two cores take half as long again.
    return _prefetched(tf.data.Dataset.range(1).repeat().map(gather))


def _augmenter(
    config: configs.Config, seed: int | None, first_step: int, styles_of_examples: Callable[[], np.ndarray]
) -> Callable[[augmentation.Batch, np.ndarray], augmentation.Batch]:
    """Returns what changes a run's batches from `first_step` on; what is drawn depends on the seed and the step."""
    asked = augmentation.Augmentation.of(config.hparams)
    if not asked:
        return lambda batch, _: batch
    styles = styles_of_examples() if asked.same_style else None
    steps = itertools.count(first_step)

    def change(batch: augmentation.Batch, rows: np.ndarray) -> augmentation.Batch:
        step = next(steps)
        random = np.random.default_rng() if seed is None else np.random.default_rng([seed, step])
        return asked.apply(batch, config.data_converter, random, None if styles is None else styles[rows])

    return change


def epochs(
    performance: np.ndarray, seed: int | None, windows_per_performance: int = 0, share: tuple[int, int] = (0, 1)
) -> Iterator[np.ndarray]:
    """Yields the rows of one epoch after the other, each in an order of its own.

    Args:
        performance: `[n]`, which performance each example was cut out of.
        seed: None draws one.
        windows_per_performance: So many examples of each performance, drawn anew for each epoch, so that long
            performances do not drown short ones; 0 is every example, once an epoch.
        share: Number of this part, and how many there are: only the part's rows of each epoch come. The parts take
            turns, so that each gets as many as the others, and some even where there are fewer rows than parts.
    """
    random = np.random.default_rng(seed)
    part, num_parts = share
    for epoch in itertools.count():
        rows = random.permutation(len(performance))
        if windows_per_performance:
            by_performance = rows[np.argsort(performance[rows], kind="stable")]
            _, firsts, counts = np.unique(performance[by_performance], return_index=True, return_counts=True)
            ranks = np.arange(len(rows)) - np.repeat(firsts, counts)
            rows = random.permutation(by_performance[ranks < windows_per_performance])
        yield rows[(part + epoch) % num_parts :: num_parts]


def row_batches(order: Iterable[np.ndarray], batch_size: int) -> Iterator[np.ndarray]:
    """Cuts epochs of rows into batches; what an epoch leaves over goes into the next one's first batch."""
    waiting = np.zeros([0], np.int64)
    for rows in order:
        waiting = np.concatenate([waiting, rows])
        while len(waiting) >= batch_size:
            yield waiting[:batch_size]
            waiting = waiting[batch_size:]


def is_random(config: configs.Config) -> bool:
    """Whether each epoch makes other examples: stock configs that transpose melodies or drop notes of the input."""
    return bool(config.note_sequence_augmenter or getattr(config.data_converter, "_note_dropout", False))


def random_batches(
    config: configs.Config,
    kept: list[note_sequences.Record],
    batch_size: int,
    seed: int | None,
    share: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Returns endless batches as `ordered_batches` does, of NoteSequences that are changed and converted each time."""
    converter = config.data_converter

    def generate() -> Iterator[tuple]:
        order = np.random.default_rng(seed)
        part, num_parts = share
        for epoch in itertools.count():
            for row in order.permutation(len(kept))[(part + epoch) % num_parts :: num_parts]:
                sequence = note_sequences.parse(kept[row])
                if config.note_sequence_augmenter:
                    sequence = config.note_sequence_augmenter.augment(sequence)
                yield from zip(*loading.tensors_of(converter, sequence), strict=True)

    depths = (converter.input_depth, converter.output_depth, converter.control_depth)
    shapes = (*([None, depth] for depth in depths), list(converter.length_shape))
    dataset = tf.data.Dataset.from_generator(generate, (tf.float32, tf.float32, tf.float32, tf.int32), shapes)
    dataset = dataset.shuffle(10 * batch_size, seed=seed)
    return _prefetched(dataset.padded_batch(batch_size, shapes, drop_remainder=True))


def _prefetched(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Makes the next two batches while a step is computed."""
    options = tf.data.Options()
    options.autotune.enabled = False  # There is nothing to tune, and closing a session waits for it, up to a minute.
    return batches.prefetch(2).with_options(options)
