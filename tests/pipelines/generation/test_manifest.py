"""A manifest says what made a folder's files, so that they can be made again, and refuses to where that cannot be."""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import pathlib
import re

import numpy as np
import pytest

from pipelines.generation import manifest
from pipelines.generation.piece import Piece, notes_of
from pipelines.runs import pretrained
from tests import songs

TAR = str(pretrained.PRETRAINED_DIR / "tap" / "tap.tar")
MADE = {"mode": "vary", "flags": {"mode": "vary"}, "seed": 3, "outputs": [{"midi": "a.mid", "sha256": "1"}]}


def sha256(path: pathlib.Path | str) -> str:
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def written(tmp_path: pathlib.Path, said: object) -> pathlib.Path:
    path = tmp_path / "manifest.json"
    path.write_text(said if isinstance(said, str) else json.dumps(said), encoding="utf-8")
    return path


def test_a_model_of_the_clone_is_named_from_the_clones_root():
    described = manifest.describe("groovae_4bar_tap_groove", TAR)
    assert described == {
        "config": "groovae_4bar_tap_groove",
        "checkpoint": "pretrained/tap/tap.tar",
        "checkpoint_sha256": sha256(TAR),
    }


def test_another_model_is_named_by_its_whole_path(tmp_path, monkeypatch):
    (tmp_path / "my.tar").write_bytes(pathlib.Path(TAR).read_bytes())
    monkeypatch.chdir(tmp_path)
    assert manifest.describe("x", "my.tar")["checkpoint"] == str(tmp_path / "my.tar")


def test_an_output_is_described_with_the_numbers_that_it_was_decoded_from(tmp_path):
    z = np.random.default_rng(1).standard_normal([2, 256], np.float32) * 1e-3
    piece = Piece(
        "a b", notes_of(songs.groove(1)), ((0.0, 99.12345),), 4, latent=z, facts={"amount": "0.3"}, place=(0, 2)
    )
    path, original = tmp_path / "a.mid", tmp_path / "originals" / "a.mid"
    described = json.loads(json.dumps(manifest.describe_output(piece, path, "ab12", original, tmp_path)))
    latent = described.pop("latent")
    np.testing.assert_array_equal(np.array(latent, np.float32), z)
    assert described == {
        "midi": "a.mid",
        "sha256": "ab12",
        "label": "a b",
        "original": "originals/a.mid",
        "qpm": 99.123,
        "num_bars": 4,
        "facts": {"amount": "0.3"},
        "row": 0,
        "column": 2,
    }
    plain = Piece("a", notes_of(songs.groove(1)), ((0.0, 120.0),), 4)
    bare = manifest.describe_output(plain, path, "ab12", None, tmp_path)
    assert bare["original"] is None and not {"latent", "row", "column"} & bare.keys()


def test_inputs_are_named_by_their_whole_paths_once(tmp_path, monkeypatch):
    (tmp_path / "a.mid").write_bytes(b"1")
    monkeypatch.chdir(tmp_path)
    paths = [pathlib.Path("a.mid"), tmp_path / "a.mid", pathlib.Path("gone.mid")]
    assert manifest.describe_inputs(paths) == [
        {"path": str(tmp_path / "a.mid"), "sha256": hashlib.sha256(b"1").hexdigest()},
        {"path": str(tmp_path / "gone.mid")},
    ]


def test_flags_name_files_from_everywhere_and_names_stay_names(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "model.ckpt-5.index").touch()
    (tmp_path / "kit.txt").touch()
    monkeypatch.chdir(tmp_path)
    flags = {
        "input": ["a.mid", "/b/c.mid"],
        "groove": None,
        "examples_path": "mine",
        "run_dir": "new",
        "humanize_with": "groovae",
        "drum_map": "roland",
        "amount": 0.3,
    }
    assert manifest.with_whole_paths(flags) == flags | {
        "input": [str(tmp_path / "a.mid"), "/b/c.mid"],
        "examples_path": str(tmp_path / "mine"),
        "run_dir": str(tmp_path / "new"),
    }
    for name, whole in (("mine", tmp_path / "mine"), ("model.ckpt-5", tmp_path / "model.ckpt-5"), ("none", "none")):
        assert manifest.with_whole_paths({"humanize_with": name}) == {"humanize_with": str(whole)}
    assert manifest.with_whole_paths({"drum_map": "kit.txt"}) == {"drum_map": str(tmp_path / "kit.txt")}


def test_a_second_command_goes_above_the_first(tmp_path):
    for seed in range(3):
        manifest.write(tmp_path, MADE | {"seed": seed})
    found = manifest.read(tmp_path)
    assert found["seed"] == 2
    assert [earlier["seed"] for earlier in found["earlier"]] == [1, 0]
    assert not any("earlier" in earlier for earlier in found["earlier"])
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize("damaged", ["{", "[]", "null", '{"mode": "sample"}', "[" * 100_000, "\ud800"])
def test_a_damaged_manifest_is_no_obstacle_for_a_new_one(tmp_path, damaged):
    (tmp_path / "manifest.json").write_bytes(damaged.encode("utf-8", "surrogatepass"))
    manifest.write(tmp_path, MADE)
    assert manifest.read(tmp_path) == MADE | {"earlier": []}


