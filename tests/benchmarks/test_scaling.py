"""The scaling model: what it says of small cases, and that training sends what it says."""

import collections
import re
import subprocess
import sys

import pytest

import configs
from benchmarks import scaling, scaling_measure, scaling_model, scaling_plot, scaling_work
from benchmarks.scaling_model import Link, Step, Taken, Wires
from models.magenta import session_config, tf
from pipelines.training import placement, train_step
from tests.fleet import free_ports

TINY = "batch_size=6,enc_rnn_size=[8],dec_rnn_size=[6,6],z_size=4"
PNG_START = b"\x89PNG"
STEP = Step(start_secs=1.0, arithmetic_secs=8.0, variables=(8, 4))
PAIRS = Wires(2, within=Link(8.0, 0.5), between=Link(1.0, 0.25, 2.0))


@pytest.fixture(scope="module")
def small() -> scaling_work.Work:
    return scaling_work.of_config("hier-drums_4bar_small")


@pytest.mark.parametrize(
    ("sizes", "num", "expected"),
    [([4, 3, 2, 1], 2, [0, 1, 1, 0]), ([4, 3, 2, 1], 1, [0, 0, 0, 0]), ([1, 1], 4, [0, 1]), ([], 2, [])],
)
def test_a_variable_is_held_where_the_fewest_bytes_are(sizes, num, expected):
    assert scaling_model.holders(sizes, num) == expected


@pytest.mark.parametrize("num", [2, 3, 8, 64])
def test_variables_are_held_as_training_places_them(num):
    """What `pipelines.training.placement` chooses for each variable of a real graph, in the order it is asked."""
    devices = tuple(f"/device:GPU:{number}" for number in range(num))
    choose = placement.Placement(devices, devices).with_variables("")
    with tf.Graph().as_default():
        variables = scaling_work.make_variables(configs.CONFIG_MAP["hier-drums_4bar_small"])
        sizes = [4 * variable.shape.num_elements() for variable in variables]
        chosen = [devices.index(choose(variable.op)) for variable in variables]
    assert scaling_model.holders(sizes, num) == chosen


def test_within_a_machine_each_device_has_what_it_holds_not():
    out = scaling_model.variables_out([8, 4], 2, 2)
    assert out.within == {("out", 0): [8, 1], ("in", 1): [8, 1], ("out", 1): [4, 1], ("in", 0): [4, 1]}
    back = scaling_model.gradients_back([8, 4], 2, 2)
    assert back.within == {("out", 1): [8, 1], ("in", 0): [8, 1], ("out", 0): [4, 1], ("in", 1): [4, 1]}
    assert not out.between and not back.between


def test_between_machines_variables_and_gradients_go_once_by_devices_in_turn():
    out = scaling_model.variables_out([8, 4], 4, 2)
    # Of the second pair, device 2 fetches the first variable and device 3 the second one.
    assert out.within == {
        **{("out", 0): [8, 1], ("in", 1): [8, 1], ("out", 1): [4, 1], ("in", 0): [4, 1]},
        **{("out", 2): [8, 1], ("in", 3): [8, 1], ("out", 3): [4, 1], ("in", 2): [4, 1]},
    }
    assert out.between == {("out", 0): [12, 2], ("in", 1): [12, 2]}
    back = scaling_model.gradients_back([8, 4], 4, 2)
    assert back.within == {
        ({"in": "out", "out": "in"}[way], device): load for (way, device), load in out.within.items()
    }
    assert back.between == {("out", 1): [12, 2], ("in", 0): [12, 2]}


@pytest.mark.parametrize(
    ("num", "batches", "evenly", "expected"),
    [
        (1, 1, False, Taken(1, 1.0, 8.0, 0.0)),
        # 8 bytes at 8 a second and a message, there and back.
        (2, 1, False, Taken(2, 1.0, 4.0, 2 * (1.0 + 0.5))),
        # 8 bytes within and 12 in two messages between, there and back; 2 s for the network at all.
        (4, 1, False, Taken(4, 1.0, 2.0, 2 * (1.5 + 12 + 0.5) + 2)),
        (4, 4, False, Taken(4, 1.0, 8.0, 2 * (1.5 + 12 + 0.5) + 2)),
        # 2 · 12 · 1/2 bytes in each of the two rings.
        (4, 1, True, Taken(4, 1.0, 2.0, 12 / 8 + 12 / 1)),
        (1, 1, True, Taken(1, 1.0, 8.0, 0.0)),
    ],
)
def test_a_step_takes_its_start_its_share_and_two_exchanges(num, batches, evenly, expected):
    assert scaling_model.predict(STEP, num, PAIRS, batches, evenly) == expected
    assert expected.secs == expected.start_secs + expected.arithmetic_secs + expected.exchange_secs


