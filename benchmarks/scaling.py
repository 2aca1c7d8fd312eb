"""What several GPUs would bring: the time of a step on 1 to 64 of them, from measured figures, and what a run costs.

    python -m benchmarks.scaling --config=hier-drums_4bar_small --batch_size=512 --plot=docs/scaling.png

Two ways to join the GPUs: eight a machine by NVLink, and each in a machine of its own; machines by 10 Gbit/s. What is
measured is the step on one GPU. How much of it is arithmetic is known in bounds alone, and so are the results: where
there are two figures, the first is for the arithmetic that the GPU does at its peak, the second for as much as it was
seen busy. Arithmetic is what several GPUs share.

`--measure` checks the model against trainings in one and two processes of this machine.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import tempfile
from collections.abc import Sequence

from absl import flags

from benchmarks import scaling_model
from pipelines import cli
from pipelines.files import atomic

HOUR_SECS = 3600
NVLINK, NETWORK = "NVLink within 8, 10 Gbit/s between", "10 Gbit/s between all"


@dataclasses.dataclass(frozen=True)
class Measured:
    """What is known of a step on one GPU."""

    secs: float
    kernels: int  # That it started.
    flops: float  # Of its batch.
    peak_flops_per_sec: float
    busy: float  # The part of the time in which the GPU was seen to do anything.

    def shares(self) -> tuple[float, float]:
        """Returns the least and the largest part of the step that its arithmetic can be.

        Raises:
            ValueError: there is none.
        """
        least = self.flops / self.peak_flops_per_sec / self.secs
        if not 0 < self.busy <= 1 or least > self.busy:
            raise ValueError(
                f"{self.flops / 1e9:,.0f} GFLOP at the GPU's peak are {least:.3f} of a step, and it is busy"
                f" {self.busy:g} of it; give --peak_tflops, --busy (at most 1) and --step_ms of one GPU and batch"
            )
        return least, self.busy

    def step(self, share: float, kernels: int, variables: Sequence[int]) -> scaling_model.Step:
        """Returns a step of which `share` was arithmetic, as it would be with another number of kernels."""
        arithmetic = self.secs * share
        return scaling_model.Step((self.secs - arithmetic) * kernels / self.kernels, arithmetic, tuple(variables))


def table(found: scaling_model.Bounds, batch_size: int, num_steps: int, price: float, grows: bool = False) -> list[str]:
    """Returns lines of Markdown: a GPU count each, with what `num_steps` cost at `price` a GPU and hour.

    Each cell has the figure for the least arithmetic and the one for the most.
    """
    heads = ["GPUs", "ms a step", "of it exchange", "examples a second", "efficiency", "hours", "GPU-hours", "$"]
    lines = [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    efficient = [scaling_model.efficiencies(each, grows) for each in (found.least, found.most)]
    for pair, efficiency in zip(zip(found.least, found.most, strict=True), zip(*efficient, strict=True), strict=True):
        num = pair[0].num_devices
        examples = batch_size * (num if grows else 1)
        hours = [each.secs * num_steps / HOUR_SECS for each in pair]
        cells = [
            _both([each.secs * 1000 for each in pair], ".1f"),
            _both([each.exchange_secs * 1000 for each in pair], ".1f"),
            _both([examples / each.secs for each in pair], ",.0f"),
            _both(efficiency, ".2g"),
            _both(hours, ".2f"),
            _both([each * num for each in hours], ".2f"),
            _both([each * num * price for each in hours], ".2f"),
        ]
        lines.append(f"| {num} | {' | '.join(cells)} |")
    return lines


def _both(values: Sequence[float], form: str) -> str:
    texts = [format(value, form) for value in values]
    return texts[0] if texts[0] == texts[1] else f"{texts[0]}, {texts[1]}"


def wires_of(args, step: scaling_model.Step, kernels: int) -> dict[str, scaling_model.Wires]:
    """Returns the ways to join GPUs, by name; a copy from GPU to GPU is started like a kernel of this step."""
    network = scaling_model.Link(args.network_gbytes * 1e9, args.message_us / 1e6, args.cluster_ms / 1e3)
    nvlink = scaling_model.Link(args.nvlink_gbytes * 1e9, step.start_secs / kernels)
    return {name: scaling_model.Wires(num, nvlink, network) for name, num in ((NVLINK, 8), (NETWORK, 1))}


def measure(config: str, batch_size: int, examples: str, runs: int) -> None:
    """Trains in one and two processes, each on a core of its own, and prints it beside what the model says.

    Raises:
        ValueError: there are not two cores, or a training failed.
    """
    from benchmarks import contenders, scaling_measure, scaling_work

    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise ValueError("--measure takes two processor cores, and this process may use one")
    variables = scaling_work.of_config(config).sizes
    whole, half = (contenders.Task(config, examples, size) for size in (batch_size, batch_size // 2))
    trainings = {"one": (whole, cores[:1]), "half": (half, cores[:1]), "two": (whole, cores)}
    paces = {name: [] for name in trainings}
    links = []
    with tempfile.TemporaryDirectory() as folder:
        for run in range(runs):
            links.append(scaling_measure.loopback(cores))
            print(f"run {run + 1}  load {os.getloadavg()[0]:.1f}  {links[-1]}", flush=True)
            for name, (task, on) in trainings.items():
                paces[name].append(scaling_measure.train(task, on, pathlib.Path(folder, f"{name}{run}")))
                print(f"run {run + 1}  load {os.getloadavg()[0]:.1f}  {name}  {paces[name][-1]}", flush=True)
    _print_check(paces, scaling_measure.middle(links), variables)


def _print_check(paces, link: scaling_model.Link, variables: Sequence[int]) -> None:
    """Prints what was measured beside what is predicted of two processes from one process alone and the link."""
    from benchmarks import scaling_measure

    gbytes, message_us, step_ms = link.bytes_per_sec / 1e9, link.message_secs * 1e6, link.step_secs * 1e3
    print(f"link: {gbytes:.2f} GB/s each way, {message_us:.0f} us a tensor, {step_ms:.2f} ms a step")
    print("| seconds a step | one process | half the batch | two: predicted | of it exchange | two: measured |")
    print("| --- | --- | --- | --- | --- | --- |")
    for of_processor in (False, True):
        one, half_secs, two = (scaling_measure.median(each, of_processor) for each in paces.values())
        step = scaling_measure.split(one, half_secs, variables)
        predicted = scaling_model.predict(step, 2, scaling_model.Wires(1, link, link))
        label = "of the processor" if of_processor else "by the clock"
        figures = (one, half_secs, predicted.secs, predicted.exchange_secs, two)
        print(f"| {label} | {' | '.join(f'{figure:.3f}' for figure in figures)} |", flush=True)


def predict(args) -> None:
    """Prints what steps and a run take on several GPUs, and draws it where that is asked for."""
    from benchmarks import scaling_work

    work = scaling_work.of_config(args.config)
    flops = work.flops * args.batch_size
    measured = Measured(args.step_ms / 1e3, args.measured_kernels, flops, args.peak_tflops * 1e12, args.busy)
    kernels = args.kernels or args.measured_kernels
    shares = measured.shares()
    steps = [measured.step(share, kernels, work.sizes) for share in shares]
    wires = [wires_of(args, step, kernels) for step in steps]
    print(f"{args.config}: {flops / 1e9:,.0f} GFLOP a step of {args.batch_size}, {len(work.sizes)} variables")
    print(f"{sum(work.sizes) / 1e6:.1f} MB of gradients, the largest variable {max(work.sizes) / 1e6:.1f} MB")
    print(f"arithmetic: {shares[0]:.3f} to {shares[1]:.3f} of the measured step; {kernels:,} kernels")
    for name in (NVLINK, NETWORK):
        joined = [each[name] for each in wires]
        for grows, evenly in ((False, False), (True, False), (False, True), (True, True)):
            found = scaling_model.bounds(steps, joined, grows, evenly)
            batch = f"{args.batch_size} a GPU" if grows else f"{args.batch_size} shared out"
            print(f"\n{name}; {batch}{', by a ring all-reduce' if evenly else ''}\n")
            print("\n".join(table(found, args.batch_size, args.num_steps, args.price, grows)))
            ends = [scaling_model.pays_up_to(each, grows=grows) for each in (found.least, found.most)]
            print(f"\nefficiency of a half or more up to {ends[0]} GPUs, {ends[1]} with the most arithmetic")
    if args.plot:
        draw(steps, wires, args.batch_size, args.plot)


def draw(
    steps: Sequence[scaling_model.Step], wires: Sequence[dict[str, scaling_model.Wires]], batch_size: int, path: str
) -> None:
    """Draws what the two steps take with each way to join GPUs, as a PNG."""
    from benchmarks import scaling_plot

    shared, grown = (
        {
            scaling_plot.label(name, evenly): scaling_model.bounds(steps, [each[name] for each in wires], grows, evenly)
            for name in (NVLINK, NETWORK)
            for evenly in (False, True)
        }
        for grows in (False, True)
    )
    with atomic.replacing(path) as partial:
        scaling_plot.draw(shared, grown, batch_size, partial)
    print(path)


def define_flags() -> None:
    flags.DEFINE_string("config", "hier-drums_4bar_small", "One of this project's configs.")
    flags.DEFINE_integer("batch_size", 512, "Examples a batch.", lower_bound=2)
    flags.DEFINE_float("step_ms", 35.4, "Measured: milliseconds of a step on one GPU.", lower_bound=0.001)
    flags.DEFINE_integer("measured_kernels", 4218, "Kernels that this step starts (benchmarks.operations).", 1)
    flags.DEFINE_integer("kernels", None, "Kernels of the step to predict; default: those of --measured_kernels.", 1)
    flags.DEFINE_float("busy", 0.57, "Part of the time in which the GPU is seen busy: its arithmetic is no more.")
    flags.DEFINE_float("peak_tflops", 494.5, "TFLOP a second that the GPU does at most.", lower_bound=0.001)
    flags.DEFINE_float("nvlink_gbytes", 380, "GB a second of NVLink in each direction.", lower_bound=0.001)
    flags.DEFINE_float("network_gbytes", 1.1, "GB a second of the network in each direction.", lower_bound=0.001)
    flags.DEFINE_float("message_us", 50, "Microseconds of a tensor between machines, besides its bytes.", 0)
    flags.DEFINE_float("cluster_ms", 0.6, "Milliseconds of a step of several machines, besides its tensors.", 0)
    flags.DEFINE_integer("num_steps", 50000, "Steps of the run that costs are given for.", lower_bound=1)
    flags.DEFINE_float("price", 3.0, "Dollars of a GPU for an hour.", lower_bound=0)
    flags.DEFINE_string("plot", None, "PNG for the picture.")
    flags.DEFINE_bool("measure", False, "Check the model against trainings on this machine's CPU instead.")
    flags.DEFINE_string("examples", None, "TFRecord of NoteSequences, or a glob, for --measure.")
    flags.DEFINE_integer("runs", 3, "Of each training, with --measure; medians count.", lower_bound=1)


def main() -> None:
    args = flags.FLAGS
    if args.measure:
        if not args.examples:
            raise ValueError("--measure trains; give --examples=FILE.tfrecord")
        return measure(args.config, args.batch_size, args.examples, args.runs)
    predict(args)


if __name__ == "__main__":
    cli.run(main, define_flags)
