"""Metrics of any checkpoint, as `pipelines.train --mode=eval` computes them.

    python -m pipelines.evaluate --run_dir=runs/first --output=metrics.json \\
        --examples_path=data/tfrecord/starter/validation.tfrecord

`--page_dir=DIR` also writes the page that `--mode=eval` writes, with what is played beside what the model makes of it.
`--run_dir=runs/first/best` takes the checkpoint that validation liked best, `--checkpoint_file` one by itself.
"""

from __future__ import annotations

import dataclasses
import pathlib

from absl import flags

from pipelines import cli
from pipelines.files import atomic
from pipelines.runs import pretrained


def define_flags() -> None:
    flags.DEFINE_string("config", None, "The config's name; default: that of the run.")
    flags.DEFINE_string("run_dir", None, "Folder of a run, or its best/; its newest checkpoint is evaluated.")
    flags.DEFINE_string("checkpoint_file", None, "A checkpoint's prefix, a folder of checkpoints, or a .tar of one.")
    flags.DEFINE_string("pretrained", None, "A trained model of the clone, by the name of its folder in pretrained/.")
    flags.DEFINE_string("examples_path", None, "TFRecord of NoteSequences, or a glob over several.")
    flags.DEFINE_string("tfds_name", None, "TensorFlow Datasets name to take examples from instead.")
    flags.DEFINE_string("tfds_data_dir", None, "Where TFDS keeps its data sets; default: its own choice.")
    flags.DEFINE_enum("split", "validation", ["train", "validation", "test"], "Of --tfds_name, what to evaluate on.")
    flags.DEFINE_string(
        "cache_dir", None, "Folder to keep converted examples in; default: beside what they are made of."
    )
    flags.DEFINE_string("hparams", "", "name=value,… that a checkpoint without a run's folder was trained with.")
    flags.DEFINE_integer("eval_num_batches", None, "Evaluate only so many batches; default: all.", lower_bound=1)
    flags.DEFINE_string("output", None, "JSON file for the metrics.", required=True)
    flags.DEFINE_string("page_dir", None, "Folder for evaluation.html, figures and sounds; default: no page.")
    flags.DEFINE_string(
        "baselines", None, "JSON of pipelines.baselines for the page; default: baselines.json in its folder, if any."
    )
    flags.DEFINE_string(
        "comparison", None, "JSON of pipelines.compare for the page; default: comparison.json in its folder, if any."
    )
    cli.define_log_flag()


def main() -> None:
    args = flags.FLAGS
    run_dir = pretrained.choose(args.run_dir, args.checkpoint_file, args.pretrained)
    if args.examples_path and args.tfds_name:
        raise ValueError("--examples_path and --tfds_name were both given; give one of them")
    output = pathlib.Path(args.output).expanduser()
    if output.is_dir():
        raise ValueError(f"{output}: is a folder; --output takes a file, as {output / 'metrics.json'}")
    page_dir, baselines, comparison = (
        pathlib.Path(path).expanduser() if path else None for path in (args.page_dir, args.baselines, args.comparison)
    )
    if (baselines or comparison) and not page_dir:
        raise ValueError("--baselines and --comparison are for the page; give --page_dir, too")
    for folder in filter(None, (output.parent, page_dir)):
        atomic.check_folder(folder)
    cli.apply_log_level(args.log)

    from models import checkpoints
    from pipelines.evaluation import results
    from pipelines.examples import loading, note_sequences
    from pipelines.runs import resolution, run_folder

    if page_dir:
        from pipelines.review import page
        from pipelines.training import curves

        page.check_inputs(baselines, comparison)
    name, config, path = resolution.resolve_model(run_dir, args.checkpoint_file, args.config, args.hparams)
    if args.tfds_name:
        config = config._replace(tfds_name=args.tfds_name)
    with checkpoints.unpacked(path) as checkpoint:
        examples = loading.load(config, args.split, args.examples_path, args.cache_dir, args.tfds_data_dir)
        found = results.evaluate(name, config, examples, checkpoint, args.eval_num_batches)
    if pathlib.Path(path).is_file():  # A tar is unpacked for a moment alone.
        found = dataclasses.replace(found, checkpoint=str(path))
    found.write_json(output)
    if page_dir:
        performances = note_sequences.find(config, args.split, args.examples_path, args.tfds_data_dir)
        run = run_folder.of_checkpoint(run_dir or path)
        page.write(
            page_dir,
            found,
            config,
            examples,
            performances,
            curves_path=run and run.path / curves.FILE_NAME,
            baselines_path=baselines,
            comparison_path=comparison,
        )


if __name__ == "__main__":
    cli.run(main, define_flags)
