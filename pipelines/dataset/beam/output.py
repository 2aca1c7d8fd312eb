"""The output of a conversion on one of Apache Beam's file systems: what `record_set` and `atomic` do on a disk."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable, Iterator

from pipelines.dataset import record_set
from pipelines.dataset.inputs import remote_folders
from pipelines.dataset.inputs.remote_folders import FileSystems
from pipelines.dataset.report import tally

_STAGING_NAME = ".partial-"


@contextlib.contextmanager
def replacing_all(folder: str, is_ours: Callable[[str], bool]) -> Iterator[str]:
    """Yields a folder to write to; on a clean exit its files replace those of `folder`.

    There is no rename of many files at once here as on a disk. So the old report goes first and the new one comes last:
    records beside a report belong to it.

    Args:
        folder: Where the files belong.
        is_ours: Whether an older file of this name is to go.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder = folder.rstrip("/")
    staging = f"{folder}/{_STAGING_NAME}{secrets.token_hex(4)}"
    with contextlib.suppress(OSError):  # There already.
        FileSystems.mkdirs(folder)
    try:
        FileSystems.mkdirs(staging)
        yield staging
        new = sorted(remote_folders.walk(staging), key=_report_last)
        old = sorted(
            (f"{folder}/{name}" for name in remote_folders.names(folder) if is_ours(name)),
            key=_report_last,
            reverse=True,
        )
        for path in old:
            FileSystems.delete([path])
        for path in new:
            FileSystems.rename([path], [f"{folder}/{path.rsplit('/', 1)[-1]}"])
    finally:
        with contextlib.suppress(OSError):
            FileSystems.delete(list(remote_folders.walk(staging)))
            FileSystems.delete([staging])


def check(output_dir: str, settings: dict, overwrite: bool) -> None:
    """Checks that a folder holds no output of other settings, unless it may be replaced; as `record_set.check`."""
    there = set(remote_folders.names(output_dir))
    if overwrite or not any(map(record_set.is_output, there)):
        return
    before = None
    if tally.REPORT_NAME in there:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            before = json.loads(remote_folders.read(f"{output_dir.rstrip('/')}/{tally.REPORT_NAME}"))["settings"]
    if before != json.loads(json.dumps(settings)):
        raise ValueError(
            f"{output_dir} holds the output of other settings;\n"
            "  --overwrite replaces it; another --output_dir keeps both"
        )


def _report_last(path: str) -> tuple[bool, str]:
    return path.endswith(tally.REPORT_NAME), path
