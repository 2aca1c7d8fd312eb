"""Checkpoints: found by folder, prefix or tar, compared with a model before they are restored."""

from __future__ import annotations

import contextlib
import os
import pathlib
import tarfile
import tempfile
from collections.abc import Iterator

from models.environment import tf

NUM_NAMED = 3  # Variables that an error names.


def newest(train_dir: str | os.PathLike[str]) -> str | None:
    """Returns the prefix of the newest complete checkpoint in a folder, `…/model.ckpt-N`, or None."""
    folder = pathlib.Path(train_dir)
    path = tf.train.latest_checkpoint(str(folder))
    if path and is_complete(path):
        return path
    # The folder was moved, its index file `checkpoint` was lost, or a copy broke off: ask the files themselves.
    prefixes = [str(index.with_suffix("")) for index in folder.glob("model.ckpt-*.index")]
    return max(filter(is_complete, prefixes), key=step_of, default=None)


def is_complete(prefix: str) -> bool:
    """Whether a checkpoint's index and all of its data files are there."""
    data = list(pathlib.Path(prefix).parent.glob(f"{pathlib.Path(prefix).name}.data-*-of-*"))
    return pathlib.Path(f"{prefix}.index").is_file() and bool(data) and len(data) == int(data[0].name[-5:])


def step_of(path: str) -> int:
    """Returns the step in a checkpoint's name, or 0 where the name has none."""
    number = pathlib.Path(path).name.rpartition("-")[2]
    return int(number) if number.isdigit() else 0


@contextlib.contextmanager
def unpacked(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yields the prefix of the checkpoint that `path` means.

    Args:
        path: A folder of checkpoints (the newest counts), a prefix, one of its files, or a tar as Magenta publishes.

    Raises:
        FileNotFoundError: there is none.
        ValueError: the tar is damaged or has no checkpoint in it.
    """
    path = pathlib.Path(path).expanduser()
    if path.is_dir():
        prefix = newest(path) or newest(path / "train")
        if not prefix:
            raise FileNotFoundError(f"{path}: no checkpoint in this folder")
        yield prefix
    elif path.is_file() and tarfile.is_tarfile(path):
        with tempfile.TemporaryDirectory() as folder:
            yield _unpack(path, folder)
    else:
        prefix = str(path)
        for ending in (".index", ".meta", ".data-00000-of-00001"):
            prefix = prefix.removesuffix(ending)
        if not is_complete(prefix):
            raise FileNotFoundError(f"{path}: no such checkpoint (give a prefix such as model.ckpt-1000, or a .tar)")
        yield prefix


def _unpack(path: pathlib.Path, folder: str) -> str:
    try:
        with tarfile.open(path) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ValueError(f"{path}: cannot be unpacked ({error}); download it again") from error
    indices = sorted(pathlib.Path(folder).rglob("*.index"))
    if not indices:
        raise ValueError(f"{path}: has no checkpoint in it (no *.index)")
    return str(indices[0].with_suffix(""))


def check(path: str, variables: list[tf.Variable]) -> None:
    """Compares a checkpoint with the variables that are to be restored from it.

    Raises:
        ValueError: a variable is missing or has another shape, or the checkpoint cannot be read.
    """
    try:
        shapes = tf.train.load_checkpoint(path).get_variable_to_shape_map()
    except (tf.errors.OpError, ValueError) as error:
        raise ValueError(f"{path}: the checkpoint cannot be read ({type(error).__name__}); it is damaged") from error
    differing = [
        f"{variable.op.name} is {shapes.get(variable.op.name, 'missing')}, not {variable.shape.as_list()}"
        for variable in variables
        if shapes.get(variable.op.name) != variable.shape.as_list()
    ]
    if differing:
        more = f" and {len(differing) - NUM_NAMED} more" if len(differing) > NUM_NAMED else ""
        raise ValueError(
            f"{path}: of another config or other hparams: {'; '.join(differing[:NUM_NAMED])}{more};\n"
            "  give the --config and --hparams that it was trained with"
        )


def restore(session: tf.Session, path: str) -> None:
    """Restores all variables of the session's graph from a checkpoint; errors as in `check`."""
    variables = tf.global_variables()
    check(path, variables)
    try:
        tf.train.Saver(variables).restore(session, path)
    except (tf.errors.OpError, ValueError) as error:
        raise ValueError(f"{path}: the checkpoint cannot be read ({type(error).__name__}); it is damaged") from error
