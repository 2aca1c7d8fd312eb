"""A trained run → a folder to hand on: its checkpoint as small as can be, its settings and a model card.

    python -m pipelines.export --run_dir=runs/first/best --output_dir=pretrained/first --metrics=validation.json

`--run_dir=runs/first/best` takes the checkpoint that validation liked best, `runs/first` the newest one. What lies in
`pretrained/` of the clone is a model that `--pretrained=NAME` names.
"""

from __future__ import annotations

import json
import pathlib
import shlex

from absl import flags

from pipelines import cli
from pipelines.files import atomic
from pipelines.pages import card
from pipelines.runs import metrics_log, pretrained, run_folder

# Of a run's settings, those that say something elsewhere, too.
KEPT_SETTINGS = ("config", "hparams", "step", "data", "seed", "precision", "devices", "changes", "command", "versions")
NUM_PATH_PARTS = 2  # Of a path in the command; where it is on one machine means nothing on others.


def define_flags() -> None:
    flags.DEFINE_string(
        "run_dir", None, "Folder of a run, or its best/; its newest checkpoint is taken.", required=True
    )
    flags.DEFINE_string("output_dir", None, "Folder for the model; its name is the model's.", required=True)
    flags.DEFINE_multi_string("metrics", [], "JSON of pipelines.evaluate, for the card; can be given several times.")
    flags.DEFINE_string("title", None, "The card's heading; default: the model's name.")
    flags.DEFINE_enum("dataset", "", ["", *card.DATASETS], "What it was trained on, for licence and citation.")
    flags.DEFINE_string("machine", None, "What it was trained on; default: the devices that training has written down.")
    flags.DEFINE_string(
        "notes", None, "Markdown: what it is good and bad at; default: what the card has said until now."
    )
    cli.define_log_flag()


def main() -> None:
    args = flags.FLAGS
    output_dir = pathlib.Path(args.output_dir).expanduser().absolute()
    atomic.check_folder(output_dir)
    evaluations = {pathlib.Path(path).stem: _read_metrics(path) for path in args.metrics}
    notes = _read_notes(args.notes, output_dir / pretrained.CARD_NAME)
    run, _ = run_folder.locate(args.run_dir)
    settings = run.settings()
    if not settings:
        raise ValueError(
            f"{run.path}: has no {run_folder.SETTINGS_NAME}; a run that this project has trained is needed"
        )
    cli.apply_log_level(args.log)

    import configs
    from models import checkpoint_files, slim
    from models.inference import TrainedModel
    from pipelines.runs import resolution

    name, config, checkpoint = resolution.resolve_model(args.run_dir, None, None, "")
    usual = configs.CONFIG_MAP[name].hparams.values()
    settings["step"] = checkpoint_files.step_of(checkpoint)
    settings["command"] = portable(settings.get("command", ""))
    _check_metrics(args.metrics, evaluations, settings)
    values = TrainedModel(config, checkpoint, batch_size=1).variables()
    text = card.render(
        output_dir.name,
        title=args.title or output_dir.name,
        settings=settings,
        dataset=args.dataset,
        hours=_hours(run.path, settings["step"]),
        machine=args.machine or ", ".join(settings.get("devices", [])),
        changed={hparam: value for hparam, value in settings["hparams"].items() if usual.get(hparam) != value},
        evaluations=evaluations,
        notes=notes,
    )
    files = {f"{output_dir.name}.tar", run_folder.SETTINGS_NAME, pretrained.CARD_NAME}
    with atomic.replacing_all(output_dir, files.__contains__) as folder:
        tar = folder / f"{output_dir.name}.tar"
        slim.write_tar(tar, output_dir.name, {name: slim.rounded(value) for name, value in values.items()})
        kept = {key: settings[key] for key in KEPT_SETTINGS if key in settings}
        (folder / run_folder.SETTINGS_NAME).write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
        (folder / pretrained.CARD_NAME).write_text(text, encoding="utf-8")
        size = tar.stat().st_size
    print(f"checkpoint  {checkpoint}")
    num_values = sum(value.size for value in values.values())
    print(f"{output_dir}: {len(values)} variables, {num_values:,} values, {size / 1e6:.1f} MB")


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


def _check_metrics(paths: list[str], evaluations: dict[str, dict], settings: dict) -> None:
    """Refuses metrics of another model."""
    for path, metrics in zip(paths, evaluations.values(), strict=True):
        found = metrics.get("config"), metrics.get("global_step")
        if found != (settings["config"], settings["step"]):
            raise ValueError(
                f"--metrics={path}: of {found[0]} at step {found[1]}, but the checkpoint is"
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
