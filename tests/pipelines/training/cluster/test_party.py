"""Several real processes train one run: they compute what one computes, and each fault has an end and a line."""

import signal
import time

import numpy as np
import pytest

from models import checkpoint_files, checkpoints, tensor_bundle
from tests import fleet

ENDLESS = ("--num_steps=1000000", "--save_checkpoints_secs=1")
READ_AFTER_THE_STEP = "ema_decay=0.9,weight_decay=0.01,dropout_keep_prob=0.5"  # Not what was sent elsewhere before it.
END_SECS = 60  # Within which each fault has an end.

pytestmark = pytest.mark.slow


def variables(run_dir) -> dict[str, np.ndarray]:
    return tensor_bundle.read(checkpoints.newest(run_dir / "train"))


def training(machines, *flags):
    """Starts all processes of a fleet and waits until they train and have a checkpoint; the chief is first."""
    processes = machines.start_all(*ENDLESS, *flags)
    processes[0].wait_for("step 1 of")
    until = time.monotonic() + 30
    while not checkpoint_files.all_complete(machines.run_dir / "train"):
        assert time.monotonic() < until, processes[0].text
        time.sleep(0.2)
    return processes


def ended(processes, secs: float = END_SECS) -> float:
    """Waits until all have ended; returns the seconds that took."""
    started = time.monotonic()
    for process in processes:
        process.wait(max(1, secs - (time.monotonic() - started)))
    return time.monotonic() - started


def goes_on(machines) -> None:
    """The same commands go on from the last checkpoint."""
    step = checkpoint_files.step_of(checkpoints.newest(machines.run_dir / "train"))
    processes = machines.start_all(f"--num_steps={step + 2}")
    ended(processes)
    assert f"going on from step {step}" in processes[0].text, processes[0].text
    assert checkpoint_files.step_of(checkpoints.newest(machines.run_dir / "train")) == step + 2


