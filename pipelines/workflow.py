"""What run_train.sh and run_generate.sh do: the stages in order, each a process whose messages come through.

python -m pipelines.workflow train --dataset=starter
python -m pipelines.workflow generate --num_outputs=5
"""

from __future__ import annotations

import argparse
import functools
import glob
import importlib
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from grooves import metadata
from pipelines import cli, stages
from pipelines.dataset.inputs import sources
from pipelines.files import atomic, freshness
from pipelines.generation import command
from pipelines.runs import pretrained
from pipelines.runs.run_folder import SETTINGS_NAME, RunFolder
from pipelines.training.cluster import addresses

PROJECT_DIR = Path(__file__).resolve().parent.parent
RUNS_DIR = PROJECT_DIR / "runs"
TFRECORD_DIR = PROJECT_DIR / "data" / "tfrecord"
GENERATED_DIR = PROJECT_DIR / "generated"

DEFAULT_CONFIG = "hier-drums_4bar_groove"  # What learns best, docs/experiments.md.
# Of run_train.sh's flags, those that are the conversion's; the last one is the training's, too.
CONVERT_FLAGS = (
    *("styles", "drummers", "beat_types", "min_bpm", "max_bpm", "time_signatures"),
    *("drum_channel", "drum_map", "tfds_data_dir", "stride_bars"),
)

VALIDATE_EVERY_STEPS = 500  # Where there is a validation split; some two percent of the time on Groove.

# What run_generate.sh plays where there is no run of one's own.
DEFAULT_PRETRAINED = "hier-drums"

# The run that run_train.sh trains on starter grooves: drums that sound like drums, in minutes.
QUICK_CONFIG = "hier-drums_4bar_small"
QUICK_RUN_DIR = RUNS_DIR / "quick"
QUICK_SIZES = "batch_size=32,learning_rate=0.005,enc_rnn_size=[256],dec_rnn_size=[128,128],z_size=32"
QUICK_HPARAMS = f"{QUICK_SIZES},input_init_stddev=0.5,latent_init_stddev=0.05"
QUICK_NUM_STEPS = 1000
QUICK_FLAGS = (f"--hparams={QUICK_HPARAMS}", f"--num_steps={QUICK_NUM_STEPS}", "--seed=1")

MODES_OF_RUNS = ("sample", "interpolate")  # In these a run of one's own plays, where no model is named.
# Of run_generate.sh's flags, those that are the rendering's and the page's; the switches have no value.
CLUSTER_FLAGS = ("worker_hosts", "ps_hosts", "job", "task")
SOUND_FLAGS, PAGE_FLAGS = ("soundfont", "sample_rate", "format", "loudness"), ("background",)
SOUND_SWITCHES, PAGE_SWITCHES = ("loop", "count_in", "click"), ("score",)


