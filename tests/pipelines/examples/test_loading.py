"""NoteSequences to arrays, by hand and beside Magenta; arrays kept on disk; batches that leave nothing out."""

from __future__ import annotations

import collections
import errno
import json
import multiprocessing
import os
import pathlib
import shutil
import tempfile
import time

import numpy as np
import pytest
from magenta.models.music_vae import data

import configs
from grooves import drums, metadata
from models import converters
from pipelines.dataset.formats import tfrecords
from pipelines.examples import loading, note_sequences, store
from pipelines.files import freshness
from tests import midi_files
from tests.midi_files import CLOSED_HAT, CRASH, HIGH_TOM, KICK, LOW_TOM, MID_TOM, OPEN_HAT, RIDE, SNARE
from tests.pipelines.dataset.inputs.test_tfds_input import offline, prepare, tfds_dir, unpacked  # noqa: F401  Fixtures.

OWN = ("hier-drums_4bar_small", "hier-drums_4bar", "groovae_4bar", "groovae_4bar_humanize", "groovae_4bar_tap")
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
    with path.open("wb") as file:
        for sequence in sequences:
            tfrecords.write(file, sequence.SerializeToString())
    return path


def load(name: str, *sequences, tmp_path: pathlib.Path) -> loading.Examples:
    return loading.load(configs.CONFIG_MAP[name], "train", str(write_records(tmp_path / "a.tfrecord", *sequences)))


def everything(loaded: loading.Examples) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns inputs, outputs, controls and lengths of all examples."""
    return loaded.dense(np.arange(len(loaded)))


def test_hier_drums_by_hand(tmp_path):
    loaded = load("hier-drums_4bar_small", midi_files.sequence(PLAYED), tmp_path=tmp_path)
    roll, tokens = np.zeros([STEPS, CLASSES + 1], np.uint8), np.zeros(STEPS, np.int32)
    roll[:, CLASSES] = 1  # The last column: nothing is hit.
    for step, drum, _, _ in EXPECTED:
        roll[step, drum], roll[step, CLASSES] = 1, 0
        tokens[step] += 2**drum
    inputs, outputs, controls, lengths = everything(loaded)
    np.testing.assert_array_equal(inputs, [roll])
    np.testing.assert_array_equal(outputs, np.eye(512)[[tokens]])
    np.testing.assert_array_equal(loaded.tokens([0]), [tokens])
    assert (loaded.is_one_hot, loaded.outputs.depth, controls.shape) == (True, 512, (1, STEPS, 0))
    assert [array.dtype for array in (inputs, outputs, controls, lengths)] == [np.float32] * 3 + [np.int32]
    np.testing.assert_array_equal(lengths, [STEPS])


def test_groovae_by_hand(tmp_path):
    loaded = load("groovae_4bar", midi_files.sequence(PLAYED, qpm=90), tmp_path=tmp_path)
    inputs, outputs, *_ = everything(loaded)
    np.testing.assert_allclose(outputs, [expected_groove()], atol=1e-6)
    np.testing.assert_array_equal(inputs, outputs)
    assert not loaded.is_one_hot
    np.testing.assert_array_equal(loaded.qpm, np.float32([90]))


def test_humanize_sees_only_the_hits(tmp_path):
    loaded = load("groovae_4bar_humanize", midi_files.sequence(PLAYED), tmp_path=tmp_path)
    hits_alone = expected_groove()
    hits_alone[:, CLASSES:] = 0
    inputs, outputs, *_ = everything(loaded)
    np.testing.assert_allclose(inputs, [hits_alone])
    np.testing.assert_allclose(outputs, [expected_groove()], atol=1e-6)


def test_tap_sees_only_when_something_is_hit(tmp_path):
    loaded = load("groovae_4bar_tap", midi_files.sequence(PLAYED), tmp_path=tmp_path)
    tapped = np.zeros([STEPS, 3 * CLASSES])
    for step, _, _, offset in EXPECTED:
        tapped[step, [3, 2 * CLASSES + 3]] = 1, offset  # Upstream taps on class 3.
    inputs, outputs, *_ = everything(loaded)
    np.testing.assert_allclose(inputs, [tapped], atol=1e-6)
    np.testing.assert_allclose(outputs, [expected_groove()], atol=1e-6)


def test_general_midis_pitches_land_in_their_classes(tmp_path):
    moved = {KICK: 35, LOW_TOM: 41, MID_TOM: 60}  # 35 is no pitch of the Roland kit.
    played = [(step, moved.get(pitch, pitch), velocity) for step, pitch, velocity in PLAYED]
    loaded = load("groovae_4bar", midi_files.sequence(played), tmp_path=tmp_path)
    np.testing.assert_allclose(everything(loaded)[1], [expected_groove()], atol=1e-6)


def test_the_drum_map_that_a_record_names_is_the_one_it_is_read_by(tmp_path):
    played = [(step, 48 if pitch == HIGH_TOM else pitch, velocity) for step, pitch, velocity in PLAYED]
    own = drums.DrumMap.of("mine.txt", dict(enumerate(drums.GM.classes)) | {48: 8})
    classes = {}
    for drum_map in (drums.ROLAND, drums.GM, own, None):  # Pitch 48 is Roland's high tom, General MIDI's mid tom.
        sequence = midi_files.sequence(played)
        if drum_map:
            metadata.write(sequence, {}, drum_map)
        loaded = load("groovae_4bar", sequence, tmp_path=tmp_path)
        classes[drum_map] = np.flatnonzero(everything(loaded)[1][0, 19, :CLASSES]).tolist()
    assert classes == {drums.ROLAND: [6], drums.GM: [5], own: [8], None: [6]}


def upstream_converter(name: str) -> data.BaseNoteSequenceConverter:
    """Returns Magenta's own converter with the options of ours."""
    classes = data.ROLAND_DRUM_PITCH_CLASSES
    if name.startswith("hier"):
        options = {"max_bars": None, "max_tensors_per_notesequence": None}
        return data.DrumsConverter(slice_bars=4, roll_input=True, pitch_classes=classes, **options)
    options = {"humanize": {"humanize": True}, "tap": {"tapify": True, "fixed_velocities": True}}.get(name[13:], {})
    return data.GrooveConverter(split_bars=4, pitch_classes=classes, **options)


