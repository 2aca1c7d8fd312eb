"""The training step: a model's loss and gradients as one graph, and the session that it runs in."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import zlib
from collections.abc import Callable

import configs
from models import own_hparams
from models.magenta import session_config, tf
from models.vae import MusicVAE
from pipelines.training import feeding, fetching, gradients, saver
from pipelines.training.placement import HERE, Placement, Tower
from pipelines.training.replicas import ALONE, Replica

LOSS_TAG, NORM_TAG = "loss", "global_norm"
STOP_GRACE_SECS = 2  # For what synchronous workers have waiting for a step that never comes.
_INITIALIZER = "/Initializer/"  # In the names of the operations that make a variable's first value.


@dataclasses.dataclass(frozen=True)
class TrainingStep:
    """The graph of a step."""

    train: tf.Operation
    step: tf.Tensor  # `[]` int64, its number, once it is done.
    tags: tuple[str, ...]  # What is measured of it, by TensorBoard's names; `loss` and `global_norm` among them.
    scalars: tf.Tensor  # `[len(tags)]` float32, the values.
    max_norm: float  # A gradient whose norm is not below this is dropped; only Adam's momentum goes on.
    fill: tf.Operation  # Is to be run once before the first step.
    next_values: Callable[[], dict]  # Returns what the next step is to be fed.
    hooks: list[tf.train.SessionRunHook]  # What the session needs for it.


@dataclasses.dataclass(frozen=True)
class _BuiltTower:
    """The graph of a tower."""

    optimizer: tf.train.Optimizer
    gradients: list[tf.Tensor]  # Of the tower's share of the loss, in the order of the trainable variables.
    scalars: dict[str, tf.Tensor]  # What is measured of its examples, by TensorBoard's names.


def build(
    config: configs.Config,
    make_batches: Callable[[], tf.data.Dataset],
    replica: Replica = ALONE,
    where: Placement = HERE,
    seed: int | None = None,
) -> TrainingStep:
    """Builds the step of a config in the default graph, with its model, which must not be used elsewhere.

    Its batches are (inputs, outputs, controls, lengths).

    Args:
        config: What to train.
        make_batches: Makes the batches.
        replica: Which of the processes this is, where several build the step.
        where: The devices of the step.
        seed: Of the variables' first values, which are the same on all devices; None lets TensorFlow draw.

    Raises:
        ValueError: an hparam has a value that is not known.
    """
    hparams, hooks = config.hparams, []
    gradients.check(hparams)
    with tf.device(where.host):
        step = tf.train.get_or_create_global_step()
    feed = feeding.RemoteFeed(make_batches) if replica.master else feeding.Feed(make_batches, where.host)
    towers = where.towers(hparams.batch_size)
    with tf.device(where.with_variables(towers[0].device)):
        built = _build_towers(config, towers, feed)
        variables, optimizer = tf.trainable_variables(), built[0].optimizer
        fetching.once_a_machine(towers, variables)
        with tf.device(where.host):
            _warm_up(optimizer, step, hparams)
        if replica.num_sync_workers:
            optimizer = tf.train.SyncReplicasOptimizer(optimizer, replica.num_sync_workers)
            hooks.append(optimizer.make_session_run_hook(is_chief=replica.is_chief))
        summed = gradients.total([each.gradients for each in built], towers, variables, where.all_reduce)
        one_device = len(where.holders) < 2 and not replica.num_ps_tasks
        at_once = one_device and isinstance(config.model, MusicVAE) and config.model.computes_at_once
        clipped, norm = gradients.clipped(summed, hparams, at_once=at_once)
        train = _apply(optimizer, clipped, variables, step, hparams)
        with tf.control_dependencies([train]), tf.device(where.host):
            number = step.read_value()
        train = _averaged(train, number, hparams)
        tags, scalars = _measured(built, towers, norm)
    if seed is not None:
        _seed_variables(seed)
    put = feed.put()
    return TrainingStep(
        train=tf.group(train, put),
        step=number,
        tags=tags,
        scalars=scalars,
        max_norm=hparams.grad_norm_clip_to_zero if hparams.clip_mode == "global_norm" else float("inf"),
        fill=put,
        next_values=feed.next_values,
        hooks=hooks,
    )


def open_session(
    step: TrainingStep,
    checkpoint: str | None,
    writer: saver.CheckpointWriter,
    replica: Replica,
    target: str = "",
    settings: tf.ConfigProto | None = None,
) -> tf.train.MonitoredSession | tf.train.SingularMonitoredSession:
    """Opens a session with the variables of a checkpoint, or with new ones where that is None.

    Args:
        step: What it is to compute.
        checkpoint: What it begins with.
        writer: Of the run's checkpoints.
        replica: Which of the processes this is, where several have a session for one run.
        target: The server of a cluster that computes for this process; empty is this process itself.
        settings: The session's; None is one device.
    """

    def restore(_scaffold, session: tf.Session) -> None:
        newest = writer.newest or checkpoint  # Another one than at first where a cluster's session broke off.
        if newest:
            writer.restore(session, newest)

    settings = settings or session_config()
    if replica.is_chief:
        scaffold = tf.train.Scaffold(init_fn=restore, saver=writer.saver)
        if target:  # A step that has failed there is not tried again: its batch would be another one.
            return tf.train.SingularMonitoredSession(
                step.hooks, scaffold, target, settings, stop_grace_period_secs=STOP_GRACE_SECS
            )
        creator = tf.train.ChiefSessionCreator(scaffold, master=replica.master, config=settings)
    else:
        creator = tf.train.WorkerSessionCreator(master=replica.master, config=settings)
    return tf.train.MonitoredSession(creator, step.hooks, stop_grace_period_secs=STOP_GRACE_SECS)


def device_setter(replica: Replica):
    """Returns what places variables on the parameter servers, where there are any, and all else on this worker."""
    worker = f"/job:worker/task:{replica.task}"  # Another one's process does not have this one's examples.
    return tf.train.replica_device_setter(replica.num_ps_tasks, worker_device=worker, merge_devices=True)


def _build_towers(
    config: configs.Config, towers: list[Tower], feed: feeding.Feed | feeding.RemoteFeed
) -> list[_BuiltTower]:
    """Builds each tower; the first one, which is built of `config` itself, makes the variables."""
    batch_size = config.hparams.batch_size
    copies = [config, *(copy.deepcopy(config) for _ in towers[1:])]
    built = []
    for number, (own, tower) in enumerate(zip(copies, towers, strict=True)):
        own.hparams.batch_size = tower.size
        if isinstance(own.model, MusicVAE):
            own.model.first_example = tower.first
        with contextlib.ExitStack() as stack:
            if number:
                stack.enter_context(tf.variable_scope(tf.get_variable_scope(), reuse=True))
                stack.enter_context(tf.name_scope(f"tower_{number}"))
                stack.enter_context(tf.device(tower.device))
            built.append(_build_tower(own, feed.examples(tower), tower.size / batch_size))
    config.hparams.batch_size = batch_size
    return built


def _build_tower(config: configs.Config, examples: list[tf.Tensor], share: float) -> _BuiltTower:
    """Builds a tower of a config with examples (inputs, outputs, controls, lengths), which are a share of the batch."""
    inputs, outputs, controls, lengths = examples
    model, summaries = config.model, tf.get_collection_ref(tf.GraphKeys.SUMMARIES)
    model.build(config.hparams, config.data_converter.output_depth, is_training=True)
    before = len(summaries)
    optimizer = model.train(
        input_sequence=inputs,
        output_sequence=outputs,
        control_sequence=controls if config.data_converter.control_depth else None,
        sequence_length=lengths,
    )
    loss = model.loss if share == 1 else model.loss * share
    of_variables = [gradient for gradient, _ in optimizer.compute_gradients(loss, tf.trainable_variables())]
    return _BuiltTower(optimizer, of_variables, _summarized(summaries[before:]) | {LOSS_TAG: model.loss})


def _summarized(summaries: list[tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns the scalars that a model shows on TensorBoard, by their names there."""
    scalars = [summary.op for summary in summaries if summary.op.type == "ScalarSummary"]
    scope = f"{tf.get_default_graph().get_name_scope()}/"  # A tower's; the first one has none.
    return {tf.get_static_value(op.inputs[0]).item().decode().removeprefix(scope): op.inputs[1] for op in scalars}


