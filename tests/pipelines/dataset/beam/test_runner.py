"""The conversion with Apache Beam: the same files as without, byte for byte, and clear ends where something fails."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import pathlib
import pickle
import re
import shlex
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from tests import bad_locations, midi_files

if importlib.util.find_spec("apache_beam") is None and not os.environ.get("CI"):
    pytest.skip("Apache Beam is not installed; ./run_tests.sh installs it", allow_module_level=True)

import apache_beam
from apache_beam.io import filesystem, localfilesystem
from apache_beam.options.pipeline_options import DirectOptions

from pipelines import cli
from pipelines.dataset import conversion
from pipelines.dataset import inputs as inputs_package
from pipelines.dataset.beam import output, transforms
from pipelines.dataset.beam import runner as beam_runner
from pipelines.dataset.formats import tfrecords
from pipelines.dataset.inputs import remote_folders, sources
from pipelines.dataset.inputs.locations import Inline
from pipelines.dataset.performance import Options
from pipelines.dataset.selection import Selection

ROOT = pathlib.Path(__file__).resolve().parents[4]
SPLITS = ("train", "validation", "test")
ROLANDS_OWN = 22  # The edge of a hi-hat, which no other kit has: all files are then taken to be a Roland kit's.
TWO_PROCESSES = ("--runner=DirectRunner", "--direct_num_workers", "2", "--direct_running_mode=multi_processing")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> list[str]:
    """A folder with an info.csv and a zip without one: 26 grooves, and a file of each kind that cannot be used."""
    folder = tmp_path_factory.mktemp("in put") / "grooves"
    for number in range(20):
        hits = midi_files.groove(4 + number % 3, alike=number % 5 == 0)
        hits += [(0, ROLANDS_OWN, 90)] if number < 3 else []
        midi_files.write(folder / "played" / f"{number}.mid", hits)
    midi_files.write(folder / "b" / "waltz.mid", midi_files.groove(8), metre=(3, 4))
    midi_files.write(folder / "b" / "Flügel.mid", midi_files.groove(8), channel=0)
    midi_files.write(folder / "b" / "silence.mid", [])
    (folder / "b" / "broken.mid").write_bytes(b"MThd\0\0\0\6 and no more")
    (folder / "b" / "empty.midi").touch()
    rows = [f"played/{number}.mid,{SPLITS[number % 3]},rock/{number}\n" for number in range(20)]
    (folder / "info.csv").write_text("midi_filename,split,style\n" + "".join(rows) + "b/gone.mid,train,\n")
    zip_path = folder.parent / "more.zip"
    with zipfile.ZipFile(zip_path, "w") as archive:
        for number in range(6, 12):
            archive.write(midi_files.write(folder.parent / "a.mid", midi_files.groove(number)), f"{number}.mid")
        archive.write(folder.parent / "a.mid", "damaged.mid")
    content = zip_path.read_bytes()
    start = content.index(b"MThd", content.index(b"damaged.mid"))
    zip_path.write_bytes(content[:start] + b"????" + content[start + 4 :])
    return [str(folder), str(zip_path)]


@pytest.fixture(scope="module")
def plain(inputs, tmp_path_factory) -> dict[int, dict[str, bytes]]:
    """What the conversion without Beam writes, by the number of shards."""
    written = {}
    for num_shards in (1, 3):
        folder = tmp_path_factory.mktemp("plain")
        conversion.convert(inputs, folder, num_shards=num_shards, num_workers=1)
        written[num_shards] = contents(folder)
    return written


@pytest.fixture(scope="module")
def folder_alone(inputs, tmp_path_factory) -> tuple[dict, dict[str, bytes]]:
    """The report and all that is written for the folder alone, in more shards than there are performances."""
    folder = tmp_path_factory.mktemp("alone")
    return conversion.convert(inputs[0], folder, num_shards=30, num_workers=1), contents(folder)


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def start(*arguments: str | pathlib.Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "pipelines.convert", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, **pipes)


def run(*arguments: str | pathlib.Path) -> tuple[int, str, list[str]]:
    """Runs a conversion to its end. Returns its exit status, what it printed, and the lines on stderr."""
    process = start(*arguments)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err.splitlines()


def test_in_this_process_it_writes_the_same_files(inputs, plain, tmp_path, capfd):
    report = beam_runner.convert(inputs, tmp_path, "direct")
    assert contents(tmp_path) == plain[1]
    assert len([reason for reason in report["skipped"].values() if reason.startswith("unreadable")]) == 3
    assert (report["files_kept"], report["files_skipped"]) == (26, 6)
    assert report["by_drum_map"] == {"roland": {"files": 26, "windows": sum(report["windows"].values())}}
    assert capfd.readouterr().err == "32 files are converted by Beam's direct\n"


def test_two_processes_write_the_same_shards(inputs, plain, tmp_path):
    given = [f"--input={name}" for name in inputs]
    status, out, err = run(*given, f"--output_dir={tmp_path}", *TWO_PROCESSES, "--num_shards=3")
    assert (status, err) == (0, ["32 files are converted by Beam's DirectRunner"])
    assert contents(tmp_path) == plain[3]
    assert out.startswith("32 files found, 26 kept, 6 skipped\n")
    assert f"written to {tmp_path}; " in out


def test_flags_reach_beam():
    options = beam_runner.prepare("DirectRunner", ["--direct_num_workers", "2", "--job_name=drums"]).options
    assert options.view_as(DirectOptions).direct_num_workers == 2
    assert options.get_all_options()["job_name"] == "drums"


def test_a_number_of_workers_is_asked_for_in_the_runners_way():
    assert beam_runner._worker_flags("direct", 3) == [
        "--direct_num_workers=3",
        "--direct_running_mode=multi_processing",
    ]
    assert beam_runner._worker_flags("DataflowRunner", 3) == ["--num_workers=3"]
    assert beam_runner._worker_flags("DirectRunner", None) == []


def test_other_runners_get_flags_that_beam_itself_does_not_know(capsys):
    options = beam_runner.parse_flags("SparkRunner", ["--of_its_server=2"])
    assert options.get_all_options(retain_unknown_options=True)["of_its_server"] == "2"
    assert capsys.readouterr().err == "given to SparkRunner unchecked: --of_its_server=2\n"


@pytest.mark.parametrize(
    ("runner", "flags", "expected"),
    [
        ("Nope", [], "--runner=Nope: Unexpected pipeline runner: Nope. Valid values are "),
        ("no.such.Runner", [], "--runner=no.such.Runner: No module named 'no'"),
        ("DirectRunner", ["--direct_num_workers=x"], "argument --direct_num_workers: invalid int value: 'x'"),
        ("DirectRunner", ["stray"], "stray is neither a flag of the conversion nor one of Beam's"),
        ("direct", ["--direct_num_wokers=2"], "--direct_num_wokers=2 is neither a flag of the conversion nor one of"),
        ("direct", ["--direct_num_wokers=2"], "; did you mean --direct_num_workers"),
    ],
)
def test_what_beam_does_not_take_is_one_line(inputs, tmp_path, capfd, runner, flags, expected):
    with pytest.raises(ValueError, match=re.escape(expected)) as error:
        beam_runner.convert(inputs, tmp_path / "out", runner, flags)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / "out").exists()


def test_without_beam_it_is_said_how_to_install_it(inputs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    expected = "--runner=DirectRunner needs Apache Beam, which is not installed: " + beam_runner.INSTALL
    with pytest.raises(ValueError, match=re.escape(expected)):
        beam_runner.convert(inputs, tmp_path, "DirectRunner")
    assert "--no-deps -r requirements-beam.txt" in beam_runner.INSTALL


def test_without_beam_a_url_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam.io.filesystem", None)
    monkeypatch.delitem(sys.modules, "pipelines.dataset.inputs.remote_folders")
    monkeypatch.delattr(inputs_package, "remote_folders")
    with pytest.raises(ValueError, match=r"needs Apache Beam, which .* --no-deps -r requirements-beam\.txt"):
        sources.open_collections(["gs://bucket/midi"])


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (["--runner=DirectRunner", "--abc=1"], cli.FAILED, "--abc=1 is neither a flag of the conversion nor one of"),
        (["--abc=1"], cli.USAGE, "Unknown command line flag 'abc'"),
        (["--runner="], cli.FAILED, "--runner=: Unexpected pipeline runner"),
    ],
)
def test_flags_are_beams_only_where_there_is_a_runner(inputs, tmp_path, arguments, status, expected):
    ended, out, err = run(f"--input={inputs[0]}", f"--output_dir={tmp_path / 'out'}", *arguments)
    assert (ended, out) == (status, "")
    assert err[0].startswith(f"error: {expected}")


def test_a_crash_and_a_hang_cost_one_file_each(inputs, tmp_path):
    (*chunks,) = transforms.list_chunks(inputs[1:], None)
    good = chunks[0][0][1]
    bad = [
        dataclasses.replace(good, name="deadly.mid", location=bad_locations.Deadly()),
        dataclasses.replace(good, name="endless.mid", location=bad_locations.Endless()),
    ]
    chunks[0] += [(100 + place, source) for place, source in enumerate(bad)]
    pipeline = beam_runner.prepare("DirectRunner", [])
    _ = (
        pipeline
        | apache_beam.Create(chunks)
        | transforms.ConvertChunks(Options(), str(tmp_path), num_shards=1, file_timeout_secs=3)
    )
    beam_runner.run(pipeline)
    report = pickle.loads((tmp_path / transforms.TALLY_NAME).read_bytes()).report(inputs, {})
    assert report["skipped"] == {
        "damaged.mid": "unreadable: damaged in the zip (wrong checksum)",
        "deadly.mid": "unreadable: crashes the process that reads it (exit status 3)",
        "endless.mid": "unreadable: takes longer than 3 s",
    }
    assert sum(len(list(tfrecords.read(tmp_path / f"{split}.tfrecord"))) for split in SPLITS) == 6


def test_a_failing_worker_is_named_and_the_old_output_stays(inputs, tmp_path, monkeypatch):
    (tmp_path / "train.tfrecord").write_bytes(b"old")

    def fail(*_):
        raise OSError(28, "No space left on device", "/some/disk")

    monkeypatch.setattr(transforms.tfrecords, "write", fail)
    with pytest.raises(ValueError, match=r"the run with Beam failed: OSError: .*No space left on device") as error:
        beam_runner.convert(inputs, tmp_path, "DirectRunner", overwrite=True)
    assert "\n" not in str(error.value)
    assert "while running" not in str(error.value)
    assert contents(tmp_path) == {"train.tfrecord": b"old"}
    assert cli.explain(error.value).startswith("the disk is full")


def test_workers_with_disks_of_their_own_are_noticed(tmp_path):
    (tmp_path / "train.tfrecord").touch()
    with pytest.raises(ValueError, match=r"to disks of their own;.* an --output_dir that all machines share"):
        beam_runner._take_tally(str(tmp_path), num_shards=1)


def test_python_may_lie_below_a_folder_with_a_space(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/a b/python")
    with beam_runner._quoted_python():
        command = f"{sys.executable} -m module"
    assert shlex.split(command) == ["/a b/python", "-m", "module"]
    assert sys.executable == "/a b/python"


def test_nothing_usable_is_said_as_without_beam(tmp_path):
    midi_files.write(tmp_path / "in" / "short.mid", midi_files.groove(2))
    said = []
    for convert in (conversion.convert, lambda *given: beam_runner.convert(*given, "DirectRunner")):
        with pytest.raises(ValueError) as error:
            convert(str(tmp_path / "in"), tmp_path / "out")
        said.append(str(error.value))
    assert said[0] == said[1]
    assert not (tmp_path / "out").exists()


def test_interrupted_it_leaves_the_old_output_and_no_process(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    process = start("--input=starter", f"--output_dir={tmp_path}", *TWO_PROCESSES)
    assert process.stderr.readline() == "90 files are converted by Beam's DirectRunner\n"
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (cli.INTERRUPTED, "", "interrupted\n")
    assert contents(tmp_path) == {"notes.txt": b"mine"}
    give_up = time.monotonic() + 20
    while not is_gone(process.pid):
        assert time.monotonic() < give_up, "a process outlives the one that was interrupted"
        time.sleep(0.2)


def is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


class FlatFileSystem(localfilesystem.LocalFileSystem):
    """Files in the folder FLAT_ROOT, without folders between: they are parts of names, as in a cloud's storage."""

    root = ""
    has_folders = False

    @classmethod
    def scheme(cls) -> str:
        return "flat"

    def has_dirs(self) -> bool:
        return self.has_folders

    def _disk(self, url: str) -> str:
        return url.replace(f"{self.scheme()}://", f"{FlatFileSystem.root}/{self.scheme()}/")

    def _url(self, path: str) -> str:
        return path.replace(f"{FlatFileSystem.root}/{self.scheme()}/", f"{self.scheme()}://")

    def mkdirs(self, path):
        if self.has_folders:
            super().mkdirs(self._disk(path))

    def _list(self, dir_or_prefix):
        path = pathlib.Path(self._disk(dir_or_prefix))
        for file in sorted((path if path.is_dir() else path.parent).rglob("*")):
            if file.is_file():
                yield filesystem.FileMetadata(self._url(str(file)), file.stat().st_size)

    def exists(self, path):
        found = pathlib.Path(self._disk(path))
        return found.exists() if self.has_folders else found.is_file()

    def open(self, path, *args, **kwargs):
        return super().open(self._disk(path), *args, **kwargs)

    def create(self, path, *args, **kwargs):
        pathlib.Path(self._disk(path)).parent.mkdir(parents=not self.has_folders, exist_ok=True)
        return super().create(self._disk(path), *args, **kwargs)

    def rename(self, source_file_names, destination_file_names):
        disk = list(map(self._disk, destination_file_names))
        assert not any(map(os.path.exists, disk)), "HDFS refuses to"
        super().rename(list(map(self._disk, source_file_names)), disk)

    def delete(self, paths):
        super().delete(list(map(self._disk, paths)))


