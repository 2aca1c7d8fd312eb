"""Whether a run is the same wherever it is computed: how that is compared."""

import numpy as np
import pytest

from benchmarks import placements
from benchmarks.placements import PLACES, Trained


def test_the_worst_number_counts():
    expected = Trained({"a": np.float32([1, 2]), "b": np.int64(5), "empty": np.zeros([0])}, 4.0)
    found = Trained({"a": np.float32([1, 1.5]), "b": np.int64(5), "empty": np.zeros([0])}, 4.4)
    assert placements.differences(expected, expected) == (0, 0)
    assert placements.differences(found, expected) == (0.5, pytest.approx(0.1))
    with pytest.raises(ValueError, match=r"other variables: \['b', 'empty'\]"):
        placements.differences(Trained({"a": np.float32([1, 2])}, 4.0), expected)


def test_what_fails_says_why(tmp_path):
    with pytest.raises(ValueError, match=r"groovae_4bar, 2 devices: .*none\.tfrecord"):
        placements.train("groovae_4bar", PLACES[1], str(tmp_path / "none.tfrecord"), 20, tmp_path / "x")


@pytest.mark.thorough
def test_a_table_is_of_real_runs(starter_records, tmp_path, monkeypatch):
    monkeypatch.setattr(placements, "PLACES", [PLACES[0], PLACES[-1]])
    lines = list(placements.lines(["groovae_4bar"], str(starter_records / "train.tfrecord"), 10, tmp_path))
    assert lines[2].startswith("| one device | loss ")
    variables, loss = map(float, lines[3].split("|")[2].split(","))
    assert variables < 1e-5 and loss < 1e-5
