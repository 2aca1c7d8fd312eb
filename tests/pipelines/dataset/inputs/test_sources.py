"""Where grooves come from: inputs of each kind and in mixture, their splits, and what is said of broken ones."""

from __future__ import annotations

import collections
import pathlib
import pickle
import subprocess
import sys
import tracemalloc
import zipfile

import note_seq
import pytest

from grooves import metadata
from pipelines.dataset.formats import tfrecords
from pipelines.dataset.inputs import sources
from pipelines.dataset.inputs.source import MAX_MIDI_BYTES, Source, split_by_hash
from tests import midi_files

ROOT = pathlib.Path(__file__).resolve().parents[4]
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


def write_records(path: pathlib.Path, names: list[str]) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for name in names:
            tfrecords.write(file, note_seq.NoteSequence(filename=name).SerializeToString())
    return path


def walk(*given) -> dict[str, Source]:
    collection = sources.open_collections([str(one) for one in given])
    found = {source.name: source for source in collection.walk()}
    assert len(found) == collection.size
    return found


def splits(given) -> dict[str, str]:
    return {name: source.split for name, source in walk(given).items()}


def test_a_folder_gives_every_file_of_every_kind_below_it_sorted(tmp_path):
    kinds = {
        "B.MID": "midi",
        "a.mid": "midi",
        "b.XML": "musicxml",
        "deep/er/c.midi": "midi",
        "deep/score.musicxml": "musicxml",
        "s.mxl": "musicxml",
        "schöne Grüße/d e.Mid": "midi",
        "鼓.mid": "midi",
    }
    fill(tmp_path / "mine", [*kinds, "a.mid.bak", "x.tfrecord", "y.zip", ".hidden.mid"])
    found = walk(tmp_path / "mine")
    assert {name: source.kind for name, source in found.items()} == kinds
    assert list(found) == list(kinds)
    for name, source in found.items():
        assert source.collection == "mine"
        assert source.split == split_by_hash(name)
        assert source.columns == {}
        assert pickle.loads(pickle.dumps(source)).read() == (tmp_path / "mine" / name).read_bytes()


def test_the_current_folder_has_a_name_too(tmp_path, monkeypatch):
    fill(tmp_path / "mine", ["a.mid"])
    monkeypatch.chdir(tmp_path / "mine")
    assert sources.open_collections(["."]).name == "mine"


@pytest.mark.parametrize("folder", ["", "groove/", "a/b/"])
def test_info_csv_says_splits_and_columns_wherever_it_lies(tmp_path, folder):
    fill(tmp_path, [f"{folder}s/1.mid", f"{folder}s/2.mid", f"{folder}s/3.mid", f"{folder}s/other.mid"])
    rows = "midi_filename,split,style\ns/1.mid,test,rock\ns/2.mid,train,\ns/3.mid,validation,funk/groove1\n"
    (tmp_path / folder / "info.csv").write_text(rows)
    assert splits(tmp_path) == {
        f"{folder}s/1.mid": "test",
        f"{folder}s/2.mid": "train",
        f"{folder}s/3.mid": "validation",
        f"{folder}s/other.mid": split_by_hash(f"{folder}s/other.mid"),
    }
    found = walk(tmp_path)
    assert found[f"{folder}s/1.mid"].columns == {"midi_filename": "s/1.mid", "split": "test", "style": "rock"}
    assert found[f"{folder}s/other.mid"].columns == {}
    collection = sources.open_collections([str(tmp_path)])
    assert collection.known("style") == ("", "funk/groove1", "rock")
    assert collection.unlisted == (f"{folder}s/other.mid",)


def test_each_info_csv_counts_for_its_own_folder_and_the_outer_one_first(tmp_path):
    fill(tmp_path, ["a/1.mid", "a/2.mid", "a/3.mid", "b/1.mid", "c/1.mid"])
    (tmp_path / "a" / "info.csv").write_text(f"{HEADER}1.mid,test\n2.mid,test\n")
    (tmp_path / "b" / "info.csv").write_text(f"{HEADER}1.mid,test\n")
    assert sources.open_collections([str(tmp_path)]).unlisted == ("a/3.mid",)
    (tmp_path / "info.csv").write_text(f"{HEADER}a/1.mid,validation\n")
    found = splits(tmp_path)
    assert (found["a/1.mid"], found["a/2.mid"], found["b/1.mid"]) == ("validation", "test", "test")
    assert sources.open_collections([str(tmp_path)]).unlisted == ("a/3.mid", "c/1.mid")


