"""A trained run → a folder to hand on: its checkpoint as small as can be, its settings and a model card.

    python -m pipelines.export --run_dir=runs/first/best --output_dir=pretrained/first --metrics=validation.json

`--run_dir=runs/first/best` takes the checkpoint that validation liked best, `runs/first` the newest one. What lies in
`pretrained/` of the clone is a model that `--pretrained=NAME` names. With `--examples_path`, what it was trained on,
samples of it are drawn from a mixture fitted to the latent vectors of these windows in place of the prior.
"""

from __future__ import annotations

import json
import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from absl import flags

from models import latents
from pipelines import cli
from pipelines.files import atomic
from pipelines.pages import card
from pipelines.runs import metrics_log, pretrained, run_folder

if TYPE_CHECKING:
    from models.inference import TrainedModel
    from pipelines.examples import loading

# Of a run's settings, those that say something elsewhere, too.
KEPT_SETTINGS = (
    *("config", "hparams", "drums", "step", "data", "seed"),
    *("precision", "devices", "changes", "command", "versions"),
)
BATCH_SIZE, FITTED_AT_ONCE = 128, 1024  # Windows that are encoded at once; that are in memory at once.
NUM_PATH_PARTS = 2  # Of a path in the command; where it is on one machine means nothing on others.


def define_flags() -> None:
    flags.DEFINE_string(
        "run_dir", None, "Folder of a run, or its best/; its newest checkpoint is taken.", required=True
    )
    flags.DEFINE_string("output_dir", None, "Folder for the model; its name is the model's.", required=True)
    flags.DEFINE_multi_string("metrics", [], "JSON of pipelines.evaluate, for the card; can be given several times.")
    flags.DEFINE_string(
        "examples_path", None, "TFRecord of what it was trained on, or a glob; the mixture is fitted to it."
    )
    flags.DEFINE_string("title", None, "The card's heading; default: the model's name.")
    flags.DEFINE_enum("dataset", "", ["", *card.DATASETS], "What it was trained on, for licence and citation.")
    flags.DEFINE_string("machine", None, "What it was trained on; default: the devices that training has written down.")
    flags.DEFINE_string(
        "notes", None, "Markdown: what it is good and bad at; default: what the card has said until now."
    )
    cli.define_log_flag()


def main() -> None:
    args = flags.FLAGS
    cli.apply_log_level(args.log)
    export_run(
        args.run_dir,
        args.output_dir,
        metrics_paths=args.metrics,
        title=args.title,
        dataset=args.dataset,
        machine=args.machine,
        notes_path=args.notes,
        examples_path=args.examples_path,
    )


def export_run(
    run_dir: str,
    output_dir: str,
    *,
    metrics_paths: Sequence[str] = (),
    title: str | None = None,
    dataset: str = "",
    machine: str | None = None,
    notes_path: str | None = None,
    examples_path: str | None = None,
) -> None:
    """Writes the folder of a trained model, all of its files at once; other files that are there stay.

    The arguments are the flags. The card's notes are kept where no others are given.

    Raises:
        FileNotFoundError: the run has no checkpoint, or there are no such examples.
        ValueError: the run is not this project's, or metrics are none or of another checkpoint.
        OSError: the folder cannot be written to.
    """
    folder = pathlib.Path(output_dir).expanduser().absolute()
    atomic.check_folder(folder)
    evaluations = {path: _read_metrics(path) for path in metrics_paths}
    notes = _read_notes(notes_path, folder / pretrained.CARD_NAME)
    run, _ = run_folder.locate(run_dir)
    settings = run.settings()
    if not settings:
        raise ValueError(f"{run.path}: has no {run_folder.SETTINGS_NAME}; give a run that this project has trained")

    from models import checkpoint_files
    from models.inference import TrainedModel
    from pipelines.examples import loading
    from pipelines.runs import resolution

    _, config, checkpoint = resolution.resolve_model(str(run_dir), None, None, "")
    settings |= {"step": checkpoint_files.step_of(checkpoint), "command": portable(settings.get("command", ""))}
    for path, metrics in evaluations.items():
        _check_metrics(path, metrics, settings)
    examples = loading.load(config, "train", examples_path) if examples_path else None
    text = card.render(
        folder.name,
        **_of_settings(settings),
        title=title or folder.name,
        dataset=dataset,
        hours=_hours(run.path, settings["step"]),
        machine=machine or ", ".join(settings.get("devices", [])),
        has_mixture=examples is not None,
        evaluations={pathlib.Path(path).stem: metrics for path, metrics in evaluations.items()},
        notes=notes,
    )
    model = TrainedModel(config, checkpoint, batch_size=BATCH_SIZE)
    values, mixture = model.variables(), _fit(model, examples) if examples else None
    _write(folder, values, settings, text, mixture)
    num_values = sum(value.size for value in values.values())
    size_mb = (folder / f"{folder.name}.tar").stat().st_size / 1e6
    print(f"checkpoint  {checkpoint}")
    print(f"{folder}: {len(values)} variables, {num_values:,} values, {size_mb:.1f} MB")


