"""The picture of a run: there for one row as for many, and never a half one."""

import struct

import pytest

from pipelines.evaluation import registry
from pipelines.training import curves


def rows(n, **values):
    found = [{"split": "train", "step": 10 * i, "secs": i, "loss": 200 / (i + 1), "kl_bits": None} for i in range(n)]
    found += [
        {"split": "validation", "step": 10 * i, "secs": i, "loss": 200 / (i + 1), **values} for i in range(0, n, 5)
    ]
    return found


@pytest.mark.parametrize(
    "drawn",
    [
        [],
        rows(1),
        rows(40, teacher_forced_accuracy=0.5),
        rows(5000, hits_loss=1.0),
        [{"split": "train", "step": 1, "secs": 0.1, "loss": None}],
    ],
)
def test_a_png_of_any_number_of_rows(drawn, tmp_path):
    path = tmp_path / curves.FILE_NAME
    curves.draw(drawn, path, drawn[-1] if drawn else None)
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", content[16:24]) == (1100, 320)
    assert len(content) < 100_000
    assert [each.name for each in tmp_path.iterdir()] == [curves.FILE_NAME]


def test_long_curves_are_thinned_out():
    steps, values = curves._series(rows(5000), "train", "loss")
    assert len(steps) == len(values) == curves.MAX_POINTS
    assert values[0] == pytest.approx(sum(200 / (i + 1) for i in range(5)) / 5)


def test_the_last_panel_shows_what_the_config_has():
    last = registry.panels()[2]
    assert curves._choose(rows(5, hits_loss=1.0), last).name == "hits_loss"
    assert curves._choose(rows(5, teacher_forced_accuracy=0.5), last).name == "teacher_forced_accuracy"
    assert curves._choose(rows(5), last) is None
