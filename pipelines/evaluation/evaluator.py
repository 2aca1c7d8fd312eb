"""How well a trained model does on examples that it may or may not have seen: checkpoint in, metrics out."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable

import numpy as np

import configs
from grooves.groove import Groove
from models import checkpoints, objective
from models.magenta import data, session_config, tf
from pipelines.evaluation import decoding, metrics, registry
from pipelines.examples import loading
from pipelines.files import progress

MAX_BATCH_SIZE = 128
SEED = 1  # The losses draw latent vectors, the sampled metrics draw tokens.


class Evaluator:
    """A config's evaluation on `num_examples`: its graph is built once, for any number of checkpoints.

    What is drawn for the losses is the same for each of them; with `sampled`, what is drawn for the samples is not.
    """

    def __init__(
        self,
        config: configs.Config,
        examples: loading.Examples,
        num_batches: int | None = None,
        *,
        sampled: bool = True,
    ) -> None:
        """Builds the graph.

        Args:
            config: The run's config; a copy is taken.
            examples: Any number of examples, one included.
            num_batches: Only the examples of the first so many batches of the hparam `batch_size`; None is all of them.
            sampled: Whether to decode step after step, too, which takes several times as long as everything else.
        """
        self._config, self._examples = copy.deepcopy(config), examples
        hparams = self._config.hparams
        self.num_examples = min(len(examples), num_batches * hparams.batch_size if num_batches else len(examples))
        hparams.batch_size = min(self.num_examples, MAX_BATCH_SIZE)
        # Upstream's accuracy silently becomes one of sampled inputs.
        hparams.sampling_schedule, hparams.sampling_rate = "constant", 0.0
        with tf.Graph().as_default() as graph:
            tf.set_random_seed(SEED)
            self._feeds, self._fetches = decoding.build(self._config, examples, sampled)
            self._step = tf.train.get_global_step()
            self._saver: tf.train.Saver | None = None
        self._session = tf.Session(graph=graph, config=session_config())

    def evaluate(self, checkpoint: str, is_stopped: Callable[[], bool] = lambda: False) -> dict[str, float] | None:
        """Returns a checkpoint's metrics by name, in the order of `registry.METRICS`.

        Before each batch `is_stopped` is asked; where it says yes, the result is None.

        Raises:
            ValueError: the checkpoint does not fit the config.
        """
        self._saver = checkpoints.restore(self._session, checkpoint, self._saver)
        hparams, parts = self._config.hparams, []
        batches = range(0, self.num_examples, hparams.batch_size)
        for start in progress.track(batches, len(batches), "batches"):
            if is_stopped():
                return None
            rows = np.arange(start, min(self.num_examples, start + hparams.batch_size))
            filled = np.resize(rows, hparams.batch_size)  # The graph's size is fixed; the filling is cut off again.
            noise = np.random.default_rng([SEED, start]).standard_normal([len(filled), hparams.z_size], np.float32)
            feeds = dict(zip(self._feeds, (*self._examples.dense(filled), noise), strict=True))
            fetched = self._session.run(self._fetches, feeds)
            parts.append({name: values[: len(rows)] for name, values in fetched.items()})
        fetched = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return metrics.compute(self._outputs(fetched))

    def close(self) -> None:
        self._session.close()

    def _outputs(self, fetched: dict[str, np.ndarray]) -> metrics.Outputs:
        """Lays what was fetched of all batches beside the examples."""
        rows, kind = np.arange(self.num_examples), decoding.kind_of(self._config, self._examples)
        sampled = {t: fetched[f"sampled_{t}"] for t in metrics.TEMPERATURES if f"sampled_{t}" in fetched}
        likeliest = sampled.get(metrics.LIKELIEST)
        beta = objective.beta(self._config.hparams, int(self._session.run(self._step)))
        outputs = metrics.Outputs(fetched["r_loss"], fetched["kl_loss"], fetched["kl_bits"], beta)
        if kind == registry.GROOVES:
            return dataclasses.replace(
                outputs,
                groove_terms={name: values for name, values in fetched.items() if values.ndim == 2},
                groove=Groove.split(self._examples.dense(rows)[1], self._examples.qpm[rows]),
                decoded_groove=None if likeliest is None else Groove.split(likeliest),
            )
        if kind == registry.TOKENS:
            tokens = self._examples.tokens(rows)[:, : fetched["teacher_forced"].shape[1]]
            is_drums = likeliest is not None and isinstance(self._config.data_converter, data.DrumsConverter)
            return dataclasses.replace(
                outputs,
                tokens=tokens,
                teacher_forced_tokens=fetched["teacher_forced"],
                sampled_tokens=sampled,
                groove=metrics.token_hits(tokens) if is_drums else None,
                decoded_groove=metrics.token_hits(likeliest) if is_drums else None,
            )
        return outputs


def evaluate(config: configs.Config, examples: loading.Examples, checkpoint: str) -> dict[str, float]:
    """Returns all metrics that a config has of a checkpoint on all examples, as `Evaluator.evaluate`."""
    with contextlib.closing(Evaluator(config, examples)) as opened:
        return opened.evaluate(checkpoint)
