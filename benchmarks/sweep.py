"""One change at a time: a config trained with each of several hparams, judged by the same metrics, side by side.

    python -m benchmarks.sweep --config=hier-drums_4bar_groove --num_steps=500 --output_dir=sweep \\
        --vary=free_bits=48 --vary=free_bits=96 --vary=free_bits=192 --vary=free_bits=384 \\
        --examples=data/tfrecord/groove-v1.0.0-midionly/train.tfrecord \\
        --validation=data/tfrecord/groove-v1.0.0-midionly/validation.tfrecord

Each trains by itself, in `output_dir/HPARAMS-seedN`, a run's folder; then the held-out windows are decoded
(`evaluation.json`), and samples from the prior are set beside them (`comparison.json`). What is there already is not
done again, and a training that was interrupted goes on. All of them come into one table, `sweep.md`; where they are
values of one hparam, into a picture, too, `sweep.png`.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import sys
from collections.abc import Sequence

from absl import flags

from benchmarks import command, contenders
from pipelines import cli
from pipelines.evaluation import registry
from pipelines.files import atomic

# What the table has of an evaluation, where its outputs have it, and of a comparison.
EVALUATED = (
    *("loss", "kl_bits", "teacher_forced_accuracy", "sampled_accuracy", "sampled_accuracy_mean", "hit_f1"),
    *("step_accuracy", "velocity_mae", "timing_mae_ms", "offset_spread", "velocity_kl", "timing_kl"),
)
COMPARED = {"overlap_mean": "overlap of samples", "bar_likeness_samples": "likeness of their bars"}


@dataclasses.dataclass(frozen=True)
class Variant:
    """A training: hparams `name=value,…` that the config has otherwise, a seed, and the folder that holds it."""

    hparams: str
    seed: int
    folder: pathlib.Path

    def found(self) -> dict[str, float]:
        """Returns the metrics of its evaluation and its comparison, by name; those that there are."""
        paths = (self.folder / "evaluation.json", self.folder / "comparison.json")
        read = [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]
        return {name: value for metrics in read for name, value in metrics.items() if isinstance(value, float | int)}


@dataclasses.dataclass(frozen=True)
class Plan:
    """What all variants of a sweep have in common."""

    task: contenders.Task  # A variant's hparams take the place of its own.
    validation: str  # A glob of TFRecords to judge on.
    num_steps: int
    num_samples: int  # Drawn from the prior; 0 for none.
    train_flags: Sequence[str]

    def stages(self, variant: Variant) -> dict[str, list[str]]:
        """Returns the stages that a variant still needs, in order, each with its flags."""
        trained = dataclasses.replace(self.task, hparams=combined(self.task.hparams, variant.hparams)).flags()
        split = f"--examples_path={self.validation}"
        evaluation, comparison = (variant.folder / f"{name}.json" for name in ("evaluation", "comparison"))
        found = {}
        if not evaluation.exists():
            found["evaluate"] = [split, f"--output={evaluation}"]
        if self.num_samples and not comparison.exists():
            compared = [f"--train_path={self.task.examples}", f"--num_samples={self.num_samples}", "--seed=1"]
            found["compare"] = [split, *compared, f"--output={comparison}"]
        if not found:
            return {}
        steps = [f"--num_steps={self.num_steps}", f"--seed={variant.seed}", "--mode=train"]
        return {"train": [*trained, *steps, *self.train_flags], **found}


def combined(common: str, own: str) -> str:
    """Returns hparams `name=value,…` of which those in `own` take the place of the same names in `common`."""
    outside_brackets = r",(?![^\[]*\])"
    pairs = [pair.partition("=") for text in (common, own) for pair in re.split(outside_brackets, text) if pair]
    return ",".join(f"{name}={value}" for name, value in {name: value for name, _, value in pairs}.items())


def run(variant: Variant, plan: Plan) -> None:
    """Trains and judges a variant, as far as that was not done.

    Raises:
        ValueError: a stage failed, or the folder holds another training.
    """
    given = dataclasses.asdict(plan) | {"train_flags": list(plan.train_flags), "hparams": variant.hparams}
    if not contenders.has_task(variant.folder, given):
        variant.folder.mkdir(parents=True, exist_ok=True)
        contenders.write_task(variant.folder, given)
    for stage, stage_flags in plan.stages(variant).items():
        print(f"{variant.folder.name}: {stage}", flush=True)
        line = [sys.executable, "-m", f"pipelines.{stage}", f"--run_dir={variant.folder}", *stage_flags]
        command.run(f"{variant.folder.name}: {stage}", line, variant.folder / f"{stage}.txt")


def table(variants: list[Variant]) -> str:
    """Returns the metrics of each variant as a table in Markdown."""
    found = [variant.found() for variant in variants]
    columns = {name: registry.BY_NAME[name].label for name in EVALUATED} | COMPARED
    names = [name for name in columns if any(name in metrics for metrics in found)]
    lines = [["hparams", "seed", *(columns[name] for name in names)], ["---"] * (len(names) + 2)]
    for variant, metrics in zip(variants, found, strict=True):
        cells = [f"{metrics[name]:.4g}" if name in metrics else "" for name in names]
        lines.append([f"`{variant.hparams}`" if variant.hparams else "as it is", str(variant.seed), *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def swept(variants: list[Variant]) -> tuple[str, list[float]] | None:
    """Returns the one hparam whose values the variants have, and the value of each; None where it is not so."""
    pairs = [re.fullmatch(r"(\w+)=([-+.\deE]+)", variant.hparams) for variant in variants]
    names = {pair[1] for pair in pairs if pair}
    if len(names) != 1 or not all(pairs) or len({pair[2] for pair in pairs}) < 2:
        return None
    return names.pop(), [float(pair[2]) for pair in pairs]


def variants_of(output_dir: pathlib.Path, changes: list[str], seeds: list[int]) -> list[Variant]:
    """Returns a variant of each change with each seed."""
    return [
        Variant(change, seed, output_dir / f"{change.replace('/', '_') or 'as-it-is'}-seed{seed}")
        for change in changes
        for seed in seeds
    ]


def define_flags() -> None:
    flags.DEFINE_string("config", None, "One of this project's configs.", required=True)
    flags.DEFINE_multi_string("vary", [""], "Hparams of one training, name=value,…; several times for several.")
    flags.DEFINE_string("hparams", "", "name=value,… to change in the config for all that --vary says nothing of.")
    flags.DEFINE_multi_integer("seed", [1], "Each trains with each of these.", lower_bound=0)
    flags.DEFINE_integer("num_steps", 500, "Each trains for so many.", lower_bound=1)
    flags.DEFINE_multi_string("train_flag", [], "Further flags of pipelines.train, as --train_flag=--precision=fp32.")
    flags.DEFINE_integer("num_samples", 1000, "Samples that are set beside the data; 0 for none.", lower_bound=0)
    flags.DEFINE_string("examples", None, "TFRecord of NoteSequences to train on, or a glob.", required=True)
    flags.DEFINE_string("validation", None, "TFRecord of NoteSequences to judge on, or a glob.", required=True)
    flags.DEFINE_string("output_dir", None, "Folder for all that comes out.", required=True)


def main() -> None:
    args = flags.FLAGS
    output_dir = pathlib.Path(args.output_dir).expanduser().absolute()
    task = contenders.Task(args.config, args.examples, batch_size=0, hparams=args.hparams)
    plan = Plan(task, args.validation, args.num_steps, args.num_samples, args.train_flag)
    variants = variants_of(output_dir, args.vary, args.seed)
    if len({variant.folder for variant in variants}) < len(variants):
        raise ValueError("--vary or --seed was given the same value twice")
    for variant in variants:
        run(variant, plan)
    text = table(variants)
    atomic.write_text(output_dir / "sweep.md", text)
    print(text, end="")
    if axis := swept(variants):
        from benchmarks import sweep_plot

        name, values = axis
        with atomic.replacing(output_dir / "sweep.png") as partial:
            sweep_plot.draw(name, values, [variant.found() for variant in variants], partial)
        print(output_dir / "sweep.png")


if __name__ == "__main__":
    cli.run(main, define_flags)
