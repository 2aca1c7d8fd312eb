"""The files of a folder: nested, linked, oddly named, each once."""

from __future__ import annotations

import os
import pathlib

import pytest

from pipelines.dataset.inputs import folders


def fill(folder: pathlib.Path, names: list[str]) -> pathlib.Path:
    """Writes a file under each name, which is its content."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_files_of_all_folders_are_listed_sorted_by_name(tmp_path):
    names = ["B.mid", "a.mid", "deep/er/c.mid", "schöne Grüße/d e.mid", "鼓.mid"]
    fill(tmp_path, [*names, "readme.txt", ".hidden.mid", ".trash/a.mid", "x/__MACOSX/a.mid", "._a.mid"])
    (tmp_path / "folder.mid").mkdir()
    os.mkfifo(tmp_path / "pipe.mid")  # Reading it would wait for ever.
    files = folders.list_files(tmp_path)
    assert tuple(files.names) == tuple(names)
    assert [files.locate(name).read(99).decode() for name in names] == names
    assert files.repeated == {}


@pytest.mark.parametrize("with_link", [False, True])
def test_the_order_is_that_of_whole_paths(tmp_path, with_link):
    names = ["a b/c.mid", "a-b.mid", "a.mid", "a/b.mid", "a/b/c.mid", "a/b-.mid", "a0.mid", "aé/a.mid", "b/a.mid"]
    folder, outside = fill(tmp_path / "in", names), fill(tmp_path / "out", ["x.mid"])
    if with_link:
        (folder / "a'b").symlink_to(outside)
    expected = [*names, "a'b/x.mid"] if with_link else names
    assert list(folders.list_files(folder).names) == sorted(expected)


def test_a_name_that_is_no_utf8_can_be_written_and_read(tmp_path):
    (tmp_path / os.fsdecode(b"gr\xf6ve.mid")).write_bytes(b"hit")
    files = folders.list_files(tmp_path)
    assert tuple(files.names) == (r"gr\xf6ve.mid",)
    assert files.locate(r"gr\xf6ve.mid").read(99) == b"hit"


def test_links_are_followed(tmp_path):
    elsewhere = fill(tmp_path / "elsewhere", ["1.mid", "deep/2.mid", "3.bin"])
    folder = fill(tmp_path / "in", ["a.mid"])
    (folder / "linked.mid").symlink_to(elsewhere / "3.bin")
    (folder / "links").symlink_to(elsewhere)
    files = folders.list_files(folder)
    assert tuple(files.names) == ("a.mid", "linked.mid", "links/1.mid", "links/deep/2.mid")
    assert files.locate("links/deep/2.mid").read(99) == b"deep/2.mid"
    assert files.locate("linked.mid").read(99) == b"3.bin"
    assert files.repeated == {}


def test_a_file_that_links_lead_to_as_well_counts_once(tmp_path):
    folder = fill(tmp_path / "in", ["real/b.mid", "real/c.mid"])
    outside = fill(tmp_path / "out", ["x.mid"])
    (folder / "a.mid").symlink_to("real/b.mid")  # Its name comes first, but is not its own.
    (folder / "again").symlink_to("real")
    (folder / "one.mid").symlink_to(outside / "x.mid")
    (folder / "two").symlink_to(outside)
    files = folders.list_files(folder)
    assert tuple(files.names) == ("one.mid", "real/b.mid", "real/c.mid")
    assert files.repeated == {
        "a.mid": "a link to real/b.mid",
        "again/": "a link to real/",
        "two/x.mid": "a link to one.mid",
    }


def test_links_in_a_circle_end(tmp_path):
    folder = fill(tmp_path / "in", ["a/1.mid"])
    (folder / "a" / "up").symlink_to("..")
    (folder / "a" / "further up").symlink_to(tmp_path)
    outside = fill(tmp_path / "out", ["2.mid"])
    (outside / "self").symlink_to(".")
    (folder / "b").symlink_to(outside)
    files = folders.list_files(folder)
    assert tuple(files.names) == ("a/1.mid", "b/2.mid")
    assert files.repeated == {
        "a/further up/": "a link to a folder that it lies in",
        "a/up/": "a link to a folder that it lies in",
        "b/self/": "a link to b/",
    }


def test_a_link_that_leads_nowhere_is_listed_and_says_why_when_read(tmp_path):
    (tmp_path / "gone.mid").symlink_to("not here")
    (tmp_path / "round.mid").symlink_to("round.mid")
    files = folders.list_files(tmp_path)
    assert tuple(files.names) == ("gone.mid", "round.mid")
    with pytest.raises(FileNotFoundError, match="No such file"):
        files.locate("gone.mid").read(99)
    with pytest.raises(OSError, match="symbolic links"):
        files.locate("round.mid").read(99)


def test_a_folder_that_cannot_be_read_is_listed_and_costs_only_itself(tmp_path, monkeypatch):
    fill(tmp_path, ["a.mid", "locked/b.mid"])
    scandir = os.scandir

    def refusing(path):
        if str(path).rstrip("/").endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    files = folders.list_files(tmp_path)
    assert tuple(files.names) == ("a.mid", "locked/")
    with pytest.raises(ValueError, match=r"^the folder cannot be read \(Permission denied\)$"):
        files.locate("locked/").read(99)
    with pytest.raises(PermissionError):
        folders.list_files(tmp_path / "locked")


def test_a_file_larger_than_the_limit_is_not_read(tmp_path):
    (tmp_path / "a.mid").write_bytes(bytes(2**20 + 1))
    location = folders.list_files(tmp_path).locate("a.mid")
    assert len(location.read(2**20 + 1)) == 2**20 + 1
    with pytest.raises(ValueError, match=r"^larger than 1 MiB$"):
        location.read(2**20)
