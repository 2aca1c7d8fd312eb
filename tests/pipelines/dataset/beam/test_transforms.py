"""What Beam's workers do: a file that crashes one is lost alone."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import pickle

import pytest

if importlib.util.find_spec("apache_beam") is None and not os.environ.get("CI"):
    pytest.skip("Apache Beam is not installed; ./run_tests.sh installs it", allow_module_level=True)

import apache_beam
import pytest

from pipelines.dataset.beam import runner as beam_runner
from pipelines.dataset.beam import transforms
from pipelines.dataset.conversion import Job
from pipelines.dataset.formats import tfrecords
from pipelines.dataset.inputs import remote_folders
from pipelines.dataset.inputs.source import Inline, Source
from pipelines.dataset.performance import Options
from pipelines.dataset.selection import Selection
from tests import bad_locations
from tests.beam_files import on_disk
from tests.conversions import SPLITS


def test_a_crash_and_a_hang_cost_one_file_each(inputs, tmp_path):
    (*chunks,) = transforms.list_chunks(inputs[1:], None)
    good = chunks[0][0][1]
    bad = [
        dataclasses.replace(good, name="deadly.mid", location=bad_locations.Deadly()),
        dataclasses.replace(good, name="endless.mid", location=bad_locations.Endless()),
    ]
    chunks[0] += [(100 + place, source) for place, source in enumerate(bad)]
    pipeline = beam_runner.prepare("DirectRunner", [])
    job = Job(inputs, file_timeout_secs=3)
    transforms.convert_chunks(pipeline | apache_beam.Create(chunks), job, str(tmp_path))
    beam_runner.run(pipeline)
    report = pickle.loads((tmp_path / transforms.TALLY_NAME).read_bytes()).report(inputs, {})
    assert report["skipped"] == {
        "damaged.mid": "unreadable: damaged in the zip (wrong checksum)",
        "deadly.mid": "unreadable: crashes the process that reads it (exit status 3)",
        "endless.mid": "unreadable: takes longer than 3 s",
    }
    assert sum(len(list(tfrecords.read(tmp_path / f"{split}.tfrecord"))) for split in SPLITS) == 6


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
