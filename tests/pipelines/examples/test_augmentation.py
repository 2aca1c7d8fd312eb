"""Augmentation: what comes out is made of the batch's own windows, and inputs and outputs stay one groove."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import configs
from grooves import drums, metadata, timing, tokens
from grooves.groove import Groove
from pipelines.examples import augmentation, batches
from pipelines.examples.augmentation import Augmentation
from tests import midi_files
from tests.pipelines.examples.test_batches import draw
from tests.pipelines.examples.test_loading import write_records

WINDOWS = 64
DRUMS, GROOVES = "hier-drums_4bar_small", "groovae_4bar"


def make_batch(name: str) -> augmentation.Batch:
    """Returns a batch of random windows as `Examples.dense` gives them; outputs of drums are tokens."""
    rng = np.random.default_rng(0)
    hits = (rng.random([WINDOWS, timing.STEPS, 9]) < 0.2).astype(np.float32)
    groove = Groove(hits, hits * rng.random(hits.shape, np.float32), hits * rng.uniform(-1, 1, hits.shape))
    inputs = configs.CONFIG_MAP[name].data_converter.encoder_inputs(groove).astype(np.float32)
    outputs = tokens.from_hits(hits).astype(np.int32) if name == DRUMS else groove.join().astype(np.float32)
    return inputs, outputs, np.zeros([WINDOWS, timing.STEPS, 0], np.float32), np.full(WINDOWS, timing.STEPS, np.int32)


def change(asked: Augmentation, name: str = DRUMS, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the hits of a batch before and after, and what the encoder sees of them after."""
    batch = make_batch(name)
    converter = configs.CONFIG_MAP[name].data_converter
    inputs, outputs, controls, lengths = asked.apply(batch, converter, np.random.default_rng(seed))
    assert controls is batch[2]
    assert lengths is batch[3]
    for made, given in ((inputs, batch[0]), (outputs, batch[1])):
        assert (made.shape, made.dtype) == (given.shape, given.dtype)
    before, after = (tokens.to_hits(part) if name == DRUMS else part[..., :9] > 0 for part in (batch[1], outputs))
    return before, after, inputs[..., :9] > 0


@pytest.mark.parametrize("name", [DRUMS, GROOVES, "groovae_4bar_humanize", "groovae_4bar_tap"])
def test_the_encoder_sees_what_the_decoder_makes(name):
    """Inputs are what the config's converter makes of the changed outputs."""
    asked = Augmentation(voices=0.5, bars=0.5, shift=0.5, swap=0.5)
    converter = configs.CONFIG_MAP[name].data_converter
    inputs, outputs, _, _ = asked.apply(make_batch(name), converter, np.random.default_rng(1))
    hits = tokens.to_hits(outputs).astype(np.float32) if name == DRUMS else None
    groove = Groove(hits, hits, hits) if name == DRUMS else Groove.split(outputs)
    np.testing.assert_allclose(inputs, converter.encoder_inputs(groove), rtol=1e-6)
    assert not np.array_equal(outputs, make_batch(name)[1])


def test_voices_are_whole_and_of_windows_of_the_batch():
    before, after, _ = change(Augmentation(voices=0.5))
    known = [{voice.tobytes() for voice in before[..., drum].copy()} for drum in range(9)]
    assert all(window[:, drum].copy().tobytes() in known[drum] for window in after for drum in range(9))
    changed = (before != after).any(axis=(1, 2))
    assert changed.mean() == pytest.approx(0.5, abs=0.2)
    is_others = (before != after).any(axis=1)[changed]
    assert is_others.mean() == pytest.approx(0.5, abs=0.15)


def test_bars_are_whole_and_stay_at_their_place():
    before, after, _ = change(Augmentation(bars=1.0))
    bars = [part.reshape(WINDOWS, timing.BARS, -1) for part in (before, after)]
    for bar in range(timing.BARS):
        known = {window.tobytes() for window in bars[0][:, bar].copy()}
        assert all(window.copy().tobytes() in known for window in bars[1][:, bar])
    assert (bars[0] != bars[1]).any(axis=2).mean() == pytest.approx(0.5, abs=0.15)


