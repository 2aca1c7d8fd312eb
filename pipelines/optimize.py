"""The training loop: gradients, checkpoints, progress, and a clean end on a signal."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import signal
import sys
import time
from collections.abc import Callable, Iterator

from models import checkpoints
from models.environment import session_config, tf

import configs

SUMMARY_EVERY_STEPS = 100
CHECKPOINT_EVERY_SECS = 60
PRINT_EVERY_SECS = 10


@dataclasses.dataclass(frozen=True)
class Cluster:
    """This process's place in a TensorFlow cluster; the defaults are one process by itself.

    Attributes:
        master: The address of the server to use.
        task: This worker's number; 0 is the chief, who writes checkpoints.
        num_ps_tasks: Parameter servers.
        num_sync_workers: Workers whose gradients are averaged; 0 for none.
    """

    master: str = ""
    task: int = 0
    num_ps_tasks: int = 0
    num_sync_workers: int = 0


ALONE = Cluster()


def train(
    config: configs.Config,
    batches: Callable[[], tf.data.Dataset],
    train_dir: str | os.PathLike[str],
    num_steps: int | None,
    *,
    checkpoints_to_keep: int = 100,
    keep_checkpoint_every_n_hours: float = 1,
    seed: int | None = None,
    cluster: Cluster = ALONE,
    when_checked: Callable[[], None] = lambda: None,
) -> tuple[int, int | None]:
    """Trains until `num_steps`, from the newest checkpoint in `train_dir` where there is one.

    Args:
        config: The config; its model is built here and must not be used elsewhere.
        batches: Called inside of the graph; returns a dataset of (inputs, outputs, controls, lengths).
        train_dir: Where checkpoints and TensorBoard events go.
        num_steps: The last step, counted from the beginning of the run; None trains until it is stopped.
        checkpoints_to_keep: The newest N; 0 keeps all.
        keep_checkpoint_every_n_hours: Also keeps one every so often.
        seed: Of the variables and everything that is drawn; None draws a new one.
        cluster: Where to compute, with whom.
        when_checked: Called once the model is built and fits the checkpoint, before anything is written.

    Returns:
        The step reached, and the number of the signal that stopped it or None.

    Raises:
        ValueError: the checkpoint in `train_dir` does not fit the config, or the loss is no longer a number.
    """
    train_dir = pathlib.Path(train_dir)
    parameter_servers = tf.train.replica_device_setter(cluster.num_ps_tasks, merge_devices=True)
    with tf.Graph().as_default(), tf.device(parameter_servers):
        tf.set_random_seed(seed)
        train_op, hooks = _build(config, batches, cluster)
        _check_newest(train_dir)
        when_checked()
        watch = Watch(config.model, config.hparams.batch_size, num_steps)
        hooks += [tf.train.NanTensorHook(config.model.loss), watch]
        if num_steps:
            hooks.append(tf.train.StopAtStepHook(last_step=num_steps))
        saver = tf.train.Saver(
            max_to_keep=checkpoints_to_keep, keep_checkpoint_every_n_hours=keep_checkpoint_every_n_hours
        )
        try:
            with _stop_on_signals(watch), _session(train_dir, saver, hooks, cluster) as session:
                while not session.should_stop():
                    session.run(train_op)
        except tf.train.NanLossDuringTrainingError as error:
            raise ValueError(
                f"the loss is no longer a number after step {watch.step}; the checkpoints in {train_dir} are older."
                " A lower rate helps: --hparams=learning_rate=0.0003"
            ) from error
    return watch.step, watch.signal


def _build(config: configs.Config, batches: Callable[[], tf.data.Dataset], cluster: Cluster):
    """Builds the graph; returns the operation that trains a step, and the hooks that it needs."""
    model, hooks = config.model, []
    model.build(config.hparams, config.data_converter.output_depth, is_training=True)
    optimizer = model.train(**_input_tensors(batches(), config))
    if cluster.num_sync_workers:
        optimizer = tf.train.SyncReplicasOptimizer(optimizer, cluster.num_sync_workers)
        hooks.append(optimizer.make_session_run_hook(is_chief=cluster.task == 0))
    return _apply_gradients(model, optimizer, config.hparams), hooks


def _check_newest(train_dir: pathlib.Path) -> None:
    """Raises ValueError if there is a checkpoint that is not this graph's."""
    newest = checkpoints.newest(train_dir)
    if newest:
        checkpoints.check(newest, [v for v in tf.global_variables() if "sync_rep" not in v.name])