def train(argv: list[str]) -> None:
    """Data → TFRecords → training → evaluation, with flags of run_train.sh and, handed on, of `pipelines.train`.

    On the starter grooves, and with nothing said of what to train and how long, it is the quick run.

    Raises:
        SystemExit: a stage failed, or a flag is wrong.
    """
    parser = _parser("./run_train.sh", "Trains a config on a data set, then evaluates it.")
    parser.add_argument(
        "--dataset",
        action="append",
        help="a folder or zip of MIDI files, starter, groove, a TFDS name, TFRecords; can be given several times",
    )
    for name in CONVERT_FLAGS:
        parser.add_argument(f"--{name}", help="which performances, or how to read them; as in pipelines.convert")
    parser.add_argument("--config", help=f"what to train (default: that of the run, or {DEFAULT_CONFIG})")
    parser.add_argument("--run_dir", help="folder of the run (default: runs/CONFIG, and runs/quick for the quick run)")
    parser.add_argument("--mode", default="train", choices=["train", "eval"], help="eval only evaluates")
    parser.add_argument("--split", default="validation", choices=metadata.SPLITS, help="the one to evaluate on")
    parser.add_argument("--examples_path", help="TFRecords to use as they are, in place of --dataset")
    parser.add_argument("--tfds_name", help="a TFDS data set to use as it is, in place of --dataset")
    parser.add_argument(
        "--eval_every_steps", help=f"steps from one validation to the next (default: {VALIDATE_EVERY_STEPS}; 0: none)"
    )
    parser.add_argument("--eval_interval_secs", help="with --mode=eval: wait for new checkpoints, this often")
    for name in CLUSTER_FLAGS:
        parser.add_argument(f"--{name}", help="of several machines; as in pipelines.train and docs/clusters.md")
    args, rest = _parse(parser, "train", argv)

    datasets = args.dataset or [sources.STARTER]
    is_quick = _is_quick(args, rest)
    config = args.config or (QUICK_CONFIG if is_quick else DEFAULT_CONFIG)
    run_dir = args.run_dir or str(QUICK_RUN_DIR if is_quick else RUNS_DIR / config)
    rest = [*QUICK_FLAGS, *rest] if is_quick else rest
    convert_flags = _given(args, *CONVERT_FLAGS)
    stage_flags = [f"--run_dir={run_dir}", *_given(args, "config", "stride_bars", *CLUSTER_FLAGS), *rest]
    if args.mode == "train" and _lends_devices(args):
        _check_flags(parser.prog, "train", stage_flags)
        stages.run(["train", "--mode=train", *stage_flags])
        return
    if not args.config and not Path(run_dir, SETTINGS_NAME).exists():
        stage_flags.insert(0, f"--config={config}")
    eval_flags = ["--mode=eval", *(_given(args, "eval_interval_secs") if args.mode == "eval" else [])]
    validation_flags = _given(args, "eval_every_steps")
    _check_flags(parser.prog, "train", [*stage_flags, *eval_flags, *validation_flags])

    if args.examples_path or args.tfds_name:
        data_flags = _given(args, "examples_path", "tfds_name")
        mode_flags = eval_flags if args.mode == "eval" else ["--mode=train", *validation_flags]
        stages.run(["train", *mode_flags, *data_flags, *stage_flags])
        return
    tfrecord_dir = convert(datasets, convert_flags)
    if args.mode == "train":
        if not validation_flags and _has_windows(tfrecord_dir, "validation"):
            validation_flags = [f"--eval_every_steps={VALIDATE_EVERY_STEPS}"]
        stages.run(["train", "--mode=train", _examples(tfrecord_dir, "train"), *validation_flags, *stage_flags])
        if not _has_examples(tfrecord_dir, args.split):
            print(f"{', '.join(datasets)} has no {args.split} split, so nothing is evaluated")
            return
    stages.run(["train", *eval_flags, _examples(tfrecord_dir, args.split), *stage_flags])


def generate(argv: list[str]) -> None:
    """Checkpoint → MIDI → WAV, pictures and a page.

    Takes flags of run_generate.sh and, handed on, of `pipelines.generate`. Where no model is named, the newest run
    plays, or else a trained model of the clone; where there is none either, the quick run is trained first.

    Raises:
        FileNotFoundError: there is no run and no trained model of the config that was asked for.
        SystemExit: a stage failed, or a flag is wrong.
        ValueError: the soundfont that was asked for cannot be used, the model is named twice, or model or config are
            not known.
    """
    parser = _parser("./run_generate.sh", "Writes drums as MIDI, WAV, pictures and a page that plays them.")
    parser.add_argument(
        "--run_dir", help=f"the trained run (default: the newest below runs/, or --pretrained={DEFAULT_PRETRAINED})"
    )
    parser.add_argument("--pretrained", help="a trained model of the clone: a folder's name in pretrained/")
    parser.add_argument("--checkpoint_file", help="a checkpoint, or a .tar of one, in place of a run")
    parser.add_argument("--config", help="the checkpoint's config (default: that of the run)")
    parser.add_argument("--mode", help=f"what to do (default: sample); {command.modes_help()}")
    parser.add_argument(
        "--humanize_with", help="which model gives timing and dynamics to one without; none, or (default) auto"
    )
    parser.add_argument("--from_manifest", help="a manifest.json, whose files are made again, byte for byte the same")
    parser.add_argument("--output_dir", default=str(GENERATED_DIR), help="where to (default: generated)")
    parser.add_argument("--soundfont", help="the .sf2 to play (default: the first found)")
    for name in SOUND_FLAGS[1:]:
        parser.add_argument(f"--{name}", help="of the sound; as in pipelines.render")
    for name in PAGE_FLAGS:
        parser.add_argument(f"--{name}", help="of the pictures; as in pipelines.report")
    for name in (*SOUND_SWITCHES, *PAGE_SWITCHES):
        stage = "render" if name in SOUND_SWITCHES else "report"
        parser.add_argument(f"--{name}", action="store_true", help=f"as in pipelines.{stage}")
    args, rest = _parse(parser, "generate", argv)

    silent_because = _why_silent(args.soundfont)
    own_flags = _given(args, "mode", "config", "checkpoint_file", "humanize_with", "from_manifest", "output_dir")
    stage_flags = [*own_flags, *rest]
    _check_flags(parser.prog, "generate", [*stage_flags, *_given(args, "run_dir")])
    if not args.from_manifest and not args.humanize_with:  # Else it is said already.
        stage_flags.insert(0, "--humanize_with=auto")
    if args.run_dir or args.checkpoint_file or args.pretrained:
        run_dir = pretrained.choose(args.run_dir, args.checkpoint_file, args.pretrained)
    elif (args.mode or "sample") in MODES_OF_RUNS and not args.from_manifest:
        run_dir = _model_to_play(args.config)
    else:  # The stage knows which trained model suits the mode.
        run_dir = None
    flow = [["generate", *([f"--run_dir={run_dir}"] if run_dir else []), *stage_flags]]
    if not silent_because:
        sound_flags = [*_given(args, *SOUND_FLAGS), *_switched(args, *SOUND_SWITCHES)]
        flow.append(["render", f"--input={args.output_dir}", *(sound_flags or ["--only_new"])])
    page_flags = [*_given(args, *PAGE_FLAGS), *_switched(args, *PAGE_SWITCHES)]
    stages.run(*flow, ["report", f"--input={args.output_dir}", *page_flags])
    if silent_because:
        print(silent_because)
    print(f"see and hear them: {shown(Path(args.output_dir) / 'index.html')}")