def test_windows_begin_with_another_bar():
    before, after, _ = change(Augmentation(shift=0.5))
    bars = [
        next(bar for bar in range(timing.BARS) if np.array_equal(np.roll(ours, 16 * bar, axis=0), theirs))
        for ours, theirs in zip(before, after, strict=True)
    ]
    assert set(bars) == {0, 1, 2, 3}
    assert np.mean(np.array(bars) > 0) == pytest.approx(0.5, abs=0.2)


def test_drums_change_places_by_pairs():
    before, after, _ = change(Augmentation(swap=0.5))
    swapped = [set(np.flatnonzero((ours != theirs).any(axis=0))) for ours, theirs in zip(before, after, strict=True)]
    assert {frozenset(pair) for pair in swapped} == {
        frozenset(), frozenset({2, 8}), frozenset({3, 7}), frozenset({4, 5}), frozenset({5, 6}),
    }  # fmt: skip
    assert np.mean([bool(pair) for pair in swapped]) == pytest.approx(0.5, abs=0.2)
    assert before.sum() == after.sum()


@pytest.mark.parametrize("name", [DRUMS, GROOVES])
def test_hits_are_hidden_from_the_encoder_alone(name):
    before, after, seen = change(Augmentation(hide_hits=0.3), name)
    np.testing.assert_array_equal(before, after)
    assert not (seen & ~after).any()
    assert seen.sum() / after.sum() == pytest.approx(0.7, abs=0.02)


def test_nothing_is_asked_for_by_default_and_by_magentas_configs():
    assert not Augmentation.of(configs.CONFIG_MAP[DRUMS].hparams)
    assert not Augmentation.of(configs.CONFIG_MAP["cat-drums_2bar_small"].hparams)
    asked = configs.with_hparams(configs.CONFIG_MAP[DRUMS], "augment_voices=0.5,augment_hide_hits=0.1").hparams
    assert Augmentation.of(asked) == Augmentation(voices=0.5, hide_hits=0.1)


def test_batches_of_a_step_are_the_same_after_an_interruption(tmp_path):
    path = write_records(tmp_path / "a.tfrecord", midi_files.sequence(midi_files.groove(12)))
    hparams = "batch_size=4,augment_voices=1.0,augment_shift=0.5"
    config = configs.with_hparams(configs.CONFIG_MAP[DRUMS], hparams)

    def outputs(first_step: int, seed: int = 1) -> list[np.ndarray]:
        make, _ = batches.training_batches(config, str(path), seed=seed, first_step=first_step)
        return [tokens_of_batch for _, tokens_of_batch, _, _ in draw(make, 4 - first_step)]

    whole = outputs(0)
    for ours, theirs in itertools.zip_longest(whole[2:], outputs(2)):
        np.testing.assert_array_equal(ours, theirs)
    assert any(not np.array_equal(ours, theirs) for ours, theirs in zip(whole, outputs(0, seed=2), strict=True))


@pytest.mark.parametrize("changes", ["augment_voices=1.0", "augment_bars=1.0"])
def test_windows_of_a_style_exchange_parts_among_themselves(tmp_path, changes):
    """Three styles, each played on a drum of its own in two performances: no window gets to hear two of them."""
    sequences = []
    for number, style in enumerate(["funk", "rock", "jazz", "rock", "funk", "jazz"]):
        pitch = {"funk": 36, "rock": 38, "jazz": 51}[style]
        steps = np.flatnonzero(np.random.default_rng(number).random(16 * 12) < 0.4).tolist()
        sequences.append(midi_files.sequence([(step, pitch, 80) for step in steps]))
        metadata.write(sequences[-1], {"style": f"{style}/{number}"}, drums.ROLAND)
    path = write_records(tmp_path / "a.tfrecord", *sequences)

    def windows(asked: str) -> np.ndarray:
        config = configs.with_hparams(configs.CONFIG_MAP[DRUMS], f"batch_size=16{asked}")
        make, _ = batches.training_batches(config, str(path), seed=1)
        return np.concatenate([tokens.to_hits(outputs) for _, outputs, _, _ in draw(make, 4)])

    def num_drums(found: np.ndarray) -> np.ndarray:
        return found.any(axis=1).sum(axis=1)

    mixed, within = windows(f",{changes}"), windows(f",{changes},augment_same_style=true")
    assert num_drums(mixed).max() > num_drums(within).max() == 1
    assert not np.array_equal(within, windows(""))


def test_without_a_change_a_style_asks_for_nothing():
    assert not Augmentation(same_style=True)
