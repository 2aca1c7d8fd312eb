"""Examples on disk: bit for bit what was put in, small, and never half a store, whatever happens to it."""

from __future__ import annotations

import errno
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from pipelines.examples import store as stores
from pipelines.examples.store import Field, Part
from tests import disks

BINARY = Field("inputs", 10, is_binary=True)
TOKENS = Field("outputs", 512, is_binary=True)
GROOVE = Field("outputs", 27, is_binary=False)
FINGERPRINT = "f" * 64


def part_of(fields: dict[Field, list[np.ndarray]]) -> Part:
    lengths = [len(sequence) for sequence in next(iter(fields.values()))]
    return Part(
        {"num_steps": np.array(lengths, np.int32), "lengths": np.array(lengths, np.int32)},
        {field.name: stores.pack(field, sequences) for field, sequences in fields.items()},
    )


def build(path: pathlib.Path, *parts: dict[Field, list[np.ndarray]]) -> dict[str, np.ndarray]:
    return stores.build(path, FINGERPRINT, list(parts[0]), map(part_of, parts))


def field_of(arrays: dict[str, np.ndarray], field: Field) -> stores.Sequences:
    return stores.Sequences(arrays[field.name], field.depth)


def random_groove(steps: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.uniform(-1, 1, [steps, 27]) * (random.random([steps, 27]) < 0.1)).astype(np.float32)


def random_tokens(steps: int, seed: int) -> np.ndarray:
    return np.eye(512, dtype=bool)[np.random.default_rng(seed).integers(0, 512, steps)]