def convert(datasets: list[str], convert_flags: Sequence[str] = ()) -> Path:
    """Converts data sets, unless that was done and neither they nor the converter nor its flags have changed since.

    Args:
        datasets: Each as `--input` of `pipelines.convert`.
        convert_flags: Further flags of `pipelines.convert`.

    Returns:
        The folder with their TFRecords.
    """
    inputs = [(name, sources.STARTER_DIR if name == sources.STARTER else Path(name).expanduser()) for name in datasets]
    names = [
        (path.name.removesuffix(".zip") or "data") if path.exists() else name.replace("/", "_") for name, path in inputs
    ]
    tfrecord_dir = TFRECORD_DIR / "+".join(names)
    source_path = tfrecord_dir / "source.txt"
    fingerprint = freshness.of_records(inputs, convert_flags)
    is_whole = (tfrecord_dir / "report.json").exists() and source_path.exists()
    if is_whole and source_path.read_text(encoding="utf-8") == fingerprint:
        print(f"{', '.join(datasets)}: already converted, in {shown(tfrecord_dir)}", flush=True)
        return tfrecord_dir
    source_path.unlink(missing_ok=True)
    input_flags = [f"--input={name}" for name in datasets]
    stages.run(["convert", *input_flags, f"--output_dir={tfrecord_dir}", "--overwrite", *convert_flags])
    atomic.write_text(source_path, fingerprint)
    return tfrecord_dir


