"""NoteSequences to arrays, by hand; arrays kept on disk; batches that leave nothing out."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
import pathlib
import shutil

from models.environment import tf

import midi_files
import numpy as np
import pytest
from midi_files import CLOSED_HAT, CRASH, HIGH_TOM, KICK, LOW_TOM, MID_TOM, OPEN_HAT, RIDE, SNARE

import configs
from pipelines import examples

STEPS, CLASSES = 64, 9

# One hit of each class, two together, early and late ones, and one in each bar.
PLAYED = [
    (0, KICK, 127), (0, CLOSED_HAT, 64), (3.75, SNARE, 100), (8.25, OPEN_HAT, 1),
    (15.6, CRASH, 90), (17, LOW_TOM, 80), (18, MID_TOM, 81), (19, HIGH_TOM, 82),
    (32, RIDE, 33), (47.25, KICK, 50), (63, SNARE, 20), (63.125, SNARE, 30),
]  # fmt: skip
# (step, class, velocity, offset in half sixteenths, early is positive); of two in a cell the louder is left.
EXPECTED = [
    (0, 0, 127, 0), (0, 2, 64, 0), (4, 1, 100, 0.5), (8, 3, 1, -0.5),
    (16, 7, 90, 0.8), (17, 4, 80, 0), (18, 5, 81, 0), (19, 6, 82, 0),
    (32, 8, 33, 0), (47, 0, 50, -0.5), (63, 1, 30, -0.25),
]  # fmt: skip


def expected_groove() -> np.ndarray:
    groove = np.zeros([STEPS, 3 * CLASSES])
    for step, drum, velocity, offset in EXPECTED:
        groove[step, [drum, CLASSES + drum, 2 * CLASSES + drum]] = 1, velocity / 127, offset
    return groove


def write_records(path: pathlib.Path, *sequences) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for sequence in sequences:
            writer.write(sequence.SerializeToString())
    return path


def load(name: str, *sequences, tmp_path: pathlib.Path) -> examples.Examples:
    return examples.load(configs.CONFIG_MAP[name], "train", str(write_records(tmp_path / "a.tfrecord", *sequences)))


def draw(dataset_of, num_batches: int) -> list[tuple[np.ndarray, ...]]:
    """Returns the first batches of the dataset that `dataset_of()` makes."""
    with tf.Graph().as_default(), tf.Session() as session:
        iterator = tf.data.make_initializable_iterator(dataset_of())
        batch = iterator.get_next()
        session.run(iterator.initializer)
        return [session.run(batch) for _ in range(num_batches)]


def test_hier_drums_by_hand(tmp_path):
    loaded = load("hier-drums_4bar_small", midi_files.sequence(PLAYED), tmp_path=tmp_path)
    roll, tokens = np.zeros([STEPS, CLASSES + 1], np.uint8), np.zeros(STEPS, np.int32)
    roll[:, CLASSES] = 1  # The last column: nothing is hit.
    for step, drum, _, _ in EXPECTED:
        roll[step, drum], roll[step, CLASSES] = 1, 0
        tokens[step] += 2**drum
    np.testing.assert_array_equal(loaded.inputs, [roll])
    np.testing.assert_array_equal(loaded.outputs, [tokens])
    assert (loaded.inputs.dtype, loaded.outputs.dtype, loaded.output_depth) == (np.uint8, np.int32, 512)
    assert loaded.controls.shape == (1, STEPS, 0)
    np.testing.assert_array_equal(loaded.lengths, [STEPS])


def test_groovae_by_hand(tmp_path):
    loaded = load("groovae_4bar", midi_files.sequence(PLAYED, qpm=90), tmp_path=tmp_path)
    np.testing.assert_allclose(loaded.outputs, [expected_groove()], atol=1e-6)
    np.testing.assert_array_equal(loaded.inputs, loaded.outputs)
    assert (loaded.inputs.dtype, loaded.outputs.dtype) == (np.float32, np.float32)
    np.testing.assert_array_equal(loaded.qpm, np.float32([90]))


def test_humanize_sees_only_the_hits(tmp_path):
    loaded = load("groovae_4bar_humanize", midi_files.sequence(PLAYED), tmp_path=tmp_path)
    hits_alone = expected_groove()
    hits_alone[:, CLASSES:] = 0
    np.testing.assert_allclose(loaded.inputs, [hits_alone])
    np.testing.assert_allclose(loaded.outputs, [expected_groove()], atol=1e-6)


def test_tap_sees_only_when_something_is_hit(tmp_path):
    loaded = load("groovae_4bar_tap", midi_files.sequence(PLAYED), tmp_path=tmp_path)
    tapped = np.zeros([STEPS, 3 * CLASSES])
    for step, _, _, offset in EXPECTED:
        tapped[step, [3, 2 * CLASSES + 3]] = 1, offset  # Upstream taps on class 3.
    np.testing.assert_allclose(loaded.inputs, [tapped], atol=1e-6)
    np.testing.assert_allclose(loaded.outputs, [expected_groove()], atol=1e-6)


def test_general_midis_pitches_land_in_their_classes(tmp_path):
    moved = {KICK: 35, LOW_TOM: 41, MID_TOM: 60}  # 35 is no pitch of the Roland kit.
    played = [(step, moved.get(pitch, pitch), velocity) for step, pitch, velocity in PLAYED]
    loaded = load("groovae_4bar", midi_files.sequence(played), tmp_path=tmp_path)
    np.testing.assert_allclose(loaded.outputs, [expected_groove()], atol=1e-6)


def test_dense_gives_the_one_hot_vectors_back(tmp_path):
    config = configs.CONFIG_MAP["hier-drums_4bar_small"]
    loaded = load("hier-drums_4bar_small", midi_files.sequence(midi_files.groove(7)), tmp_path=tmp_path)
    upstream = config.data_converter.to_tensors(midi_files.sequence(midi_files.groove(7)))
    inputs, outputs, controls, lengths = loaded.dense(np.array([3, 0, 3]))
    for row, number in enumerate([3, 0, 3]):
        np.testing.assert_array_equal(inputs[row], upstream.inputs[number])
        np.testing.assert_array_equal(outputs[row], upstream.outputs[number])
    assert [a.dtype for a in (inputs, outputs, controls, lengths)] == [np.float32] * 3 + [np.int32]
    assert outputs.shape == (3, STEPS, 512)


def test_dense_gives_zeros_for_padding():
    padded = examples.Examples(
        inputs=np.zeros([1, 3, 2], np.uint8),
        outputs=np.array([[1, 0, -1]], np.int32),
        controls=np.zeros([1, 3, 0]),
        lengths=np.array([2], np.int32),
        qpm=np.array([120.0]),
        output_depth=2,
    )
    np.testing.assert_array_equal(padded.dense(np.array([0]))[1], [[[0, 1], [1, 0], [0, 0]]])


def test_shorter_examples_are_padded_behind(tmp_path):
    melody = [(step, 60 + step % 7, 90) for step in range(0, 24)]
    config = configs.CONFIG_MAP["cat-mel_2bar_small"]
    config.data_converter._slice_steps = None  # As in the configs of whole melodies.
    config.data_converter._dedupe_event_lists = False
    path = write_records(
        tmp_path / "a.tfrecord",
        midi_files.sequence(melody, is_drum=False),
        midi_files.sequence(melody[:12], is_drum=False),
    )
    loaded = examples.load(config, "train", str(path))
    assert sorted(loaded.lengths) == [16, 32]
    short = loaded.lengths.tolist().index(16)
    assert np.all(loaded.outputs[short, 16:] == -1) and np.all(loaded.outputs[short, :16] >= 0)
    assert not loaded.inputs[short, 16:].any()


def test_every_window_is_there_and_the_same_one_of_a_performance_once(tmp_path):
    six_bars, same_bars = midi_files.groove(6), midi_files.groove(6, alike=True)
    assert len(load("hier-drums_4bar_small", midi_files.sequence(six_bars), tmp_path=tmp_path)) == 3
    assert len(load("hier-drums_4bar_small", midi_files.sequence(same_bars), tmp_path=tmp_path)) == 1
    assert len(load("groovae_4bar", midi_files.sequence(midi_files.groove(9)), tmp_path=tmp_path)) == 2


def test_no_cap_on_the_windows_of_a_performance(tmp_path):
    """Upstream's defaults would keep 5, and stop at bar 100."""
    loaded = load("hier-drums_4bar_small", midi_files.sequence(midi_files.groove(130)), tmp_path=tmp_path)
    assert len(loaded) == 127


