"""A folder of converted performances: TFRecords for each split, and the report that says how they were made."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import zlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from grooves import metadata
from pipelines.dataset.formats import tfrecords
from pipelines.dataset.report import page, tally
from pipelines.files import atomic

if TYPE_CHECKING:
    from pipelines.dataset.performance import Converted

MAX_SHARDS = 1000  # Files open at a time, for each of three splits.
_RECORD_NAME = re.compile(rf"({'|'.join(metadata.SPLITS)})\.tfrecord(-\d{{5,}}-of-\d{{5,}})?")


class RecordFiles(contextlib.ExitStack):
    """The TFRecords of all splits, open for writing until the `with` statement ends.

    A performance's shard follows from its name, so that any number of machines agrees on it.
    """

    def __init__(self, folder: pathlib.Path, num_shards: int) -> None:
        super().__init__()
        self._num_shards = num_shards
        self._files = {
            (split, shard): self.enter_context((folder / shard_name(split, shard, num_shards)).open("wb"))
            for split in metadata.SPLITS
            for shard in range(num_shards)
        }

    def write(self, converted: Converted) -> None:
        """Appends a performance to its file; what was skipped has none."""
        if not converted.skipped:
            shard = shard_of(converted, self._num_shards)
            tfrecords.write(self._files[converted.split, shard], converted.record)


def shard_of(converted: Converted, num_shards: int) -> int:
    """Returns which of its split's TFRecords a performance goes to."""
    return zlib.crc32(f"{converted.collection}/{converted.name}".encode()) % num_shards


def shard_name(split: str, shard: int, num_shards: int) -> str:
    """Returns the name of a TFRecord, in TensorFlow's form where there are several."""
    return f"{split}.tfrecord" + (f"-{shard:05d}-of-{num_shards:05d}" if num_shards > 1 else "")


def is_output(name: str) -> bool:
    """Whether a file of this name is one that a conversion writes."""
    return name in (tally.REPORT_NAME, tally.PAGE_NAME) or bool(_RECORD_NAME.fullmatch(name))


class Folder:
    """A folder on a disk that takes the output of a conversion; `beam.output.Folder` is one elsewhere."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = pathlib.Path(path).expanduser()

    def check(self, settings: dict, overwrite: bool) -> None:
        """Checks that the output can be written, and replaces none of other settings unless `overwrite` is set.

        Raises:
            ValueError: it is a file, or holds TFRecords of other settings.
            OSError: files cannot be made there.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{self.path}: is a file; --output_dir takes a folder")
        atomic.check_folder(self.path)
        if self.path.is_dir() and not overwrite:
            names = [path.name for path in self.path.iterdir()]
            refuse_other_settings(self.path, names, (self.path / tally.REPORT_NAME).read_bytes, settings)

    def replacing(self) -> contextlib.AbstractContextManager[pathlib.Path]:
        """Yields an empty folder to write to; on a clean exit its files replace those of an earlier conversion."""
        return atomic.replacing_all(self.path, is_output)

    def write_report(self, report: dict, staging: pathlib.Path) -> None:
        """Writes report.json and its page into the folder that `replacing` yielded."""
        for name, content in report_files(report).items():
            (staging / name).write_bytes(content)


def report_files(report: dict) -> dict[str, bytes]:
    """Returns the content of report.json and of its page."""
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    return {tally.REPORT_NAME: text.encode(), tally.PAGE_NAME: page.page_html(report).encode()}


def refuse_other_settings(
    folder: object, names: Iterable[str], read_report: Callable[[], bytes], settings: dict
) -> None:
    """Raises ValueError where the files `names` of a folder are not the output of a conversion with these settings."""
    found = sorted(filter(is_output, names))
    if not found:
        return
    try:
        before = json.loads(read_report())["settings"]
        different = [name for name in {**before, **settings} if before.get(name) != settings.get(name)]
    except (OSError, ValueError, KeyError, TypeError):
        differences = f"{found[0]} is there, and no {tally.REPORT_NAME} that says how it was made"
    else:
        differences = ", ".join(
            f"--{name}: {_shown(before.get(name))} then, {_shown(settings.get(name))} now" for name in different
        )
    if differences:
        raise ValueError(
            f"{folder} holds the output of other settings ({differences});\n"
            "  --overwrite replaces it; another --output_dir keeps both"
        )


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
