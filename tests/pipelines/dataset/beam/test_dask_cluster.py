"""Dask's processes: the same output with theirs as without, whether they are started for it or run already."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

if not all(map(importlib.util.find_spec, ("apache_beam", "distributed"))) and not os.environ.get("CI"):
    pytest.skip("Apache Beam or Dask is not installed; ./run_tests.sh installs both", allow_module_level=True)

import apache_beam
import distributed
from apache_beam.runners.dask.dask_runner import DaskOptions

from pipelines import cli
from pipelines.dataset.beam import dask_cluster
from pipelines.dataset.beam import runner as beam_runner
from tests.conversions import ROOT, contents

SAID = "32 files are converted by Beam's DaskRunner\n"


def start(*arguments: str | pathlib.Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "pipelines.convert", "--runner=DaskRunner", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, **pipes)


def processes_of(session: int) -> list[int]:
    """Returns the processes of a session, as that of a conversion that `start` began."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, its_session = path.read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                found.append(int(path.parent.name))
    return found


def wait_until(holds, what: str) -> None:
    give_up = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up, what
        time.sleep(0.2)


@contextlib.contextmanager
def started(folder: pathlib.Path, *arguments: str, **variables: str) -> Iterator[None]:
    """Runs one of Dask's own commands, in a folder that is not the project's."""
    command, env = [sys.executable, "-m", "dask", *arguments], {**os.environ, **variables}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=folder, env=env, **quiet)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def cluster(folder: pathlib.Path, num_workers: int, **variables: str) -> Iterator[str]:
    """Runs a scheduler and workers as a user would; yields the address."""
    file = folder / "scheduler.json"
    with started(folder, "scheduler", "--port=0", "--no-dashboard", f"--scheduler-file={file}", **variables):
        wait_until(file.exists, "the scheduler does not start")
        given = (f"--scheduler-file={file}", f"--nworkers={num_workers}", "--nthreads=1", "--no-dashboard")
        with started(folder, "worker", *given, **variables):
            with distributed.Client(scheduler_file=str(file)) as client:
                client.wait_for_workers(num_workers, timeout=60)
                address = client.scheduler.address
            yield address


def options(*flags: str):
    return beam_runner.prepare("DaskRunner", flags).options


@contextlib.contextmanager
def scheduler_here(num_workers: int) -> Iterator[str]:
    """Yields the address of a scheduler in this process, with workers in it as well."""
    given = {"n_workers": num_workers, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    with distributed.LocalCluster(protocol="tcp://", **given) as here:
        yield here.scheduler_address


@pytest.mark.parametrize(
    ("runner", "meant"),
    [
        ("DaskRunner", True),
        ("dask", True),
        ("apache_beam.runners.dask.dask_runner.DaskRunner", True),
        ("DirectRunner", False),
        ("mine.DaskRunner", False),
    ],
)
def test_the_runner_is_known_by_its_short_name(runner, meant):
    assert dask_cluster.is_meant(runner) == meant
    if meant:
        assert type(beam_runner.prepare(runner, []).runner).__name__ == "DaskRunner"


def test_without_dask_it_is_said_how_to_install_it(inputs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    expected = "--runner=DaskRunner needs Dask, which is not installed: " + dask_cluster.INSTALL
    with pytest.raises(ValueError, match=re.escape(expected)):
        beam_runner.convert(inputs, tmp_path / "out", "DaskRunner")
    assert "-r requirements-dask.txt" in dask_cluster.INSTALL
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--dask_client_address=127.0.0.1:1"], "--dask_client_address=127.0.0.1:1: no Dask scheduler answers (Timed "),
        (["--dask_client_address=nonsense"], "--dask_client_address=nonsense: no Dask scheduler answers (missing port"),
        (["--dask_scheduler_file=/no/file"], "--dask_scheduler_file=/no/file: no such file; a scheduler writes it wit"),
        (["--dask_client_adress=127.0.0.1:1"], "--dask_client_adress=127.0.0.1:1 is neither a flag of the conversion"),
        (["--dask_npartitions=x"], "argument --dask_npartitions: invalid int value: 'x'"),
    ],
)
def test_a_scheduler_that_is_not_there_is_one_line(inputs, tmp_path, capfd, flags, expected):
    with pytest.raises(ValueError, match=re.escape(expected)) as error:
        beam_runner.convert(inputs, tmp_path / "out", "DaskRunner", [*flags, "--dask_connection_timeout=1"])
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / "out").exists()


