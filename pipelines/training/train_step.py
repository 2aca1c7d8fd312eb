"""The training step: a model's loss and gradients as one graph, and the session that it runs in."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import configs
from models import own_hparams
from models.magenta import session_config, tf
from pipelines.training import saver
from pipelines.training.replicas import ALONE, Replica

NORM_TAG = "global_norm"
STOP_GRACE_SECS = 2  # For what synchronous workers have waiting for a step that never comes.


@dataclasses.dataclass(frozen=True)
class TrainingStep:
    """The graph of a step."""

    train: tf.Operation
    step: tf.Tensor  # `[]` int64, its number, once it is done.
    tags: tuple[str, ...]  # What is measured of it, by TensorBoard's names; `loss` and `global_norm` among them.
    scalars: tf.Tensor  # `[len(tags)]` float32, the values.
    max_norm: float  # A gradient whose norm is not below this is dropped; only Adam's momentum goes on.
    hooks: list[tf.train.SessionRunHook]  # What the session needs for it.


def build(
    config: configs.Config, make_batches: Callable[[], tf.data.Dataset], replica: Replica = ALONE
) -> TrainingStep:
    """Builds the step of a config in the default graph, with its model, which must not be used elsewhere.

    Its batches are (inputs, outputs, controls, lengths).

    Raises:
        ValueError: an hparam has a value that is not known.
    """
    model, hparams, hooks = config.model, config.hparams, []
    model.build(hparams, config.data_converter.output_depth, is_training=True)
    optimizer = model.train(**_input_tensors(make_batches(), config))
    _warm_up(optimizer, model.global_step, hparams)
    if replica.num_sync_workers:
        optimizer = tf.train.SyncReplicasOptimizer(optimizer, replica.num_sync_workers)
        hooks.append(optimizer.make_session_run_hook(is_chief=replica.is_chief))
    train, norm = _apply_gradients(model, optimizer, hparams)
    train = _averaged(train, model.global_step, hparams)
    with tf.control_dependencies([train]):
        step = model.global_step.read_value()
    measured = _summarized() | {"loss": model.loss, NORM_TAG: norm}
    return TrainingStep(
        train=train,
        step=step,
        tags=tuple(measured),
        scalars=tf.stack([tf.cast(value, tf.float32) for value in measured.values()]),
        max_norm=hparams.grad_norm_clip_to_zero if hparams.clip_mode == "global_norm" else float("inf"),
        hooks=hooks,
    )


def open_session(
    step: TrainingStep, checkpoint: str | None, writer: saver.CheckpointWriter, replica: Replica
) -> tf.train.MonitoredSession:
    """Opens a session with the variables of a checkpoint, or with new ones where that is None."""

    def restore(_scaffold, session: tf.Session) -> None:
        newest = writer.newest or checkpoint  # Another one than at first where a cluster's session broke off.
        if newest:
            writer.restore(session, newest)

    if replica.is_chief:
        scaffold = tf.train.Scaffold(init_fn=restore, saver=writer.saver)
        creator = tf.train.ChiefSessionCreator(scaffold, master=replica.master, config=session_config())
    else:
        creator = tf.train.WorkerSessionCreator(master=replica.master, config=session_config())
    return tf.train.MonitoredSession(creator, step.hooks, stop_grace_period_secs=STOP_GRACE_SECS)


def device_setter(replica: Replica):
    """Returns what places variables on the parameter servers, where there are any, and all else on this worker."""
    worker = f"/job:worker/task:{replica.task}"  # Another one's process does not have this one's examples.
    return tf.train.replica_device_setter(replica.num_ps_tasks, worker_device=worker, merge_devices=True)


def _summarized() -> dict[str, tf.Tensor]:
    """Returns the scalars that the model shows on TensorBoard, by their names there."""
    summaries = tf.get_collection(tf.GraphKeys.SUMMARIES)
    scalars = [summary.op for summary in summaries if summary.op.type == "ScalarSummary"]
    return {tf.get_static_value(op.inputs[0]).item().decode(): op.inputs[1] for op in scalars}


def _input_tensors(batches: tf.data.Dataset, config: configs.Config) -> dict[str, tf.Tensor | None]:
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


def _apply_gradients(model, optimizer: tf.train.Optimizer, hparams) -> tuple[tf.Operation, tf.Tensor]:
    """Returns the operation that trains, with gradients clipped as in Magenta's `music_vae_train.train`; their norm."""
    gradients, variables = zip(*optimizer.compute_gradients(model.loss), strict=True)
    norm = tf.global_norm(gradients)
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
    with tf.control_dependencies(_decay_weights(optimizer, variables, gradients, hparams)):
        train = optimizer.apply_gradients(
            list(zip(gradients, variables, strict=True)), global_step=model.global_step, name="train_step"
        )
    return train, norm


def _warm_up(optimizer: tf.train.Optimizer, step: tf.Tensor, hparams) -> None:
    """Lets the learning rate grow from near 0 for as many steps as the hparams say."""
    if num_steps := own_hparams.value(hparams, "warmup_steps"):
        optimizer._lr *= tf.minimum(1.0, (tf.to_float(step) + 1) / num_steps)


def _decay_weights(optimizer: tf.train.Optimizer, variables, gradients, hparams) -> list[tf.Operation]:
    """Returns the operations that shrink all kernels by a share of the learning rate (AdamW, arXiv 1711.05101).

    They wait for the gradients.
    """
    share = own_hparams.value(hparams, "weight_decay")
    if not share:
        return []
    kernels = [variable for variable in variables if len(variable.shape) > 1]
    with tf.control_dependencies(gradients):
        return [tf.assign_sub(kernel, optimizer._lr * share * kernel) for kernel in kernels]


def _averaged(train: tf.Operation, step: tf.Tensor, hparams) -> tf.Operation:
    """Returns the operation that trains and then updates the variables' moving averages, if the hparams ask for them.

    The averages' names are `checkpoints.AVERAGE` behind the variables'; at the beginning they forget faster.
    """
    decay = own_hparams.value(hparams, "ema_decay")
    if not decay:
        return train
    average = tf.train.ExponentialMovingAverage(decay, num_updates=step)
    with tf.control_dependencies([train]):
        return average.apply(tf.trainable_variables())
