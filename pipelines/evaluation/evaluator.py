"""How well a trained model does on examples that it may or may not have seen: checkpoint in, metrics out."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable

import numpy as np

import configs
from grooves.groove import Groove
from models import objective, restoring
from models.magenta import data, session_config, tf
from pipelines.evaluation import decoding, metrics, registry
from pipelines.examples import loading
from pipelines.files import progress

MAX_BATCH_SIZE = 128
SEED = 1  # Latent vectors are drawn, and tokens.


class Evaluator:
    """A config's evaluation on `num_examples`: its graph is built once, for any number of checkpoints.

    What is drawn is the same for each of them.
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
            sampled: Whether to decode also what the loss does without, which takes several times as long.
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
        self._graph, self._sampled = graph, sampled
        self._session = tf.Session(graph=graph, config=session_config())

    def evaluate(self, checkpoint: str, is_stopped: Callable[[], bool] = lambda: False) -> dict[str, float] | None:
        """Returns a checkpoint's metrics over all windows by name, in the order of `registry.METRICS`.

        The rest is as for `outputs`.
        """
        found = self.outputs(checkpoint, is_stopped)
        return None if found is None else metrics.compute(found)

    def outputs(self, checkpoint: str, is_stopped: Callable[[], bool] = lambda: False) -> metrics.Outputs | None:
        """Returns what a checkpoint makes of the examples.

        Before each batch `is_stopped` is asked; where it says yes, the result is None.

        Raises:
            ValueError: the checkpoint does not fit the config.
        """
        if self._sampled:  # A new session draws from the start.
            self._session.close()
            self._session = tf.Session(graph=self._graph, config=session_config())
        self._saver = restoring.restore(self._session, checkpoint, self._saver)
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
        return self._lay_beside(fetched)

    def close(self) -> None:
        self._session.close()

    def _lay_beside(self, fetched: dict[str, np.ndarray]) -> metrics.Outputs:
        """Lays what was fetched of all batches beside the examples."""
        rows, kind = np.arange(self.num_examples), decoding.kind_of(self._config, self._examples)
        outputs = metrics.Outputs(
            performance=self._examples.performance[rows],
            beta=objective.beta(self._config.hparams, int(self._session.run(self._step))),
            posterior_means=fetched.get("posterior_means"),
            **{name: fetched[name] for name in ("r_loss", "kl_loss", "kl_bits")},
        )
        likeliest = fetched.get(metrics.SAMPLED_MEAN)
        if kind == registry.GROOVES:
            terms = {name: fetched[name] for name in ("hits_loss", "velocities_loss", "offsets_loss")}
            steps = self._examples.dense(rows)[1][:, : terms["hits_loss"].shape[1]]
            return dataclasses.replace(
                outputs,
                groove_terms=terms,
                groove=Groove.split(steps, self._examples.qpm[rows]),
                decoded_groove=None if likeliest is None else Groove.split(likeliest),
                humanized_groove=Groove.split(fetched[metrics.GIVEN_HITS]) if metrics.GIVEN_HITS in fetched else None,
                lengths=self._examples.lengths[rows].reshape(len(rows), -1).sum(axis=1),
            )
        if kind == registry.TOKENS:
            tokens = self._examples.tokens(rows)[:, : fetched[metrics.TEACHER_FORCED].shape[1]]
            is_drums = likeliest is not None and isinstance(self._config.data_converter, data.DrumsConverter)
            return dataclasses.replace(
                outputs,
                tokens=tokens,
                decoded_tokens={name: fetched[name] for name in metrics.DECODINGS if name in fetched},
                groove=metrics.token_hits(tokens) if is_drums else None,
                decoded_groove=metrics.token_hits(likeliest) if is_drums else None,
            )
        return outputs


def evaluate(config: configs.Config, examples: loading.Examples, checkpoint: str) -> dict[str, float]:
    """Returns all metrics that a config has of a checkpoint over all examples, as `Evaluator.evaluate`."""
    with contextlib.closing(Evaluator(config, examples)) as opened:
        return opened.evaluate(checkpoint)
