"""The files of a zip: all that can be read, and what is dangerous refused by its name."""

from __future__ import annotations

import pathlib
import pickle
import struct
import tracemalloc
import zipfile

import pytest

from pipelines.dataset.inputs import zips

LIMIT = 16 * 2**20


def pack(path: pathlib.Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> pathlib.Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return path


def complaint(files, name: str) -> str:
    with pytest.raises(ValueError) as caught:
        files.locate(name).read(LIMIT)
    return str(caught.value)


def patch_directory(path: pathlib.Path, name: str, offset: int, value: bytes) -> None:
    """Overwrites a field of a member's entry in the zip's directory; the offset is the one of the format's document."""
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\1\2", 0, content.rindex(name.encode()))
    content[entry + offset : entry + offset + len(value)] = value
    path.write_bytes(content)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_member_is_read_however_it_is_compressed(tmp_path, method):
    members = {"b/2.MID": b"two" * 1000, "a.mid": b"", "b/1.mid": bytes(range(256)), "b/x.txt": b"no"}
    files = zips.list_files(pack(tmp_path / "a.zip", members, method))
    assert tuple(files.names) == ("a.mid", "b/1.mid", "b/2.MID")
    for name in files.names:
        assert pickle.loads(pickle.dumps(files.locate(name))).read(LIMIT) == members[name]


def test_a_zip_behind_other_bytes_is_read(tmp_path):
    path = pack(tmp_path / "a.zip", {"a.mid": b"hit"})
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    assert zips.list_files(path).locate("a.mid").read(LIMIT) == b"hit"


def test_names_of_windows_and_hidden_ones(tmp_path):
    path = pack(
        tmp_path / "a.zip",
        {r"groove\s 1\ä.mid": b"1", "./b.mid": b"2", "__MACOSX/._b.mid": b"3", "x/.git/c.mid": b"4", "d.mid/": b""},
    )
    files = zips.list_files(path)
    assert tuple(files.names) == ("b.mid", "groove/s 1/ä.mid")
    assert files.locate("groove/s 1/ä.mid").read(LIMIT) == b"1"


def test_of_a_name_that_comes_twice_the_last_counts(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/b.mid", b"first")
        archive.writestr(r"a\b.mid", b"second")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a/b.mid", b"third")
    files = zips.list_files(path)
    assert tuple(files.names) == ("a/b.mid",)
    assert files.locate("a/b.mid").read(LIMIT) == b"third"
    assert files.repeated == {"a/b.mid": "several times in the zip, of which the last one counts"}


@pytest.mark.parametrize(
    ("name", "listed_as", "reason"),
    [
        ("/etc/a.mid", "/etc/a.mid", "refused: an absolute path in the zip"),
        (r"\\server\a.mid", "/server/a.mid", "refused: an absolute path in the zip"),
        (r"C:\a.mid", "C:/a.mid", "refused: an absolute path in the zip"),
        ("../a.mid", "../a.mid", "refused: a path that leads out of the zip"),
        (r"x\..\..\a.mid", "x/../../a.mid", "refused: a path that leads out of the zip"),
    ],
)
def test_a_path_that_leads_elsewhere_costs_only_its_member(tmp_path, name, listed_as, reason):
    files = zips.list_files(pack(tmp_path / "a.zip", {name: b"evil", "good.mid": b"good"}))
    assert sorted(files.names) == sorted([listed_as, "good.mid"])
    assert complaint(files, listed_as) == reason
    assert files.locate("good.mid").read(LIMIT) == b"good"


def test_encrypted_members_are_refused(tmp_path):
    path = pack(tmp_path / "a.zip", {"secret.mid": b"secret", "good.mid": b"good"})
    patch_directory(path, "secret.mid", 8, struct.pack("<H", 1))
    files = zips.list_files(path)
    assert complaint(files, "secret.mid") == "refused: encrypted; unpack it with its password, and give the folder"
    assert files.locate("good.mid").read(LIMIT) == b"good"


def test_a_link_in_a_zip_is_refused(tmp_path):
    link = zipfile.ZipInfo("a.mid")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert complaint(zips.list_files(tmp_path / "a.zip"), "a.mid").startswith(
        "refused: a link, which is followed in folders"
    )


def test_bombs_are_not_unpacked(tmp_path):
    path = pack(
        tmp_path / "a.zip", {"large.mid": bytes(LIMIT + 1), "dense.mid": bytes(LIMIT), "good.mid": bytes(2**20)}
    )
    files = zips.list_files(path)
    assert complaint(files, "large.mid") == "larger than 16 MiB"
    assert complaint(files, "dense.mid") == "unpacks to more than 200 times its size; no MIDI does"
    assert files.locate("good.mid").read(LIMIT) == bytes(2**20)


def test_a_bomb_that_declares_a_small_size_is_not_unpacked_further(tmp_path):
    path = pack(tmp_path / "a.zip", {"liar.mid": bytes(LIMIT), "good.mid": b"good"})
    patch_directory(path, "liar.mid", 24, struct.pack("<I", 1000))
    files = zips.list_files(path)
    assert files.locate("liar.mid").info.file_size == 1000
    tracemalloc.start()
    assert complaint(files, "liar.mid") == "damaged in the zip (it unpacks to another size than the zip says)"
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2**20
    assert files.locate("good.mid").read(LIMIT) == b"good"


def test_members_that_overlap_are_refused(tmp_path):
    path = pack(tmp_path / "a.zip", {"1.mid": b"first", "2.mid": b"second", "3.mid": b"third"}, zipfile.ZIP_STORED)
    with zipfile.ZipFile(path) as archive:
        second = archive.getinfo("2.mid").header_offset
    patch_directory(path, "1.mid", 42, struct.pack("<I", second))
    patch_directory(path, "1.mid", 20, struct.pack("<I", 60))
    files = zips.list_files(path)
    assert complaint(files, "1.mid") == "refused: it overlaps another file of the zip"
    assert files.locate("3.mid").read(LIMIT) == b"third"


def test_a_damaged_member_costs_only_itself(tmp_path):
    members = {f"{number}.mid": bytes(range(256)) * 4 for number in (1, 2, 3, 4)}
    path = pack(tmp_path / "a.zip", members)
    with zipfile.ZipFile(path) as archive:
        second, third = (archive.getinfo(name).header_offset for name in ("2.mid", "3.mid"))
    content = bytearray(path.read_bytes())
    content[second + 60 : second + 80] = bytes(255 - byte for byte in content[second + 60 : second + 80])
    content[third : third + 4] = b"gone"
    path.write_bytes(content)
    patch_directory(path, "4.mid", 16, b"\0\0\0\0")
    files = zips.list_files(path)
    assert complaint(files, "2.mid").startswith("damaged in the zip (")
    assert complaint(files, "3.mid") == "damaged in the zip (its header is not where the zip says)"
    assert complaint(files, "4.mid") == "damaged in the zip (wrong checksum)"
    assert files.locate("1.mid").read(LIMIT) == members["1.mid"]


def test_a_compression_that_python_does_not_know_is_named(tmp_path):
    path = pack(tmp_path / "a.zip", {"a.mid": b"hit"})
    patch_directory(path, "a.mid", 10, struct.pack("<H", 9))
    expected = "cannot be unpacked (compressed by deflate64); pack the zip anew with deflate"
    assert complaint(zips.list_files(path), "a.mid") == expected


@pytest.mark.parametrize("content", [b"", b"MThd\0\0\0\6", b"PK\3\4 cut off"])
def test_what_is_no_zip_is_an_error(tmp_path, content):
    path = tmp_path / "groove.zip"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="neither a folder nor a readable zip") as caught:
        zips.list_files(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith("; download it again, or give the unpacked folder")


def test_a_zip_cut_off_is_an_error(tmp_path):
    path = pack(tmp_path / "a.zip", {"1.mid": b"1", "2.mid": b"2"})
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match="neither a folder nor a readable zip"):
        zips.list_files(path)
