"""The graph of a training step: what is measured of it, and where it is computed."""

import collections
import functools
import itertools

import numpy as np
import pytest

import configs
from models import checkpoints
from models.magenta import tf
from pipelines.examples import batches
from pipelines.training import machine, options, placement, train_step
from pipelines.training.placement import COPY, RING
from pipelines.training.replicas import Replica
from tests.tiny import TINY_HPARAMS, train_tiny


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


SIZES = "batch_size=7,enc_rnn_size=[8],dec_rnn_size=[6,6],z_size=4"  # Which no number of devices divides.
DROPOUT = f"{SIZES},dropout_keep_prob=0.5,word_dropout=0.3"
SAMPLING = f"{DROPOUT},sampling_schedule=constant,sampling_rate=0.5"
RESIDUAL = f"{DROPOUT},residual_encoder=True,residual_decoder=True"
CASES = [
    ("groovae_4bar", DROPOUT),
    pytest.param("hier-drums_4bar_small", DROPOUT, marks=pytest.mark.thorough),
    pytest.param("groovae_4bar_groove", f"{DROPOUT},encoder_keep_prob=0.5,weight_decay=0.1", marks=pytest.mark.slow),
    pytest.param("groovae_4bar", SAMPLING, marks=pytest.mark.slow),
    pytest.param("hier-drums_4bar_small", SAMPLING, marks=pytest.mark.thorough),
    pytest.param("groovae_4bar", RESIDUAL, marks=pytest.mark.thorough),
    pytest.param("hier-drums_4bar_small", RESIDUAL, marks=pytest.mark.thorough),
]
NAMES = ["dropout", "bars", "groove", "sampling", "sampled bars", "residual", "residual bars"]


@functools.cache  # What one device computes is compared with that of each other number.
def trained(records, num_devices: int, name: str, hparams: str, num_steps: int = 4, seed: int = 3, way: str = COPY):
    """Returns the scalars of each step, by tag, and all variables after the last one, on devices of the CPU."""
    config = configs.with_hparams(configs.CONFIG_MAP[name], hparams)
    config.model.seed = seed
    where = placement.of_cpu_devices(num_devices, way)
    make_batches, _ = batches.training_batches(config, str(records / "train.tfrecord"), seed)
    scalars = []
    with tf.Graph().as_default(), tf.Session(config=machine.session_settings(where)) as session:
        step = train_step.build(config, make_batches, where=where, seed=seed)
        assert {variable.device for variable in tf.trainable_variables()} == set(where.devices)
        session.run([tf.global_variables_initializer(), *tf.get_collection(tf.GraphKeys.TABLE_INITIALIZERS)])
        session.run(step.fill)
        for number in range(1, num_steps + 1):
            _, done, values = session.run((step.train, step.step, step.scalars))
            assert done == number
            scalars.append(dict(zip(step.tags, values, strict=True)))
        return scalars, session.run({variable.op.name: variable for variable in tf.global_variables()})


@pytest.mark.parametrize("num_devices", [3, *(pytest.param(num, marks=pytest.mark.thorough) for num in (2, 4))])
@pytest.mark.parametrize(("name", "hparams"), CASES, ids=NAMES)
def test_any_number_of_devices_computes_the_same(starter_records, name, hparams, num_devices):
    """With all that is drawn, and parts of the batch that are not of one size."""
    check_the_same(*(trained(starter_records, num, name, hparams) for num in (1, num_devices)))


@pytest.mark.parametrize("num_devices", [3, pytest.param(8, marks=pytest.mark.thorough)])
def test_an_all_reduce_computes_the_same(starter_records, num_devices):
    """More devices than examples, too; a ring is what NCCL's operation does without NCCL."""
    alone = trained(starter_records, 1, "groovae_4bar", DROPOUT)
    check_the_same(alone, trained(starter_records, num_devices, "groovae_4bar", DROPOUT, way=RING))


def check_the_same(alone, together) -> None:
    """Checks the scalars of each step, and all variables after the last one."""
    for of_one, of_several in zip(alone[0], together[0], strict=True):
        assert of_several == pytest.approx(of_one, rel=1e-5, abs=1e-5)
    assert alone[1].keys() == together[1].keys()
    assert any("Adam" in variable for variable in alone[1])
    for variable, value in alone[1].items():
        np.testing.assert_allclose(together[1][variable], value, atol=1e-5, err_msg=variable)


def test_more_devices_than_examples_compute_the_same(starter_records):
    hparams = DROPOUT.replace("batch_size=7", "batch_size=2")
    alone, together = (trained(starter_records, num, "groovae_4bar", hparams, num_steps=1) for num in (1, 3))
    assert together[0][0] == pytest.approx(alone[0][0], rel=1e-5, abs=1e-5)


def test_first_values_follow_from_the_seed_and_the_name_alone(starter_records):
    hparams = f"{SIZES},input_init_stddev=0.5,ema_decay=0.9"  # Some are drawn by two operations; averages begin there.
    one, three, other = (
        trained(starter_records, num, "groovae_4bar", hparams, num_steps=0, seed=seed)[1]
        for num, seed in ((1, 3), (3, 3), (1, 4))
    )
    drawn = [name for name, value in one.items() if len(np.unique(value)) > 1]
    assert len(drawn) >= 10
    assert len({one[name].tobytes() for name in drawn if "Exponential" not in name}) == len(drawn) // 2
    for name, value in one.items():
        np.testing.assert_array_equal(three[name], value, err_msg=name)
        assert (name in drawn) != np.array_equal(other[name], value), name


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_devices(tmp_path, starter_records):
    for run_dir, legs in ((tmp_path / "a", [(6, 1)]), (tmp_path / "b", [(3, 1), (6, 2)])):
        for num_steps, num_devices in legs:
            devices = options.Devices(num_cpu_devices=num_devices)
            train_tiny("groovae_4bar", run_dir, starter_records, num_steps, seed=5, devices=devices)
    first, second = (tf.train.load_checkpoint(str(tmp_path / run / "train" / "model.ckpt-6")) for run in "ab")
    shapes = first.get_variable_to_shape_map()
    assert any("Adam" in variable for variable in shapes)
    assert shapes == second.get_variable_to_shape_map()
    for variable in shapes:
        np.testing.assert_allclose(second.get_tensor(variable), first.get_tensor(variable), atol=1e-5, err_msg=variable)
