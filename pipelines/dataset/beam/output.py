"""The output of a conversion on one of Apache Beam's file systems, which have no rename of many files at once."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import secrets
from collections.abc import Iterator

from pipelines.dataset import record_set
from pipelines.dataset.inputs import remote_folders
from pipelines.dataset.inputs.remote_folders import FileSystems
from pipelines.dataset.report import tally

_STAGING_NAME = ".partial-"


def open_folder(path: str | os.PathLike[str]) -> record_set.Folder:
    """Returns the output's folder, on a disk or not."""
    if remote_folders.is_remote(path):
        return Folder(str(path))
    return record_set.Folder(pathlib.Path(path).expanduser().absolute())  # Workers have folders of their own.


class Folder(record_set.Folder):
    """A folder that a URL names."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def check(self, settings: dict, overwrite: bool) -> None:
        if not overwrite:
            names = remote_folders.names(self.url)
            read_report = functools.partial(remote_folders.read, f"{self.url}/{tally.REPORT_NAME}")
            record_set.refuse_other_settings(self.url, names, read_report, settings)

    @contextlib.contextmanager
    def replacing(self) -> Iterator[str]:
        """As there; the old report goes first and the new one comes last, so that none lies beside others' records."""
        staging = f"{self.url}/{_STAGING_NAME}{secrets.token_hex(4)}"
        with contextlib.suppress(OSError):  # There already.
            FileSystems.mkdirs(self.url)
        try:
            FileSystems.mkdirs(staging)
            yield staging
            new = sorted(remote_folders.walk(staging), key=_report_last)
            old = sorted(
                (f"{self.url}/{name}" for name in remote_folders.names(self.url) if record_set.is_output(name)),
                key=_report_last,
                reverse=True,
            )
            for path in old:
                FileSystems.delete([path])
            for path in new:
                FileSystems.rename([path], [f"{self.url}/{path.rsplit('/', 1)[-1]}"])
        finally:
            with contextlib.suppress(OSError):
                FileSystems.delete(list(remote_folders.walk(staging)))
                FileSystems.delete([staging])

    def write_report(self, report: dict, staging: str) -> None:
        for name, content in record_set.report_files(report).items():
            with remote_folders.writing(f"{staging}/{name}") as file:
                file.write(content)


def _report_last(path: str) -> tuple[bool, str]:
    return path.endswith(tally.REPORT_NAME), path
