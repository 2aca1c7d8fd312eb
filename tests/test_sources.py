"""Where grooves come from: folders, zips and TFDS, the splits of their files, and what is said of broken ones."""

from __future__ import annotations

import collections
import errno
import os
import pathlib
import zipfile

import midi_files
import pytest
import requests

from pipelines import drums, sources

HEADER = "midi_filename,split\n"


def fill(folder: pathlib.Path, names: list[str]) -> pathlib.Path:
    """Writes a MIDI file under each name, each with its own number of hits."""
    for number, name in enumerate(names, start=1):
        midi_files.write(folder / name, midi_files.groove(1)[:number])
    return folder


def pack(folder: pathlib.Path, path: pathlib.Path) -> pathlib.Path:
    """Zips a folder with its own name as the first part, as Groove's zip is."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, f"groove/{file.relative_to(folder).as_posix()}")
    return path


def walk(given) -> dict[str, sources.Source]:
    collection = sources.open_collection(str(given))
    found = {source.name: source for source in collection.walk()}
    assert len(found) == collection.size
    return found


def splits(given) -> dict[str, str]:
    return {name: source.split for name, source in walk(given).items()}


def test_a_folder_gives_every_midi_file_below_it_sorted(tmp_path):
    names = ["B.MID", "a.mid", "deep/er/c.midi", "schöne Grüße/d e.Mid", "鼓.mid"]
    fill(tmp_path, names)
    (tmp_path / "readme.txt").write_text("no MIDI")
    (tmp_path / "folder.mid").mkdir()
    found = walk(tmp_path)
    assert list(found) == names
    for name in names:
        assert found[name].midi == (tmp_path / name).read_bytes()
        assert found[name].split == sources.split_by_hash(name)
        assert found[name].error == ""


def test_the_current_folder_has_a_name_too(tmp_path, monkeypatch):
    fill(tmp_path / "mine", ["a.mid"])
    monkeypatch.chdir(tmp_path / "mine")
    assert sources.open_collection(".").name == "mine"


@pytest.mark.parametrize("hidden", ["._a.mid", "__MACOSX/._a.mid", "deep/__MACOSX/a.mid", ".trash/a.mid"])
def test_what_macos_adds_is_left_out(tmp_path, hidden):
    folder = fill(tmp_path / "in", ["a.mid", hidden])
    assert list(walk(folder)) == ["a.mid"]
    assert list(walk(pack(folder, tmp_path / "in.zip"))) == ["groove/a.mid"]


def test_a_name_that_is_no_utf8_can_be_written_all_the_same(tmp_path):
    fill(tmp_path, ["a.mid"])
    (tmp_path / "a.mid").rename(tmp_path / os.fsdecode(b"gr\xf6ve.mid"))
    (source,) = walk(tmp_path).values()
    assert source.name == r"gr\xf6ve.mid"
    assert source.midi


@pytest.mark.parametrize("folder", ["", "groove/", "a/b/"])
def test_info_csv_says_the_splits_wherever_it_lies(tmp_path, folder):
    fill(tmp_path, [f"{folder}s/1.mid", f"{folder}s/2.mid", f"{folder}s/3.mid", f"{folder}s/other.mid"])
    rows = f"{HEADER}s/1.mid,test\ns/2.mid,train\ns/3.mid,validation\n"
    (tmp_path / folder / "info.csv").write_text(rows)
    assert splits(tmp_path) == {
        f"{folder}s/1.mid": "test",
        f"{folder}s/2.mid": "train",
        f"{folder}s/3.mid": "validation",
        f"{folder}s/other.mid": sources.split_by_hash(f"{folder}s/other.mid"),
    }


def test_info_csv_nearest_to_the_root_counts(tmp_path):
    fill(tmp_path, ["a/1.mid"])
    (tmp_path / "a" / "info.csv").write_text(f"{HEADER}1.mid,test\n")
    (tmp_path / "info.csv").write_text(f"{HEADER}a/1.mid,validation\n")
    assert splits(tmp_path) == {"a/1.mid": "validation"}


def test_info_csv_may_have_other_columns_a_byte_order_mark_and_windows_lines(tmp_path):
    fill(tmp_path, ["a, b.mid"])
    (tmp_path / "info.csv").write_bytes(b'\xef\xbb\xbfsplit,style,midi_filename\r\ntest,rock,"a, b.mid"\r\n')
    assert splits(tmp_path) == {"a, b.mid": "test"}


def test_files_listed_in_info_csv_but_not_there_are_named(tmp_path):
    fill(tmp_path, ["groove/1.mid"])
    (tmp_path / "groove" / "info.csv").write_text(f"{HEADER}1.mid,test\ngone/2.mid,train\nalso.mid,train\n")
    assert sources.open_collection(str(tmp_path)).missing == ("groove/also.mid", "groove/gone/2.mid")


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (
            f"{HEADER}a.mid,train\nb.mid,dev\n",
            "info.csv: line 3: file 'b.mid' in split 'dev'; accepted splits: train, validation, test",
        ),
        (f"{HEADER}a.mid\n", "info.csv: line 2: file 'a.mid' in split None; accepted splits"),
        ("split,midi_filename\ntrain\n", "info.csv: line 2: file None in split 'train'; accepted splits"),
        (
            "file,split\na.mid,train\n",
            "info.csv: it needs the columns midi_filename and split; found ['file', 'split']",
        ),
        ("", "info.csv: it needs the columns midi_filename and split; found None"),
        (f'{HEADER}"{"x" * 200_000}",train\n', "info.csv: field larger than field limit (131072)"),
    ],
)
def test_an_info_csv_that_cannot_be_followed_is_an_error(tmp_path, table, expected):
    fill(tmp_path, ["a.mid"])
    (tmp_path / "info.csv").write_text(table)
    with pytest.raises(ValueError, match="mend it, or take it away: splits then follow from names") as caught:
        sources.open_collection(str(tmp_path))
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("a.mid", "train"),
        ("b.mid", "train"),
        ("j.mid", "test"),
        ("k.mid", "validation"),
        ("groove/x.midi", "validation"),
        ("größe/é.MID", "validation"),
        ("drummer1/session1/1_rock_96_beat_4-4.mid", "train"),
    ],
)
def test_split_by_hash_never_changes(name, split):
    assert sources.split_by_hash(name) == split


def test_split_by_hash_is_80_10_10():
    names = [f"drummer{number % 10}/session{number % 7}/{number}.mid" for number in range(1000)]
    counts = collections.Counter(map(sources.split_by_hash, names))
    assert counts == {"train": 804, "validation": 98, "test": 98}


def test_a_zip_gives_what_its_folder_gives(tmp_path):
    folder = fill(tmp_path / "groove", ["s/1.mid", "s/2.MID", "Grüße an/3.midi"])
    (folder / "info.csv").write_text(f"{HEADER}s/1.mid,test\ngone.mid,train\n")
    path = pack(folder, tmp_path / "groove.zip")
    from_folder, from_zip = walk(tmp_path / "groove"), walk(path)
    assert {name.removeprefix("groove/"): source.midi for name, source in from_zip.items()} == {
        name: source.midi for name, source in from_folder.items()
    }
    assert from_zip["groove/s/1.mid"].split == "test"
    assert sources.open_collection(str(path)).missing == ("groove/gone.mid",)
    assert sources.open_collection(str(path)).name == "groove"


def test_a_damaged_member_of_a_zip_costs_only_this_file(tmp_path):
    folder = tmp_path / "in"
    for name in ("1.mid", "2.mid", "3.mid"):
        midi_files.write(folder / name, midi_files.groove(8))
    path = pack(folder, tmp_path / "in.zip")
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("groove/2.mid")
    content = bytearray(path.read_bytes())
    middle = member.header_offset + 30 + len(member.filename) + member.compress_size // 2
    content[middle : middle + 8] = bytes(255 - byte for byte in content[middle : middle + 8])
    path.write_bytes(content)
    found = walk(path)
    assert found["groove/2.mid"].midi is None
    assert "in the zip" in found["groove/2.mid"].error or "unpacked" in found["groove/2.mid"].error
    assert found["groove/1.mid"].midi == found["groove/3.mid"].midi == (folder / "1.mid").read_bytes()


def test_a_name_twice_in_a_zip_counts_once(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.mid", b"first")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.mid", b"second")
    assert walk(tmp_path / "a.zip")["a.mid"].midi == b"second"


@pytest.mark.parametrize("content", [b"", b"MThd\0\0\0\6", b"PK\3\4 cut off"])
def test_what_is_no_zip_is_an_error(tmp_path, content):
    path = tmp_path / "groove.zip"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="neither a folder nor a readable zip") as caught:
        sources.open_collection(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith("; download it again, or give the unpacked folder")


def test_a_zip_cut_off_is_an_error(tmp_path):
    path = pack(fill(tmp_path / "in", ["1.mid", "2.mid"]), tmp_path / "in.zip")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="neither a folder nor a readable zip"):
        sources.open_collection(str(path))


def test_a_damaged_info_csv_in_a_zip_is_an_error_that_names_it(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("g/info.csv", HEADER + "a.mid,train\n")
        archive.writestr("g/a.mid", b"")
    content = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(content.replace(b"a.mid,train", b"b.mid,train"))
    with pytest.raises(ValueError, match=r"^g/info.csv: cannot be unpacked \(Bad CRC-32"):
        sources.open_collection(str(tmp_path / "a.zip"))


def test_files_too_large_for_midi_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_MIDI_BYTES", 2**20)
    folder = fill(tmp_path / "in", ["a.mid", "b.mid"])
    (folder / "b.mid").write_bytes(bytes(2**20 + 1))
    path = pack(folder, tmp_path / "in.zip")
    for found in (walk(folder)["b.mid"], walk(path)["groove/b.mid"]):
        assert (found.midi, found.error) == (None, "larger than 1 MiB")
    assert walk(folder)["a.mid"].midi == walk(path)["groove/a.mid"].midi != None  # noqa: E711  A chain of comparisons.


def test_a_file_that_goes_away_meanwhile_costs_only_itself(tmp_path):
    collection = sources.open_collection(str(fill(tmp_path, ["a.mid", "b.mid"])))
    (tmp_path / "a.mid").unlink()
    first, second = collection.walk()
    assert first.midi is None
    assert os.strerror(errno.ENOENT) in first.error
    assert second.midi


@pytest.mark.parametrize("name", ["empty", "full of other things"])
def test_nothing_to_convert_is_an_error(tmp_path, name):
    (tmp_path / name).mkdir()
    if name != "empty":
        (tmp_path / name / "a.wav").touch()
    with pytest.raises(ValueError, match=r"no MIDI file in it \(looked for \*.mid and \*.midi, in all folders\)"):
        sources.open_collection(str(tmp_path / name))


def test_the_starter_set_is_found_by_name():
    collection = sources.open_collection("starter")
    counts = collections.Counter(source.split for source in collection.walk())
    assert collection.missing == ()
    assert sum(counts.values()) == collection.size
    assert all(counts[split] for split in sources.SPLITS)


def test_an_unknown_name_lists_what_there_is(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        sources.open_collection(str(tmp_path / "missing"))
    expected = f"{tmp_path}/missing: no such folder, zip or TFDS dataset (bundled: starter; to download: groove)"
    assert str(caught.value) == expected


@pytest.fixture
def tfds_dir(tmp_path, monkeypatch) -> pathlib.Path:
    """TFDS's folder, empty; nothing is downloaded without being noticed."""
    import tensorflow_datasets as tfds

    folder = tmp_path / "tfds"
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(folder))
    monkeypatch.setenv("TFDS_DATA_DIR", str(folder))

    def offline(*_, **__):
        raise requests.ConnectionError("no route to host")

    monkeypatch.setattr(requests, "head", offline)
    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", offline)
    return folder