@pytest.mark.parametrize("name", OWN)
def test_what_is_kept_is_what_magentas_converters_make(tmp_path, name):
    """Bit for bit; Magenta's drums come in the order of a set, ours in that of time."""
    performances = [midi_files.sequence(midi_files.at_random(seed), qpm=60 + 31 * seed) for seed in range(4)]
    loaded = load(name, *performances, tmp_path=tmp_path)
    found = collections.Counter(zip(loaded.performance.tolist(), *map(_bytes, everything(loaded)[:2]), strict=True))
    expected = collections.Counter()
    for number, performance in enumerate(performances):
        tensors = upstream_converter(name).to_tensors(performance)
        arrays = (np.array(tensors.inputs, np.float32), np.array(tensors.outputs, np.float32))
        expected.update(zip([number] * len(tensors.inputs), *map(_bytes, arrays), strict=True))
    assert found == expected
    assert len(expected) > 4


def _bytes(arrays: np.ndarray) -> list[bytes]:
    return [array.tobytes() for array in arrays]


@pytest.mark.parametrize(
    "options",
    [
        {"hits_as_controls": True},
        {"split_instruments": True},
        {"hits_as_controls": True, "split_instruments": True, "humanize": True},
        {"add_instruments": [0, 3]},
        {"num_velocity_bins": 4, "num_offset_bins": 5},
        {"split_bars": None},
        {"hop_size": 8},
        {"tapify": True, "humanize": True},
        {"steps_per_quarter": 2},
    ],
)
def test_grooves_of_all_other_options_are_magentas_too(tmp_path, options):
    """Controls, one-hot bins, whole performances of different lengths, other grids."""
    options = {"split_bars": 2, "pitch_classes": data.ROLAND_DRUM_PITCH_CLASSES} | options
    performances = [midi_files.sequence(midi_files.at_random(bars, bars=bars)) for bars in (6, 9)]
    config = configs.CONFIG_MAP["groovae_4bar"]._replace(data_converter=converters.GrooveConverter(**options))
    path = write_records(tmp_path / "a.tfrecord", *performances)
    loaded = loading.load(config, "train", str(path))
    row = 0
    for performance in performances:
        for tensors in zip(*data.GrooveConverter(**options).to_tensors(performance), strict=True):
            dense = loaded.dense(np.array([row]))
            steps = len(tensors[0])
            for ours, theirs in zip(dense[:3], tensors[:3], strict=True):
                np.testing.assert_array_equal(ours[0, :steps], theirs.astype(np.float32))
                assert not ours[0, steps:].any()
            assert dense[3] == [tensors[3]]
            row += 1
    assert row == len(loaded)


