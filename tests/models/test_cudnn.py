"""cuDNN's layers without a GPU: the buffer is as cuDNN reads it, and what it is to make of it is what others make."""

from __future__ import annotations

import collections

import numpy as np
import pytest
from tensorflow.python.framework import kernels
from tf_keras.src.layers.rnn import gru_lstm_utils

import configs
from models import cudnn, precision, recurrence
from models.devices import Card
from models.magenta import tf
from models.vae import MusicVAE
from tests import cudnn_on_cpu
from tests.beside_magenta import (
    BATCH,
    LOSS_TOLERANCE,
    SIZES,
    SOME,
    WITHOUT_DROPOUT,
    check,
    check_rounded,
    compute,
    is_drums,
    make_batch,
    same_noise,
    worst_gradient,
)

STEPS, UNITS, DEPTH = 5, 4, 3


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)


def by_cudnn(name: str, layers: str = "auto") -> recurrence.Computation:
    del layers
    return recurrence.Computation({"fp32": tf.float32, "bf16": tf.bfloat16}[name], recurrence.CUDNN)


# ---- the buffer


def kerass(kernel: np.ndarray, bias: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Returns the eight matrices and the eight vectors of a direction as Keras's LSTM has them: i, f, c, o."""
    i, c, f, o = np.split(kernel, 4, axis=1)
    matrices = [part[rows] for rows in (slice(-UNITS), slice(-UNITS, None)) for part in (i, f, c, o)]
    i, c, f, o = np.split(bias, 4)
    forget = [np.full(UNITS, float(gate == 1), np.float32) for gate in range(4)]
    return matrices, [*forget, i, f, c, o]


@pytest.mark.parametrize("directions", [1, 2])
def test_the_buffer_is_what_tf_keras_hands_to_cudnn(directions):
    """But for the constant forget bias, where tf_keras has zeros, as its variable has it added."""
    kernel, bias = normal(0, directions, DEPTH + UNITS, 4 * UNITS), normal(1, directions, 4 * UNITS)
    matrices, vectors = [], []
    for number in range(directions):
        of_one, biases = kerass(kernel[number], bias[number])
        if directions == 2:  # Each reads its own half of the input.
            zeros = np.zeros_like(of_one[0])
            halves = [(each, zeros) if number == 0 else (zeros, each) for each in of_one[:4]]
            of_one[:4] = [np.concatenate(half) for half in halves]
        matrices += of_one
        vectors += biases
    with tf.Graph().as_default(), tf.Session() as session:
        theirs = gru_lstm_utils.canonical_to_params(
            [tf.constant(each) for each in matrices], [tf.constant(each) for each in vectors], [-1], True
        )
        ours = cudnn.flat_parameters(tf.constant(kernel), tf.constant(bias), 1.0)
        assert ours.shape == theirs.shape == [cudnn_on_cpu.regions(directions, directions * DEPTH, UNITS)[1]]
        np.testing.assert_array_equal(*session.run((ours, theirs)))


@pytest.mark.parametrize("directions", [1, 2])
def test_each_weight_gets_its_own_gradient_and_the_constants_get_none(directions):
    shapes = [directions, DEPTH + UNITS, 4 * UNITS], [directions, 4 * UNITS]
    numbered = [np.arange(1, np.prod(shape) + 1, dtype=np.float32).reshape(shape) for shape in shapes]
    numbered[1] += 1000
    with tf.Graph().as_default(), tf.Session() as session:
        variables = [tf.constant(each) for each in numbered]
        flat = cudnn.flat_parameters(*variables, 1.0)
        gradients = tf.gradients(tf.reduce_sum(tf.square(flat)) / 2, variables)
        found = session.run([flat, *gradients])
    for gradient, values in zip(found[1:], numbered, strict=True):
        np.testing.assert_array_equal(gradient, values)
    num_constants = directions * UNITS  # Ones: the forget bias.
    flat = np.sort(found[0])[::-1]
    expected = np.sort(np.concatenate([*(each.ravel() for each in numbered), np.ones(num_constants)]))[::-1]
    np.testing.assert_array_equal(flat[: len(expected)], expected)
    assert not flat[len(expected) :].any()


def test_the_buffer_is_made_of_few_operations():
    """Each is a launch on a GPU: kernel and bias are transposed, the kernel is cut in two, and all is put together."""
    for directions, extra in ((1, {}), (2, {"Mul": 1})):
        with tf.Graph().as_default() as graph:
            given = [tf.placeholder(tf.float32, shape) for shape in ([directions, 7, 16], [directions, 16])]
            cudnn.flat_parameters(*given, 1.0)
        free = {"Const", "Placeholder", "Reshape", "ExpandDims", "Unpack"}  # Nothing is copied.
        counts = collections.Counter(op.type for op in graph.get_operations() if op.type not in free)
        assert counts == {"SplitV": 1, "Transpose": 2, "ConcatV2": 1} | extra


# ---- what cuDNN makes of it


def layers_of(parts: set[str], directions: int, num_layers: int = 1):
    """Returns layers, inputs, states, masks, and all of them that have a gradient, by name."""
    depths = {"tokens": 5, "data": 2, "dense": 3, "constant": 2}
    depth, layers, states, arrays = sum(depths[part] for part in parts), [], [], {}
    for number in range(num_layers):
        shapes = {
            "kernel": [directions, depth + UNITS, 4 * UNITS],
            "bias": [directions, 4 * UNITS],
            "c": [directions, BATCH, UNITS],
            "h": [directions, BATCH, UNITS],
        }
        own = {f"{name}{number}": normal(10 * number + n, *shapes[name]) for n, name in enumerate(shapes)}
        own = {name: tf.constant(value) for name, value in own.items()}
        kernel, bias, c, h = own.values()
        layers.append(recurrence.Layer(kernel, bias))
        states.append((c, h))
        arrays |= own
        depth = UNITS
    inputs = recurrence.Inputs(
        tokens=tf.constant([[0, -1, 4]] * (STEPS - 1) + [[2, 2, -1]]) if "tokens" in parts else None,
        data=tf.constant(normal(4, STEPS, directions, BATCH, 2)) if "data" in parts else None,
        dense=tf.constant(normal(5, STEPS, directions, BATCH, 3)) if "dense" in parts else None,
        constant=tf.constant(normal(6, BATCH, 2)) if "constant" in parts else None,
    )
    arrays |= {name: getattr(inputs, name) for name in parts & {"dense", "constant"}}
    mask = np.random.default_rng(7).integers(0, 2, [STEPS, directions, BATCH, UNITS]) / 0.5
    masks = [tf.constant(mask, tf.float32)] * (num_layers - 1)
    return layers, inputs, states, masks, arrays


INPUTS = [({"data"}, 2), ({"dense"}, 2), ({"tokens", "constant"}, 1), ({"tokens", "data", "dense", "constant"}, 1)]


def assert_the_same(build, operation, monkeypatch, *, with_gradients: bool) -> None:
    """Checks that cuDNN's layers compute what steps do; `build` makes outputs of a computation, and lists arrays."""
    found = []
    for layers in (recurrence.STEPS, recurrence.CUDNN):
        with tf.Graph().as_default(), tf.Session() as session, cudnn_on_cpu.emulated(monkeypatch, operation):
            outputs, arrays = build(recurrence.Computation(tf.float32, layers))
            assert outputs.dtype == tf.float32
            fetches = {"outputs": outputs}
            if with_gradients:
                loss = tf.reduce_sum(outputs * normal(8, *outputs.shape))
                fetches |= dict(zip(arrays, tf.gradients(loss, list(arrays.values())), strict=True))
            found.append(session.run(fetches))
    expected, ours = found
    for name, values in expected.items():
        np.testing.assert_allclose(ours[name], values, atol=1e-6 if name == "outputs" else 1e-5, err_msg=name)


OPERATIONS = [(cudnn_on_cpu.op_by_numpy, False), (cudnn_on_cpu.op_by_tensorflow, True)]


@pytest.mark.parametrize(("operation", "with_gradients"), OPERATIONS)
@pytest.mark.parametrize(("parts", "directions"), INPUTS)
def test_outputs_are_those_of_steps(parts, directions, operation, with_gradients, monkeypatch):
    def build(computation):
        layers, inputs, states, _, arrays = layers_of(parts, directions)
        return recurrence.outputs(layers, inputs, states, computation), arrays

    assert_the_same(build, operation, monkeypatch, with_gradients=with_gradients)


@pytest.mark.parametrize(("operation", "with_gradients"), OPERATIONS)
@pytest.mark.parametrize(("parts", "directions"), INPUTS)
def test_last_outputs_are_those_of_steps(parts, directions, operation, with_gradients, monkeypatch):
    def build(computation):
        (layer,), inputs, (state,), _, arrays = layers_of(parts, directions)
        return recurrence.last_output(layer, inputs, state, tf.constant([STEPS, 0, 2]), computation), arrays

    assert_the_same(build, operation, monkeypatch, with_gradients=with_gradients)


@pytest.mark.parametrize(("operation", "with_gradients"), OPERATIONS)
def test_layers_with_masks_between_them_are_those_of_steps(operation, with_gradients, monkeypatch):
    def build(computation):
        layers, inputs, states, masks, arrays = layers_of({"tokens", "constant"}, 1, num_layers=3)
        return recurrence.outputs(layers, inputs, states, computation, masks), arrays

    assert_the_same(build, operation, monkeypatch, with_gradients=with_gradients)


# ---- TensorFlow's own operation


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16, tf.float16])
@pytest.mark.parametrize(("parts", "directions"), INPUTS)
def test_tensorflow_takes_what_it_is_given(parts, directions, dtype):
    """Its shape functions and its gradient; nothing is computed, as that takes a GPU."""
    with tf.Graph().as_default() as graph:
        (layer,), inputs, (state,), _, arrays = layers_of(parts, directions)
        how = recurrence.Computation(dtype, recurrence.CUDNN)
        outputs = recurrence.outputs([layer], inputs, [state], how)
        last = recurrence.last_output(layer, inputs, state, tf.constant([STEPS, 0, 2]), how)
        assert (outputs.dtype, outputs.shape) == (dtype, [STEPS, directions, BATCH, UNITS])
        assert (last.dtype, last.shape) == (tf.float32, [directions, BATCH, UNITS])
        for gradient, array in zip(tf.gradients(last, list(arrays.values())), arrays.values(), strict=True):
            assert (gradient.dtype, gradient.shape) == (array.dtype, array.shape)
        types = collections.Counter(op.type for op in graph.get_operations())
    assert (types["CudnnRNNV3"], types["CudnnRNNBackpropV3"]) == (2, 1)


