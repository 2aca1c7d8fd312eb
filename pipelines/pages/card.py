"""The model card of a trained model: where it comes from, what it reaches and how it is played, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pipelines.pages import template

MEAN = "_per_performance"
# What an evaluation's JSON says beside its metrics.
NO_METRICS = ("config", "checkpoint", "global_step", "num_examples", "num_performances")
NOTES_BEGIN, NOTES_END = "<!-- notes -->", "<!-- end of notes -->"
# Who made the data that models of this project are trained on, and what may be done with it.
DATASETS = {
    "groove": (
        "The training split of the [Groove MIDI Dataset](https://magenta.tensorflow.org/datasets/groove), © Google LLC,"
        " under [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/): Jon Gillick, Adam Roberts, Jesse Engel,"
        " Douglas Eck, David Bamman, [Learning to Groove with Inverse Sequence"
        " Transformations](https://arxiv.org/abs/1905.06118), ICML 2019."
    ),
    "starter": "The training split of the starter grooves, which come with this project.",
}


def render(name: str, **facts: object) -> str:
    """Returns the card of the model `name`.

    Args:
        name: As `--pretrained` takes it.
        **facts: `title`; `settings`, as config.json has them; `dataset`, of DATASETS or empty; `is_told_little`,
            whether its encoder sees a part of what it answers; `has_mixture`, whether samples are drawn from a mixture
            fitted to training windows; `hours` until the checkpoint, or None; `machine`, or
            empty; `changed`, the hparams that the config has otherwise, by name; `evaluations`, the metrics of each by
            its name, as `pipelines.evaluate` writes them; and `notes`, Markdown.
    """
    tables = {title: (metrics, rows(metrics)) for title, metrics in facts.pop("evaluations").items()}
    about_data = DATASETS.get(facts.pop("dataset"), "")
    marks = (NOTES_BEGIN, NOTES_END)
    return template.render("model_card.md", name=name, tables=tables, about_data=about_data, marks=marks, **facts)


def rows(metrics: Mapping[str, object]) -> list[Sequence[str]]:
    """Returns a line of text for each metric: name, value, interval, mean over performances, its interval."""
    return [
        (
            name,
            _number(value),
            _interval(metrics, name),
            _number(metrics.get(name + MEAN)),
            _interval(metrics, name + MEAN),
        )
        for name, value in metrics.items()
        if name not in NO_METRICS
        and not name.endswith((MEAN, f"{MEAN}_low", f"{MEAN}_high"))
        and not re.fullmatch("(.*)_(low|high)", name)
        and isinstance(value, float | int)
    ]


def notes_of(text: str) -> str:
    """Returns the notes that somebody wrote into a card, empty where there are none."""
    _, begin, rest = text.partition(NOTES_BEGIN)
    notes, end, _ = rest.partition(NOTES_END)
    return notes.strip() if begin and end else ""


def _interval(metrics: Mapping[str, object], name: str) -> str:
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    return "" if low is None or high is None else f"{_number(low)} to {_number(high)}"


def _number(value: object) -> str:
    return "" if value is None else f"{value:.4f}"
