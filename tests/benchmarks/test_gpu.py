"""What is seen on a machine with a GPU: stages that fail and go on, what is told of them, and a rehearsal of it all."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from benchmarks import gpu, gpu_checks, gpu_report, limited, nvidia_smi
from models.magenta import tf

EXAMPLES = "train.tfrecord"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_command_ends_in_time_and_may_tidy_up(tmp_path):
    code = """
import signal, sys, time
def stop(*_):
    print("written")
    sys.exit(3)
signal.signal(signal.SIGINT, stop)
print("begun", flush=True)
time.sleep(60)
"""
    ended = limited.run(python(code), tmp_path / "log.txt", limit_secs=2)
    assert (ended.status, ended.is_late) == (3, True)
    assert 2 <= ended.secs < 20
    assert (tmp_path / "log.txt").read_text() == "begun\nwritten\n"


def test_a_command_that_does_not_listen_is_killed_with_what_it_has_started(tmp_path, monkeypatch):
    monkeypatch.setattr(limited, "GRACE_SECS", 0.5)
    code = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""
    ended = limited.run(python(code), tmp_path / "log.txt", limit_secs=2)
    assert (ended.status, ended.is_late) == (-signal.SIGKILL, True)
    child, deadline = int((tmp_path / "log.txt").read_text()), time.monotonic() + 10
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(child)


def is_running(process: int) -> bool:
    try:
        stat = pathlib.Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_a_commands_variables_and_failure_are_told(tmp_path):
    ended = limited.run(python("import os; raise SystemExit(os.environ['A'])"), tmp_path / "log.txt", 60, {"A": "b"})
    assert (ended.status, ended.is_late) == (1, False)
    assert (tmp_path / "log.txt").read_text() == "b\n"


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """Puts a program in the place of `nvidia-smi`: a function of the shell script that it is."""

    def install(script: str) -> None:
        path = tmp_path / "bin" / "nvidia-smi"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")

    return install


def test_a_card_is_what_nvidia_smi_says(smi):
    smi(
        'case "$1" in *name*) echo "NVIDIA H200, 580.159, 9.0, 143771, 700.00" ;;'
        ' *) echo "41, 2048"; echo "42, [N/A]" ;; esac'
    )
    assert nvidia_smi.card() == {
        "name": "NVIDIA H200",
        "driver_version": "580.159",
        "compute_cap": "9.0",
        "memory.total": "143771",
        "power.limit": "700.00",
    }
    assert nvidia_smi.memory_by_process() == {41: 2048.0}


@pytest.mark.parametrize(
    ("script", "message"),
    [("echo 'No devices were found'; exit 6", "nvidia-smi failed: No devices were found"), ("true", "names no GPU")],
)
def test_what_nvidia_smi_cannot_say_is_an_error(smi, script, message):
    smi(script)
    with pytest.raises(OSError, match=message):
        nvidia_smi.card()


def test_a_machine_without_nvidia_smi_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OSError, match="nvidia-smi is not there"):
        nvidia_smi.card()
    with nvidia_smi.watched() as usage:
        pass
    assert usage == nvidia_smi.Usage(None, None)


def test_usage_is_the_most_memory_and_the_mean_of_what_is_busy(smi, monkeypatch, tmp_path):
    monkeypatch.setattr(nvidia_smi, "SAMPLE_EVERY_SECS", 0.01)
    count = tmp_path / "count"
    smi(f'echo x >> {count}; n=$(wc -l < {count}); if [ $n = 2 ]; then echo "900, 100"; else echo "100, 0"; fi')
    with nvidia_smi.watched() as usage:
        while not count.exists() or count.read_text().count("x") < 3:
            time.sleep(0.02)
    assert usage.peak_mib == 900
    assert 0 < usage.busy_percent < 100


def metadata(devices: dict[str, list[tuple[str, int, int]]]) -> tf.RunMetadata:
    """Returns a trace of kernels by device: a name, when it began and how long it took, in microseconds."""
    found = tf.RunMetadata()
    for device, kernels in devices.items():
        of_device = found.step_stats.dev_stats.add(device=device)
        for name, start, micros in kernels:
            of_device.node_stats.add(
                node_name=name, timeline_label=f"n = {name}(x)", all_start_micros=start, op_end_rel_micros=micros
            )
    return found


def test_a_profile_is_of_the_gpus_streams():
    """Kernels that overlap are busy once; the host's operations, and streams that are in another, do not count."""
    kernels = [("gemm", 100, 50), ("gemm", 120, 60), ("gates", 280, 20)]
    traced = metadata({"/gpu:0": [("MatMul", 0, 9)], "/gpu:0/stream:14": kernels, "/gpu:0/stream:all": kernels})
    found = gpu_checks.summarize(gpu_checks.kernels_of(traced))
    assert found["seen_on"] == "GPU"
    assert (found["num_kernels"], found["step_ms"], found["busy_share"]) == (3, 0.2, 0.5)
    assert found["kernels"][0] == {"name": "n = gemm(x)", "count": 2, "ms": 0.11}


