"""Records and examples are stale where what they depend on has changed, and nowhere else."""

import os
import pathlib
import shutil

import pytest

from pipelines.files import freshness
from tests import test_house


@pytest.fixture
def project(tmp_path, monkeypatch) -> pathlib.Path:
    """A copy of the project's code that a test can edit."""
    for name in ("grooves", "models", "pipelines"):
        shutil.copytree(
            freshness._PROJECT_DIR / name, tmp_path / "project" / name, ignore=shutil.ignore_patterns("*.pyc")
        )
    monkeypatch.setattr(freshness, "_PROJECT_DIR", tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def grooves(tmp_path) -> pathlib.Path:
    folder = tmp_path / "my grooves" / "deep"
    folder.mkdir(parents=True)
    (folder / "a.mid").write_text("a")
    return folder.parent


def edit(path: pathlib.Path) -> None:
    path.write_text(path.read_text() + "\n# Edited.\n")


@pytest.mark.parametrize(
    ("module", "of_records", "of_examples"),
    [
        ("pipelines/dataset/performance.py", True, False),
        ("pipelines/dataset/conversion.py", True, False),
        ("pipelines/dataset/selection.py", True, False),
        ("pipelines/dataset/formats/midi.py", True, True),
        ("pipelines/dataset/inputs/tfds_input.py", True, True),
        ("pipelines/dataset/inputs/zips.py", True, False),
        ("grooves/drums.py", True, True),
        ("models/converters.py", False, True),
        ("pipelines/examples/loading.py", False, True),
        ("pipelines/examples/batches.py", False, False),
        ("pipelines/files/midi_files.py", True, False),
        ("pipelines/pages/templates/report.html", False, False),
        ("pipelines/dataset/report/tally.py", False, False),
        ("pipelines/dataset/report/page.py", False, False),
        ("pipelines/files/progress.py", False, False),
        ("pipelines/convert.py", False, False),
        ("models/decoders.py", False, False),
    ],
)
def test_code_makes_stale_what_comes_from_it(project, grooves, module, of_records, of_examples):
    def fingerprints():
        return freshness.of_records([("grooves", grooves)], []), freshness.of_examples("records", "converter")

    before = fingerprints()
    assert fingerprints() == before
    edit(project / module)
    after = fingerprints()
    assert [new != old for new, old in zip(after, before, strict=True)] == [of_records, of_examples]


def test_other_files_times_and_flags_make_records_stale(grooves):
    def fingerprint(*flags):
        return freshness.of_records([("grooves", grooves)], flags)

    found = [fingerprint(), fingerprint("--styles=rock")]
    (grooves / "deep" / "b.mid").write_text("b")
    found.append(fingerprint())
    (grooves / "deep" / "b.mid").write_text("bb")
    found.append(fingerprint())
    os.utime(grooves / "deep" / "a.mid", (1, 1))
    found.append(fingerprint())
    (grooves / "deep" / "b.mid").rename(grooves / "deep" / "c.mid")
    found.append(fingerprint())
    assert len(set(found)) == len(found)
    assert fingerprint() == found[-1]


def test_what_a_drum_map_says_makes_records_stale_and_not_when_it_was_written(grooves, tmp_path):
    path = tmp_path / "my kit.txt"
    flag = f"--drum_map={path}"

    def fingerprint():
        return freshness.of_records([("grooves", grooves)], ["--styles=rock", flag])

    found = [fingerprint()]  # It is not there yet; the conversion will say so.
    for content in ("36: kick", "36: ride", "36: ride\n38: snare"):
        path.write_text(content)
        os.utime(path, (1, 1))
        found.append(fingerprint())
    assert len(set(found)) == len(found)
    os.utime(path, (2, 2))
    assert fingerprint() == found[-1]
    path.write_bytes(bytes(10_000_000))
    assert len(fingerprint()) < 1000


@pytest.mark.parametrize(
    "flag", ["--drum_map=roland", "--drum_map=", "--drum_map=.", "--drum_channel=1", "--styles=a.txt"]
)
def test_a_flag_that_names_no_drum_map_counts_as_it_is_written(grooves, tmp_path, monkeypatch, flag):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("36: kick")
    before = freshness.of_records([("grooves", grooves)], [flag])
    assert f"\nflag {flag}\n" in before
    (tmp_path / "a.txt").write_text("36: ride")
    assert freshness.of_records([("grooves", grooves)], [flag]) == before


def test_a_name_that_is_no_path_counts_as_itself(tmp_path):
    first, second = (freshness.of_records([(name, tmp_path / name)], []) for name in ("groove", "groove/4bar"))
    assert first != second
    assert "input groove/4bar 0 files" in second


def test_other_records_and_converters_make_examples_stale():
    found = {freshness.of_examples(records, converter) for records in "ab" for converter in "xy"}
    assert len(found) == 4


_SHAPE_NOTHING = {
    *("configs", "models.magenta"),  # The settings of the config's converter are counted by themselves.
    *(f"pipelines.files.{name}" for name in ("atomic", "freshness", "locks", "patterns", "progress", "workers")),
    *(f"pipelines.dataset.report.{name}" for name in ("page", "table", "tally")),
}


@pytest.mark.parametrize(
    ("start", "places", "shape_nothing"),
    [
        ("pipelines.dataset.conversion", freshness._RECORD_CODE, _SHAPE_NOTHING),
        (
            "pipelines.examples.loading",
            freshness._EXAMPLE_CODE,
            # Of midi_files, examples only take how libraries are imported.
            _SHAPE_NOTHING | {"pipelines.dataset.inputs.source", "pipelines.files.midi_files"},
        ),
    ],
)
def test_code_that_is_used_is_counted_or_known_to_shape_nothing(start, places, shape_nothing):
    """Whoever has the conversion use another module decides here whether records depend on it."""
    paths = test_house.modules()
    waiting, used = [start], set()
    while waiting:
        module = waiting.pop()
        if module not in used | shape_nothing:
            used.add(module)
            waiting += test_house.imports_of(paths[module], set(paths))
    counted = [freshness._PROJECT_DIR / place for place in places]
    assert {name for name in used if not any(paths[name].is_relative_to(place) for place in counted)} == set()
