"""Batches: nothing left out, shuffled over the whole set, and so many windows of each performance."""

from __future__ import annotations

import collections
import itertools
import math

import numpy as np
import pytest

import configs
from models.magenta import tf
from pipelines.examples import batches, loading, store
from tests import midi_files
from tests.pipelines.examples.test_loading import PLAYED, write_records


def draw(dataset_of, num_batches: int) -> list[tuple[np.ndarray, ...]]:
    """Returns the first batches of the dataset that `dataset_of()` makes."""
    with tf.Graph().as_default(), tf.Session() as session:
        iterator = tf.data.make_initializable_iterator(dataset_of())
        batch = iterator.get_next()
        session.run(iterator.initializer)
        return [session.run(batch) for _ in range(num_batches)]


@pytest.fixture
def numbered(tmp_path):
    """Returns a function that makes examples whose every value is their own number."""

    def make(count: int) -> loading.Examples:
        numbers = np.arange(count)
        fields = [store.Field("inputs", 3, False), store.Field("outputs", count, True)]
        part = store.Part(
            columns={
                "num_steps": np.full(count, 4, np.int32),
                "lengths": numbers.astype(np.int32),
                "qpm": np.full(count, 120, np.float32),
                "performance": np.zeros(count, np.int32),
            },
            fields={
                "inputs": store.pack(fields[0], list(np.tile(numbers[:, None, None], [1, 4, 3]))),
                "outputs": store.pack(fields[1], list(np.eye(count)[np.tile(numbers[:, None], [1, 4])])),
            },
        )
        return loading._examples(fields, store.build(tmp_path / "numbered", "", fields, [part]))

    return make


@pytest.mark.parametrize(("count", "batch_size"), [(6, 4), (5, 5), (3, 8), (1, 3), (7, 1)])
def test_batches_leave_no_example_out(numbered, count, batch_size):
    num_batches = math.lcm(count, batch_size) // batch_size * 2
    examples = numbered(count)
    drawn = draw(lambda: batches.ordered_batches(examples, batch_size, seed=None), num_batches)
    rows = []
    for inputs, outputs, controls, lengths in drawn:
        assert inputs.shape == (batch_size, 4, 3)
        assert controls.shape == (batch_size, 4, 0)
        np.testing.assert_array_equal(inputs[:, 0, 0], lengths)  # All four belong together.
        np.testing.assert_array_equal(outputs.argmax(axis=-1)[:, 3], lengths)
        rows += lengths.tolist()
    for epoch in range(0, len(rows), count):
        assert sorted(rows[epoch : epoch + count]) == list(range(count))


def test_batches_of_a_seed_are_the_same_and_each_epoch_has_another_order(numbered):
    examples = numbered(40)

    def order(seed):
        drawn = draw(lambda: batches.ordered_batches(examples, 40, seed), 2)
        return [lengths.tolist() for _, _, _, lengths in drawn]

    assert order(3) == order(3)
    assert order(3) != order(4)
    first, second = order(3)
    assert first != second


def test_the_whole_set_is_shuffled():
    """Neighbours on disk are no neighbours in a batch: as far apart as chance puts them."""
    rows = next(batches.epochs(np.zeros(10_000, np.int32), seed=1))
    assert sorted(rows) == list(range(10_000))
    assert np.mean(np.abs(np.diff(rows))) == pytest.approx(10_000 / 3, rel=0.05)


@pytest.mark.parametrize(("wanted", "sizes"), [(1, [1, 1, 1]), (2, [2, 1, 2]), (5, [4, 1, 2])])
def test_so_many_windows_of_each_performance_are_drawn_anew_for_each_epoch(wanted, sizes):
    performance = np.array([0, 0, 0, 0, 3, 7, 7], np.int32)
    epochs = list(itertools.islice(batches.epochs(performance, 1, wanted), 200))
    for rows in epochs:
        assert len(set(rows)) == len(rows)
        assert [np.sum(performance[rows] == number) for number in (0, 3, 7)] == sizes
    drawn = collections.Counter(np.concatenate(epochs).tolist())
    assert all(drawn[row] == pytest.approx(200 * sizes[0] / 4, abs=30) for row in range(4))
    assert len({tuple(rows) for rows in epochs}) > 5


