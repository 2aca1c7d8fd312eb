"""The devices of this machine: which of them are used, as GPUs and flags say, and what is said of that."""

import os

import pytest

from models import magenta
from models.devices import Card
from models.magenta import tf
from pipelines.training import all_reduce, machine, options, placement
from pipelines.training.all_reduce import Trial
from pipelines.training.placement import AUTO, COPY, HERE, NCCL, RING, Placement
from pipelines.training.replicas import ALONE, Replica

NEW, OLD = Card("Hopper", (9, 0)), Card("Kepler", (3, 5))
ON_CPU = Placement(devices=("/device:CPU:0",), host="/device:CPU:0")


@pytest.fixture
def cards(monkeypatch):
    """Returns a function that gives the machine other GPUs."""
    return lambda *given: monkeypatch.setattr(magenta, "cards", lambda: list(given))


def placed(
    num_gpus: int | None = None, num_cpu_devices: int = 1, replica: Replica = ALONE, way: str = COPY
) -> Placement:
    return machine.placement_of(options.Devices(num_gpus, num_cpu_devices, way), replica)


def test_all_gpus_compute_unless_fewer_are_asked_for(cards):
    cards(NEW, NEW, NEW)
    assert placed() == placed(3) == placed(8) == placement.of_gpus(3)
    assert placed(2) == placement.of_gpus(2)
    assert placed(1) == HERE


def test_gpus_that_tensorflow_cannot_use_do_not_count(cards):
    cards(NEW, OLD, NEW)
    assert placed() == placement.of_gpus(2)
    cards(OLD)
    assert placed() == placed(0) == HERE


def test_without_gpus_the_cpu_computes(cards):
    cards()
    assert placed(0) == placed() == placed(5) == HERE


def test_devices_on_the_cpu_are_for_machines_without_a_gpu(cards):
    cards()
    assert placed(num_cpu_devices=3) == placed(0, num_cpu_devices=3) == placement.of_cpu_devices(3)
    cards(NEW)
    assert placed(num_cpu_devices=3) == HERE
    assert placed(0, num_cpu_devices=3) == placement.of_cpu_devices(3)  # Its GPU computes nothing.


def test_workers_of_magentas_kind_compute_on_one_device(cards):
    cards(NEW, NEW)
    assert placed(replica=Replica(master="grpc://10.0.0.1:2222")) is HERE


def test_gpus_add_up_as_was_asked_or_as_was_found_the_fastest(cards, monkeypatch, capsys):
    cards(NEW, NEW, NEW)
    tried = []
    outcome = [Trial({NCCL: 0.001, COPY: 0.002})]
    monkeypatch.setattr(all_reduce, "tried", lambda where: tried.append(where) or outcome[0])
    for way in (NCCL, RING, COPY):
        assert placed(way=way) == placement.of_gpus(3, way)
    assert placed(1, way=AUTO) is HERE
    assert not tried and not capsys.readouterr().out
    assert placed(2, way=AUTO) == placement.of_gpus(2, NCCL)
    assert tried == [placement.of_gpus(2, NCCL)]
    assert capsys.readouterr().out == "NCCL      is tried on 2 GPUs\n          nccl 1 ms, copy 2 ms\n"
    outcome[0] = Trial({}, "no answer within 60 s")
    assert placed(way=AUTO) == placement.of_gpus(3, COPY)
    assert capsys.readouterr().out.endswith("\n          no answer within 60 s; gradients are copied\n")


def test_on_the_cpu_gradients_are_copied_unless_a_ring_is_asked_for(cards):
    cards()
    assert placed(num_cpu_devices=2, way=AUTO) == placement.of_cpu_devices(2, COPY)
    assert placed(num_cpu_devices=2, way=RING) == placement.of_cpu_devices(2, RING)
    with pytest.raises(ValueError, match="--all_reduce_alg=nccl: NCCL adds up on GPUs; =ring does on the CPU"):
        placed(num_cpu_devices=2, way=NCCL)
    assert placed(way=NCCL) is HERE  # One device has nothing to add up.


def test_what_computes_is_described():
    copied = "gradients copied to where their variable lies"
    assert machine.describe(placement.of_gpus(2), 5, ["2 GPUs"]) == ["2 GPUs", f"2 towers of 2 or 3 examples, {copied}"]
    assert machine.describe(placement.of_gpus(4, NCCL), 8, ["4 GPUs"]) == [
        "4 GPUs",
        "4 towers of 2 examples, gradients all-reduced by NCCL",
    ]
    assert machine.describe(placement.of_gpus(4, RING), 3, ["4 GPUs"]) == [
        "4 GPUs",
        "3 towers of 1 examples, gradients all-reduced in a ring",
    ]
    assert machine.describe(HERE, 5, ["1 GPU"]) == ["1 GPU"]
    assert machine.describe(HERE, 5, ["CPU, 2 cores"]) == ["CPU, 2 cores"]


@pytest.mark.parametrize(
    ("where", "num_gpus", "num_cpus"),
    [
        (HERE, 1, 1),
        (ON_CPU, 0, 1),
        (placement.of_gpus(4), 4, 1),
        (placement.of_cpu_devices(3), 0, 3),
    ],
)
def test_a_session_has_the_devices_of_a_placement(where, num_gpus, num_cpus):
    settings = machine.session_settings(where)
    assert settings.device_count == {"GPU": num_gpus, "CPU": num_cpus}
    assert settings.allow_soft_placement
    assert settings.gpu_options.allow_growth


def test_memory_of_a_gpu_is_taken_as_it_is_needed():
    """Where something opens the GPU before a session does, the environment alone counts."""
    assert machine.session_settings(HERE).gpu_options.allow_growth
    assert os.environ["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"


def test_a_session_computes_on_each_of_the_devices_on_the_cpu():
    where = placement.of_cpu_devices(3)
    with tf.Graph().as_default(), tf.Session(config=machine.session_settings(where)) as session:
        assert [each.name[-5:] for each in session.list_devices() if ":CPU:" in each.name] == [
            "CPU:0",
            "CPU:1",
            "CPU:2",
        ]
        for device in where.devices:
            with tf.device(device):
                assert session.run(tf.ones([]) + 1) == 2
