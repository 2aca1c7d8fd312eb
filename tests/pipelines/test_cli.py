"""The command line: what it says when it is not understood or something fails, and with which status it ends."""

from __future__ import annotations

import errno
import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import pytest

from pipelines import cli

ROOT = pathlib.Path(__file__).resolve().parents[2]

SCRIPT = """
import sys
sys.path.insert(0, {root!r})
from absl import flags
from pipelines import cli

def define_flags():
    flags.DEFINE_string("run_dir", None, "Folder of the run.", required=True)
    flags.DEFINE_integer("num_steps", 5, "Steps to train.", lower_bound=1)
    flags.DEFINE_string("runner", None, "What has flags of its own.")

def main(*rest):
{main}

cli.run(main, define_flags, {passes_on!r})
"""


@pytest.fixture
def start(tmp_path):
    """Returns a function that starts a program with this body of `main` and these flags."""

    def start(*arguments: str, main: str, passes_on: str = "") -> subprocess.Popen:
        script = tmp_path / "program.py"
        script.write_text(SCRIPT.format(root=str(ROOT), main=textwrap.indent(main, "    "), passes_on=passes_on))
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([sys.executable, script, *arguments], **pipes)

    return start


@pytest.fixture
def program(start):
    """Returns a function that runs such a program to its end."""

    def run(
        *arguments: str, main: str = "print('done', flags.FLAGS.run_dir)", passes_on: str = ""
    ) -> subprocess.CompletedProcess:
        process = start(*arguments, main=main, passes_on=passes_on)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


class ResourceExhaustedError(Exception):
    """Named as TensorFlow's."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("no such config; known: a, b"), "no such config; known: a, b"),
        (OSError("plain"), "plain"),
        (ValueError(), "ValueError"),
        (FileNotFoundError("no examples"), "no examples"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/a/b"), "/a/b: No such file; check the path"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/a"),
            "/a: Permission denied; give another path, or change its permissions",
        ),
        (
            NotADirectoryError(errno.ENOTDIR, "Not a directory", "/a/b"),
            "/a/b: Not a directory; a part of this path is a file; give another path",
        ),
        (OSError(errno.EIO, "Input/output error", "/a"), "/a: Input/output error"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/a"),
            "the disk is full ([Errno 28] No space left on device: '/a'); free some space and run the command again",
        ),
        (
            ResourceExhaustedError("/a/train.tfrecord; No space left on device"),
            "the disk is full (/a/train.tfrecord; No space left on device); free some space and run the command again",
        ),
        (ResourceExhaustedError("OOM when allocating\nmuch more"), cli.explain(MemoryError())),
        (MemoryError(), "out of memory; a smaller batch needs less: --hparams=batch_size=64"),
        (
            RuntimeError("first line\nsecond line"),
            "unexpected RuntimeError: first line\n  --verbosity=1 shows where it happened",
        ),
        (KeyError(), "unexpected KeyError: no further message\n  --verbosity=1 shows where it happened"),
    ],
)
def test_explain(error, expected):
    assert cli.explain(error) == expected


def test_status_and_output_of_what_works(program):
    ended = program("--run_dir=a b")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done a b\n", "")


def test_status_is_what_main_returns(program):
    assert program("--run_dir=a", main="return 3").returncode == 3


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "--run_dir is missing: Folder of the run."),
        (["--run_dir=a", "--num_stepz=3"], "Unknown command line flag 'num_stepz'. Did you mean: num_steps ?"),
        (["--run_dir=a", "b", "c"], "not a flag: b c (flags are written --name=value)"),
        (["--run_dir=a", "--num_steps=0"], "flag --num_steps=0: 0 is not a positive integer"),
        (
            ["--run_dir=a", "--num_steps=x"],
            "flag --num_steps=x: invalid literal for int() with base 10: 'x'",
        ),
    ],
)
def test_usage_errors_say_what_is_wrong_and_where_help_is(program, arguments, expected):
    ended = program(*arguments)
    assert ended.returncode == cli.USAGE
    first, second, *more = ended.stderr.splitlines()
    assert first == f"error: {expected}"
    assert second.startswith("  python ")
    assert second.endswith("program.py --help lists the flags")
    assert more == []
    assert ended.stdout == ""


def test_flags_of_something_else_are_passed_on_as_they_were_given(program):
    arguments = ["--run_dir=a", "--theirs=1", "--other", "2", "--runner=x", "stray", "--num_steps=3", "--last"]
    ended = program(*arguments, main="print(*rest, flags.FLAGS.num_steps, flags.FLAGS.runner)", passes_on="runner")
    assert ended.stderr == ""
    assert ended.stdout == "['--theirs=1', '--other', '2', 'stray', '--last'] 3 x\n"


@pytest.mark.parametrize(
    ("arguments", "passes_on", "expected"),
    [
        (["--run_dir=a", "--theirs=1"], "runner", "Unknown command line flag 'theirs'"),
        (["--run_dir=a", "stray"], "runner", "not a flag: stray (flags are written --name=value)"),
        (["--run_dir=a", "--runner=x", "--theirs=1"], "", "Unknown command line flag 'theirs'"),
        (["--runner=x", "--theirs=1"], "runner", "--run_dir is missing: Folder of the run."),
        (["--run_dir=a", "--runner=x", "--num_steps=0"], "runner", "flag --num_steps=0: 0 is not a positive integer"),
    ],
)
def test_nothing_is_passed_on_without_the_flag_for_it(program, arguments, passes_on, expected):
    ended = program(*arguments, passes_on=passes_on)
    assert (ended.returncode, ended.stdout) == (cli.USAGE, "")
    assert ended.stderr.splitlines()[0] == f"error: {expected}"


def test_main_takes_what_is_left_where_there_is_nothing(program):
    assert program("--run_dir=a", main="print(*rest)", passes_on="runner").stdout == "[]\n"


def test_help_lists_the_flags_even_when_a_required_one_is_missing(program):
    ended = program("--help")
    assert "--run_dir: Folder of the run." in ended.stdout
    assert "is missing" not in ended.stderr


def test_errors_end_with_a_sentence(program):
    ended = program("--run_dir=a", main="raise ValueError('a is empty; convert something')")
    assert (ended.returncode, ended.stderr) == (cli.FAILED, "error: a is empty; convert something\n")


def test_verbosity_adds_the_traceback(program):
    ended = program("--run_dir=a", "--verbosity=1", main="raise ValueError('a is empty')")
    assert ended.returncode == cli.FAILED
    assert ended.stderr.startswith("Traceback")
    assert ended.stderr.endswith("error: a is empty\n")


def test_interrupt_ends_with_one_word(start):
    process = start("--run_dir=a", main="import time\nprint('ready', flush=True)\ntime.sleep(60)")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (cli.INTERRUPTED, "interrupted\n")


@pytest.mark.parametrize("command", ["generate", "render", "report", "workflow"])
def test_an_interrupt_while_a_command_imports_ends_without_a_word(tmp_path, command):
    (tmp_path / "numpy.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    process = subprocess.Popen(
        [sys.executable, "-m", f"pipelines.{command}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == -signal.SIGINT


def test_a_reader_that_goes_away_is_no_traceback(start):
    process = start("--run_dir=a", main="for number in range(100_000):\n    print(number)")
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.wait(timeout=30)
