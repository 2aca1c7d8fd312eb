"""The formulas of the metrics: what a model made of some examples in, numbers out. Their names are in `registry.py`.

Each metric is a function of sums over examples (`Formula`), so that `estimates.py` can give its value over all windows,
that of each performance, and what chance does to both. Losses are as in Magenta, of a latent vector drawn from the
posterior. Of which latent vector something was decoded, and how, `DECODINGS` says.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from grooves import drums, timing, tokens
from grooves.groove import Groove
from pipelines.evaluation import registry

# The ways that tokens are decoded, each with its accuracy. As in MusicVAE (arXiv 1803.05428, table 2), the first of a
# pair takes a latent vector drawn from the posterior, and samples are drawn at temperature 1; the second takes the
# posterior's mean and always the likeliest token, so that nothing is left to chance.
TEACHER_FORCED, TEACHER_FORCED_MEAN, SAMPLED, SAMPLED_MEAN = DECODINGS = (
    *("teacher_forced", "teacher_forced_mean"),
    *("sampled", "sampled_mean"),
)
GIVEN_HITS = registry.GIVEN_HITS  # Grooves of the posterior's mean, told the hits: velocities and offsets are decoded.
DRUM_NAMES = tuple(name.replace(" ", "_").replace("-", "_") for name in drums.CLASS_NAMES)
NUM_BINS = 21  # Of a histogram; an odd number, so that a hit on the grid is in the middle of one.
SMOOTHING = 0.01  # So much of a histogram is spread over all bins: the logarithm of an empty one would be infinite.
ACTIVE_VARIANCE = 0.01  # Burda et al. 2016, section 2.4.


@dataclasses.dataclass(frozen=True)
class Outputs:
    """What was made of `n` examples, beside the examples; None is what their kind or who made it does without.

    A baseline has neither losses nor a posterior. `groove_terms` are the grooves' `hits_loss`, `velocities_loss` and
    `offsets_loss`, `[n, steps]`; `decoded_tokens` are `[n, steps]` by the names of `DECODINGS`.
    """

    performance: np.ndarray  # `[n]` integers, which performance each example was cut out of.
    r_loss: np.ndarray | None = None  # `[n]`, reconstruction loss, nats.
    kl_loss: np.ndarray | None = None  # `[n]`, KL divergence above the free bits, nats.
    kl_bits: np.ndarray | None = None  # `[n]`, all of the KL divergence, bits.
    beta: float = 0.0  # The weight of `kl_loss`.
    posterior_means: np.ndarray | None = None  # `[n, z_size]`.
    groove_terms: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    tokens: np.ndarray | None = None  # `[n, steps]`, those of the examples, -1 behind shorter ones.
    decoded_tokens: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    groove: Groove | None = None  # The examples, where they are drums; of tokens only the hits count.
    decoded_groove: Groove | None = None  # What was decoded of them, the likeliest of the posterior's mean.
    humanized_groove: Groove | None = None  # What was decoded of them with `GIVEN_HITS`.
    lengths: np.ndarray | None = None  # `[n]`, steps of each that count; None is all.

    def counted(self, num_steps: int) -> np.ndarray:
        """Returns which of so many steps count, `[n, steps]` booleans: padding does not."""
        if self.tokens is not None:
            return self.tokens[:, :num_steps] >= 0
        lengths = np.full(len(self.performance), num_steps) if self.lengths is None else self.lengths
        return np.arange(num_steps) < lengths[:, np.newaxis]

    @functools.cached_property
    def cells(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The hits that were decoded and that were played, `[n, steps, drums]` booleans; None without either."""
        if self.groove is None or self.decoded_groove is None:
            return None
        counted = self.counted(self.groove.hits.shape[1])[..., np.newaxis]
        return (self.decoded_groove.hits > 0.5) & counted, (self.groove.hits > 0.5) & counted

    @functools.cached_property
    def humanized(self) -> Outputs | None:
        """These outputs with `humanized_groove` as what was decoded; None without it."""
        if self.humanized_groove is None:
            return None
        return dataclasses.replace(self, decoded_groove=self.humanized_groove)

    @functools.cached_property
    def hit_counts(self) -> np.ndarray | None:
        """Hits both decoded and played, decoded, played: `[n, 3, drums]`; None without either."""
        if self.cells is None:
            return None
        decoded, played = self.cells
        return np.stack([(decoded & played).sum(1), decoded.sum(1), played.sum(1)], axis=1).astype(np.float64)


