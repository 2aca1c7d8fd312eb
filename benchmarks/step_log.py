"""What a training process writes down of its steps, one JSON object a line, and what is read out of it.

    {"graph_nodes": 2783}
    {"step": 1, "secs": 9.81, "loss": 399.2}
    {"step": 2, "secs": 12.3, "loss": 395.7, "operations": 25512}

`secs` counts from the command's start. `operations` is there for the step that was traced.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import pathlib
import statistics


@dataclasses.dataclass(frozen=True)
class StepLog:
    """The steps of one process.

    Attributes:
        steps: `[n]` numbers of the steps, the first is 1.
        secs: `[n]` when each was finished, since the command's start.
        losses: `[n]` the loss of each step's batch, before the step.
        graph_nodes: Operations in the graph.
        operations: Executed for one step; None where no step was traced.
    """

    steps: list[int]
    secs: list[float]
    losses: list[float]
    graph_nodes: int
    operations: int | None


def read(path: pathlib.Path) -> StepLog:
    """Reads what `step_hook.StepHook` wrote; a last line that a killed process left unfinished is no step.

    Raises ValueError if no step was finished.
    """
    whole_lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    entries = [json.loads(line) for line in whole_lines]
    taken = [entry for entry in entries if "step" in entry]
    if not taken:
        raise ValueError(f"{path}: no step was finished; train for longer")
    return StepLog(
        steps=[entry["step"] for entry in taken],
        secs=[entry["secs"] for entry in taken],
        losses=[entry["loss"] for entry in taken],
        graph_nodes=next(entry["graph_nodes"] for entry in entries if "graph_nodes" in entry),
        operations=next((entry["operations"] for entry in taken if "operations" in entry), None),
    )


def median_step_secs(log: StepLog, num_warmup_steps: int) -> float:
    """Returns the median time from one step's end to the next one's, after the first `num_warmup_steps` steps.

    Raises ValueError if no step is left.
    """
    ends = log.secs[num_warmup_steps - 1 :]
    if num_warmup_steps < 1 or len(ends) < 2:
        raise ValueError(
            f"{len(log.secs)} steps, {num_warmup_steps} of them to warm up: none is left to measure;"
            " at least 1 to warm up, and --num_steps larger than that"
        )
    return statistics.median(later - earlier for earlier, later in itertools.pairwise(ends))