def test_without_streams_a_profile_is_of_operations():
    found = gpu_checks.summarize(gpu_checks.kernels_of(metadata({"/cpu:0": [("MatMul", 0, 9)]})))
    assert (found["seen_on"], found["kernels"]) == ("CPU", [{"name": "MatMul", "count": 1, "ms": 0.009}])
    assert gpu_checks.summarize(("GPU", [])) == {"seen_on": "GPU", "num_kernels": 0}


@pytest.fixture
def session(tmp_path):
    plan = gpu.Plan(EXAMPLES, EXAMPLES, tmp_path, secs=100, rehearses=True, environment={})
    return gpu.Session(plan, gpu_report.Report(tmp_path, "python -m benchmarks.gpu", "2026-01-01", True))


def read(folder) -> list[dict]:
    return json.loads((folder / "gpu.json").read_text())["stages"]


def test_a_stage_that_fails_is_written_down_and_the_next_goes_on(session, tmp_path, capsys):
    def fail(step):
        step.stage.found["seen"] = 1
        step.run("it", python("raise SystemExit('spoilt')"))

    session.stage("first", 0.5, fail)
    assert session.stage("second", 0.5, lambda step: {"a": 2}) == {"a": 2}
    first, second = read(tmp_path)
    assert (first["status"], first["reason"]) == ("failed", "failed with status 1: spoilt")
    assert first["found"] == {"seen": 1}
    assert second["status"] == "done"
    text = (tmp_path / "gpu.md").read_text()
    assert "## First\n\nFailed after 0 of 50 s: failed with status 1: spoilt.\n\n* seen: 1\n" in text
    assert "second" in capsys.readouterr().out


def test_a_stage_that_takes_too_long_is_written_down_as_such(session, tmp_path, monkeypatch):
    monkeypatch.setattr(limited, "GRACE_SECS", 0.5)
    session.stage("slow", 0.02, lambda step: step.run("slow", python("import time; time.sleep(60)")))
    session.stage("none", 0.0, lambda step: step.run("none", python("1")))
    slow, none = read(tmp_path)
    assert (slow["status"], none["status"]) == ("out of time", "out of time")
    assert slow["reason"].startswith("ended after 2 s; slow.txt has what it said")
    assert none["reason"] == "no time was left"


def test_what_was_interrupted_leaves_what_was_seen(session, tmp_path):
    def interrupt(step):
        step.stage.found["seen"] = 1
        assert read(tmp_path)[0]["status"] == "running"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.stage("it", 0.5, interrupt)
    (stage,) = read(tmp_path)
    assert (stage["status"], stage["reason"], stage["found"]) == ("failed", "interrupted", {"seen": 1})


