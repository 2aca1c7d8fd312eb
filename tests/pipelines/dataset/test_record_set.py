"""The output of a conversion: each record once, and nothing of others replaced."""

from __future__ import annotations

import pytest

from pipelines.dataset import conversion
from tests.conversions import SPLITS, contents, sequences


@pytest.mark.parametrize("num_shards", [2, 3, 30])
def test_shards_hold_every_record_once(starter_records, tmp_path, num_shards):
    conversion.convert("starter", tmp_path, num_shards=num_shards, num_workers=1)
    for split in SPLITS:
        names = [f"{split}.tfrecord-{number:05d}-of-{num_shards:05d}" for number in range(num_shards)]
        assert sorted(path.name for path in tmp_path.glob(f"{split}.*")) == names
        found = [sequence.filename for sequence in sequences(*[tmp_path / name for name in names])]
        whole = [sequence.filename for sequence in sequences(starter_records / f"{split}.tfrecord")]
        assert sorted(found) == sorted(whole)
        assert len(set(found)) == len(found)


def test_another_sharding_replaces_the_old_one_and_nothing_else(mixed, tmp_path):
    out = tmp_path / "out"
    conversion.convert(str(mixed), out, num_shards=3)
    (out / "train.tfrecord.backup").write_text("somebody else's")
    conversion.convert(str(mixed), out, overwrite=True)
    records = ["test.tfrecord", "train.tfrecord", "train.tfrecord.backup", "validation.tfrecord"]
    assert sorted(contents(out)) == ["report.html", "report.json", *records]
    conversion.convert(str(mixed), out, num_shards=2, overwrite=True)
    assert not (out / "train.tfrecord").exists()
    assert len(list(out.glob("*.tfrecord-*-of-00002"))) == 6


def test_records_of_somebody_else_are_not_replaced_unasked(mixed, tmp_path):
    (tmp_path / "train.tfrecord").write_bytes(b"precious")
    with pytest.raises(ValueError, match=r"\(train.tfrecord is there, and no report.json that says how it was made\)"):
        conversion.convert(str(mixed), tmp_path)
    assert (tmp_path / "train.tfrecord").read_bytes() == b"precious"
