"""Generation beside Magenta's `music_vae_generate`: the same checkpoint and config, each as a whole command, in turn.

    python -m benchmarks.generate --pretrained=hier-drums
    python -m benchmarks.generate --config=groovae_4bar --checkpoint_file=exported/mine.tar --measure=few

Prints medians over the runs, with the least and the most, and how many times better ours are: seconds from the command
to the last file, start-up included, and the largest process, for a few samples and for many. Magenta writes MIDI, and
so does `ours`; the last column has WAVs, pictures and the page besides. Ours draws latent vectors from the mixture
beside the checkpoint, if there is one, Magenta from the prior. Everything that was written is counted and read again.
Then come a folder of beats that ours humanizes (`humanizing`), and whether both decode the same from the same latent
vectors where nothing is drawn (`likeliest`). Stock Magenta is `magenta_generate`, which says what is changed in it.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import tempfile
from collections.abc import Mapping, Sequence

from absl import flags

from benchmarks import command, comparison, contenders, generation, humanizing, likeliest
from benchmarks.comparison import Row
from pipelines import cli
from pipelines.files import atomic
from pipelines.runs import pretrained
from pipelines.runs.run_folder import RunFolder

MEASUREMENTS = ("few", "many", "humanized", "likeliest")
NUM_VECTORS = 64  # That are decoded in both ways.
Outcomes = dict[str, list[command.Outcome]]  # What was measured of a way to generate, by task.


@dataclasses.dataclass(frozen=True)
class Task:
    """So many samples, so many times.

    Attributes:
        num_outputs: Samples of one command.
        num_runs: Of each way.
        magentas_batch_size: Sequences that Magenta decodes at once; 0 leaves it at its default, 8. Ours has no such
            flag: it is not measured again, and stands in the table as without it.
    """

    num_outputs: int
    num_runs: int
    magentas_batch_size: int = 0

    @property
    def name(self) -> str:
        return f"{self.num_outputs:,} samples" + (f", {self.magentas_batch_size} at once" * self.is_magentas)

    @property
    def is_magentas(self) -> bool:
        """Whether only Magenta is measured."""
        return self.magentas_batch_size > 0

    def outcomes(self, result: Outcomes) -> list[command.Outcome]:
        """Returns what is shown of a way to generate."""
        return result.get(self.name) or result[dataclasses.replace(self, magentas_batch_size=0).name]

    def secs(self, result: Outcomes) -> list[float]:
        return [outcome.secs for outcome in self.outcomes(result)]

    def peaks_mib(self, result: Outcomes) -> list[float]:
        return [outcome.peak_bytes / generation.MIB for outcome in self.outcomes(result)]


def measure(tasks: Sequence[Task], model_flags: Sequence[str]) -> dict[str, Outcomes]:
    """Runs all ways in turn for each task, and prints a line for each. Returns outcomes by way, then task.

    Raises:
        ValueError: a command failed, or wrote less than it was asked for.
    """
    results: dict[str, Outcomes] = {way.name: {} for way in generation.WAYS}
    for task in tasks:
        ways = [generation.STOCK] if task.is_magentas else generation.WAYS
        for number in range(task.num_runs):
            for way in ways:
                given = [*model_flags, f"--num_outputs={task.num_outputs}"]
                if task.is_magentas:
                    given.append(f"--max_batch_size={task.magentas_batch_size}")
                outcome = way.run(task.num_outputs, given)
                results[way.name].setdefault(task.name, []).append(outcome)
                print(f"run {number + 1} of {task.num_runs}  {task.name}  {way.name}: {outcome.secs:.2f} s", flush=True)
    return results


def rows(tasks: Sequence[Task]) -> list[Row[Outcomes]]:
    """Returns the lines of the table: seconds and the largest process of each task."""
    lines = []
    for task in tasks:
        lines.append(Row(f"{task.name} (s)", task.secs, ".2f", False))
        lines.append(Row("  largest process (MiB)", task.peaks_mib, ".0f", False))
    return lines


def tell_likeliest(config: str, checkpoint: str) -> None:
    """Prints how what both decode differs. Raises ValueError if any drum is hit in one of them alone."""
    found = likeliest.compare(config, checkpoint, NUM_VECTORS, seed=1)
    if found.hits:
        raise ValueError(
            f"{checkpoint}: of {found.cells:,} cells of {NUM_VECTORS} windows, {found.hits} are hit in one alone of"
            " stock Magenta's and this project's likeliest grooves"
        )
    print(
        f"likeliest of {NUM_VECTORS} latent vectors: the same hits in all {found.cells:,} cells; velocities differ by"
        f" {found.velocity:.1e} at most, offsets by {found.offset:.1e}"
    )


def model_of(args: flags.FlagValues) -> tuple[str, str]:
    """Returns the config and the checkpoint that flags name.

    Raises:
        ValueError: they name none, or one that is not measured; or as `pretrained.locate`.
    """
    if (args.checkpoint_file is None) != (args.config is None):
        raise ValueError("--checkpoint_file and --config go together: which config is it a checkpoint of?")
    config, checkpoint = args.config, args.checkpoint_file
    if checkpoint is None:
        folder = pretrained.locate(args.pretrained)
        config, checkpoint = RunFolder(folder).config_name, str(pretrained.tar_of(folder))
    contenders.check_config(config, contenders.GENERATING_CONFIGS)
    return config, checkpoint


def tasks_of(args: flags.FlagValues) -> list[Task]:
    """Returns what is to be sampled."""
    tasks = [Task(args.few, args.runs)] if "few" in args.measure else []
    if "many" in args.measure:
        tasks.append(Task(args.many, args.runs_of_many))
        if args.magentas_batch_size:
            tasks.append(Task(args.many, args.runs_of_many, args.magentas_batch_size))
    return tasks


def humanize(args: flags.FlagValues) -> dict[str, float]:
    """Measures and prints how a folder is humanized; returns the seconds of its parts."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        beats = (
            pathlib.Path(args.beats).expanduser() if args.beats else humanizing.make_beats(args.num_beats, 1, folder)
        )
        for line in humanizing.measure(beats, args.humanizer, args.runs_of_many):
            print(line, flush=True)
        secs = humanizing.measure_parts(beats, args.humanizer, folder)
    print("its parts, once")
    print("\n".join(humanizing.table_of_parts(secs)))
    return secs


