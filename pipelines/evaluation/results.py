"""Where an evaluation goes: a table on the screen, `metrics.json`, TensorBoard."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os

import configs
from models.magenta import tf
from pipelines.evaluation import evaluator, registry
from pipelines.examples import loading
from pipelines.files import atomic

METRICS_NAME = "metrics.json"


@dataclasses.dataclass(frozen=True)
class Results:
    """What an evaluation has found."""

    config: str  # The config's name.
    checkpoint: str  # The prefix of what was evaluated.
    global_step: int  # Its step.
    num_examples: int
    metrics: dict[str, float]  # By name.

    def print_table(self) -> None:
        """Prints the metrics, one a line."""
        print(f"step {self.global_step}, {self.num_examples} examples")
        for name, value in self.metrics.items():
            print(f"  {name:<28}{value:>10.4f}")

    def write_json(self, path: str | os.PathLike[str]) -> None:
        """Writes one flat JSON object, whole or not at all, and says where."""
        flat = dataclasses.asdict(self)
        flat |= flat.pop("metrics")
        atomic.write_text(path, json.dumps(flat, indent=2) + "\n")
        print(f"written to {path}", flush=True)

    def write_events(self, eval_dir: str | os.PathLike[str]) -> None:
        """Writes TensorBoard events."""
        writer = tf.summary.FileWriter(str(eval_dir))
        writer.add_summary(to_summary(self.metrics), self.global_step)
        writer.close()


def evaluate(
    name: str, config: configs.Config, examples: loading.Examples, checkpoint: str, num_batches: int | None = None
) -> Results:
    """Evaluates the checkpoint of a config, by its name and itself, as `evaluator.Evaluator` does; prints the table.

    Raises:
        ValueError: the checkpoint does not fit the config.
    """
    with contextlib.closing(evaluator.Evaluator(config, examples, num_batches)) as opened:
        metrics = opened.evaluate(checkpoint)
    step = int(tf.train.load_variable(checkpoint, "global_step"))
    results = Results(name, checkpoint, step, opened.num_examples, metrics)
    results.print_table()
    return results


def to_summary(metrics: dict[str, float]) -> tf.Summary:
    """Returns metrics for TensorBoard, under the registry's tags."""
    return tf.Summary(
        value=[tf.Summary.Value(tag=registry.tag_of(name), simple_value=value) for name, value in metrics.items()]
    )
