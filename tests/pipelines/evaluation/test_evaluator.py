"""The metrics: exact on small arrays, the same for any batch size, there for one example as for many."""

import math

import numpy as np
import pytest

import configs
from models.magenta import tf
from pipelines.evaluation import evaluator
from pipelines.examples import loading
from pipelines.runs import resolution
from pipelines.runs.run_folder import RunFolder


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
    metrics = evaluator.evaluate(
        config, validation("hier-drums_4bar_small", n), resolution.newest_checkpoint(RunFolder(run_dir))
    )
    assert set(metrics) == {
        *("loss", "r_loss", "kl_loss", "kl_bits"),
        *("teacher_forced_accuracy", "sampled_accuracy", "sampled_accuracy_t0.1", "hit_f1"),
    }
    assert all(math.isfinite(value) for value in metrics.values())
    assert metrics["r_loss"] == pytest.approx(64 * math.log(512), rel=0.05)  # Two steps have taught it little.
    assert metrics["kl_loss"] == 0  # Below the 48 free bits.


def test_groove_metrics(tiny_runs, validation):
    run_dir = tiny_runs["groovae_4bar"]
    _, config = resolution.resolve_config(RunFolder(run_dir), None, "")
    metrics = evaluator.evaluate(
        config, validation("groovae_4bar", 3), resolution.newest_checkpoint(RunFolder(run_dir))
    )
    losses = ("loss", "r_loss", "kl_loss", "kl_bits", "hits_loss", "velocities_loss", "offsets_loss")
    assert set(metrics) == {*losses, "hit_f1", "velocity_mae", "timing_mae_ms", "timing_mae_ms_quantized"}
    steps_loss = metrics["hits_loss"] + metrics["velocities_loss"] + metrics["offsets_loss"]
    assert metrics["r_loss"] == pytest.approx(64 * steps_loss, rel=1e-4)
    assert 5 < metrics["timing_mae_ms_quantized"] < 40


def test_the_last_batch_may_be_smaller(tiny_runs, validation, monkeypatch):
    """Five examples in batches of two: the odd one is evaluated, its filling is not counted."""
    run_dir = tiny_runs["hier-drums_4bar_small"]
    found = []
    for batch_size in (5, 2):
        monkeypatch.setattr(evaluator, "MAX_BATCH_SIZE", batch_size)
        _, config = resolution.resolve_config(RunFolder(run_dir), None, "")
        examples = validation("hier-drums_4bar_small", 5)
        found.append(evaluator.evaluate(config, examples, resolution.newest_checkpoint(RunFolder(run_dir))))
    for name in ("kl_bits", "teacher_forced_accuracy"):  # These draw nothing.
        assert found[0][name] == pytest.approx(found[1][name], rel=1e-6)


def test_the_same_checkpoint_gives_the_same_metrics(tiny_runs, validation):
    run_dir = tiny_runs["hier-drums_4bar_small"]
    first, second = (
        evaluator.evaluate(
            resolution.resolve_config(RunFolder(run_dir), None, "")[1],
            validation("hier-drums_4bar_small", 4),
            resolution.newest_checkpoint(RunFolder(run_dir)),
        )
        for _ in range(2)
    )
    assert first == second


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
        saver.restore(session, resolution.newest_checkpoint(RunFolder(run_dir)))
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
