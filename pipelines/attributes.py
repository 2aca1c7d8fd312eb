"""Attributes of a trained model: directions for density, swing, styles and more, kept beside its checkpoint.

    python -m pipelines.attributes --pretrained=groovae --train_path=…/train.tfrecord \\
        --examples_path=…/validation.tfrecord --output=attributes.json

`pipelines.generate --mode=attribute` goes along them. How much of an asked change arrives is measured on examples that
were not trained on.
"""

from __future__ import annotations

import json
import pathlib

from absl import flags

from pipelines import cli
from pipelines.files import atomic
from pipelines.runs import pretrained


def define_flags() -> None:
    flags.DEFINE_string("config", None, "The config's name; default: that of the run in --run_dir.")
    flags.DEFINE_string("run_dir", None, "Folder of a run; its newest checkpoint is taken.")
    flags.DEFINE_string("checkpoint_file", None, "A checkpoint's prefix, a folder of checkpoints, or a .tar of one.")
    flags.DEFINE_string("pretrained", None, "A trained model of the clone, by the name of its folder in pretrained/.")
    flags.DEFINE_string("hparams", "", "name=value,… that a checkpoint without a run's folder was trained with.")
    flags.DEFINE_string("train_path", None, "TFRecord of NoteSequences that were trained on, or a glob.", required=True)
    flags.DEFINE_string("examples_path", None, "TFRecord of held-out NoteSequences, or a glob, to measure on.")
    flags.DEFINE_string(
        "cache_dir", None, "Folder to keep converted examples in; default: beside what they are made of."
    )
    flags.DEFINE_string("output", None, "JSON file for the figures of --examples_path.")
    cli.define_log_flag()


def main() -> None:
    args = flags.FLAGS
    run_dir = pretrained.choose(args.run_dir, args.checkpoint_file, args.pretrained)
    if args.output and not args.examples_path:
        raise ValueError("--output takes the figures of --examples_path, held-out examples; give these, too")
    cli.apply_log_level(args.log)

    from pipelines.generation import attributes, directions, labelled, player
    from pipelines.runs import resolution, trained

    _, config, checkpoint = resolution.resolve_model(run_dir, args.checkpoint_file, args.config, args.hparams)
    found = player.load(run_dir, args.checkpoint_file, args.config, args.hparams)
    if found is None:
        raise ValueError("this config's layers are not known here; attributes are of the nine drums' models")
    print(f"checkpoint  {checkpoint}")
    train = labelled.windows(config, "train", args.train_path, args.cache_dir)
    known = directions.find(found.model, train.groove, train.styles, train.qpm)
    path = trained.folder_of(checkpoint) / attributes.FILE_NAME
    with atomic.replacing(path) as partial:
        known.write(partial)
    print(f"{path}: {len(known.names)} attributes and {len(known.styles)} styles of {len(train.styles)} windows")
    if args.examples_path:
        held_out = labelled.windows(config, "validation", args.examples_path, args.cache_dir)
        figures = directions.measure(found.model, known, held_out.groove, held_out.styles)
        print(directions.table(figures, known))
        if args.output:
            output = pathlib.Path(args.output).expanduser()
            atomic.write_text(output, json.dumps({"config": found.config, **figures}, indent=2) + "\n")


if __name__ == "__main__":
    cli.run(main, define_flags)
