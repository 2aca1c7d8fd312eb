"""Training and evaluation, with the flags of Magenta's `music_vae_train`.

    python -m pipelines.train --config=hier-drums_4bar_small --run_dir=runs/first --mode=train \\
        --examples_path=data/tfrecord/starter/train.tfrecord --num_steps=300
    python -m pipelines.train --config=hier-drums_4bar_small --run_dir=runs/first --mode=eval \\
        --examples_path=data/tfrecord/starter/validation.tfrecord

Checkpoints go to `run_dir/train/model.ckpt-N`, what is measured to `run_dir/metrics.jsonl` and `run_dir/curves.png`, an
evaluation to `run_dir/eval/metrics.json` and, to look at and listen to, `evaluation.html` beside it. The same command
again goes on where the last one stopped, however it was; Ctrl-C stops after writing a checkpoint.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import shlex
import sys
import time

from absl import flags

from pipelines import cli
from pipelines.evaluation import registry
from pipelines.files import atomic
from pipelines.training import interrupts, options, placement
from pipelines.training.cluster import addresses
from pipelines.training.options import Run
from pipelines.training.replicas import Replica


def check_run(
    run_dir: str,
    name: str | None,
    hparams: str,
    examples_path: str | None,
    tfds_name: str | None,
    *,
    stride_bars: int | None = None,
    cache_dir: str | None = None,
    tfds_data_dir: str | None = None,
) -> Run:
    """Checks everything that can be checked before long work starts.

    Raises:
        ValueError: two sources of data or none, an unknown config or hparam, a run of another config, a stride that the
            config cannot take, or a `run_dir` that is a file.
    """
    import configs
    from pipelines.runs import pretrained, resolution, run_folder

    if examples_path and tfds_name:
        raise ValueError("--examples_path and --tfds_name were both given; give one of them")
    folder, checkpoint_dir = run_folder.locate(run_dir)
    if folder.path.exists() and not folder.path.is_dir():
        raise ValueError(f"{folder.path}: is a file; --run_dir takes a folder")
    if pretrained.tar_of(folder.path):
        raise ValueError(
            f"{folder.path}: a trained model, which stays as it is; evaluate it with python -m pipelines.evaluate, or"
            " give another --run_dir"
        )
    name, config = resolution.resolve_config(folder, name, hparams)
    config = configs.with_stride(config, stride_bars)
    if tfds_name:
        config = config._replace(tfds_name=tfds_name)
    where = examples_path or config.tfds_name  # GrooVAE's configs name a TFDS dataset themselves, as in Magenta.
    if not where:
        raise ValueError(
            "which data? --examples_path=GLOB of TFRecords, or --tfds_name=NAME;"
            " ./run_train.sh --dataset=DIR|ZIP|starter makes TFRecords by itself"
        )
    return Run(folder, checkpoint_dir, name, config, examples_path, where, cache_dir, tfds_data_dir)


def train_run(
    run: Run, num_steps: int | None, seed: int | None = None, *, stop: interrupts.Stop | None = None, **more
) -> int:
    """Trains a run, or goes on with it, until `stop` says so; without a `stop`, until a signal comes.

    The other arguments are those of `options.Training`.

    Returns:
        An exit status: 0, or 128 + the signal that ended it.

    Raises:
        ValueError: the checkpoint, the seed or the data are another run's, or the loss has exploded.
        BlockingIOError: another process trains this run.
        OSError: the disk is full, or a file cannot be read or written.
    """
    from pipelines.training import loop, setup

    run_dir = run.folder.path
    if run.checkpoint_dir == run.folder.best_dir:
        raise ValueError(f"{run.checkpoint_dir}: one checkpoint of a run; --run_dir={run_dir} trains the run")
    atomic.check_folder(run_dir)
    with contextlib.ExitStack() as stack:
        stop = stop or stack.enter_context(interrupts.deferred())
        training = options.Training(num_steps=num_steps, seed=seed, **more)
        stack.enter_context(training.replica.folder_held(run.folder))
        party = None
        if training.machines.cluster:
            party = stack.enter_context(_gathered(run, training, stop))
            if stop.is_asked_for():
                return stop.status
            training = dataclasses.replace(training, precision=party.precision(training.precision))
        prepared = setup.prepare(run, training, stop, party)
        if prepared is None:
            return 0
        started = time.monotonic()
        last_step = loop.run_steps(prepared, stop)
        return setup.conclude(prepared, last_step, (time.monotonic() - started) / 60, stop)


def _gathered(run: Run, training: options.Training, stop: interrupts.Stop) -> contextlib.AbstractContextManager:
    """Opens the cluster that a run is trained on; this process is its chief."""
    from pipelines.training.cluster import party

    machines = training.machines
    return party.gathered(
        machines.cluster,
        stop,
        wait_secs=machines.wait_secs,
        listen=machines.listen,
        devices=training.devices,
        asked={**machines.asked, "config": run.name},
    )


def evaluate_run(run: Run, num_batches: int | None, suffix: str = "", interval_secs: float | None = None) -> None:
    """Evaluates the newest checkpoint, or, looking every `interval_secs`, each new one for ever.

    Args:
        run: The run.
        num_batches: Evaluates only so many batches; None is all examples.
        suffix: Of the folder `eval` that the metrics go to.
        interval_secs: None evaluates once.
    """
    from models import checkpoints
    from pipelines.evaluation import results
    from pipelines.examples import loading, note_sequences
    from pipelines.review import page
    from pipelines.runs import trained
    from pipelines.training import curves

    eval_dir, curves_path = run.folder.path / f"eval{suffix}", run.folder.path / curves.FILE_NAME
    checkpoint = None if interval_secs else trained.newest_checkpoint(run.folder, run.checkpoint_dir)
    atomic.check_folder(eval_dir)
    performances = note_sequences.find(run.config, "validation", run.examples_path, run.tfds_data_dir)
    examples = loading.load(run.config, "validation", run.examples_path, run.cache_dir, run.tfds_data_dir)
    evaluated = None
    while True:
        checkpoint = checkpoint or checkpoints.newest(run.checkpoint_dir)
        if checkpoint and checkpoint != evaluated:
            found = results.evaluate(run.name, run.config, examples, checkpoint, num_batches)
            found.write_events(eval_dir)
            found.write_json(eval_dir / results.METRICS_NAME)
            page.write(eval_dir, found, run.config, examples, performances, curves_path=curves_path)
            evaluated = checkpoint
        if not interval_secs:
            return
        checkpoint = None
        time.sleep(interval_secs)


def serve(machines: options.Machines, devices: options.Devices, stop: interrupts.Stop) -> int:
    """Lends this machine's devices to the chief of a cluster until that ends; returns the exit status."""
    from pipelines.training.cluster import serving

    options_of_server = {"listen": machines.listen, "devices": devices, "asked": machines.asked}
    return serving.serve(machines.cluster, stop, wait_secs=machines.wait_secs, **options_of_server)


