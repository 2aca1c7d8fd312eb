"""A folder of converted performances: TFRecords for each split, and the report that says how they were made."""

from __future__ import annotations

import json
import pathlib
import re
import zlib
from typing import TYPE_CHECKING

from pipelines.dataset.formats import tfrecords
from pipelines.dataset.inputs import sources
from pipelines.dataset.report import page, tally
from pipelines.files import atomic

if TYPE_CHECKING:
    from pipelines.dataset.performance import Converted

MAX_SHARDS = 1000  # Files open at a time, for each of three splits.
_RECORD_NAME = re.compile(rf"({'|'.join(sources.SPLITS)})\.tfrecord(-\d{{5,}}-of-\d{{5,}})?")


class RecordFiles:
    """The TFRecords of all splits, open for writing.

    A performance's shard follows from its name, so that any number of machines agrees on it.
    """

    def __init__(self, folder: pathlib.Path, num_shards: int) -> None:
        self._num_shards = num_shards
        self._files = {
            (split, shard): (folder / shard_name(split, shard, num_shards)).open("wb")
            for split in sources.SPLITS
            for shard in range(num_shards)
        }

    def write(self, converted: Converted) -> None:
        """Appends a performance to its file; what was skipped has none."""
        if not converted.skipped:
            shard = shard_of(converted, self._num_shards)
            tfrecords.write(self._files[converted.split, shard], converted.record)

    def __enter__(self) -> RecordFiles:
        return self

    def __exit__(self, *_) -> None:
        for file in self._files.values():
            file.close()


def shard_of(converted: Converted, num_shards: int) -> int:
    """Returns which of its split's TFRecords a performance goes to."""
    return zlib.crc32(f"{converted.collection}/{converted.name}".encode()) % num_shards


def shard_name(split: str, shard: int, num_shards: int) -> str:
    """Returns the name of a TFRecord, in TensorFlow's form where there are several."""
    return f"{split}.tfrecord" + (f"-{shard:05d}-of-{num_shards:05d}" if num_shards > 1 else "")


def is_output(name: str) -> bool:
    """Whether a file of this name is one that a conversion writes."""
    return name in (tally.REPORT_NAME, tally.PAGE_NAME) or bool(_RECORD_NAME.fullmatch(name))


def check(output_dir: pathlib.Path, settings: dict, overwrite: bool) -> None:
    """Checks that the output can be written, and replaces none of other settings.

    Raises:
        ValueError: `output_dir` is a file, or holds other TFRecords, and `overwrite` is not set.
        OSError: files cannot be made there.
    """
    if output_dir.exists() and not output_dir.is_dir():
        raise ValueError(f"{output_dir}: is a file; --output_dir takes a folder")
    atomic.check_folder(output_dir)
    if output_dir.is_dir() and not overwrite:
        differences = _differences(output_dir, settings)
        if differences:
            raise ValueError(
                f"{output_dir} holds the output of other settings ({differences});\n"
                "  --overwrite replaces it; another --output_dir keeps both"
            )


def write_report(report: dict, folder: pathlib.Path) -> None:
    """Writes report.json and its page."""
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    (folder / tally.REPORT_NAME).write_text(text, encoding="utf-8")
    page.write(report, folder / tally.PAGE_NAME)


def _differences(output_dir: pathlib.Path, settings: dict) -> str:
    """Returns how the settings of the output that is there differ from `settings`; empty where there is none."""
    found = [path.name for path in output_dir.iterdir() if is_output(path.name)]
    if not found:
        return ""
    try:
        before = json.loads((output_dir / tally.REPORT_NAME).read_text(encoding="utf-8"))["settings"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"{sorted(found)[0]} is there, and no {tally.REPORT_NAME} that says how it was made"
    names = [name for name in {**before, **settings} if before.get(name) != settings.get(name)]
    return ", ".join(f"--{name}: {_shown(before.get(name))} then, {_shown(settings.get(name))} now" for name in names)


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
