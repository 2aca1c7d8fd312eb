"""Writing checkpoints while a run is trained: now and then, only of numbers, and never in place of a good one."""

from __future__ import annotations

import pathlib
import shutil
import time

from models import checkpoint_files, restoring
from models.magenta import tf
from pipelines.training import options

PREFIX = "model.ckpt"
MIB = 2**20


class ExplodedError(ValueError):
    """Training has led to something that no checkpoint should be written of."""


class CheckpointWriter:
    """Writes and restores the checkpoints of a run; it is made while the graph can still grow."""

    def __init__(self, train_dir: pathlib.Path, saving: options.Saving) -> None:
        self._train_dir, self._every_secs = train_dir, saving.every_secs
        self._prefix = checkpoint_files.without_wildcards(train_dir / PREFIX)
        # What synchronous workers count among themselves is no part of the model.
        self._variables = [variable for variable in tf.global_variables() if "sync_rep" not in variable.name]
        self.saver = tf.train.Saver(
            self._variables,
            max_to_keep=saving.max_to_keep or None,
            keep_checkpoint_every_n_hours=saving.keep_every_n_hours,
            save_relative_paths=True,  # The run's folder can be moved.
        )
        self._num_bytes = sum(variable.shape.num_elements() * variable.dtype.size for variable in self._variables)
        floats = [variable for variable in self._variables if variable.dtype.base_dtype.is_floating]
        self._is_finite = tf.reduce_all([_is_finite(variable) for variable in floats])
        self._saved_secs = time.monotonic()
        self._written_step: int | None = None
        self.newest: str | None = None

    def check(self, checkpoint: str | None) -> None:
        """Checks, before long work, that training can go on from `checkpoint`, and that the next one has room.

        Raises:
            ValueError: it is of a model of other sizes.
            OSError: the disk is too full.
        """
        if checkpoint:
            restoring.check(checkpoint, self._variables)
        free = free_bytes(self._train_dir)
        if free < self._num_bytes:
            raise OSError(
                f"the disk is full: a checkpoint takes {mib(self._num_bytes)}, {mib(free)} are free"
                f" at {self._train_dir}; free some space and run the command again"
            )

    def restore(self, session: tf.Session, checkpoint: str) -> None:
        """Restores a checkpoint that `check` has accepted, and takes charge of the older ones beside it."""
        checkpoint = checkpoint_files.without_wildcards(checkpoint)
        self.saver.restore(session, checkpoint)
        step = checkpoint_files.step_of(checkpoint)
        found = checkpoint_files.all_complete(pathlib.Path(checkpoint).parent)
        older = [path for path in found if checkpoint_files.step_of(path) < step]
        self.saver.recover_last_checkpoints([*older, checkpoint])
        self.newest = checkpoint

    def is_due(self) -> bool:
        """Whether the last one was written, or training began, so long ago that it is time for another one."""
        return time.monotonic() - self._saved_secs >= self._every_secs

    def save(self, session: tf.train.MonitoredSession, step: int) -> str:
        """Writes a checkpoint; does nothing where this step has one.

        Returns:
            Its prefix, `…/model.ckpt-N`.

        Raises:
            ExplodedError: a variable is not finite. Nothing is written.
            OSError: the disk is full, or the folder cannot be written to. What was half written is deleted.
        """
        if self.newest and checkpoint_files.step_of(self.newest) == step:
            return self.newest
        session.run_step_fn(lambda step_context: self._save(step_context.session, step))
        self._saved_secs = time.monotonic()
        self._written_step = step
        return self.newest

    def discard(self, step: int) -> None:
        """Deletes the checkpoint of a step, if it was written here: what it led to shows that it is of no use."""
        if self._written_step != step:
            return
        for path in reversed(checkpoint_files.files_of(self.newest)):
            path.unlink(missing_ok=True)
        kept = [path for path in self.saver.last_checkpoints if path != self.newest]
        self._written_step, self.newest = None, kept[-1] if kept else None
        if self.newest:
            checkpoint_files.write_index(self._train_dir, pathlib.Path(self.newest).name)
        else:
            (self._train_dir / checkpoint_files.INDEX_NAME).unlink(missing_ok=True)

    def kept(self) -> str:
        """Returns what is left to go on from, as a person reads it."""
        if not self.newest:
            return "there is no checkpoint to go on from"
        return f"{pathlib.Path(self.newest).name} is kept, and the same command goes on from there"

    def _save(self, session: tf.Session, step: int) -> None:
        if not session.run(self._is_finite):
            raise ExplodedError(f"after step {step} a variable is no longer a number; no checkpoint of that is written")
        self._train_dir.mkdir(parents=True, exist_ok=True)
        path = self._train_dir / f"{PREFIX}-{step}"
        try:
            # Without the graph, which only the code that made it can use: it takes as long as all variables.
            self.newest = self.saver.save(session, self._prefix, global_step=step, write_meta_graph=False)
        except (tf.errors.OpError, OSError) as error:
            checkpoint_files.sweep(self._train_dir)
            free = free_bytes(self._train_dir)
            raise OSError(
                f"{_reason(error)}: {path} ({mib(self._num_bytes)}) could not be written, {mib(free)} are free;\n"
                f"  {self.kept()}; free some space first"
            ) from error


def checkpoint_of(train_dir: pathlib.Path, step: int) -> str | None:
    """Returns the prefix of the checkpoint of a step; None if there is none any more."""
    prefix = str(train_dir / f"{PREFIX}-{step}")
    return prefix if checkpoint_files.is_complete(prefix) else None


def free_bytes(folder: pathlib.Path) -> int:
    """Returns how many bytes are free where a folder is, or will be."""
    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(nearest).free


def mib(num_bytes: int) -> str:
    return f"{num_bytes / MIB:.0f} MiB" if num_bytes >= 10 * MIB else f"{num_bytes / MIB:.1f} MiB"


def _is_finite(variable: tf.Variable) -> tf.Tensor:
    with tf.device(variable.device):  # It need not be copied anywhere.
        return tf.reduce_all(tf.math.is_finite(variable))


def _reason(error: Exception) -> str:
    text = str(error)
    if "No space left on device" in text or "quota exceeded" in text:
        return "the disk is full"
    return f"{type(error).__name__}: {text.strip().splitlines()[-1]}"
