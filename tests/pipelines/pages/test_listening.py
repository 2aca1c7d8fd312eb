"""The page of MIDI files: that it holds together, what it says of them, and in which order."""

import html.parser
import os
import urllib.parse

import numpy as np
import pytest
import soundfile

from pipelines.pages import listening
from tests import generated, midi_files

VOID = ("meta", "img", "link", "br", "input", "path", "rect", "wbr")


class Page(html.parser.HTMLParser):
    """Collects where a page points, its ids, tags and texts, and checks that its tags are closed."""

    def __init__(self, folder):
        super().__init__()
        self.text = (folder / "index.html").read_text(encoding="utf-8")
        self.links, self.ids, self.tags, self.texts, self._open = [], [], [], [], []
        self.feed(self.text)
        assert self._open == []
        assert len(set(self.ids)) == len(self.ids)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.links += [value for name, value in attrs if name in ("href", "src", "data-sound")]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data.strip())

    def labels(self):
        """Returns the samples' labels, in order."""
        return [attrs["data-label"] for tag, attrs in self.tags if tag == "article"]

    def after(self, *texts):
        """Whether some texts are on the page in this order."""
        found = iter(self.texts)
        return all(any(text == other for other in found) for text in texts)


def write(folder, names, *, sound=True):
    """Writes MIDI files, and WAVs and scores that are little more than there; returns the files' names."""
    for number, name in enumerate(names):
        path = folder / generated.write_groove(folder, name, shift=number)
        if sound:
            soundfile.write(path.with_suffix(".wav"), np.full([8000, 2], 0.5), 8000)
            path.with_suffix(".musicxml").write_text("<score-partwise/>")
    return [f"{name}.mid" for name in names]


def page_of(folder, **options):
    listening.write_page(folder, "Drums", **options)
    return Page(folder)


def test_page_links_resolve_and_need_nothing_else(tmp_path):
    write(tmp_path, ["one", "sub dir/two é #1 & 100%", *generated.HOSTILE_NAMES])
    page = page_of(tmp_path)
    linked = set()
    for link in page.links:
        parts = urllib.parse.urlsplit(link)
        assert not parts.scheme and not parts.netloc
        linked.add(tmp_path / urllib.parse.unquote(parts.path))
    assert linked == {path for path in tmp_path.rglob("*") if path.is_file() and path.name != "index.html"}
    assert len(linked) == 6 * len((".mid", ".wav", ".png", ".musicxml", ".js"))
    assert "http" not in page.text


def test_everything_is_escaped(tmp_path):
    write(tmp_path, generated.HOSTILE_NAMES, sound=False)
    outputs = [generated.output(tmp_path, "100%.mid", label="<b>label</b>", facts={"<i>": "<u>"})]
    more = {"created": "<s>", "flags": {"<em>": "<tt>"}, "inputs": [{"path": "<q>"}], "versions": {"<a>": "</a>"}}
    generated.write_manifest(tmp_path, generated.command("<h1>", outputs, **more))
    listening.write_page(tmp_path, "<i>$title")
    page = Page(tmp_path)
    for raw in ("<script>alert", "<b>label", "<i>", "<u>", "<s>", "<em>", "<tt>", "<q>", "<a>", "<h1><", '"a"b\''):
        assert raw not in page.text
    assert {"<i>$title", "<b>label</b>", "<script>alert(1)</script>", "a\"b'", "ü #1"} <= set(page.texts)


def test_a_name_that_is_no_text_is_shown_all_the_same(tmp_path):
    path = generated.write_groove(tmp_path, "a")
    try:
        os.rename(os.fsencode(tmp_path / path), os.fsencode(tmp_path) + b"/\xff.mid")  # noqa: PTH104
    except OSError:
        pytest.skip("this file system has no such names")
    page = page_of(tmp_path)
    assert page.labels() == ["\\xff"]
    assert "%FF.mid" in page.links


@pytest.mark.parametrize("content", [None, b"", b"RIFF", b"no WAV"])
def test_without_a_wav_the_page_says_how_to_get_one(tmp_path, content):
    path = midi_files.write(tmp_path / "a.mid", [(0, 36, 100)])
    if content is not None:
        path.with_suffix(".wav").write_bytes(content)
    (entry,) = listening.write_page(tmp_path, "Drums")
    page = Page(tmp_path)
    assert not any(tag in ("audio", "button") for tag, _ in page.tags)
    assert "1 MIDI file has no sound yet" in page.text
    assert "python -m pipelines.render --input=" in page.text
    assert entry.wav_path is None


