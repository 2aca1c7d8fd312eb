"""Several processes that train one run: what each of them reads, draws and waits for."""

import itertools
import json
import pathlib
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from models import checkpoint_files, checkpoints
from models.magenta import tf
from pipelines.examples import batches
from pipelines.runs import run_lock
from pipelines.runs.run_folder import RunFolder
from pipelines.training import interrupts, replicas
from pipelines.training.replicas import Replica
from tests import fleet


def test_one_process_by_itself_reads_and_draws_as_the_run_says():
    assert (replicas.ALONE.share, replicas.ALONE.order_seed(7), replicas.ALONE.noise_seed(7)) == ((0, 1), 7, 7)
    assert replicas.ALONE.num_in_step == 1


def test_workers_in_step_share_the_examples_out():
    workers = [Replica(task=task, num_sync_workers=3) for task in range(3)]
    performance = np.zeros(10, np.int32)
    orders = [batches.epochs(performance, worker.order_seed(5), share=worker.share) for worker in workers]
    whole = batches.epochs(performance, 5)
    for _ in range(4):
        parts = [next(order) for order in orders]
        assert sorted(np.concatenate(parts)) == list(range(10))
        assert set(np.concatenate(parts)) == set(next(whole))
    assert {worker.noise_seed(5) for worker in workers} == {5, 6, 7}


def test_fewer_examples_than_workers_are_read_in_turns():
    orders = [batches.epochs(np.zeros(1, np.int32), 5, share=(part, 2)) for part in range(2)]
    lengths = [[len(rows) for rows in itertools.islice(order, 4)] for order in orders]
    assert lengths == [[1, 0, 1, 0], [0, 1, 0, 1]]


def test_workers_that_do_not_know_their_number_read_all_in_orders_of_their_own():
    workers = [Replica(task=task, num_ps_tasks=1) for task in range(2)]
    assert [worker.share for worker in workers] == [(0, 1), (0, 1)]
    assert [worker.order_seed(5) for worker in workers] == [5, 6]


def test_a_number_that_no_worker_has_is_refused():
    with pytest.raises(ValueError, match="--task=2: with --num_sync_workers=2 the workers are 0 to 1"):
        Replica(task=2, num_sync_workers=2)


def test_the_chief_alone_holds_the_folder(tmp_path):
    with Replica(task=1).folder_held(RunFolder(tmp_path)):
        assert not list(tmp_path.iterdir())
        with Replica().folder_held(RunFolder(tmp_path)), pytest.raises(BlockingIOError):
            Replica().folder_held(RunFolder(tmp_path)).__enter__()


def make_ready(folder, replica=replicas.ALONE, *, resumed=False, has_seed=False, stop=None):
    replica.make_ready(folder, resumed=resumed, has_seed=has_seed, stop=stop or interrupts.Stop())


def test_noresume_demands_an_empty_folder_of_the_chief(tmp_path):
    make_ready(RunFolder(tmp_path / "new"))
    (tmp_path / run_lock.LOCK_NAME).touch()
    make_ready(RunFolder(tmp_path))
    RunFolder(tmp_path).write_settings({"config": "groovae_4bar"})
    with pytest.raises(ValueError, match=r"--noresume: .* is not empty \(config.json\); give another --run_dir"):
        make_ready(RunFolder(tmp_path))
    make_ready(RunFolder(tmp_path), Replica(task=1))
    make_ready(RunFolder(tmp_path), resumed=True)


def test_the_chief_alone_writes_the_settings(tmp_path):
    Replica(task=1).write_settings(RunFolder(tmp_path), {"config": "groovae_4bar"})
    assert not list(tmp_path.iterdir())
    Replica().write_settings(RunFolder(tmp_path), {"config": "groovae_4bar"})
    assert RunFolder(tmp_path).config_name == "groovae_4bar"


def test_a_worker_waits_for_the_chiefs_settings(tmp_path):
    folder = RunFolder(tmp_path)
    later = threading.Timer(0.3, lambda: folder.write_settings({"config": "groovae_4bar", "seed": 9}))
    later.start()
    make_ready(folder, Replica(task=1))
    assert folder.settings()["seed"] == 9