@dataclasses.dataclass(frozen=True)
class Formula:
    """A metric as a function of sums.

    Attributes:
        statistics: Gives what is summed, `[n, k]` of n examples; None where these outputs have no such metric.
        value: Gives the metric `[…]` of sums `[…, k]`; NaN where it is undefined.
        is_of_performances: Whether it means something of one performance.
    """

    statistics: Callable[[Outputs], np.ndarray | None]
    value: Callable[[np.ndarray], np.ndarray]
    is_of_performances: bool = True


def compute(outputs: Outputs) -> dict[str, float]:
    """Returns all metrics over all windows that are defined of some outputs, by name, in the registry's order."""
    found = {}
    for name, formula in FORMULAS.items():
        statistics = formula.statistics(outputs)
        if statistics is not None and not np.isnan(value := formula.value(statistics.sum(axis=0))):
            found[name] = float(value)
    return found


def ratio(sums: np.ndarray) -> np.ndarray:
    """Returns the first of two sums divided by the second, `[…]` of `[…, 2]`; NaN where that is 0."""
    return np.divide(sums[..., 0], sums[..., 1], out=np.full(sums.shape[:-1], np.nan), where=sums[..., 1] > 0)


def spread(sums: np.ndarray) -> np.ndarray:
    """Returns standard deviations `[…]` of sums of values, their squares and their number, `[…, 3]`."""
    mean, square = (ratio(sums[..., [part, 2]]) for part in (0, 1))
    return np.sqrt(np.maximum(square - mean**2, 0))


def active_units(sums: np.ndarray) -> np.ndarray:
    """Returns how many units of the latent vector say something of the example.

    Those are active whose posterior means vary by more than 0.01 over the data (Burda et al. 2016, "Importance
    Weighted Autoencoders", arXiv 1509.00519, section 2.4).

    Args:
        sums: `[…, 2 · z_size + 1]`: of the means, of their squares, and the number of examples.
    """
    mean, square = np.split(sums[..., :-1] / sums[..., -1:], 2, axis=-1)
    return np.sum(square - mean**2 > ACTIVE_VARIANCE, axis=-1).astype(np.float64)


def divergence(sums: np.ndarray) -> np.ndarray:
    """Returns the KL divergence of decoded from played values in nats, KL(played ‖ decoded), `[…]`.

    The idea is that of Learning to Groove (arXiv 1905.06118, section 5): a model that always answers the mean has a
    small error and no groove, and this shows it. The details are this project's, and figures are comparable among
    themselves alone. The hits of each of the four sixteenths of a beat have a histogram of 21 equal bins, offsets from
    -1 to 1, velocities from 0 to 1; one per cent of each is spread over all bins. The four divergences are weighted
    by the hits played there. It is undefined where nothing was decoded or nothing played.

    Args:
        sums: `[…, 2 · 4 · 21]` hits: decoded | played.
    """
    counts = sums.reshape(*sums.shape[:-1], 2, timing.STEPS_PER_QUARTER, NUM_BINS)
    totals = counts.sum(axis=-1, keepdims=True)
    even = np.full(counts.shape, 1 / NUM_BINS)
    shares = np.divide(counts, totals, out=even.copy(), where=totals > 0)
    decoded, played = np.moveaxis((1 - SMOOTHING) * shares + SMOOTHING * even, -3, 0)
    of_sixteenths = np.sum(played * np.log(played / decoded), axis=-1)
    num_decoded, num_played = np.moveaxis(totals[..., 0], -2, 0)
    mean = ratio(np.stack([np.sum(of_sixteenths * num_played, axis=-1), num_played.sum(axis=-1)], axis=-1))
    return np.where(num_decoded.sum(axis=-1) > 0, mean, np.nan)


def token_hits(steps: np.ndarray) -> Groove:
    """Returns the groove of drums' tokens, `[n, steps]`, that have hits alone."""
    hits = tokens.to_hits(steps)
    return Groove(hits, hits, np.zeros_like(hits))


def _mean(of: Callable[[Outputs], np.ndarray | None]) -> Formula:
    """Returns the formula of a mean over examples, `of` them `[n]` each."""

    def statistics(outputs: Outputs) -> np.ndarray | None:
        values = of(outputs)
        return None if values is None else np.stack([values, np.ones_like(values)], axis=1).astype(np.float64)

    return Formula(statistics, ratio)


def _loss(outputs: Outputs) -> np.ndarray | None:
    """Returns what training minimizes (`models.objective`)."""
    return None if outputs.r_loss is None else outputs.r_loss + outputs.beta * outputs.kl_loss