@pytest.mark.parametrize("name", ["CudnnRNNV3", "CudnnRNNBackpropV3"])
def test_there_is_a_kernel_for_gpus_alone(name):
    found = [(kernel.device_type, set(kernel.host_memory_arg)) for kernel in kernels_of(name)]
    if not found:
        pytest.skip("this TensorFlow was built without CUDA")
    assert {device for device, _ in found} == {"GPU"}
    assert all("sequence_lengths" in on_host for _, on_host in found)
    dtypes = {dtype for kernel in kernels_of(name) for of in kernel.constraint for dtype in of.allowed_values.list.type}
    assert {tf.float32.as_datatype_enum, tf.bfloat16.as_datatype_enum, tf.float16.as_datatype_enum} <= dtypes


def kernels_of(name: str) -> list:
    return kernels.get_registered_kernels_for_op(name).kernel


def training_graph(name: str, layers: str, monkeypatch, dtype: str = "fp32") -> tuple[tf.GraphDef, list[tf.Tensor]]:
    """Returns what a gradient of all variables takes, with a config's own sizes, and the gradients."""
    monkeypatch.setattr(MusicVAE, "precision", dtype)
    monkeypatch.setattr(MusicVAE, "layers", layers)
    monkeypatch.setattr(precision, "gpus", lambda: [Card("Ampere", (8, 0))])
    config = configs.with_hparams(configs.CONFIG_MAP[name], f"batch_size={BATCH}")
    with tf.Graph().as_default() as graph:
        config.model.build(config.hparams, config.data_converter.output_depth, is_training=True)
        config.model._compute_model_loss(*(tf.constant(array) for array in make_batch(name)), None)
        variables = tf.trainable_variables()
        gradients = tf.gradients(config.model.loss, variables)
        for gradient, variable in zip(gradients, variables, strict=True):
            assert (gradient.dtype, gradient.shape) == (tf.float32, variable.shape), variable.op.name
        needed = tf.graph_util.extract_sub_graph(graph.as_graph_def(), [each.op.name for each in gradients])
    return needed, variables


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize(("name", "num_layers"), [("hier-drums_4bar_small", 5), ("groovae_4bar", 3)])
def test_the_graph_of_a_training_step(name, num_layers, dtype, monkeypatch):
    """An operation for each layer of encoder, conductor and decoder, and another one for its gradient."""
    graph, _ = training_graph(name, recurrence.CUDNN, monkeypatch, dtype)
    types = collections.Counter(node.op for node in graph.node)
    assert (types["CudnnRNNV3"], types["CudnnRNNBackpropV3"]) == (num_layers, num_layers)
    assert types["BlockLSTM"] == types["While"] == types["Enter"] == 0
    nodes = [node for node in graph.node if node.op.startswith("CudnnRNN")]
    assert {node.attr["T"].type for node in nodes} == {precision._DTYPES[dtype].as_datatype_enum}
    assert sum(node.attr["direction"].s == b"bidirectional" for node in nodes) == 2  # The encoder's.


