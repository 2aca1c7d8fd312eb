"""The model card has every number that there is, and nothing that there is not."""

import pytest

from pipelines.pages import card

SETTINGS = {
    "config": "groovae_4bar",
    "hparams": {"batch_size": 64},
    "step": 2500,
    "data": {"fingerprint": "0123456789abcdef0123", "num_examples": 4078},
    "seed": 3,
    "precision": "bf16",
    "command": "python -m pipelines.train --config=groovae_4bar",
    "versions": {"python": "3.11.7", "tensorflow": "2.21.0"},
}
METRICS = {
    **{"config": "groovae_4bar", "global_step": 2500, "num_examples": 504, "num_performances": 66, "loss": 61.5},
    **{"loss_low": 60.25, "loss_high": 62.75, "loss_per_performance": 58.0},
    **{"loss_per_performance_low": 57.0, "loss_per_performance_high": 59.0, "kl_bits": 31.25},
}


def rendered(**changes):
    facts = {
        **{
            "title": "A title",
            "settings": SETTINGS,
            "dataset": "groove",
            "hours": 1.25,
            "is_told_little": False,
            "has_mixture": False,
            "machine": "CPU, 2 cores",
        },
        **{"changed": {"batch_size": 64}, "evaluations": {"validation": METRICS}, "notes": "Good at funk."},
    }
    return card.render("groovae", **facts | changes)


def test_every_metric_has_a_row_with_its_intervals():
    assert card.rows(METRICS) == [
        ("loss", "61.5000", "60.2500 to 62.7500", "58.0000", "57.0000 to 59.0000"),
        ("kl_bits", "31.2500", "", "", ""),
    ]


@pytest.mark.parametrize(
    "part",
    [
        "# A title\n",
        "./run_generate.sh --pretrained=groovae\n",
        "Good at funk.",
        "CC BY 4.0",
        "Learning to Groove",
        "4,078 windows",
        "validation: 504 windows of 66 performances.",
        "| `loss` | 61.5000 | 60.2500 to 62.7500 | 58.0000 | 57.0000 to 59.0000 |\n",
        "| steps | 2,500, of 64 windows each |\n",
        "| time until then | 1.2 hours |\n",
        "| machine | CPU, 2 cores |\n",
        "`batch_size=64`",
        "python 3.11.7, tensorflow 2.21.0",
        "python -m pipelines.train --config=groovae_4bar\n",
    ],
)
def test_the_card_says(part):
    assert part in rendered()


def test_what_answers_an_input_is_not_sampled():
    text = rendered(is_told_little=True)
    assert "./run_generate.sh --pretrained=groovae --mode=interpolate --input_midi_1=" in text
    assert "--pretrained=groovae\n" not in text


def test_what_is_not_known_is_not_said():
    text = rendered(dataset="", hours=None, machine="", evaluations={}, notes="", changed={})
    assert "Groove MIDI" not in text and "hours" not in text and "machine" not in text
    assert "It has not been evaluated." in text
    assert "| hparams that the config has otherwise | none |" in text


def test_where_samples_come_from_is_said_of_a_mixture():
    assert "`latents.npz` is a mixture of normal distributions" in rendered(has_mixture=True)
    assert "latents" not in rendered()


def test_less_than_an_hour_is_said_in_minutes():
    assert "| time until then | 5 minutes |\n" in rendered(hours=0.076)


def test_what_was_changed_on_the_way_is_said():
    changed = SETTINGS | {"changes": [{"step": 1500, "decay_rate": [0.9995, 0.9998], "batch_size": [32, 64]}]}
    line = "| after step 1,500 | `decay_rate=0.9998` in place of `0.9995`, `batch_size=64` in place of `32` |\n"
    assert line in rendered(settings=changed)
    assert "after step" not in rendered()


def test_notes_are_found_again():
    notes = "Good at *funk*.\n\nBad at jazz: 5 < 7."
    assert card.notes_of(rendered(notes=notes)) == notes
    assert card.notes_of("no card") == ""
