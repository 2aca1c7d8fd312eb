"""What `benchmarks.gpu` has seen, as `gpu.json` and, to read, `gpu.md`: written whenever a stage begins or ends."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence

from pipelines.files import atomic

JSON_NAME, MARKDOWN_NAME = "gpu.json", "gpu.md"
RUNNING, DONE, FAILED, LATE = "running", "done", "failed", "out of time"


@dataclasses.dataclass
class Stage:
    """What became of a stage.

    Attributes:
        name: Of the stage.
        budget_secs: How long it could take.
        status: RUNNING, DONE, FAILED or LATE.
        secs: How long it took.
        reason: Why it failed.
        found: What it has found, as JSON can say it; of one that failed, as far as it came.
        peak_mib: The most of the GPU's memory that was in use, of all processes; None where that was not to be seen.
        busy_percent: How busy the driver says the GPU was, on average.
    """

    name: str
    budget_secs: float
    status: str = RUNNING
    secs: float | None = None
    reason: str = ""
    found: dict = dataclasses.field(default_factory=dict)
    peak_mib: float | None = None
    busy_percent: float | None = None


@dataclasses.dataclass
class Report:
    """A report in a folder.

    Attributes:
        folder: Where it is written to.
        command: What the user typed.
        date: When it began.
        stages: Those that have begun, in order.
    """

    folder: pathlib.Path
    command: str
    date: str
    is_rehearsal: bool = False
    stages: list[Stage] = dataclasses.field(default_factory=list)

    def write(self) -> None:
        """Writes both files."""
        written = dataclasses.asdict(self) | {"folder": str(self.folder)}
        atomic.write_text(self.folder / JSON_NAME, json.dumps(written, indent=2) + "\n")
        atomic.write_text(self.folder / MARKDOWN_NAME, "\n".join(self.lines()) + "\n")

    def lines(self) -> list[str]:
        """Returns the lines of the report to read."""
        lines = ["# On a GPU", "", f"{self.date}, `{self.command}`"]
        if self.is_rehearsal:
            lines += ["", "**A rehearsal**: small models, a few steps; its numbers say nothing."]
        for stage in self.stages:
            lines += ["", f"## {stage.name[0].upper()}{stage.name[1:]}", "", summary(stage)]
            told = _TELL.get(stage.name.split(":")[0], _values)(stage.found) if stage.found else []
            lines += ["", *told] if told else []
        return lines


def summary(stage: Stage) -> str:
    """Returns a line that says how a stage ended."""
    if stage.status == RUNNING:
        return f"Has begun, and may take {stage.budget_secs:.0f} s."
    said = f"{stage.status.capitalize()} after {stage.secs:.0f} of {stage.budget_secs:.0f} s"
    said += f": {stage.reason}." if stage.reason else "."
    if stage.peak_mib is not None:
        said += f" At most {stage.peak_mib:,.0f} MiB of the GPU in use; busy {stage.busy_percent:.0f} % of the time."
    return said


def _values(found: Mapping) -> list[str]:
    return [f"* {name.replace('_', ' ')}: {_said(value)}" for name, value in found.items()]


def _said(value) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {_said(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows)]


def _growth(found: Mapping) -> list[str]:
    if "took_everything" not in found:
        return [f"Not to be seen: {found['open'].get('error', 'nothing was said')}."]
    verdict = "**It took everything.**" if found["took_everything"] else "It takes what it needs."
    return [
        f"{found['taken_mib']:,.0f} of {found['open']['total_mib']:,.0f} MiB while an input pipeline and a small"
        f" session are open. {verdict}"
    ]


def _exactness(found: Mapping) -> list[str]:
    rows = [
        [f"`{name}`", *(_digits(of, name, key) for of in found.values() for key in ("loss", "gradients"))]
        for name in dict.fromkeys(name for of in found.values() for name in of)
    ]
    return _table(["config", *(f"{what}, {how}" for how in found for what in ("loss", "gradients"))], rows)


def _digits(of: Mapping, name: str, key: str) -> str:
    return f"{of[name][key]:.1e}" if name in of else ""


def _training_speed(found: Mapping) -> list[str]:
    results, rows = found["results"], []
    for title, key in (
        ("examples a second", "examples_per_sec"),
        ("from command to first finished step (s)", "first_step_secs"),
        ("largest memory of the process (MiB)", "peak_mib"),
    ):
        rows.append([title, *(" and ".join(f"{run[key]:,.1f}" for run in of["runs"]) for of in results.values())])
    return _table([f"`{found['task']['config']}`, {found['task']['batch_size']} a batch", *results], rows)


def _profile(found: Mapping) -> list[str]:
    if not found["num_kernels"]:
        return ["No kernel was seen: TensorFlow's tracer needs CUPTI."]
    what = "kernels" if found["seen_on"] == "GPU" else "operations"
    lines = [
        f"{found['num_kernels']:,} {what} on the {found['seen_on']} in {found['step_ms']:,.1f} ms,"
        f" {found['batch_size']} a batch; busy {found['busy_share']:.0%} of it. `benchmarks.operations` counts at least"
        f" {found['counted']['kernels']:,} kernels of {found['counted']['operations']:,} operations.",
        "",
    ]
    rows = [[f"`{each['name'][:80]}`", f"{each['count']:,}", f"{each['ms']:,.3f}"] for each in found["kernels"]]
    return lines + _table([what, "times", "ms"], rows)


_TELL: dict[str, Callable[[Mapping], list[str]]] = {
    "growth": _growth,
    "exactness": _exactness,
    "beside Magenta": _training_speed,
    "profile": _profile,
}