def _session(train_dir: pathlib.Path, saver: tf.train.Saver, hooks: list, cluster: Cluster):
    """Returns a session that restores the newest checkpoint and writes checkpoints and summaries as it goes."""
    return tf.train.MonitoredTrainingSession(
        master=cluster.master,
        is_chief=cluster.task == 0,
        checkpoint_dir=str(train_dir),
        scaffold=tf.train.Scaffold(saver=saver),
        hooks=hooks,
        save_checkpoint_secs=CHECKPOINT_EVERY_SECS,
        save_summaries_steps=SUMMARY_EVERY_STEPS,
        log_step_count_steps=None,
        config=session_config(),
    )


def _input_tensors(batches, config) -> dict:
    """Returns the next batch under the names of `MusicVAE.train`'s arguments."""
    iterator = tf.data.make_initializable_iterator(batches)
    tf.add_to_collection(tf.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    inputs, outputs, controls, lengths = iterator.get_next()
    return {
        "input_sequence": inputs,
        "output_sequence": outputs,
        "control_sequence": controls if config.data_converter.control_depth else None,
        "sequence_length": lengths,
    }


def _apply_gradients(model, optimizer, hparams):
    """Returns the training step, with gradients clipped as in Magenta's `music_vae_train.train`."""
    gradients, variables = zip(*optimizer.compute_gradients(model.loss), strict=True)
    norm = tf.global_norm(gradients)
    tf.summary.scalar("global_norm", norm)
    if hparams.clip_mode == "value":
        gradients = [tf.clip_by_value(gradient, -hparams.grad_clip, hparams.grad_clip) for gradient in gradients]
    elif hparams.clip_mode == "global_norm":
        gradients = tf.cond(
            norm < hparams.grad_norm_clip_to_zero,
            lambda: tf.clip_by_global_norm(gradients, hparams.grad_clip, use_norm=norm)[0],
            lambda: [tf.zeros_like(gradient) for gradient in gradients],
        )
    else:
        raise ValueError(f"hparam clip_mode={hparams.clip_mode!r}; accepted: value, global_norm")
    return optimizer.apply_gradients(
        list(zip(gradients, variables, strict=True)), global_step=model.global_step, name="train_step"
    )


class Watch(tf.train.SessionRunHook):
    """Prints steps, loss, speed and the time left: often at first, then every ten seconds."""

    def __init__(self, model, batch_size: int, num_steps: int | None) -> None:
        self._fetches = tf.train.SessionRunArgs({"step": model.global_step, "loss": model.loss})
        self._batch_size, self._num_steps = batch_size, num_steps
        self.step, self.signal = 0, None
        self._first_step, self._started, self._printed = None, 0.0, 0.0

    def after_create_session(self, session, coord) -> None:
        self.step = int(session.run(self._fetches.fetches["step"]))

    def before_run(self, run_context):
        return self._fetches

    def after_run(self, run_context, run_values) -> None:
        loss = float(run_values.results["loss"])
        self.step = int(run_values.results["step"])
        now = time.monotonic()
        if self._first_step is None:  # The first one is slow, and no measure of the rest.
            self._first_step, self._started = self.step, now
        if now - self._printed > PRINT_EVERY_SECS or self.step == self._num_steps:
            self._printed = now
            self._print(loss, now - self._started)
        if self.signal is not None:
            run_context.request_stop()

    def _print(self, loss: float, secs: float) -> None:
        steps = self.step - self._first_step
        line = f"step {self.step}{f' of {self._num_steps}' if self._num_steps else ''}  loss {loss:.2f}"
        if steps and secs:
            line += f"  {steps * self._batch_size / secs:.0f} examples/s"
            if self._num_steps:
                line += f"  {_minutes((self._num_steps - self.step) * secs / steps)} left"
        print(line, file=sys.stderr, flush=True)


def _minutes(secs: float) -> str:
    hours, minutes = divmod(int(secs) // 60, 60)
    return f"{hours}:{minutes:02d}:{int(secs) % 60:02d}" if hours else f"{minutes}:{int(secs) % 60:02d}"


@contextlib.contextmanager
def _stop_on_signals(watch) -> Iterator[None]:
    """Lets the first SIGINT or SIGTERM end the training after its step; a second one ends the process at once."""

    def stop(number, _frame) -> None:
        watch.signal = number
        print("stopping after this step; a checkpoint is written", file=sys.stderr, flush=True)
        for each in previous:
            signal.signal(each, previous[each])

    previous = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, stop)
    except ValueError:  # Not in the main thread, as in some notebooks: signals stay as they are.
        previous.clear()
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
