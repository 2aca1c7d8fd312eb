"""What a step costs to start: what an operation is on a GPU, to which part it belongs, and one step from end to end."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks import gpu_kernels, operations, step_parts, traced_step
from benchmarks.gpu_kernels import DEVICE, HOST, Placed, Tensor
from models.magenta import tf
from tests.tiny import TINY_HPARAMS

TINY_SIZES = TINY_HPARAMS.removeprefix("batch_size=4,")
ON_GPU = Placed(True, (DEVICE,), (DEVICE,))


def node_of(tensor) -> object:
    return tensor.op.node_def


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def test_floats_are_computed_on_the_device_and_their_axes_lie_on_the_host():
    placed = gpu_kernels.place(node_of(tf.transpose(tf.zeros([2, 3]), [1, 0])))
    assert placed == Placed(True, (DEVICE, HOST), (DEVICE,))
    assert not placed.is_host_only


def test_lists_are_as_many_tensors_as_there_are():
    placed = gpu_kernels.place(node_of(tf.concat([tf.zeros([2]), tf.zeros([3]), tf.zeros([4])], axis=0)))
    assert placed.inputs == (DEVICE, DEVICE, DEVICE, HOST)
    assert gpu_kernels.place(node_of(tf.unstack(tf.zeros([3, 2]))[0])).outputs == (DEVICE, DEVICE, DEVICE)


def test_small_integers_stay_on_the_host():
    """The GPU's kernel for int32 works on the host's memory."""
    placed = gpu_kernels.place(node_of(tf.stack([tf.constant(1), tf.constant(2)])))
    assert placed.on_gpu
    assert placed.is_host_only
    assert gpu_kernels.num_kernels(node_of(tf.stack([tf.constant(1)])), placed, [], [Tensor((1,), 4)]) == 0


def test_an_operation_without_a_kernel_for_gpus_runs_on_the_host():
    placed = gpu_kernels.place(tf.debugging.Assert(tf.constant(True), [tf.constant(1)]).node_def)
    assert placed.is_host_only
    assert set(placed.inputs) == {HOST}


def test_a_kernel_of_any_device_is_a_gpus_where_it_has_none_of_its_own():
    """Staging areas of a GPU hold tensors in its memory; sums of small integers stay on the host."""
    area = tf.raw_ops.Unstage(dtypes=[tf.float32, tf.int32])[0]
    assert gpu_kernels.place(node_of(area)) == Placed(True, (), (DEVICE, DEVICE))
    total = gpu_kernels.place(node_of(tf.constant([1]) + tf.constant([2])))
    assert total == Placed(True, (HOST, HOST), (HOST,))
    assert gpu_kernels.place(node_of(tf.zeros([2]) + tf.zeros([2]))).outputs == (DEVICE,)


def test_what_the_program_puts_on_the_cpu_is_there():
    placed = gpu_kernels.place(node_of(tf.tanh(tf.zeros([2]))), is_on_cpu=True)
    assert placed == Placed(False, (HOST,), (HOST,))


def test_input_pipelines_are_the_hosts_although_gpus_have_a_kernel():
    batches = tf.data.make_initializable_iterator(tf.data.Dataset.from_tensors(tf.zeros([2])))
    placed = gpu_kernels.place(node_of(batches.get_next()))
    assert placed.is_host_only
    assert placed.outputs == (HOST,)


def test_a_constraint_may_be_a_word():
    placed = gpu_kernels.place(node_of(tf.gather_nd(tf.zeros([2, 3]), tf.zeros([1, 1], tf.int32))))
    assert not placed.is_host_only


def test_a_cpus_own_operation_is_the_one_it_stands_for():
    node = node_of(tf.matmul(tf.zeros([2, 2]), tf.zeros([2, 2])))
    assert gpu_kernels.without_onednn(node) is node
    for name, plain in (("_MklMatMul", "MatMul"), ("_MklNativeFusedMatMul", "_FusedMatMul")):
        changed = type(node)()
        changed.CopyFrom(node)
        changed.op = name
        assert gpu_kernels.without_onednn(changed).op == plain


@pytest.mark.parametrize(
    ("make", "outputs", "expected"),
    [
        (lambda x: tf.tanh(x), [(8, 16)], 1),
        (lambda x: tf.reshape(x, [16, 8]), [(16, 8)], 0),
        (lambda x: x[:, tf.newaxis], [(8, 1, 16)], 0),  # All of it.
        (lambda x: x[3], [(16,)], 0),  # 64 bytes, from a multiple of them on.
        (lambda x: x[:, 3], [(8,)], 1),
        (lambda x: tf.unstack(x)[0], [(16,)] * 8, 0),
        (lambda x: tf.unstack(x, axis=1)[0], [(8,)] * 16, 1),
        (lambda x: tf.gradients(x[:, 3], x)[0], [(8, 16)], 2),
        (lambda x: tf.tanh(x[:0]), [(0, 16)], 0),
    ],
)
def test_kernels_are_counted_as_tensorflow_starts_them(make, outputs, expected):
    node = node_of(make(tf.placeholder(tf.float32, [8, 16])))
    made = [Tensor(shape, 4) for shape in outputs]
    assert gpu_kernels.num_kernels(node, ON_GPU, [Tensor((8, 16), 4)], made) == expected


@pytest.mark.parametrize(("steps", "forwards", "backwards"), [(1, 3, 29), (64, 192, 1289)])
def test_a_block_lstm_starts_kernels_for_each_step(steps, forwards, backwards):
    x, c, w, b = tf.zeros([steps, 2, 3]), tf.zeros([2, 4]), tf.zeros([7, 16]), tf.zeros([16])
    peephole = tf.zeros([4])
    made = tf.raw_ops.BlockLSTM(
        **{"seq_len_max": steps, "x": x, "cs_prev": c, "h_prev": c, "w": w, "b": b},
        **dict.fromkeys(("wci", "wcf", "wco"), peephole),
    )
    of_x = tf.gradients(made.h, x)[0]
    found = [
        gpu_kernels.num_kernels(node_of(tensor), gpu_kernels.place(node_of(tensor)), [], [Tensor((steps, 2, 4), 4)])
        for tensor in (made.h, of_x)
    ]
    assert found == [forwards, backwards]


def test_a_gradient_is_the_parts_whose_gradient_it_is(graph):
    config = traced_step.config_of("hier-drums_4bar_small", TINY_SIZES, 4)
    config.model.build(config.hparams, 512, is_training=True)
    z = config.model.encode(tf.zeros([4, 64, 10]), tf.fill([4], 64)).loc
    gradient = tf.gradients(z, tf.trainable_variables()[0])[0]
    assert step_parts.part_of(graph, z.op.name) == "latent vector"
    assert step_parts.part_of(graph, gradient.op.name) == "encoder, backwards"
    assert step_parts.part_of(graph, f"ConstantFolding/{gradient.op.name}/folded-0") == "encoder, backwards"
    moved = "ArithmeticOptimizer/ReorderCastLikeAndValuePreserving_int64_"
    assert step_parts.part_of(graph, f"{moved}{z.op.name}") == "latent vector"
    assert step_parts.part_of(graph, "_SINK") == "other"


def test_a_batch_is_what_training_makes():
    drums, grooves = (
        traced_step.batch_of(traced_step.config_of(name, "", 4)) for name in ("hier-drums_4bar_small", "groovae_4bar")
    )
    assert {name: (array.shape, array.dtype.name) for name, array in drums.items()} == {
        "inputs": ((4, 64, 10), "float32"),
        "outputs": ((4, 64), "int32"),
        "controls": ((4, 64, 0), "float32"),
        "lengths": ((4,), "int32"),
    }
    assert grooves["outputs"].shape == (4, 64, 27)
    stock = traced_step.batch_of(traced_step.config_of("hier-drums_4bar_small", "", 4, is_stock=True))
    assert stock["outputs"].shape == (4, 64, 512)


def test_an_unknown_hparam_is_told():
    with pytest.raises(ValueError, match=r"--hparams=units=3,batch_size=4: .*known hparams: "):
        traced_step.config_of("groovae_4bar", "units=3", 4)


@pytest.fixture(scope="module")
def counts() -> operations.Counts:
    config = traced_step.config_of("hier-drums_4bar_small", TINY_SIZES, 4)
    return operations.count(traced_step.take(config))


def test_a_step_is_counted_by_its_parts(counts):
    assert {"encoder", "encoder, backwards", "conductor", "decoder", "loss", "optimizer", "clipping"} <= set(
        counts.parts
    )
    assert counts.total("kernels") == sum(counts.kernels.values())
    assert counts.total("operations") > 300
    assert 0 < counts.parts["optimizer"].kernels < counts.total("kernels") / 10
    assert list(counts.kernels.values()) == sorted(counts.kernels.values(), reverse=True)


def test_kernels_of_lstms_are_those_of_their_steps(counts):
    """64 of an encoder, 4 of a conductor of two layers, 16 of a decoder of two; an encoder's directions go back as one.

    Forwards three kernels each, backwards four.
    """
    assert counts.kernels["BlockLSTM"] == 3 * (2 * 64 + 2 * 4 + 2 * 16)
    assert counts.kernels["LSTMBlockCellGrad"] == 4 * (64 + 2 * 4 + 2 * 16)


def test_nothing_is_asked_of_a_gpu_within_a_step(counts):
    """The scalars alone are copied back, at its end; some bytes of constants are those of a CPU's graph alone."""
    back = [copy.num_bytes for copy in counts.copies if not copy.to_device]
    assert [num for num in back if num > 4] == [7 * 4]