def shown(path: Path) -> str:
    """Returns a path as short as it can be written from the caller's folder."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _lends_devices(args: argparse.Namespace) -> bool:
    """Whether this is a machine of a cluster that computes for another one, the chief, and needs no data itself."""
    if args.task is not None and not args.task.isdecimal():
        return False  # The stage says what is wrong.
    task = None if args.task is None else int(args.task)
    cluster = addresses.find(os.environ, args.worker_hosts or "", args.ps_hosts or "", args.job or "", task)
    return cluster is not None and not cluster.this.is_chief


def _is_quick(args: argparse.Namespace, rest: Sequence[str]) -> bool:
    """Whether the flags of run_train.sh mean the quick run, new or begun."""
    if args.mode == "eval" or args.examples_path or args.tfds_name or args.dataset not in (None, [sources.STARTER]):
        return False
    if args.config or any(re.match("--?(num_steps|hparams)(=|$)", flag) for flag in rest):
        return False
    begun = RunFolder(Path(args.run_dir)).settings() if args.run_dir else {}
    return not begun or QUICK_HPARAMS in begun.get("command", "")


def _model_to_play(config: str | None) -> Path:
    """Returns the folder of the model that plays where none is named, and says which it is."""
    if newest := _newest_run(config):
        print(f"plays {shown(newest)}, the newest run", flush=True)
        return newest
    name = pretrained.of_config(config) if config else _usual_pretrained()
    if not name:
        return _train_quick(config)
    own = (
        f"--config={config} trains one of your own" if config else "--dataset=starter trains one of your own in minutes"
    )
    print(f"plays {shown(pretrained.locate(name))}, trained before; ./run_train.sh {own}", flush=True)
    return pretrained.locate(name)


def _usual_pretrained() -> str | None:
    names = pretrained.names()
    return DEFAULT_PRETRAINED if DEFAULT_PRETRAINED in names else next(iter(names), None)


def _newest_run(config: str | None) -> Path | None:
    """Returns the run whose checkpoint was written last, of `config` if that is given.

    A quick run that was stopped on the way does not count.
    """
    found = []
    for index_path in RUNS_DIR.glob("**/train/checkpoint"):
        run = RunFolder(index_path.parent.parent)
        stopped = run.path == QUICK_RUN_DIR and run.step < QUICK_NUM_STEPS
        if not stopped and config in (None, run.config_name):
            found.append((index_path.stat().st_mtime, run.path))
    return max(found)[1] if found else None


def _train_quick(config: str | None) -> Path:
    """Trains the quick run and returns its folder."""
    if config not in (None, QUICK_CONFIG):
        import configs  # Seconds of TensorFlow.

        configs.CONFIG_MAP[config]  # Names its neighbours if it is none.
        raise FileNotFoundError(
            f"no trained run of {config} below {shown(RUNS_DIR)}; train one: ./run_train.sh --config={config}"
        )
    step = RunFolder(QUICK_RUN_DIR).step
    done = f", going on from step {step}" if step else ""
    print(
        f"no trained run below {shown(RUNS_DIR)} and none in the clone: training a quick one on the starter grooves, "
        f"{QUICK_NUM_STEPS} steps, a minute or two{done}",
        flush=True,
    )
    tfrecord_dir = convert([sources.STARTER])
    flags_of_run = (f"--config={QUICK_CONFIG}", f"--run_dir={QUICK_RUN_DIR}", *QUICK_FLAGS)
    stages.run(["train", "--mode=train", *flags_of_run, _examples(tfrecord_dir, "train")])
    return QUICK_RUN_DIR


def _why_silent(soundfont: str | None) -> str:
    """Returns why there will be no sound; empty if there will be."""
    from pipelines.audio import rendering

    try:
        rendering.check(soundfont)
    except OSError as error:
        return cli.explain(error)
    return ""


def _examples(tfrecord_dir: Path, split: str) -> str:
    return f"--examples_path={glob.escape(str(tfrecord_dir))}/{split}.tfrecord*"


def _has_examples(tfrecord_dir: Path, split: str) -> bool:
    return any(path.stat().st_size for path in tfrecord_dir.glob(f"{split}.tfrecord*"))


def _has_windows(tfrecord_dir: Path, split: str) -> bool:
    """Whether the conversion found four bars in a row in a split; files alone are nothing to validate on."""
    try:
        return json.loads((tfrecord_dir / "report.json").read_text(encoding="utf-8"))["splits"][split]["windows"] > 0
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _parser(script: str, description: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=script, description=description, allow_abbrev=False, add_help=False)


def _parse(parser: argparse.ArgumentParser, stage: str, argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Returns the script's own flags, and all others; `--help` shows both kinds."""
    if {"-h", "--help", "--helpfull", "-help"} & set(argv):
        parser.print_help()
        importlib.import_module(f"pipelines.{stage}").define_flags()
        print(f"\nfurther flags, handed on to pipelines.{stage}:")
        for flag in sorted(flags.FLAGS.flags_by_module_dict()[f"pipelines.{stage}"], key=lambda flag: flag.name):
            if f"--{flag.name}" not in parser._option_string_actions:
                print(f"  --{flag.name}: {flag.help}")
        sys.exit(0)
    return parser.parse_known_args(argv)


def _given(args: argparse.Namespace, *names: str) -> list[str]:
    """Returns those of the script's flags that have a value, to hand on."""
    return [f"--{name}={getattr(args, name)}" for name in names if getattr(args, name) is not None]


def _switched(args: argparse.Namespace, *names: str) -> list[str]:
    """Returns those of the script's switches that are on, to hand on."""
    return [f"--{name}" for name in names if getattr(args, name)]


def _check_flags(script: str, stage: str, stage_flags: list[str]) -> None:
    """Ends the process with status 2 if a stage would not take these flags, before any other stage has run."""
    importlib.import_module(f"pipelines.{stage}").define_flags()
    cli.parse_flags([stage, *stage_flags], script)


def main(argv: list[str]) -> int:
    """Runs the flow that `argv` begins with and returns the exit status; a stage that failed ends it with its own."""
    flow = {"train": train, "generate": generate}[argv[0]]
    return cli.guard(functools.partial(flow, argv[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
