"""Checkpoints are compared with a model before they are restored into its graph."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from models import checkpoint_files
from models.checkpoints import AVERAGE
from models.magenta import tf

NUM_NAMED = 3  # Variables that an error names.


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
