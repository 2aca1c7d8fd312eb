"""Which windows are shown: in the order of their scores, and of many performances."""

import numpy as np
import pytest

from grooves.groove import Groove
from pipelines.evaluation import metrics, ranking

STEPS = 16


def drums_with(num_right, performance) -> metrics.Outputs:
    """Windows of a kick on every step, so many of which were decoded."""
    played = np.ones([len(num_right), STEPS], np.int32)
    decoded = (np.arange(STEPS) < np.reshape(num_right, [-1, 1])).astype(np.int32)
    return metrics.Outputs(
        np.asarray(performance),
        tokens=played,
        decoded_tokens={metrics.SAMPLED_MEAN: decoded},
        groove=metrics.token_hits(played),
        decoded_groove=metrics.token_hits(decoded),
    )


def grooves_with(late, num_hits) -> metrics.Outputs:
    """Windows of which the first so many steps of the snare were played and decoded, so late, beside a kick."""
    played = np.zeros([len(late), STEPS, 9])
    played[:, :, 1] = np.arange(STEPS) < np.reshape(num_hits, [-1, 1])
    decoded = played.copy()
    decoded[:, 0, 0] = played.any(axis=(1, 2))
    offsets = -np.reshape(late, [-1, 1, 1]) * decoded
    return metrics.Outputs(
        np.arange(len(late)),
        groove=Groove(played, played, 0 * played),
        decoded_groove=Groove(decoded, decoded, offsets),
    )


def test_scores_are_the_metrics_of_single_windows():
    outputs = drums_with([4, 16, 0], [0, 1, 2])
    assert ranking.score_names(outputs) == ("sampled_accuracy_mean", "hit_f1")
    np.testing.assert_allclose(ranking.of_windows(outputs, "sampled_accuracy_mean"), [0.25, 1, 0])
    np.testing.assert_allclose(ranking.of_windows(outputs, "hit_f1"), [0.4, 1, 0])
    assert ranking.of_windows(outputs, "timing_mae_ms") is None


def test_the_best_comes_first_and_equal_ones_in_the_datas_order():
    assert ranking.order(drums_with([4, 16, 0, 4], range(4))).tolist() == [1, 0, 3, 2]


def test_grooves_with_equal_hits_are_ranked_by_timing_and_empty_ones_not_at_all():
    outputs = grooves_with(late=[0.5, 0.1, 0.3, 0.0], num_hits=[4, 4, 8, 0])
    assert ranking.score_names(outputs) == ("hit_f1", "timing_mae_ms")
    assert ranking.order(outputs).tolist() == [2, 1, 0]


def test_best_between_and_worst_are_of_different_performances():
    scores = np.repeat(np.arange(STEPS + 1), 6)  # 17 performances of six windows, each alike.
    chosen = ranking.choose(drums_with(scores, scores))
    assert [ranked.group for ranked in chosen] == ["best"] * 3 + ["between"] * 4 + ["worst"] * 3
    ranks = [ranked.rank for ranked in chosen]
    assert (ranks[0], ranks[-1]) == (1, 6 * (STEPS + 1))
    assert ranks == sorted(ranks)
    assert len({scores[ranked.row] for ranked in chosen}) == 10
    values = [ranked.scores["sampled_accuracy_mean"] for ranked in chosen]
    assert values == [scores[ranked.row] / STEPS for ranked in chosen]
    assert values[:3] == [1, 15 / 16, 14 / 16]
    assert values[-3:] == [2 / 16, 1 / 16, 0]
    assert np.all(np.diff(ranks[2:8]) > 10)  # Evenly between the third best and the third worst.


@pytest.mark.parametrize(
    ("num_windows", "groups"), [(1, ["best"]), (2, ["best", "worst"]), (5, ["best", *["between"] * 3, "worst"])]
)
def test_of_few_windows_there_are_few_and_none_twice(num_windows, groups):
    chosen = ranking.choose(drums_with(range(num_windows), [0] * num_windows))
    assert [ranked.group for ranked in chosen] == groups
    assert sorted(ranked.row for ranked in chosen) == list(range(num_windows))


def test_without_drums_nothing_is_chosen():
    outputs = metrics.Outputs(np.arange(2), tokens=np.ones([2, 4], np.int32))
    assert ranking.choose(outputs) == []
