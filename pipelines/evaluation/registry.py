"""The metrics by name: what each is called and how it is shown. Without TensorFlow, as flags are made of it.

`metrics.py` has a formula for each. A new metric is an entry here and a formula there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

TOKENS, GROOVES = "tokens", "grooves"  # The kinds of output that some metrics are for.


@dataclasses.dataclass(frozen=True)
class Metric:
    """A number that says how well a model does.

    Of several metrics of a panel, the first one that was measured is drawn. Validation in training does without what
    `is_sampled`, and tells what `is_told`, whatever the best checkpoint is chosen by.
    """

    name: str  # In flags, in `metrics.json` and `metrics.jsonl`.
    unit: str  # Empty for fractions of 1.
    better: int  # 1 where more is better, -1 where less is, 0 where neither is.
    tag: str = ""  # TensorBoard's name, Magenta's where Magenta has one; empty is `metrics/NAME`.
    title: str = ""  # What pictures call it; empty is its name.
    panel: int | None = None  # In which panel of a run's curves it is drawn, from 0; None is none.
    kind: str = ""  # The kind of output that it is for; empty is every kind.
    is_sampled: bool = False  # Whether something has to be decoded for it that the loss does without.
    is_by_drum: bool = False  # Whether there is one of each drum besides, `NAME_DRUM`.
    is_told: bool = False  # Whether the line about a validation tells it.
    is_benchmarked: bool = False  # Whether the benchmarks' curves show it.
    says: str = ""  # A sentence on what it says, for pages.

    @property
    def label(self) -> str:
        """The title of a picture's axis, with the unit."""
        title = self.title or self.name
        return f"{title} ({self.unit})" if self.unit else title


