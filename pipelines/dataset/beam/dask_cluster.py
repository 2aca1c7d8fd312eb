"""Dask's processes for Beam's DaskRunner: those of a scheduler that is running, or some of this machine.

    export PYTHONPATH=. DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False
    dask scheduler &
    dask worker localhost:8786 --nworkers=4 --nthreads=1 &        # on each machine
    python -m pipelines.convert --input=lakh --output_dir=lakh_records --num_shards=100 \\
        --runner=DaskRunner --dask_client_address=localhost:8786

Beam's own runner would start as many as it likes where no scheduler is named, never stop them, wait half a minute for a
scheduler that is not there, and for ever for workers.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
import pathlib
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import distributed
    from apache_beam.options.pipeline_options import PipelineOptions

RUNNER = "apache_beam.runners.dask.dask_runner.DaskRunner"  # Beam knows it by its full name alone.
INSTALL = "python -m pip install --no-deps -r requirements-dask.txt"
CONNECT_SECS = 10
NUM_PARTITIONS = 32  # Of all work; more, and Dask's shuffle takes two steps for a number that grows with the square.
PROJECT_DIR = pathlib.Path(__file__).resolve().parents[3]
_SILENT = logging.CRITICAL + 1


def is_meant(runner: str) -> bool:
    """Whether this is the name of Beam's runner for Dask."""
    return runner.lower() in ("dask", "daskrunner") or runner == RUNNER


def check_installed(runner: str) -> None:
    """Raises ValueError where Dask is not installed."""
    if importlib.util.find_spec("distributed") is None:
        raise ValueError(f"--runner={runner} needs Dask, which is not installed: {INSTALL}")


@contextlib.contextmanager
def running(options: PipelineOptions, num_workers: int | None, is_verbose: bool = False) -> Iterator[None]:
    """Sees to it that a pipeline finds Dask's workers, until the `with` statement ends.

    Args:
        options: The pipeline's; without a scheduler in them they get that of processes that are started here.
        num_workers: How many are started; None is one a core.
        is_verbose: Whether Dask may say what it does.

    Raises:
        ValueError: nothing answers where the scheduler should be, it has no workers, or one of them lacks this project.
    """
    import distributed
    from apache_beam.runners.dask.dask_runner import DaskOptions

    wanted = options.view_as(DaskOptions)
    if not (wanted.npartitions or wanted.partition_size):
        wanted.npartitions = NUM_PARTITIONS
    with _log_level(logging.INFO if is_verbose else _SILENT):
        if wanted.address or wanted.scheduler_file:
            scheduler = {"address": wanted.address or None, "scheduler_file": wanted.scheduler_file}
            _check_scheduler(**scheduler, timeout_secs=wanted.timeout, num_workers=num_workers)
            try:
                yield
            finally:
                with contextlib.suppress(Exception), distributed.Client(**scheduler, timeout=CONNECT_SECS) as client:
                    client.run(_close_idle_pools)
            return
        with _cluster_here(num_workers or os.cpu_count() or 1, is_verbose) as cluster:
            wanted.address = cluster.scheduler_address
            yield


def _cluster_here(num_workers: int, is_verbose: bool) -> distributed.LocalCluster:
    import dask
    import distributed

    with dask.config.set({"distributed.worker.profile.enabled": False}):  # Of each second, it keeps what was called.
        return distributed.LocalCluster(
            n_workers=num_workers,
            threads_per_worker=1,
            dashboard_address=":0",  # Any free port: it has to have one.
            silence_logs=logging.INFO if is_verbose else _SILENT,
        )


def _check_scheduler(
    address: str | None, scheduler_file: str | None, timeout_secs: int | None, num_workers: int | None
) -> None:
    """Raises as `running` does; also where processes are asked for that a scheduler has of its own."""
    import distributed

    given = f"--dask_client_address={address}" if address else f"--dask_scheduler_file={scheduler_file}"
    start = f"PYTHONPATH={shlex.quote(str(PROJECT_DIR))} dask"
    if scheduler_file and not pathlib.Path(scheduler_file).exists():  # Dask would wait for it, for ever.
        raise ValueError(
            f"{given}: no such file; a scheduler writes it with: {start} scheduler --scheduler-file={scheduler_file}"
        )
    timeout_secs = timeout_secs if isinstance(timeout_secs, int) else CONNECT_SECS
    try:
        client = distributed.Client(address or None, scheduler_file=scheduler_file, timeout=timeout_secs)
    except (OSError, ValueError) as error:  # Of which a timeout is one.
        raise ValueError(
            f"{given}: no Dask scheduler answers ({_first_line(error)}); start one with: {start} scheduler"
        ) from error
    with client:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        if not workers:
            raise ValueError(f"{given}: the scheduler has no workers; start some with: {start} worker {address or ''}")
        if num_workers is not None:
            raise ValueError(
                f"--num_workers={num_workers}: the Dask scheduler has {len(workers)} workers of its own;"
                " leave the flag away, or the scheduler's address, and they are started here"
            )
        for place, do in (("scheduler", client.run_on_scheduler), ("workers", client.run)):
            try:
                do(_import_what_is_sent)
            except Exception as error:  # Whatever an import raises there.
                raise ValueError(
                    f"{given}: the Dask {place} cannot import this project ({_first_line(error)});"
                    f" start scheduler and workers with: {start} …"
                ) from error


def _import_what_is_sent() -> None:
    importlib.import_module("pipelines.dataset.beam.transforms")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _close_idle_pools() -> None:
    importlib.import_module("pipelines.dataset.beam.transforms").close_idle_pools()


@contextlib.contextmanager
def _log_level(level: int) -> Iterator[None]:
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
