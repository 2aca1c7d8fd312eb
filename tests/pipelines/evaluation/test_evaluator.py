"""The metrics: exact on small arrays, the same for any batch size, there for one example as for many."""

import contextlib
import math

import numpy as np
import pytest

import configs
from models.magenta import tf
from pipelines.evaluation import evaluator, metrics
from pipelines.examples import loading
from pipelines.runs import resolution, trained
from pipelines.runs.run_folder import RunFolder
from tests.tiny import model_of


@pytest.fixture(scope="module")
def validation(starter_records):
    def load(name: str, n: int) -> loading.Examples:
        examples = loading.load(configs.CONFIG_MAP[name], "validation", str(starter_records / "validation.tfrecord"))
        return examples.take(slice(n))

    return load


@pytest.mark.parametrize("n", [1, 5])
def test_hier_drums_metrics(tiny_runs, validation, n):
    run_dir = tiny_runs["hier-drums_4bar_small"]
    _, config = resolution.resolve_config(RunFolder(run_dir), None, "")
    found = evaluator.evaluate(
        config, validation("hier-drums_4bar_small", n), trained.newest_checkpoint(RunFolder(run_dir))
    )
    assert {name for name in found if not name.startswith("hit_")} == {
        *("loss", "r_loss", "kl_loss", "kl_bits", "active_units"),
        *("teacher_forced_accuracy", "teacher_forced_accuracy_mean", "sampled_accuracy", "sampled_accuracy_mean"),
    }
    assert all(math.isfinite(value) for value in found.values())
    assert found["r_loss"] == pytest.approx(64 * math.log(512), rel=0.05)  # Two steps have taught it little.
    assert found["kl_loss"] == 0  # Below the 48 free bits.


def test_groove_metrics(tiny_runs, validation):
    run_dir = tiny_runs["groovae_4bar"]
    _, config = resolution.resolve_config(RunFolder(run_dir), None, "")
    found = evaluator.evaluate(config, validation("groovae_4bar", 3), trained.newest_checkpoint(RunFolder(run_dir)))
    losses = {"loss", "r_loss", "kl_loss", "kl_bits", "hits_loss", "velocities_loss", "offsets_loss"}
    errors = {"velocity_mae", "timing_mae_ms", "timing_mse", "velocity_spread_data", "offset_spread_data"}
    assert losses | errors | {"active_units", "hit_recall"} <= set(found)
    steps_loss = found["hits_loss"] + found["velocities_loss"] + found["offsets_loss"]
    assert found["r_loss"] == pytest.approx(64 * steps_loss, rel=1e-4)
    assert 5 < found["timing_mae_ms"] < 60


def test_the_last_batch_may_be_smaller(tiny_runs, validation, monkeypatch):
    """Five examples in batches of two: the odd one is evaluated, its filling is not counted."""
    run_dir = tiny_runs["hier-drums_4bar_small"]
    found = []
    for batch_size in (5, 2):
        monkeypatch.setattr(evaluator, "MAX_BATCH_SIZE", batch_size)
        _, config = resolution.resolve_config(RunFolder(run_dir), None, "")
        examples = validation("hier-drums_4bar_small", 5)
        found.append(evaluator.evaluate(config, examples, trained.newest_checkpoint(RunFolder(run_dir))))
    for name in ("kl_bits", "teacher_forced_accuracy_mean", "sampled_accuracy_mean"):  # These draw nothing.
        assert found[0][name] == pytest.approx(found[1][name], rel=1e-6)


def test_the_same_checkpoint_gives_the_same_metrics(tiny_runs, validation):
    """In one graph and in another."""
    run_dir = tiny_runs["hier-drums_4bar_small"]
    found = []
    for times in (2, 1):
        _, config = resolution.resolve_config(RunFolder(run_dir), None, "")
        with contextlib.closing(evaluator.Evaluator(config, validation("hier-drums_4bar_small", 4))) as opened:
            found += [opened.outputs(trained.newest_checkpoint(RunFolder(run_dir))) for _ in range(times)]
    for outputs in found[1:]:
        for name, tokens in outputs.decoded_tokens.items():
            np.testing.assert_array_equal(tokens, found[0].decoded_tokens[name], name)
        assert metrics.compute(outputs) == metrics.compute(found[0])


@pytest.mark.parametrize("name", ["hier-drums_4bar_small", "groovae_4bar"])
def test_the_likeliest_is_what_is_decoded_near_temperature_0(tiny_runs, validation, name):
    """Of the same latent vectors, by the model that generates."""
    run_dir, examples = tiny_runs[name], validation(name, 5)
    _, config = resolution.resolve_config(RunFolder(run_dir), None, "")
    with contextlib.closing(evaluator.Evaluator(config, examples)) as opened:
        outputs = opened.outputs(trained.newest_checkpoint(RunFolder(run_dir)))
    cold = model_of(run_dir).decode(outputs.posterior_means, temperature=1e-8)
    if outputs.tokens is None:
        np.testing.assert_allclose(outputs.decoded_groove.join(), cold, atol=1e-5)
    else:
        np.testing.assert_array_equal(outputs.decoded_tokens[metrics.SAMPLED_MEAN], cold.argmax(axis=-1))


def test_upstreams_loss_is_ours(tiny_runs, validation, tmp_path):
    """Stock `MusicVAE.eval`'s numbers for the same checkpoint and examples; its posterior is narrowed to its mean."""
    run_dir, examples = tiny_runs["groovae_4bar"], validation("groovae_4bar", 6)
    config = resolution.resolve_config(RunFolder(run_dir), None, "batch_size=6")[1]
    inputs, outputs, _, lengths = examples.dense(np.arange(6))
    with tf.Graph().as_default(), tf.Session() as session:
        config.model.build(config.hparams, 27, is_training=False)
        metric_map, scalars = config.model._compute_model_loss(
            tf.constant(inputs), tf.constant(outputs), tf.constant(lengths), None
        )
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        saver = tf.train.Saver([*tf.trainable_variables(), tf.train.get_global_step()])
        saver.restore(session, trained.newest_checkpoint(RunFolder(run_dir)))
        (sigma_bias,) = (v for v in tf.trainable_variables() if v.op.name == "encoder/sigma/bias")
        sigma_bias.load(np.full(sigma_bias.shape, -15), session)
        path = saver.save(session, str(tmp_path / "model.ckpt"), global_step=2)
        theirs = {name: np.mean(session.run(scalar)) for name, scalar in scalars.items()}
        session.run([update for _, update in metric_map.values()])
        theirs |= {name: session.run(value) for name, (value, _) in metric_map.items()}
    ours = evaluator.evaluate(resolution.resolve_config(RunFolder(run_dir), None, "")[1], examples, path)
    for name, upstream_name in (
        ("loss", "loss"),
        ("r_loss", "losses/r_loss"),
        ("kl_loss", "losses/kl_loss"),
        ("kl_bits", "losses/kl_bits"),
        ("hits_loss", "metrics/hits_loss"),
        ("velocities_loss", "metrics/velocities_loss"),
        ("offsets_loss", "metrics/offsets_loss"),
    ):
        assert ours[name] == pytest.approx(theirs[upstream_name], rel=1e-4), name