def _active_units(outputs: Outputs) -> np.ndarray | None:
    if outputs.posterior_means is None:
        return None
    means = outputs.posterior_means.astype(np.float64)
    return np.concatenate([means, means**2, np.ones([len(means), 1])], axis=1)


def _token_accuracy(decoding: str) -> Formula:
    """Returns the fraction of steps decoded right (MusicVAE, arXiv 1803.05428, table 2)."""

    def statistics(outputs: Outputs) -> np.ndarray | None:
        decoded = outputs.decoded_tokens.get(decoding)
        if decoded is None:
            return None
        counted = outputs.tokens >= 0
        right = (decoded == outputs.tokens) & counted
        return np.stack([right.sum(1), counted.sum(1)], axis=1).astype(np.float64)

    return Formula(statistics, ratio)


def _groove_term(name: str) -> Formula:
    def statistics(outputs: Outputs) -> np.ndarray | None:
        values = outputs.groove_terms.get(name)
        if values is None:
            return None
        counted = outputs.counted(values.shape[1])
        return np.stack([np.sum(values * counted, axis=1), counted.sum(1)], axis=1).astype(np.float64)

    return Formula(statistics, ratio)


def _hits(parts: np.ndarray, drum: int | None) -> Formula:
    """Returns a ratio of numbers of hits, of one drum or of all nine.

    Args:
        parts: `[2, 3]`: how often those both decoded and played, decoded, and played, count above and below.
        drum: Which, or None.
    """

    def statistics(outputs: Outputs) -> np.ndarray | None:
        counts = outputs.hit_counts
        if counts is None or counts.shape[-1] != drums.NUM_CLASSES:
            return None
        return (counts.sum(-1) if drum is None else counts[..., drum]) @ np.transpose(parts)

    return Formula(statistics, ratio)


def _right_steps(outputs: Outputs) -> np.ndarray | None:
    """Returns on how many steps all drums were decoded as they were played, and how many steps there are, `[n, 2]`."""
    if outputs.tokens is not None or outputs.cells is None:
        return None
    decoded, played = outputs.cells
    counted = outputs.counted(played.shape[1])
    right = (decoded == played).all(axis=2) & counted
    return np.stack([right.sum(1), counted.sum(1)], axis=1).astype(np.float64)


# The harmonic mean of precision and recall, the fraction of decoded hits that were played, and of played that were
# decoded (van Rijsbergen 1979, chapter 7). Where the denominator is 0 they are undefined.
_HIT_RATIOS = {
    "hit_f1": np.array([[2.0, 0, 0], [0, 1, 1]]),
    "hit_precision": np.array([[1.0, 0, 0], [0, 1, 0]]),
    "hit_recall": np.array([[1.0, 0, 0], [0, 0, 1]]),
}


def _error(of: Callable[[Groove, Groove], np.ndarray], *, is_of_decoded: bool = False) -> Formula:
    """Returns the mean of an error over the hits that were played (Learning to Groove, arXiv 1905.06118, section 5).

    Args:
        of: Gives it, `[n, steps, drums]` of what was decoded and what was played. A hit that was not decoded counts
            with the velocity and the offset that were, which decoders give of every drum at every step.
        is_of_decoded: Only hits count that were decoded, too.
    """

    def statistics(outputs: Outputs) -> np.ndarray | None:
        if outputs.tokens is not None or outputs.cells is None:
            return None
        decoded, played = outputs.cells
        cells = played & decoded if is_of_decoded else played
        errors = of(outputs.decoded_groove, outputs.groove)
        return np.stack([np.sum(errors * cells, (1, 2)), cells.sum((1, 2))], axis=1).astype(np.float64)

    return Formula(statistics, ratio)


def _velocity_error(decoded: Groove, played: Groove) -> np.ndarray:
    return np.abs(decoded.velocities - played.velocities)


def _timing_error_ms(decoded: Groove, played: Groove) -> np.ndarray:
    return timing.offsets_to_ms(np.abs(decoded.offsets - played.offsets), played.qpm)


def _squared_timing_error(decoded: Groove, played: Groove) -> np.ndarray:
    """Returns squared sixteenths; an offset of 1 is half of one, so that these are a quarter of squared offsets."""
    sixteenths_per_offset = timing.offsets_to_ms(np.ones([1, 1]), timing.QPM) / timing.steps_to_ms(1, timing.QPM)
    return ((decoded.offsets - played.offsets) * sixteenths_per_offset) ** 2