@pytest.mark.parametrize("name", ["cat-drums_2bar_small", "nade-drums_2bar_reduced", "groovae_2bar_humanize"])
def test_stock_configs_keep_every_window_too(tmp_path, name):
    """Magenta keeps five or eight of a performance."""
    performance = midi_files.sequence(midi_files.groove(40))
    loaded = load(name, performance, tmp_path=tmp_path)
    converter = configs.CONFIG_MAP[name].data_converter
    converter.max_tensors_per_notesequence = None
    converter.set_mode("eval")
    tensors = converter.to_tensors(performance)
    assert len(loaded) == len(tensors.inputs) >= 20
    for kept, made in zip(everything(loaded)[:2], tensors[:2], strict=True):
        assert sorted(_bytes(kept)) == sorted(_bytes(np.array(made, np.float32)))


def test_take_leaves_the_rest_out(tmp_path):
    loaded = load(
        "hier-drums_4bar_small",
        midi_files.sequence(midi_files.groove(7), qpm=90),
        midi_files.sequence(midi_files.groove(5), qpm=150),
        tmp_path=tmp_path,
    )
    taken = loaded.take(np.array([5, 1, 3])).take(slice(0, 2))
    assert (len(taken), taken.performance.tolist(), taken.qpm.tolist()) == (2, [1, 0], [150, 90])
    for ours, theirs in zip(taken.dense(np.array([1, 0])), loaded.dense(np.array([1, 5])), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(taken.tokens([0]), loaded.tokens([5]))


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
    loaded = loading.load(config, "train", str(path))
    assert sorted(loaded.lengths) == [16, 32]
    short = loaded.lengths.tolist().index(16)
    tokens = loaded.tokens([short])[0]
    assert np.all(tokens[16:] == -1) and np.all(tokens[:16] >= 0)
    inputs, outputs, *_ = loaded.dense([short])
    assert not inputs[0, 16:].any() and not outputs[0, 16:].any()
    np.testing.assert_array_equal(inputs[0, :16].sum(axis=-1), np.ones(16))


def test_every_window_is_there_and_the_same_one_of_a_performance_once(tmp_path):
    six_bars, same_bars = midi_files.groove(6), midi_files.groove(6, alike=True)
    assert len(load("hier-drums_4bar_small", midi_files.sequence(six_bars), tmp_path=tmp_path)) == 3
    assert len(load("hier-drums_4bar_small", midi_files.sequence(same_bars), tmp_path=tmp_path)) == 1
    assert len(load("groovae_4bar", midi_files.sequence(midi_files.groove(9)), tmp_path=tmp_path)) == 2


def test_no_cap_on_the_windows_of_a_performance(tmp_path):
    """Upstream's defaults would keep 5, and stop at bar 100."""
    loaded = load("hier-drums_4bar_small", midi_files.sequence(midi_files.groove(130)), tmp_path=tmp_path)
    assert len(loaded) == 127


@pytest.mark.parametrize(
    ("name", "stride_bars", "count"),
    [
        ("hier-drums_4bar_small", None, 10), ("hier-drums_4bar_small", 1, 10), ("hier-drums_4bar_small", 3, 4),
        ("groovae_4bar", None, 3), ("groovae_4bar", 4, 3), ("groovae_4bar", 1, 10), ("groovae_4bar_tap", 2, 5),
        ("groovae_2bar_humanize", 1, 12), ("cat-drums_2bar_small", 1, 12),
    ],
)  # fmt: skip
def test_windows_begin_a_stride_after_each_other(tmp_path, name, stride_bars, count):
    path = write_records(tmp_path / "a.tfrecord", midi_files.sequence(midi_files.groove(13)))
    config = configs.with_stride(configs.CONFIG_MAP[name], stride_bars)
    assert len(loading.load(config, "train", str(path))) == count


@pytest.mark.parametrize("name", ["hier-drums_4bar_small", "groovae_4bar"])
def test_a_stride_of_three_is_every_third_window_in_order_of_time(tmp_path, name):
    path = str(write_records(tmp_path / "a.tfrecord", midi_files.sequence(midi_files.groove(13))))
    every, third = (
        everything(loading.load(configs.with_stride(configs.CONFIG_MAP[name], stride), "train", path))[1]
        for stride in (1, 3)
    )
    np.testing.assert_array_equal(third, every[::3])
    np.testing.assert_array_equal(every[1:, :48], every[:-1, 16:])


def test_a_config_without_windows_takes_no_stride():
    with pytest.raises(
        ValueError, match=r"^--stride_bars=2: OneHotMelodyConverter of this config does not take it; the"
    ):
        configs.with_stride(configs.CONFIG_MAP["cat-mel_2bar_small"], 2)


def test_tempo_stays_with_its_examples(tmp_path):
    first = midi_files.sequence(midi_files.groove(5), qpm=90)
    second = midi_files.sequence(midi_files.groove(4), qpm=150)
    loaded = load("hier-drums_4bar_small", first, second, tmp_path=tmp_path)
    np.testing.assert_array_equal(loaded.qpm, np.float32([90, 90, 150]))
    np.testing.assert_array_equal(loaded.performance, [0, 0, 1])


@pytest.fixture
def six_bars(tmp_path) -> str:
    return str(write_records(tmp_path / "in" / "a.tfrecord", midi_files.sequence(midi_files.groove(6))))


@pytest.fixture
def forbid_converting(monkeypatch):
    """Returns a function after which conversion is an error."""

    def convert_again(*_):
        raise AssertionError("converted again")

    return lambda: monkeypatch.setattr(loading, "_convert", convert_again)


def kept(six_bars: str) -> list[pathlib.Path]:
    return sorted((pathlib.Path(six_bars).parent / loading.KEPT_DIR_NAME).glob("*"))


def fingerprint(path: str, converter: data.BaseNoteSequenceConverter) -> str:
    config = configs.CONFIG_MAP["groovae_4bar"]
    return loading._fingerprint(note_sequences.find(config, "train", path), converter)


@pytest.mark.parametrize("name", ["hier-drums_4bar_small", "groovae_4bar_tap", "cat-drums_2bar_small"])
def test_what_was_converted_once_is_kept(six_bars, name, forbid_converting):
    first = loading.load(configs.CONFIG_MAP[name], "train", six_bars)
    forbid_converting()
    second = loading.load(configs.CONFIG_MAP[name], "train", six_bars)
    assert len(kept(six_bars)) == 1
    for before, after in zip(everything(first), everything(second), strict=True):
        np.testing.assert_array_equal(before, after)
        assert before.dtype == after.dtype


def test_other_records_are_converted_anew(six_bars):
    config = configs.CONFIG_MAP["hier-drums_4bar_small"]
    assert len(loading.load(config, "train", six_bars)) == 3
    write_records(pathlib.Path(six_bars), midi_files.sequence(midi_files.groove(8)))
    assert len(loading.load(config, "train", six_bars)) == 5


def test_one_note_that_changed_is_another_set(six_bars):
    config = configs.CONFIG_MAP["groovae_4bar"]
    before = everything(loading.load(config, "train", six_bars))[1]
    (record,) = tfrecords.read(six_bars)
    sequence = note_sequences.parse(note_sequences.Record("a", record))
    sequence.notes[0].velocity += 1
    write_records(pathlib.Path(six_bars), sequence)
    after = everything(loading.load(config, "train", six_bars))[1]
    np.testing.assert_allclose(np.abs(after - before).sum(), 1 / 127, rtol=1e-4)


def test_records_that_change_while_they_are_read_are_not_kept(six_bars, monkeypatch):
    def convert_slowly(*arguments):
        yield from convert(*arguments)
        write_records(pathlib.Path(six_bars), midi_files.sequence(midi_files.groove(8)))

    convert = loading._convert
    monkeypatch.setattr(loading, "_convert", convert_slowly)
    with pytest.raises(ValueError, match=f"^{six_bars}: has changed while it was read; run the command again$"):
        loading.load(configs.CONFIG_MAP["groovae_4bar"], "train", six_bars)
    assert kept(six_bars) == []


def test_each_converter_keeps_its_own(six_bars):
    own = ["hier-drums_4bar_small", "groovae_4bar", "groovae_4bar_humanize", "groovae_4bar_tap"]
    stock = ["cat-drums_2bar_small", "cat-mel_2bar_small", "hierdec-mel_16bar", "hierdec-trio_16bar"]
    first, again = (
        {fingerprint(six_bars, configs.CONFIG_MAP[name].data_converter) for name in own + stock} for _ in range(2)
    )
    assert len(first) == len(own + stock)
    assert first == again


def test_other_code_keeps_another(six_bars, monkeypatch, forbid_converting):
    config = configs.CONFIG_MAP["groovae_4bar"]
    loading.load(config, "train", six_bars)
    monkeypatch.setattr(freshness, "_of_code", lambda places: "changed")
    forbid_converting()
    with pytest.raises(AssertionError, match="converted again"):
        loading.load(config, "train", six_bars)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("cat-drums_2bar_small", lambda converter: converter._drums_extractor_fn.keywords.update(gap_bars=2)),
        ("hier-drums_4bar_small", lambda converter: setattr(converter, "stride_bars", 2)),
        ("hier-drums_4bar_small", lambda converter: converter._pitch_classes[0].append(35)),
        ("groovae_4bar", lambda converter: setattr(converter, "_hop_size", 16)),
        ("cat-mel_2bar_small", lambda converter: converter._event_extractor_fn.keywords.update(gap_bars=2)),
        ("hierdec-trio_16bar", lambda converter: setattr(converter._melody_converter, "_min_pitch", 3)),
    ],
)
def test_a_changed_converter_keeps_another(six_bars, name, change):
    converter = configs.CONFIG_MAP[name].data_converter
    before = fingerprint(six_bars, converter)
    change(converter)
    assert fingerprint(six_bars, converter) != before