def test_what_only_the_table_or_only_the_folder_has_is_named(tmp_path):
    folder = fill(tmp_path / "in", ["groove/1.mid", "groove/2.mid", "beside.mid"])
    (folder / "groove" / "link.mid").symlink_to("1.mid")
    table = f"{HEADER}1.mid,test\ngone/2.mid,train\nalso.mid,train\nlink.mid,test\n"
    (folder / "groove" / "info.csv").write_text(table)
    collection = sources.open_collections([str(folder)])
    assert collection.missing == ("groove/also.mid", "groove/gone/2.mid")
    assert collection.unlisted == ("groove/2.mid",)
    assert collection.repeated == ("groove/link.mid: a link to groove/1.mid",)
    assert collection.size == 3


def test_sheet_music_of_a_midi_file_beside_it_is_not_a_second_performance(tmp_path):
    """As `--score` leaves it; a sheet of another name, or one that a table lists, is a performance of its own."""
    names = ["a.mid", "a.musicxml", "A.xml", "b/a.musicxml", "c.MIDI", "c.mxl", "c.xml", "d.mid", "d.xml"]
    folder = fill(tmp_path / "in", names)
    (folder / "info.csv").write_text(f"{HEADER}d.mid,train\nd.xml,train\n")
    collection = sources.open_collections([str(folder)])
    kept = ["A.xml", "a.mid", "b/a.musicxml", "c.MIDI", "d.mid", "d.xml"]
    assert [source.name for source in collection.walk()] == kept
    assert collection.size == len(kept)
    assert sorted(collection.repeated) == [
        "a.musicxml: sheet music of a.mid",
        "c.mxl: sheet music of c.MIDI",
        "c.xml: sheet music of c.MIDI",
    ]


def test_an_info_csv_that_cannot_be_followed_is_an_error_that_names_it(tmp_path):
    fill(tmp_path, ["a/a.mid"])
    (tmp_path / "a" / "info.csv").write_text(f"{HEADER}a.mid,dev\n")
    with pytest.raises(ValueError) as caught:
        sources.open_collections([str(tmp_path)])
    assert str(caught.value) == (
        "a/info.csv: line 2: file 'a.mid' in split 'dev'; accepted splits: train, validation, test;"
        " mend it, or take it away: splits then follow from names"
    )


def test_a_folder_of_many_files_takes_little_memory(tmp_path):
    for number in range(40):
        fill(tmp_path, [f"folder {number}/session1/{file}_funk_95_beat_4-4.mid" for file in range(100)])
    sources.open_collections([str(tmp_path)])  # What is imported and kept at the first time does not count.
    tracemalloc.start()
    try:
        collection = sources.open_collections([str(tmp_path)])
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 20 * 4000
    assert sum(1 for _ in collection.walk()) == collection.size == 4000


