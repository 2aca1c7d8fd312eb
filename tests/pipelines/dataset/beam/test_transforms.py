"""What Beam's workers do: a file that crashes one is lost alone."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import pathlib

import pytest

if importlib.util.find_spec("apache_beam") is None and not os.environ.get("CI"):
    pytest.skip("Apache Beam is not installed; ./run_tests.sh installs it", allow_module_level=True)

from pipelines.dataset.beam import parts, transforms
from pipelines.dataset.beam import runner as beam_runner
from pipelines.dataset.conversion import Job
from pipelines.dataset.formats import tfrecords
from pipelines.dataset.inputs import remote_folders
from pipelines.dataset.inputs.source import Inline, Source
from pipelines.dataset.inputs.sources import open_collections
from pipelines.dataset.performance import Options
from pipelines.dataset.selection import Selection
from tests import bad_locations
from tests.beam_files import on_disk
from tests.conversions import SPLITS, contents


@pytest.fixture
def job(inputs) -> Job:
    return Job(inputs[1:], num_shards=3, file_timeout_secs=3)


def run(job: Job, sources: list[Source], staging: pathlib.Path) -> list[parts.Chunk]:
    """Converts sources in this process."""
    chunks = parts.write_chunks(sources, len(sources), str(staging))
    pipeline = beam_runner.prepare("DirectRunner", [])
    transforms.convert(pipeline, job, chunks, str(staging))
    beam_runner.run(pipeline)
    transforms.close_idle_pools()
    return chunks


def test_a_crash_and_a_hang_cost_one_file_each(job, tmp_path):
    good = list(open_collections(job.inputs).walk())
    bad = [
        dataclasses.replace(good[0], name="deadly.mid", location=bad_locations.Deadly()),
        dataclasses.replace(good[0], name="endless.mid", location=bad_locations.Endless()),
    ]
    chunks = run(job, [*good, *bad], tmp_path)
    report = transforms.finish(job, chunks, str(tmp_path)).report(job.inputs, {})
    assert report["skipped"] == {
        "damaged.mid": "unreadable: damaged in the zip (wrong checksum)",
        "deadly.mid": "unreadable: crashes the process that reads it (exit status 3)",
        "endless.mid": "unreadable: takes longer than 3 s",
    }
    shards = [f"{split}.tfrecord-{number:05d}-of-00003" for split in SPLITS for number in range(3)]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(shards)
    assert sum(len(list(tfrecords.read(tmp_path / name))) for name in shards) == 6


def test_what_workers_that_died_have_left_is_taken_away(job, tmp_path):
    chunks = run(job, list(open_collections(job.inputs).walk()), tmp_path)
    (tmp_path / "train.tfrecord-00000-of-00003.1a2b3c4d").write_bytes(b"half")
    (tmp_path / parts._FOLDER / "000000.1a2b3c4d").write_bytes(b"half")
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*-of-00003")}
    transforms.finish(job, chunks, str(tmp_path))
    assert contents(tmp_path) == before
    assert len(before) == 9


def test_workers_with_disks_of_their_own_are_noticed(job, tmp_path):
    chunks = run(job, list(open_collections(job.inputs).walk()), tmp_path)
    (tmp_path / "test.tfrecord-00000-of-00003").unlink()
    with pytest.raises(ValueError, match=r"to disks of their own;.* an --output_dir that all machines share"):
        transforms.finish(job, chunks, str(tmp_path))


def test_a_process_to_convert_in_is_used_again_and_ends(job):
    one, two = (transforms.ConvertChunks(job, "") for _ in range(2))
    one.setup()
    pool, processes = one._pool, one._pool._processes
    one.teardown()
    two.setup()
    assert two._pool is pool
    one.setup()
    assert one._pool is not pool
    for each in (one, two):
        each.teardown()
    transforms.close_idle_pools()
    assert not any(process.is_alive() for process in processes)


def test_remote_files_are_read_in_the_worker_unless_their_row_rules_them_out(remote):
    (on_disk(remote) / "a.mid").write_bytes(b"MThd")
    there, gone = (remote_folders.InFileSystem(f"{remote}/{name}.mid") for name in ("a", "gone"))
    source = Source("a.mid", "x", "train", "midi", {"style": "rock"}, there)
    fetched, missing = transforms.fetch([source, dataclasses.replace(source, location=gone)], Options())
    assert fetched.location == Inline(b"MThd")
    with pytest.raises(ValueError, match=r"No such file.*gone\.mid"):
        missing.read()
    assert transforms.fetch([source], Options(selection=Selection(styles=["funk"]))) == [source]
    with pytest.raises(ValueError, match="larger than 0 MiB"):
        there.read(3)
