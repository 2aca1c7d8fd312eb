"""The metrics: how well a trained model reconstructs examples it may or may not have seen.

Losses are computed as in Magenta, from a latent vector drawn from the posterior. Accuracies and errors are those of
decoding the posterior's mean.
"""

from __future__ import annotations

import copy
import json
import os
import pathlib
from collections.abc import Callable

import numpy as np

import configs
from models import checkpoint_files, checkpoints, decoders
from models.magenta import base_model, data, lstm_models, session_config, tf
from pipelines.examples import loading
from pipelines.files import atomic, progress

METRICS_NAME = "metrics.json"
MAX_BATCH_SIZE = 128
SEED = 1  # The losses draw latent vectors, the sampled metrics draw tokens.
TEMPERATURES = (1.0, 0.1)
LIKELIEST = TEMPERATURES[-1]  # Hit F1 and the groove's errors judge this decoding.
BITS_PER_NAT = 1 / np.log(2)

_METRIC_DECODERS = (lstm_models.CategoricalLstmDecoder, lstm_models.GrooveLstmDecoder)  # Others have losses alone.
_GROOVE_LOSSES = ("hits_loss", "velocities_loss", "offsets_loss")

# What TensorBoard calls them: Magenta's names where Magenta has one.
_TAGS = {
    "loss": "loss",
    "r_loss": "losses/r_loss",
    "kl_loss": "losses/kl_loss",
    "kl_bits": "losses/kl_bits",
    "teacher_forced_accuracy": "metrics/accuracy",
}


class Evaluator:
    """A config's evaluation: its graph is built once, for any number of checkpoints.

    What is drawn for the losses is the same for each of them; with `sampled`, what is drawn for the samples is not.
    """

    def __init__(
        self, config: configs.Config, split: loading.Examples, max_examples: int | None = None, *, sampled: bool = True
    ) -> None:
        """Builds the graph.

        Args:
            config: The run's config; a copy is taken.
            split: Any number of examples, one included.
            max_examples: Only the first so many; None is all of them.
            sampled: Whether to decode step after step, too, which takes several times as long as everything else.
        """
        self._config, self._split = copy.deepcopy(config), split
        self._num_examples = min(len(split), max_examples or len(split))
        hparams = self._config.hparams
        hparams.batch_size = min(self._num_examples, MAX_BATCH_SIZE)
        # Upstream's accuracy silently becomes one of sampled inputs.
        hparams.sampling_schedule, hparams.sampling_rate = "constant", 0.0
        with tf.Graph().as_default() as graph:
            tf.set_random_seed(SEED)
            self._feeds, self._fetches = _build(self._config, split, sampled)
            self._saver = tf.train.Saver(tf.global_variables())
        self._session = tf.Session(graph=graph, config=session_config())

    def evaluate(self, checkpoint: str, is_stopped: Callable[[], bool] = lambda: False) -> dict | None:
        """Evaluates a checkpoint.

        Args:
            checkpoint: Its prefix.
            is_stopped: Asked before each batch; where it says yes, the result is None.

        Returns:
            Metrics by name, as `evaluate` says.

        Raises:
            ValueError: the checkpoint does not fit the config.
        """
        checkpoints.restore(self._session, checkpoint, self._saver)
        hparams, parts = self._config.hparams, []
        batches = range(0, self._num_examples, hparams.batch_size)
        for start in progress.track(batches, len(batches), "batches"):
            if is_stopped():
                return None
            rows = np.arange(start, min(self._num_examples, start + hparams.batch_size))
            filled = np.resize(rows, hparams.batch_size)  # The graph's size is fixed; the filling is cut off again.
            noise = np.random.default_rng([SEED, start]).standard_normal([len(filled), hparams.z_size], np.float32)
            feeds = dict(zip(self._feeds, (*self._split.dense(filled), noise), strict=True))
            fetched = self._session.run(self._fetches, feeds)
            parts.append({name: values[: len(rows)] for name, values in fetched.items()})
        fetched = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return _metrics(self._config, self._split, fetched, checkpoint_files.step_of(checkpoint))

    def close(self) -> None:
        self._session.close()


def evaluate(config: configs.Config, split: loading.Examples, checkpoint: str, max_examples: int | None = None) -> dict:
    """Evaluates a checkpoint on all examples, or on the first `max_examples`.

    Args:
        config: The run's config.
        split: Any number of examples, one included.
        checkpoint: The prefix of a checkpoint.
        max_examples: None is all of them.

    Returns:
        Metrics by name. For all configs `loss`, `r_loss`, `kl_loss` (nats an example), `kl_bits`. For one-hot outputs
        `teacher_forced_accuracy`, `sampled_accuracy` (temperature 1) and `sampled_accuracy_t0.1`, fractions of steps.
        For drums `hit_f1`, over the cells of nine drums by 64 steps. For grooves also `velocity_mae` (0 to 1),
        `timing_mae_ms`, and `timing_mae_ms_quantized`, the error of leaving every hit on the grid.

    Raises:
        ValueError: the checkpoint does not fit the config.
    """
    evaluator = Evaluator(config, split, max_examples)
    try:
        return evaluator.evaluate(checkpoint)
    finally:
        evaluator.close()


