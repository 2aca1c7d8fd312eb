"""The zip of everything: what is in it, and how a browser gets it."""

import os
import zipfile

import pytest

from pipelines.notebook import archive


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "made"
    for name in ("b/two.mid", "a/one.wav", "a/.hidden", ".checkpoints/x", "a/originals/ö ne.mid"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_all_files_are_in_one_folder_of_it_but_hidden_ones(folder, tmp_path, capsys):
    path = archive.pack(folder, tmp_path / "out" / "drums.zip")
    with zipfile.ZipFile(path) as packed:
        assert packed.namelist() == ["drums/a/one.wav", "drums/a/originals/ö ne.mid", "drums/b/two.mid"]
        assert packed.read("drums/b/two.mid") == b"b/two.mid"
        assert packed.testzip() is None
    assert capsys.readouterr().out == f"{path}: 3 files, 0.0 MB\n"


def test_the_same_files_give_the_same_bytes_whenever_they_were_written(folder, tmp_path):
    first = archive.pack(folder, tmp_path / "1" / "drums.zip").read_bytes()
    os.utime(folder / "b" / "two.mid", (0, 0))
    (folder / "a" / "one.wav").chmod(0o600)
    assert archive.pack(folder, tmp_path / "2" / "drums.zip").read_bytes() == first


def test_packing_again_replaces_it(folder, tmp_path):
    path = archive.pack(folder, tmp_path / "drums.zip")
    (folder / "new.mid").write_text("new")
    archive.pack(folder, path)
    with zipfile.ZipFile(path) as packed:
        assert "drums/new.mid" in packed.namelist()


@pytest.mark.parametrize("name", ["empty", "nowhere"])
def test_nothing_to_pack_is_an_error_and_leaves_no_zip(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="nothing to pack yet"):
        archive.pack(tmp_path / name, tmp_path / "drums.zip")
    assert not (tmp_path / "drums.zip").exists()


def test_the_link_counts_from_where_the_notebook_was_opened(tmp_path, shown):
    archive.offer(tmp_path / "a clone" / "generated" / "drums.zip", tmp_path / "notes")
    assert shown[0].data == '<a href="../a%20clone/generated/drums.zip" download>drums.zip</a>'
