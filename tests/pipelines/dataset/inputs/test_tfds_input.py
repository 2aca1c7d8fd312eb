"""TFDS datasets: prepared from Groove's own files, read back without internet, with the columns of info.csv."""

from __future__ import annotations

import csv
import io
import pathlib
import zipfile

import pytest
import requests

from grooves import drums, metadata
from pipelines.dataset import performance
from pipelines.dataset.inputs import info_csv, sources, tfds_input
from pipelines.dataset.selection import Selection

FILES_A_SPLIT = 4


@pytest.fixture
def offline(monkeypatch) -> None:
    """Nothing is downloaded without being noticed."""
    import tensorflow_datasets as tfds

    def fail(*_, **__):
        raise requests.ConnectionError("no route to host")

    monkeypatch.setattr(requests, "head", fail)
    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", fail)


@pytest.fixture
def tfds_dir(tmp_path, monkeypatch, offline) -> pathlib.Path:
    """TFDS's own folder, empty."""
    import tensorflow_datasets as tfds

    folder = tmp_path / "tfds"
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(folder))
    monkeypatch.setenv("TFDS_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def unpacked(tmp_path) -> pathlib.Path:
    """What TFDS would have unpacked: a folder with Groove's folder in it, here of three files, one a split."""
    with (sources.STARTER_DIR / info_csv.TABLE_NAME).open(newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = [next(row for row in rows if row["split"] == split) for split in metadata.SPLITS]
    files = {row["midi_filename"]: (sources.STARTER_DIR / row["midi_filename"]).read_bytes() for row in chosen}
    return unpack(tmp_path / "unpacked", chosen, files)


def unpack(folder: pathlib.Path, rows: list[dict[str, str]], files: dict[str, bytes]) -> pathlib.Path:
    for name, content in files.items():
        (folder / "groove" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "groove" / name).write_bytes(content)
    with (folder / "groove" / info_csv.TABLE_NAME).open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return folder


def prepare(name: str, data_dir: pathlib.Path, unpacked: pathlib.Path) -> None:
    import tensorflow_datasets as tfds

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds.download.DownloadManager, "download_and_extract", lambda *_: str(unpacked))
        tfds.builder(name, data_dir=str(data_dir)).download_and_prepare()


@pytest.fixture(scope="module")
def groove_rows(groove_zip) -> tuple[list[dict[str, str]], dict[str, bytes]]:
    """Rows of Groove's table, as many in each split, styles and metres of all kinds first, and their files."""
    with zipfile.ZipFile(groove_zip) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("groove/info.csv").decode())))
        by_kind = {(row["style"], row["time_signature"], row["beat_type"], row["drummer"]): row for row in rows}
        chosen = sorted(by_kind.values(), key=lambda row: (row["time_signature"] == "4-4", row["id"]))
        chosen = chosen[: FILES_A_SPLIT * len(metadata.SPLITS)]
        for number, row in enumerate(chosen):
            row["split"] = metadata.SPLITS[number % len(metadata.SPLITS)]
        return chosen, {row["midi_filename"]: archive.read(f"groove/{row['midi_filename']}") for row in chosen}


def test_groove_prepared_elsewhere_is_read_without_internet(tfds_dir, groove_rows, tmp_path):
    import tensorflow_datasets as tfds

    rows, files = groove_rows
    elsewhere = tmp_path / "another disk"
    prepare("groove/full-midionly", elsewhere, unpack(tmp_path / "unpacked", rows, files))
    collection = sources.open_collections(["groove"], tfds_data_dir=str(elsewhere))
    found = {source.columns["id"]: source for source in collection.walk()}
    assert (collection.name, collection.size, len(found)) == ("groove/full-midionly", len(rows), len(rows))
    for row in rows:
        source = found[row["id"]]
        assert source.read() == files[row["midi_filename"]]
        assert (source.name, source.split, source.kind) == (f"{row['id']}.mid", row["split"], "midi")
        assert source.columns == {name: row[name] for name in source.columns}
        assert set(source.columns) == {"drummer", "id", "style", "bpm", "beat_type", "time_signature", "split"}
    assert collection.known("time_signature") == tuple(sorted({row["time_signature"] for row in rows}))
    Selection(styles=[rows[0]["style"]]).check(collection.known)
    for split in metadata.SPLITS:
        loaded = tfds.load("groove/full-midionly", split=split, data_dir=str(elsewhere), download=False)
        midi = [example["midi"] for example in tfds.as_numpy(loaded)]
        assert midi == [source.read() for source in collection.walk() if source.split == split]
        assert len(midi) == FILES_A_SPLIT
    assert not tfds_dir.exists()


