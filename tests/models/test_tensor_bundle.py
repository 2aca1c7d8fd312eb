"""Checkpoints are read as TensorFlow reads them, and what is damaged is called that."""

import dataclasses
import pathlib

import numpy as np
import pytest

from models import tensor_bundle
from models.magenta import tf

VALUES = {
    "scalar": np.int64(12345678901),
    "half": np.arange(6, dtype=np.float16).reshape(2, 3),
    "double": np.linspace(-1, 1, 5),
    "empty": np.zeros([0, 4], np.float32),
}


@pytest.fixture
def prefix(tmp_path: pathlib.Path) -> str:
    """A checkpoint of VALUES, of 300 variables whose names share beginnings, and of a string."""
    random = np.random.default_rng(0)
    with tf.Graph().as_default(), tf.Session() as session:
        for name, value in VALUES.items():
            tf.Variable(value, name=name)
        for number in range(300):
            tf.Variable(random.normal(size=[number % 7 + 1, 40]).astype(np.float32), name=f"layer/kernel_{number}")
        tf.Variable("words", name="a")  # The first bytes of the data, which nothing reads.
        session.run(tf.global_variables_initializer())
        return tf.train.Saver().save(session, str(tmp_path / "model.ckpt"), global_step=3)


def test_it_reads_what_tensorflow_reads(prefix):
    reader = tf.train.load_checkpoint(prefix)
    read = tensor_bundle.read(prefix)
    assert sorted([*read, "a"]) == sorted(reader.get_variable_to_shape_map())
    for name, value in read.items():
        expected = reader.get_tensor(name)
        assert value.dtype == expected.dtype, name
        np.testing.assert_array_equal(value, expected)


def test_data_may_lie_in_several_files(prefix, tmp_path):
    """As of a training on several machines, whose parts TensorFlow merges without copying them."""
    parts = []
    for number, name in enumerate(["a", "b"]):
        with tf.Graph().as_default(), tf.Session() as session:
            part = str(tmp_path / f"part{number}")
            value = tf.constant(np.float32([number, 7]))
            session.run(tf.raw_ops.SaveV2(prefix=part, tensor_names=[name], shape_and_slices=[""], tensors=[value]))
            parts.append(part)
    with tf.Graph().as_default(), tf.Session() as session:
        session.run(tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=str(tmp_path / "all")))
    assert (tmp_path / "all.data-00001-of-00002").exists()
    assert {name: list(value) for name, value in tensor_bundle.read(tmp_path / "all").items()} == {
        "a": [0, 7],
        "b": [1, 7],
    }


@pytest.mark.parametrize("ending", ["index", "data-00000-of-00001"])
def test_damage_is_named(prefix, ending):
    """Every byte is covered by a checksum or by the format."""
    path = pathlib.Path(f"{prefix}.{ending}")
    whole = path.read_bytes()
    for length in (0, 7, 48, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="the checkpoint cannot be read"):
            tensor_bundle.read(prefix)
    for position in np.random.default_rng(1).integers(64, len(whole) - 48, 60):  # The footer has bytes of no meaning.
        changed = bytearray(whole)
        changed[position] ^= 0xFF
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="the checkpoint cannot be read"):
            tensor_bundle.read(prefix)


@pytest.mark.parametrize("place", [{"shard": 1}, {"offset": 1 << 80}, {"num_bytes": 1 << 60}, {"offset": 3}])
def test_a_variable_outside_of_the_files_is_not_read(tmp_path, place):
    """Nor is memory taken for it, or an error of the file system told."""
    (tmp_path / "data").write_bytes(b"1234")
    entry = tensor_bundle._Entry(np.dtype(np.uint8), (4,), shard=0, offset=0, num_bytes=4, crc=0)
    with (tmp_path / "data").open("rb") as file:
        assert tensor_bundle._content([file], entry) == b"1234"
        assert tensor_bundle._content([file], dataclasses.replace(entry, **place)) == b""


def test_a_missing_file_is_an_os_error(prefix):
    pathlib.Path(f"{prefix}.data-00000-of-00001").unlink()
    with pytest.raises(FileNotFoundError):
        tensor_bundle.read(prefix)