class DeepFileSystem(FlatFileSystem):
    """The same with folders, which are listed one by one, as in HDFS: as files without content."""

    has_folders = True

    @classmethod
    def scheme(cls) -> str:
        return "deep"

    def _list(self, dir_or_prefix):
        path = pathlib.Path(self._disk(dir_or_prefix))
        for file in sorted(path.iterdir()):  # Of a file, an error.
            size = file.stat().st_size if file.is_file() else 0
            yield filesystem.FileMetadata(self._url(str(file)), size)


@pytest.fixture(params=["flat", "deep"])
def remote(request, inputs, tmp_path, monkeypatch) -> str:
    """The URL of a file system's root, in which the folder of `inputs` is."""
    monkeypatch.setattr(FlatFileSystem, "root", str(tmp_path))
    (tmp_path / request.param / "bucket").mkdir(parents=True)
    (tmp_path / request.param / "bucket" / "grooves").symlink_to(inputs[0])
    return f"{request.param}://bucket"


def on_disk(url: str) -> pathlib.Path:
    return pathlib.Path(FlatFileSystem.root) / url.replace("://", "/")


def test_a_remote_folder_is_read_and_written_as_a_local_one(remote, folder_alone):
    report, written = folder_alone
    remote_report = beam_runner.convert(f"{remote}/grooves", f"{remote}/out", "DirectRunner", num_shards=30)
    there = contents(on_disk(f"{remote}/out"))
    assert json.loads(there.pop("report.json")) == remote_report
    assert there.pop("report.html")
    assert there == {name: content for name, content in written.items() if not name.startswith("report.")}
    of_the_place = {name: remote_report[name] for name in ("input", "settings")}
    assert remote_report == report | of_the_place
    assert report["listed_but_missing"] == ["b/gone.mid"]


