"""Stages as processes: what comes through, how they end, and that none works before its turn."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from pipelines import cli, stages

PROJECT_DIR = pathlib.Path(__file__).resolve().parents[2]
FLOW = "import sys; sys.path.insert(0, sys.argv[1]); from pipelines import stages; stages.run(['sample'], ['render'])"


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """Lets a test write stages, as modules that stand where ours would."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines").mkdir()

    def write(text: str, name: str = "sample") -> list[str]:
        (tmp_path / "pipelines" / f"{name}.py").write_text(text)
        return [name]

    return write


@pytest.fixture
def waiting(stage, tmp_path):
    """Lets a test write a stage that waits for its turn, then does what it is told."""
    # The project's package is hidden by the test's.
    (tmp_path / "waits.py").write_text((PROJECT_DIR / "pipelines" / "stages.py").read_text())

    def write(name: str, then: str = "") -> list[str]:
        return stage(
            "import os, pathlib, waits\n"
            f"pathlib.Path('{name} is there').touch()\n"
            f"waits.await_turn(lambda: os.write(1, b'{name} prepares\\n'))\n"
            f"os.write(1, b'{name} works\\n')\n{then}",
            name,
        )

    return write


def wait_for(*names: str) -> str:
    """Returns what a stage does to wait until others are there, which it is started before."""
    files = [f"{name} is there" for name in names]
    return f"import os, time\nwhile not all(map(os.path.exists, {files})): time.sleep(0.01)\n"


def start_flow() -> subprocess.Popen:
    """Starts the stages `sample` and `render`, in a session of their own."""
    return subprocess.Popen(
        [sys.executable, "-c", FLOW, str(PROJECT_DIR)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_messages_flags_and_folder_come_through(stage, tmp_path, capfd):
    stages.run([*stage("import os, sys; print(os.getcwd(), sys.argv[1:])"), "--a=b c", "d"])
    assert capfd.readouterr().out == f"{tmp_path} ['--a=b c', 'd']\n"


def test_later_ones_prepare_meanwhile_and_work_in_order(stage, waiting, capfd):
    first = stage(wait_for("render", "report") + "time.sleep(0.5); os.write(1, b'sample works\\n')\n")
    stages.run(first, waiting("render"), waiting("report"))
    said = capfd.readouterr().out.splitlines()
    assert sorted(said[:2]) == ["render prepares", "report prepares"]
    assert said[2:] == ["sample works", "render works", "report works"]


def test_a_stage_that_is_started_by_itself_works_at_once(waiting, capfd):
    stages.run(waiting("render"))
    assert capfd.readouterr().out == "render works\n"


def test_processes_that_a_stage_starts_wait_for_nothing(stage, waiting, capfd):
    waiting("report")
    then = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'pipelines.report'], check=True)\n"
    stages.run(stage(""), waiting("render", then))
    assert capfd.readouterr().out == "render prepares\nrender works\nreport works\n"


def test_what_cannot_be_prepared_is_left_to_the_stage_to_say(monkeypatch):
    def prepare():
        raise OSError("a library is missing")

    monkeypatch.setenv("PIPELINES_STAGE_AWAITS_ITS_TURN", "1")
    monkeypatch.setattr(sys.stdin, "readline", lambda: "\n")
    before = signal.getsignal(signal.SIGINT)
    stages.await_turn(prepare)
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("failing", [0, 1])
def test_its_status_is_the_scripts_and_what_comes_after_ends_unseen(stage, waiting, capfd, failing):
    first = stage(wait_for("render", "report") + f"raise SystemExit({7 * (failing == 0)})\n")
    with pytest.raises(SystemExit) as error:
        stages.run(first, waiting("render", "raise SystemExit(7)\n"), waiting("report"))
    assert error.value.code == 7
    assert "report works" not in capfd.readouterr().out


def test_of_one_that_ends_before_its_turn_the_last_line_speaks(stage, capfd):
    early = stage("import sys; print('error: no such flag', file=sys.stderr); sys.exit(2)\n", "render")
    with pytest.raises(SystemExit) as error:
        stages.run(stage("import time; time.sleep(1); print('made')"), early)
    assert error.value.code == cli.USAGE
    said = "error: no such flag\nerror: pipelines.render could not begin; it has said above why\n"
    assert capfd.readouterr() == ("made\n", said)


def test_a_stage_that_crashes_is_named(stage, capfd):
    with pytest.raises(SystemExit) as error:
        stages.run(stage("import os; os.kill(os.getpid(), 11)"))
    assert error.value.code == 128 + signal.SIGSEGV
    assert "pipelines.sample was ended by SIGSEGV" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_stage_end_in_its_own_way_and_those_after_it_unseen(stage, waiting, tmp_path, number):
    stage(
        wait_for("render") + "import signal, sys\n"
        "def stop(*_): time.sleep(0.5); print('saved', flush=True); sys.exit(130)\n"
        "for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, stop)\n"
        "os.write(1, b'ready\\n'); time.sleep(30)\n"
    )
    waiting("render")
    process = start_flow()
    assert {process.stdout.readline() for _ in range(2)} == {"ready\n", "render prepares\n"}
    if number == signal.SIGINT:  # As a terminal sends it, to all of them.
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    assert process.communicate(timeout=20)[0] == "saved\n"
    assert process.returncode == 130


def test_ctrl_c_reaches_a_later_stage_at_its_turn(stage, waiting, tmp_path):
    stage("")
    then = "import time\ntry: print('sleeps', flush=True); time.sleep(30)\nexcept KeyboardInterrupt: print('woken')\n"
    waiting("render", then)
    process = start_flow()
    assert [process.stdout.readline() for _ in range(3)] == ["render prepares\n", "render works\n", "sleeps\n"]
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=20)[0] == "woken\n"
    assert process.returncode == 0


def test_nobody_waits_for_a_flow_that_was_killed(stage, waiting, tmp_path):
    stage(wait_for("render") + "os.write(1, b'%d\\n' % os.getpid()); time.sleep(30)\n")
    waiting("render")
    process = start_flow()
    lines = {process.stdout.readline() for _ in range(2)} - {"render prepares\n"}
    process.kill()
    os.kill(int(lines.pop()), signal.SIGKILL)
    assert process.communicate(timeout=20)[0] == ""  # Both of its children have closed their end.
