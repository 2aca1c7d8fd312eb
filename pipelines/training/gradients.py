"""The gradients of a training step: added up over the towers, and clipped as Magenta does."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from models.magenta import HParams, tf
from pipelines.training.placement import Tower

CLIP_MODES = ("value", "global_norm")


def check(hparams: HParams) -> None:
    """Raises ValueError if there is no such way to clip."""
    if hparams.clip_mode not in CLIP_MODES:
        raise ValueError(f"hparam clip_mode={hparams.clip_mode!r}; accepted: {', '.join(CLIP_MODES)}")


def total(
    of_towers: Sequence[Sequence[tf.Tensor]], towers: Sequence[Tower], variables: Sequence[tf.Variable]
) -> list[tf.Tensor]:
    """Returns the gradient of each variable, the sum over the towers, where the variable lies.

    With the variables shared out over the devices, each device sends and receives as many bytes as in an all-reduce.

    Args:
        of_towers: Those of each tower, in the order of the variables.
        towers: Where they are computed.
        variables: What they are the gradients of.
    """
    if len(towers) == 1:
        return list(of_towers[0])
    machines = [list(group) for _, group in itertools.groupby(range(len(towers)), lambda k: towers[k].machine)]
    sums = []
    for number, variable in enumerate(variables):
        parts = []
        for members in machines:  # What goes over the network is one gradient a machine.
            with tf.device(towers[members[0]].device if len(machines) > 1 else variable.device):
                parts.append(_add([of_towers[member][number] for member in members]))
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