def test_what_goes_on_until_its_time_is_up_has_not_failed(session, tmp_path, monkeypatch):
    monkeypatch.setattr(limited, "GRACE_SECS", 0.5)
    endless = python("import time; time.sleep(60)")
    session.stage("it", 0.5, lambda step: step.run("it", endless, limit_secs=1, ends_late=True) or {})
    assert read(tmp_path)[0]["status"] == "done"


@pytest.mark.parametrize(
    ("open_mib", "verdict"), [(143_000.0, "**It took everything.**"), (900.0, "It takes what it needs.")]
)
def test_the_report_says_whether_all_memory_was_taken(open_mib, verdict, smi):
    before, opened = ({"used_mib": mib, "total_mib": 143_771.0} for mib in (5.0, open_mib))
    found = gpu_checks.judged(before, opened)
    stage = gpu_report.Stage("growth", 45, gpu_report.DONE, 3.2, found=found, peak_mib=open_mib, busy_percent=1.0)
    text = "\n".join(gpu_report.Report(None, "it", "today", stages=[stage]).lines())
    assert verdict in text
    assert f"Done after 3 of 45 s. At most {open_mib:,.0f} MiB of the GPU in use; busy 1 % of the time." in text


def test_the_report_has_a_line_for_each_config_that_was_compared():
    found = {
        "without TF32": {"a": {"loss": 1e-7, "gradients": 2e-6}, "b": {"loss": 0.0, "gradients": 3e-7}},
        "with TF32": {"a": {"loss": 1e-4, "gradients": 2e-3}},
    }
    stage = gpu_report.Stage("exactness", 9, gpu_report.LATE, 9.0, reason="ended", found=found)
    lines = gpu_report.Report(None, "it", "today", stages=[stage]).lines()
    assert "Out of time after 9 of 9 s: ended." in lines
    assert lines[-2:] == ["| `a` | 1.0e-07 | 2.0e-06 | 1.0e-04 | 2.0e-03 |", "| `b` | 0.0e+00 | 3.0e-07 |  |  |"]


