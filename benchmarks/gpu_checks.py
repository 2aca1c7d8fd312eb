"""What `benchmarks.gpu` asks of TensorFlow on a GPU, each in a process of its own; the answer is a JSON file.

python -m benchmarks.gpu_checks --check=exactness --output=exactness.json --configs=hier-drums_4bar_small
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import platform
import zlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from absl import flags

from benchmarks import nvidia_smi
from pipelines import cli
from pipelines.files import atomic

CHECKS = ("devices", "growth", "exactness", "profile")
EXACTNESS_BATCH = 8
ALL_MEMORY_SHARE = 0.5  # A small session that holds more than this has taken all that there was.
NUM_KERNELS_SHOWN = 15


def devices() -> dict:
    """Returns the machine: TensorFlow and what it was built for, its devices, and the card and driver."""
    from models.magenta import cards, describe_devices, tf

    build = tf.sysconfig.get_build_info()
    found = {
        "tensorflow": tf.__version__,
        "python": platform.python_version(),
        "cuda": build.get("cuda_version", "none"),
        "cudnn": build.get("cudnn_version", "none"),
        "devices": describe_devices(),
        "num_gpus": sum(card.is_supported for card in cards()),
        "num_cores": os.cpu_count(),
    }
    try:
        return found | nvidia_smi.card()
    except OSError as error:
        return found | {"card": str(error)}


def growth() -> dict:
    """Returns the MiB in use before TensorFlow opens the GPU, and while an input pipeline and a session have it."""
    before = _memory()
    from models.magenta import session_config, tf

    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        batches = tf.data.make_initializable_iterator(
            tf.data.Dataset.from_tensors(np.ones([8, 8], np.float32)).repeat()
        )
        product = tf.matmul(batches.get_next(), tf.ones([8, 8]))
        session.run(batches.initializer)
        session.run(product)
        found = judged(before, _memory())
        with contextlib.suppress(OSError):
            found["of_process_mib"] = nvidia_smi.memory_by_process().get(os.getpid())
    return found


def judged(before: Mapping, opened: Mapping) -> dict:
    """Returns the memory in use before and while a session is open, and whether that has taken everything."""
    found = {"before": before, "open": opened}
    if "total_mib" in opened and "used_mib" in before:
        taken = opened["used_mib"] - before["used_mib"]
        found |= {"taken_mib": taken, "took_everything": taken > ALL_MEMORY_SHARE * opened["total_mib"]}
    return found


def _memory() -> dict:
    try:
        used, total = nvidia_smi.query("memory.used", "memory.total")
    except OSError as error:
        return {"error": str(error)}
    return {"used_mib": float(used), "total_mib": float(total)}


def exactness(names: Iterable[str], hparams: str, references: pathlib.Path, output: pathlib.Path) -> dict:
    """Returns how far loss and gradients of the GPU's path are from the CPU's, relative, by config.

    Both have the same variables, batch and random numbers; a gradient's difference is relative to its variable's
    largest. On a machine without a GPU the GPU's path is computed on the CPU. Each config is written down at once.

    Args:
        names: The configs.
        hparams: Changes in all of them.
        references: A folder for what the CPU has computed, which is taken from there the next time.
        output: Where to write.
    """
    found = {}
    for name in names:
        on_cpu = _reference(name, hparams, references / f"{name}.npz")
        on_gpu = _loss_and_gradients(name, hparams, "", "block")
        worst, variable = max(
            (float(np.abs(on_gpu[1][key] - value).max() / max(np.abs(value).max(), 1e-30)), key)
            for key, value in on_cpu[1].items()
        )
        found[name] = {"loss": float(abs(on_gpu[0] - on_cpu[0]) / abs(on_cpu[0])), "gradients": worst, "of": variable}
        atomic.write_text(output, json.dumps(found, indent=2) + "\n")
    return found


def _reference(name: str, hparams: str, path: pathlib.Path) -> tuple[float, dict[str, np.ndarray]]:
    if not path.exists():
        loss, gradients = _loss_and_gradients(name, hparams, "/cpu:0", "steps")
        with atomic.replacing(path) as partial:
            np.savez(partial, loss=loss, **{f"of {key}": value for key, value in gradients.items()})
    with np.load(path) as kept:
        gradients = {key.removeprefix("of "): kept[key] for key in kept.files if key != "loss"}
        return float(kept["loss"]), gradients


def _loss_and_gradients(name: str, hparams: str, device: str, layers: str) -> tuple[float, dict[str, np.ndarray]]:
    """Returns what one device makes of a batch, its layers computed as said; a variable's values are of its name."""
    from benchmarks import traced_step
    from models.magenta import session_config, tf

    config = traced_step.config_of(name, hparams, EXACTNESS_BATCH)
    arrays = traced_step.batch_of(config)
    config.model.layers = layers
    with tf.Graph().as_default(), tf.device(device):
        tf.set_random_seed(traced_step.SEED)
        config.model.build(config.hparams, config.data_converter.output_depth, is_training=True)
        inputs, outputs, lengths = (tf.constant(arrays[key]) for key in ("inputs", "outputs", "lengths"))
        config.model._compute_model_loss(inputs, outputs, lengths, None)
        variables = tf.trainable_variables()
        gradients = dict(zip(variables, tf.gradients(config.model.loss, variables), strict=True))
        with tf.Session(config=session_config()) as session:
            session.run(tf.global_variables_initializer())
            for variable in variables:
                rng = np.random.default_rng(zlib.crc32(variable.op.name.encode()))
                deviation = 0.3 / np.sqrt(max(1, int(variable.shape[0]) / 20))  # Of the size that training begins with.
                variable.load(rng.normal(0, deviation, variable.shape), session)
            named = {variable.op.name: gradient for variable, gradient in gradients.items() if gradient is not None}
            return session.run((config.model.loss, named))


