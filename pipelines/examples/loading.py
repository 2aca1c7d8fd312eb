"""NoteSequences → tensors, kept on disk.

Upstream's `data.get_dataset` converts again in every process and keeps at most a few windows of a performance. Here
every window is converted once, by all cores where that is worth it, and kept beside the TFRecords (`store`).
"""

from __future__ import annotations

import copy
import dataclasses
import errno
import functools
import itertools
import os
import pathlib
import pickle
import tempfile
from collections.abc import Iterable, Iterator

import numpy as np

import configs
from grooves import drums, metadata, timing
from models.magenta import data, note_seq
from pipelines.examples import note_sequences, store
from pipelines.files import atomic, freshness, progress, workers

KEPT_DIR_NAME = ".examples"
RECORDS_A_JOB = 16
WORTH_A_POOL_BYTES = 96 * 2**20  # Some eight seconds' work; a process of a pool spends five on imports first.
JOB_TIMEOUT_SECS = 600


@dataclasses.dataclass(frozen=True)
class Examples:
    """Examples of a split, on disk.

    Attributes:
        inputs: For the encoder; gives `[rows, steps, input_depth]` of the store's rows.
        outputs: For the decoder; likewise.
        controls: Likewise; None without controls.
        rows: `[n]` int64, where in the store each example lies.
        lengths: `[n, *length_shape]` int32, steps without padding.
        qpm: `[n]` float32, the tempo of the performance, quarters a minute.
        performance: `[n]` int32, which NoteSequence it was cut out of, counted from 0.
    """

    inputs: store.Sequences
    outputs: store.Sequences
    controls: store.Sequences | None
    rows: np.ndarray
    lengths: np.ndarray
    qpm: np.ndarray
    performance: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def is_one_hot(self) -> bool:
        """Whether there is exactly one 1 in each step of the outputs: they are tokens."""
        return self.outputs.is_one_hot

    def dense(self, rows: np.ndarray, *, outputs_as_tokens: bool = False) -> tuple[np.ndarray, ...]:
        """Returns inputs, outputs, controls (float32, zeros behind shorter ones) and lengths (int32) of some examples.

        Args:
            rows: Which, counted from 0.
            outputs_as_tokens: Outputs, which are one-hot, come as `tokens` gives them.
        """
        stored = self.rows[rows]
        outputs = self.outputs.tokens(stored) if outputs_as_tokens else self.outputs.dense(stored)
        controls = self.controls.dense(stored) if self.controls else np.zeros([*outputs.shape[:2], 0], np.float32)
        return self.inputs.dense(stored), outputs, controls, self.lengths[rows]

    def tokens(self, rows: np.ndarray) -> np.ndarray:
        """Returns one-hot outputs as `[rows, steps]` int32 tokens, -1 behind shorter ones."""
        return self.outputs.tokens(self.rows[rows])

    def take(self, rows: np.ndarray | slice) -> Examples:
        """Returns only these examples, in this order."""
        chosen = {name: getattr(self, name)[rows] for name in ("rows", "lengths", "qpm", "performance")}
        return dataclasses.replace(self, **chosen)


@dataclasses.dataclass(frozen=True)
class Job:
    """Some performances to convert, in whichever process."""

    converter: data.BaseNoteSequenceConverter
    first_number: int
    records: list[note_sequences.Record]


def load(
    config: configs.Config,
    split: str,
    examples_path: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    tfds_data_dir: str | None = None,
) -> Examples:
    """Returns all examples of `config`, converted now or taken from where an earlier run kept them.

    Args:
        config: Says how to convert, and which TFDS dataset to take where there is no `examples_path`.
        split: "train", "validation" or "test"; chooses in TFDS. TFRecords are taken as given.
        examples_path: A TFRecord of NoteSequences, or a glob over several.
        cache_dir: Where tensors are kept; None is a folder beside the TFRecords.
        tfds_data_dir: Where TFDS keeps its datasets; None is TFDS's own default.

    Raises:
        FileNotFoundError: no file matches.
        ValueError: a file is damaged, or nothing in it makes an example for this config.
    """
    performances = note_sequences.find(config, split, examples_path, tfds_data_dir)
    converter = _uncapped(config.data_converter, split)
    fingerprint = _fingerprint(performances, converter)
    folder = pathlib.Path(cache_dir).expanduser() if cache_dir else performances.home
    kept_path = folder / KEPT_DIR_NAME / f"{performances.stem}-{fingerprint[:16]}"
    kept = store.read(kept_path, fingerprint)
    return _examples(_fields(converter), kept or _build(kept_path, fingerprint, converter, performances))


def tensors_of(converter: data.BaseNoteSequenceConverter, sequence: note_seq.NoteSequence) -> data.ConverterTensors:
    """Converts one NoteSequence; drums are moved onto the Roland kit first, where every pitch has a class."""
    if isinstance(converter, data.DrumsConverter | data.GrooveConverter):
        _, drum_map = metadata.read(sequence)
        sequence = drums.on_kit(sequence, drum_map or drums.choose_map(sequence))
    return converter.to_tensors(sequence)


