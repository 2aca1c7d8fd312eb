"""Checkpoints are found by folder, prefix or tar, and compared with a model before they are restored."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import sys
import tarfile
import tempfile
from collections.abc import Iterator

from models import checkpoint_files
from models.magenta import tf

AVERAGE = "ExponentialMovingAverage"  # What TensorFlow calls a variable's average, behind its name.
NUM_NAMED = 3  # Variables that an error names.


def newest(train_dir: str | os.PathLike[str]) -> str | None:
    """Returns the prefix of the newest checkpoint in a folder that can be read, `…/model.ckpt-N`, or None.

    One that cannot be read, as after a disk's fault, is named on stderr, and the one before it counts.

    Raises:
        ValueError: there are checkpoints, and none can be read.
    """
    unreadable = []
    for prefix in checkpoint_files.newest_first(train_dir):
        problem = _problem(prefix)
        if problem and not checkpoint_files.is_complete(prefix):
            continue  # Deleted meanwhile, by a process that trains there and keeps only so many.
        if not problem:
            going_back = f"going back to {pathlib.Path(prefix).name}"
            for other, its_problem in unreadable:
                print(f"{other}: cannot be read ({its_problem}); {going_back}", file=sys.stderr)
            return prefix
        unreadable.append((prefix, problem))
    if unreadable:
        raise ValueError(
            f"{train_dir}: none of its {len(unreadable)} checkpoints can be read"
            f" ({pathlib.Path(unreadable[0][0]).name}: {unreadable[0][1]}); delete them, or give another folder"
        )
    return None


def _problem(prefix: str) -> str:
    """Returns why a checkpoint cannot be read; empty if it can. Reading compares checksums."""
    try:
        modified_ns = tuple(path.stat().st_mtime_ns for path in checkpoint_files.files_of(prefix))
        return _problem_of_files(prefix, modified_ns)
    except OSError as error:
        return type(error).__name__


@functools.lru_cache(maxsize=4)
def _problem_of_files(prefix: str, _modified_ns: tuple[int, ...]) -> str:
    try:
        reader = _reader(prefix)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except (tf.errors.OpError, ValueError, LookupError, RuntimeError) as error:  # Each for a kind of damage.
        return type(error).__name__
    return ""


@contextlib.contextmanager
def unpacked(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yields the prefix of the checkpoint at `path`.

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
        if not checkpoint_files.is_complete(prefix):
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
    with _damage_is_named(path):
        shapes = _reader(path).get_variable_to_shape_map()
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


def step_in(path: str) -> int:
    """Returns the step that is written in a checkpoint; its name need not have it."""
    return int(_reader(path).get_tensor("global_step"))


def restore(session: tf.Session, path: str, saver: tf.train.Saver | None = None) -> tf.train.Saver:
    """Restores all variables of the session's graph from a checkpoint; errors as in `check`.

    Variables that training has averaged get their averages.

    Args:
        session: Its graph is a model's, outside of training.
        path: A checkpoint's prefix.
        saver: What `restore` has returned for another checkpoint of the same run; None adds one to the graph.

    Returns:
        The saver.
    """
    with session.graph.as_default():
        variables = tf.global_variables()
        check(path, variables)
        saver = saver or tf.train.Saver(_sources(path, variables))
    with _damage_is_named(path):
        saver.restore(session, checkpoint_files.without_wildcards(path))
    return saver


def _sources(path: str, variables: list[tf.Variable]) -> dict[str, tf.Variable]:
    """Returns the variables by the names of what they are restored from."""
    names = _reader(path).get_variable_to_shape_map()
    averages = {variable: f"{variable.op.name}/{AVERAGE}" for variable in variables}
    return {name if (name := averages[variable]) in names else variable.op.name: variable for variable in variables}


def _reader(path: str):
    return tf.train.load_checkpoint(checkpoint_files.without_wildcards(path))


@contextlib.contextmanager
def _damage_is_named(path: str) -> Iterator[None]:
    try:
        yield
    except (tf.errors.OpError, ValueError) as error:
        raise ValueError(f"{path}: the checkpoint cannot be read ({type(error).__name__}); it is damaged") from error