def test_a_remote_output_of_other_settings_is_not_replaced_unless_asked(remote):
    folder = on_disk(f"{remote}/out")
    folder.mkdir()
    output.Folder(f"{remote}/out").check({"a": 1}, overwrite=False)
    (folder / "train.tfrecord").touch()
    (folder / "notes.txt").write_text("mine")
    for report, refused in (("", True), ('{"settings": {"a": 2}}', True), ('{"settings": {"a": 1}}', False)):
        (folder / "report.json").write_text(report)
        output.Folder(f"{remote}/out").check({"a": 1}, overwrite=True)
        if refused:
            with pytest.raises(ValueError, match=rf"{remote}/out holds the output of other settings \(.*;\n  --over"):
                output.Folder(f"{remote}/out").check({"a": 1}, overwrite=False)
        else:
            output.Folder(f"{remote}/out").check({"a": 1}, overwrite=False)
    with output.Folder(f"{remote}/out").replacing() as staging:
        for name in ("report.json", "train.tfrecord-00000-of-00001"):
            with remote_folders.writing(f"{staging}/{name}") as file:
                file.write(b"new")
    assert contents(folder) == {
        "notes.txt": b"mine",
        "report.json": b"new",
        "train.tfrecord-00000-of-00001": b"new",
    }


def test_a_failed_run_leaves_a_remote_folder_as_it_was(remote):
    on_disk(f"{remote}/out").mkdir()
    (on_disk(f"{remote}/out") / "train.tfrecord").write_bytes(b"old")
    with pytest.raises(OSError, match="broken"), output.Folder(f"{remote}/out").replacing() as staging:
        with remote_folders.writing(f"{staging}/train.tfrecord") as file:
            file.write(b"new")
        raise OSError("broken")
    assert contents(on_disk(f"{remote}/out")) == {"train.tfrecord": b"old"}


