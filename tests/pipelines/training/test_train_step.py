"""The graph of a training step: what is measured of it, and where it is computed."""

import itertools

import pytest

import configs
from models import checkpoints
from models.magenta import tf
from pipelines.examples import batches
from pipelines.training import train_step
from pipelines.training.replicas import Replica
from tests.tiny import TINY_HPARAMS


def built(starter_records, hparams=""):
    config = configs.with_hparams(configs.CONFIG_MAP["groovae_4bar"], TINY_HPARAMS + hparams)
    make_batches, _ = batches.training_batches(config, str(starter_records / "train.tfrecord"), seed=1)
    return train_step.build(config, make_batches)


def test_magentas_scalars_and_the_norm_are_measured(starter_records):
    with tf.Graph().as_default():
        step = built(starter_records)
        losses = {"loss", "losses/r_loss", "losses/kl_loss", "losses/kl_bits", "losses/kl_beta"}
        assert set(step.tags) == losses | {"learning_rate", "global_norm"}
        assert step.max_norm == 10000
        with tf.train.MonitoredSession() as session:
            _, number, scalars = session.run((step.train, step.step, step.scalars))
    assert (number, scalars.shape) == (1, (len(step.tags),))


def test_gradients_clipped_by_value_are_never_dropped(starter_records):
    with tf.Graph().as_default():
        assert built(starter_records, ",clip_mode=value").max_norm == float("inf")


def test_an_unknown_way_to_clip_is_refused(starter_records):
    with tf.Graph().as_default(), pytest.raises(ValueError, match="clip_mode='none'; accepted: value, global_norm"):
        built(starter_records, ",clip_mode=none")


def take_steps(starter_records, num_steps: int, hparams: str) -> tuple[list[dict], list[dict]]:
    """Returns the values of all variables, and the scalars by tag, before the first step and after each."""
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        step = built(starter_records, hparams)
        values, scalars = [], [{}]
        with tf.train.MonitoredSession() as session:
            named = {variable.op.name: variable for variable in tf.global_variables()}
            values.append(session.run(named))
            for _ in range(num_steps):
                scalars.append(dict(zip(step.tags, session.run((step.train, step.scalars))[1], strict=True)))
                values.append(session.run(named))
    return values, scalars


def test_the_learning_rate_warms_up(starter_records):
    """Adam moves each weight by at most some learning rates."""
    rate = 0.01
    values, _ = take_steps(starter_records, 3, f",learning_rate={rate},warmup_steps=100,clip_mode=value")
    name = "encoder/mu/kernel"
    moved = [abs(after[name] - before[name]).max() for before, after in itertools.pairwise(values)]
    assert moved[0] == pytest.approx(rate / 100, rel=0.05)
    assert moved[0] < moved[1] < moved[2] < 4 * rate / 100


def test_kernels_decay_and_biases_do_not(starter_records):
    decayed, plain = (
        take_steps(starter_records, 1, f",learning_rate=0.01,warmup_steps=1000000,weight_decay={share}")[0]
        for share in (1e6, 0.0)  # The warm-up leaves next to nothing of Adam's own step.
    )
    for name, before in plain[0].items():
        if name.startswith(("encoder", "decoder")) and not name.endswith(("Adam", "Adam_1")):
            expected = before * (0.99 if before.ndim > 1 else 1)
            assert decayed[1][name] == pytest.approx(expected, rel=1e-3, abs=1e-6), name


def test_averages_follow_the_variables(starter_records):
    values, _ = take_steps(starter_records, 3, ",learning_rate=0.01,ema_decay=0.9")
    name = "encoder/mu/kernel"
    average = values[0][name]
    for step, after in enumerate(values[1:], start=1):
        decay = min(0.9, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * after[name]
        assert after[f"{name}/{checkpoints.AVERAGE}"] == pytest.approx(average, abs=1e-6)


def test_variables_lie_on_parameter_servers_and_steps_on_the_worker():
    assert train_step.device_setter(Replica()) is None
    with tf.Graph().as_default(), tf.device(train_step.device_setter(Replica(task=1, num_ps_tasks=1))):
        assert tf.get_variable("v", []).device == "/job:ps/task:0"
        assert tf.constant(1).device == "/job:worker/task:1"