@pytest.fixture
def downloaded(tmp_path) -> pathlib.Path:
    """What TFDS would have unpacked: a folder with Groove's folder in it, here of three files, one a split."""
    from pipelines.sources import STARTER_DIR

    folder = tmp_path / "unpacked" / "groove"
    lines = (STARTER_DIR / "info.csv").read_text().splitlines()
    chosen = [next(line for line in lines if line.endswith(f",{split}")) for split in sources.SPLITS]
    for line in chosen:
        name = line.split(",")[7]
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((STARTER_DIR / name).read_bytes())
    (folder / "info.csv").write_text("\n".join([lines[0], *chosen]) + "\n")
    return folder.parent


def test_tfds_without_internet_says_so_at_once_and_prepares_nothing(tfds_dir):
    with pytest.raises(ValueError, match=r"groove/full-midionly: not downloaded yet, .* cannot be reached") as caught:
        sources.open_collection("groove")
    assert str(caught.value).endswith("without internet, give the folder or the zip of the Groove MIDI Dataset instead")
    assert not list(tfds_dir.rglob("*")) if tfds_dir.exists() else True


def test_tfds_preparation_that_breaks_off_does_not_spoil_the_next_one(tfds_dir, downloaded, monkeypatch):
    import tensorflow_datasets as tfds

    monkeypatch.setattr(requests, "head", lambda *_, **__: None)
    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", lambda *_: str(downloaded))
    *_, last = sorted(downloaded.rglob("*.mid"))
    last.rename(last.with_suffix(".away"))
    with pytest.raises(ValueError, match=r"groove/full-midionly: TFDS cannot prepare it \(NotFoundError: ") as caught:
        sources.open_collection("groove")
    assert str(caught.value).endswith("try again, or give the folder or the zip of the Groove MIDI Dataset instead")
    last.with_suffix(".away").rename(last)
    assert sources.open_collection("groove").size == 3


def test_tfds_gives_the_same_midi_as_the_folder(tfds_dir, downloaded, monkeypatch):
    import tensorflow_datasets as tfds

    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", lambda *_: str(downloaded))
    tfds.builder("groove/full-midionly").download_and_prepare()
    found = walk("groove/full-midionly")  # Once prepared, nothing is asked of the network.
    by_split = {source.split: source for source in found.values()}
    assert sorted(by_split) == sorted(sources.SPLITS)
    for source in walk(downloaded).values():
        assert by_split[source.split].midi == source.midi
        assert drums.read_midi(by_split[source.split].midi).notes
    assert all(name.startswith("drummer") and name.endswith(".mid") for name in found)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("groove/full-nonsense", "groove/full-nonsense: TFDS knows no such dataset; groove/full-midionly, "),
        ("mnist", "mnist: has no MIDI in it; groove/full-midionly, "),
    ],
)
def test_tfds_names_that_cannot_be_used_say_which_can(tfds_dir, name, expected):
    with pytest.raises(ValueError, match=r"groove/4bar-midionly") as caught:
        sources.open_collection(name)
    assert str(caught.value).startswith(expected)