def test_tempo_stays_with_its_examples(tmp_path):
    first = midi_files.sequence(midi_files.groove(5), qpm=90)
    second = midi_files.sequence(midi_files.groove(4), qpm=150)
    loaded = load("hier-drums_4bar_small", first, second, tmp_path=tmp_path)
    np.testing.assert_array_equal(loaded.qpm, np.float32([90, 90, 150]))


def numbered(count: int) -> examples.Examples:
    """Returns examples whose every value is their own number."""
    numbers = np.arange(count)
    return examples.Examples(
        inputs=np.tile(numbers[:, None, None], [1, 4, 3]).astype(np.float32),
        outputs=np.tile(numbers[:, None], [1, 4]).astype(np.int32),
        controls=np.zeros([count, 4, 0], np.uint8),
        lengths=numbers.astype(np.int32),
        qpm=np.full(count, 120.0),
        output_depth=count,
    )


@pytest.mark.parametrize(("count", "batch_size"), [(6, 4), (5, 5), (3, 8), (1, 3), (7, 1)])
def test_batches_leave_no_example_out(count, batch_size):
    num_batches = math.lcm(count, batch_size) // batch_size * 2
    drawn = draw(lambda: examples.batches(numbered(count), batch_size, seed=None), num_batches)
    rows = []
    for inputs, outputs, controls, lengths in drawn:
        assert inputs.shape == (batch_size, 4, 3)
        assert controls.shape == (batch_size, 4, 0)
        np.testing.assert_array_equal(inputs[:, 0, 0], lengths)  # All four belong together.
        np.testing.assert_array_equal(outputs.argmax(axis=-1)[:, 3], lengths)
        rows += lengths.tolist()
    for epoch in range(0, len(rows), count):
        assert sorted(rows[epoch : epoch + count]) == list(range(count))


