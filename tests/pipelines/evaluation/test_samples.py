"""Samples beside data: windows that are known, compared; windows of examples and of trained models."""

import dataclasses

import numpy as np
import pytest

import configs
from grooves.groove import Groove
from pipelines.dataset import conversion
from pipelines.evaluation import descriptors, samples
from pipelines.examples import loading
from pipelines.runs import resolution
from pipelines.runs.run_folder import RunFolder
from tests import tiny


def windows(seed: int, n: int = 40, share: float = 0.1, has_feel: bool = True, steps: int = 32) -> samples.Windows:
    rng = np.random.default_rng(seed)
    hits = (rng.random([n, steps, 9]) < share).astype(np.float32)
    velocities, offsets = rng.random(hits.shape) * hits, rng.uniform(-1, 1, hits.shape) * hits
    return samples.Windows(Groove(hits, velocities, offsets), has_feel)


def taken(given: samples.Windows, rows) -> samples.Windows:
    parts = {name: getattr(given.groove, name)[rows] for name in ("hits", "velocities", "offsets")}
    return dataclasses.replace(given, groove=Groove(**parts))


def test_copies_are_found():
    training = windows(1)
    drawn = taken(training, [0, 1, 2, 3])
    drawn.groove.hits[1, 0, 0] = 1 - drawn.groove.hits[1, 0, 0]
    drawn.groove.hits[2, [0, 3], 0] = 1 - drawn.groove.hits[2, [0, 3], 0]
    drawn.groove.hits[3, :4, 0] = 1 - drawn.groove.hits[3, :4, 0]
    assert samples.copies(drawn, training, "_x") == {
        "copies_at_0_x": 0.25,
        "copies_at_1_x": 0.5,
        "copies_at_2_x": 0.75,
        "nearest_distance_median_x": 1.5,
    }


def test_silence_is_counted_by_window_and_by_bar():
    drawn = windows(1, n=4, share=1.0)
    drawn.groove.hits[0] = 0
    drawn.groove.hits[1, 16:] = 0
    assert samples.silence(drawn) == {"empty_windows": 1 / 4, "empty_bars": 3 / 8}


def test_the_floor_has_the_same_hits_elsewhere():
    given = windows(1)
    moved, again, other = (samples.shuffled(given, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(moved.groove.join(), again.groove.join())
    assert not np.array_equal(moved.groove.hits, other.groove.hits)
    assert not np.array_equal(moved.groove.hits, given.groove.hits)
    for before, after in zip(given.groove.join(), moved.groove.join(), strict=True):
        cells = [np.stack(np.split(steps, 3, axis=-1)).reshape(3, -1) for steps in (before, after)]
        np.testing.assert_array_equal(*(part[:, np.lexsort(part)] for part in cells))


def test_a_set_as_the_target_is_as_near_as_can_be_and_the_floor_is_not():
    target = windows(1)
    found = samples.compare({"validation": target, "train": target, "samples": windows(2, share=0.5)}, seed=1)
    assert found["overlap_mean_train"] > 0.95  # A fortieth of the pairs are of a window with itself.
    assert found["density_overlap_shuffled"] > 0.97  # Moving hits leaves their number.
    assert found["density_overlap"] < 0.1
    assert found["overlap_mean"] < found["overlap_mean_train"]
    assert (found["copies_at_0_validation"], found["copies_at_2"], found["nearest_distance_median_validation"]) == (
        (1, 0, 0)
    )
    assert (found["num_samples"], found["num_validation"], found["num_train"]) == (40, 40, 40)
    assert sum(found[f"step_histogram_{step}_samples"] for step in range(1, 17)) == pytest.approx(1)
    expected = target.groove.hits[..., 2].sum() / target.groove.hits.sum()
    assert found["drum_histogram_closed_hi_hat_validation"] == pytest.approx(expected)


def test_numbers_are_plain_and_each_set_has_its_own():
    sets = {"validation": windows(1), "train": windows(2), "samples": windows(3)}
    found = samples.compare(sets, seed=1)
    assert {type(value) for value in found.values()} == {int, float}
    assert np.isfinite(list(found.values())).all()
    for name in ("samples", "validation", "train", "shuffled"):
        assert {f"{key}_{name}" for key in ("instruments", "instruments_std", "velocity_mean", "swing")} <= set(found)
    for key in ("copies_at_0", "copies_at_1", "copies_at_2", "nearest_distance_median"):
        assert {key, f"{key}_validation", f"{key}_shuffled"} <= set(found)
    for key in ("empty_windows", "empty_bars"):
        assert {key, f"{key}_validation", f"{key}_train"} <= set(found)
    assert found["instruments_samples"] == pytest.approx(windows(3).groove.hits.any(axis=1).sum(axis=1).mean())


def test_without_samples_training_is_compared_with_validation():
    found = samples.compare({"validation": windows(1), "train": windows(2)}, seed=1)
    assert "density_overlap_train" in found
    assert not [name for name in found if name.endswith(("_samples", "_overlap"))]
    assert not {"copies_at_0", "empty_bars", "overlap_mean"} & set(found)


def test_tokens_are_compared_by_hits_alone():
    found = samples.compare({name: windows(1, has_feel=False) for name in ("validation", "train")}, seed=1)
    assert not [name for name in found if name.startswith(("velocity", "offset", "swing"))]


def test_the_table_has_a_line_for_each_descriptor_and_a_column_for_each_set():
    found = samples.compare({"validation": windows(1), "train": windows(2), "samples": windows(3)}, seed=1)
    lines = samples.table(found).splitlines()
    assert lines[0].split() == ["validation", "samples", "train", "shuffled"]
    rows = {line.split()[0]: [float(value) for value in line.split()[1:]] for line in lines[2:]}
    assert len(rows) == 17 + 5 + 1 + 6
    expected = [found["density_validation"], found["density_std_validation"]]
    for name, end in (("samples", ""), ("train", "_train"), ("shuffled", "_shuffled")):
        expected += [found[f"density_{name}"], found[f"density_overlap{end}"], found[f"density_kl{end}"]]
    assert rows["density"] == pytest.approx(expected, abs=0.0005)
    assert rows["copies_at_1"] == [found[f"copies_at_1{end}"] for end in ("_validation", "", "_shuffled")]
    assert rows["empty_bars"] == [found[f"empty_bars{end}"] for end in ("_validation", "", "_train")]


def test_windows_of_different_lengths_are_refused():
    with pytest.raises(
        ValueError, match=r"windows of different lengths, in steps, cannot be compared: .'validation': 32"
    ):
        samples.compare({"validation": windows(1), "train": windows(2, steps=64)}, seed=1)


@pytest.mark.parametrize("name", ["hier-drums_4bar_small", "groovae_4bar", "groovae_4bar_tap", "cat-drums_2bar_small"])
def test_configs_of_nine_drums_are_taken(name):
    samples.check(configs.CONFIG_MAP[name])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cat-mel_2bar_big", "outputs are not the nine drums"),
        ("groovae_2bar_hits_control_tfds", "decodes under controls"),
    ],
)
def test_other_configs_are_refused(name, message):
    with pytest.raises(ValueError, match=message):
        samples.check(configs.CONFIG_MAP[name])


