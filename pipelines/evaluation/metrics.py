"""The formulas of the metrics: arrays in, numbers out. Their names and directions are in `registry.py`.

Losses are as in Magenta, of a latent vector drawn from the posterior. Accuracies and errors are of what was decoded
from the posterior's mean.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from grooves import timing, tokens
from grooves.groove import Groove
from pipelines.evaluation import registry

TEMPERATURES = (1.0, 0.1)  # Of sampling.
LIKELIEST = TEMPERATURES[-1]  # Hit F1 and the groove's errors judge this decoding.


@dataclasses.dataclass(frozen=True)
class Outputs:
    """What a model made of `n` examples, beside the examples; None is what its config or the evaluation does without.

    `groove_terms` are the grooves' `hits_loss`, `velocities_loss` and `offsets_loss`, `[n, steps]`; `sampled_tokens`
    were drawn step after step, `[n, steps]` by temperature.
    """

    r_loss: np.ndarray  # `[n]`, reconstruction loss, nats.
    kl_loss: np.ndarray  # `[n]`, KL divergence above the free bits, nats.
    kl_bits: np.ndarray  # `[n]`, all of the KL divergence, bits.
    beta: float  # The weight of `kl_loss`.
    groove_terms: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    tokens: np.ndarray | None = None  # `[n, steps]`, those of the examples, -1 behind shorter ones.
    teacher_forced_tokens: np.ndarray | None = None  # `[n, steps]`, the likeliest, given the example's before each.
    sampled_tokens: dict[float, np.ndarray] = dataclasses.field(default_factory=dict)
    groove: Groove | None = None  # The examples, where they are drums; of tokens only the hits count.
    decoded_groove: Groove | None = None  # What was decoded at the lowest temperature.


def compute(outputs: Outputs) -> dict[str, float]:
    """Returns all metrics that can be computed of some outputs, by name, in the registry's order."""
    values = {metric.name: FORMULAS[metric.name](outputs) for metric in registry.METRICS}
    return {name: float(value) for name, value in values.items() if value is not None}


def loss(outputs: Outputs) -> float:
    """Returns what training minimizes (`models.objective`)."""
    return np.mean(outputs.r_loss) + outputs.beta * np.mean(outputs.kl_loss)


def token_accuracy(decoded: np.ndarray | None, targets: np.ndarray | None) -> float | None:
    """Returns the fraction of steps decoded right (MusicVAE, arXiv 1803.05428, table 2); steps of -1 do not count."""
    if decoded is None or targets is None:
        return None
    return np.mean((decoded == targets)[targets >= 0])


def hit_f1(decoded: np.ndarray, played: np.ndarray) -> float:
    """Returns the harmonic mean of precision and recall over boolean cells of one shape; 1 where both are silent."""
    both = np.sum(decoded & played)
    total = np.sum(decoded) + np.sum(played)
    return float(2 * both / total) if total else 1.0


def token_hits(steps: np.ndarray) -> Groove:
    """Returns the groove of drums' tokens, `[n, steps]`, that have hits alone."""
    hits = tokens.to_hits(steps)
    return Groove(hits, hits, np.zeros_like(hits))


def _hit_f1(outputs: Outputs) -> float | None:
    if outputs.groove is None or outputs.decoded_groove is None:
        return None
    if outputs.tokens is None and not outputs.groove.hits.any():
        return None
    return hit_f1(outputs.decoded_groove.hits > 0.5, outputs.groove.hits > 0.5)


def _groove_term(name: str) -> Callable[[Outputs], float | None]:
    return lambda outputs: np.mean(outputs.groove_terms[name]) if name in outputs.groove_terms else None


def _mae(error: Callable[[Groove, Groove], np.ndarray]) -> Callable[[Outputs], float | None]:
    """Returns the mean of an absolute error over the hits that were played (Learning to Groove, arXiv 1905.06118)."""

    def mean(outputs: Outputs) -> float | None:
        played, decoded = outputs.groove, outputs.decoded_groove
        if outputs.tokens is not None or decoded is None or not played.hits.any():
            return None
        return np.mean(error(decoded, played)[played.hits > 0.5])

    return mean


def _timing_error_ms(decoded: Groove, played: Groove) -> np.ndarray:
    return timing.offsets_to_ms(np.abs(decoded.offsets - played.offsets), played.qpm)


FORMULAS: dict[str, Callable[[Outputs], float | None]] = {
    "loss": loss,
    "r_loss": lambda outputs: np.mean(outputs.r_loss),
    "kl_loss": lambda outputs: np.mean(outputs.kl_loss),
    "kl_bits": lambda outputs: np.mean(outputs.kl_bits),
    "teacher_forced_accuracy": lambda outputs: token_accuracy(outputs.teacher_forced_tokens, outputs.tokens),
    "sampled_accuracy": lambda outputs: token_accuracy(outputs.sampled_tokens.get(TEMPERATURES[0]), outputs.tokens),
    "sampled_accuracy_t0.1": lambda outputs: token_accuracy(outputs.sampled_tokens.get(LIKELIEST), outputs.tokens),
    "hits_loss": _groove_term("hits_loss"),
    "velocities_loss": _groove_term("velocities_loss"),
    "offsets_loss": _groove_term("offsets_loss"),
    "hit_f1": _hit_f1,
    "velocity_mae": _mae(lambda decoded, played: np.abs(decoded.velocities - played.velocities)),
    "timing_mae_ms": _mae(_timing_error_ms),
    # The error of leaving every hit on the grid.
    "timing_mae_ms_quantized": _mae(lambda _, played: timing.offsets_to_ms(np.abs(played.offsets), played.qpm)),
}
