"""The names of the metrics: what flags, pictures and TensorBoard make of them."""

import subprocess
import sys

import pytest

from pipelines.evaluation import registry


def test_the_best_is_by_what_validation_measures_and_has_a_direction():
    losses = ("hits_loss", "velocities_loss", "offsets_loss")
    assert list(registry.BEST_NAMES) == ["loss", "r_loss", "teacher_forced_accuracy", *losses]


def test_each_metric_says_in_a_sentence_what_it_is():
    assert all(metric.says.endswith(".") for metric in registry.METRICS)
    texts = [metric.says for metric in registry.METRICS if not metric.name.endswith(("_mean", "_data"))]
    assert len(set(texts)) == len(texts)


def test_unsampled_names_are_those_of_a_kind():
    losses = ["loss", "r_loss", "kl_loss", "kl_bits", "active_units"]
    assert registry.unsampled_names("") == losses
    assert registry.unsampled_names(registry.TOKENS) == [*losses, "teacher_forced_accuracy"]
    assert registry.unsampled_names(registry.GROOVES) == [*losses, "hits_loss", "velocities_loss", "offsets_loss"]


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("loss", "loss"),
        ("kl_bits", "losses/kl_bits"),
        ("teacher_forced_accuracy", "metrics/accuracy"),
        ("hit_f1", "metrics/hit_f1"),
        ("hit_f1_kick", "metrics/hit_f1_kick"),
    ],
)
def test_tags_are_magentas_where_magenta_has_one(name, tag):
    assert registry.tag_of(name) == tag


def test_the_panels_of_the_curves():
    assert [[metric.label for metric in panel] for panel in registry.panels()] == [
        ["loss (nats a window)"],
        ["KL (bits)"],
        ["accuracy, teacher-forced", "hits loss (nats a step)"],
    ]


def test_names_are_unique():
    assert len(registry.BY_NAME) == len(registry.METRICS)


def test_it_is_asked_without_tensorflow():
    code = "import sys, pipelines.evaluation.registry; sys.exit(bool({'tensorflow', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