def define_flags() -> None:
    flags.DEFINE_enum("mode", "train", ["train", "eval"], "What to do.")
    flags.DEFINE_string("config", None, "The config's name; default: that of the run in --run_dir.")
    flags.DEFINE_string("run_dir", None, "Folder of the run, with train/ and eval/ in it.", required=True)
    flags.DEFINE_string("examples_path", None, "TFRecord of NoteSequences, or a glob over several.")
    flags.DEFINE_string("tfds_name", None, "TensorFlow Datasets name to take examples from instead.")
    flags.DEFINE_string("tfds_data_dir", None, "Where TFDS keeps its data sets; default: its own choice.")
    flags.DEFINE_integer(
        "stride_bars", None, "Bars from one window of a performance to the next; default: 1, and 4 for grooves.", 1
    )
    flags.DEFINE_string(
        "cache_dir", None, "Folder to keep converted examples in; default: beside what they are made of."
    )
    flags.DEFINE_string("hparams", "", "name=value,… to change in the config, for instance batch_size=64.")
    flags.DEFINE_integer("num_steps", 200000, "Training ends at this step; 0 for never.", lower_bound=0)
    flags.DEFINE_integer("eval_num_batches", None, "Evaluate or validate only so many batches.", lower_bound=1)
    flags.DEFINE_float(
        "eval_interval_secs", None, "Keep evaluating new checkpoints, looking this often.", lower_bound=1
    )
    flags.DEFINE_string("eval_dir_suffix", "", "Suffix of the folder eval/.")
    flags.DEFINE_integer(
        "eval_every_steps", 0, "While training, validate every so many steps, and at the end; 0 for never.", 0
    )
    flags.DEFINE_string(
        "eval_examples_path", None, "TFRecords to validate on while training; default: validation.tfrecord* beside."
    )
    flags.DEFINE_enum("best_metric", "loss", registry.BEST_NAMES, "What the checkpoint in run_dir/best is the best by.")
    flags.DEFINE_integer(
        "patience", 0, "Training ends after so many validations without a better one; 0 for never.", lower_bound=0
    )
    flags.DEFINE_bool("resume", True, "Go on where the run was stopped; --noresume demands an empty folder.")
    flags.DEFINE_bool("allow_other_data", False, "Let a run go on with other examples than it began with.")
    flags.DEFINE_enum(
        "precision", "auto", ["auto", "fp32", "bf16"], "Of matrix products; auto is what this machine computes fastest."
    )
    flags.DEFINE_integer("num_gpus", None, "Train on at most so many GPUs, 0 for the CPU; default: all.", lower_bound=0)
    flags.DEFINE_integer(
        "num_cpu_devices", 1, "Without a GPU: share the batch among so many devices on the CPU.", lower_bound=1
    )
    flags.DEFINE_enum(
        "all_reduce_alg",
        "auto",
        placement.ALGORITHMS,
        "How the devices of a machine add up gradients: by NCCL, in a ring, or copied; auto tries NCCL first.",
    )
    flags.DEFINE_enum(
        "layers",
        "auto",
        ["auto", "steps", "block", "cudnn"],
        "How LSTM layers are computed: in steps; at once by BlockLSTM, in fp32; at once by cuDNN, on a GPU; auto is"
        " block on a GPU in fp32, else steps.",
    )
    flags.DEFINE_float("save_checkpoints_secs", 60, "Seconds from one checkpoint to the next.", lower_bound=0)
    flags.DEFINE_integer("checkpoints_to_keep", 100, "The newest N checkpoints; 0 for all.", lower_bound=0)
    flags.DEFINE_integer("keep_checkpoint_every_n_hours", 1, "Also keep one every so many hours.", lower_bound=1)
    flags.DEFINE_integer("seed", None, "Seed of everything that is drawn; default: the run's, or a new one.")
    flags.DEFINE_bool("cache_dataset", True, "Accepted for music_vae_train's sake: examples are always kept on disk.")
    flags.DEFINE_string("worker_hosts", "", "Train on several machines: their addresses, host:port,…, the chief first.")
    flags.DEFINE_string("ps_hosts", "", "Machines that hold the variables; default: those that compute.")
    flags.DEFINE_enum("job", None, addresses.JOBS, "What this machine is, with --worker_hosts; default: worker.")
    flags.DEFINE_integer("task", None, "Number of this worker; 0, the default, is the chief.", lower_bound=0)
    flags.DEFINE_float("wait_secs", 60, "So long other machines may take to start.", lower_bound=0)
    flags.DEFINE_string("listen", None, "Address to listen on, where it is not this machine's in --worker_hosts.")
    flags.DEFINE_string("master", "", "Address of a TensorFlow cluster that Magenta's flags use.")
    flags.DEFINE_integer("num_ps_tasks", 0, "Parameter servers.", lower_bound=0)
    flags.DEFINE_integer("num_sync_workers", 0, "Workers that train in step; 0 for one alone.", lower_bound=0)
    cli.define_log_flag()


