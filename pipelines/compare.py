"""Samples beside data: descriptors of what a model draws, of validation and of training; and copies.

    python -m pipelines.compare --run_dir=runs/first --output=comparison.json \\
        --train_path=data/tfrecord/starter/train.tfrecord --examples_path=data/tfrecord/starter/validation.tfrecord

With `--config` alone, without a model, training is compared with validation. What each number means is said in
`pipelines/evaluation/samples.py`.
"""

from __future__ import annotations

import json
import pathlib

from absl import flags

from models import latents
from pipelines import cli
from pipelines.files import atomic
from pipelines.runs import pretrained

BATCH_SIZE = 128  # Windows decoded at once; part of what --seed decides.


def define_flags() -> None:
    flags.DEFINE_string("config", None, "The config's name; default: that of the run. Alone, it compares data only.")
    flags.DEFINE_string("run_dir", None, "Folder of a run, or its best/; its newest checkpoint is sampled from.")
    flags.DEFINE_string("checkpoint_file", None, "A checkpoint's prefix, a folder of checkpoints, or a .tar of one.")
    flags.DEFINE_string("pretrained", None, "A trained model of the clone, by the name of its folder in pretrained/.")
    flags.DEFINE_string("train_path", None, "TFRecord of NoteSequences that were trained on, or a glob.", required=True)
    flags.DEFINE_string("examples_path", None, "TFRecord of held-out NoteSequences, or a glob.", required=True)
    flags.DEFINE_string(
        "cache_dir", None, "Folder to keep converted examples in; default: beside what they are made of."
    )
    flags.DEFINE_string("hparams", "", "name=value,… that a checkpoint without a run's folder was trained with.")
    flags.DEFINE_integer("num_samples", 1000, "Windows drawn from the model.", lower_bound=1)
    flags.DEFINE_enum(
        "latents", None, latents.CHOICES, "What samples are drawn from; default: the model's mixture, if it has one."
    )
    flags.DEFINE_float("temperature", 1.0, "Randomness of decoding: low is likeliest, 1 is as learnt.", 1e-3, 100.0)
    flags.DEFINE_integer("seed", 1, "The same seed gives the same samples and numbers.", lower_bound=0)
    flags.DEFINE_string("output", None, "JSON file for the numbers.", required=True)
    cli.define_log_flag()


def main() -> None:
    args = flags.FLAGS
    has_model = bool(args.run_dir or args.checkpoint_file or args.pretrained)
    if not has_model and not args.config:
        raise ValueError(
            "where is the trained model? give --run_dir, --checkpoint_file or --pretrained;"
            " --config=NAME alone compares data only"
        )
    run_dir = pretrained.choose(args.run_dir, args.checkpoint_file, args.pretrained) if has_model else None
    output = pathlib.Path(args.output).expanduser()
    if output.is_dir():
        raise ValueError(f"{output}: is a folder; --output takes a file, as {output / 'comparison.json'}")
    atomic.check_folder(output.parent)
    cli.apply_log_level(args.log)

    from models.inference import TrainedModel
    from pipelines.evaluation import samples
    from pipelines.examples import loading
    from pipelines.runs import resolution, trained

    if has_model:
        name, config, checkpoint = resolution.resolve_model(run_dir, args.checkpoint_file, args.config, args.hparams)
        mixture = trained.latents_of(checkpoint, config.hparams.z_size, args.latents)
        described = {"config": name, "checkpoint": str(checkpoint), "temperature": args.temperature}
        described["latents"] = latents.MIXTURE if mixture else latents.PRIOR
    else:
        name, config = resolution.resolve_config(None, args.config, args.hparams)
        described = {"config": name}
    samples.check(config)
    paths = {"validation": args.examples_path, "train": args.train_path}
    sets = {
        split: samples.of_examples(config, loading.load(config, split, path, args.cache_dir))
        for split, path in paths.items()
    }
    if has_model:
        model = TrainedModel(config, checkpoint, min(BATCH_SIZE, args.num_samples), args.seed, mixture)
        sets["samples"] = samples.draw(model, args.num_samples, args.temperature)
    found = samples.compare(sets, args.seed)
    print("\n".join(f"{key:<12}{value}" for key, value in described.items()))
    print(samples.table(found))
    atomic.write_text(output, json.dumps({**described, "seed": args.seed, **found}, indent=2) + "\n")
    print(f"written to {output}", flush=True)


if __name__ == "__main__":
    cli.run(main, define_flags)
