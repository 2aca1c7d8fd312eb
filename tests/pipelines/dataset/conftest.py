"""What tests of Apache Beam share: inputs, and what the conversion without Beam makes of them."""

from __future__ import annotations

import zipfile

import pytest

from pipelines.dataset import conversion
from tests import midi_files
from tests.conversions import SPLITS, contents

ROLANDS_OWN = 22  # The edge of a hi-hat, which no other kit has: all files are then taken to be a Roland kit's.


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


@pytest.fixture(params=["flat", "deep"])
def remote(request, inputs, tmp_path, monkeypatch) -> str:
    """The URL of a file system's root, in which the folder of `inputs` is."""
    pytest.importorskip("apache_beam")
    from tests.beam_files import FlatFileSystem

    monkeypatch.setattr(FlatFileSystem, "root", str(tmp_path))
    (tmp_path / request.param / "bucket").mkdir(parents=True)
    (tmp_path / request.param / "bucket" / "grooves").symlink_to(inputs[0])
    return f"{request.param}://bucket"
