"""NoteSequences → tensors, kept on disk → batches.

Upstream's `data.get_dataset` converts again in every process, keeps at most a few windows of a performance and, on
TensorFlow 2.19 to 2.21, dies of `unbatch()` on its empty control sequences (tensorflow/tensorflow#108489). Here every
window is converted once and kept beside the TFRecords; batches are drawn from arrays.
"""

from __future__ import annotations

import dataclasses
import functools
import glob
import hashlib
import pathlib
from collections.abc import Callable, Iterable, Iterator

from models.environment import tf

import note_seq
import numpy as np
from magenta.models.music_vae import data

import configs
from pipelines import atomic, drums, progress, sources

KEPT_DIR_NAME = ".examples"
TFRECORD_FRAME_BYTES = 16  # A record's length and two checksums.
VERSION = 1  # Of the arrays' layout and of what happens before the converter; part of the key they are kept under.


@dataclasses.dataclass(frozen=True)
class Examples:
    """All examples of a split, padded to one length.

    Attributes:
        inputs: `[n, steps, input_depth]` for the encoder; uint8 where the values are 0 and 1, else float32.
        outputs: `[n, steps, output_depth]` for the decoder, or, where each step is one-hot, `[n, steps]` int32 tokens
            with -1 for padding.
        controls: `[n, steps, control_depth]`; the depth is 0 without controls.
        lengths: `[n, *length_shape]` int32, steps without padding.
        qpm: `[n]` float32, the tempo of the performance, quarters a minute.
        output_depth: Classes behind the tokens.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    controls: np.ndarray
    lengths: np.ndarray
    qpm: np.ndarray
    output_depth: int

    def __len__(self) -> int:
        return len(self.inputs)

    def dense(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Returns inputs, outputs, controls (float32) and lengths (int32) of the examples `rows`, a list of indices."""
        outputs = self.outputs[rows]
        if outputs.ndim == 2:
            outputs = outputs[..., np.newaxis] == np.arange(self.output_depth)
        return (
            self.inputs[rows].astype(np.float32),
            outputs.astype(np.float32),
            self.controls[rows].astype(np.float32),
            self.lengths[rows],
        )


def load(config: configs.Config, split: str, examples_path: str | None = None) -> Examples:
    """Returns all examples of `config`, converted now or taken from where an earlier run kept them.

    Args:
        config: Says how to convert, and which TFDS dataset to take where there is no `examples_path`.
        split: "train", "validation" or "test"; chooses in TFDS. TFRecords are taken as given.
        examples_path: A TFRecord of NoteSequences, or a glob over several.

    Raises:
        FileNotFoundError: no file matches.
        ValueError: a file is damaged, or nothing in it makes an example for this config.
    """
    if not examples_path and not config.tfds_name:
        raise ValueError("which data? --examples_path=GLOB of TFRecords, or --tfds_name=NAME")
    converter = config.data_converter
    converter.set_mode("train" if split == "train" else "eval")
    if not examples_path:
        where = f"{config.tfds_name}, split {split}"
        return _convert(converter, read_tfds(config.tfds_name, split), where)
    paths = find_records(examples_path)
    kept_path = _kept_path(paths, converter)
    kept = _read_kept(kept_path)
    if kept is None:
        kept = _convert(converter, read_records(paths), examples_path)
        _keep(kept, kept_path)
    return kept


def training_batches(
    config: configs.Config, examples_path: str | None, seed: int | None
) -> tuple[Callable[[], tf.data.Dataset], int]:
    """Returns a function that makes the training batches inside of a graph, and the number of examples.

    Args:
        config: As in `load`.
        examples_path: As in `load`.
        seed: Of the order; None draws one.
    """
    batch_size = config.hparams.batch_size
    if not is_random(config):
        split = load(config, "train", examples_path)
        return (lambda: batches(split, batch_size, seed)), len(split)
    config.data_converter.set_mode("train")
    sequences = list(
        read_records(find_records(examples_path)) if examples_path else read_tfds(config.tfds_name, "train")
    )
    num_examples = len(_convert(config.data_converter, sequences, examples_path or config.tfds_name))
    return (lambda: random_batches(config, sequences, batch_size, seed)), num_examples