def unsampled_metrics(config: configs.Config, split: loading.Examples) -> list[str]:
    """Returns the names of what an `Evaluator` computes that does not sample."""
    names = ["loss", "r_loss", "kl_loss", "kl_bits"]
    if not _is_made_by(config.model, *_METRIC_DECODERS):
        return names
    return names + (["teacher_forced_accuracy"] if split.is_one_hot else list(_GROOVE_LOSSES))


def write(metrics: dict, eval_dir: str | os.PathLike[str], checkpoint: str, name: str, num_examples: int) -> None:
    """Writes `metrics.json` and TensorBoard events."""
    step = checkpoint_files.step_of(checkpoint)
    eval_dir = pathlib.Path(eval_dir)
    report = {
        "config": name,
        "checkpoint": checkpoint,
        "global_step": step,
        "num_examples": num_examples,
        **metrics,
    }
    atomic.write_text(eval_dir / METRICS_NAME, json.dumps(report, indent=2) + "\n")
    writer = tf.summary.FileWriter(str(eval_dir))
    writer.add_summary(to_summary(metrics), step)
    writer.close()


def to_summary(metrics: dict) -> tf.Summary:
    """Returns metrics for TensorBoard, under Magenta's names where Magenta has one."""
    values = [
        tf.Summary.Value(tag=_TAGS.get(key, f"metrics/{key}"), simple_value=value) for key, value in metrics.items()
    ]
    return tf.Summary(value=values)


def print_table(metrics: dict, checkpoint: str, num_examples: int) -> None:
    """Prints the metrics, one a line."""
    print(f"step {checkpoint_files.step_of(checkpoint)}, {num_examples} examples")
    for name, value in metrics.items():
        print(f"  {name:<28}{value:>10.4f}")


def _build(
    config: configs.Config, split: loading.Examples, sampled: bool
) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
    """Builds the graph: placeholders for inputs, outputs, controls, lengths and noise; what is computed per example."""
    hparams, model = config.hparams, config.model
    batch_size, control_depth = hparams.batch_size, config.data_converter.control_depth
    model.build(hparams, config.data_converter.output_depth, is_training=False)
    decoders.draw_in_order(model.decoder)
    shapes = [array.shape[1:] for array in split.dense(np.zeros([0], np.int64))]
    feeds = [tf.placeholder(tf.float32, [batch_size, *shape]) for shape in shapes[:3]]
    feeds.append(tf.placeholder(tf.int32, [batch_size, *shapes[3]]))
    feeds.append(tf.placeholder(tf.float32, [batch_size, hparams.z_size]))

    steps = min(shapes[1][0], hparams.max_seq_len)
    inputs, outputs, controls = (feed[:, :steps] for feed in feeds[:3])
    lengths = tf.minimum(feeds[3], steps)
    controls = controls if control_depth else None
    late_outputs = tf.pad(outputs[:, :-1], [(0, 0), (1, 0), (0, 0)])

    z = mean = None
    fetches = {"kl": tf.zeros([batch_size])}
    if hparams.z_size:
        posterior = model.encode(inputs, lengths, controls)
        mean, scale = posterior.loc, posterior.stddev()
        z = mean + scale * feeds[4]
        # KL of a diagonal normal distribution from the standard one (MusicVAE, arXiv 1803.05428, section 2.1).
        fetches["kl"] = 0.5 * tf.reduce_sum(tf.square(mean) + tf.square(scale) - 1 - 2 * tf.math.log(scale), axis=1)
    fetches["r_loss"], _, results = model.decoder.reconstruction_loss(late_outputs, outputs, lengths, z, controls)

    if not _is_made_by(model, *_METRIC_DECODERS):
        return feeds, fetches
    with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
        if split.is_one_hot:
            results = model.decoder.reconstruction_loss(late_outputs, outputs, lengths, mean, controls)[2]
        fetches["teacher_forced"] = _compact(config, results.rnn_output)
        if sampled and not control_depth and config.data_converter.end_token in (None, False):
            for temperature in TEMPERATURES:
                samples, _ = model.sample(batch_size, steps, mean, temperature=temperature)
                fetches[f"sampled_{temperature}"] = _compact(config, samples)
    return feeds, fetches


def _is_made_by(model: base_model.MusicVAE, *kinds: type) -> bool:
    """Whether the steps are made by one decoder, of one of these kinds."""
    cores = decoders.core_decoders(model.decoder)
    return len(cores) == 1 and isinstance(cores[0], kinds)