@pytest.mark.parametrize("num", [0, -1])
def test_no_device_is_an_error(num):
    with pytest.raises(ValueError, match=f"{num} devices, 2 a machine; each is at least 1"):
        scaling_model.predict(STEP, num, PAIRS)


def test_efficiency_is_of_one_device_and_pays_until_it_is_below_a_half():
    taken = [Taken(1, 2.0, 8.0, 0.0), Taken(2, 2.0, 4.0, 0.0), Taken(4, 2.0, 2.0, 1.0), Taken(8, 2.0, 1.0, 7.0)]
    assert scaling_model.efficiencies(taken) == pytest.approx([1, 10 / 12, 10 / 20, 10 / 80])
    assert scaling_model.pays_up_to(taken) == 4
    assert scaling_model.efficiencies(taken, grows=True) == pytest.approx([1, 10 / 6, 2, 1])
    assert scaling_model.pays_up_to(taken, grows=True) == 8


def test_the_work_of_a_config_is_that_of_its_layers(small):
    assert sum(small.sizes) == 22_757_376 and max(small.sizes) == 4 * 522 * 2048 and len(small.sizes) == 22
    products = 64 * (2 * 522 * 2048 + 512 * 1024 + 512 * 1024 + 256 * 512)  # Encoder, decoder without tokens, logits.
    products += 2 * 1024 * 256 + 256 * 1024  # The latent vector, and the conductor's first state.
    products += 4 * (257 * 1024 + 512 * 1024 + 256 * 1024)  # The conductor, and the first state of each bar.
    assert small.flops == 3 * 2 * products


@pytest.mark.parametrize("name", ["hier-drums_4bar_groove_hikl", "groovae_4bar", "groovae_4bar_tap_groove"])
def test_each_kind_of_config_has_its_work_known(name):
    work = scaling_work.of_config(name)
    assert work.flops > 5e8 and len(work.sizes) == len(work.names)


def test_configs_of_magentas_own_are_said_to_be_unknown():
    with pytest.raises(ValueError, match=r"Magenta's own cat-drums_2bar_small are not known here; take one of this"):
        scaling_work.of_config("cat-drums_2bar_small")


@pytest.fixture(scope="module")
def machines() -> str:
    """Serves two machines of two devices each in this process; returns what a session is opened with."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    settings = session_config(num_cpus=2)
    servers = [tf.train.Server(cluster, job_name="worker", task_index=task, config=settings) for task in (0, 1)]
    return servers[0].target


ONE_MACHINE = placement.of_cpu_devices(3)
TWO_BY_TWO = [f"/job:worker/task:{task}/device:CPU:{device}" for task in (0, 1) for device in (0, 1)]


@pytest.mark.parametrize(
    ("where", "per_machine"),
    [(ONE_MACHINE, 3), (placement.Placement(tuple(TWO_BY_TWO), tuple(TWO_BY_TWO), TWO_BY_TWO[0]), 2)],
    ids=["one machine", "two machines"],
)
def test_training_sends_variables_as_the_model_says(where, per_machine, machines):
    """In a real step, by the graphs that TensorFlow cuts it into."""
    sent = {"within": collections.Counter(), "between": collections.Counter()}
    graphs, variables = step_graphs(where, "" if where is ONE_MACHINE else machines)
    for node in (node for graph in graphs for node in graph.node if node.op == "_Send"):
        name = re.sub(r"^edge_\d+_|/(read|copy)$", "", node.attr["tensor_name"].s.decode())
        if name not in variables:
            continue
        ends = [device_number(node.attr[end].s.decode(), per_machine) for end in ("send_device", "recv_device")]
        tasks = [end // per_machine for end in ends]
        wire, ends = ("within", ends) if tasks[0] == tasks[1] else ("between", tasks)
        sent[wire].update(zip(("out", "in"), ends, strict=True))
    predicted = scaling_model.variables_out(list(variables.values()), len(where.devices), per_machine)
    for wire, loads in (("within", predicted.within), ("between", predicted.between)):
        assert sent[wire] == {end: messages for end, (_, messages) in loads.items()}


def device_number(name: str, per_machine: int) -> int:
    task, device = (int(re.search(rf"{field}:(\d+)", name).group(1)) for field in ("task", "CPU"))
    return task * per_machine + device


def step_graphs(where: placement.Placement, target: str) -> tuple[list, dict[str, int]]:
    """Returns the graphs, one a device, of a small model's training step, and the bytes of its variables."""
    config = configs.with_hparams(configs.CONFIG_MAP["hier-drums_4bar_small"], TINY)
    depth = config.data_converter.input_depth

    def batches() -> tf.data.Dataset:
        lengths = tf.fill([6], configs.STEPS)
        parts = tf.zeros([6, configs.STEPS, depth]), tf.zeros([6, configs.STEPS], tf.int32)
        return tf.data.Dataset.from_tensors((*parts, tf.zeros([6, configs.STEPS, 0]), lengths)).repeat()

    with tf.Graph().as_default():
        step = train_step.build(config, batches, where=where, seed=1)
        variables = {variable.op.name: 4 * variable.shape.num_elements() for variable in tf.trainable_variables()}
        metadata = tf.RunMetadata()
        with tf.Session(target, config=session_config(num_cpus=3)) as session:
            tables = tf.get_collection(tf.GraphKeys.TABLE_INITIALIZERS)
            session.run([tf.global_variables_initializer(), *tables])
            session.run(step.fill)
            session.run(step.train, options=tf.RunOptions(output_partition_graphs=True), run_metadata=metadata)
    return list(metadata.partition_graphs), variables


