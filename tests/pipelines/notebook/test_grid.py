"""The sliders: picture and sound follow them."""

import builtins
import json
import shutil

import pytest

from pipelines.notebook import grid, results
from pipelines.pages import manifest
from tests.sounds import needs_library


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made / "grid", tmp_path / "grid")


def cells(folder):
    return {output.cell: output for output in results.read(folder)}


@needs_library
def test_picture_sound_and_label_follow_the_sliders(folder):
    plane = grid.Grid(folder)
    outputs = cells(folder)
    assert (plane.across.min, plane.across.max, plane.down.min, plane.down.max) == (1, 2, 1, 2)
    assert not plane.player.autoplay, "nothing is to be heard before somebody has moved a slider"
    seen = set()
    for across, down in ((1, 1), (2, 1), (2, 2), (1, 2)):
        plane.across.value, plane.down.value = across, down
        output = outputs[down - 1, across - 1]
        assert plane.label.value == output.label
        assert plane.picture.value == (folder / output.midi).with_suffix(".png").read_bytes()
        assert (plane.player.format, plane.player.value) == results.sound((folder / output.midi).with_suffix(".wav"))
        seen.add((plane.label.value, plane.picture.value, plane.player.value))
    assert len(seen) == 4
    assert plane.player.autoplay


def test_it_is_displayed_as_one_box(folder, shown):
    grid.show(folder)
    (box,) = shown
    sliders, *rest = box.children
    assert [slider.description for slider in sliders.children] == ["across", "down"]
    assert [type(widget).__name__ for widget in rest] == ["Label", "Image", "Audio"]


def test_a_cell_whose_file_is_damaged_says_so_and_the_others_are_shown(folder):
    outputs = cells(folder)
    (folder / outputs[0, 1].midi).write_bytes(b"MThd")
    content = json.loads((folder / manifest.NAME).read_text())
    content["outputs"] = [output for output in content["outputs"] if (output["row"], output["column"]) != (1, 0)]
    (folder / manifest.NAME).write_text(json.dumps(content))
    plane = grid.Grid(folder)
    assert plane.label.value == outputs[0, 0].label
    plane.across.value = 2
    assert "cannot be read as MIDI" in plane.label.value
    plane.across.value, plane.down.value = 1, 2
    assert plane.label.value == "nothing here"


def test_a_folder_without_a_grid_is_an_error_that_says_what_makes_one(made):
    with pytest.raises(ValueError, match=r"no grid; commands.generate\(…, mode='grid'\) makes one"):
        grid.Grid(made / "humanized")


def test_without_ipywidgets_the_corners_are_shown(folder, shown, monkeypatch, capsys):
    imported = builtins.__import__

    def without_widgets(name, *args):
        if name == "ipywidgets":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return imported(name, *args)

    monkeypatch.setattr(builtins, "__import__", without_widgets)
    grid.show(folder)
    assert "%pip install ipywidgets" in capsys.readouterr().out
    labels = [output.label for output in results.read(folder)]
    assert [label for label in labels for display in shown if f"<b>{label}</b>" in display.data] == labels
