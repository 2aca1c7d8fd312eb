"""The conversion with Apache Beam: on one machine or many, the same records in the same order and the same report.

    python -m pipelines.convert --input=lakh --output_dir=lakh_records --num_shards=100 \\
        --runner=DirectRunner --direct_num_workers=2 --direct_running_mode=multi_processing
    python -m pipelines.convert --input=lakh --output_dir=lakh_records --num_shards=100 \\
        --runner=DaskRunner --num_workers=4
    python -m pipelines.convert --input=gs://bucket/lakh --output_dir=gs://bucket/lakh_records --num_shards=100 \\
        --runner=FlinkRunner --flink_master=localhost:8081 --environment_type=LOOPBACK

Inputs and output are as ever, or folders of Beam's file systems (`inputs/remote_folders.py`), info.csv included. What
is named by a path lies where all workers see it under that path. Workers on other machines need this project on their
PYTHONPATH and its requirements, for instance in the image that `--environment_config` or `--sdk_container_image` names.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import importlib.util
import io
import logging
import os
import pathlib
import re
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import absl.logging
import psutil

from pipelines.dataset import conversion
from pipelines.dataset.beam import dask_cluster
from pipelines.dataset.inputs import sources
from pipelines.dataset.performance import PRELOAD, Options
from pipelines.dataset.report.tally import Tally
from pipelines.files import workers

if TYPE_CHECKING:
    import apache_beam
    from apache_beam.options.pipeline_options import PipelineOptions

INSTALL = "python -m pip install --no-deps -r requirements-beam.txt"
_SILENT = logging.CRITICAL + 1
_END_SECS = 5  # So long the local runner has to end its processes.
_ERROR_LINE = re.compile(r"(?:[\w.]*\.)?(\w*(?:Error|Exception|Interrupt)\b.*?)(?: \[while running .*)?")


def convert(
    given: str | Sequence[str],
    output_dir: str | os.PathLike[str],
    runner: str,
    beam_flags: Sequence[str] = (),
    *,
    overwrite: bool = False,
    **choices: Any,
) -> dict:
    """Converts collections of MIDI files as `conversion.convert` does, with a report and errors as there.

    Args:
        given: As there.
        output_dir: As there, or a folder of one of Beam's file systems.
        runner: One of Beam's, or the full name of a class.
        beam_flags: What Beam takes on a command line: "--name=value", or name and value apart.
        overwrite: As there.
        **choices: As there; each TFRecord is written by one worker.

    Raises:
        ValueError: Beam is not installed, does not know the runner or a flag, or its run failed.
    """
    job = conversion.Job([given] if isinstance(given, str) else list(given), **choices)
    with _logging(_SILENT), _importable():
        pipeline = prepare(runner, [*_worker_flags(runner, job.num_workers), *beam_flags])
        from pipelines.dataset.beam import output, parts, transforms  # Beam is installed.

        def write_records(collection: sources.Collection, staging: str | pathlib.Path) -> Tally:
            settled = dataclasses.replace(job, options=_settle_drum_map(job, collection))
            print(f"{collection.size:,} files are converted by Beam's {runner}", file=sys.stderr, flush=True)
            chunks = parts.write_chunks(collection.walk(), collection.size, str(staging))
            transforms.convert(pipeline, settled, chunks, str(staging))
            try:
                with _around_run(runner):
                    run(pipeline)
            finally:
                transforms.close_idle_pools()
            return transforms.finish(settled, chunks, str(staging))

        with _engine(runner, pipeline, job.num_workers):
            return conversion.replace_output(output.open_folder(output_dir), write_records, job, overwrite)


def prepare(runner: str, beam_flags: Sequence[str]) -> apache_beam.Pipeline:
    """Returns an empty pipeline for a runner; `convert` says what the arguments are.

    Raises:
        ValueError: Beam is not installed, or does not know the runner or a flag.
    """
    if importlib.util.find_spec("apache_beam") is None:
        install = dask_cluster.INSTALL if dask_cluster.is_meant(runner) else INSTALL
        raise ValueError(f"--runner={runner} needs Apache Beam, which is not installed: {install}")
    if dask_cluster.is_meant(runner):
        dask_cluster.check_installed(runner)
    import apache_beam
    from apache_beam.options.pipeline_options import TypeOptions
    from apache_beam.runners.runner import create_runner

    try:
        launcher = create_runner(dask_cluster.RUNNER if dask_cluster.is_meant(runner) else runner)
    except (ValueError, ImportError, AttributeError) as error:
        raise ValueError(f"--runner={runner}: {error}") from error
    options = parse_flags(runner, beam_flags)
    if _is_local(runner):  # Else it would download another runner, which knows nothing of direct_num_workers.
        options.view_as(TypeOptions).allow_unsafe_triggers = True
    try:
        return apache_beam.Pipeline(runner=launcher, options=options)
    except ValueError as error:  # Flags that the runner needs.
        raise ValueError(f"--runner={runner}: {error}") from error


def parse_flags(runner: str, beam_flags: Sequence[str]) -> PipelineOptions:
    """Parses Beam's own flags.

    Other runners than the local one and Dask's get those that Beam does not know: their servers have flags of their
    own.

    Raises:
        ValueError: a flag's value is not accepted, or no one knows the flag.
    """
    from apache_beam.options.pipeline_options import PipelineOptions

    said, parsers = io.StringIO(), []
    try:
        with contextlib.redirect_stderr(said):
            options = PipelineOptions([f"--runner={runner}", *beam_flags])
            options.get_all_options(add_extra_args_fn=parsers.append)
    except SystemExit as error:  # argparse ends the program, behind pages of usage.
        reason = said.getvalue().strip().rpartition("error: ")[2]
        raise ValueError(reason) from error
    known, unknown = parsers[0].parse_known_args(list(beam_flags))
    if unknown and (_is_local(runner) or dask_cluster.is_meant(runner)):
        names = [f"--{name}" for name in vars(known)]
        nearest = difflib.get_close_matches(unknown[0].split("=")[0], names)
        raise ValueError(
            f"{unknown[0]} is neither a flag of the conversion nor one of Beam's"
            + (f"; did you mean {' or '.join(nearest)}?" if nearest else "")
        )
    if unknown:
        print(f"given to {runner} unchecked: {' '.join(unknown)}", file=sys.stderr, flush=True)
    return options


def run(pipeline: apache_beam.Pipeline) -> None:
    """Runs a pipeline to its end.

    Raises:
        ValueError: it failed; says why.
    """
    from apache_beam.runners.runner import PipelineState

    result, advice = None, "; --verbosity=1 shows all that Beam says"
    try:
        result = pipeline.run()
        state = result.wait_until_finish() or result.state
    except KeyboardInterrupt:
        with contextlib.suppress(Exception):
            result.cancel()
        raise
    except Exception as error:  # Beam wraps what a worker raised into exceptions of its own, as text.
        raise ValueError(f"the run with Beam failed: {_innermost(str(error))}{advice}") from error
    finally:
        if client := getattr(result, "client", None):  # Dask's, which the runner leaves open.
            client.close()
    if state != PipelineState.DONE:
        raise ValueError(f"the run with Beam ended as {state}{advice}")


def _settle_drum_map(job: conversion.Job, collection: sources.Collection) -> Options:
    if job.options.drum_map:
        return job.options
    from pipelines.dataset.beam import transforms

    with workers.Pool(None, job.file_timeout_secs, preload=PRELOAD) as pool:
        return conversion.settle_drum_map(
            job.options, collection, lambda function, found: pool.run(function, transforms.fetch(found, job.options))
        )


def _worker_flags(runner: str, num_workers: int | None) -> list[str]:
    if num_workers is None or dask_cluster.is_meant(runner):
        return []
    if _is_local(runner):
        return [f"--direct_num_workers={num_workers}", "--direct_running_mode=multi_processing"]
    return [f"--num_workers={num_workers}"]


def _is_local(runner: str) -> bool:
    return runner.lower() in ("directrunner", "direct")


@contextlib.contextmanager
def _engine(runner: str, pipeline: apache_beam.Pipeline, num_workers: int | None) -> Iterator[None]:
    """Starts what a runner needs and does not start itself, or does not stop."""
    if not dask_cluster.is_meant(runner):
        yield
        return
    with contextlib.ExitStack() as stack:
        with _without_stderr():
            stack.enter_context(dask_cluster.running(pipeline.options, num_workers, _is_verbose()))
        yield


@contextlib.contextmanager
def _around_run(runner: str) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        if _is_local(runner):
            stack.enter_context(_without_stderr())
            stack.enter_context(_quoted_python())
            stack.enter_context(_ending_when_interrupted())
        elif dask_cluster.is_meant(runner):
            stack.enter_context(_without_stderr())
        else:
            stack.enter_context(_logging(logging.INFO))
        yield


def _innermost(text: str) -> str:
    """Returns the last line of a traceback, without what Beam adds to it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    matches = filter(None, map(_ERROR_LINE.fullmatch, reversed(lines)))
    match = next(matches, None)
    return match[1] if match else (lines or ["it says no reason"])[0]