def test_a_zip_gives_what_its_folder_gives(tmp_path):
    folder = fill(tmp_path / "groove", ["s/1.mid", "s/2.MID", "Grüße an/3.midi"])
    (folder / "info.csv").write_text(f"{HEADER}s/1.mid,test\ngone.mid,train\n")
    path = pack(folder, tmp_path / "groove.zip")
    from_folder, from_zip = walk(folder), walk(path)
    assert {name.removeprefix("groove/"): source.read() for name, source in from_zip.items()} == {
        name: source.read() for name, source in from_folder.items()
    }
    assert from_zip["groove/s/1.mid"].split == "test"
    collection = sources.open_collections([str(path)])
    assert (collection.name, collection.missing) == ("groove", ("groove/gone.mid",))
    assert collection.unlisted == ("groove/Grüße an/3.midi", "groove/s/2.MID")
    assert len(pickle.dumps(from_zip["groove/s/1.mid"])) < 1000


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_a_file_that_is_in_a_zip_twice_the_last_one_counts(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, content in (("a.mid", "first"), ("a.mid", "last"), ("b.mid", "b")):
            archive.writestr(name, content)
    assert {name: source.read() for name, source in walk(tmp_path / "a.zip").items()} == {
        "a.mid": b"last",
        "b.mid": b"b",
    }
    collection = sources.open_collections([str(tmp_path / "a.zip")])
    assert (collection.size, len(collection.repeated)) == (2, 1)


def test_a_zip_whatever_its_name_is_is_read(tmp_path):
    path = pack(fill(tmp_path / "in", ["a.mid"]), tmp_path / "download")
    assert list(walk(path)) == ["groove/a.mid"]


def test_a_bad_member_of_a_zip_costs_only_itself(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../evil.mid", b"evil")
        archive.writestr("bomb.mid", bytes(MAX_MIDI_BYTES + 1))
        archive.writestr("good.mid", b"good")
    found = walk(tmp_path / "a.zip")
    assert list(found) == ["../evil.mid", "bomb.mid", "good.mid"]
    assert found["good.mid"].read() == b"good"
    for name, reason in (("../evil.mid", "refused: a path that leads"), ("bomb.mid", "larger than 16 MiB")):
        with pytest.raises(ValueError, match=f"^{reason}"):
            found[name].read()


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (bytes(sources.MAX_TABLE_BYTES + 1), "larger than 64 MiB"),
        (bytes(sources.MAX_TABLE_BYTES // 4), "unpacks to more than 200 times its size"),
    ],
)
def test_an_info_csv_that_is_a_bomb_is_an_error_that_names_it(tmp_path, table, expected):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("g/info.csv", table)
        archive.writestr("g/a.mid", b"")
    with pytest.raises(ValueError, match=f"^g/info.csv: {expected}.*; mend it, or take it away"):
        sources.open_collections([str(tmp_path / "a.zip")])


def test_a_file_that_goes_away_meanwhile_costs_only_itself(tmp_path):
    collection = sources.open_collections([str(fill(tmp_path, ["a.mid", "b.mid"]))])
    (tmp_path / "a.mid").unlink()
    first, second = collection.walk()
    with pytest.raises(FileNotFoundError):
        first.read()
    assert second.read()


@pytest.mark.parametrize("name", ["empty", "full of other things"])
def test_nothing_to_convert_is_an_error(tmp_path, name):
    (tmp_path / name).mkdir()
    if name != "empty":
        (tmp_path / name / "a.wav").touch()
        write_records(tmp_path / name / "a.tfrecord", ["a.mid"])
    with pytest.raises(ValueError) as caught:
        sources.open_collections([str(tmp_path / name)])
    assert str(caught.value) == (
        f"{tmp_path / name}: no MIDI file in it (looked for *.mid and *.midi, in all folders) and no MusicXML"
        " (*.musicxml, *.xml, *.mxl); zips and TFRecords are given by their own path"
    )


def test_a_single_midi_file_is_a_collection_of_one(tmp_path):
    path = midi_files.write(tmp_path / "a.MID", midi_files.groove(1))
    collection = sources.open_collections([str(path)])
    (source,) = collection.walk()
    assert (collection.name, collection.size, source.name, source.kind) == ("a", 1, "a.MID", "midi")
    assert source.read() == path.read_bytes()


def test_a_glob_over_midi_files_says_what_to_give(tmp_path):
    midi_files.write(tmp_path / "a.mid", midi_files.groove(1))
    with pytest.raises(
        ValueError, match=r"a\.mid: globs are for TFRecords; give the folder that it lies in, or the fi"
    ):
        sources.open_collections([str(tmp_path / "*.mid")])


def test_a_file_of_another_kind_is_named(tmp_path):
    (tmp_path / "song.txt").write_text("la la la, and so on")
    with pytest.raises(ValueError, match=r"song\.txt: neither a folder, a zip, MIDI, MusicXML nor a TFRecord of NoteS"):
        sources.open_collections([str(tmp_path / "song.txt")])


def test_the_starter_set_is_found_by_name():
    collection = sources.open_collections(["starter"])
    counts = collections.Counter(source.split for source in collection.walk())
    assert (collection.name, collection.missing, collection.unlisted) == ("starter", (), ())
    assert sum(counts.values()) == collection.size
    assert all(counts[split] for split in metadata.SPLITS)
    assert collection.known("drummer") == ("drummer1", "drummer2", "drummer3")


def test_groove_is_read_whole(groove_zip):
    collection = sources.open_collections([str(groove_zip)])
    found = list(collection.walk())
    assert (len(found), collection.missing, collection.unlisted, collection.repeated) == (collection.size, (), (), ())
    assert all(source.read().startswith(b"MThd") for source in found)
    assert all(source.columns["split"] == source.split and source.columns["style"] for source in found)


def test_tfrecords_are_taken_by_path_glob_or_prefix(tmp_path):
    folder = tmp_path / "mine"
    write_records(folder / "train.tfrecord", ["1.mid", "2.mid"])
    write_records(folder / "data.tfrecord-00000-of-00002", ["3.mid"])
    write_records(folder / "data.tfrecord-00001-of-00002", ["4.mid"])
    assert splits(folder / "train.tfrecord") == {"1.mid": "train", "2.mid": "train"}
    assert splits(folder / "data.tfrecord") == {name: split_by_hash(name) for name in ("3.mid", "4.mid")}
    found = walk(folder / "*")
    assert list(found) == ["3.mid", "4.mid", "1.mid", "2.mid"]
    assert {(source.kind, source.collection) for source in found.values()} == {("notesequence", "mine")}
    assert note_seq.NoteSequence.FromString(found["3.mid"].read()).filename == "3.mid"


def test_inputs_of_all_kinds_come_together(tmp_path):
    fill(tmp_path / "x" / "groove", ["a.mid"])
    folder = fill(tmp_path / "y" / "groove", ["a.mid", "b.mid"])
    (folder / "info.csv").write_text(f"{HEADER}gone.mid,train\n")
    path = pack(fill(tmp_path / "in", ["a.mid"]), tmp_path / "groove.zip")
    record_path = write_records(tmp_path / "mine.tfrecord", ["a.mid"])
    inputs = [str(given) for given in (tmp_path / "x" / "groove", folder, path, record_path, "starter")]
    collection = sources.open_collections(inputs)
    assert collection.name == "groove+groove-2+groove-3+mine+starter"
    found = [(source.collection, source.name) for source in collection.walk()]
    assert found[:5] == [
        ("groove", "a.mid"),
        ("groove-2", "a.mid"),
        ("groove-2", "b.mid"),
        ("groove-3", "groove/a.mid"),
        ("mine", "a.mid"),
    ]
    assert len(set(found)) == len(found) == collection.size
    assert found == [(source.collection, source.name) for source in collection.walk()]
    assert collection.missing == ("groove-2: gone.mid",)
    assert collection.unlisted == ("groove-2: a.mid", "groove-2: b.mid")


def test_an_input_given_twice_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "in" / "deep", ["a.mid"])
    write_records(tmp_path / "a.tfrecord", ["a.mid"])
    (tmp_path / "link").symlink_to("in")
    for first, second in (
        ("in", "in/"),
        ("in", str(tmp_path / "in")),
        ("in", "link"),
        ("starter", str(sources.STARTER_DIR)),
        ("a.tfrecord", "*.tfrecord"),
        ("groove", "groove/full-midionly"),
    ):
        with pytest.raises(ValueError) as caught:
            sources.open_collections([first, second])
        assert str(caught.value) == f"{second}: given twice, also as {first}; give it once"
    for inputs in (["in", "in/deep"], ["in/deep", "in"]):
        with pytest.raises(
            ValueError, match=r"^in/deep: lies in in, which is given as well; give the outer folder alone$"
        ):
            sources.open_collections(inputs)


@pytest.mark.parametrize(("inputs", "expected"), [([], "no input; give "), (["starter", ""], "an empty input; give ")])
def test_no_input_is_an_error(inputs, expected):
    with pytest.raises(ValueError, match=f"^{expected}"):
        sources.open_collections(inputs)


def test_an_unknown_name_lists_what_there_is(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        sources.open_collections([str(tmp_path / "missing")])
    assert str(caught.value) == (
        f"{tmp_path}/missing: no such folder, zip, TFRecord or TFDS dataset (bundled: starter; to download: groove)"
    )


def test_files_are_listed_and_read_without_tensorflow():
    code = (
        "import sys; from pipelines.dataset import selection; from pipelines.dataset.inputs import sources;"
        "c = sources.open_collections(['starter']);"
        "print(sum(len(s.read()) > 0 for s in c.walk()) == c.size, {'tensorflow', 'note_seq'} & {*sys.modules})"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.stderr) == ("True set()\n", "")