def test_a_damaged_store_is_converted_again(six_bars, forbid_converting):
    config = configs.CONFIG_MAP["groovae_4bar"]
    before = everything(loading.load(config, "train", six_bars))
    (folder,) = kept(six_bars)
    path = folder / "inputs.npy"
    path.write_bytes(path.read_bytes()[:-50])
    for _ in range(2):
        after = everything(loading.load(config, "train", six_bars))
        np.testing.assert_array_equal(after[1], before[1])
        forbid_converting()
    assert kept(six_bars) == [folder]


def test_cache_dir_moves_what_is_kept(six_bars, tmp_path):
    config = configs.CONFIG_MAP["groovae_4bar"]
    loading.load(config, "train", six_bars, tmp_path / "elsewhere")
    assert not kept(six_bars)
    (folder,) = (tmp_path / "elsewhere" / loading.KEPT_DIR_NAME).iterdir()
    assert folder.name.startswith("a-")


def test_a_folder_that_cannot_be_written_to_costs_a_line_only(six_bars, capsys):
    place = pathlib.Path(six_bars).parent / loading.KEPT_DIR_NAME
    place.write_text("a file where the folder should be")
    loaded = loading.load(configs.CONFIG_MAP["groovae_4bar"], "train", six_bars)
    assert everything(loaded)[1].shape == (1, STEPS, 27)
    expected = f"examples are not kept for the next run: {place}: Not a directory; --cache_dir=DIR moves them\n"
    assert capsys.readouterr().out == expected


