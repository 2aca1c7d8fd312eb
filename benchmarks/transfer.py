"""Transfer beside humanizing: whose way of playing a drummer's hits comes nearest to how he went on to play them.

    python -m benchmarks.transfer --train_path=…/train.tfrecord --examples_path=…/validation.tfrecord

Each pair is two windows of four bars of one held-out performance, one after the other. The hits of the second are
played in the groove of the first (`--mode=transfer`), as `humanize` plays them, as the mean of the nearest training
windows does, and flat; each is compared with what the drummer played. Two more lines bound it: a groove of another
performance, drawn at random, and the second window's own, which nobody has who wants to play it. `groovae`, which hears
grooves, transfers by its latent vectors.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from absl import flags

import configs
from grooves import transforms
from grooves.groove import Groove
from pipelines import cli
from pipelines.evaluation import estimates, metrics, nearest, results, samples
from pipelines.evaluation.estimates import Estimate
from pipelines.examples import loading
from pipelines.generation import manner, player
from pipelines.generation.modes import NUM_NEIGHBOURS
from pipelines.generation.player import Player
from pipelines.runs import pretrained

METRICS = ("timing_mae_ms", "velocity_mae", "offset_spread", "velocity_spread")
WINDOWS_OF = "groovae_4bar"  # A config whose windows do not overlap.
SEED = 1


@dataclasses.dataclass(frozen=True, eq=False)
class Pairs:
    """Windows `[n, steps, 9]` and what was played right before each, in the same performance.

    Attributes:
        before: What was played first.
        played: What was played then.
        performance: `[n]`, of which performance they are.
    """

    before: Groove
    played: Groove
    performance: np.ndarray


def pairs_of(windows: Groove, performance: np.ndarray) -> Pairs:
    """Returns the windows that follow one of the same performance, with it.

    Args:
        windows: `[n, steps, 9]` in their order, with their tempos `[n]`.
        performance: `[n]`, of which performance each is.
    """
    rows = np.flatnonzero(performance[1:] == performance[:-1])
    return Pairs(transforms.taken(windows, rows), transforms.taken(windows, rows + 1), performance[rows])


def ways(humanizing: Player, vectors: Player, train: Groove, pairs: Pairs) -> Iterator[tuple[str, Groove]]:
    """Yields the ways to play the second windows' hits by name, each with what it plays, `[n, steps, 9]`.

    Args:
        humanizing: A model that hears hits alone.
        vectors: One that hears grooves.
        train: `[m, steps, 9]`, among which neighbours are looked for.
        pairs: The windows.
    """
    hits = pairs.played.hits
    loudness = train.velocities[train.hits > 0.5].mean()
    humanized = humanizing.model.play(humanizing.means(pairs.played), hits)

    def in_manner_of(windows: Groove) -> Groove:
        expected = humanizing.model.play(humanizing.means(windows), windows.hits)
        played = [
            manner.of(transforms.taken(windows, row), transforms.taken(expected, row)).added_to(
                transforms.taken(humanized, row)
            )
            for row in range(len(hits))
        ]
        return Groove(hits, *(np.stack([getattr(each, part) for each in played]) for part in ("velocities", "offsets")))

    yield "flat", Groove(hits, hits * loudness, np.zeros_like(hits))
    yield f"{NUM_NEIGHBOURS} nearest", nearest.mean_of_neighbours(train, hits, NUM_NEIGHBOURS)
    yield "humanize", humanized
    yield "another's groove", in_manner_of(transforms.taken(pairs.before, others(pairs.performance)))
    yield "transfer", in_manner_of(pairs.before)
    yield "its own groove", in_manner_of(pairs.played)
    yield "transfer by vectors", vectors.model.play(vectors.means(pairs.before), hits)


def others(performance: np.ndarray) -> np.ndarray:
    """Returns, for each row, a random one of another performance.

    Raises:
        ValueError: there is one performance alone.
    """
    if len(set(performance)) < 2:
        raise ValueError("windows of two performances at least are needed, two of each")
    random = np.random.default_rng(SEED)
    return np.array([random.choice(np.flatnonzero(performance != own)) for own in performance])


def judge(played: Iterator[tuple[str, Groove]], pairs: Pairs) -> dict[str, dict[str, Estimate]]:
    """Returns the metrics of each way to play, by its name and theirs; units are those of `evaluation/registry.py`."""
    outputs = metrics.Outputs(pairs.performance, groove=pairs.played)
    found = {name: estimates.estimate(dataclasses.replace(outputs, decoded_groove=groove)) for name, groove in played}
    return {name: {metric: of_way[metric] for metric in METRICS} for name, of_way in found.items()}


def define_flags() -> None:
    flags.DEFINE_string("pretrained", "humanize", "A trained model of the clone that hears hits alone.")
    flags.DEFINE_string("vectors_of", "groovae", "One that hears grooves.")
    flags.DEFINE_string(
        "train_path", None, "TFRecord of NoteSequences to find neighbours in, or a glob.", required=True
    )
    flags.DEFINE_string("examples_path", None, "TFRecord of held-out NoteSequences, or a glob.", required=True)
    flags.DEFINE_string(
        "cache_dir", None, "Folder to keep converted examples in; default: beside what they are made of."
    )
    cli.define_log_flag()


def main() -> None:
    args = flags.FLAGS
    cli.apply_log_level(args.log)
    humanizing, vectors = (
        player.load(str(pretrained.locate(name)), None) for name in (args.pretrained, args.vectors_of)
    )
    config = configs.CONFIG_MAP[WINDOWS_OF]
    train = loading.load(config, "train", args.train_path, args.cache_dir)
    held_out = loading.load(config, "validation", args.examples_path, args.cache_dir)
    windows = dataclasses.replace(samples.of_examples(config, held_out).groove, qpm=held_out.qpm)
    pairs = pairs_of(windows, held_out.performance)
    played = ways(humanizing, vectors, samples.of_examples(config, train).groove, pairs)
    judged = judge(played, pairs)
    count = results.describe(len(pairs.performance), len(set(pairs.performance)))
    print(f"{count}, each after another of the same performance; over all windows | over performances")
    results.print_rows(estimates.compared(judged))


if __name__ == "__main__":
    cli.run(main, define_flags)
