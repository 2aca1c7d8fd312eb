"""What is reached without a model: the training split and the hits of another in, what a baseline answers out.

Baselines of tokens: the commonest token of the training split at every step, silence, and the training window that is
nearest to the one judged. Baselines of grooves are those of Learning to Groove (arXiv 1905.06118, section 5), which
humanize: they are told the hits of a window and answer velocities and offsets. What that paper leaves open (sizes,
regularization, how neighbours are compared) is chosen here and said below.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator

import numpy as np

import configs
from grooves import drums, tokens
from grooves.groove import NUM_PARTS, Groove
from models.magenta import data
from pipelines.evaluation import decoding, estimates, metrics, nearest, registry
from pipelines.evaluation.estimates import Estimate
from pipelines.examples import loading

QUANTIZED = "quantized"
NUM_NEIGHBOURS = 20
RIDGE = 100.0  # This and the epochs were chosen on Groove's validation split.
MLP_UNITS = 256
MLP_EPOCHS = 30
SEED = 1


def of_tokens(train: np.ndarray, played: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the baselines of drums' tokens by name, each with what it answers, `[n, steps]`.

    The nearest window is the training window in which the fewest cells of hits differ, the Hamming distance.

    Args:
        train: `[m, steps]` tokens of the training split.
        played: `[n, steps]`, those that are judged; -1 is padding, in both.
    """
    yield "commonest_token", np.full_like(played, np.bincount(train[train >= 0]).argmax())
    yield "silence", np.zeros_like(played)
    rows, _ = nearest.nearest(tokens.to_hits(played), tokens.to_hits(train))
    yield "nearest_window", train[rows]


def of_grooves(train: Groove, hits: np.ndarray) -> Iterator[tuple[str, Groove]]:
    """Yields the baselines of humanization by name, each with its groove of the hits `[n, steps, 9]`.

    Quantized: on the grid, at the training hits' mean velocity. Linear: ridge regression. MLP: one hidden layer. Both
    take all hits of a window to the velocities and offsets of all its cells, and minimize the squared error. KNN: of
    the 20 training windows with the fewest other hits, those that have a hit in a cell give it the mean of theirs;
    where none has, the mean of the drum.
    """
    yield QUANTIZED, Groove(hits, hits * train.velocities[train.hits > 0.5].mean(), np.zeros_like(hits))
    yield "linear", _regress(_ridge(RIDGE), train, hits)
    yield "mlp", _regress(_mlp(), train, hits)
    yield f"knn{NUM_NEIGHBOURS}", nearest.mean_of_neighbours(train, hits, NUM_NEIGHBOURS)


def judge(
    config: configs.Config, train: loading.Examples, examples: loading.Examples
) -> dict[str, dict[str, Estimate]]:
    """Returns the metrics of each baseline that a config's examples have, by its name and theirs.

    Raises:
        ValueError: they are neither tokens nor grooves of the nine drums.
    """
    kind, both = decoding.kind_of(config, examples), (train, examples)
    if kind == registry.TOKENS and isinstance(config.data_converter, data.DrumsConverter):
        of_train, played = (split.tokens(np.arange(len(split))) for split in both)
        return judge_tokens(of_train, played, examples.performance)
    if kind == registry.GROOVES and examples.outputs.depth == NUM_PARTS * drums.NUM_CLASSES:
        of_train, played = (Groove.split(split.dense(np.arange(len(split)))[1], split.qpm) for split in both)
        return judge_grooves(of_train, played, examples.performance)
    raise ValueError(
        "this config has no baselines: its examples are neither tokens nor grooves of the nine drums;"
        " hier-drums_4bar_small and groovae_4bar_humanize have some"
    )


def judge_tokens(train: np.ndarray, played: np.ndarray, performance: np.ndarray) -> dict[str, dict[str, Estimate]]:
    """Returns the metrics of each baseline of tokens `[n, steps]`, by its name and theirs.

    What a baseline answers is the likeliest to it, so that its accuracy is `sampled_accuracy_mean`.
    """
    outputs = metrics.Outputs(performance, tokens=played, groove=metrics.token_hits(played))
    return {
        name: estimates.estimate(
            dataclasses.replace(
                outputs, decoded_tokens={metrics.SAMPLED_MEAN: answer}, decoded_groove=metrics.token_hits(answer)
            )
        )
        for name, answer in of_tokens(train, played)
    }


def judge_grooves(train: Groove, played: Groove, performance: np.ndarray) -> dict[str, dict[str, Estimate]]:
    """Returns the metrics of each baseline of humanization, by its name and theirs.

    Each is given the hits, so that the metrics of both ways of decoding are the same.
    """
    outputs = metrics.Outputs(performance, groove=played)
    return {
        name: estimates.estimate(dataclasses.replace(outputs, decoded_groove=answer, humanized_groove=answer))
        for name, answer in of_grooves(train, played.hits)
    }


def _regress(model, train: Groove, hits: np.ndarray) -> Groove:
    """Fits a regression of scikit-learn, velocities and offsets of all cells on all hits, and applies it.

    What it learns is how far hits are from their drum's mean: of velocities themselves, which are 0 without a hit, it
    would make too quiet ones wherever hits are rare.
    """
    parts, means = (train.velocities, train.offsets), nearest.means_of_drums(train)
    targets = [((part - mean) * train.hits).reshape(len(part), -1) for part, mean in zip(parts, means, strict=True)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It says that a fixed number of epochs may not be the best one.
        model.fit(_flat(train.hits), np.concatenate(targets, axis=1, dtype=np.float32))
    answers = np.split(model.predict(_flat(hits)), 2, axis=1)
    velocities, offsets = (answer.reshape(hits.shape) + mean for answer, mean in zip(answers, means, strict=True))
    return Groove(hits, np.clip(velocities, 0, 1) * hits, np.clip(offsets, -1, 1) * hits)


def _flat(hits: np.ndarray) -> np.ndarray:
    return hits.reshape(len(hits), -1).astype(np.float32)


def _ridge(alpha: float):
    from sklearn import linear_model  # A second to import.

    return linear_model.Ridge(alpha)


def _mlp():
    from sklearn import neural_network

    return neural_network.MLPRegressor(
        hidden_layer_sizes=[MLP_UNITS], batch_size=128, max_iter=MLP_EPOCHS, tol=0.0, random_state=SEED
    )
