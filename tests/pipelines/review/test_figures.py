"""The tables of the page: what is in them, and which files are refused."""

import json

import pytest

from pipelines.evaluation import registry
from pipelines.evaluation.estimates import Estimate
from pipelines.review import figures

FOUND = {
    "loss": Estimate(92.81, (81.6, 103.4), 89.92, (81.0, 97.0)),
    "active_units": Estimate(12.0, (11.0, 12.0)),
    "hit_f1": Estimate(0.6584, (0.6, 0.7), 0.6),
    "hit_f1_kick": Estimate(0.5, (0.4, 0.6)),
    "hit_recall_ride": Estimate(0.25),
    "timing_mae_ms": Estimate(12.34, None, 11.0),
}
BASELINES = {
    "config": "groovae_4bar",
    "num_examples": 8,
    "baselines": {
        "silence": {"hit_f1": 0.0, "hit_f1_kick": 0.0, "hit_f1_per_performance": 0.1},
        "nearest_window": {"hit_f1": 0.75, "timing_mae_ms": 20.0},
    },
}


def test_each_metric_has_its_interval_its_unit_and_a_sentence():
    table = figures.of_metrics(FOUND)
    assert [row.name for row in table.rows] == ["loss", "active_units", "hit_f1", "timing_mae_ms"]
    loss, units, _, timing = table.rows
    assert loss.cells == (("92.8", "81.6 to 103.4"), ("89.9", "81.0 to 97.0"))
    assert (loss.unit, units.unit) == ("nats a window, less is better", "units")
    assert units.cells[1] == ("", "")
    assert timing.cells == (("12.3", ""), ("11.0", ""))
    assert all(row.note == registry.BY_NAME[row.name].says for row in table.rows)


def test_drums_have_a_table_of_their_own():
    table = figures.by_drum(FOUND)
    assert list(table.heads) == ["hit f1", "hit precision", "hit recall"]
    assert [(row.name, row.cells) for row in table.rows] == [
        ("kick", [("0.500", "0.400 to 0.600"), ("", ""), ("", "")]),
        ("ride", [("", ""), ("", ""), ("0.250", "")]),
    ]
    assert figures.by_drum({"loss": FOUND["loss"]}) is None


def test_headlines_are_those_that_were_measured():
    assert figures.headlines(FOUND) == [
        ("hit F1", "0.658", "", "0.600 to 0.700"),
        ("timing error", "12.3", "ms", ""),
        ("loss", "92.8", "nats a window", "81.6 to 103.4"),
    ]


def test_baselines_stand_beside_the_model():
    table = figures.of_baselines(BASELINES, FOUND, 8)
    assert table.heads == ["this model", "silence", "nearest window"]
    assert [(row.name, row.cells) for row in table.rows] == [
        ("hit_f1", [("0.658", "0.600"), ("0.000", "0.100"), ("0.750", "")]),
        ("timing_mae_ms", [("12.3", "11.0"), ("", ""), ("20.0", "")]),
    ]
    assert "not the" not in table.text
    assert "These are not the 9 windows above" in figures.of_baselines(BASELINES, FOUND, 9).text


def test_samples_stand_beside_data():
    facts = {
        "config": "groovae_4bar",
        "checkpoint": "model.ckpt-7",
        "temperature": 1.0,
        "num_validation": 9,
        "density_validation": 0.125,
        "density_std_validation": 0.05,
        "density_train": 0.5,
        "density_overlap_train": 0.9,
        "density_samples": 0.25,
        "density_overlap": 0.75,
        "overlap_mean": 0.75,
        "overlap_mean_train": 0.9,
    }
    table = figures.of_comparison(facts)
    assert table.heads == ["validation", "drawn from the prior", "training"]
    assert [(row.name, row.cells) for row in table.rows] == [
        ("density", [("0.125", "± 0.050"), ("0.250", "overlap 0.750"), ("0.500", "overlap 0.900")]),
        ("mean overlap", [("", ""), ("0.750", ""), ("0.900", "")]),
    ]
    assert "model.ckpt-7 at temperature 1." in table.text


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"config": "a", "num_examples": 1, "baselines": 3}', "\udcff"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=r"a\.json: is no JSON of python -m pipelines\.baselines"):
        figures.read_baselines(path)
    with pytest.raises(ValueError, match=r"a\.json: is no JSON of python -m pipelines\.compare"):
        figures.read_comparison(path)


def test_what_was_written_is_read(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(BASELINES))
    assert figures.read_baselines(tmp_path / "a.json") == BASELINES
