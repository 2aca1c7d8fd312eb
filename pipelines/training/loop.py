"""The training loop: step after step, with checkpoints and validation in between, to an end that leaves a good run."""

from __future__ import annotations

import contextlib
import errno
import math
import pathlib
from collections.abc import Iterator

from models import devices
from models.magenta import tf
from pipelines.files import progress
from pipelines.training import interrupts, machine, resume, saver, setup, train_step
from pipelines.training.cluster.party import Party
from pipelines.training.journal import Journal, NoJournal
from pipelines.training.validation import Validation

MAX_DROPPED_STEPS = 50
LOST_WITHIN_SECS = 15  # So long it takes at most to know which machine of a cluster has made a step fail.
_LOWER_RATE = "a lower rate helps: --hparams=learning_rate=0.0003"


class Health:
    """Whether steps still train, or the loss has exploded."""

    def __init__(self, max_norm: float) -> None:
        self._max_norm = max_norm
        self._dropped_in_a_row = 0

    @property
    def is_dropping(self) -> bool:
        """Whether the last step was dropped; what led to it may not be worth a checkpoint."""
        return self._dropped_in_a_row > 0

    def check(self, step: int, loss: float, norm: float) -> None:
        """Takes note of a step.

        Raises:
            ExplodedError: loss or gradient are no longer numbers, or no step has trained anything for long.
        """
        drops_large = math.isfinite(self._max_norm)
        if not math.isfinite(loss) or (not math.isfinite(norm) and not drops_large):
            raise saver.ExplodedError(f"the loss is no longer a number after step {step}")
        self._dropped_in_a_row = self._dropped_in_a_row + 1 if drops_large and not norm < self._max_norm else 0
        if self._dropped_in_a_row >= MAX_DROPPED_STEPS:
            raise saver.ExplodedError(
                f"the loss has exploded: at step {step} the gradient's norm is {norm:.3g}, and so many as"
                f" {MAX_DROPPED_STEPS} steps in a row were dropped"
                f" because it is not below the hparam grad_norm_clip_to_zero={self._max_norm:g}"
            )


class Loop:
    """Trains a run in a session.

    Attributes:
        step: The last one that is done, counted from the beginning of the run.
    """

    def __init__(
        self,
        prepared: setup.Setup,
        stop: interrupts.Stop,
        training: train_step.TrainingStep,
        writer: saver.CheckpointWriter | None,
        journal: Journal | NoJournal,
    ) -> None:
        self.step = prepared.state.step
        self._num_steps, self._validation = prepared.options.num_steps, prepared.validation
        self._stop, self._training, self._writer, self._journal = stop, training, writer, journal
        self._health = Health(training.max_norm)

    def run(self, session: tf.train.MonitoredSession) -> None:
        """Trains until the last step, a signal, or the end of patience; the end is a checkpoint.

        Raises:
            ExplodedError: the loss is no longer a number or far too large. No checkpoint of that is written.
            OSError: a checkpoint or a line of the log could not be written.
        """
        session.run_step_fn(lambda step_context: step_context.session.run(self._training.fill))
        if self._validation and self.step:  # An earlier process may have left something to do about its checkpoint.
            self._validate_if_due(session)
            self._validation.judge()
        while not self._is_done(session):
            self._take_step(session)
            if self._writer and not self._health.is_dropping and self._writer.is_due():
                self._save(session)
            self._validate_if_due(session)
        if self._writer and self.step and not self._health.is_dropping:
            self._save(session)
            self._validate_if_due(session, at_end=not self._stop.is_asked_for())

    def _is_done(self, session: tf.train.MonitoredSession) -> bool:
        is_last = bool(self._num_steps) and self.step >= self._num_steps
        is_out_of_patience = self._validation is not None and self._validation.is_over
        return is_last or is_out_of_patience or self._stop.is_asked_for() or session.should_stop()

    def _take_step(self, session: tf.train.MonitoredSession) -> None:
        before, training = self.step, self._training
        fetches = training.train, training.step, training.scalars
        _, step, scalars = session.run(fetches, training.next_values())
        loss, norm = (float(scalars[training.tags.index(tag)]) for tag in ("loss", train_step.NORM_TAG))
        self.step = int(step)
        try:
            self._health.check(self.step, loss, norm)
        except saver.ExplodedError:
            if self._writer and not math.isfinite(loss):
                self._writer.discard(before)  # This step's loss is that of the variables before it.
            raise
        self._journal.step(self.step, training.tags, scalars)

    def _save(self, session: tf.train.MonitoredSession) -> str:
        with self._journal.progress.pause():
            return self._writer.save(session, self.step)

    def _validate_if_due(self, session: tf.train.MonitoredSession, *, at_end: bool = False) -> None:
        if not self._validation or self._stop.is_asked_for() or self._health.is_dropping:
            return
        if self._validation.is_due(self.step, at_end=at_end):
            self._validation.validate(self.step, self._save(session), self._journal)