def test_windows_of_four_bars_have_names_of_their_own(tfds_dir, unpacked):
    prepare("groove/4bar-midionly", tfds_dir, unpacked)
    collection = sources.open_collections(["groove/4bar-midionly"])
    names = [source.name for source in collection.walk()]
    assert len(set(names)) == len(names) == collection.size > 3
    assert all(source.columns["style"] for source in collection.walk())


def test_drums_are_where_it_is_said_in_tfds_too(tfds_dir, unpacked):
    prepare("groove/full-midionly", tfds_dir, unpacked)
    source = next(sources.open_collections(["groove"]).walk())
    first = performance.convert_file(source, performance.Options(drum_channel=1))
    assert first.skipped.startswith("no drums: nothing on MIDI channel 1; notes are on channel 10 (")
    assert first.skipped.endswith("); --drum_channel=10 takes them as drums")
    tenth, every = (performance.convert_file(source, performance.Options(drum_channel=ch)) for ch in (10, "all"))
    assert every.record == tenth.record
    own = drums.DrumMap.of("mine.txt", {36: 8})
    assert set(performance.convert_file(source, performance.Options(own)).facts.unmapped) >= {38}


def test_without_internet_it_is_said_at_once_and_nothing_prepared(tfds_dir, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    for data_dir, folder in ((None, tfds_dir), (str(elsewhere), elsewhere)):
        with pytest.raises(
            ValueError, match=r"^groove/full-midionly: not in .*, and https://.* cannot be reached"
        ) as caught:
            tfds_input.open_dataset("groove/full-midionly", data_dir)
        assert f"not in {folder}/groove/full-midionly/" in str(caught.value)
        assert str(caught.value).endswith(
            "without internet, say with --tfds_data_dir where it lies prepared,"
            " or give the folder or the zip of the Groove MIDI Dataset instead"
        )
        assert not folder.exists() or not list(folder.rglob("*"))


def test_preparation_that_breaks_off_does_not_spoil_the_next_one(tfds_dir, unpacked, monkeypatch):
    import tensorflow_datasets as tfds

    monkeypatch.setattr(requests, "head", lambda *_, **__: None)
    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", lambda *_: str(unpacked))
    *_, last = sorted(unpacked.rglob("*.mid"))
    last.rename(last.with_suffix(".away"))
    with pytest.raises(ValueError, match=r"groove/full-midionly: TFDS cannot prepare it \(NotFoundError: ") as caught:
        tfds_input.open_dataset("groove/full-midionly", None)
    assert str(caught.value).endswith("try again, or give the folder or the zip of the Groove MIDI Dataset instead")
    last.with_suffix(".away").rename(last)
    assert tfds_input.open_dataset("groove/full-midionly", None).size == 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("groove/full-nonsense", "groove/full-nonsense: TFDS knows no such dataset; groove/full-midionly, "),
        ("mnist", "mnist: has no MIDI in it; groove/full-midionly, "),
    ],
)
def test_names_that_cannot_be_used_say_which_can(tfds_dir, name, expected):
    with pytest.raises(ValueError, match=r"groove/4bar-midionly") as caught:
        tfds_input.open_dataset(name, None)
    assert str(caught.value).startswith(expected)


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(FileNotFoundError) as caught:
        tfds_input.open_dataset("grove", None)
    expected = "grove: no such folder, zip, TFRecord or TFDS dataset (bundled: starter; to download: groove)"
    assert str(caught.value) == expected
