"""Training beside stock Magenta's: the same config, batch and TFRecords, each as a whole command, in turn.

    python -m benchmarks.train --config=hier-drums_4bar_small --batch_size=512 \\
        --examples=data/tfrecord/groove-v1.0.0-midionly/train.tfrecord --num_steps=12 --runs=3 --precisions=fp32,bf16

Prints medians over the runs, with the least and the most, and how many times better ours are: examples a second (median
step after the warm-up), seconds from the command to the end of its first step, the largest memory, the loss of the last
step; and, of a process by itself, the operations that a step executes, on this machine and on a GPU, and those in the
graph. Each run of ours converts its examples, as Magenta's does; with `--keep_examples` they are kept beside the
TFRecords, as from the second training on. Stock Magenta is `magenta_train`, which says what is changed in it.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import tempfile
from collections.abc import Sequence

from absl import flags

from benchmarks import command, comparison, contenders, step_log
from pipelines import cli
from pipelines.files import atomic

TRACED_STEP = 2  # The first one writes summaries, too.
MIB = 2**20


@dataclasses.dataclass(frozen=True)
class Plan:
    """How it is measured: steps of each run, those that are not timed, whether ours keeps converted examples."""

    num_steps: int
    num_warmup_steps: int
    keep_examples: bool = False


def measure(contender: contenders.Contender, task: contenders.Task, plan: Plan) -> comparison.Run:
    """Trains once. Raises ValueError if that failed, or took too few steps."""
    outcome, log = _train(contender, task, plan.num_steps, keep_examples=plan.keep_examples)
    step_secs = step_log.median_step_secs(log, plan.num_warmup_steps)
    return comparison.Run(task.batch_size / step_secs, log.secs[0], outcome.peak_bytes / MIB, log.losses[-1])


def count(contender: contenders.Contender, task: contenders.Task, result: comparison.Result) -> None:
    """Counts the operations of a step into `result`, as they are here and as they are on a GPU."""
    tracing = f"--traced_step={TRACED_STEP}"
    _, log = _train(contender, task, TRACED_STEP, tracing)
    result.operations, result.graph_nodes = log.operations, log.graph_nodes
    if contender.flags == contenders.ours("fp32").flags:  # Graphs of the others are the same everywhere.
        _, log = _train(contender, task, TRACED_STEP, tracing, "--layers=block")
    result.gpu_operations = log.operations


def _train(
    contender: contenders.Contender, task: contenders.Task, num_steps: int, *flags: str, keep_examples: bool = False
) -> tuple[command.Outcome, step_log.StepLog]:
    """Trains in a folder that is gone afterwards, with the converted examples if they are not kept."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        if contender.name != contenders.MAGENTA and not keep_examples:  # Magenta has its examples in memory.
            flags = (*flags, f"--cache_dir={folder / 'examples'}")
        return contender.train(task, folder, num_steps, *flags)


def compare(
    ways: Sequence[contenders.Contender], task: contenders.Task, plan: Plan, num_runs: int, counts: bool
) -> dict[str, comparison.Result]:
    """Measures the contenders in turn, and prints a line for each training. Returns results by name."""
    results = {contender.name: comparison.Result() for contender in ways}
    for number in range(num_runs):
        for contender in ways:
            run = measure(contender, task, plan)
            results[contender.name].runs.append(run)
            speed = f"{run.examples_per_sec:.1f} examples/s, first step after {run.first_step_secs:.2f} s"
            print(f"run {number + 1} of {num_runs}  {contender.name:<10} {speed}", flush=True)
    for contender in ways if counts else ():
        count(contender, task, results[contender.name])
    return results


def define_flags() -> None:
    flags.DEFINE_string("config", "hier-drums_4bar_small", "One of this project's configs.")
    flags.DEFINE_string("examples", None, "TFRecord of NoteSequences, or a glob over several.", required=True)
    flags.DEFINE_integer("batch_size", 512, "Examples a batch.", lower_bound=1)
    flags.DEFINE_string("hparams", "", "name=value,… to change in the config for all, besides.")
    flags.DEFINE_list("precisions", list(contenders.PRECISIONS), "Of this project: fp32, bf16 or both.")
    flags.DEFINE_list("layers", ["auto"], "Of this project: ways to compute layers, as --layers of pipelines.train.")
    flags.DEFINE_integer("num_steps", 12, "Steps of each run.", lower_bound=2)
    flags.DEFINE_integer("warmup_steps", 3, "The first so many steps are not timed.", lower_bound=1)
    flags.DEFINE_integer("runs", 3, "Of each, in turn; medians count. 0 only counts operations.", lower_bound=0)
    flags.DEFINE_bool("count_operations", True, "Count operations, each contender in a further process.")
    flags.DEFINE_bool("keep_examples", False, "Let ours find its examples converted, as from the second training on.")
    flags.DEFINE_bool("all_windows", False, "Magenta takes all windows of a performance, too, not the five it keeps.")
    flags.DEFINE_string("output", None, "JSON file for the numbers of every run.")


def main() -> None:
    args = flags.FLAGS
    contenders.check_config(args.config)
    contenders.check_precisions(args.precisions)
    if args.runs and args.warmup_steps >= args.num_steps:
        raise ValueError(f"--warmup_steps={args.warmup_steps} of --num_steps={args.num_steps} leave none to measure")
    task = contenders.Task(args.config, args.examples, args.batch_size, args.hparams)
    plan = Plan(args.num_steps, args.warmup_steps, args.keep_examples)
    ways = [contenders.magenta(args.all_windows)]
    ways += [contenders.ours(precision, layers=way) for precision in args.precisions for way in args.layers]
    results = compare(ways, task, plan, args.runs, args.count_operations)
    print(
        f"{task.config}, {task.batch_size} a batch, {plan.num_steps} steps, median (least to most) of {args.runs} runs"
    )
    print("\n".join(comparison.table(results)))
    if args.output:
        numbers = {name: dataclasses.asdict(result) for name, result in results.items()}
        written = {"task": dataclasses.asdict(task), "plan": dataclasses.asdict(plan), "results": numbers}
        atomic.write_text(args.output, json.dumps(written, indent=2) + "\n")


if __name__ == "__main__":
    cli.run(main, define_flags)