def profile(name: str, hparams: str, batch_size: int) -> dict:
    """Returns what one step of a config is spent on: its longest kernels, how busy the GPU is, and what was counted.

    Without a GPU it is the CPU's operations.
    """
    from benchmarks import operations, traced_step

    config = traced_step.config_of(name, hparams, batch_size)
    trace = traced_step.take(config)
    counted = operations.count(trace).as_json()["totals"]
    return {"batch_size": config.hparams.batch_size, "counted": counted, **summarize(kernels_of(trace.metadata))}


@dataclasses.dataclass(frozen=True)
class Kernel:
    """One that was run: its name, and when it began and how long it took, microseconds."""

    name: str
    start: float
    micros: float


def kernels_of(metadata) -> tuple[str, list[Kernel]]:
    """Returns where a step was seen, and all that was run there: a GPU's streams, or where there are none the CPU."""
    streams = [device for device in metadata.step_stats.dev_stats if "stream:" in device.device]
    every = [device for device in streams if device.device.endswith("stream:all")]
    seen = every or streams or list(metadata.step_stats.dev_stats)
    kernels = [
        Kernel(
            (node.timeline_label or node.node_name)
            if streams
            else node.timeline_label.partition(" = ")[2].split("(")[0],
            node.all_start_nanos / 1000 or float(node.all_start_micros),
            (node.op_end_rel_nanos - node.op_start_rel_nanos) / 1000
            or float(node.op_end_rel_micros - node.op_start_rel_micros),
        )
        for device in seen
        for node in device.node_stats
    ]
    return "GPU" if streams else "CPU", kernels


def summarize(seen: tuple[str, Sequence[Kernel]]) -> dict:
    """Returns a step's length and busy share, and its longest kernels by name: how many, and milliseconds in all."""
    where, kernels = seen
    if not kernels:
        return {"seen_on": where, "num_kernels": 0}
    by_name = collections.defaultdict(list)
    for kernel in kernels:
        by_name[kernel.name].append(kernel.micros)
    longest = sorted(by_name, key=lambda name: -sum(by_name[name]))[:NUM_KERNELS_SHOWN]
    start, end = min(each.start for each in kernels), max(each.start + each.micros for each in kernels)
    return {
        "seen_on": where,
        "num_kernels": len(kernels),
        "step_ms": round((end - start) / 1000, 3),
        "busy_share": round(_covered(kernels) / max(end - start, 1e-9), 3),
        "kernels": [
            {"name": name, "count": len(by_name[name]), "ms": round(sum(by_name[name]) / 1000, 3)} for name in longest
        ],
    }


def _covered(kernels: Iterable[Kernel]) -> float:
    """Returns for how many microseconds at least one kernel ran."""
    covered, until = 0.0, float("-inf")
    for kernel in sorted(kernels, key=lambda each: each.start):
        end = kernel.start + kernel.micros
        covered += max(0.0, end - max(kernel.start, until))
        until = max(until, end)
    return covered


def define_flags() -> None:
    flags.DEFINE_enum("check", None, CHECKS, "What to look at.", required=True)
    flags.DEFINE_string("output", None, "JSON file for what was found.", required=True)
    flags.DEFINE_list("configs", [], "For exactness: those to look at. For the profile: the one.")
    flags.DEFINE_string("references", "/tmp/references", "For exactness: folder for what the CPU computes.")
    flags.DEFINE_string("hparams", "", "name=value,… to change in the configs.")
    flags.DEFINE_integer("batch_size", 0, "For the profile: examples a batch; 0 is the config's own.", lower_bound=0)


def main() -> None:
    args = flags.FLAGS
    output = pathlib.Path(args.output)
    if args.check == "devices":
        found = devices()
    elif args.check == "growth":
        found = growth()
    elif args.check == "exactness":
        found = exactness(args.configs, args.hparams, pathlib.Path(args.references), output)
    else:
        found = profile(args.configs[0], args.hparams, args.batch_size)
    atomic.write_text(output, json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    cli.run(main, define_flags)