def test_a_corrupt_midi_is_on_the_page_by_name(tmp_path):
    write(tmp_path, ["good"])
    (tmp_path / "bad.mid").write_bytes(b"no MIDI")
    entries = listening.write_page(tmp_path, "Drums")
    assert [entry.error is None for entry in entries] == [False, True]
    page = Page(tmp_path)
    assert page.labels() == ["bad", "good"]
    assert "cannot be read as MIDI" in page.text


def test_the_same_files_give_the_same_page_and_pictures(tmp_path):
    write(tmp_path, ["a", "b"])
    written = []
    for _ in range(2):
        listening.write_page(tmp_path, "Drums")
        written.append({path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()})
    assert written[0] == written[1]


def test_no_midi_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="this folder has no MIDI files"):
        listening.write_page(tmp_path, "Drums")


def test_sounds_that_are_gone_leave_no_script(tmp_path):
    write(tmp_path, ["a", "b"])
    listening.write_page(tmp_path, "Drums")
    (tmp_path / "a.wav").unlink()
    listening.write_page(tmp_path, "Drums")
    assert [path.name for path in (tmp_path / "sounds").iterdir()] == ["b.js"]


def test_without_a_manifest_originals_are_files_like_others(tmp_path):
    write(tmp_path, ["a", "originals/a"])
    assert page_of(tmp_path).labels() == ["a", "originals/a"]


@pytest.mark.parametrize("content", ["{", "[]", '{"outputs": 3}'])
def test_with_a_damaged_manifest_all_is_as_without_one_but_for_a_line(tmp_path, content):
    write(tmp_path, ["a", "originals/a"])
    before = page_of(tmp_path)
    (tmp_path / "manifest.json").write_text(content)
    page = page_of(tmp_path)
    assert page.labels() == before.labels()
    (line,) = [text for text in page.texts if text not in before.texts]
    assert line.startswith("manifest.json cannot be read")


def test_what_made_the_files_is_said(tmp_path):
    names = write(tmp_path, ["a"])
    outputs = [generated.output(tmp_path, names[0], label="softly", facts={"closeness": "0.9"})]
    models = {"humanize_with": {"checkpoint": "other.tar"}}
    inputs = [{"path": "in/beat.mid", "sha256": "00"}]
    flags = {"amount": 0.3, "by": 1, "max_batch_size": 8, "input": "in/beat.mid", "keep_other_tracks": False}
    generated.write_manifest(tmp_path, generated.command("vary", outputs, models=models, inputs=inputs, flags=flags))
    page = page_of(tmp_path)
    assert not {"by", "max batch size", "keep other tracks", "input"} & set(page.texts)  # As of other modes.
    assert page.after("vary", "2026-11-27 01:33:00", "config", "groovae_4bar", "temperature", "0.5", "seed", "7")
    assert page.after("amount", "0.3", "from", "beat.mid", "checkpoint", "pretrained/groovae/groovae.tar")
    assert page.after(
        "checkpoint sha256", "0123abcd", "humanize with: checkpoint", "other.tar", "input 1", "in/beat.mid"
    )
    assert page.after("python", "3.11.7", "softly", "a.mid", "closeness", "0.9", "bars", "2")


def test_commands_are_sections_and_a_file_belongs_to_the_newest(tmp_path):
    names = write(tmp_path, ["a", "b", "c", "originals/c", "mine"])
    old, older = (
        generated.command(mode, [generated.output(tmp_path, name) for name in of], created=created)
        for mode, of, created in (("sample", names[:2], "2026-02"), ("interpolate", names[1:2], "2026-01"))
    )
    newest = [generated.output(tmp_path, names[2]), generated.output(tmp_path, names[0]), {"midi": "gone.mid"}]
    generated.write_manifest(tmp_path, generated.command("humanize", newest, earlier=[older, old]))
    page = page_of(tmp_path)
    assert page.after("humanize", "c", "a", "sample", "b", "Other files", "mine")
    assert page.labels() == ["c", "a", "b", "mine"]
    assert "1 file that it wrote is not here any more." in page.texts
    assert "interpolate" not in page.texts  # Nothing is left that it wrote.