def _measured(built: list[_BuiltTower], towers: list[Tower], norm: tf.Tensor) -> tuple[tuple[str, ...], tf.Tensor]:
    """Returns the tags of what is measured, and the values: means over all examples."""
    batch_size = sum(tower.size for tower in towers)
    tags = (*built[0].scalars, NORM_TAG)
    if len(built) == 1:
        return tags, tf.stack([*(tf.cast(value, tf.float32) for value in built[0].scalars.values()), norm])
    parts = []
    for each, tower in zip(built, towers, strict=True):
        with tf.device(tower.device):
            values = tf.stack([tf.cast(each.scalars[tag], tf.float32) for tag in each.scalars])
            parts.append(values * (tower.size / batch_size))
    return tags, tf.concat([tf.add_n(parts), norm[tf.newaxis]], axis=0)


def _apply(
    optimizer: tf.train.Optimizer, clipped: list[tf.Tensor], variables: list[tf.Variable], step: tf.Variable, hparams
) -> tf.Operation:
    """Returns the operation that trains the variables with their gradients."""
    with tf.control_dependencies(_decay_weights(optimizer, variables, clipped, hparams)):
        return optimizer.apply_gradients(
            list(zip(clipped, variables, strict=True)), global_step=step, name="train_step"
        )


def _warm_up(optimizer: tf.train.Optimizer, step: tf.Tensor, hparams) -> None:
    """Lets the learning rate grow from near 0 for as many steps as the hparams say."""
    if num_steps := own_hparams.value(hparams, "warmup_steps"):
        optimizer._lr *= tf.minimum(1.0, (tf.to_float(step) + 1) / num_steps)


