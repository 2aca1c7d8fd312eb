"""What is reached without a model, by the metrics that models are judged with.

    python -m pipelines.baselines --config=groovae_4bar_humanize --output=baselines.json \\
        --train_path=data/tfrecord/groove/train.tfrecord --examples_path=data/tfrecord/groove/validation.tfrecord

Of drums' tokens: the commonest token, silence, the nearest training window. Of grooves: the baselines of humanization
(`pipelines/evaluation/baselines.py`).
"""

from __future__ import annotations

import json
import pathlib

from absl import flags

from pipelines import cli
from pipelines.files import atomic


def define_flags() -> None:
    flags.DEFINE_string("config", None, "The config whose examples are judged.", required=True)
    flags.DEFINE_string("train_path", None, "TFRecord of NoteSequences to learn from, or a glob.", required=True)
    flags.DEFINE_string("examples_path", None, "TFRecord of NoteSequences to judge on, or a glob.", required=True)
    flags.DEFINE_string(
        "cache_dir", None, "Folder to keep converted examples in; default: beside what they are made of."
    )
    flags.DEFINE_string("output", None, "JSON file for the metrics.", required=True)
    cli.define_log_flag()


def main() -> None:
    args = flags.FLAGS
    output = pathlib.Path(args.output).expanduser()
    if output.is_dir():
        raise ValueError(f"{output}: is a folder; --output takes a file, as {output / 'baselines.json'}")
    atomic.check_folder(output.parent)
    cli.apply_log_level(args.log)

    import configs
    from pipelines.evaluation import baselines, estimates, results
    from pipelines.examples import loading

    config = configs.CONFIG_MAP[args.config]
    train = loading.load(config, "train", args.train_path, args.cache_dir)
    examples = loading.load(config, "validation", args.examples_path, args.cache_dir)
    found = baselines.judge(config, train, examples)
    num_performances = len(set(examples.performance))
    print(f"{args.config}: {results.describe(len(examples), num_performances)}; over all windows | over performances")
    if next(iter(found)) == baselines.QUANTIZED:
        print("baselines of humanization: they are told the hits and nothing else, whatever the config's encoder sees")
    results.print_rows(estimates.compared(found))
    facts = {
        "config": args.config,
        "num_train_examples": len(train),
        "num_examples": len(examples),
        "num_performances": num_performances,
        "baselines": {name: estimates.flat(of_baseline) for name, of_baseline in found.items()},
    }
    atomic.write_text(output, json.dumps(facts, indent=2) + "\n")
    print(f"written to {output}")


if __name__ == "__main__":
    cli.run(main, define_flags)
