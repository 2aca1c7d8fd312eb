"""Slim checkpoints: rounded a little, small, the same bytes each time."""

import tarfile

import numpy as np
import pytest

from models import checkpoints, slim
from models.magenta import tf


@pytest.fixture
def values():
    rng = np.random.default_rng(0)
    return {
        "a/kernel": (rng.standard_normal([200, 300]) * 0.05).astype(np.float32),
        "a/bias": np.zeros([300], np.float32),
        "global_step": np.int64(123456789),
    }


def test_rounding_errs_by_less_than_a_hundredth_of_the_deviation(values):
    kernel = values["a/kernel"]
    errors = np.abs(slim.rounded(kernel) - kernel) / kernel.std()
    assert 0.001 < errors.max() <= 1 / 128
    assert slim.rounded(kernel).dtype == np.float32


def test_what_is_rounded_already_or_no_fraction_stays(values):
    once = slim.rounded(values["a/kernel"])
    assert np.mean(slim.rounded(once) == once) > 0.999
    assert slim.rounded(values["a/bias"]) is values["a/bias"]
    assert slim.rounded(values["global_step"]) == 123456789
    assert slim.rounded(np.full([3], 0.3, np.float32)) == pytest.approx([0.3] * 3, abs=0.3 / 64)


def test_a_tar_holds_exactly_the_values(values, tmp_path):
    slim.write_tar(tmp_path / "a.tar", "a", values)
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert tar.getnames() == ["a.ckpt.data-00000-of-00001", "a.ckpt.index"]
    with checkpoints.unpacked(tmp_path / "a.tar") as prefix:
        reader = tf.train.load_checkpoint(prefix)
        assert set(reader.get_variable_to_shape_map()) == set(values)
        for name, value in values.items():
            np.testing.assert_array_equal(reader.get_tensor(name), value)


def test_the_same_values_give_the_same_bytes(values, tmp_path):
    for name in ("one", "two"):
        slim.write_tar(tmp_path / f"{name}.tar", "a", values)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_rounded_values_take_less_than_half(values, tmp_path):
    slim.write_tar(tmp_path / "a.tar", "a", {name: slim.rounded(value) for name, value in values.items()})
    assert (tmp_path / "a.tar").stat().st_size < 0.45 * values["a/kernel"].nbytes
