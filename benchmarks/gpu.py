"""All that is to be seen on a machine with a GPU, in one command: one after the other, within a given time.

    python -m benchmarks.gpu --minutes=15 --out=gpu \\
        --examples=data/tfrecord/groove-v1.0.0-midionly/train.tfrecord \\
        --validation=data/tfrecord/groove-v1.0.0-midionly/validation.tfrecord

The devices, and whether memory is taken as it is needed; how exact each config's path on the GPU is, without TF32 and
with it; training beside stock Magenta; training on one GPU and on all, where there are several; the kernels of a step;
run_generate.sh; and in the time that is left a training, whose best checkpoint lies in `out/model` then. Each is a
process of its own with a share of the time (SHARES); what fails or is out of time is written down, and the next begins.
`out/gpu.json` and `out/gpu.md` have at any time what has been seen, `out/logs` all that was said. `--rehearse` does all
of it small, on any machine.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import pathlib
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from absl import flags

from benchmarks import command as commands
from benchmarks import contenders, gpu_report, limited, nvidia_smi
from pipelines import cli
from pipelines.files import atomic
from pipelines.runs import metrics_log
from pipelines.training.placement import COPY, NCCL, RING

PROJECT_DIR = pathlib.Path(__file__).resolve().parents[1]
MEASURED = ("hier-drums_4bar_small", "groovae_4bar")  # Beside stock Magenta.
RECOMMENDED = "hier-drums_4bar_groove_hikl"
# What each stage may take of the time, at most; the training gets what they leave, and the export the last of it.
SHARES = {
    **{"devices": 0.05, "growth": 0.05, "exactness": 0.2, "beside Magenta": 0.3},
    **{"several GPUs": 0.15, "profile": 0.1, "generate": 0.07},
}
EXPORT_SHARE = 0.05
WITHOUT_TF32, WITH_TF32 = "without TF32", "with TF32"
FIRST_STEP = 10  # That a pace is taken from.
TINY = "enc_rnn_size=[8],dec_rnn_size=[6,6],z_size=4"
DEVICES = ("auto", "cpu")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is done.

    Attributes:
        examples: A glob of TFRecords to train on.
        validation: One to validate on; what is measured beside Magenta is trained on it too, as it is smaller.
        folder: Where everything is written to.
        secs: All the time there is.
        rehearses: Whether all is small.
        environment: Variables of all processes.
        num_gpus: Those that TensorFlow computes on, once that has been asked.
    """

    examples: str
    validation: str
    folder: pathlib.Path
    secs: float
    rehearses: bool
    environment: dict[str, str]
    num_gpus: int = 0


class Session:
    """Runs stages one after the other, and writes down what became of each."""

    def __init__(self, plan: Plan, report: gpu_report.Report) -> None:
        self.plan, self._report = plan, report
        self._began = time.monotonic()
        (plan.folder / "logs").mkdir(parents=True, exist_ok=True)

    def left_secs(self) -> float:
        return max(0.0, self.plan.secs - (time.monotonic() - self._began))

    def stage(self, name: str, share: float, work: Callable[[Step], dict]) -> dict:
        """Does a stage, and returns what it has found, as far as it came.

        Args:
            name: Of the stage; what is before a colon says how it is told.
            share: Of all the time; what is left in any case.
            work: Does it, and returns what it has found.
        """
        budget = min(share * self.plan.secs, self.left_secs())
        stage = gpu_report.Stage(name, budget)
        self._report.stages.append(stage)
        self._report.write()
        step, started = Step(self.plan, stage, time.monotonic() + budget), time.monotonic()
        with nvidia_smi.watched() as usage:
            try:
                stage.found |= work(step)
                stage.status = gpu_report.LATE if step.is_late else gpu_report.DONE
            except (ValueError, OSError, KeyError) as error:
                stage.status = gpu_report.LATE if step.is_late else gpu_report.FAILED
                stage.reason = str(error)
            except BaseException:
                stage.status, stage.reason = gpu_report.FAILED, "interrupted"
                raise
            finally:
                stage.secs = time.monotonic() - started
                self._report.write()
        stage.peak_mib, stage.busy_percent = usage.peak_mib, usage.busy_percent
        self._report.write()
        print(f"{name:<32} {gpu_report.summary(stage)}", flush=True)
        return stage.found