def main() -> int | None:
    cli.apply_log_level(flags.FLAGS.log)
    if flags.FLAGS.num_gpus == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # Before TensorFlow is imported, which then knows of none.
    machines = _machines()
    if not machines.cluster:
        return _work(machines)
    # A machine that stands still would keep this process from ending.
    status = cli.guard(functools.partial(_work, machines))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _machines() -> options.Machines:
    """Returns the cluster that the flags or TF_CONFIG name.

    Raises:
        ValueError: it is none, or Magenta's flags name one, too.
    """
    args = flags.FLAGS
    if args.mode != "train":
        return options.Machines()
    if args.master or args.num_sync_workers or args.num_ps_tasks:
        if args.worker_hosts:
            raise ValueError("--worker_hosts does without --master, --num_sync_workers and --num_ps_tasks")
        return options.Machines()
    cluster = addresses.find(os.environ, args.worker_hosts, args.ps_hosts, args.job or "", args.task)
    asked = {"config": args.config, "hparams": args.hparams or None, "examples_path": args.examples_path}
    return options.Machines(cluster, args.wait_secs, args.listen, asked)


def _work(machines: options.Machines) -> int | None:
    args = flags.FLAGS
    is_training = args.mode == "train"
    devices = options.Devices(args.num_gpus, args.num_cpu_devices, args.all_reduce_alg)
    # From here on: the imports take seconds.
    with interrupts.deferred() if is_training else contextlib.nullcontext() as stop:
        if machines.cluster and not machines.cluster.this.is_chief:
            return serve(machines, devices, stop)
        run = check_run(
            args.run_dir,
            args.config,
            args.hparams,
            args.examples_path,
            args.tfds_name,
            stride_bars=args.stride_bars,
            cache_dir=args.cache_dir,
            tfds_data_dir=args.tfds_data_dir,
        )
        if not is_training:
            return evaluate_run(run, args.eval_num_batches, args.eval_dir_suffix, args.eval_interval_secs)
        return train_run(
            run,
            args.num_steps or None,
            args.seed,
            stop=stop,
            saving=options.Saving(
                args.save_checkpoints_secs, args.checkpoints_to_keep, args.keep_checkpoint_every_n_hours
            ),
            validating=options.Validating(
                args.eval_every_steps, args.eval_examples_path, args.eval_num_batches, args.best_metric, args.patience
            ),
            devices=devices,
            machines=machines,
            replica=Replica(args.master, args.task or 0, args.num_ps_tasks, args.num_sync_workers),
            resumed=args.resume,
            precision=args.precision,
            layers=args.layers,
            allow_other_data=args.allow_other_data,
            command=shlex.join(["python", "-m", "pipelines.train", *sys.argv[1:]]),
        )


if __name__ == "__main__":
    cli.run(main, define_flags)