def write_numbers(
    path: str, model: Sequence[str], results: Mapping[str, Outcomes], parts: Mapping[str, float] | None
) -> None:
    """Writes the numbers of every run as JSON."""
    runs = {
        way: {task: [dataclasses.asdict(outcome) for outcome in outcomes] for task, outcomes in by_task.items()}
        for way, by_task in results.items()
    }
    atomic.write_text(path, json.dumps({"model": list(model), "samples": runs, "humanized": parts}, indent=2) + "\n")


def define_flags() -> None:
    flags.DEFINE_string("pretrained", "hier-drums", "A trained model of the clone.")
    flags.DEFINE_string("checkpoint_file", None, "A checkpoint in its place; its --config, too, is needed.")
    flags.DEFINE_string("config", None, "The config of --checkpoint_file.")
    flags.DEFINE_multi_enum(
        "measure", list(MEASUREMENTS), MEASUREMENTS, "What is measured; can be given several times."
    )
    flags.DEFINE_integer("few", 5, "A few samples.", lower_bound=1)
    flags.DEFINE_integer("many", 1000, "Many samples.", lower_bound=1)
    flags.DEFINE_integer("runs", 5, "Of a few samples, in turn; medians count.", lower_bound=1)
    flags.DEFINE_integer("runs_of_many", 3, "Of many samples, and of the folder.", lower_bound=1)
    flags.DEFINE_integer(
        "magentas_batch_size", 256, "Magenta decodes many samples also so many at once; 0 leaves that out.", 0
    )
    flags.DEFINE_string("humanizer", "humanize", "The trained model of the clone that plays beats.")
    flags.DEFINE_integer("num_beats", 200, "So many beats are made to be humanized.", lower_bound=1)
    flags.DEFINE_string("beats", None, "A folder of MIDI files to humanize in their place.")
    flags.DEFINE_string("output", None, "JSON file for the numbers of every run.")


def main() -> None:
    args = flags.FLAGS
    config, checkpoint = model_of(args)
    tasks = tasks_of(args)
    results = measure(tasks, (f"--config={config}", f"--checkpoint_file={checkpoint}"))
    if tasks:
        print(f"{config}, median (least to most) of " + ", ".join(f"{t.num_runs} runs of {t.name}" for t in tasks))
        print("\n".join(comparison.table(results, rows(tasks))))
    parts = humanize(args) if "humanized" in args.measure else None
    if args.output:
        write_numbers(args.output, (config, checkpoint), results, parts)
    if "likeliest" in args.measure:  # At the end: what is started later would count this process's memory as its own.
        tell_likeliest(config, checkpoint)


if __name__ == "__main__":
    cli.run(main, define_flags)
