"""The gradients of a training step: added up over the towers, and clipped as Magenta does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.magenta import HParams, tf
from pipelines.training import placement
from pipelines.training.placement import COPY, Tower

CLIP_MODES = ("value", "global_norm")
_INSTANCE = 1  # The number of the one exchange of a step; each of TensorFlow's collective operations has one.


def check(hparams: HParams) -> None:
    """Raises ValueError if there is no such way to clip."""
    if hparams.clip_mode not in CLIP_MODES:
        raise ValueError(f"hparam clip_mode={hparams.clip_mode!r}; accepted: {', '.join(CLIP_MODES)}")


def total(
    of_towers: Sequence[Sequence[tf.Tensor]],
    towers: Sequence[Tower],
    variables: Sequence[tf.Variable],
    algorithm: str = COPY,
) -> list[tf.Tensor]:
    """Returns the gradient of each variable, the sum over the towers, where the variable lies.

    With the variables shared out over the devices, each device sends and receives as many bytes as in an all-reduce.

    Args:
        of_towers: Those of each tower, in the order of the variables.
        towers: Where they are computed.
        variables: What they are the gradients of.
        algorithm: How the devices of a machine add up, of `placement.ALGORITHMS` but auto. Over machines gradients are
            copied.
    """
    if len(towers) == 1:
        return list(of_towers[0])
    by_tower = dict(zip(towers, of_towers, strict=True))
    machines = placement.by_machine(towers)
    if algorithm != COPY:
        for number, members in enumerate(machines, start=1):
            by_tower |= _all_reduced({tower: by_tower[tower] for tower in members}, number, algorithm)
    sums = []
    for number, variable in enumerate(variables):
        parts = []
        for members in machines:  # What goes over the network is one gradient a machine.
            leader = placement.leader(members, number, variable.device)
            adds = [leader] if algorithm != COPY else members
            with tf.device(leader.device):
                parts.append(_add([by_tower[tower][number] for tower in adds]))
        with tf.device(variable.device):
            sums.append(_add(parts))
    return sums


def clipped(
    gradients: Sequence[tf.Tensor], hparams: HParams, *, at_once: bool = False
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Returns the gradients clipped as in Magenta's `music_vae_train.train`, and their norm before that.

    With `clip_mode` "global_norm" they are scaled down to a norm of `grad_clip`; where the norm is not below
    `grad_norm_clip_to_zero`, as when it is not a number, they are zeros.

    Args:
        gradients: Those of all variables.
        hparams: With `clip_mode`, `grad_clip` and `grad_norm_clip_to_zero`.
        at_once: Whether to clip them as one vector: fewer kernels for a GPU, which has to hold all of them; on a CPU
            its copies take longer. The norm is then rounded otherwise.
    """
    if hparams.clip_mode == "value":
        bound, norm = hparams.grad_clip, tf.global_norm(gradients)
        return [tf.clip_by_value(gradient, -bound, bound) for gradient in gradients], norm
    if not at_once:
        norm = tf.global_norm(gradients)
        scale, scaled = _scale(norm, hparams), []
        for gradient in gradients:
            with tf.device(gradient.device):  # That of its variable, where there are several.
                scaled.append(tf.math.multiply_no_nan(gradient, scale))
        return scaled, norm
    flat = tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], axis=0)
    norm = tf.sqrt(2 * tf.nn.l2_loss(flat))
    sizes = [gradient.shape.num_elements() for gradient in gradients]
    parts = tf.split(tf.math.multiply_no_nan(flat, _scale(norm, hparams)), sizes)
    return [tf.reshape(part, gradient.shape) for part, gradient in zip(parts, gradients, strict=True)], norm


def _scale(norm: tf.Tensor, hparams: HParams) -> tf.Tensor:
    """Returns what gradients of a norm are multiplied with. A condition would have a GPU wait for the CPU."""
    scale = hparams.grad_clip * tf.minimum(1.0 / norm, tf.constant(1.0) / hparams.grad_clip)
    return tf.where(norm < hparams.grad_norm_clip_to_zero, scale, 0.0)


def _add(parts: list[tf.Tensor]) -> tf.Tensor:
    return parts[0] if len(parts) == 1 else tf.add_n(parts)


def _all_reduced(of_towers: Mapping[Tower, Sequence[tf.Tensor]], group: int, hint: str) -> dict[Tower, list[tf.Tensor]]:
    """Returns the sums of gradients for each of a machine's towers: all that a tower has are one message.

    Args:
        of_towers: The gradients; no two towers on one device, or they would wait for each other for ever.
        group: The machine's number, from 1.
        hint: What TensorFlow's `CollectiveReduce` is to use.
    """
    if len(of_towers) == 1:
        return dict(of_towers)
    messages = {}
    for tower, gradients in of_towers.items():
        with tf.device(tower.device):
            messages[tower] = tf.raw_ops.CollectiveReduce(
                input=tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], axis=0),
                group_size=len(of_towers),
                group_key=group,
                instance_key=_INSTANCE,
                merge_op="Add",
                final_op="Id",
                subdiv_offsets=[0],
                communication_hint=hint,
            )
    reduced = {}
    for tower, gradients in of_towers.items():
        # Each waits for all: one whose sum nobody asks for would be left out, and the others wait for it.
        with tf.device(tower.device), tf.control_dependencies(list(messages.values())):
            parts = tf.split(messages[tower], [gradient.shape.num_elements() for gradient in gradients])
            reduced[tower] = [tf.reshape(part, gradient.shape) for part, gradient in zip(parts, gradients, strict=True)]
    return reduced