def test_a_scheduler_without_workers_is_an_error():
    with (
        scheduler_here(0) as address,
        pytest.raises(ValueError, match=rf"{address}: the scheduler has no workers; .* dask worker {address}$"),
        dask_cluster.running(options(f"--dask_client_address={address}"), None),
    ):
        pass


def test_workers_of_a_scheduler_are_as_many_as_they_are():
    expected = r"^--num_workers=3: the Dask scheduler has 2 workers of its own; leave the flag away"
    with scheduler_here(2) as address:
        given = options(f"--dask_client_address={address}")
        with pytest.raises(ValueError, match=expected), dask_cluster.running(given, 3):
            pass
        given = options(f"--dask_client_address={address}", "--dask_partition_size=7")
        with dask_cluster.running(given, None):
            assert given.view_as(DaskOptions).npartitions is None


@pytest.mark.thorough
def test_processes_that_are_started_for_it_write_the_same_shards(inputs, plain, tmp_path):
    given = [f"--input={name}" for name in inputs]
    process = start(*given, f"--output_dir={tmp_path}", "--num_workers=2", "--num_shards=3")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, SAID)
    assert contents(tmp_path) == plain[3]
    assert out.startswith("32 files found, 26 kept, 6 skipped\n")
    wait_until(lambda: not processes_of(process.pid), "a process outlives the conversion")


def fail(number: int) -> None:
    raise OSError(28, "No space left on device", f"/some/disk/{number}")


@pytest.mark.slow
def test_what_fails_in_a_worker_is_one_line():
    pipeline = beam_runner.prepare("DaskRunner", [])
    with dask_cluster.running(pipeline.options, 1):
        _ = pipeline | apache_beam.Create([1]) | apache_beam.Map(fail)
        with pytest.raises(ValueError, match=r"^the run with Beam failed: .*No space left on device") as error:
            beam_runner.run(pipeline)
    assert "\n" not in str(error.value)


@pytest.mark.thorough
def test_interrupted_it_leaves_the_old_output_and_no_process(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    process = start("--input=starter", f"--output_dir={tmp_path}", "--num_workers=2")
    assert process.stderr.readline() == "90 files are converted by Beam's DaskRunner\n"
    time.sleep(2)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (cli.INTERRUPTED, "", "interrupted\n")
    assert contents(tmp_path) == {"notes.txt": b"mine"}
    wait_until(lambda: not processes_of(process.pid), "a process outlives the one that was interrupted")


@pytest.mark.slow
def test_a_cluster_survives_a_worker_and_writes_the_same(inputs, plain, tmp_path):
    """One of its two workers is killed while it converts; its work is done again."""
    with cluster(tmp_path, 2, PYTHONPATH=str(ROOT)) as address:
        given = [f"--input={name}" for name in inputs]
        out_dir = tmp_path / "out"
        process = start(*given, f"--output_dir={out_dir}", f"--dask_client_address={address}", "--num_shards=3")
        assert process.stderr.readline() == SAID
        wait_until((out_dir / ".partial" / ".parts" / "sources").exists, "no work begins")
        with distributed.Client(address, set_as_default=False) as client:
            pids = client.run(os.getpid)
            os.kill(min(pids.values()), signal.SIGKILL)
        _, err = process.communicate(timeout=300)
        assert (process.returncode, err) == (0, "")
        assert contents(out_dir) == plain[3]


@pytest.mark.thorough
def test_a_cluster_without_the_project_is_one_line(inputs, tmp_path):
    with cluster(tmp_path, 1, PYTHONPATH="") as address:
        process = start(f"--input={inputs[0]}", f"--output_dir={tmp_path / 'out'}", f"--dask_client_address={address}")
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (cli.FAILED, "")
    assert re.fullmatch(r"error: .*: the Dask scheduler cannot import this project \(.*\);[^\n]*PYTHONPATH=.*\n", err)
