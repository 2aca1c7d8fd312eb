"""The graph of a training step: what is measured of it, and where it is computed."""

import pytest

import configs
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


def test_variables_lie_on_parameter_servers_and_steps_on_the_worker():
    assert train_step.device_setter(Replica()) is None
    with tf.Graph().as_default(), tf.device(train_step.device_setter(Replica(task=1, num_ps_tasks=1))):
        assert tf.get_variable("v", []).device == "/job:ps/task:0"
        assert tf.constant(1).device == "/job:worker/task:1"