def test_batches_of_a_seed_are_the_same_and_each_epoch_has_another_order():
    def order(seed):
        drawn = draw(lambda: examples.batches(numbered(40), 40, seed), 2)
        return [lengths.tolist() for _, _, _, lengths in drawn]

    assert order(3) == order(3)
    assert order(3) != order(4)
    first, second = order(3)
    assert first != second


def test_training_batches_know_their_shapes_in_the_graph(tmp_path):
    path = write_records(tmp_path / "a.tfrecord", midi_files.sequence(midi_files.groove(6)))
    config = configs.CONFIG_MAP["hier-drums_4bar_small"]
    make, num_examples = examples.training_batches(config, str(path), seed=1)
    assert num_examples == 3
    with tf.Graph().as_default():
        shapes = tf.data.get_output_shapes(make())
    assert [shape.as_list() for shape in shapes] == [[512, 64, 10], [512, 64, 512], [512, 64, 0], [512]]


@pytest.fixture
def six_bars(tmp_path) -> str:
    return str(write_records(tmp_path / "in" / "a.tfrecord", midi_files.sequence(midi_files.groove(6))))


@pytest.fixture
def forbid_converting(monkeypatch):
    """Returns a function after which conversion is an error."""

    def convert_again(*_):
        raise AssertionError("converted again")

    return lambda: monkeypatch.setattr(examples, "_convert", convert_again)


def kept_files(six_bars: str) -> list[pathlib.Path]:
    return sorted((pathlib.Path(six_bars).parent / examples.KEPT_DIR_NAME).glob("*"))


@pytest.mark.parametrize("name", ["hier-drums_4bar_small", "groovae_4bar_tap", "cat-drums_2bar_small"])
def test_what_was_converted_once_is_kept(six_bars, name, forbid_converting):
    first = examples.load(configs.CONFIG_MAP[name], "train", six_bars)
    forbid_converting()
    second = examples.load(configs.CONFIG_MAP[name], "train", six_bars)
    assert len(kept_files(six_bars)) == 1
    for field in dataclasses.fields(examples.Examples):
        kept, converted = getattr(second, field.name), getattr(first, field.name)
        np.testing.assert_array_equal(kept, converted)
        assert np.asarray(kept).dtype == np.asarray(converted).dtype


