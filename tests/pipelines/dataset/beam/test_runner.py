"""The conversion with Apache Beam: the same files as without, byte for byte, and clear ends where something fails."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest

if importlib.util.find_spec("apache_beam") is None and not os.environ.get("CI"):
    pytest.skip("Apache Beam is not installed; ./run_tests.sh installs it", allow_module_level=True)

from apache_beam.options.pipeline_options import DirectOptions

from grooves import drum_map_file
from pipelines import cli
from pipelines.dataset import conversion
from pipelines.dataset.beam import parts
from pipelines.dataset.beam import runner as beam_runner
from pipelines.dataset.performance import Options
from tests import midi_files
from tests.beam_files import on_disk
from tests.conversions import ROOT, contents

TWO_PROCESSES = ("--runner=DirectRunner", "--direct_num_workers", "2", "--direct_running_mode=multi_processing")


def start(*arguments: str | pathlib.Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "pipelines.convert", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, **pipes)


def run(*arguments: str | pathlib.Path) -> tuple[int, str, list[str]]:
    """Runs a conversion to its end. Returns its exit status, what it printed, and the lines on stderr."""
    process = start(*arguments)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err.splitlines()


def test_in_this_process_it_writes_the_same_files(inputs, plain, tmp_path, capfd):
    report = beam_runner.convert(inputs, tmp_path, "direct")
    assert contents(tmp_path) == plain[1]
    assert len([reason for reason in report["skipped"].values() if reason.startswith("unreadable")]) == 3
    assert (report["files_kept"], report["files_skipped"]) == (26, 6)
    assert report["by_drum_map"] == {"roland": {"files": 26, "windows": sum(report["windows"].values())}}
    assert capfd.readouterr().err == "32 files are converted by Beam's direct\n"


def test_two_processes_write_the_same_shards(inputs, plain, tmp_path):
    given = [f"--input={name}" for name in inputs]
    status, out, err = run(*given, f"--output_dir={tmp_path}", *TWO_PROCESSES, "--num_shards=3")
    assert (status, err) == (0, ["32 files are converted by Beam's DirectRunner"])
    assert contents(tmp_path) == plain[3]
    assert out.startswith("32 files found, 26 kept, 6 skipped\n")
    assert f"written to {tmp_path}; " in out


@pytest.mark.parametrize("drum_channel", [1, pytest.param("all", marks=pytest.mark.thorough)])
def test_drums_of_another_channel_and_map_are_the_same(inputs, tmp_path, drum_channel):
    (tmp_path / "kit.txt").write_text("36: ride\n38: kick\n22: crash\n")
    options = Options(drum_map_file.read(tmp_path / "kit.txt"), drum_channel=drum_channel)
    for options_of_run in (options, dataclasses.replace(options, drum_map=None)):
        conversion.convert(
            inputs, tmp_path / "plain", options=options_of_run, num_workers=1, num_shards=2, overwrite=True
        )
        beam_runner.convert(inputs, tmp_path / "beam", "direct", options=options_of_run, num_shards=2, overwrite=True)
        assert contents(tmp_path / "beam") == contents(tmp_path / "plain")


def test_processes_of_beam_need_no_file_of_the_drum_map(inputs, tmp_path):
    (tmp_path / "kit.txt").write_text("36: ride\n38: kick\n42: crash\n")
    flags = [*(f"--input={name}" for name in inputs), f"--drum_map={tmp_path / 'kit.txt'}", "--drum_channel=all"]
    options = Options(drum_map_file.read(tmp_path / "kit.txt"), drum_channel="all")
    conversion.convert(inputs, tmp_path / "plain", options=options, num_workers=1)
    status, _, err = run(*flags, f"--output_dir={tmp_path / 'beam'}", *TWO_PROCESSES)
    assert (status, err) == (0, ["32 files are converted by Beam's DirectRunner"])
    assert contents(tmp_path / "beam") == contents(tmp_path / "plain")


def test_flags_reach_beam():
    options = beam_runner.prepare("DirectRunner", ["--direct_num_workers", "2", "--job_name=drums"]).options
    assert options.view_as(DirectOptions).direct_num_workers == 2
    assert options.get_all_options()["job_name"] == "drums"


def test_a_number_of_workers_is_asked_for_in_the_runners_way():
    assert beam_runner._worker_flags("direct", 3) == [
        "--direct_num_workers=3",
        "--direct_running_mode=multi_processing",
    ]
    assert beam_runner._worker_flags("DataflowRunner", 3) == ["--num_workers=3"]
    assert beam_runner._worker_flags("DirectRunner", None) == []


def test_other_runners_get_flags_that_beam_itself_does_not_know(capsys):
    options = beam_runner.parse_flags("SparkRunner", ["--of_its_server=2"])
    assert options.get_all_options(retain_unknown_options=True)["of_its_server"] == "2"
    assert capsys.readouterr().err == "given to SparkRunner unchecked: --of_its_server=2\n"


@pytest.mark.parametrize(
    ("runner", "flags", "expected"),
    [
        ("Nope", [], "--runner=Nope: Unexpected pipeline runner: Nope. Valid values are "),
        ("no.such.Runner", [], "--runner=no.such.Runner: No module named 'no'"),
        ("DirectRunner", ["--direct_num_workers=x"], "argument --direct_num_workers: invalid int value: 'x'"),
        ("DirectRunner", ["stray"], "stray is neither a flag of the conversion nor one of Beam's"),
        ("direct", ["--direct_num_wokers=2"], "--direct_num_wokers=2 is neither a flag of the conversion nor one of"),
        ("direct", ["--direct_num_wokers=2"], "; did you mean --direct_num_workers"),
    ],
)
def test_what_beam_does_not_take_is_one_line(inputs, tmp_path, capfd, runner, flags, expected):
    with pytest.raises(ValueError, match=re.escape(expected)) as error:
        beam_runner.convert(inputs, tmp_path / "out", runner, flags)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / "out").exists()


def test_without_beam_it_is_said_how_to_install_it(inputs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    expected = "--runner=DirectRunner needs Apache Beam, which is not installed: " + beam_runner.INSTALL
    with pytest.raises(ValueError, match=re.escape(expected)):
        beam_runner.convert(inputs, tmp_path, "DirectRunner")
    assert "--no-deps -r requirements-beam.txt" in beam_runner.INSTALL


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (["--runner=DirectRunner", "--abc=1"], cli.FAILED, "--abc=1 is neither a flag of the conversion nor one of"),
        (["--abc=1"], cli.USAGE, "Unknown command line flag 'abc'"),
        (["--runner="], cli.FAILED, "--runner=: Unexpected pipeline runner"),
    ],
)
def test_flags_are_beams_only_where_there_is_a_runner(inputs, tmp_path, arguments, status, expected):
    ended, out, err = run(f"--input={inputs[0]}", f"--output_dir={tmp_path / 'out'}", *arguments)
    assert (ended, out) == (status, "")
    assert err[0].startswith(f"error: {expected}")


def test_a_failing_worker_is_named_and_the_old_output_stays(inputs, tmp_path, monkeypatch):
    (tmp_path / "train.tfrecord").write_bytes(b"old")

    def fail(*_):
        raise OSError(28, "No space left on device", "/some/disk")

    monkeypatch.setattr(parts.tfrecords, "write", fail)
    with pytest.raises(ValueError, match=r"the run with Beam failed: OSError: .*No space left on device") as error:
        beam_runner.convert(inputs, tmp_path, "DirectRunner", overwrite=True)
    assert "\n" not in str(error.value)
    assert "while running" not in str(error.value)
    assert contents(tmp_path) == {"train.tfrecord": b"old"}
    assert cli.explain(error.value).startswith("the disk is full")


def test_python_may_lie_below_a_folder_with_a_space(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/a b/python")
    with beam_runner._quoted_python():
        command = f"{sys.executable} -m module"
    assert shlex.split(command) == ["/a b/python", "-m", "module"]
    assert sys.executable == "/a b/python"


def test_nothing_usable_is_said_as_without_beam(tmp_path):
    midi_files.write(tmp_path / "in" / "short.mid", midi_files.groove(2))
    said = []
    for convert in (conversion.convert, lambda *given: beam_runner.convert(*given, "DirectRunner")):
        with pytest.raises(ValueError) as error:
            convert(str(tmp_path / "in"), tmp_path / "out")
        said.append(str(error.value))
    assert said[0] == said[1]
    assert not (tmp_path / "out").exists()


def test_interrupted_it_leaves_the_old_output_and_no_process(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    process = start("--input=starter", f"--output_dir={tmp_path}", *TWO_PROCESSES)
    assert process.stderr.readline() == "90 files are converted by Beam's DirectRunner\n"
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (cli.INTERRUPTED, "", "interrupted\n")
    assert contents(tmp_path) == {"notes.txt": b"mine"}
    give_up = time.monotonic() + 20
    while not is_gone(process.pid):
        assert time.monotonic() < give_up, "a process outlives the one that was interrupted"
        time.sleep(0.2)


def test_a_process_that_does_not_hear_of_the_end_is_killed():
    """The local runner waits for each of its processes, also for one that starts while all end."""
    program = (
        "import os, signal, subprocess\n"
        "from pipelines.dataset.beam import runner\n"
        "runner._END_SECS = 0.5\n"
        "with runner._ending_when_interrupted():\n"
        "    child = subprocess.Popen('sleep 600', shell=True)\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    except KeyboardInterrupt:\n"
        "        print(child.wait(), signal.getsignal(signal.SIGINT).__qualname__)\n"
        "print(signal.getsignal(signal.SIGINT).__qualname__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.splitlines() == [
        f"-{int(signal.SIGKILL)} _ending_when_interrupted.<locals>.interrupt",
        "default_int_handler",
    ]


def is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_remote_folder_is_read_and_written_as_a_local_one(remote, folder_alone):
    report, written = folder_alone
    remote_report = beam_runner.convert(f"{remote}/grooves", f"{remote}/out", "DirectRunner", num_shards=30)
    there = contents(on_disk(f"{remote}/out"))
    assert json.loads(there.pop("report.json")) == remote_report
    assert there.pop("report.html")
    assert there == {name: content for name, content in written.items() if not name.startswith("report.")}
    of_the_place = {name: remote_report[name] for name in ("input", "settings")}
    assert remote_report == report | of_the_place
    assert report["listed_but_missing"] == ["b/gone.mid"]


def test_an_unknown_kind_of_url_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="Unable to get filesystem from specified path"):
        beam_runner.convert("nope://bucket/midi", tmp_path / "out", "DirectRunner")


@pytest.mark.thorough
def test_groove_is_the_same_with_two_processes(groove_zip, tmp_path):
    conversion.convert(str(groove_zip), tmp_path / "plain", num_shards=3)
    status, _, _ = run(f"--input={groove_zip}", f"--output_dir={tmp_path / 'beam'}", *TWO_PROCESSES, "--num_shards=3")
    assert status == 0
    assert contents(tmp_path / "beam") == contents(tmp_path / "plain")


@pytest.mark.slow
def test_a_job_server_runs_it(inputs, plain, tmp_path):
    """As Flink's and Spark's do; here Beam's own one."""
    command = [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main", "--port=0"]
    port_path = tmp_path / "port"
    server = subprocess.Popen([*command, f"--port_file={port_path}"], stderr=subprocess.DEVNULL)
    try:
        give_up = time.monotonic() + 60
        while not (port_path.exists() and port_path.read_text()):
            assert time.monotonic() < give_up, "the job server does not start"
            time.sleep(0.2)
        flags = [f"--job_endpoint=localhost:{port_path.read_text()}", "--environment_type=LOOPBACK"]
        beam_runner.convert(inputs, tmp_path / "out", "PortableRunner", flags)
    finally:
        server.terminate()
        server.wait()
    assert contents(tmp_path / "out") == plain[1]