class Step:
    """A stage that is being done: its processes, and the time that they have.

    Attributes:
        is_late: Whether a process was ended because the stage's time was up.
    """

    def __init__(self, plan: Plan, stage: gpu_report.Stage, deadline: float) -> None:
        self.plan, self.stage, self.is_late = plan, stage, False
        self._deadline = deadline

    def left_secs(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def run(
        self,
        label: str,
        command: Sequence[str],
        *,
        limit_secs: float | None = None,
        ends_late: bool = False,
        **variables,
    ) -> None:
        """Runs a command in the time that is left; its log is called by `label`.

        Args:
            label: Of the log.
            command: The command.
            limit_secs: A limit of its own, below what is left.
            ends_late: Whether it goes on until its time is up, so that this is no failure.
            variables: Of its environment, besides.

        Raises:
            ValueError: it failed, or its time was up.
        """
        log = self.plan.folder / "logs" / f"{label.replace(' ', '-').replace(':', '')}.txt"
        limit = min(self.left_secs(), limit_secs or float("inf"))
        if limit < 1:
            self.is_late = True
            raise ValueError("no time was left")
        ended = limited.run(command, log, limit, self.plan.environment | variables)
        if ended.is_late and not ends_late:
            self.is_late = True
            raise ValueError(f"ended after {ended.secs:.0f} s; {log.name} has what it said")
        if ended.status and not ended.is_late:
            raise ValueError(f"failed with status {ended.status}: {commands.reason(log)}")

    def check(self, name: str, *arguments: str, label: str = "", limit_secs: float | None = None, **variables) -> dict:
        """Returns what a check of `gpu_checks` has found; its log is called by `label`, or after it."""
        label = label or name
        output = self.plan.folder / "logs" / f"{label.replace(' ', '-')}.json"
        program = [sys.executable, "-m", "benchmarks.gpu_checks", f"--check={name}", f"--output={output}", *arguments]
        self.run(label, program, limit_secs=limit_secs, **variables)
        return _read(output)


def devices(step: Step) -> dict:
    """Names the machine. Raises ValueError where there is no GPU."""
    found = step.check("devices")
    step.stage.found |= found
    if not found["num_gpus"] and not step.plan.rehearses:
        raise ValueError(f"no GPU: {'; '.join(found['devices'])}")
    return found


def growth(step: Step) -> dict:
    """Finds whether a small session takes all of the memory."""
    return step.check("growth")


def exactness(step: Step) -> dict:
    """Compares each config's path on the GPU with the CPU's, without TF32 and with it."""
    names = MEASURED if step.plan.rehearses else contenders.GENERATING_CONFIGS
    arguments = [f"--configs={','.join(names)}", f"--hparams={TINY if step.plan.rehearses else ''}"]
    arguments.append(f"--references={step.plan.folder / 'logs' / 'references'}")
    failures = []
    for label, variables in ((WITHOUT_TF32, {"NVIDIA_TF32_OVERRIDE": "0"}), (WITH_TF32, {})):
        try:
            limit = step.left_secs() * (0.6 if label == WITHOUT_TF32 else 1)  # The first computes the references, too.
            step.check("exactness", *arguments, label=label, limit_secs=limit, **variables)
        except ValueError as error:
            failures.append(f"{label}: {error}")
        step.stage.found[label] = _read(step.plan.folder / "logs" / f"{label.replace(' ', '-')}.json")
    if failures:
        raise ValueError("; ".join(failures))
    return {}


def beside_magenta(config: str) -> Callable[[Step], dict]:
    """Returns what trains a config beside stock Magenta."""

    def work(step: Step) -> dict:
        size = ["--batch_size=4", f"--hparams={TINY}", "--num_steps=4", "--warmup_steps=2", "--runs=1"]
        if not step.plan.rehearses:
            size = ["--batch_size=512", "--num_steps=24", "--warmup_steps=5", "--runs=2"]
        output = step.plan.folder / "logs" / f"beside-magenta-{config}.json"
        what = [f"--config={config}", f"--examples={step.plan.validation}", "--precisions=fp32", "--nocount_operations"]
        program = [sys.executable, "-m", "benchmarks.train", *what, *size, f"--output={output}"]
        step.run(f"beside magenta {config}", program)
        return _read(output)

    return work


def several_gpus(step: Step) -> dict:
    """Trains on one GPU and on all, with each way to add up gradients; a rehearsal on devices of the CPU."""
    rehearses = step.plan.rehearses
    adding = [COPY]
    try:
        step.run("all reduce", [sys.executable, "-m", "benchmarks.all_reduce", *_all_devices(step.plan, "")])
        adding.append(RING if rehearses else NCCL)
        said = (step.plan.folder / "logs" / "all-reduce.txt").read_text(encoding="utf-8").strip()
    except ValueError as error:  # NCCL does not work on every machine; copies do.
        said = str(error)
    step.stage.found["adding_up"] = said
    what = ["--config=hier-drums_4bar_small", f"--examples_path={step.plan.validation}", "--seed=1", "--precision=fp32"]
    what += [f"--hparams=batch_size=4,{TINY}" if rehearses else "--hparams=batch_size=512"]
    what += [f"--num_steps={20 if rehearses else 60}", "--save_checkpoints_secs=3600"]
    ways = {"one": ["--num_gpus=0" if rehearses else "--num_gpus=1"]}
    ways |= {way: _all_devices(step.plan, way) for way in adding}
    for name, flags_of_way in ways.items():
        run_dir = step.plan.folder / "several" / name
        program = [sys.executable, "-m", "pipelines.train", f"--run_dir={run_dir}", *what, *flags_of_way]
        step.run(f"several {name}", program)
        step.stage.found[name] = pace(metrics_log.read(run_dir), 4 if rehearses else 512)
    return {}


def _all_devices(plan: Plan, way: str) -> list[str]:
    """Returns the flags that share a batch among all GPUs, or in a rehearsal among two devices of the CPU."""
    flags_of_way = [f"--all_reduce_alg={way}"] if way else []
    if plan.rehearses:
        return ["--num_cpu_devices=2", *flags_of_way]
    return [*([] if way else [f"--num_gpus={plan.num_gpus}"]), *flags_of_way]


def pace(rows: Sequence[dict], batch_size: int) -> dict:
    """Returns the examples a second of a training, but for its first steps, and the loss of its last step."""
    first, *_, last = (row for row in rows if row["split"] == metrics_log.TRAIN and row["step"] >= FIRST_STEP)
    examples = (last["step"] - first["step"]) * batch_size
    return {"examples_per_sec": examples / (last["secs"] - first["secs"]), "step": last["step"], "loss": last["loss"]}


def profile(config: str) -> Callable[[Step], dict]:
    """Returns what traces a step of a config."""

    def work(step: Step) -> dict:
        size = [f"--hparams={TINY}", "--batch_size=4"] if step.plan.rehearses else []
        return step.check("profile", f"--configs={config}", *size, label=f"profile {config}")

    return work


def generate(step: Step) -> dict:
    """Runs run_generate.sh with a trained model of the clone."""
    folder = step.plan.folder / "generated"
    count = 1 if step.plan.rehearses else 5
    script = ["bash", str(PROJECT_DIR / "run_generate.sh"), f"--output_dir={folder}", f"--num_outputs={count}"]
    started = time.monotonic()
    step.run("generate", [*script, "--pretrained=hier-drums"], VENV="none", PYTHON=sys.executable)
    endings = {name: len(list(folder.rglob(f"*.{name}"))) for name in ("mid", "wav")}
    return {"secs": time.monotonic() - started, "files": endings}


def train(step: Step) -> dict:
    """Trains the recommended config until the time is up, and returns its best validation and its speed."""
    run_dir = step.plan.folder / "run"
    what = [f"--config={RECOMMENDED}", f"--run_dir={run_dir}", f"--examples_path={step.plan.examples}", "--seed=1"]
    what += [f"--eval_examples_path={step.plan.validation}", "--checkpoints_to_keep=1"]
    if step.plan.rehearses:
        what += [f"--hparams=batch_size=4,{TINY}", "--num_steps=4", "--eval_every_steps=2", "--eval_num_batches=1"]
    else:
        what += ["--num_steps=0", "--eval_every_steps=1000"]
    limit = max(1.0, step.left_secs() - limited.GRACE_SECS)
    step.run("train", [sys.executable, "-m", "pipelines.train", *what], limit_secs=limit, ends_late=True)
    return learnt(run_dir)


def learnt(run_dir: pathlib.Path) -> dict:
    """Returns what a run has reached: its last step, how fast it was, and the validation with the lowest loss.

    Raises:
        ValueError: it has no step.
    """
    rows = metrics_log.read(run_dir)
    taken = [row for row in rows if row["split"] == metrics_log.TRAIN]
    if not taken:
        raise ValueError("no step was taken")
    found = {"config": RECOMMENDED, "steps": taken[-1]["step"], "secs": taken[-1]["secs"], "loss": taken[-1]["loss"]}
    validations = metrics_log.validations(rows)
    if validations:
        best = min(validations, key=lambda row: row["loss"])
        found["best"] = {key: value for key, value in best.items() if isinstance(value, int | float)}
    return found


def export(step: Step) -> dict:
    """Writes the run's best checkpoint, as small as can be, to `out/model`."""
    run_dir, folder = step.plan.folder / "run", step.plan.folder / "model"
    source = run_dir / "best" if (run_dir / "best").is_dir() else run_dir
    step.run("export", [sys.executable, "-m", "pipelines.export", f"--run_dir={source}", f"--output_dir={folder}"])
    return {"files": {path.name: path.stat().st_size for path in sorted(folder.iterdir())}}


def stages() -> Iterator[tuple[str, float, Callable[[Step], dict]]]:
    """Yields the stages in order: a name, the share of the time, and what does it."""
    yield "devices", SHARES["devices"], devices
    yield "growth", SHARES["growth"], growth
    yield "exactness", SHARES["exactness"], exactness
    for config in MEASURED:
        yield f"beside Magenta: {config}", SHARES["beside Magenta"] / len(MEASURED), beside_magenta(config)
    yield "several GPUs", SHARES["several GPUs"], several_gpus
    for config in (MEASURED[0], RECOMMENDED):
        yield f"profile: {config}", SHARES["profile"] / 2, profile(config)
    yield "generate", SHARES["generate"], generate


def see(plan: Plan, report: gpu_report.Report) -> None:
    """Does all stages. Raises ValueError where there is no GPU, and this is no rehearsal."""
    session = Session(plan, report)
    for name, share, work in stages():
        if work is several_gpus and session.plan.num_gpus < 2 and not plan.rehearses:
            continue
        found = session.stage(name, share, work)
        if work is devices:
            session.plan = dataclasses.replace(plan, num_gpus=found.get("num_gpus", 0))
        if not session.plan.num_gpus and not plan.rehearses:
            raise ValueError(
                f"{report.stages[0].reason}; nothing was measured. --rehearse does all of it small, on a CPU"
            )
    left = session.left_secs() / plan.secs
    session.stage("training", left - EXPORT_SHARE, train)
    session.stage("export", 1.0, export)


def _read(path: pathlib.Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def define_flags() -> None:
    flags.DEFINE_string("examples", None, "TFRecord of NoteSequences to train on, or a glob.", required=True)
    flags.DEFINE_string(
        "validation", None, "TFRecord to validate and measure on, or a glob; default: validation.tfrecord beside."
    )
    flags.DEFINE_string("out", None, "Folder for everything.", required=True)
    flags.DEFINE_float("minutes", 15, "The time for all of it.", lower_bound=0.5)
    flags.DEFINE_enum("devices", DEVICES[0], DEVICES, "cpu hides the GPUs.")
    flags.DEFINE_bool("rehearse", False, "Do all stages small, on a machine without a GPU too.")


def main() -> None:
    args = flags.FLAGS
    folder = pathlib.Path(args.out)
    if (folder / gpu_report.JSON_NAME).exists():
        raise ValueError(f"{folder}: has a {gpu_report.JSON_NAME} already; give another --out")
    atomic.check_folder(folder)
    validation = args.validation or str(pathlib.Path(args.examples).with_name("validation.tfrecord"))
    environment = {"CUDA_VISIBLE_DEVICES": "-1"} if args.devices == "cpu" else {}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PROJECT_DIR), os.environ.get("PYTHONPATH")]))
    plan = Plan(args.examples, validation, folder.absolute(), args.minutes * 60, args.rehearse, environment)
    command = shlex.join(["python", "-m", "benchmarks.gpu", *sys.argv[1:]])
    date = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="minutes")
    see(plan, gpu_report.Report(folder, command, date, args.rehearse))


if __name__ == "__main__":
    cli.run(main, define_flags)
