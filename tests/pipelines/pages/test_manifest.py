"""The manifest: what is in it is shown, and nothing in it is trusted."""

import dataclasses
import json

import pytest

from pipelines.pages import manifest
from tests import generated

OUTPUT = {"midi": "a.mid", "sha256": "00ff", "label": "first", "original": "originals/a.mid", "num_bars": 4}


def read(tmp_path, content):
    generated.write_manifest(tmp_path, content)
    return manifest.read(tmp_path)


def test_everything_is_read(tmp_path):
    models = {"humanize_with": {"config": "c", "checkpoint": "d.tar", "checkpoint_sha256": "ee"}}
    content = generated.command(
        "humanize",
        [OUTPUT | {"facts": {"amount": 0.3, "kept": True}}],
        models=models,
        inputs=[{"path": "in/beat.mid", "sha256": "aa"}],
    )
    (command,), damage = read(tmp_path, content)
    assert damage == ""
    assert (command.mode, command.created) == ("humanize", "2026-11-27T01:33:00")
    assert command.facts == {
        **{"config": "groovae_4bar", "temperature": "0.5", "seed": "7"},
        **{"checkpoint": "pretrained/groovae/groovae.tar", "checkpoint_sha256": "0123abcd"},
    }
    assert command.flags == {"amount": "0.3"}
    assert command.models == {"humanize_with": {"config": "c", "checkpoint": "d.tar", "checkpoint sha256": "ee"}}
    assert command.inputs == ["in/beat.mid"]
    assert command.versions == {"python": "3.11.7"}
    assert command.outputs == [
        manifest.Output("a.mid", "first", "00ff", "originals/a.mid", 4, None, {"amount": "0.3", "kept": "yes"})
    ]


def test_earlier_commands_follow_the_newest_first(tmp_path):
    earlier = [generated.command(mode, [], created=created) for mode, created in (("b", "2025"), ("a", "2026"))]
    commands, _ = read(tmp_path, generated.command("c", [], created=None) | {"earlier": [*earlier, None, 7]})
    assert [command.mode for command in commands] == ["c", "a", "b"]


def test_only_a_grid_has_cells(tmp_path):
    for mode, cell in (("grid", (1, 0)), ("sample", None)):
        (command,), _ = read(tmp_path, generated.command(mode, [OUTPUT | {"row": 1, "column": 0}]))
        assert command.outputs[0].cell == cell


@pytest.mark.parametrize("place", [{"row": -1}, {"row": 10**9}, {"column": "1"}, {"column": True}, {"row": None}])
def test_no_cell_is_where_no_grid_can_be(tmp_path, place):
    (command,), _ = read(tmp_path, generated.command("grid", [OUTPUT | {"row": 0, "column": 0} | place]))
    assert command.outputs[0].cell is None


@pytest.mark.parametrize("num_bars", [0, -4, 10**9, "4", None, 2.0])
def test_bars_that_cannot_be_are_not_believed(tmp_path, num_bars):
    (command,), _ = read(tmp_path, generated.command("sample", [OUTPUT | {"num_bars": num_bars}]))
    assert command.outputs[0].num_bars == 1


@pytest.mark.parametrize(
    "path", ["../a.mid", "/etc/a.mid", "x/../../a.mid", "", None, 3, ["a.mid"], "\0", "\ud800.mid"]
)
def test_no_path_leads_out_of_the_folder(tmp_path, path):
    (command,), _ = read(tmp_path, generated.command("sample", [OUTPUT | {"midi": path}, OUTPUT | {"original": path}]))
    assert [(output.midi, output.original) for output in command.outputs] == [("a.mid", None)]


@pytest.mark.parametrize("key", [*generated.command("sample", []), "earlier", "models"])
@pytest.mark.parametrize("value", [None, 3, "text", [[]], {"a": {"b": []}}, "\ud800"])
def test_what_is_of_another_kind_is_left_out(tmp_path, key, value):
    content = generated.command("sample", [OUTPUT]) | {key: value}
    commands, damage = read(tmp_path, content)
    if key == "outputs" and not isinstance(value, list):
        assert (commands, damage[:28]) == ([], "manifest.json cannot be read")
    else:
        assert len(commands) == 1
        json.dumps(dataclasses.asdict(commands[0]), ensure_ascii=False).encode()  # All of it can be written on a page.


def test_no_manifest_is_nothing_to_speak_of(tmp_path):
    assert manifest.read(tmp_path) == ([], "")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b'{"outputs": [', "Expecting value"),
        (b"\xff\xfe", "can't decode byte"),
        (b"[]", "it holds no object"),
        (b"{}", "it has no list of outputs"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "integer string conversion"),
    ],
)
def test_a_damaged_manifest_is_told_in_a_line(tmp_path, content, reason):
    (tmp_path / manifest.NAME).write_bytes(content)
    commands, damage = manifest.read(tmp_path)
    assert commands == []
    assert damage.startswith("manifest.json cannot be read (") and reason in damage and "\n" not in damage


def test_a_folder_of_that_name_is_told_too(tmp_path):
    (tmp_path / manifest.NAME).mkdir()
    assert manifest.read(tmp_path) == (
        [],
        "manifest.json cannot be read (Is a directory): what made these files is not known.",
    )


def test_numbers_that_json_has_not_are_shown_as_they_are(tmp_path):
    (tmp_path / manifest.NAME).write_text(
        json.dumps({"outputs": [], "temperature": float("nan"), "seed": float("inf")})
    )
    (command,), _ = manifest.read(tmp_path)
    assert command.facts == {"temperature": "nan", "seed": "inf"}
