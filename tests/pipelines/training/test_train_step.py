"""The graph of a training step: what is measured of it, and where it is computed."""

import collections
import itertools

import pytest

import configs
from models import checkpoints
from models.magenta import tf
from pipelines.examples import batches
from pipelines.training import machine, placement, train_step
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


def step_of(starter_records, where, layers: str, name: str, hparams: str) -> train_step.TrainingStep:
    """Builds a step of a small model whose batch is drawn, and dropped out of, the same for all placements."""
    config = configs.with_hparams(configs.CONFIG_MAP[name], f"{TINY_HPARAMS},{hparams}")
    config.model.seed, config.model.layers = 1, layers
    make_batches, _ = batches.training_batches(config, str(starter_records / "train.tfrecord"), seed=1)
    return train_step.build(config, make_batches, where=where, seed=1)


@pytest.mark.parametrize(
    ("name", "hparams"),
    [
        ("groovae_4bar", "encoder_keep_prob=0.8,decoder_keep_prob=0.7"),
        ("hier-drums_4bar_groove_hikl", "encoder_keep_prob=0.8,word_dropout=0.3"),
    ],
)
def test_towers_and_layers_at_once_compute_what_one_device_does_in_steps(starter_records, name, hparams):
    found = []
    for num, layers in ((1, "steps"), (1, "block"), (2, "block")):
        where = placement.of_cpu_devices(num)
        with tf.Graph().as_default():
            step = step_of(starter_records, where, layers, name, hparams)
            with tf.Session(config=machine.session_settings(where)) as session:
                session.run([tf.global_variables_initializer(), tf.get_collection(tf.GraphKeys.TABLE_INITIALIZERS)])
                session.run(step.fill)
                scalars = [session.run((step.train, step.scalars))[1] for _ in range(3)]
                values = session.run({variable.op.name: variable for variable in tf.trainable_variables()})
        found.append((dict(zip(step.tags, zip(*scalars, strict=True), strict=True)), values))
    expected, *others = found
    for scalars, values in others:
        for tag, of_steps in scalars.items():
            assert of_steps == pytest.approx(expected[0][tag], rel=1e-4), tag
        for variable, value in values.items():
            assert value == pytest.approx(expected[1][variable], rel=1e-3, abs=1e-4), variable


def test_each_tower_is_computed_on_its_device(starter_records):
    with tf.Graph().as_default() as graph:
        step_of(starter_records, placement.of_cpu_devices(2), "block", "groovae_4bar", "")
        types = ("BlockLSTM", "LSTMBlockCellGrad", "Exp", "StatelessRandomNormalV2")
        computed = [operation for operation in graph.get_operations() if operation.type in types]
    devices = collections.Counter((operation.type, operation.device) for operation in computed)
    assert {device for _, device in devices} == {"/device:CPU:0", "/device:CPU:1"}
    for kind in {kind for kind, _ in devices}:
        assert devices[kind, "/device:CPU:0"] == devices[kind, "/device:CPU:1"] > 0


def test_variables_lie_on_parameter_servers_and_steps_on_the_worker():
    assert train_step.device_setter(Replica()) is None
    with tf.Graph().as_default(), tf.device(train_step.device_setter(Replica(task=1, num_ps_tasks=1))):
        assert tf.get_variable("v", []).device == "/job:ps/task:0"
        assert tf.constant(1).device == "/job:worker/task:1"
