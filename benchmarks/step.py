"""A training step beside stock Magenta's, in one process: the same config and batch, steps taken in turn.

    python -m benchmarks.step --config=hier-drums_4bar_small --batch_size=128 --num_steps=7 --precisions=fp32,bf16

Prints the seconds it takes to build each graph, its operations and those that a step executes, the median seconds of a
step, and how many times faster than Magenta's it is. Quick, for work on the model; `benchmarks.train` measures what a
user gets: whole commands with their data.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
from absl import flags

import configs
from benchmarks import contenders, magenta_configs, step_hook
from models.magenta import session_config, tf
from models.vae import MusicVAE
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
            self.graph_nodes = len(graph.get_operations())
            self.build_secs = time.perf_counter() - started
            self._session.run(tf.global_variables_initializer())
        self.loss, self.step_secs = 0.0, []

    def step(self) -> None:
        started = time.perf_counter()
        self.loss, _ = self._session.run(self._fetches)
        self.step_secs.append(time.perf_counter() - started)

    def count_operations(self) -> int:
        """Takes a step that is not timed, and returns how many operations it executed."""
        metadata = tf.RunMetadata()
        options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
        self._session.run(self._fetches, options=options, run_metadata=metadata)
        return step_hook.count_operations(metadata)


def _random_batch(config: configs.Config) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns inputs, outputs and lengths of the shapes that the config is trained with."""
    rng = np.random.default_rng(SEED)
    batch_size, converter = config.hparams.batch_size, config.data_converter
    inputs = tf.constant(rng.random([batch_size, configs.STEPS, converter.input_depth]) < 0.2, tf.float32)
    lengths = tf.fill([batch_size], configs.STEPS)
    if converter.input_depth == converter.output_depth:  # A groove.
        return inputs, inputs, lengths
    tokens = tf.constant(rng.integers(0, converter.output_depth, [batch_size, configs.STEPS]), tf.int32)
    is_ours = isinstance(config.model, MusicVAE)
    return inputs, tokens if is_ours else tf.one_hot(tokens, converter.output_depth), lengths


def define_flags() -> None:
    flags.DEFINE_string("config", "hier-drums_4bar_small", "One of this project's configs.")
    flags.DEFINE_integer("batch_size", 128, "Examples a batch.", lower_bound=1)
    flags.DEFINE_integer("num_steps", 7, "Steps of each, after one to warm up.", lower_bound=1)
    flags.DEFINE_list("precisions", list(contenders.PRECISIONS), "Of this project: fp32, bf16 or both.")


def main() -> None:
    args = flags.FLAGS
    contenders.check_config(args.config)
    contenders.check_precisions(args.precisions)
    hparams = f"batch_size={args.batch_size}"
    theirs = Contender(contenders.MAGENTA, configs.with_hparams(magenta_configs.build(args.config), hparams))
    ways = [theirs]
    for precision in args.precisions:
        config = configs.with_hparams(configs.CONFIG_MAP[args.config], hparams)
        config.model.precision, config.model.seed = precision, SEED
        ways.append(Contender(precision, config))
    for _ in range(1 + args.num_steps):
        for each in ways:
            each.step()
    their_secs = statistics.median(theirs.step_secs[1:])
    print(f"{'':<10}{'build s':>10}{'graph':>10}{'executed':>10}{'step s':>10}{'faster':>10}{'loss':>12}")
    for each in ways:
        secs = statistics.median(each.step_secs[1:])
        print(
            f"{each.name:<10}{each.build_secs:>10.2f}{each.graph_nodes:>10,}{each.count_operations():>10,}{secs:>10.3f}"
            f"{their_secs / secs:>10.2f}{each.loss:>12.4f}"
        )


if __name__ == "__main__":
    cli.run(main, define_flags)