def test_a_file_that_was_changed_since_says_so(tmp_path):
    names = write(tmp_path, ["a", "b"])
    outputs = [generated.output(tmp_path, name) for name in names]
    write(tmp_path, ["x", "b"])
    generated.write_manifest(tmp_path, generated.command("sample", outputs))
    assert page_of(tmp_path).texts.count("This file has been changed since it was written.") == 0
    generated.write_groove(tmp_path, "b", shift=5)
    assert page_of(tmp_path).texts.count("This file has been changed since it was written.") == 1


def test_an_original_stands_above_its_result(tmp_path):
    names = write(tmp_path, ["a", "b", "originals/a"])
    outputs = [
        generated.output(tmp_path, name, original=original)
        for name, original in zip(names[:2], ("originals/a.mid", "originals/missing.mid"), strict=True)
    ]
    generated.write_manifest(tmp_path, generated.command("humanize", outputs))
    page = page_of(tmp_path)
    assert page.labels() == ["a", "b"]
    rolls = [attrs for _, attrs in page.tags if "data-sound" in attrs and "data-left" in attrs]
    assert [(roll["data-sound"], roll.get("data-side")) for roll in rolls] == [
        *(("sounds/originals/a.js", "original"), ("sounds/a.js", "result"), ("sounds/b.js", None))
    ]
    assert "The original, originals/missing.mid, is not there." in page.texts


def test_bars_are_as_many_as_the_manifest_says(tmp_path):
    names = write(tmp_path, ["a", "originals/a"])
    outputs = [generated.output(tmp_path, names[0], original=names[1], num_bars=4)]
    generated.write_manifest(tmp_path, generated.command("humanize", outputs))
    rolls = [attrs for _, attrs in page_of(tmp_path).tags if "data-bars" in attrs]
    assert [(roll["data-bars"], roll["data-secs"]) for roll in rolls] == [("4", "8.00000")] * 2


def grid_of(tmp_path, places, **more):
    names = write(tmp_path, [f"cell{number}" for number in range(len(places))])
    outputs = [
        generated.output(tmp_path, name, row=row, column=column)
        for name, (row, column) in zip(names, places, strict=True)
    ]
    generated.write_manifest(tmp_path, generated.command("grid", outputs, **more))
    return page_of(tmp_path)


def test_a_grid_has_its_cells_in_their_places(tmp_path):
    page = grid_of(tmp_path, [(0, 0), (0, 1), (1, 0), (1, 1)])
    pads = [attrs["aria-label"] for tag, attrs in page.tags if tag == "button" and "data-sample" in attrs]
    assert pads == [
        *("Row 1, column 1: cell0", "Row 1, column 2: cell1", "Row 2, column 1: cell2", "Row 2, column 2: cell3")
    ]
    assert sum(attrs.get("role") == "row" for _, attrs in page.tags) == 2
    assert {attrs["data-sample"] for _, attrs in page.tags if "data-sample" in attrs} <= set(page.ids)


@pytest.mark.parametrize("num_inputs", [4, 0])
def test_corners_are_named_by_their_sources(tmp_path, num_inputs):
    inputs = [{"path": f"in/{number}.mid"} for number in range(num_inputs)]
    page = grid_of(tmp_path, [(0, 0), (0, 1), (1, 0), (1, 1)], inputs=inputs)
    names = "0123" if inputs else [f"cell{number}" for number in range(4)]
    assert page.after(*names)


def test_a_grid_may_have_holes_and_doubles(tmp_path):
    page = grid_of(tmp_path, [(0, 0), (1, 2), (1, 2), (99, 0)])
    assert sum(attrs.get("role") == "gridcell" for _, attrs in page.tags) == 6
    assert sum("data-sample" in attrs for _, attrs in page.tags) == 2
    assert len(page.labels()) == 4


@pytest.mark.parametrize("background", ["light", "dark"])
def test_the_page_knows_the_background_of_its_pictures(tmp_path, background):
    write(tmp_path, ["a"])
    page = page_of(tmp_path, background=background)
    assert [attrs["class"] for _, attrs in page.tags if "data-left" in attrs] == [f"roll {background}"]
