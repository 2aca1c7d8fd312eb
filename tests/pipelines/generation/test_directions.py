"""Directions in latent space do what they are called, and what arrives of them is measured."""

import dataclasses

import numpy as np
import pytest

from grooves.groove import Groove
from pipelines.generation import attributes, directions, inputs, player
from pipelines.generation.command import STARTER_DIR
from pipelines.runs import pretrained

N = 64  # Windows.


@pytest.fixture(autouse=True, scope="module")
def few_of_a_style():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attributes, "MIN_WINDOWS", 10)
        yield


@pytest.fixture(scope="module")
def groovae() -> player.Player:
    return player.load(str(pretrained.locate("groovae")), None)


@pytest.fixture(scope="module")
def windows() -> Groove:
    """Some windows of the starter grooves."""
    every = inputs.windows_of(inputs.files([str(STARTER_DIR)]), 4)
    rows = np.random.default_rng(0).permutation(len(every.hits))[:N]
    return Groove(every.hits[rows], every.velocities[rows], every.offsets[rows])


@pytest.fixture(scope="module")
def found(groovae, windows) -> attributes.Attributes:
    styles = np.where(np.arange(N) < N // 3, "half", "")
    return directions.find(groovae.model, windows, styles, np.full(N, 97.0))


def test_labels_are_of_hits_and_of_feel(windows):
    with_feel, without = (directions.labels(windows, has_feel=has_feel) for has_feel in (True, False))
    assert list(with_feel) == ["density", "syncopation", "swing", "velocity_spread", "fill"]
    assert list(without) == ["density", "syncopation", "fill"]
    np.testing.assert_allclose(with_feel["density"], windows.hits.mean(axis=(1, 2)))


def test_swing_is_how_late_every_second_sixteenth_comes():
    hits = np.zeros([2, 64, 9])
    hits[0, ::2, 2] = hits[0, 1::2, 2] = hits[1, ::2, 2] = 1
    offsets = np.zeros_like(hits)
    offsets[0, 1::2, 2], offsets[0, ::2, 2] = -0.5, 0.1
    late, straight = directions.lateness(Groove(hits, hits, offsets))
    assert late == pytest.approx(0.3)
    assert np.isnan(straight)  # It has none.


def test_more_of_an_attribute_is_more_of_it(groovae, windows, found):
    """On average over windows, and density alone at least half of what is asked."""
    figures = directions.measure(groovae.model, found, windows, np.full(N, "", "<U4"))
    assert figures["num_windows"] == N
    for name in ("density", "syncopation", "velocity_spread", "swing", "fill"):
        assert figures[f"{name}_asked_-1"] < figures[f"{name}_asked_+1"], name
    assert 0.5 < figures["density_asked_+1"] < 1.6
    assert 0 <= figures["style_half"] <= figures["style_half_asked_2"] <= 1


def test_the_same_windows_give_the_same_directions(groovae, windows, found):
    again = directions.find(groovae.model, windows, np.where(np.arange(N) < N // 3, "half", ""), np.full(N, 97.0))
    np.testing.assert_array_equal(found.directions, again.directions)
    assert (found.styles, found.style_qpms.tolist()) == (("half",), [97.0])


def test_the_table_has_a_line_for_each_attribute_and_style(found):
    figures = {f"{name}_asked_{by:+g}": by / 2 for name in found.names for by in directions.ASKED}
    figures |= {f"{name}_asked_{by:+g}_others": 0.25 for name in found.names for by in directions.ASKED}
    figures |= {"style_half": 0.1, "style_half_asked_1": 0.2, "style_half_asked_2": 0.4}
    lines = directions.table(figures, found).splitlines()
    assert lines[1].split() == ["density", "-1.00", "-0.50", "+0.50", "+1.00", "0.25"]
    assert lines[-1].split() == ["half", "0.10", "0.20", "0.40"]


def test_a_direction_of_which_nothing_arrives_is_not_blown_up(groovae, windows, found, monkeypatch):
    monkeypatch.setattr(directions, "_arrived", lambda *_: 0.0)
    blown = directions.find(groovae.model, windows, np.full(N, "", "<U4"), np.full(N, 97.0))
    plain = attributes.fit(
        groovae.model.encode(windows)[0],
        directions.labels(windows, has_feel=True),
        np.full(N, "", "<U4"),
        np.full(N, 97.0),
    )
    np.testing.assert_allclose(blown.directions, plain.directions * 3**directions.NUM_SCALINGS, rtol=1e-5)
    assert dataclasses.replace(blown, styles=()).styles == found.styles[1:]