def test_windows_per_performance_is_an_hparam(tmp_path):
    long, short = midi_files.groove(20), PLAYED
    path = write_records(tmp_path / "a.tfrecord", midi_files.sequence(long), midi_files.sequence(short))
    for hparams, share in (("", 1 / 18), ("windows_per_performance=1", 1 / 2)):
        config = configs.with_hparams(
            configs.CONFIG_MAP["hier-drums_4bar_small"], f"batch_size=36,{hparams}".strip(",")
        )
        make, num_examples = batches.training_batches(config, str(path), seed=1)
        assert num_examples == 18
        only = loading.load(config, "train", str(path)).tokens([17])[0]
        ((_, outputs, _, _),) = draw(make, 1)
        assert np.mean([np.array_equal(output, only) for output in outputs]) == share


def test_training_batches_know_their_shapes_in_the_graph(tmp_path):
    path = write_records(tmp_path / "a.tfrecord", midi_files.sequence(midi_files.groove(6)))
    config = configs.CONFIG_MAP["hier-drums_4bar_small"]
    make, num_examples = batches.training_batches(config, str(path), seed=1)
    assert num_examples == 3
    with tf.Graph().as_default():
        shapes = tf.data.get_output_shapes(make())
    assert [shape.as_list() for shape in shapes] == [[512, 64, 10], [512, 64], [512, 64, 0], [512]]


@pytest.mark.parametrize(
    ("name", "random"),
    [
        ("hier-drums_4bar_small", False),
        ("groovae_4bar", False),
        ("cat-mel_2bar_big", True),
        ("groovae_2bar_tap_fixed_velocity_note_dropout", True),
    ],
)
def test_is_random_knows_the_configs_whose_examples_change(name, random):
    assert batches.is_random(configs.CONFIG_MAP[name]) == random


def test_melodies_are_transposed_anew_for_each_batch(tmp_path):
    melody = [(step, 60 + 2 * (step // 2 % 5), 90) for step in range(0, 32, 2)]  # One window.
    path = write_records(tmp_path / "a.tfrecord", midi_files.sequence(melody, is_drum=False))
    config = configs.CONFIG_MAP["cat-mel_2bar_big"]
    config.hparams.batch_size = 4
    make, num_examples = batches.training_batches(config, str(path), seed=1)
    assert num_examples == 1
    transposed = collections.Counter()
    for inputs, outputs, controls, lengths in draw(make, 10):
        assert inputs.shape == outputs.shape == (4, 32, 90)
        assert controls.shape == (4, 32, 0)
        np.testing.assert_array_equal(lengths, [32] * 4)
        np.testing.assert_array_equal(outputs.sum(axis=-1), np.ones([4, 32]))
        transposed.update(outputs[:, 0].argmax(axis=-1).tolist())
    assert len(transposed) > 1


def test_note_dropout_drops_from_the_input_alone(tmp_path):
    path = write_records(tmp_path / "a.tfrecord", midi_files.sequence(midi_files.groove(2)))
    config = configs.CONFIG_MAP["groovae_2bar_tap_fixed_velocity_note_dropout"]
    config.hparams.batch_size = 2
    make, num_examples = batches.training_batches(config, str(path), seed=1)
    assert num_examples == 1
    drawn = draw(make, 10)
    assert len({inputs.tobytes() for inputs, *_ in drawn}) > 1
    assert len({row.tobytes() for _, outputs, *_ in drawn for row in outputs}) == 1


def test_batches_are_drawn_from_the_cache_that_is_given(tmp_path):
    path = write_records(tmp_path / "a.tfrecord", midi_files.sequence(midi_files.groove(6)))
    batches.training_batches(configs.CONFIG_MAP["groovae_4bar"], str(path), 1, tmp_path / "elsewhere")
    assert len(list((tmp_path / "elsewhere" / loading.KEPT_DIR_NAME).iterdir())) == 1


def test_random_configs_without_examples_are_an_error(tmp_path):
    path = write_records(tmp_path / "a.tfrecord", midi_files.sequence([(0, 60, 90)], is_drum=False))
    with pytest.raises(ValueError, match=f"^no examples: {path} has 1 NoteSequences, and none is long enough"):
        batches.training_batches(configs.CONFIG_MAP["cat-mel_2bar_big"], str(path), seed=1)
