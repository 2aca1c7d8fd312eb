"""A window's files: the notes that were played and decoded, at their tempo, with signs where they differ."""

import numpy as np
import pytest

import configs
from grooves import timing
from grooves.groove import Groove
from pipelines.evaluation import metrics, ranking
from pipelines.pages import notes, pianoroll
from pipelines.review import windows

QPM = 90.0
STEP_SECS = 60 / QPM / 4
KICK, SNARE = 0, 1


def groove_of(*hits) -> Groove:
    """One window with hits (step, drum, velocity, offset); cells without a hit have a velocity, as decoders give."""
    parts = np.zeros([3, 1, timing.STEPS, 9])
    parts[1] = 0.3
    for step, drum, velocity, offset in hits:
        parts[:, 0, step, drum] = 1, velocity, offset
    return Groove(*parts)


@pytest.fixture
def grooves() -> metrics.Outputs:
    played = groove_of((0, KICK, 1.0, -0.5), (4, SNARE, 0.5, 0.5))
    decoded = groove_of((0, KICK, 0.75, 0.0), (62, SNARE, 0.25, 0.0))
    return metrics.Outputs(np.array([3]), groove=played, decoded_groove=decoded)


def write(folder, name, outputs):
    chosen = ranking.choose(outputs)
    return windows.write(folder, configs.CONFIG_MAP[name], outputs, np.array([QPM]), chosen, {3: "three"}, None)


def notes_of(path):
    score = notes.read(path)
    return [(note.start_secs, note.pitch, note.velocity) for note in score.notes], score.qpms


def test_the_files_have_the_hits_at_the_performances_tempo(tmp_path, grooves):
    (window,) = write(tmp_path, "groovae_4bar", grooves)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"01-best-{side}.{kind}" for side in ("played", "reconstructed") for kind in ("mid", "png")]
    played, decoded = (notes_of(tmp_path / side.midi) for side in window.sides)
    assert played[1] == pytest.approx([QPM], abs=1e-3)
    np.testing.assert_allclose(played[0], [(0.25 * STEP_SECS, 36, 127), (3.75 * STEP_SECS, 38, 64)], atol=2e-3)
    np.testing.assert_allclose(decoded[0], [(0, 36, 95), (62 * STEP_SECS, 38, 32)], atol=2e-3)
    assert [side.roll.secs for side in window.sides] == pytest.approx([64 * STEP_SECS] * 2, abs=1e-3)
    assert all(side.wav is None for side in window.sides)


def test_differences_are_signed_at_the_time_of_their_hits(grooves):
    played, decoded = windows.cells_of(grooves, 0)
    missed, added = windows.differences(played, decoded, QPM)
    assert [(s.kind, s.row) for s in (*missed, *added)] == [(pianoroll.BOX, "snare"), (pianoroll.CROSS, "snare")]
    assert [s.secs for s in (*missed, *added)] == pytest.approx([3.75 * STEP_SECS, 62 * STEP_SECS])


def test_the_facts_count_what_differs(tmp_path, grooves):
    (window,) = write(tmp_path, "groovae_4bar", grooves)
    assert (window.name, window.facts["tempo"]) == ("three", "90 qpm")
    assert window.facts["hit F1"] == "0.500"
    assert [window.facts[name] for name in ("hits played", "missed", "added")] == ["2", "1", "1"]
    assert "2 hits were played; boxes are round the 1 that" in window.sides[0].description


def test_tokens_are_on_the_grid_and_padding_is_silent(tmp_path):
    tokens = np.full([1, timing.STEPS], -1, np.int32)
    tokens[0, :16] = 0
    tokens[0, 4] = 0b11
    decoded = np.ones_like(tokens)
    outputs = metrics.Outputs(
        np.array([3]),
        tokens=tokens,
        decoded_tokens={metrics.SAMPLED_MEAN: decoded},
        groove=metrics.token_hits(tokens),
        decoded_groove=metrics.token_hits(decoded),
    )
    (window,) = write(tmp_path, "hier-drums_4bar_small", outputs)
    (played, _), (notes, _) = (notes_of(tmp_path / side.midi) for side in window.sides)
    np.testing.assert_allclose([note[:2] for note in played], [(4 * STEP_SECS, 36), (4 * STEP_SECS, 38)], atol=2e-3)
    assert len(notes) == 16
    assert (window.facts["missed"], window.facts["added"]) == ("1", "15")