def find_records(examples_path: str) -> list[pathlib.Path]:
    """Returns the files that match a glob, sorted.

    Raises:
        FileNotFoundError: there is none.
        ValueError: one is a folder.
    """
    pattern = str(pathlib.Path(examples_path).expanduser())
    paths = sorted(glob.glob(pattern))  # noqa: PTH207  A pattern can be absolute, which Path.glob does not take.
    paths = paths or sorted(glob.glob(f"{pattern}-*-of-*"))  # noqa: PTH207  The shards that convert writes.
    folder = next((path for path in paths if pathlib.Path(path).is_dir()), None)
    if folder:
        raise ValueError(
            f"--examples_path={examples_path}: {folder} is a folder; give a file, as {folder}/train.tfrecord"
        )
    if not paths:
        raise FileNotFoundError(
            f"no examples: no file matches --examples_path={examples_path}; python -m pipelines.convert makes TFRecords"
        )
    return [pathlib.Path(path) for path in paths]


def read_records(paths: Iterable[pathlib.Path]) -> Iterator[note_seq.NoteSequence]:
    """Yields the NoteSequences of TFRecord files.

    Raises:
        ValueError: a file is truncated, or not a TFRecord of NoteSequences; names it and the record.
    """
    for path in paths:
        number = size = 0
        try:
            for record in tf.python_io.tf_record_iterator(str(path)):
                yield note_seq.NoteSequence.FromString(record)
                number += 1
                size += len(record) + TFRECORD_FRAME_BYTES
            if size != path.stat().st_size:  # TensorFlow takes less than a frame for the end of the file.
                raise EOFError
        except GeneratorExit:
            raise
        except Exception as error:  # DataLossError of TensorFlow, DecodeError of protobuf, IsADirectory …
            raise ValueError(
                f"{path}: record {number} is damaged or no NoteSequence ({type(error).__name__});"
                " python -m pipelines.convert writes such files anew"
            ) from error


def read_tfds(name: str, split: str) -> Iterator[note_seq.NoteSequence]:
    """Yields the NoteSequences of a TFDS dataset's split; errors as in `sources.open_collection`."""
    for source in sources.open_collection(name).walk():
        if source.split == split:
            yield drums.read_midi(source.midi)


def tensors_of(converter: data.BaseNoteSequenceConverter, sequence: note_seq.NoteSequence) -> data.ConverterTensors:
    """Converts one NoteSequence; drums are moved onto the Roland kit first, where every pitch has a class."""
    if isinstance(converter, data.DrumsConverter | data.GrooveConverter):
        sequence = drums.on_roland_kit(sequence)
    return converter.to_tensors(sequence)


def batches(examples: Examples, batch_size: int, seed: int | None) -> tf.data.Dataset:
    """Returns endless batches of (inputs, outputs, controls, lengths), each epoch in another order.

    No example is left out: where the last batch of an epoch is not full, the next epoch fills it.

    Args:
        examples: What to draw from.
        batch_size: Examples a batch.
        seed: Of the order; None draws one.
    """
    types = (tf.float32, tf.float32, tf.float32, tf.int32)
    empty_batch = examples.dense(np.zeros([0], np.int64))

    def gather(rows: tf.Tensor) -> tuple[tf.Tensor, ...]:
        tensors = tf.numpy_function(examples.dense, [rows], types)
        for tensor, like in zip(tensors, empty_batch, strict=True):
            tensor.set_shape([batch_size, *like.shape[1:]])
        return tuple(tensors)

    rows = tf.data.Dataset.range(len(examples)).shuffle(len(examples), seed=seed).repeat()
    return rows.batch(batch_size, drop_remainder=True).map(gather).prefetch(2)


def is_random(config: configs.Config) -> bool:
    """Whether each epoch makes other examples: stock configs that transpose melodies or drop notes of the input."""
    return bool(config.note_sequence_augmenter or getattr(config.data_converter, "_note_dropout", False))