def test_what_a_damaged_manifest_still_says_is_kept(tmp_path):
    written(tmp_path, {"outputs": [], "earlier": 5})
    manifest.write(tmp_path, MADE)
    assert manifest.read(tmp_path)["earlier"] == [{"outputs": []}]


def test_names_that_are_no_text_come_back(tmp_path):
    label = b"gr\xfcn.mid".decode("utf-8", "surrogateescape")
    manifest.write(tmp_path, MADE | {"flags": {"mode": "vary", "input": [label, "Flügel 鼓"]}})
    assert manifest.read(tmp_path)["flags"]["input"] == [label, "Flügel 鼓"]


def test_commands_that_end_at_once_are_all_in_it(tmp_path):
    with concurrent.futures.ThreadPoolExecutor(8) as threads:  # Their locks are each their own, as processes' are.
        list(threads.map(lambda seed: manifest.write(tmp_path, MADE | {"seed": seed}), range(8)))
    found = manifest.read(tmp_path)
    assert sorted([found["seed"], *(earlier["seed"] for earlier in found["earlier"])]) == list(range(8))


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("{", "damaged (Expecting property name enclosed in double quotes: line 1 column 2 (char 1)); nothing can be"),
        ([], "no manifest of pipelines.generate"),
        ({"mode": "vary"}, "no manifest of pipelines.generate"),
        ({k: v for k, v in MADE.items() if k != "seed"}, "has no seed, or a damaged one; nothing can be made again"),
        (MADE | {"flags": []}, "has no flags, or a damaged one; nothing can be made again from this"),
        (MADE | {"stamp": "/../../x"}, "has a damaged stamp; nothing can be made again from this"),
        (MADE | {"outputs": {}}, "has no outputs, or a damaged one; nothing can be made again from this"),
        (MADE | {"outputs": [{"label": "a"}]}, "has outputs without names; nothing can be made again from this"),
        (MADE | {"outputs": ["a.mid"]}, "has outputs without names; nothing can be made again from this"),
    ],
)
def test_what_nothing_can_be_made_from_is_said(tmp_path, said, message):
    path = written(tmp_path, said)
    for given in (path, tmp_path):
        with pytest.raises(ValueError, match=f"^{re.escape(f'{path}: {message}')}"):
            manifest.read(given)


def test_a_manifest_that_is_not_there_is_said(tmp_path):
    message = rf"^{re.escape(str(tmp_path))}/manifest.json: no such manifest; pipelines.generate writes one beside"
    with pytest.raises(FileNotFoundError, match=message):
        manifest.read(tmp_path)


def test_another_checkpoint_is_refused(tmp_path):
    said = {"checkpoint_sha256": sha256(TAR)}
    manifest.check_model(TAR, said, tmp_path)
    manifest.check_model(TAR, {}, tmp_path)  # Somebody has left it out.
    with pytest.raises(ValueError, match=r"made with another checkpoint than .*tap.tar is now \(their SHA"):
        manifest.check_model(TAR, {"checkpoint_sha256": "0" * 64}, tmp_path)


def test_other_inputs_and_missing_ones_are_refused(tmp_path):
    path = tmp_path / "a.mid"
    path.write_bytes(b"1")
    said = {"inputs": manifest.describe_inputs([path])}
    manifest.check_inputs(said, tmp_path / "manifest.json")
    path.write_bytes(b"2")
    with pytest.raises(ValueError, match=r"a.mid: is not what it was when .*manifest.json was made with it"):
        manifest.check_inputs(said, tmp_path / "manifest.json")
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"a.mid: is missing, and .*manifest.json was made with it"):
        manifest.check_inputs(said, tmp_path / "manifest.json")


@pytest.mark.parametrize("inputs", [None, 5, [5], [{}], [{"path": 5, "sha256": ""}], [{"path": "/gone.mid"}]])
def test_what_is_not_said_of_inputs_is_not_checked(tmp_path, inputs):
    manifest.check_inputs({"inputs": inputs}, tmp_path)


def test_flags_are_parsed_and_those_that_are_none_are_refused(tmp_path):
    parse = {"mode": str, "by": float}
    said = {"flags": {"mode": "vary", "by": "0.5"}}
    assert manifest.parse_flags(said, parse, lambda name, value: parse[name](value), tmp_path) == {
        "mode": "vary",
        "by": 0.5,
    }
    with pytest.raises(ValueError, match=r"has flags that pipelines.generate does not know: a, b"):
        manifest.parse_flags({"flags": {"b": 1, "mode": "vary", "a": 2}}, ["mode"], lambda _, value: value, tmp_path)
    with pytest.raises(ValueError, match=r'has a flag that cannot be: by = "x" \(could not convert string to float'):
        manifest.parse_flags({"flags": {"by": "x"}}, parse, lambda name, value: parse[name](value), tmp_path)


def test_outputs_that_differ_are_named():
    said = [{"midi": "a.mid", "sha256": "1"}, {"midi": "b.mid", "sha256": "2"}, {"midi": "c.mid"}]
    made = [{"midi": name, "sha256": digest} for name, digest in (("a.mid", "1"), ("b.mid", "3"), ("c.mid", "4"))]
    assert manifest.differing(made, said) == ["b.mid", "c.mid"]
    assert manifest.differing([{"midi": "d.mid", "sha256": "1"}], said) == ["d.mid"]