def test_a_batch_is_copied_to_the_device_and_scalars_back(counts):
    to_device = {copy.tensor: copy.num_bytes for copy in counts.copies if copy.to_device}
    assert to_device["IteratorGetNext:0"] == counts.input_bytes["inputs"] == 4 * 64 * 10 * 4
    assert counts.input_bytes["outputs"] == 4 * 64 * 4  # Tokens.
    assert counts.copied_bytes(True) < 2 * sum(counts.input_bytes.values())
    assert all(copy.num_bytes < 1000 for copy in counts.copies if not copy.to_device and copy.part == "other")


def test_the_table_says_what_was_counted(counts):
    lines = operations.table(counts)
    (total,) = (line.split() for line in lines if line.startswith("all "))
    assert total[1:3] == [f"{counts.total('operations'):,}", f"{counts.total('kernels'):,}"]
    assert lines[-2] == "a batch: inputs 10,240, outputs 1,024, controls 0, lengths 16 bytes"
    assert len(operations.list_of(counts.copies)) == len(counts.copies)
    said = counts.as_json()
    assert said["totals"]["kernels"] == counts.total("kernels")
    assert json.loads(json.dumps(said)) == said


@pytest.mark.slow
def test_a_step_is_counted_beside_magentas(tmp_path):
    written = tmp_path / "operations.json"
    arguments = [f"--hparams={TINY_SIZES}", "--batch_size=2", "--stock", "--config=groovae_4bar", f"--json={written}"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.operations", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Magenta: groovae_4bar, 2 a batch" in done.stdout
    counted = json.loads(written.read_text())["counts"]
    assert counted["Magenta"]["totals"]["operations"] > 3 * counted["ours"]["totals"]["operations"]


def test_stock_magenta_has_none_of_our_own_configs():
    arguments = ["--stock", "--config=hier-drums_4bar_groove_hikl"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.operations", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: --config=hier-drums_4bar_groove_hikl: not one that is measured beside Magenta"
    )