def test_what_two_workers_write_is_there_once(remote):
    for _ in range(2):
        with remote_folders.writing(f"{remote}/shard") as file:
            file.write(b"the same")
    found = [path.name for path in on_disk(remote).iterdir() if path.is_file()]
    assert (found, remote_folders.read(f"{remote}/shard")) == (["shard"], b"the same")


def test_remote_files_are_read_in_the_worker_unless_their_row_rules_them_out(remote):
    (on_disk(remote) / "a.mid").write_bytes(b"MThd")
    there, gone = (remote_folders.InFileSystem(f"{remote}/{name}.mid") for name in ("a", "gone"))
    source = sources.Source("a.mid", "x", "train", "midi", {"style": "rock"}, there)
    fetched, missing = transforms.fetch([source, dataclasses.replace(source, location=gone)], Options())
    assert fetched.location == Inline(b"MThd")
    with pytest.raises(ValueError, match=r"No such file.*gone\.mid"):
        missing.read()
    assert transforms.fetch([source], Options(selection=Selection(styles=["funk"]))) == [source]
    with pytest.raises(ValueError, match="larger than 0 MiB"):
        there.read(3)


def test_an_unknown_kind_of_url_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="Unable to get filesystem from specified path"):
        beam_runner.convert("nope://bucket/midi", tmp_path / "out", "DirectRunner")