def _of_settings(settings: dict) -> dict[str, object]:
    """Returns those facts of `card.render` that follow from a run's settings."""
    import configs
    from models import converters

    config = configs.CONFIG_MAP[settings["config"]]
    usual = config.hparams.values()
    return {
        "settings": settings,
        "is_told_little": converters.hides_something(config.data_converter),
        "changed": {hparam: value for hparam, value in settings["hparams"].items() if usual.get(hparam) != value},
    }


def _fit(model: TrainedModel, examples: loading.Examples) -> latents.Mixture:
    """Returns a mixture fitted to the posteriors of all examples, which are encoded some at a time."""
    batches = np.array_split(np.arange(len(examples)), -(-len(examples) // FITTED_AT_ONCE))
    posteriors = []
    for rows in batches:
        inputs, _, controls, lengths = examples.dense(rows)
        posteriors.append(model.posterior(inputs, lengths, controls))
    return latents.fit(*np.concatenate(posteriors, axis=1), seed=0)


def _write(
    folder: pathlib.Path, values: Mapping[str, np.ndarray], settings: dict, text: str, mixture: latents.Mixture | None
) -> None:
    from models import slim

    tar_name = f"{folder.name}.tar"
    kept = {key: settings[key] for key in KEPT_SETTINGS if key in settings}
    files = {tar_name, run_folder.SETTINGS_NAME, pretrained.CARD_NAME, latents.FILE_NAME}
    with atomic.replacing_all(folder, files.__contains__) as staging:
        slim.write_tar(staging / tar_name, folder.name, {name: slim.rounded(value) for name, value in values.items()})
        if mixture:
            mixture.write(staging / latents.FILE_NAME)
        (staging / run_folder.SETTINGS_NAME).write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
        (staging / pretrained.CARD_NAME).write_text(text, encoding="utf-8")


def portable(command: str) -> str:
    """Returns a command without the folders that its absolute paths are in, but for the last one."""
    parts = [argument.rpartition("=") for argument in shlex.split(command)]
    return shlex.join(flag + equals + _short(value) for flag, equals, value in parts)


def _short(value: str) -> str:
    path = pathlib.PurePath(value)
    return str(pathlib.PurePath(*path.parts[1:][-NUM_PATH_PARTS:])) if path.is_absolute() else value


def _read_metrics(path: str) -> dict:
    try:
        metrics = json.loads(pathlib.Path(path).expanduser().read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"--metrics={path}: no JSON ({error}); give what pipelines.evaluate --output wrote") from error
    if not isinstance(metrics, dict) or "num_examples" not in metrics:
        raise ValueError(f"--metrics={path}: not written by pipelines.evaluate: it has no num_examples")
    return metrics


def _check_metrics(path: str, metrics: dict, settings: dict) -> None:
    """Refuses metrics of another model."""
    found = metrics.get("config"), metrics.get("global_step")
    if found != (settings["config"], settings["step"]):
        raise ValueError(
            f"--metrics={path}: of {found[0]} at step {found[1]}, but the checkpoint is of"
            f" {settings['config']} at step {settings['step']}; evaluate that"
        )


def _read_notes(path: str | None, old_card: pathlib.Path) -> str:
    if path:
        return pathlib.Path(path).expanduser().read_text(encoding="utf-8").strip()
    return card.notes_of(old_card.read_text(encoding="utf-8")) if old_card.is_file() else ""


def _hours(run_dir: pathlib.Path, step: int) -> float | None:
    """Returns how long the run had been trained when it came to a step."""
    secs = [row["secs"] for row in metrics_log.read(run_dir) if row["step"] <= step]
    return max(secs) / 3600 if secs else None


if __name__ == "__main__":
    cli.run(main, define_flags)