def test_arithmetic_lies_between_the_peak_and_what_is_busy():
    measured = scaling.Measured(secs=0.04, kernels=4000, flops=4e9, peak_flops_per_sec=1e12, busy=0.5)
    assert measured.shares() == (pytest.approx(0.1), 0.5)
    assert measured.step(0.5, 1000, [8, 4]) == Step(pytest.approx(0.005), 0.02, (8, 4))
    for wrong in ({"busy": 1.5}, {"busy": 0.0}, {"flops": 4e10}):
        with pytest.raises(ValueError, match=r"of a step, and it is busy .*; give --peak_tflops, --busy \(at most 1\)"):
            scaling.Measured(
                **({"secs": 0.04, "kernels": 4000, "flops": 4e9, "busy": 0.5} | wrong), peak_flops_per_sec=1e12
            ).shares()


def test_the_table_has_what_a_run_costs():
    found = scaling_model.Bounds(
        [Taken(1, 0.0, 3.6, 0.0), Taken(2, 0.0, 1.8, 0.2)], [Taken(1, 0.0, 3.6, 0.0), Taken(2, 0.0, 3.6, 0.0)]
    )
    assert scaling.table(found, batch_size=36, num_steps=1000, price=2.5) == [
        "| GPUs | ms a step | of it exchange | examples a second | efficiency | hours | GPU-hours | $ |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| 1 | 3600.0 | 0.0 | 10 | 1 | 1.00 | 1.00 | 2.50 |",
        "| 2 | 2000.0, 3600.0 | 200.0, 0.0 | 18, 10 | 0.9, 0.5 | 0.56, 1.00 | 1.11, 2.00 | 2.78, 5.00 |",
    ]
    assert scaling.table(found, 36, 1000, 2.5, grows=True)[3].startswith("| 2 | 2000.0, 3600.0 | 200.0, 0.0 | 36, 20 ")


def test_what_stays_is_told_from_what_grows_by_half_a_batch():
    step = scaling_measure.split(whole_secs=2.0, half_secs=1.25, variables=[8, 4])
    assert step == Step(0.5, 1.5, (8, 4))


def test_a_pace_is_that_of_the_busiest_process_and_the_middle_run():
    paces = [
        scaling_measure.Pace(3.0, (0.5, 1.0)),
        scaling_measure.Pace(1.0, (2.0, 0.1)),
        scaling_measure.Pace(2.0, (1.5,)),
    ]
    assert scaling_measure.median(paces, of_processor=False) == 2.0
    assert scaling_measure.median(paces, of_processor=True) == 1.5
    assert scaling_measure.middle([Link(1, 5, 7), Link(3, 4, 9), Link(2, 6, 8)]) == Link(2, 5, 8)


@pytest.mark.thorough
def test_two_processes_fetch_tensors_of_each_other():
    link = scaling_measure.loopback((0, 0))
    assert 1e7 < link.bytes_per_sec < 1e12 and -1e-3 < link.message_secs < 0.1 and 0 < link.step_secs < 1


def test_the_picture_has_both_panels(tmp_path):
    alike = {
        scaling_plot.label("a wire", evenly): scaling_model.bounds([STEP] * 2, [PAIRS] * 2) for evenly in (False, True)
    }
    scaling_plot.draw(alike, alike, 36, tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").read_bytes().startswith(PNG_START)


def run(*flags: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "benchmarks.scaling", *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_command_prints_tables_and_draws(tmp_path):
    done = run("--step_ms=35.4", f"--plot={tmp_path / 'scaling.png'}")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "hier-drums_4bar_small: 668 GFLOP a step of 512, 22 variables"
    assert [line for line in lines if line.startswith("| 1 |")] == [
        "| 1 | 35.4 | 0.0 | 14,463 | 1 | 0.49 | 0.49 | 1.47 |"
    ] * 8
    assert (tmp_path / "scaling.png").read_bytes().startswith(PNG_START)
    failed = run("--measure")
    assert (failed.returncode, failed.stderr) == (1, "error: --measure trains; give --examples=FILE.tfrecord\n")