def random_batches(
    config: configs.Config, sequences: list[note_seq.NoteSequence], batch_size: int, seed: int | None
) -> tf.data.Dataset:
    """Returns endless batches as `batches` does, of NoteSequences that are changed and converted each time anew."""
    converter = config.data_converter

    def generate() -> Iterator[tuple]:
        order = np.random.default_rng(seed)
        while True:
            for row in order.permutation(len(sequences)):
                sequence = sequences[row]
                if config.note_sequence_augmenter:
                    sequence = config.note_sequence_augmenter.augment(sequence)
                yield from zip(*tensors_of(converter, sequence), strict=True)

    depths = (converter.input_depth, converter.output_depth, converter.control_depth)
    shapes = (*([None, depth] for depth in depths), list(converter.length_shape))
    dataset = tf.data.Dataset.from_generator(generate, (tf.float32, tf.float32, tf.float32, tf.int32), shapes)
    dataset = dataset.shuffle(10 * batch_size, seed=seed)
    return dataset.padded_batch(batch_size, shapes, drop_remainder=True).prefetch(2)


def _convert(converter, sequences: Iterable[note_seq.NoteSequence], where: str) -> Examples:
    sequences = list(sequences)
    parts, qpm = [], []
    for sequence in progress.track(sequences, len(sequences), "performances"):
        tensors = tensors_of(converter, sequence)
        tempo = sequence.tempos[0].qpm if sequence.tempos else drums.QPM
        parts.append(tensors)
        qpm += [tempo] * len(tensors.inputs)
    if not qpm:
        raise ValueError(
            f"no examples: {where} has {len(sequences)} NoteSequences, and none is long enough and of the right kind"
            " for this config (four bars of drums in 4/4, for the configs of this project)"
        )
    fields = zip(*parts, strict=True)
    joined = data.ConverterTensors(*([item for part in field for item in part] for field in fields))
    return _stack(converter, joined, qpm)


def _stack(converter: data.BaseNoteSequenceConverter, tensors: data.ConverterTensors, qpm: list[float]) -> Examples:
    outputs = _pad(tensors.outputs, converter.output_dtype)
    one_hot = outputs.dtype == np.uint8 and all(np.all(np.sum(steps, axis=1) == 1) for steps in tensors.outputs)
    if one_hot:
        outputs = np.where(outputs.any(axis=-1), outputs.argmax(axis=-1), -1).astype(np.int32)
    return Examples(
        inputs=_pad(tensors.inputs, converter.input_dtype),
        outputs=outputs,
        controls=_pad(tensors.controls, converter.control_dtype),
        lengths=np.array(tensors.lengths, np.int32),
        qpm=np.array(qpm, np.float32),
        output_depth=converter.output_depth,
    )


def _pad(sequences: list[np.ndarray], dtype) -> np.ndarray:
    """`[steps, depth]` arrays of several lengths to one `[n, max(steps), depth]` array, zeros behind the shorter."""
    dtype = np.uint8 if np.dtype(dtype) == np.bool_ else np.float32
    padded = np.zeros([len(sequences), max(map(len, sequences)), sequences[0].shape[-1]], dtype)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    return padded


def _kept_path(paths: list[pathlib.Path], converter: data.BaseNoteSequenceConverter) -> pathlib.Path:
    """Returns where the tensors of these records are kept: named after the records' bytes and the converter."""
    digest = hashlib.sha256(f"{VERSION} {_describe(converter)}".encode())
    for path in paths:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return paths[0].parent / KEPT_DIR_NAME / f"{paths[0].name.split('.')[0]}-{digest.hexdigest()[:16]}.npz"


def _describe(converter: data.BaseNoteSequenceConverter) -> str:
    """Returns all settings of a converter, those of converters and partial functions inside of it too."""

    def describe(value) -> str:
        if isinstance(value, bool | int | float | str | list | tuple | range | set | None):
            return repr(value)
        if isinstance(value, functools.partial):  # Holds gap_bars and max_bars, which the converter does not keep.
            return f"{value.func.__name__} {value.keywords}"
        if isinstance(value, data.BaseNoteSequenceConverter):
            return _describe(value)
        return type(value).__name__

    settings = {name: describe(value) for name, value in sorted(vars(converter).items())}
    return f"{type(converter).__name__} {settings}"


def _read_kept(path: pathlib.Path) -> Examples | None:
    try:
        with np.load(path, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
            return Examples(**arrays | {"output_depth": int(arrays["output_depth"])})
    except Exception:  # Not there, or damaged, for which zipfile, zlib and NumPy have an exception each.
        return None


def _keep(examples: Examples, path: pathlib.Path) -> None:
    try:
        with atomic.replacing(path) as partial:
            np.savez_compressed(partial, **dataclasses.asdict(examples))
    except OSError as error:
        print(f"examples are not kept for the next run: {error}")
