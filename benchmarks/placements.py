"""Whether a run is the same wherever it is computed: the largest difference of any variable after some steps.

    python -m benchmarks.placements --examples=data/tfrecord/groove-v1.0.0-midionly/train.tfrecord

Small models are trained on one device, on several that share the CPU, and in several processes, as machines would, and
compared with the first: all variables of the last checkpoint, Adam's included, and the loss.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence

import numpy as np
from absl import flags

from benchmarks import command as commands
from benchmarks import scaling_measure
from models import checkpoints, tensor_bundle
from pipelines import cli
from pipelines.runs import metrics_log

SMALL = "batch_size=12,enc_rnn_size=[24],dec_rnn_size=[16,16],z_size=8"
CONFIGS = {
    "groovae_4bar": f"{SMALL},dropout_keep_prob=0.5",
    "hier-drums_4bar_small": f"{SMALL},dropout_keep_prob=0.5",
    "hier-drums_4bar_groove": f"{SMALL},word_dropout=0.3,weight_decay=0.01",
}
_LIMIT_SECS = 300
_PROJECT_DIR = pathlib.Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a run is computed."""

    name: str
    num_workers: int = 1
    num_servers: int = 0
    flags: tuple[str, ...] = ()


TWO, FOUR, RING = "--num_cpu_devices=2", "--num_cpu_devices=4", "--all_reduce_alg=ring"
PLACES = (
    Place("one device"),
    Place("2 devices", flags=(TWO,)),
    Place("4 devices", flags=(FOUR,)),
    Place("4 devices, a ring", flags=(FOUR, RING)),
    Place("2 processes", 2),
    Place("3 processes", 3),
    Place("2 processes and a parameter server", 2, 1),
    Place("2 processes of 2 devices", 2, flags=(TWO,)),
    Place("2 processes of 2 devices, a ring in each", 2, flags=(TWO, RING)),
)


@dataclasses.dataclass(frozen=True)
class Trained:
    """What came of a run."""

    variables: dict[str, np.ndarray]
    loss: float


def train(config: str, place: Place, examples: str, num_steps: int, folder: pathlib.Path) -> Trained:
    """Trains a config at a place, in a folder that is not there yet.

    Raises:
        ValueError: a process failed, or took too long.
    """
    folder.mkdir(parents=True)
    line = [
        *(sys.executable, "-m", "pipelines.train", f"--config={config}", f"--hparams={CONFIGS[config]}"),
        *(f"--run_dir={folder / 'run'}", f"--examples_path={examples}", f"--num_steps={num_steps}", "--seed=3"),
        *("--precision=fp32", "--wait_secs=200", *place.flags),
    ]
    addresses = [f"127.0.0.1:{port}" for port in scaling_measure.free_ports(place.num_workers + place.num_servers)]
    workers, servers = addresses[: place.num_workers], addresses[place.num_workers :]
    processes, logs = [], []
    try:
        for job, hosts in (("ps", servers), ("worker", workers)):
            for task in reversed(range(len(hosts))):
                cluster = [f"--worker_hosts={','.join(workers)}", f"--job={job}", f"--task={task}"]
                cluster += [f"--ps_hosts={','.join(servers)}"] if servers else []
                logs.append(folder / f"{job}{task}.txt")
                with logs[-1].open("wb") as log:
                    command = line if len(addresses) == 1 else [*line, *cluster]
                    processes.append(
                        subprocess.Popen(
                            command,
                            cwd=_PROJECT_DIR,
                            env=os.environ | {"OMP_NUM_THREADS": "1"},
                            stdout=log,
                            stderr=subprocess.STDOUT,
                        )
                    )
        for process, log in zip(processes, logs, strict=True):
            if process.wait(_LIMIT_SECS):
                raise ValueError(f"{config}, {place.name}: {commands.reason(log)}")
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"{config}, {place.name}: no end within {_LIMIT_SECS} s") from error
    finally:
        for process in processes:
            process.kill()
            process.wait()
    variables = tensor_bundle.read(checkpoints.newest(folder / "run" / "train"))
    return Trained(variables, metrics_log.read(folder / "run")[-1]["loss"])


def differences(found: Trained, expected: Trained) -> tuple[float, float]:
    """Returns the largest difference of any number of any variable, and that of the loss, relative.

    Raises:
        ValueError: they have not the same variables.
    """
    if found.variables.keys() != expected.variables.keys():
        raise ValueError(f"other variables: {sorted(found.variables.keys() ^ expected.variables.keys())}")
    worst = max(
        float(np.abs(value.astype(float) - expected.variables[name].astype(float)).max(initial=0))
        for name, value in found.variables.items()
    )
    return worst, abs(found.loss - expected.loss) / abs(expected.loss)


def lines(configs: Sequence[str], examples: str, num_steps: int, folder: pathlib.Path):
    """Yields the lines of a table in Markdown, each as soon as it is known."""
    yield f"| after {num_steps} steps | " + " | ".join(f"`{config}`" for config in configs) + " |"
    yield "|" + " --- |" * (1 + len(configs))
    alone = {}
    for place in PLACES:
        cells = []
        for config in configs:
            found = train(config, place, examples, num_steps, folder / config / place.name.replace(" ", "_"))
            variables, loss = differences(found, alone.setdefault(config, found))
            cells.append(f"{variables:.0e}, {loss:.0e}" if place is not PLACES[0] else f"loss {found.loss:.4f}")
        yield f"| {place.name} | {' | '.join(cells)} |"


def define_flags() -> None:
    flags.DEFINE_string("examples", None, "TFRecord of NoteSequences to train on, or a glob.", required=True)
    flags.DEFINE_list("configs", list(CONFIGS), "Of those whose small models are known here.")
    flags.DEFINE_integer("num_steps", 20, "Of each training.", lower_bound=10)
    flags.DEFINE_string("output_dir", None, "Folder to keep the runs in; default: they are not kept.")


def main() -> None:
    args = flags.FLAGS
    for config in args.configs:
        if config not in CONFIGS:
            raise ValueError(f"--configs={config}: accepted: {', '.join(CONFIGS)}")
    with tempfile.TemporaryDirectory() as folder:
        for line in lines(args.configs, args.examples, args.num_steps, pathlib.Path(args.output_dir or folder)):
            print(line, flush=True)


if __name__ == "__main__":
    cli.run(main, define_flags)