def encode_job(job: Job) -> store.Part | str:
    """Converts some performances; returns what is wrong where one cannot be read."""
    try:
        sequences = [note_sequences.parse(record) for record in job.records]
    except ValueError as error:
        return str(error)
    tensors, qpm, performance = [], [], []
    for number, sequence in enumerate(sequences, start=job.first_number):
        found = list(zip(*tensors_of(job.converter, sequence), strict=True))
        tensors += found
        qpm += [timing.qpm_of(sequence)] * len(found)
        performance += [number] * len(found)
    if not tensors:
        return store.Part({"num_steps": np.zeros([0], np.int32)}, {})
    inputs, outputs, controls, lengths = zip(*tensors, strict=True)
    sequences_of = {"inputs": inputs, "outputs": outputs, "controls": controls}
    return store.Part(
        columns={
            "num_steps": np.array([len(steps) for steps in outputs], np.int32),
            "lengths": np.array(lengths, np.int32),
            "qpm": np.array(qpm, np.float32),
            "performance": np.array(performance, np.int32),
        },
        fields={field.name: store.pack(field, sequences_of[field.name]) for field in _fields(job.converter)},
    )


def _uncapped(converter: data.BaseNoteSequenceConverter, split: str) -> data.BaseNoteSequenceConverter:
    """Returns a copy that keeps every window; upstream's caps would freeze one choice of a few of them."""
    converter = copy.copy(converter)
    converter.set_mode("train" if split == "train" else "eval")
    converter.max_tensors_per_notesequence = None
    return converter


def _fingerprint(performances: note_sequences.Performances, converter: data.BaseNoteSequenceConverter) -> str:
    return freshness.of_examples(performances.fingerprint(), _describe(converter))


def _describe(value) -> str:
    """Returns all settings of a converter, those of converters and partial functions inside of it too."""
    if isinstance(value, data.BaseNoteSequenceConverter):
        settings = {name: _describe(setting) for name, setting in sorted(vars(value).items())}
        return f"{type(value).__module__}.{type(value).__name__} {settings}"
    if isinstance(value, functools.partial):  # Holds gap_bars and max_bars, which the converter does not keep.
        return f"{value.func.__name__} {value.keywords}"
    if isinstance(value, bool | int | float | str | list | tuple | range | set | None):
        return repr(value)
    return type(value).__name__


def _build(
    kept_path: pathlib.Path,
    fingerprint: str,
    converter: data.BaseNoteSequenceConverter,
    performances: note_sequences.Performances,
) -> dict[str, np.ndarray]:
    """Converts all performances, and keeps the result at `kept_path`, or nowhere if that cannot be."""

    def parts() -> Iterator[store.Part]:
        yield from _convert(converter, performances)
        if _fingerprint(performances, converter) != fingerprint:
            raise ValueError(f"{performances.where}: has changed while it was read; run the command again")

    def build(path: pathlib.Path) -> dict[str, np.ndarray]:
        return store.build(path, fingerprint, _fields(converter), parts())

    try:
        atomic.check_folder(kept_path.parent)
    except OSError as error:
        problem = error
    else:
        try:
            return build(kept_path)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            problem = error
    print(f"examples are not kept for the next run: {kept_path.parent}: {problem.strerror}; --cache_dir=DIR moves them")
    with tempfile.TemporaryDirectory() as folder:  # What is open stays readable when it is deleted.
        return build(pathlib.Path(folder) / kept_path.name)


def _convert(
    converter: data.BaseNoteSequenceConverter, performances: note_sequences.Performances
) -> Iterator[store.Part]:
    """Yields the encoded examples of all performances, in their order; raises ValueError where there are none."""
    jobs = _jobs(converter, progress.track(performances.read(), performances.count(), "performances"))
    is_worth_a_pool = performances.num_bytes >= WORTH_A_POOL_BYTES and _is_picklable(converter)
    num_performances = num_examples = 0
    encoded = _encode_in_pool(jobs) if is_worth_a_pool else ((job, encode_job(job)) for job in jobs)
    for job, part in encoded:
        if isinstance(part, str):
            raise ValueError(part)
        num_performances += len(job.records)
        num_examples += len(part)
        yield part
    if not num_examples:
        raise note_sequences.no_examples(performances.where, num_performances)


def _jobs(converter: data.BaseNoteSequenceConverter, read: Iterator[note_sequences.Record]) -> Iterator[Job]:
    first_number = 0
    while chunk := list(itertools.islice(read, RECORDS_A_JOB)):
        yield Job(converter, first_number, chunk)
        first_number += len(chunk)


def _encode_in_pool(jobs: Iterable[Job]) -> Iterator[tuple[Job, store.Part | str]]:
    with workers.Pool(None, JOB_TIMEOUT_SECS, preload=("pipelines.examples.loading",)) as pool:
        for outcome in pool.run(encode_job, jobs, chunk_size=1):
            job = outcome.item
            failed = outcome.failed and f"{job.records[0].where} or a later one: {outcome.failed}"
            yield job, failed or outcome.result


def _is_picklable(converter: data.BaseNoteSequenceConverter) -> bool:
    """Whether it can be sent to another process; Magenta's melody converters have functions of their own in them."""
    try:
        pickle.dumps(converter)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


def _fields(converter: data.BaseNoteSequenceConverter) -> list[store.Field]:
    described = (
        ("inputs", converter.input_depth, converter.input_dtype),
        ("outputs", converter.output_depth, converter.output_dtype),
        ("controls", converter.control_depth, converter.control_dtype),
    )
    return [store.Field(name, depth, np.dtype(dtype) == np.bool_) for name, depth, dtype in described if depth]


def _examples(fields: list[store.Field], arrays: dict[str, np.ndarray]) -> Examples:
    sequences = {field.name: store.Sequences(arrays[field.name], field.depth) for field in fields}
    columns = {name: np.array(arrays[name]) for name in ("lengths", "qpm", "performance")}  # In memory: they are small.
    return Examples(
        inputs=sequences["inputs"],
        outputs=sequences["outputs"],
        controls=sequences.get("controls"),
        rows=np.arange(len(arrays["num_steps"])),
        **columns,
    )