@pytest.mark.parametrize(
    ("num_workers", "num_servers", "flags"),
    [
        (2, 0, ["--num_cpu_devices=2", "--all_reduce_alg=ring"]),
        *(
            pytest.param(*each, marks=pytest.mark.thorough)
            for each in ((2, 0, []), (3, 0, []), (2, 1, []), (2, 0, ["--num_cpu_devices=2"]))
        ),
    ],
)
def test_several_processes_compute_what_one_does(num_workers, num_servers, flags, tmp_path, starter_records):
    found = []
    for num, num_ps, more in ((1, 0, []), (num_workers, num_servers, flags)):
        folder = tmp_path / str(num)
        folder.mkdir()
        with fleet.of(folder, starter_records, num, num_ps) as machines:
            processes = machines.start_all("--num_steps=20", f"{fleet.TINY},{READ_AFTER_THE_STEP}", *more)
            ended(processes)
            assert all("error" not in process.text for process in processes), processes[0].text
        found.append(variables(machines.run_dir))
    alone, together = found
    assert alone.keys() == together.keys()
    for name, value in alone.items():
        np.testing.assert_allclose(together[name], value, atol=1e-5, err_msg=name)
    num_towers = 2 * num_workers if flags else num_workers
    shares = "1 or 2" if num_towers == 4 else str(6 // num_towers)
    assert f"{num_towers} towers of {shares} examples" in processes[0].text


def test_a_killed_worker(tmp_path, starter_records):
    with fleet.of(tmp_path, starter_records, 3) as machines:
        chief, worker, other = training(machines)
        worker.send(signal.SIGKILL)
        print(f"seconds: {ended([chief, other]):.1f}")
        assert chief.wait(1) == other.wait(1) == 1
        assert f"worker 1 at {machines.workers[1]} is gone" in chief.text
        assert "is kept, and the same command goes on from there" in chief.text
        assert f"the chief has ended: worker 1 at {machines.workers[1]} is gone" in other.text
        assert "Traceback" not in chief.text + other.text
        goes_on(machines)


@pytest.mark.thorough
def test_a_worker_that_stands_still_and_goes_on(tmp_path, starter_records):
    with fleet.of(tmp_path, starter_records, 2) as machines:
        chief, worker = training(machines)
        worker.send(signal.SIGSTOP)
        time.sleep(10)
        before = chief.text
        worker.send(signal.SIGCONT)
        time.sleep(5)
        assert chief.is_running
        assert worker.is_running
        chief.send(signal.SIGINT)
        ended([chief, worker])
        assert len(chief.text) > len(before)
        assert (chief.wait(1), worker.wait(1)) == (130, 0)
        assert "the chief has stopped" in worker.text


@pytest.mark.thorough
def test_a_worker_that_stands_still_for_good(tmp_path, starter_records):
    with fleet.of(tmp_path, starter_records, 2) as machines:
        chief, worker = training(machines)
        worker.send(signal.SIGSTOP)
        print(f"seconds: {ended([chief]):.1f}")
        assert chief.wait(1) == 1
        assert f"worker 1 at {machines.workers[1]} has not answered for 40 s" in chief.text
        assert "is kept, and the same command goes on" in chief.text
        worker.send(signal.SIGCONT)
        ended([worker])
        assert worker.wait(1) == 1
        assert "worker 0 (the chief)" in worker.text
        goes_on(machines)


def test_a_killed_chief(tmp_path, starter_records):
    with fleet.of(tmp_path, starter_records, 2) as machines:
        chief, worker = training(machines)
        chief.send(signal.SIGKILL)
        print(f"seconds: {ended([worker]):.1f}")
        assert worker.wait(1) == 1
        assert f"worker 0 (the chief) at {machines.workers[0]} is gone" in worker.text
        assert "start the same command on all machines" in worker.text
        goes_on(machines)


@pytest.mark.thorough
def test_a_killed_parameter_server(tmp_path, starter_records):
    with fleet.of(tmp_path, starter_records, 2, num_servers=1) as machines:
        chief, worker, server = training(machines)
        server.send(signal.SIGKILL)
        print(f"seconds: {ended([chief, worker]):.1f}")
        assert chief.wait(1) == worker.wait(1) == 1
        assert f"ps 0 at {machines.servers[0]} is gone" in chief.text
        goes_on(machines)


@pytest.mark.thorough
def test_a_worker_that_is_told_to_end_lets_the_chief_write_a_checkpoint(tmp_path, starter_records):
    with fleet.of(tmp_path, starter_records, 2) as machines:
        chief, worker = machines.start_all("--num_steps=1000000", "--save_checkpoints_secs=1000")
        chief.wait_for("step 1 of")
        worker.send(signal.SIGTERM)
        print(f"seconds: {ended([chief, worker]):.1f}")
        assert (chief.wait(1), worker.wait(1)) == (143, 143)
        assert f"worker 1 at {machines.workers[1]} was stopped there" in chief.text
        assert "stopped; the same command goes on from here" in chief.text
        goes_on(machines)


@pytest.mark.thorough
def test_a_worker_that_starts_late(tmp_path, starter_records):
    with fleet.of(tmp_path, starter_records, 2) as machines:
        chief = machines.start(0, "--num_steps=3")
        chief.wait_for(f"waits for worker 1 at {machines.workers[1]}: the same command is to be started there")
        time.sleep(5)
        worker = machines.start(1, "--num_steps=3")
        ended([chief, worker])
        assert chief.wait(1) == worker.wait(1) == 0, chief.text
        assert "the chief is done" in worker.text


@pytest.mark.thorough
def test_a_machine_that_never_starts(tmp_path, starter_records):
    with fleet.of(tmp_path, starter_records, 2) as machines:
        chief = machines.start(0, "--num_steps=3", "--wait_secs=3")
        ended([chief], 30)
        assert chief.wait(1) == 1
        assert f"worker 1 at {machines.workers[1]} did not come within 3 s; start the same command" in chief.text
        worker = machines.start(1, "--num_steps=3", "--wait_secs=3")
        ended([worker], 30)
        assert worker.wait(1) == 1
        assert f"worker 0 (the chief) at {machines.workers[0]} has not come within 3 s" in worker.text
        assert not list(machines.run_dir.glob("*"))


@pytest.mark.thorough
def test_two_of_one_number_and_a_port_that_is_taken(tmp_path, starter_records):
    with fleet.of(tmp_path, starter_records, 2) as machines:
        _, _ = training(machines)
        second = machines.start(1)
        ended([second], 30)
        assert second.wait(1) == 1
        port = machines.workers[1].rpartition(":")[2]
        assert f"port {port} is taken on this machine, by another program or a worker of the same --task" in second.text


@pytest.mark.thorough
def test_a_machine_that_was_started_for_something_else(tmp_path, starter_records):
    with fleet.of(tmp_path, starter_records, 2) as machines:
        worker = machines.start(1, "--config=hier-drums_4bar_small")
        chief = machines.start(0)
        ended([chief, worker])
        assert chief.wait(1) == worker.wait(1) == 1
        line = "was started with --config=hier-drums_4bar_small, the chief with groovae_4bar"
        assert line in chief.text
        assert line in worker.text
        worker = machines.start(1, "--num_steps=3", "--examples_path=elsewhere.tfrecord")
        chief = machines.start(0, "--num_steps=3")
        ended([chief, worker])
        assert chief.wait(1) == worker.wait(1) == 0, chief.text
        assert "its --examples_path is not read; the chief hands out its own examples" in chief.text