def _spread(part: str, *, is_played: bool) -> Formula:
    """Returns the standard deviation of the velocities or offsets of all hits that were played, or decoded."""

    def statistics(outputs: Outputs) -> np.ndarray | None:
        if outputs.tokens is not None or outputs.cells is None:
            return None
        cells = outputs.cells[is_played]
        values = getattr(outputs.groove if is_played else outputs.decoded_groove, part)
        summed = [np.sum(values**power * cells, (1, 2), dtype=np.float64) for power in (1, 2)]
        return np.stack([*summed, cells.sum((1, 2))], axis=1)

    return Formula(statistics, spread)


def _divergence(part: str, lowest: float) -> Formula:
    """Returns the divergence of velocities or offsets, in bins from `lowest` to 1."""

    def statistics(outputs: Outputs) -> np.ndarray | None:
        if outputs.tokens is not None or outputs.cells is None:
            return None
        grooves = zip((outputs.decoded_groove, outputs.groove), outputs.cells, strict=True)
        return np.concatenate([_histograms(getattr(groove, part), cells, lowest) for groove, cells in grooves], axis=1)

    return Formula(statistics, divergence)


def _histograms(values: np.ndarray, cells: np.ndarray, lowest: float) -> np.ndarray:
    """Counts each example's hits by sixteenth of the beat and bin, `[n, 4 · 21]`."""
    example, step, _ = np.nonzero(cells)
    bins = np.clip((values[cells] - lowest) / (1 - lowest) * NUM_BINS, 0, NUM_BINS - 1).astype(np.int64)
    num_columns = timing.STEPS_PER_QUARTER * NUM_BINS
    where = (example * timing.STEPS_PER_QUARTER + step % timing.STEPS_PER_QUARTER) * NUM_BINS + bins
    return np.bincount(where, minlength=len(values) * num_columns).reshape(-1, num_columns).astype(np.float64)


def _given_hits(formula: Formula) -> Formula:
    """Returns a metric of what was decoded as that of what was decoded given the hits."""

    def statistics(outputs: Outputs) -> np.ndarray | None:
        return None if outputs.humanized is None else formula.statistics(outputs.humanized)

    return Formula(statistics, formula.value)


_TRUE_POSITIVES = "_true_positives"  # Ends the names of errors over the hits that were decoded, too.
_ERRORS = {
    "velocity_mae": _velocity_error,
    "timing_mae_ms": _timing_error_ms,
    "timing_mse": _squared_timing_error,
}
_BY_NAME: dict[str, Formula] = {
    "loss": _mean(_loss),
    "r_loss": _mean(lambda outputs: outputs.r_loss),
    "kl_loss": _mean(lambda outputs: outputs.kl_loss),
    "kl_bits": _mean(lambda outputs: outputs.kl_bits),
    "active_units": Formula(_active_units, active_units, is_of_performances=False),
    "teacher_forced_accuracy": _token_accuracy(TEACHER_FORCED),
    "teacher_forced_accuracy_mean": _token_accuracy(TEACHER_FORCED_MEAN),
    "sampled_accuracy": _token_accuracy(SAMPLED),
    "sampled_accuracy_mean": _token_accuracy(SAMPLED_MEAN),
    **{name: _groove_term(name) for name in ("hits_loss", "velocities_loss", "offsets_loss")},
    **{name: _hits(parts, None) for name, parts in _HIT_RATIOS.items()},
    **{
        f"{name}_{drum_name}": _hits(parts, drum)
        for name, parts in _HIT_RATIOS.items()
        for drum, drum_name in enumerate(DRUM_NAMES)
    },
    "step_accuracy": Formula(_right_steps, ratio),
    **{name: _error(error) for name, error in _ERRORS.items()},
    **{f"{name}{_TRUE_POSITIVES}": _error(error, is_of_decoded=True) for name, error in _ERRORS.items()},
    "velocity_spread": _spread("velocities", is_played=False),
    "velocity_spread_data": _spread("velocities", is_played=True),
    "offset_spread": _spread("offsets", is_played=False),
    "offset_spread_data": _spread("offsets", is_played=True),
    "velocity_kl": _divergence("velocities", 0.0),
    "timing_kl": _divergence("offsets", -1.0),
}
_BY_NAME |= {f"{name}_{GIVEN_HITS}": _given_hits(_BY_NAME[name]) for name in registry.HUMANIZED}


def names_of(metric: registry.Metric) -> list[str]:
    """Returns a metric's name, and after it, where there is one of each drum, theirs."""
    return [metric.name, *(f"{metric.name}_{drum}" for drum in DRUM_NAMES if metric.is_by_drum)]


FORMULAS: dict[str, Formula] = {name: _BY_NAME[name] for metric in registry.METRICS for name in names_of(metric)}