@pytest.mark.parametrize("name", ["hier-drums_4bar_small", "groovae_4bar"])
def test_samples_and_examples_are_windows(tiny_runs, starter_records, name):
    _, config = resolution.resolve_config(RunFolder(tiny_runs[name]), None, "")
    examples = loading.load(config, "validation", str(starter_records / "validation.tfrecord"))
    played = samples.of_examples(config, examples)
    assert played.groove.hits.shape == (len(examples), 64, 9)
    assert played.has_feel == (name == "groovae_4bar")
    assert played.groove.hits.any(axis=(1, 2)).all()
    first, again, other = (samples.draw(tiny.model_of(tiny_runs[name], seed), 5, 1.0) for seed in (1, 1, 2))
    assert first.groove.hits.shape == (5, 64, 9)
    np.testing.assert_array_equal(first.groove.join(), again.groove.join())
    assert not np.array_equal(first.groove.join(), other.groove.join())
    is_hit = first.groove.hits > 0.5
    assert 0 < is_hit.mean() < 1
    assert not first.groove.velocities[~is_hit].any()
    assert not first.groove.offsets[~is_hit].any()
    if played.has_feel:
        np.testing.assert_array_equal(played.groove.join(), examples.dense(np.arange(len(examples)))[1])


@pytest.mark.slow
def test_groove_is_described_as_it_has_been_published(groove_zip, tmp_path):
    """Beside GrooveEvaluator's means of Groove, which are of two bars; with these, fewer instruments are hit."""
    conversion.convert(str(groove_zip), tmp_path)
    config = configs.CONFIG_MAP["groovae_4bar"]
    played = samples.of_examples(config, loading.load(config, "validation", str(tmp_path / "validation.tfrecord")))
    two_bars = Groove(*(part.reshape(-1, 32, 9) for part in np.split(played.groove.join(), 3, axis=-1)))
    found = {name: np.nanmean(v) for name, v in descriptors.describe(two_bars, has_feel=True).items()}
    published = {"instruments": 4.26, "density": 0.110, "step_density": 0.683, "syncopation": 0.762}
    published |= {"complexity": 1.048, "velocity_mean": 0.606, "velocity_spread": 0.240, "offset_mean_steps": -0.064}
    published |= {"offset_spread_steps": 0.169, "swing": 0.335}
    assert {name: found[name] for name in published} == pytest.approx(published, rel=0.2, abs=0.02)