def test_other_records_are_converted_anew(six_bars):
    config = configs.CONFIG_MAP["hier-drums_4bar_small"]
    assert len(examples.load(config, "train", six_bars)) == 3
    write_records(pathlib.Path(six_bars), midi_files.sequence(midi_files.groove(8)))
    assert len(examples.load(config, "train", six_bars)) == 5


def test_each_converter_keeps_its_own(six_bars):
    paths = [pathlib.Path(six_bars)]
    own = ["hier-drums_4bar_small", "groovae_4bar", "groovae_4bar_humanize", "groovae_4bar_tap"]
    stock = ["cat-drums_2bar_small", "cat-mel_2bar_small", "hierdec-mel_16bar", "hierdec-trio_16bar"]
    kept = {examples._kept_path(paths, configs.CONFIG_MAP[name].data_converter) for name in own + stock}
    assert len(kept) == len(own + stock)
    again = {examples._kept_path(paths, configs.CONFIG_MAP[name].data_converter) for name in own + stock}
    assert kept == again


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("hier-drums_4bar_small", lambda converter: converter._drums_extractor_fn.keywords.update(gap_bars=2)),
        ("hier-drums_4bar_small", lambda converter: converter._pitch_classes[0].append(35)),
        ("groovae_4bar", lambda converter: setattr(converter, "_hop_size", 16)),
        ("cat-mel_2bar_small", lambda converter: converter._event_extractor_fn.keywords.update(gap_bars=2)),
        ("hierdec-trio_16bar", lambda converter: setattr(converter._melody_converter, "_min_pitch", 3)),
    ],
)
def test_a_changed_converter_keeps_another(six_bars, name, change):
    paths = [pathlib.Path(six_bars)]
    converter = configs.CONFIG_MAP[name].data_converter
    before = examples._kept_path(paths, converter)
    change(converter)
    assert examples._kept_path(paths, converter) != before


@pytest.mark.parametrize("damage", ["cut off", "empty", "flipped", "other arrays", "no zip"])
def test_a_damaged_file_is_converted_again(six_bars, damage, forbid_converting):
    config = configs.CONFIG_MAP["groovae_4bar"]
    before = examples.load(config, "train", six_bars)
    (kept,) = kept_files(six_bars)
    content = kept.read_bytes()
    if damage == "other arrays":
        np.savez(kept, inputs=np.zeros(3))
    else:
        flipped = bytearray(content)
        flipped[60:200] = bytes(255 - byte for byte in content[60:200])
        kept.write_bytes({"cut off": content[:-50], "empty": b"", "flipped": flipped, "no zip": b"x" * 99}[damage])
    np.testing.assert_array_equal(examples.load(config, "train", six_bars).inputs, before.inputs)
    forbid_converting()
    np.testing.assert_array_equal(examples.load(config, "train", six_bars).inputs, before.inputs)


def test_a_folder_that_cannot_be_written_to_costs_a_line_only(six_bars, capsys):
    (pathlib.Path(six_bars).parent / examples.KEPT_DIR_NAME).write_text("a file where the folder should be")
    assert len(examples.load(configs.CONFIG_MAP["groovae_4bar"], "train", six_bars)) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("examples are not kept for the next run: ")


def test_shards_and_globs_are_found(tmp_path):
    for number, bars in enumerate((4, 5)):
        sequence = midi_files.sequence(midi_files.groove(bars))
        write_records(tmp_path / f"train.tfrecord-0000{number}-of-00002", sequence)
    config = configs.CONFIG_MAP["hier-drums_4bar_small"]
    for pattern in ("train.tfrecord", "train.tfrecord*", "train.tfrecord-*-of-00002"):
        assert len(examples.load(config, "train", str(tmp_path / pattern))) == 3
    assert len(examples.load(config, "train", str(tmp_path / "train.tfrecord-00001-of-00002"))) == 2


def test_no_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        examples.find_records(str(tmp_path / "*.tfrecord"))
    pattern = f"{tmp_path}/*.tfrecord"
    expected = f"no examples: no file matches --examples_path={pattern}; python -m pipelines.convert makes TFRecords"
    assert str(caught.value) == expected