@pytest.mark.slow
def test_groove_is_the_same_with_two_processes(groove_zip, tmp_path):
    conversion.convert(str(groove_zip), tmp_path / "plain", num_shards=3)
    status, _, _ = run(f"--input={groove_zip}", f"--output_dir={tmp_path / 'beam'}", *TWO_PROCESSES, "--num_shards=3")
    assert status == 0
    assert contents(tmp_path / "beam") == contents(tmp_path / "plain")


@pytest.mark.slow
def test_a_job_server_runs_it(inputs, plain, tmp_path):
    """As Flink's and Spark's do; here Beam's own one."""
    command = [sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main", "--port=0"]
    port_path = tmp_path / "port"
    server = subprocess.Popen([*command, f"--port_file={port_path}"], stderr=subprocess.DEVNULL)
    try:
        give_up = time.monotonic() + 60
        while not (port_path.exists() and port_path.read_text()):
            assert time.monotonic() < give_up, "the job server does not start"
            time.sleep(0.2)
        flags = [f"--job_endpoint=localhost:{port_path.read_text()}", "--environment_type=LOOPBACK"]
        beam_runner.convert(inputs, tmp_path / "out", "PortableRunner", flags)
    finally:
        server.terminate()
        server.wait()
    assert contents(tmp_path / "out") == plain[1]
