"""What a training step costs to start, counted on any machine: operations, a GPU's kernels, what is copied to it.

    python -m benchmarks.operations --config=hier-drums_4bar_small --batch_size=512 --stock --json=operations.json

On a GPU a step is bound by how fast kernels are started. Here one is taken on the CPU, as a GPU computes it (one
`BlockLSTM` a layer and direction), and each executed operation is told by `gpu_kernels` where it would run and how many
kernels it would start; tensors that pass from the host's to the device's memory, or back, are copies. Batches are made
up, so that no data is needed. What is counted is the least: `gpu_kernels` says of what.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence

from absl import flags

from benchmarks import contenders
from pipelines import cli
from pipelines.files import atomic

OURS = "ours"
LAYERS = ("block", "steps", "cudnn")
COLUMNS = ("operations", "kernels", "on the host", "copies", "bytes")
PART_WIDTH, COLUMN_WIDTH = 30, 13


@dataclasses.dataclass(frozen=True)
class Copy:
    """A tensor that is copied between host and device: `to_device` or back, once however many take it."""

    tensor: str
    part: str
    to_device: bool
    num_bytes: int


@dataclasses.dataclass
class Part:
    """What a part of a step costs: executed operations, kernels, operations that the host computes."""

    operations: int = 0
    kernels: int = 0
    on_host: int = 0


@dataclasses.dataclass
class Counts:
    """What a step costs.

    Attributes:
        parts: By name, the most kernels first.
        kernels: By type of operation, likewise.
        copies: The largest first.
        input_bytes: The bytes of each tensor of a batch, by name.
    """

    parts: dict[str, Part]
    kernels: dict[str, int]
    copies: list[Copy]
    input_bytes: dict[str, int]

    def total(self, name: str) -> int:
        """Returns the sum over all parts of `operations`, `kernels` or `on_host`."""
        return sum(getattr(part, name) for part in self.parts.values())

    def copied_bytes(self, to_device: bool) -> int:
        return sum(copy.num_bytes for copy in self.copies if copy.to_device == to_device)

    def as_json(self) -> dict:
        """Returns all of it as JSON can say it."""
        totals = {name: self.total(name) for name in ("operations", "kernels", "on_host")}
        totals |= {"bytes_to_device": self.copied_bytes(True), "bytes_back": self.copied_bytes(False)}
        totals |= {"copies_to_device": sum(copy.to_device for copy in self.copies)}
        totals |= {"copies_back": sum(not copy.to_device for copy in self.copies)}
        return {"totals": totals, **dataclasses.asdict(self)}


def count(trace) -> Counts:
    """Counts what a `traced_step.Trace` executed."""
    from benchmarks import gpu_kernels, step_parts

    partitions = trace.metadata.partition_graphs
    nodes = {node.name: gpu_kernels.without_onednn(node) for graph in partitions for node in graph.node}
    made = _outputs(trace.metadata)
    parts, kernels = collections.defaultdict(Part), collections.Counter()
    placed, part_names = {}, {}
    for name, times in collections.Counter(_executed(trace.metadata)).items():
        if name not in nodes:  # The step's beginning.
            continue
        node, original = nodes[name], step_parts.original(trace.graph, name)
        placed[name] = gpu_kernels.place(node, original is not None and "CPU" in original.device.upper())
        part_names[name] = step_parts.part_of(trace.graph, name)
        given = [made.get(source) for source in _inputs(node)]
        taken = [made[name, slot] for slot in range(len(placed[name].outputs)) if (name, slot) in made]
        started = times * gpu_kernels.num_kernels(node, placed[name], given, taken)
        kernels[node.op] += started
        part = parts[part_names[name]]
        part.operations += times
        part.kernels += started
        part.on_host += times * _is_work_of_host(node, placed[name])
    copies = _copies({name: nodes[name] for name in placed}, placed, part_names, made)
    return Counts(
        parts=dict(sorted(parts.items(), key=lambda item: (-item[1].kernels, -item[1].operations, item[0]))),
        kernels={name: number for name, number in kernels.most_common() if number},
        copies=sorted(copies, key=lambda copy: (-copy.num_bytes, copy.tensor)),
        input_bytes=trace.input_bytes,
    )


def _is_work_of_host(node, placed) -> bool:
    from benchmarks import gpu_kernels

    return placed.is_host_only and node.op not in gpu_kernels.WITHOUT_KERNEL and not node.op.startswith("_")


def _executed(metadata) -> Iterator[str]:
    """Yields the name of each operation as often as it was executed; a GPU's streams list them again, as kernels."""
    for device in metadata.step_stats.dev_stats:
        if "stream:" not in device.device:
            yield from (node.node_name for node in device.node_stats)