def _is_verbose() -> bool:
    return absl.logging.get_verbosity() >= absl.logging.DEBUG


@contextlib.contextmanager
def _logging(level: int) -> Iterator[None]:
    """Keeps Beam from telling of each thing that it does or cannot find, unless that is asked for."""
    logger = logging.getLogger()
    before = logger.level
    logger.setLevel(before if _is_verbose() else level)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
    """Drops what processes write that the local runner starts: their logs, before they know how much to log."""
    if _is_verbose():
        yield
        return
    kept = os.dup(2)
    with pathlib.Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextlib.contextmanager
def _ending_when_interrupted() -> Iterator[None]:
    """Ends the local runner's processes after Ctrl-C where it does not itself.

    It waits for each of them, and one that was about to start has not heard that this is the end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    timer = threading.Timer(_END_SECS, _kill_children)
    timer.daemon = True

    def interrupt(number: int, frame) -> None:
        if not timer.is_alive():
            timer.start()
        before(number, frame)

    before = signal.getsignal(signal.SIGINT)
    if not callable(before):  # Whoever started this process has it ignore Ctrl-C.
        yield
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        timer.cancel()


def _kill_children() -> None:
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


@contextlib.contextmanager
def _quoted_python() -> Iterator[None]:
    """Lets the local runner start processes where Python's path has spaces: it puts it into a shell's command as it is.

    Our own processes do not: multiprocessing has read the path when it was imported.
    """
    path = sys.executable
    sys.executable = shlex.quote(path)
    try:
        yield
    finally:
        sys.executable = path


@contextlib.contextmanager
def _importable() -> Iterator[None]:
    """Lets Python processes that Beam starts import this project."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(dask_cluster.PROJECT_DIR), before]))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