METRICS = (
    Metric(
        "loss",
        "nats a window",
        -1,
        "loss",
        "loss",
        panel=0,
        is_told=True,
        is_benchmarked=True,
        says="What training minimizes: the reconstruction loss, and the KL divergence above the free bits times beta.",
    ),
    Metric(
        "r_loss",
        "nats a window",
        -1,
        "losses/r_loss",
        says="How unlikely the model holds what was played, each step told the true steps before it.",
    ),
    Metric(
        "kl_loss",
        "nats a window",
        0,
        "losses/kl_loss",
        says="The part of the KL divergence that training pays for: what is above the free bits.",
    ),
    Metric(
        "kl_bits",
        "bits",
        0,
        "losses/kl_bits",
        "KL",
        panel=1,
        is_told=True,
        says="How much the latent vector tells of a window: the KL divergence of the posterior from the prior.",
    ),
    Metric(
        "active_units",
        "units",
        0,
        says="Units of the latent vector whose posterior means vary over the data; the others say nothing.",
    ),
    Metric(
        "teacher_forced_accuracy",
        "",
        1,
        "metrics/accuracy",
        "accuracy, teacher-forced",
        panel=2,
        kind=TOKENS,
        is_told=True,
        is_benchmarked=True,
        says="Steps decoded right where each is told the true steps before it; drawn latent vector, temperature 1.",
    ),
    Metric(
        "teacher_forced_accuracy_mean",
        "",
        1,
        kind=TOKENS,
        is_sampled=True,
        says="The same of the posterior's mean: nothing is drawn.",
    ),
    Metric(
        "sampled_accuracy",
        "",
        1,
        title="accuracy, sampled",
        kind=TOKENS,
        is_sampled=True,
        says="Steps decoded right where the latent vector is all that is known; it and the steps are drawn.",
    ),
    Metric(
        "sampled_accuracy_mean",
        "",
        1,
        title="accuracy, the likeliest",
        kind=TOKENS,
        is_sampled=True,
        says="The same of the posterior's mean and the likeliest token. The sounds below are this decoding.",
    ),
    Metric(
        "hits_loss",
        "nats a step",
        -1,
        title="hits loss",
        panel=2,
        kind=GROOVES,
        is_told=True,
        says="The part of the reconstruction loss that is about where hits are.",
    ),
    Metric("velocities_loss", "a step", -1, kind=GROOVES, says="The part of it that is about how loud they are."),
    Metric("offsets_loss", "a step", -1, kind=GROOVES, says="The part of it that is about how early or late they are."),
    Metric(
        "hit_f1",
        "",
        1,
        title="hit F1",
        is_sampled=True,
        is_by_drum=True,
        is_benchmarked=True,
        says="Hits decoded where hits were played, of the posterior's mean: the harmonic mean of the two lines below.",
    ),
    Metric(
        "hit_precision", "", 1, is_sampled=True, is_by_drum=True, says="The share of the decoded hits that were played."
    ),
    Metric(
        "hit_recall", "", 1, is_sampled=True, is_by_drum=True, says="The share of the hits played that were decoded."
    ),
    Metric(
        "step_accuracy",
        "",
        1,
        title="accuracy, all nine drums",
        kind=GROOVES,
        is_sampled=True,
        says="Steps on which all nine drums are right, hit or silent: what sampled_accuracy_mean is for tokens.",
    ),
    # Velocities are in [0, 1], offsets in [-1, 1] of half a step. Errors are over all hits that were played.
    Metric(
        "velocity_mae",
        "",
        -1,
        title="velocity error",
        kind=GROOVES,
        is_sampled=True,
        is_benchmarked=True,
        says="How far velocities, from 0 to 1, are off on average, over all hits that were played.",
    ),
    Metric(
        "timing_mae_ms",
        "ms",
        -1,
        title="timing error",
        kind=GROOVES,
        is_sampled=True,
        is_benchmarked=True,
        says="How far the times of hits are off on average, over all hits that were played.",
    ),
    Metric(
        "timing_mse",
        "squared sixteenths",
        -1,
        kind=GROOVES,
        is_sampled=True,
        says="The same squared, in sixteenths whatever the tempo: large errors weigh more.",
    ),
    Metric(
        "velocity_mae_true_positives",
        "",
        -1,
        kind=GROOVES,
        is_sampled=True,
        says="The same as velocity_mae over the hits that were decoded, too.",
    ),
    Metric(
        "timing_mae_ms_true_positives",
        "ms",
        -1,
        kind=GROOVES,
        is_sampled=True,
        says="The same as timing_mae_ms over the hits that were decoded, too.",
    ),
    Metric(
        "timing_mse_true_positives",
        "squared sixteenths",
        -1,
        kind=GROOVES,
        is_sampled=True,
        says="The same as timing_mse over the hits that were decoded, too.",
    ),
    Metric(
        "velocity_spread",
        "",
        0,
        kind=GROOVES,
        is_sampled=True,
        says="Standard deviation of the decoded hits' velocities: small where all are equally loud.",
    ),
    Metric(
        "velocity_spread_data", "", 0, kind=GROOVES, is_sampled=True, says="That of the hits played, for comparison."
    ),
    Metric(
        "offset_spread",
        "",
        0,
        kind=GROOVES,
        is_sampled=True,
        says="Standard deviation of the decoded hits' offsets, in half steps: small where all are on the grid.",
    ),
    Metric("offset_spread_data", "", 0, kind=GROOVES, is_sampled=True, says="That of the hits played, for comparison."),
    Metric(
        "velocity_kl",
        "nats",
        -1,
        kind=GROOVES,
        is_sampled=True,
        says="How unlike the histograms of velocities are: large where a model always answers the mean.",
    ),
    Metric(
        "timing_kl",
        "nats",
        -1,
        kind=GROOVES,
        is_sampled=True,
        says="How unlike the histograms of timing are: large where a model always answers the mean.",
    ),
)
GIVEN_HITS = "given_hits"  # Ends the names of what is measured where the hits are given, as baselines of grooves are.
HUMANIZED = (
    *("velocity_mae", "timing_mae_ms", "timing_mse"),
    *("velocity_spread", "offset_spread", "velocity_kl", "timing_kl"),
)
METRICS += tuple(
    dataclasses.replace(
        metric,
        name=f"{metric.name}_{GIVEN_HITS}",
        title="",
        is_benchmarked=False,
        says=f"The same as {metric.name} where the hits are given, and how they are played alone is decoded.",
    )
    for metric in METRICS
    if metric.name in HUMANIZED
)
BY_NAME = {metric.name: metric for metric in METRICS}
# What a checkpoint can be the best by: what validation measures while a run is trained, and has a direction.
BEST_NAMES = tuple(metric.name for metric in METRICS if metric.better and not metric.is_sampled)


def unsampled_names(kind: str) -> list[str]:
    """Returns the names of what is measured of outputs of a kind (empty: of another one) without sampling."""
    return [metric.name for metric in METRICS if metric.kind in ("", kind) and not metric.is_sampled]


def tag_of(name: str) -> str:
    """Returns TensorBoard's name of a metric."""
    metric = BY_NAME.get(name)  # None is that of one drum.
    return (metric and metric.tag) or f"metrics/{name}"


def panels() -> list[list[Metric]]:
    """Returns the metrics of each panel of a run's curves, from left to right."""
    drawn = [metric for metric in METRICS if metric.panel is not None]
    return [[metric for metric in drawn if metric.panel == number] for number in sorted({m.panel for m in drawn})]


def best_row(rows: Sequence[dict], name: str) -> dict | None:
    """Returns the one of a run's validation rows with the best value, the first of equals; None without any."""
    better = BY_NAME[name].better
    found = [row for row in rows if row.get(name) is not None]
    return max(found, key=lambda row: (better * row[name], -row["step"]), default=None)