def test_a_worker_without_a_chief_ends_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(replicas, "CHIEF_WITHIN_SECS", -1)
    with pytest.raises(TimeoutError, match=r"no config.json after .*--task=0 on the same --run_dir"):
        make_ready(RunFolder(tmp_path), Replica(task=1))
    make_ready(RunFolder(tmp_path), Replica(task=1), has_seed=True)
    stop = interrupts.Stop()
    stop.number = 15
    make_ready(RunFolder(tmp_path), Replica(task=1), stop=stop)


WORKER = """
import json, sys
from models.magenta import tf
from pipelines.training.replicas import Replica
from tests import fleet
from tests.tiny import train_tiny
import pathlib
jobs, job, task, run_dir, records = json.loads(sys.argv[1])
server = tf.train.Server(jobs, job, task)
if job == "ps":
    server.join()
replica = Replica(server.target, task, num_ps_tasks=1, num_sync_workers=2)
sys.exit(train_tiny("groovae_4bar", pathlib.Path(run_dir), pathlib.Path(records), 3, replica=replica, resumed=False))
"""


@pytest.mark.thorough
def test_two_workers_and_a_parameter_server_train_in_step(tmp_path, starter_records):
    """Real processes, without --seed and with --noresume, which the worker must not fail on."""
    ports = fleet.free_ports(3)
    jobs = {"ps": [f"localhost:{ports[0]}"], "worker": [f"localhost:{port}" for port in ports[1:]]}
    run_dir = tmp_path / "run"
    processes = []
    try:
        for job, task in (("ps", 0), ("worker", 0), ("worker", 1)):
            given = json.dumps([jobs, job, task, str(run_dir), str(starter_records)])
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-c", WORKER, given],
                    cwd=pathlib.Path(__file__).parents[3],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
        outs = [process.communicate(timeout=150)[0] for process in processes[1:]]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes[1:]] == [0, 0], outs
    assert "examples  220 from" in outs[0]
    assert ", 2 a batch" in outs[0]
    assert "waiting for the chief" in outs[1]
    newest = checkpoints.newest(run_dir / "train")
    assert checkpoint_files.step_of(newest) == 3
    assert tf.train.load_variable(newest, "global_step") == 3


SERVER = """
import json, sys
import tensorflow.compat.v1 as tf
jobs, job, task = json.loads(sys.argv[1])
tf.train.Server(jobs, job, task).join()
"""


@pytest.mark.slow
def test_magentas_flags_train_on_servers_in_processes_of_their_own(tmp_path, starter_records):
    """As with `music_vae_train`: three servers of TensorFlow alone, and a client for each worker."""
    ports = fleet.free_ports(3)
    jobs = {"ps": [f"127.0.0.1:{ports[0]}"], "worker": [f"127.0.0.1:{port}" for port in ports[1:]]}
    run_dir, clients, servers = tmp_path / "run", [], []
    try:
        for job, task in (("ps", 0), ("worker", 0), ("worker", 1)):
            command = [sys.executable, "-c", SERVER, json.dumps([jobs, job, task])]
            servers.append(fleet.Process(command, tmp_path / f"{job}{task}.log", {"TF_CPP_MIN_LOG_LEVEL": "3"}))
        for task in range(2):
            command = [
                *(sys.executable, "-m", "pipelines.train", "--config=groovae_4bar", f"--run_dir={run_dir}"),
                *(f"--examples_path={starter_records}/train.tfrecord", fleet.TINY, "--num_steps=5"),
                *(f"--master=grpc://{jobs['worker'][task]}", f"--task={task}"),
                *("--num_ps_tasks=1", "--num_sync_workers=2"),
            ]
            clients.append(fleet.Process(command, tmp_path / f"client{task}.log", {}))
        assert [client.wait(150) for client in clients] == [0, 0], [client.text for client in clients]
    finally:
        for process in (*clients, *servers):
            if process.is_running:
                process.send(signal.SIGKILL)
    assert "step 5 of 5" in clients[0].text
    assert tf.train.load_variable(checkpoints.newest(run_dir / "train"), "global_step") == 5