def test_variables_are_those_of_any_other_way(monkeypatch):
    """So that checkpoints are the same."""
    by_name = [
        {variable.op.name: variable.shape.as_list() for variable in training_graph("groovae_4bar", way, monkeypatch)[1]}
        for way in (recurrence.BLOCK, recurrence.CUDNN)
    ]
    assert by_name[0] == by_name[1]


# ---- whole models


@pytest.mark.parametrize("name", SOME)
def test_models_compute_what_magentas_do(name, monkeypatch):
    monkeypatch.setattr(precision, "computation", by_cudnn)
    with same_noise(monkeypatch), cudnn_on_cpu.emulated(monkeypatch):
        check(name, f"{SIZES},{WITHOUT_DROPOUT}", as_tokens=is_drums(name))


@pytest.mark.parametrize("name", [pytest.param("hier-drums_4bar_small", marks=pytest.mark.thorough), "groovae_4bar"])
def test_with_dropout_models_compute_what_they_do_step_by_step(name, monkeypatch):
    """The same masks: those between layers, and those of the encoder, which differ for the two directions."""
    monkeypatch.setattr(MusicVAE, "seed", 4)
    hparams = f"{SIZES},dropout_keep_prob=0.5"
    expected = compute(name, hparams, None, stock=False)
    monkeypatch.setattr(precision, "computation", by_cudnn)
    with cudnn_on_cpu.emulated(monkeypatch):
        ours = compute(name, hparams, expected.values, stock=False)
    assert ours.loss == pytest.approx(expected.loss, rel=LOSS_TOLERANCE)
    assert worst_gradient(ours, expected) < 1e-4


@pytest.mark.parametrize("name", [pytest.param("hier-drums_4bar_small", marks=pytest.mark.thorough), "groovae_4bar"])
@pytest.mark.thorough
def test_bf16_computes_nearly_the_same(name, monkeypatch):
    """What goes into and comes out of the operation is rounded; variables and gradients are float32."""
    with same_noise(monkeypatch):
        theirs = compute(name, f"{SIZES},{WITHOUT_DROPOUT}", None, stock=True)
        monkeypatch.setattr(precision, "computation", lambda *_: by_cudnn("bf16"))
        with cudnn_on_cpu.emulated(monkeypatch):
            ours = compute(name, f"{SIZES},{WITHOUT_DROPOUT}", theirs.values, stock=False)
    check_rounded(ours, theirs)