def test_a_folder_is_an_error_that_says_what_to_give(tmp_path):
    with pytest.raises(ValueError, match=r"is a folder; give a file, as .*/train\.tfrecord$"):
        examples.find_records(str(tmp_path))


def test_neither_path_nor_dataset_is_an_error():
    config = configs.CONFIG_MAP["hier-drums_4bar_small"]._replace(tfds_name=None)
    with pytest.raises(ValueError, match=r"^which data\? --examples_path=GLOB of TFRecords, or --tfds_name=NAME$"):
        examples.load(config, "train", None)


@pytest.mark.parametrize("keep", [3, 20, 0.7])
def test_a_truncated_record_is_named(tmp_path, keep):
    good, cut = (midi_files.sequence(midi_files.groove(bars)) for bars in (4, 5))
    path = write_records(tmp_path / "train.tfrecord", good)
    whole = path.stat().st_size
    write_records(path, good, cut)
    rest = path.stat().st_size - whole
    path.write_bytes(path.read_bytes()[: whole + (keep if keep > 1 else int(keep * rest))])
    with pytest.raises(ValueError, match="record 1 is damaged or no NoteSequence") as caught:
        list(examples.read_records([path]))
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith("python -m pipelines.convert writes such files anew")


@pytest.mark.parametrize("content", [b"not a TFRecord, but longer than a header of one", b"MThd\0\0\0\6"])
def test_a_foreign_file_is_named(tmp_path, content):
    path = tmp_path / "train.tfrecord"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{path}: record 0 is damaged or no NoteSequence"):
        list(examples.read_records([path]))


def test_a_record_of_something_else_is_named(tmp_path):
    path = tmp_path / "train.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(midi_files.sequence([]).SerializeToString())
        writer.write(b"\xff\xff\xff\xff")
    with pytest.raises(ValueError, match=f"^{path}: record 1 is damaged or no NoteSequence"):
        list(examples.read_records([path]))


def test_a_caller_that_stops_early_is_no_error(tmp_path):
    path = write_records(tmp_path / "a.tfrecord", *[midi_files.sequence([(0, KICK, 90)])] * 3)
    assert len(list(itertools.islice(examples.read_records([path]), 1))) == 1


@pytest.mark.parametrize(
    "sequences",
    [[], [midi_files.sequence(midi_files.groove(3))], [midi_files.sequence(midi_files.groove(9), metre=(3, 4))]],
)
def test_no_example_at_all_is_an_error(tmp_path, sequences):
    path = write_records(tmp_path / "a.tfrecord", *sequences)
    with pytest.raises(ValueError, match=f"^no examples: {path} has {len(sequences)} NoteSequences, and none is long"):
        examples.load(configs.CONFIG_MAP["hier-drums_4bar_small"], "train", str(path))
    assert not (tmp_path / examples.KEPT_DIR_NAME).exists()


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
    assert examples.is_random(configs.CONFIG_MAP[name]) == random


def test_melodies_are_transposed_anew_for_each_batch(tmp_path):
    melody = [(step, 60 + 2 * (step // 2 % 5), 90) for step in range(0, 32, 2)]  # One window.
    path = write_records(tmp_path / "a.tfrecord", midi_files.sequence(melody, is_drum=False))
    config = configs.CONFIG_MAP["cat-mel_2bar_big"]
    config.hparams.batch_size = 4
    make, num_examples = examples.training_batches(config, str(path), seed=1)
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
    make, num_examples = examples.training_batches(config, str(path), seed=1)
    assert num_examples == 1
    drawn = draw(make, 10)
    assert len({inputs.tobytes() for inputs, *_ in drawn}) > 1
    assert len({row.tobytes() for _, outputs, *_ in drawn for row in outputs}) == 1


def test_starter_set_gives_what_its_report_promises(starter_records, tmp_path):
    import json

    report = json.loads((starter_records / "report.json").read_text())
    for split in ("train", "validation", "test"):
        path = shutil.copy(starter_records / f"{split}.tfrecord", tmp_path)
        loaded = examples.load(configs.CONFIG_MAP["hier-drums_4bar_small"], split, path)
        assert len(loaded) == report["windows"][split] > 0
