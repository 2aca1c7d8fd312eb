"""Loss against step and against time: stock Magenta, fp32 and bf16, each for the same wall time on the same data.

    python -m benchmarks.curves --config=hier-drums_4bar_small --batch_size=128 --minutes=30 --output_dir=curves \\
        --examples=data/tfrecord/groove-v1.0.0-midionly/train.tfrecord \\
        --validation=data/tfrecord/groove-v1.0.0-midionly/validation.tfrecord

Each trains by itself, its time counted from its command on; then its checkpoints are judged by `pipelines.evaluate`, at
the same intervals, on the same held-out windows. `--tuned=hier-drums_4bar_groove` sets a config of this project beside
them, with its own hparams, in the precision that training takes by itself. What `--output_dir` holds already is not
done again, so that `--only=magenta`, `--only=tuned` and so on can be run one by one. All that is there is drawn into
`curves.png` and written to `curves.csv`. A contender's folder keeps its steps (`steps.jsonl`), what it said
(`output.txt`), all its checkpoints (one a minute, 100 MB and more) and `evaluations.json`.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil

from absl import flags

from benchmarks import contenders, curve
from pipelines import cli
from pipelines.files import atomic

MAGENTA = contenders.MAGENTA.lower()
TUNED = "tuned"
CONTENDERS = (MAGENTA, *contenders.PRECISIONS, TUNED)


def train(way: contenders.Contender, task: contenders.Task, minutes: float, folder: pathlib.Path) -> None:
    """Trains for so long into `folder`, which appears whole or not at all; nothing to do where it is there.

    Raises ValueError if the training failed, or the folder holds one of something else.
    """
    given = dataclasses.asdict(task) | {"minutes": minutes, "flags": list(way.flags)}
    if contenders.has_task(folder, given):
        return
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # Of a training that was interrupted.
    partial.mkdir(parents=True)
    print(f"{way.name}: training for {minutes:g} minutes; what it says is in {partial / 'output.txt'}", flush=True)
    way.train(task, partial, 0, f"--stop_secs={60 * minutes}", "--checkpoints_to_keep=0")
    contenders.write_task(partial, given)
    partial.rename(folder)


def judge(folder: pathlib.Path, task: contenders.Task, windows_of: str, validation: str, interval_mins: float) -> None:
    """Evaluates a contender's checkpoints of every so many minutes, if they have not been yet.

    All are judged on the same windows, those of the config `windows_of`, whatever windows they have learnt from.
    """
    import configs  # With TensorFlow, which is not to be in memory while others train.
    from pipelines.evaluation import evaluator
    from pipelines.examples import loading

    so_far = curve.read(folder)
    metrics, found = dict(so_far.metrics), curve.checkpoints(folder / "run" / "train")
    for step in curve.steps_at_intervals(so_far.log, found, interval_mins):
        if step not in metrics:
            config = configs.with_hparams(configs.CONFIG_MAP[task.config], task.hparams)
            config = config._replace(data_converter=configs.CONFIG_MAP[windows_of].data_converter)
            examples = loading.load(config, "validation", validation, folder.parent / "examples")
            metrics[step] = evaluator.evaluate(config, examples, found[step])
            loss, minutes = metrics[step]["loss"], so_far.minutes_at([step])[0]
            said = f"step {step} after {minutes:.1f} minutes, held-out loss {loss:.2f} of {len(examples)} windows"
            print(f"{folder.name}: {said}", flush=True)
            atomic.write_text(folder / curve.EVALUATIONS_NAME, json.dumps(metrics, indent=2) + "\n")


def show(output_dir: pathlib.Path, title: str) -> None:
    """Draws and writes what is there of all contenders."""
    from benchmarks import curve_plot

    curves = [curve.read(output_dir / name) for name in CONTENDERS if (output_dir / name).exists()]
    with atomic.replacing(output_dir / "curves.png") as partial:
        curve_plot.draw(curves, title, partial)
    lines = [line for each in curves for line in curve.rows(each)]
    atomic.write_text(output_dir / "curves.csv", curve.as_csv(lines))
    print(f"{output_dir / 'curves.png'} and curves.csv: {', '.join(each.name for each in curves)}")


def define_flags() -> None:
    flags.DEFINE_string("config", "hier-drums_4bar_small", "One of this project's configs.")
    flags.DEFINE_string("examples", None, "TFRecord of NoteSequences to train on, or a glob.", required=True)
    flags.DEFINE_string("validation", None, "TFRecord of NoteSequences to judge on, or a glob.", required=True)
    flags.DEFINE_string("output_dir", None, "Folder for all that comes out.", required=True)
    flags.DEFINE_integer("batch_size", 128, "Examples a batch.", lower_bound=1)
    flags.DEFINE_string("hparams", "", "name=value,… to change in the config for all, besides.")
    flags.DEFINE_float("minutes", 30, "Each trains for so long.", lower_bound=0)
    flags.DEFINE_float("evaluate_every_minutes", 2, "Of training; checkpoints are a minute apart.", lower_bound=0.01)
    flags.DEFINE_string("tuned", None, "A config of this project to set beside them, with its own hparams.")
    flags.DEFINE_multi_enum("only", None, CONTENDERS, "Train and judge these; default: all, tuned if it is named.")
    flags.DEFINE_bool("all_windows", True, "Magenta takes all windows of a performance, too, not the five it keeps.")


def main() -> None:
    args = flags.FLAGS
    contenders.check_config(args.config)
    names = args.only or [name for name in CONTENDERS if name != TUNED or args.tuned]
    if TUNED in names and not args.tuned:
        raise ValueError("--only=tuned: which config? --tuned=NAME, for instance hier-drums_4bar_groove")
    tasks = dict.fromkeys(names, contenders.Task(args.config, args.examples, args.batch_size, args.hparams))
    if TUNED in names:
        tasks[TUNED] = contenders.Task(args.tuned, args.examples, batch_size=0)
    ways = {MAGENTA: contenders.magenta(args.all_windows), TUNED: contenders.ours("auto", args.tuned)}
    output_dir = pathlib.Path(args.output_dir).expanduser()
    for name, task in tasks.items():
        train(ways.get(name) or contenders.ours(name), task, args.minutes, output_dir / name)
    for name, task in tasks.items():
        judge(output_dir / name, task, args.config, args.validation, args.evaluate_every_minutes)
    tuned = f"; {TUNED} is {args.tuned}" if args.tuned else ""
    show(output_dir, f"{args.config}, {args.batch_size} a batch, {args.minutes:g} minutes each{tuned}")


if __name__ == "__main__":
    cli.run(main, define_flags)