def _decay_weights(optimizer: tf.train.Optimizer, variables, clipped, hparams) -> list[tf.Operation]:
    """Returns the operations that shrink all kernels by a share of the learning rate (AdamW, arXiv 1711.05101).

    They wait for the gradients.
    """
    share = own_hparams.value(hparams, "weight_decay")
    if not share:
        return []
    kernels = [variable for variable in variables if len(variable.shape) > 1]
    updates = []
    for kernel in kernels:
        with tf.control_dependencies(clipped), tf.device(kernel.device):
            updates.append(tf.assign_sub(kernel, optimizer._lr * share * kernel))
    return updates


def _averaged(train: tf.Operation, number: tf.Tensor, hparams) -> tf.Operation:
    """Returns the operation that trains and then updates the variables' moving averages, if the hparams ask for them.

    `number` is that of the step, read after it: where the variables lie elsewhere, an earlier one may have been sent.
    The averages' names are `checkpoints.AVERAGE` behind the variables'; at the beginning they forget faster.
    """
    decay = own_hparams.value(hparams, "ema_decay")
    if not decay:
        return train
    average, updates = tf.train.ExponentialMovingAverage(decay, num_updates=number), []
    for variable in tf.trainable_variables():
        # Where the variable lies: what is sent elsewhere may be its value before the step.
        with tf.control_dependencies([train]), tf.device(variable.device):
            updates.append(average.apply([variable]))
    return tf.group(*updates)


def _seed_variables(seed: int) -> None:
    """Lets the first value of each variable depend on the seed and its name alone, and be drawn on the CPU.

    TensorFlow's own choice depends on how many operations the graph had before, which differ from device to device.
    """
    for operation in tf.get_default_graph().get_operations():
        if _INITIALIZER not in operation.name:
            continue
        if "_class" not in operation.node_def.attr:  # Else it has to be where another one is.
            device = tf.DeviceSpec.from_string(operation.device)
            operation._set_device(device.replace(device_type="CPU", device_index=0).to_string())
        if "seed2" in operation.node_def.attr:
            for attribute, value in (("seed", seed), ("seed2", zlib.crc32(operation.name.encode()))):
                operation._set_attr(attribute, tf.AttrValue(i=value))
