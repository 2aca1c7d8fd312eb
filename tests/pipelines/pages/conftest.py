"""Folders whose pages are opened in a browser, made once a session."""

import pytest

from pipelines.audio import soundfont
from pipelines.pages import listening
from tests import generated


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    """A folder without a manifest: three tempos, and names that mean something elsewhere."""
    folder = tmp_path_factory.mktemp("plain 100% #1")
    for name, qpm, shift in (("0 slow", 90, 0), ("1 middle", 120, 3), ("1 more", 120, 6)):
        generated.write_groove(folder, name, qpm=qpm, shift=shift)
    for name in generated.HOSTILE_NAMES:
        generated.write_groove(folder, name)
    generated.render(folder, soundfont.find())
    listening.write_page(folder, "Drums")
    return folder


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder with a manifest: a grid of four, and a result with its original."""
    folder = tmp_path_factory.mktemp("made")
    cells = [
        generated.output(
            folder, generated.write_groove(folder, f"cell{row}{column}", shift=2 * row + column), row=row, column=column
        )
        for row in range(2)
        for column in range(2)
    ]
    result = generated.write_groove(folder, "result", shift=1)
    original = generated.write_groove(folder / "originals", "result", shift=4)
    outputs = [generated.output(folder, result, label="softly", original=f"originals/{original}")]
    earlier = [generated.command("humanize", outputs, created="2026-11-26T01:33:00")]
    inputs = [{"path": f"in/corner {number}.mid"} for number in range(4)]
    generated.write_manifest(folder, generated.command("grid", cells, inputs=inputs, earlier=earlier))
    generated.render(folder, soundfont.find())
    listening.write_page(folder, "Drums")
    return folder
