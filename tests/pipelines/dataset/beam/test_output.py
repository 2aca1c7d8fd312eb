"""The output on one of Beam's file systems."""

from __future__ import annotations

import importlib.util
import os

import pytest

if importlib.util.find_spec("apache_beam") is None and not os.environ.get("CI"):
    pytest.skip("Apache Beam is not installed; ./run_tests.sh installs it", allow_module_level=True)

from pipelines.dataset.beam import output
from pipelines.dataset.inputs import remote_folders
from tests.beam_files import on_disk
from tests.conversions import contents


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
