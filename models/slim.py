"""Checkpoints as small as they can be handed on: Magenta's published form, rounded and compressed, nothing of training.

A tar of `NAME.ckpt.index` and `NAME.ckpt.data-00000-of-00001`, which Magenta's `TrainedModel` reads as it is: Python's
tarfile sees by itself that it is compressed. gzip, as there are Pythons without lzma.
"""

from __future__ import annotations

import gzip
import os
import pathlib
import tarfile
import tempfile
from collections.abc import Mapping

import numpy as np

from models.magenta import tf

# So many steps of the grid lie in a variable's standard deviation, or up to twice as many: rounding errs by 0.3 % of it
# on average. Measured on hier-drums_4bar_small, 22.8 MB: 8.4 MB rounded, 21.0 as it was trained. Six bits of mantissa
# err as much and take 9.0 MB, seven (bfloat16) half as much and 9.8 MB.
STEPS_PER_DEVIATION = 64


def rounded(value: np.ndarray) -> np.ndarray:
    """Returns a variable rounded to the nearest multiples of a power of two; whole numbers are kept.

    Small values are rounded no finer than large ones, as it is sums of products with them that count.
    """
    deviation = np.std(value, dtype=np.float64) or np.abs(value).max(initial=0)
    if not np.issubdtype(value.dtype, np.floating) or not deviation:
        return value
    step = 2.0 ** np.floor(np.log2(deviation / STEPS_PER_DEVIATION))
    return (np.round(value / step) * step).astype(value.dtype)


def write_tar(path: str | os.PathLike[str], name: str, values: Mapping[str, np.ndarray]) -> None:
    """Writes a checkpoint as a tar; the same values give the same bytes.

    Args:
        path: The tar's path.
        name: What the checkpoint is called in it, `NAME.ckpt`.
        values: The variables by name.
    """
    with tempfile.TemporaryDirectory() as folder:
        _save(f"{folder}/{name}.ckpt", values)
        with (
            pathlib.Path(path).open("wb") as file,
            gzip.GzipFile("", "wb", mtime=0, fileobj=file) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for part in sorted(pathlib.Path(folder).iterdir()):
                tar.add(part, part.name, filter=_anonymous)


def _save(prefix: str, values: Mapping[str, np.ndarray]) -> None:
    names = sorted(values)
    with tf.Graph().as_default(), tf.Session() as session:
        inputs = [tf.placeholder(values[name].dtype, values[name].shape) for name in names]
        save = tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names), tensors=inputs)
        session.run(save, dict(zip(inputs, (values[name] for name in names), strict=True)))


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Takes from a file whose it is and when it was written."""
    clean = tarfile.TarInfo(member.name)
    clean.size = member.size
    return clean