def _compact(config: configs.Config, steps: tf.Tensor) -> tf.Tensor:
    """Tokens `[batch, steps]` of one-hot outputs; grooves stay as they are."""
    return (
        steps
        if _is_made_by(config.model, lstm_models.GrooveLstmDecoder)
        else tf.argmax(steps, axis=-1, output_type=tf.int32)
    )


def _metrics(config: configs.Config, split: loading.Examples, fetched: dict[str, np.ndarray], step: int) -> dict:
    hparams = config.hparams
    n = len(fetched["r_loss"])
    kl_loss = np.maximum(fetched["kl"] - hparams.free_bits / BITS_PER_NAT, 0)
    beta = (1 - hparams.beta_rate**step) * hparams.max_beta
    metrics = {
        "loss": np.mean(fetched["r_loss"]) + beta * np.mean(kl_loss),
        "r_loss": np.mean(fetched["r_loss"]),
        "kl_loss": np.mean(kl_loss),
        "kl_bits": np.mean(fetched["kl"]) * BITS_PER_NAT,
    }
    if split.is_one_hot:
        metrics |= _token_metrics(config, split.tokens(np.arange(n)), fetched)
    elif _is_made_by(config.model, lstm_models.GrooveLstmDecoder):
        metrics |= _groove_metrics(split.dense(np.arange(n))[1], fetched, split.qpm[:n])
    return {name: float(value) for name, value in metrics.items()}


def _token_metrics(config: configs.Config, targets: np.ndarray, fetched: dict[str, np.ndarray]) -> dict:
    metrics = {}
    for name, key in (
        ("teacher_forced_accuracy", "teacher_forced"),
        ("sampled_accuracy", f"sampled_{TEMPERATURES[0]}"),
        (f"sampled_accuracy_t{LIKELIEST}", f"sampled_{LIKELIEST}"),
    ):
        if key in fetched:
            tokens = targets[:, : fetched[key].shape[1]]
            metrics[name] = np.mean((fetched[key] == tokens)[tokens >= 0])
    sampled = fetched.get(f"sampled_{LIKELIEST}")
    if sampled is not None and isinstance(config.data_converter, data.DrumsConverter):
        metrics["hit_f1"] = hit_f1(token_hits(sampled), token_hits(targets))
    return metrics


def _groove_metrics(targets: np.ndarray, fetched: dict[str, np.ndarray], qpm: np.ndarray) -> dict:
    hits, velocities, offsets = np.split(targets, 3, axis=-1)
    logits = np.split(fetched["teacher_forced"], 3, axis=-1)
    hit_probabilities = np.clip(_sigmoid(logits[0]), 1e-7, 1 - 1e-7)
    hits_loss = -(hits * np.log(hit_probabilities) + (1 - hits) * np.log(1 - hit_probabilities))
    losses = (hits_loss, np.square(velocities - _sigmoid(logits[1])), np.square(offsets - np.tanh(logits[2])))
    metrics = {name: np.mean(loss.sum(axis=-1)) for name, loss in zip(_GROOVE_LOSSES, losses, strict=True)}
    decoded = fetched.get(f"sampled_{LIKELIEST}")
    if decoded is None or not hits.any():
        return metrics
    decoded_hits, decoded_velocities, decoded_offsets = np.split(decoded, 3, axis=-1)
    played = hits > 0.5
    # An offset of 1 is half a sixteenth.
    ms_per_offset = (60_000 / qpm / 4 / 2)[:, np.newaxis, np.newaxis] * np.ones_like(hits)
    return metrics | {
        "hit_f1": hit_f1(decoded_hits > 0.5, played),
        "velocity_mae": np.mean(np.abs(decoded_velocities - velocities)[played]),
        "timing_mae_ms": np.mean((np.abs(decoded_offsets - offsets) * ms_per_offset)[played]),
        "timing_mae_ms_quantized": np.mean((np.abs(offsets) * ms_per_offset)[played]),
    }


def hit_f1(decoded: np.ndarray, played: np.ndarray) -> float:
    """Returns the harmonic mean of precision and recall over boolean cells of one shape; 1 where both are silent."""
    both = np.sum(decoded & played)
    total = np.sum(decoded) + np.sum(played)
    return float(2 * both / total) if total else 1.0


def token_hits(tokens: np.ndarray) -> np.ndarray:
    """`[…]` tokens of 2⁹ to `[…, 9]` boolean hits: bit i is drum class i, padding (-1) is silence."""
    bits = np.right_shift(np.maximum(tokens, 0)[..., np.newaxis], np.arange(9)) & 1
    return bits.astype(bool)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * logits))  # Without the overflow of exp.