def _outputs(metadata) -> dict:
    """Returns the tensors that were made, by the operation's name and the number of its output."""
    from benchmarks import gpu_kernels
    from models.magenta import tf

    found = {}
    for device in metadata.step_stats.dev_stats:
        for node in device.node_stats:
            for output in node.output:
                told = output.tensor_description
                shape = tuple(dim.size for dim in told.shape.dim)
                found[node.node_name, output.slot] = gpu_kernels.Tensor(shape, tf.as_dtype(told.dtype).size or 0)
    return found


def _inputs(node) -> list[tuple[str, int]]:
    """Returns the operations that an operation's inputs come from, each with the number of its output."""
    sources = [name.partition(":") for name in node.input if not name.startswith("^")]
    return [(name, int(slot or 0)) for name, _, slot in sources]


def _copies(nodes: Mapping, placed: Mapping, part_names: Mapping[str, str], made: Mapping) -> list[Copy]:
    """Returns the tensors whose memory is not that which an executed operation takes them from."""
    from benchmarks import gpu_kernels

    found = {}
    for name, node in nodes.items():
        for source, memory in zip(_inputs(node), placed[name].inputs, strict=False):
            from_operation = placed.get(source[0])
            if from_operation is None or source not in made or source[1] >= len(from_operation.outputs):
                continue
            to_device = memory == gpu_kernels.DEVICE
            if from_operation.outputs[source[1]] != memory and made[source].num_bytes:
                tensor = f"{source[0]}:{source[1]}"
                found[tensor, to_device] = Copy(tensor, part_names[name], to_device, made[source].num_bytes)
    return list(found.values())


def table(counts: Counts) -> list[str]:
    """Returns the lines of a table: a line for each part, their sum, and what is copied."""
    of_part = collections.defaultdict(list)
    for copy in counts.copies:
        of_part[copy.part].append(copy)
    lines = [_line("", COLUMNS)]
    for name, part in counts.parts.items():
        sizes = [copy.num_bytes for copy in of_part[name]]
        lines.append(_line(name, (part.operations, part.kernels, part.on_host, len(sizes), sum(sizes))))
    totals = [counts.total(name) for name in ("operations", "kernels", "on_host")]
    lines.append(_line("all", (*totals, len(counts.copies), sum(copy.num_bytes for copy in counts.copies))))
    lines.append(f"copied to the device: {counts.copied_bytes(True):,} bytes; back: {counts.copied_bytes(False):,}")
    lines.append(f"a batch: {', '.join(f'{name} {size:,}' for name, size in counts.input_bytes.items())} bytes")
    most = list(counts.kernels.items())[:8]
    lines.append(f"kernels by operation: {', '.join(f'{name} {number:,}' for name, number in most)}")
    return lines


def list_of(copies: Sequence[Copy]) -> list[str]:
    """Returns a line for each tensor that is copied."""
    ways = {True: "to the device", False: "back"}
    return [f"  {ways[copy.to_device]:<14}{copy.num_bytes:>12,}  {copy.tensor} ({copy.part})" for copy in copies]


def _line(title: str, values) -> str:
    return f"{title:<{PART_WIDTH}}" + "".join(
        f"{v if isinstance(v, str) else format(v, ','):>{COLUMN_WIDTH}}" for v in values
    )


def define_flags() -> None:
    flags.DEFINE_string("config", "hier-drums_4bar_small", "The config whose step is counted.")
    flags.DEFINE_string("hparams", "", "name=value,… to change in the config.")
    flags.DEFINE_integer("batch_size", 0, "Examples a batch; 0 is the config's own.", lower_bound=0)
    flags.DEFINE_enum("layers", LAYERS[0], LAYERS, "How layers are computed: as on a GPU, as on a CPU, or by cuDNN.")
    flags.DEFINE_bool("stock", False, "Count stock Magenta's step of the same config, too.")
    flags.DEFINE_bool("copies", False, "List each tensor that is copied.")
    flags.DEFINE_string("json", None, "JSON file for all that was counted.")


def main() -> None:
    args = flags.FLAGS
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # It puts operations of its own in place of those that a GPU has.
    from benchmarks import traced_step

    names = [contenders.MAGENTA] * args.stock + [OURS]
    if args.stock:
        contenders.check_config(args.config)
    found = {}
    for name in names:
        config = traced_step.config_of(args.config, args.hparams, args.batch_size, is_stock=name != OURS)
        counts = found[name] = count(traced_step.take(config, args.layers))
        print(f"{name}: {args.config}, {config.hparams.batch_size} a batch")
        print("\n".join(table(counts)))
        if args.copies:
            print("\n".join(list_of(counts.copies)))
    if args.json:
        written = {"config": args.config, "hparams": args.hparams, "batch_size": config.hparams.batch_size}
        written |= {"counts": {name: counts.as_json() for name, counts in found.items()}}
        atomic.write_text(args.json, json.dumps(written, indent=2) + "\n")


if __name__ == "__main__":
    cli.run(main, define_flags)
