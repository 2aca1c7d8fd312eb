"""What an evaluation leaves: a table, JSON, events."""

import json

from models.magenta import tf
from pipelines.evaluation import results
from pipelines.evaluation.estimates import Estimate


def test_the_table_has_a_line_for_each_metric(capsys):
    metrics = {"loss": Estimate(2.5, (2.0, 3.0), 2.25, (2.0, 2.5)), "hit_f1": Estimate(0.5)}
    results.Results("groovae_4bar", "model.ckpt-7", 7, 3, 1, metrics).print_table()
    assert capsys.readouterr().out.splitlines() == [
        "step 7, 3 examples of 1 performance",
        "          all windows     95 % interval  mean over performances     95 % interval",
        "  loss         2.5000  2.0000 to 3.0000                  2.2500  2.0000 to 2.5000",
        "  hit_f1       0.5000",
    ]


def test_metrics_are_written_for_programs_and_for_tensorboard(tmp_path):
    metrics = {"loss": Estimate(2.5, (2.0, 3.0), 2.25), "kl_bits": Estimate(1.0), "hit_f1_kick": Estimate(0.5)}
    found = results.Results("groovae_4bar", "/runs/a/train/model.ckpt-7", 7, 3, 2, metrics)
    found.write_json(tmp_path / "eval" / "metrics.json")
    found.write_events(tmp_path / "eval")
    written = json.loads((tmp_path / "eval" / "metrics.json").read_text())
    assert written == {
        "config": "groovae_4bar",
        "checkpoint": "/runs/a/train/model.ckpt-7",
        "global_step": 7,
        "num_examples": 3,
        "num_performances": 2,
        **{"loss": 2.5, "loss_low": 2.0, "loss_high": 3.0, "loss_per_performance": 2.25},
        **{"kl_bits": 1.0, "hit_f1_kick": 0.5},
    }
    (events,) = (tmp_path / "eval").glob("events.out.tfevents.*")
    values = {
        value.tag: (event.step, value.simple_value)
        for event in tf.train.summary_iterator(str(events))
        for value in event.summary.value
    }
    assert values == {"loss": (7, 2.5), "losses/kl_bits": (7, 1.0), "metrics/hit_f1_kick": (7, 0.5)}
