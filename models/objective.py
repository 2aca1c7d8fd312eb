"""The terms of the loss, computed once for training and evaluation: reconstruction, KL with free bits, and beta.

    loss = mean(r_loss) + beta · mean(kl_loss),    kl_loss = max(KL - free bits, 0)

as in Magenta (`magenta/models/music_vae/base_model.py` of magenta 2.1.4; MusicVAE, arXiv 1803.05428, section 2.1).
Everything is in nats, except where a name says bits.
"""

from __future__ import annotations

import math

from grooves import groove
from models.magenta import HParams, tf

NATS_PER_BIT = math.log(2)
EPSILON = 1e-7  # Added inside the logarithms of the hits' loss, as in `tf.losses.log_loss`.


def kl_divergence(mean: tf.Tensor, stddev: tf.Tensor) -> tf.Tensor:
    """Returns the KL divergence `[batch]` of diagonal normal distributions `[batch, z_size]` from the standard one."""
    return 0.5 * tf.reduce_sum(tf.square(mean) + tf.square(stddev) - 1 - 2 * tf.math.log(stddev), axis=1)


def kl_terms(kl: tf.Tensor, hparams: HParams) -> dict[str, tf.Tensor]:
    """Returns `kl_loss`, what is left of the KL above the free bits, and `kl_bits`, all of it; `[batch]` each."""
    return {"kl_loss": tf.maximum(kl - hparams.free_bits * NATS_PER_BIT, 0), "kl_bits": kl / NATS_PER_BIT}


def beta(hparams: HParams, step: tf.Tensor | int) -> tf.Tensor | float:
    """Returns the weight of the KL at a step of training, a number or a float32 tensor.

    It grows from 0 towards `max_beta`, the slower the nearer to 1 `beta_rate` is; at a rate of 0 it is there at once.
    """
    return (1 - hparams.beta_rate**step) * hparams.max_beta


ERRORS = {"squared": tf.square, "absolute": tf.abs}


def groove_terms(
    outputs: tf.Tensor, targets: tf.Tensor, error: str = "squared", silent_weight: float = 1.0
) -> dict[str, tf.Tensor]:
    """Returns how far a decoder's outputs are from a groove, `[…]` each, summed over the nine drums of a step.

    The loss is their sum: the cross-entropy of the hits, and the squared errors of velocities and offsets, of silent
    drums too (Learning to Groove, arXiv 1905.06118, section 4.2). With "absolute" errors the best guess is the median,
    which is what a mean absolute error asks for. As silent drums count, whose velocities and offsets are 0, a hit that
    is not certain is guessed softer and nearer to the grid than it is played; the less they weigh, the less so. At a
    weight of 0 nothing says what they are, and a decoder gets lost in what it then hears of itself.

    Args:
        outputs: `[…, 27]` = 9 logits of hits | 9 of velocities, before a sigmoid | 9 of offsets, before a tanh.
        targets: `[…, 27]` = 9 hits | 9 velocities in [0, 1] | 9 offsets in [-1, 1].
        error: One of ERRORS.
        silent_weight: Of the errors of velocities and offsets where a drum is silent.
    """
    hits, velocities, offsets = tf.split(targets, groove.NUM_PARTS, axis=-1)
    hit_logits, velocity_logits, offset_logits = tf.split(outputs, groove.NUM_PARTS, axis=-1)
    weights = hits + silent_weight * (1 - hits)
    chance = tf.sigmoid(hit_logits)
    log_likelihood = hits * tf.math.log(chance + EPSILON) + (1 - hits) * tf.math.log(1 - chance + EPSILON)
    return {
        "hits_loss": -tf.reduce_sum(log_likelihood, axis=-1),
        "velocities_loss": tf.reduce_sum(weights * ERRORS[error](velocities - tf.sigmoid(velocity_logits)), axis=-1),
        "offsets_loss": tf.reduce_sum(weights * ERRORS[error](offsets - tf.tanh(offset_logits)), axis=-1),
    }
