"""A training step beside stock Magenta's: the same config, batch and starting point, steps taken in turn.

    python -m benchmarks.step --config=hier-drums_4bar_small --batch_size=128 --num_steps=7

Prints the seconds it takes to build each graph, its operations, the median seconds of a step, and the ratio.
"""

from __future__ import annotations

import statistics
import time

from models.environment import session_config, tf

import numpy as np
from absl import flags
from magenta.models.music_vae import lstm_models
from magenta.models.music_vae.base_model import MusicVAE

import configs
from pipelines import cli

SEED = 1


class Contender:
    """A model in a graph and session of its own, with the training step of plain Adam."""

    def __init__(self, name: str, config: configs.Config) -> None:
        self.name = name
        started = time.perf_counter()
        with tf.Graph().as_default() as graph:
            tf.set_random_seed(SEED)
            config.model.build(config.hparams, config.data_converter.output_depth, is_training=True)
            optimizer = config.model.train(*_random_batch(config))
            step = optimizer.minimize(config.model.loss, global_step=config.model.global_step)
            self._fetches = [config.model.loss, step]
            self._session = tf.Session(config=session_config())
            self.num_operations = len(graph.get_operations())
            self.build_secs = time.perf_counter() - started
            self._session.run(tf.global_variables_initializer())
        self.loss, self.step_secs = 0.0, []

    def step(self) -> None:
        started = time.perf_counter()
        self.loss, _ = self._session.run(self._fetches)
        self.step_secs.append(time.perf_counter() - started)


def upstream(config: configs.Config) -> configs.Config:
    """Returns the config with Magenta's own classes, as it would be without this project."""
    if isinstance(config.model.decoder, lstm_models.GrooveLstmDecoder):
        decoder = lstm_models.GrooveLstmDecoder()
    else:
        decoder = lstm_models.HierarchicalLstmDecoder(
            lstm_models.CategoricalLstmDecoder(),
            level_lengths=[configs.BARS, configs.STEPS_PER_BAR],
            disable_autoregression=True,
        )
    return config._replace(model=MusicVAE(lstm_models.BidirectionalLstmEncoder(), decoder))


def _random_batch(config: configs.Config) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns inputs, outputs and lengths of the shapes that the config's converter makes."""
    rng = np.random.default_rng(SEED)
    batch_size, converter = config.hparams.batch_size, config.data_converter
    inputs = (rng.random([batch_size, configs.STEPS, converter.input_depth]) < 0.2).astype(np.float32)
    tokens = rng.integers(0, converter.output_depth, [batch_size, configs.STEPS])
    outputs = tf.one_hot(tokens, converter.output_depth)
    return tf.constant(inputs), outputs, tf.fill([batch_size], configs.STEPS)


def define_flags() -> None:
    flags.DEFINE_string("config", "hier-drums_4bar_small", "One of this project's configs.")
    flags.DEFINE_integer("batch_size", 128, "Examples a batch.", lower_bound=1)
    flags.DEFINE_integer("num_steps", 7, "Steps of each, after one to warm up.", lower_bound=1)


def main() -> None:
    args = flags.FLAGS
    config = configs.with_hparams(configs.CONFIG_MAP[args.config], f"batch_size={args.batch_size}")
    contenders = [Contender("Magenta", upstream(config)), Contender("ours", config)]
    for _ in range(1 + args.num_steps):
        for contender in contenders:
            contender.step()
    print(f"{'':<10}{'build s':>10}{'operations':>12}{'step s':>10}{'loss':>12}")
    for each in contenders:
        each.median_secs = statistics.median(each.step_secs[1:])
        print(
            f"{each.name:<10}{each.build_secs:>10.2f}{each.num_operations:>12}{each.median_secs:>10.3f}{each.loss:>12.4f}"
        )
    theirs, ours = contenders
    print(f"a step takes Magenta {theirs.median_secs / ours.median_secs:.2f} times as long")


if __name__ == "__main__":
    cli.run(main, define_flags)