def files(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_grooves_survive_bit_for_bit(tmp_path):
    grooves = [random_groove(64, seed) for seed in range(5)]
    grooves[1][3, 7] = -0.0
    grooves[2][:] = 0
    grooves[3][0, :3] = np.float32([1e-45, np.nan, np.inf])
    build(tmp_path / "a", {GROOVE: grooves[:2]}, {GROOVE: grooves[2:]})
    outputs = field_of(stores.read(tmp_path / "a", FINGERPRINT), GROOVE)
    dense = outputs.dense(np.array([4, 2, 0, 1, 3, 3]))
    assert dense.dtype == np.float32
    assert dense.tobytes() == b"".join(grooves[row].tobytes() for row in (4, 2, 0, 1, 3, 3))
    assert not outputs.is_one_hot


def test_tokens_survive_and_take_two_bytes_a_step(tmp_path):
    sequences = [random_tokens(64, seed) for seed in range(50)]
    build(tmp_path / "a", {TOKENS: sequences[:20]}, {TOKENS: sequences[20:]})
    outputs = field_of(stores.read(tmp_path / "a", FINGERPRINT), TOKENS)
    rows = np.array([49, 0, 20])
    np.testing.assert_array_equal(outputs.dense(rows), [sequences[row] for row in rows])
    np.testing.assert_array_equal(outputs.tokens(rows), [sequences[row].argmax(axis=-1) for row in rows])
    assert (outputs.is_one_hot, outputs.array.dtype, outputs.array.nbytes) == (True, np.uint16, 50 * 64 * 2)
    assert outputs.tokens(rows).dtype == np.int32


def test_shorter_sequences_are_padded_behind(tmp_path):
    sequences = [random_tokens(steps, steps) for steps in (16, 3, 9)]
    grooves = [random_groove(steps, steps) for steps in (16, 3, 9)]
    fields = (Field("inputs", 27, False), TOKENS)
    arrays = build(tmp_path / "a", dict(zip(fields, (grooves, sequences), strict=True)))
    inputs, outputs = (field_of(arrays, field).dense(np.array([1, 0, 2])) for field in fields)
    tokens = field_of(arrays, TOKENS).tokens(np.array([1, 0, 2]))
    assert (inputs.shape, outputs.shape) == ((3, 16, 27), (3, 16, 512))
    for row, number in enumerate([1, 0, 2]):
        steps = len(sequences[number])
        np.testing.assert_array_equal(inputs[row, :steps], grooves[number])
        np.testing.assert_array_equal(outputs[row, :steps], sequences[number])
        assert not inputs[row, steps:].any() and not outputs[row, steps:].any()
        assert np.all(tokens[row, steps:] == -1) and np.all(tokens[row, :steps] >= 0)


def test_steps_without_a_one_or_with_two_are_no_tokens(tmp_path):
    for name, step in (("silent", np.zeros(10, bool)), ("two", np.arange(10) < 2)):
        sequence = np.eye(10, dtype=bool)
        sequence[4] = step
        field = field_of(build(tmp_path / name, {BINARY: [np.eye(10, dtype=bool), sequence]}), BINARY)
        assert not field.is_one_hot
        np.testing.assert_array_equal(field.dense(np.array([1])), [sequence])
        assert (field.array.dtype, field.array.shape) == (bool, (2, 10, 10))


def test_one_step_that_is_no_token_in_another_part_leaves_no_tokens(tmp_path):
    one_hot, silent = np.eye(10, dtype=bool), np.zeros([10, 10], bool)
    for name, parts in (("before", (silent, one_hot)), ("behind", (one_hot, silent))):
        field = field_of(build(tmp_path / name, *({BINARY: [sequence]} for sequence in parts)), BINARY)
        assert (field.is_one_hot, field.array.dtype) == (False, bool)
        np.testing.assert_array_equal(field.array, parts)


def test_the_files_do_not_depend_on_how_the_work_was_divided(tmp_path):
    sequences = [random_tokens(16, seed) for seed in range(12)]
    build(tmp_path / "a", {TOKENS: sequences})
    build(tmp_path / "b", *({TOKENS: sequences[first : first + 5]} for first in (0, 5, 10)))
    assert files(tmp_path / "a") == files(tmp_path / "b")
    for name in files(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_no_rows_are_an_empty_batch(tmp_path):
    arrays = build(tmp_path / "a", {BINARY: [np.eye(10, dtype=bool)], GROOVE: [random_groove(10, 1)]})
    assert field_of(arrays, BINARY).dense(np.zeros([0], int)).shape == (0, 10, 10)
    assert field_of(arrays, GROOVE).dense(np.zeros([0], int)).shape == (0, 10, 27)


def test_without_examples_there_is_no_store(tmp_path):
    with pytest.raises(ValueError, match=r"^no examples$"):
        stores.build(tmp_path / "a", FINGERPRINT, [BINARY], [Part({"num_steps": np.zeros(0, np.int32)}, {})])
    assert files(tmp_path) == []


def test_an_error_while_building_leaves_nothing(tmp_path):
    def parts():
        yield part_of({GROOVE: [random_groove(64, 1)]})
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        stores.build(tmp_path / "a", FINGERPRINT, [GROOVE], parts())
    assert files(tmp_path) == []


@pytest.mark.parametrize("kib", [16, 300])
def test_a_disk_that_is_full_is_an_error_and_leaves_nothing(tmp_path, kib):
    """16 KiB are too few for the steps themselves; 300 are not, and too few for the array, which is padded."""
    grooves = [random_groove(1, seed) for seed in range(400)] + [random_groove(256, 1)]
    with disks.small(tmp_path / "disk", kib) as folder:
        with pytest.raises(OSError, match="No space left") as caught:
            build(folder / "a", {GROOVE: grooves})
        assert (caught.value.errno, files(folder)) == (errno.ENOSPC, [])


def test_another_fingerprint_is_another_store(tmp_path):
    build(tmp_path / "a", {GROOVE: [random_groove(64, 1)]})
    assert stores.read(tmp_path / "a", FINGERPRINT) is not None
    assert stores.read(tmp_path / "a", "0" * 64) is None
    assert stores.read(tmp_path / "b", FINGERPRINT) is None


class Trap:
    """Whoever unpickles it writes a file."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def damage(folder: pathlib.Path, kind: str) -> None:
    values, manifest = folder / "outputs.npy", folder / stores.MANIFEST_NAME
    content = values.read_bytes()
    match kind:
        case "cut off":
            values.write_bytes(content[:-1])
        case "empty":
            values.write_bytes(b"")
        case "missing":
            values.unlink()
        case "longer":
            np.save(values, np.append(np.load(values), np.zeros([1, 64, 27], np.float32), axis=0))
        case "flipped":
            values.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
        case "other type":
            np.save(values, np.load(values).astype(np.float64))
        case "objects":
            np.save(values, np.array([Trap(folder.parent / "sprung")] * len(np.load(values)), object))
        case "pickle":
            values.write_bytes(pickle.dumps(Trap(folder.parent / "sprung")))
        case "zip":
            with values.open("wb") as file:
                np.savez(file, np.load(folder / "lengths.npy"))
        case "no manifest":
            manifest.unlink()
        case "cut manifest":
            manifest.write_text(manifest.read_text()[:-20])
        case "other manifest":
            manifest.write_text(manifest.read_text().replace("<f4", "<f8"))
        case "list":
            manifest.write_text("[]")
        case "file":
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
            folder.write_text("a file in the store's place")


DAMAGES = (
    *("cut off", "empty", "missing", "longer", "flipped", "other type", "objects", "pickle", "zip"),
    *("no manifest", "cut manifest", "other manifest", "list", "file"),
)


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_store_is_none_and_is_replaced(tmp_path, kind):
    grooves = [random_groove(64, seed) for seed in range(3)]
    build(tmp_path / "a", {GROOVE: grooves})
    damage(tmp_path / "a", kind)
    assert stores.read(tmp_path / "a", FINGERPRINT) is None
    build(tmp_path / "a", {GROOVE: grooves})
    np.testing.assert_array_equal(stores.read(tmp_path / "a", FINGERPRINT)["outputs"], grooves)
    assert files(tmp_path) == ["a"]  # Neither leftovers nor what the pickle would have written.


@pytest.mark.parametrize("kind", ["cut off", "empty", "missing", "longer", "other type"])
def test_a_large_store_is_mapped_and_not_read(tmp_path, monkeypatch, kind):
    grooves = [random_groove(64, seed) for seed in range(3)]
    build(tmp_path / "a", {GROOVE: grooves})
    for max_bytes, is_mapped in ((10**6, False), (0, True)):
        monkeypatch.setattr(stores, "MAX_CHECKED_BYTES", max_bytes)
        outputs = field_of(stores.read(tmp_path / "a", FINGERPRINT), GROOVE)
        assert (outputs.array.base is not None) == is_mapped
        np.testing.assert_array_equal(outputs.dense(np.arange(3)), grooves)
    damage(tmp_path / "a", kind)
    assert stores.read(tmp_path / "a", FINGERPRINT) is None


def test_an_open_store_outlives_its_files(tmp_path):
    grooves = [random_groove(64, 1)]
    arrays = build(tmp_path / "a", {GROOVE: grooves})
    for name in files(tmp_path / "a"):
        (tmp_path / "a" / name).unlink()
    np.testing.assert_array_equal(arrays["outputs"], grooves)


# Builds "store" in its folder again and again, waiting for the other process each time before the last step.
RACER = """
import pathlib, sys, time
import numpy as np
import test_store as tests
from pipelines.examples import store as stores

folder, name, rounds = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for number in range(rounds):
    def parts():
        yield tests.part_of({tests.GROOVE: [tests.random_groove(64, number)]})
        (folder / f"{name}{number}").touch()
        while len(list(folder.glob(f"?{number}"))) < 2:
            time.sleep(0.0005)
    path = folder / "stores" / str(number)
    built = stores.build(path, tests.FINGERPRINT, [tests.GROOVE], parts())
    for found in (built, stores.read(path, tests.FINGERPRINT)):
        np.testing.assert_array_equal(found["outputs"][0], tests.random_groove(64, number))
"""


def start(script: str, *arguments) -> subprocess.Popen:
    here = pathlib.Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (here, here.parents[2])))}
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_that_build_at_once_do_not_hurt_each_other(tmp_path):
    rounds = 40
    (tmp_path / "stores").mkdir()
    for number in range(0, rounds, 4):  # Some are there, and damaged.
        build(tmp_path / "stores" / str(number), {GROOVE: [random_groove(64, number)]})
        damage(tmp_path / "stores" / str(number), "flipped")
    for process in [start(RACER, tmp_path, name, rounds) for name in "ab"]:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert files(tmp_path / "stores") == sorted(map(str, range(rounds)))


VICTIM = """
import pathlib, sys, time
import test_store as tests
from pipelines.examples import store as stores

def parts():
    yield tests.part_of({tests.GROOVE: [tests.random_groove(64, 1)] * 1000})
    print("half done", flush=True)
    time.sleep(60)

stores.build(pathlib.Path(sys.argv[1]), tests.FINGERPRINT, [tests.GROOVE], parts())
"""


def test_a_killed_build_is_not_taken_for_a_store_and_swept_a_day_later(tmp_path):
    process = start(VICTIM, tmp_path / "a")
    assert process.stdout.readline() == "half done\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    (left,) = files(tmp_path)
    assert left.startswith(".a.") and left.endswith(stores.PARTIAL_SUFFIX)
    assert stores.read(tmp_path / "a", FINGERPRINT) is None
    build(tmp_path / "a", {GROOVE: [random_groove(64, 1)]})
    assert files(tmp_path) == [left, "a"]  # It could still be at work.

    yesterday = time.time() - stores.SWEPT_AFTER_SECS - 10
    for path in (*(tmp_path / left).iterdir(), tmp_path / left):
        os.utime(path, (yesterday, yesterday))
    build(tmp_path / "b", {GROOVE: [random_groove(64, 1)]})
    assert files(tmp_path) == ["a", "b"]