def run_steps(prepared: setup.Setup, stop: interrupts.Stop) -> int:
    """Builds a run's graph and trains it, to the last step or until `stop` says so; returns the last step done.

    Raises:
        ValueError: the checkpoint does not fit the config, or the loss has exploded.
        OSError: the disk is full, or the folder cannot be written to.
    """
    run, state, replica, party = prepared.run, prepared.state, prepared.options.replica, prepared.party
    if party:
        place, target, settings = prepared.where.host, party.target, party.session_settings()
    else:
        place, target, settings = train_step.device_setter(replica), "", machine.session_settings(prepared.where)
    with tf.Graph().as_default(), tf.device(place):
        tf.set_random_seed((state.seed + state.step) % resume.MAX_SEED)
        training = train_step.build(prepared.config, prepared.make_batches, replica, prepared.where, state.seed)
        writer = saver.CheckpointWriter(run.folder.train_dir, prepared.options.saving)
        writer.check(state.checkpoint)
        if stop.is_asked_for():
            return state.step
        setup.write_settings(prepared)
        if party:
            party.kept = writer.kept
        journal, kept_by = _account(prepared, writer)
        loop = Loop(prepared, stop, training, kept_by, journal)
        with (
            _closing(journal),
            _closing(prepared.validation) if prepared.validation else contextlib.nullcontext(),
            _explained(run.folder.path, writer, party),
            train_step.open_session(training, state.checkpoint, writer, replica, target, settings) as session,
        ):
            loop.run(session)
    return loop.step


def _account(
    prepared: setup.Setup, writer: saver.CheckpointWriter
) -> tuple[Journal | NoJournal, saver.CheckpointWriter | None]:
    """Opens what is kept of a run as it goes on: the chief's journal and checkpoints; other workers keep nothing."""
    first_step, replica, validation = prepared.state.step, prepared.options.replica, prepared.validation
    batch_size = prepared.config.hparams.batch_size * replica.num_in_step
    shown = progress.Steps(first_step, prepared.options.num_steps, batch_size)
    if not replica.is_chief:
        return NoJournal(shown), None
    return Journal(prepared.run.folder.path, first_step, shown, validation and validation.best_metric), writer


@contextlib.contextmanager
def _closing(opened: Journal | NoJournal | Validation) -> Iterator[None]:
    """Closes it however training ends; what has ended it is what counts, where closing fails too."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            opened.close()
        raise
    opened.close()


@contextlib.contextmanager
def _explained(run_dir: pathlib.Path, writer: saver.CheckpointWriter, party: Party | None = None) -> Iterator[None]:
    """Adds to what has ended the training which checkpoint is left, and what to do."""
    try:
        yield
    except saver.ExplodedError as error:
        raise ValueError(f"{error};\n  {writer.kept()}; {_LOWER_RATE}") from error
    except tf.errors.OpError as error:
        explained = (party and party.lost(LOST_WITHIN_SECS)) or devices.explain(error.message)
        if not explained:
            raise
        raise OSError(f"{explained};\n  {writer.kept()}") from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        free = saver.mib(saver.free_bytes(run_dir))
        raise OSError(
            f"the disk is full: {error.filename or run_dir} could not be written, {free} are free;\n"
            f"  {writer.kept()}; free some space first"
        ) from error
