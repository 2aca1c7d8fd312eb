"""Where an evaluation goes: a table on the screen, `metrics.json`, TensorBoard."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterable, Sequence

import configs
from models import checkpoints
from models.magenta import tf
from pipelines.evaluation import estimates, evaluator, registry
from pipelines.evaluation.estimates import Estimate
from pipelines.evaluation.metrics import Outputs
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
    num_performances: int  # That the examples were cut out of.
    metrics: dict[str, Estimate]  # By name.
    outputs: Outputs | None = dataclasses.field(default=None, repr=False)  # What the metrics are of.

    def print_table(self) -> None:
        """Prints the metrics, one a line."""
        print(f"step {self.global_step}, {describe(self.num_examples, self.num_performances)}")
        print_rows(estimates.rows(self.metrics))

    def write_json(self, path: str | os.PathLike[str]) -> None:
        """Writes one flat JSON object, whole or not at all, and says where."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del fields["outputs"]
        flat = estimates.flat(fields.pop("metrics"))
        atomic.write_text(path, json.dumps(fields | flat, indent=2) + "\n")
        print(f"written to {path}", flush=True)

    def write_events(self, eval_dir: str | os.PathLike[str]) -> None:
        """Writes TensorBoard events."""
        writer = tf.summary.FileWriter(str(eval_dir))
        values = {name: found.value for name, found in self.metrics.items()}
        writer.add_summary(to_summary(values), self.global_step)
        writer.close()


def evaluate(
    name: str, config: configs.Config, examples: loading.Examples, checkpoint: str, num_batches: int | None = None
) -> Results:
    """Evaluates the checkpoint of a config, by its name and itself, as `evaluator.Evaluator` does; prints the table.

    Raises:
        ValueError: the checkpoint does not fit the config.
    """
    with contextlib.closing(evaluator.Evaluator(config, examples, num_batches)) as opened:
        outputs = opened.outputs(checkpoint)
    step, num_performances = checkpoints.step_in(checkpoint), len(set(outputs.performance))
    found = estimates.estimate(outputs)
    results = Results(name, checkpoint, step, opened.num_examples, num_performances, found, outputs)
    results.print_table()
    return results


def describe(num_examples: int, num_performances: int) -> str:
    """Returns "8 examples of 1 performance"."""
    return " of ".join(
        f"{number} {noun}" if number == 1 else f"{number} {noun}s"
        for number, noun in ((num_examples, "example"), (num_performances, "performance"))
    )


def print_rows(rows: Iterable[Sequence[str]]) -> None:
    """Prints the lines of a table, the first column to the left and the others to the right, as wide as they are."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *values in rows:
        cells = [f"{value:>{width}}" for value, width in zip(values, widths[1:], strict=True)]
        print("  ".join([f"  {name:<{widths[0]}}", *cells]).rstrip())


def to_summary(metrics: dict[str, float]) -> tf.Summary:
    """Returns metrics for TensorBoard, under the registry's tags."""
    return tf.Summary(
        value=[tf.Summary.Value(tag=registry.tag_of(name), simple_value=value) for name, value in metrics.items()]
    )
