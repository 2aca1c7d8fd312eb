"""Windows of converted performances with what their records say of them: style and tempo."""

from __future__ import annotations

import dataclasses

import numpy as np

import configs
from grooves import metadata
from grooves.groove import Groove
from pipelines.evaluation import samples
from pipelines.examples import loading, note_sequences


@dataclasses.dataclass(frozen=True, eq=False)
class Labelled:
    """Windows `[n, steps, 9]`, their styles `[n]`, empty where it is not known, and tempos `[n]`, quarters a minute."""

    groove: Groove
    styles: np.ndarray
    qpm: np.ndarray


def windows(config: configs.Config, split: str, examples_path: str, cache_dir: str | None = None) -> Labelled:
    """Returns all windows that a config makes of TFRecords; errors as `loading.load`."""
    samples.check(config)
    examples = loading.load(config, split, examples_path, cache_dir)
    performances = note_sequences.find(config, split, examples_path)
    styles = [style_of(metadata.read(note_sequences.parse(record))[0]) for record in performances.read()]
    return Labelled(samples.of_examples(config, examples).groove, np.array(styles)[examples.performance], examples.qpm)


def style_of(columns: dict[str, str]) -> str:
    """Returns the style in info.csv's columns without its details: "funk" of "funk/groove1"."""
    return columns.get("style", "").partition("/")[0]