def test_a_disk_that_fills_up_costs_a_line_only(six_bars, tmp_path, capsys, monkeypatch):
    whole = store._write

    def write_where_there_is_space(folder, *rest):
        whole(folder, *rest)
        if tmp_path in folder.parents:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store, "_write", write_where_there_is_space)
    loaded = loading.load(configs.CONFIG_MAP["groovae_4bar"], "train", six_bars)
    assert everything(loaded)[1].shape == (1, STEPS, 27)
    assert not kept(six_bars)
    assert "No space left on device; --cache_dir=DIR moves them" in capsys.readouterr().out
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(OSError, match="No space left on device"):
        loading.load(configs.CONFIG_MAP["groovae_4bar"], "train", six_bars)


def test_many_processes_write_the_same_files_as_one(tmp_path, monkeypatch):
    performances = [midi_files.sequence(midi_files.at_random(seed, bars=6)) for seed in range(10)]
    path = str(write_records(tmp_path / "a.tfrecord", *performances))
    config = configs.CONFIG_MAP["groovae_4bar_tap"]
    loading.load(config, "train", path, tmp_path / "one")
    monkeypatch.setattr(loading, "WORTH_A_POOL_BYTES", 0)
    monkeypatch.setattr(loading, "RECORDS_A_JOB", 3)
    monkeypatch.setattr(loading, "encode_job", encode_elsewhere)
    loading.load(config, "train", path, tmp_path / "many")
    (one,), (many,) = ((tmp_path / name / loading.KEPT_DIR_NAME).iterdir() for name in ("one", "many"))
    for file in one.iterdir():
        assert file.read_bytes() == (many / file.name).read_bytes(), file.name