def test_what_a_run_has_learnt_is_its_best_validation(tmp_path):
    rows = [
        {"split": "train", "step": 10, "secs": 2.0, "loss": 400.0},
        {"split": "validation", "step": 10, "secs": 2.5, "loss": 300.0},
        {"split": "validation", "step": 20, "secs": 5.0, "loss": 350.0},
        {"split": "train", "step": 20, "secs": 5.0, "loss": 200.0},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = gpu.learnt(tmp_path)
    assert (found["steps"], found["loss"], found["best"]["loss"]) == (20, 200.0, 300.0)
    with pytest.raises(ValueError, match="no step was taken"):
        gpu.learnt(tmp_path / "none")


def test_a_pace_is_that_after_the_first_steps():
    rows = [
        {"split": "train", "step": step, "secs": secs, "loss": 9.0 - step} for step, secs in ((1, 5), (10, 6), (20, 8))
    ]
    rows.insert(2, {"split": "validation", "step": 15, "secs": 7, "loss": 1.0})
    assert gpu.pace(rows, batch_size=4) == {"examples_per_sec": 20, "step": 20, "loss": -11.0}


@pytest.mark.parametrize(("num_gpus", "is_done"), [(1, False), (2, True)])
def test_several_gpus_are_seen_where_there_are_several(num_gpus, is_done, tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "devices", lambda step: {"num_gpus": num_gpus})
    monkeypatch.setattr(gpu, "several_gpus", lambda step: {})
    for work in ("growth", "exactness", "generate", "train", "export"):
        monkeypatch.setattr(gpu, work, lambda step: {})
    for work in ("beside_magenta", "profile"):
        monkeypatch.setattr(gpu, work, lambda config: lambda step: {})
    plan = gpu.Plan(EXAMPLES, EXAMPLES, tmp_path, secs=100, rehearses=False, environment={})
    gpu.see(plan, gpu_report.Report(tmp_path, "it", "today"))
    assert ("several GPUs" in [stage["name"] for stage in read(tmp_path)]) == is_done


def test_where_nccl_does_not_work_copies_are_measured(tmp_path, monkeypatch):
    plan = gpu.Plan(EXAMPLES, EXAMPLES, tmp_path, secs=100, rehearses=False, environment={}, num_gpus=2)
    step = gpu.Step(plan, gpu_report.Stage("several GPUs", 100), time.monotonic() + 100)

    def run_all_but_nccl(label, command):
        if label == "all reduce":
            raise ValueError("no answer within 60 s")
        assert command[-1] in ("--num_gpus=1", "--all_reduce_alg=copy")

    monkeypatch.setattr(step, "run", run_all_but_nccl)
    monkeypatch.setattr(gpu, "pace", lambda rows, batch_size: {"loss": 1.0})
    assert gpu.several_gpus(step) == {}
    assert step.stage.found == {"adding_up": "no answer within 60 s", "one": {"loss": 1.0}, "copy": {"loss": 1.0}}


@pytest.mark.parametrize(
    ("rehearses", "way", "expected"),
    [
        (False, "", ["--num_gpus=3"]),
        (False, "nccl", ["--all_reduce_alg=nccl"]),
        (True, "", ["--num_cpu_devices=2"]),
        (True, "ring", ["--num_cpu_devices=2", "--all_reduce_alg=ring"]),
    ],
)
def test_all_devices_are_the_gpus_or_two_of_the_cpu(rehearses, way, expected, tmp_path):
    assert gpu._all_devices(gpu.Plan("", "", tmp_path, 1, rehearses, {}, num_gpus=3), way) == expected


def run(*arguments: str) -> subprocess.CompletedProcess:
    program = [sys.executable, "-m", "benchmarks.gpu", *arguments]
    return subprocess.run(program, capture_output=True, text=True, check=False)


def test_a_machine_without_a_gpu_is_told_in_a_line(tmp_path):
    done = run(f"--examples={EXAMPLES}", f"--out={tmp_path / 'out'}", "--devices=cpu")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: no GPU: CPU, ")
    assert line.endswith("nothing was measured. --rehearse does all of it small, on a CPU")
    assert "no GPU: CPU" in (tmp_path / "out" / "gpu.md").read_text()
    again = run(f"--examples={EXAMPLES}", f"--out={tmp_path / 'out'}", "--devices=cpu")
    assert again.returncode == 1
    assert "has a gpu.json already; give another --out" in again.stderr


@pytest.mark.thorough
def test_all_of_it_is_rehearsed_on_a_cpu(starter_records, tmp_path):
    done = run(
        f"--examples={starter_records / 'train.tfrecord'}", f"--out={tmp_path / 'a b'}", "--devices=cpu", "--rehearse"
    )
    assert done.returncode == 0, done.stderr
    stages = {stage["name"]: stage for stage in read(tmp_path / "a b")}
    assert {name: stage["reason"] for name, stage in stages.items() if stage["status"] != "done"} == {}
    for of in stages["exactness"]["found"].values():
        assert set(of) == set(gpu.MEASURED)
        assert all(each["loss"] < 1e-5 and each["gradients"] < 1e-3 for each in of.values())
    several = stages["several GPUs"]["found"]
    assert several["adding_up"].startswith("ring ")
    assert several["copy"]["loss"] == pytest.approx(several["one"]["loss"], rel=1e-5)
    assert several["ring"]["loss"] == pytest.approx(several["one"]["loss"], rel=1e-5)
    assert stages["generate"]["found"]["files"] == {"mid": 1, "wav": 1}
    assert stages["training"]["found"]["steps"] == 4
    assert "model.tar" in stages["export"]["found"]["files"]
    text = (tmp_path / "a b" / "gpu.md").read_text()
    assert "Not to be seen: nvidia-smi" in text or "MiB while an input pipeline" in text
    assert text.count("\n## ") == len(stages) == 11
