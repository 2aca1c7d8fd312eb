"""TFDS datasets with MIDI in them: downloaded, or prepared on another machine; their features as info.csv's columns."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator

from absl import logging

from grooves.metadata import SPLITS
from pipelines.dataset.inputs.source import MIDI, Inline, Source

NAMES = "groove/full-midionly, groove/2bar-midionly and groove/4bar-midionly"
_COLUMN_BY_FEATURE = {"type": "beat_type"}  # The others have the same names.
SERVER = "https://storage.googleapis.com"  # Where TFDS downloads Groove from.


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A dataset that lies prepared on disk."""

    name: str
    builder: object
    size: int

    def walk(self) -> Iterator[Source]:
        """Yields the examples, split by split, in TFDS's own order, which is always the same."""
        from models import magenta

        tfds = magenta.tensorflow_datasets()
        for split in _splits(self.builder):
            for number, example in enumerate(tfds.as_numpy(self.builder.as_dataset(split=split))):
                columns = _columns(self.builder.info.features, example, split)
                name = f"{columns.get('id', number)}.mid"
                yield Source(name, self.name, split, MIDI, columns, Inline(example["midi"]))


def open_dataset(name: str, data_dir: str | None) -> Dataset:
    """Opens a TFDS dataset, downloads and prepares it where that was not done yet.

    Args:
        name: TFDS's, for instance "groove/full-midionly".
        data_dir: Where TFDS keeps its datasets; None is TFDS's own default.

    Raises:
        FileNotFoundError: TFDS knows no such dataset.
        ValueError: there is no MIDI in it, or it is not there and cannot be downloaded.
    """
    from models import magenta  # Takes seconds, and few need it.

    tfds = magenta.tensorflow_datasets()

    if logging.get_verbosity() < logging.DEBUG:
        logging.set_verbosity(logging.ERROR)  # TFDS tells of each thing that it finds or does not find.
    data_dir = str(pathlib.Path(data_dir).expanduser()) if data_dir else None
    if name.split("/")[0].split(":")[0] not in tfds.list_builders(with_community_datasets=False):
        raise FileNotFoundError(
            f"{name}: no such folder, zip, TFRecord or TFDS dataset (bundled: starter; to download: groove)"
        )
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except Exception as error:  # TFDS raises its own kinds of errors for each part of the name.
        raise ValueError(f"{name}: TFDS knows no such dataset; {NAMES} have MIDI in them") from error
    if "midi" not in builder.info.features:
        raise ValueError(f"{name}: has no MIDI in it; {NAMES} do")
    _prepare(builder, name)
    return Dataset(name, builder, sum(builder.info.splits[split].num_examples for split in _splits(builder)))


def _splits(builder) -> list[str]:
    return [split for split in SPLITS if split in builder.info.splits]


def _columns(features, example: dict, split: str) -> dict[str, str]:
    """Returns an example's features under the names, and in the spelling, of info.csv."""
    columns = {}
    for feature in ("drummer", "id", "bpm", "type", "time_signature"):
        if feature in example:
            columns[_COLUMN_BY_FEATURE.get(feature, feature)] = _text(features[feature], example[feature])
    if "style" in example:
        parts = (_text(features["style"][part], example["style"][part]) for part in ("primary", "secondary"))
        columns["style"] = "/".join(filter(None, parts))
    return columns | {"split": split}


def _text(feature, value) -> str:
    """Returns a value as text; of a class, its name."""
    if hasattr(feature, "int2str"):
        return feature.int2str(int(value))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _prepare(builder, name: str) -> None:
    """Downloads and prepares a dataset, unless that was done; without internet says so at once.

    Raises:
        ValueError: it cannot be downloaded or prepared.
    """
    import requests

    if builder.is_prepared():
        return
    try:
        requests.head(SERVER, timeout=10)  # TFDS itself tries ten times, for minutes.
        builder.download_and_prepare()
    except requests.ConnectionError as error:
        raise ValueError(
            f"{name}: not in {builder.data_dir}, and {SERVER} cannot be reached to download it;\n"
            "  without internet, say with --tfds_data_dir where it lies prepared,"
            " or give the folder or the zip of the Groove MIDI Dataset instead"
        ) from error
    except Exception as error:  # TFDS passes on whatever the network stack raises.
        reason = str(error).strip().splitlines()
        raise ValueError(
            f"{name}: TFDS cannot prepare it ({type(error).__name__}: {reason[0][:200] if reason else ''});\n"
            "  try again, or give the folder or the zip of the Groove MIDI Dataset instead"
        ) from error