ENCODE = loading.encode_job


def encode_elsewhere(job: loading.Job) -> store.Part | str:
    return ENCODE(job) if multiprocessing.parent_process() else "not in a process of its own"


def test_what_many_processes_cannot_read_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.tfrecord"
    with path.open("wb") as file:
        tfrecords.write(file, midi_files.sequence(midi_files.groove(4)).SerializeToString())
        tfrecords.write(file, b"\xff\xff\xff\xff")
    monkeypatch.setattr(loading, "WORTH_A_POOL_BYTES", 0)
    with pytest.raises(ValueError, match=f"^{path}: record 1 is no NoteSequence; python -m pipelines.convert writes"):
        loading.load(configs.CONFIG_MAP["groovae_4bar"], "train", str(path))
    assert not any((tmp_path / loading.KEPT_DIR_NAME).iterdir())


def test_tfds_examples_are_kept_too(tfds_dir, unpacked, forbid_converting, tmp_path):  # noqa: F811
    prepare("groove/4bar-midionly", tfds_dir, unpacked)
    config = configs.CONFIG_MAP["groovae_4bar"]
    first, elsewhere, other_split = (
        loading.load(config, "validation", None),
        loading.load(config, "validation", None, tmp_path / "cache", str(tfds_dir)),
        loading.load(config, "train", None),
    )
    names = [path.name.rpartition("-")[0] for path in tfds_dir.glob(f"**/{loading.KEPT_DIR_NAME}/*")]
    assert sorted(names) == ["groove-4bar-midionly-train", "groove-4bar-midionly-validation"]
    forbid_converting()
    for again in (loading.load(config, "validation", None), elsewhere):
        np.testing.assert_array_equal(everything(again)[1], everything(first)[1])
    assert len(first) > 0 and everything(first)[1].tobytes() != everything(other_split)[1].tobytes()
    with pytest.raises(ValueError, match=r"^groove/4bar-midionly: has no split tune; it has test, train, validation$"):
        note_sequences.find(config, "tune", None)


@pytest.mark.parametrize(
    "sequences",
    [[], [midi_files.sequence(midi_files.groove(3))], [midi_files.sequence(midi_files.groove(9), metre=(3, 4))]],
)
def test_no_example_at_all_is_an_error(tmp_path, sequences):
    path = write_records(tmp_path / "a.tfrecord", *sequences)
    with pytest.raises(ValueError, match=f"^no examples: {path} has {len(sequences)} NoteSequences, and none is long"):
        loading.load(configs.CONFIG_MAP["hier-drums_4bar_small"], "train", str(path))
    assert not any((tmp_path / loading.KEPT_DIR_NAME).iterdir())


def test_starter_set_gives_what_its_report_promises(starter_records, tmp_path):
    report = json.loads((starter_records / "report.json").read_text())
    for split in ("train", "validation", "test"):
        path = shutil.copy(starter_records / f"{split}.tfrecord", tmp_path)
        loaded = loading.load(configs.CONFIG_MAP["hier-drums_4bar_small"], split, path)
        assert len(loaded) == report["windows"][split] > 0


@pytest.mark.slow
def test_groove_is_there_whole_small_and_at_once(groove_zip, tmp_path):
    from pipelines.dataset import conversion

    conversion.convert(str(groove_zip), tmp_path)
    for name, split, count, max_bytes in (
        ("hier-drums_4bar_small", "train", 15_629, 800),  # Dense float32 takes 133,632.
        ("hier-drums_4bar_small", "validation", 1_910, 800),
        ("groovae_4bar", "train", 4_078, 13_900),  # Dense float32 takes 13,824.
        ("groovae_4bar", "validation", 504, 13_900),
    ):
        config, path = configs.CONFIG_MAP[name], str(tmp_path / f"{split}.tfrecord")
        loading.load(config, split, path, tmp_path / name)
        started = time.perf_counter()
        loaded = loading.load(config, split, path, tmp_path / name)
        assert time.perf_counter() - started < 0.5
        assert len(loaded) == count
        (folder,) = (tmp_path / name / loading.KEPT_DIR_NAME).glob(f"{split}-*")
        assert sum(file.stat().st_size for file in folder.iterdir()) < max_bytes * count
