"""The page of a data set: whole, legible without anything else, with the report's numbers in it."""

from __future__ import annotations

import html.parser
import re
import time

import numpy as np
import pytest

from grooves import drums
from pipelines.convert import Converted
from pipelines.dataset.report import page as dataset_page
from pipelines.dataset.report import tally
from pipelines.dataset.report.facts import Facts

VOID = ("meta", "col", "br")


class Page(html.parser.HTMLParser):
    """Collects a page's texts, links and elements, and checks that its tags are closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts, self.links, self.widths, self.cells, self.rows, self._open = [], [], [], [], [], []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.links += [attrs[name] for name in ("href", "src") if name in attrs]
        self.widths += [float(width) for width in re.findall(r"width:([\d.]+)%", attrs.get("style", ""))]
        self.cells += [attrs["title"]] if attrs.get("class") == "cell" else []
        self.rows += [[]] if tag == "tr" else []
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if data.strip() and self._open[-1] != "style":
            self.texts.append(data.strip())
            if "tr" in self._open:
                self.rows[-1].append(data.strip())


def kept(name: str, split: str, style: str, digests, **changes) -> Converted:
    onsets = np.zeros([16, 9], np.uint32)
    onsets[0, 0], onsets[6, 8] = 1200, 300
    given = {
        "drum_map": "roland",
        "style": style,
        "bpm": 120.0,
        "metres": ("4/4",),
        "num_hits": 1600,
        "unmapped": {},
        "onsets": onsets,
        "num_steps": 6400,
        "tokens": np.array([0, 1, 256], np.uint16),
        "grid_digest": name.encode().ljust(8)[:8],
        "window_digests": np.array(digests, np.uint64),
    }
    return Converted(name, "groove", split, record=b"a NoteSequence", facts=Facts(**{**given, **changes}))


def report_of(*files: Converted, given: str = "in", settings=(), missing=(), unlisted=()) -> dict:
    counts = tally.Tally()
    for file in files:
        counts.add(file)
    return counts.report(given, dict(settings), missing, unlisted)


@pytest.fixture
def report() -> dict:
    return report_of(
        kept("a.mid", "train", "rock", range(1500), unmapped={54: 60}),
        kept("b.mid", "validation", "rock/fast", range(1490, 2000), grid_digest=b"a.mid   "),
        kept("c.mid", "validation", "jazz", []),
        Converted("d.mid", "groove", "train", skipped="not in 4/4: 3/4"),
        given="/some/where/groove.zip",
        settings={"stride_bars": 1, "version": 7, "styles": ["rock", "jazz"], "drummers": []},
        missing=["gone.mid"],
        unlisted=["new.mid"],
    )


def test_numbers_are_on_the_page(report, tmp_path):
    dataset_page.write(report, tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    for row in (
        ["found", "4"],
        ["readable", "4"],
        ["in 4/4", "left out: 1 not in 4/4", "3"],
        ["with windows", "left out: 1 with no four bars without a pause", "2"],
        ["read", "4,800"],
        ["in nine drums", "left out: 60 of other pitches", "4,740"],
        ["on sixteenths", "left out: 240 that fell on a sixteenth together with another hit of their drum", "4,500"],
        ["distinct", "of 512, one for each set of drums on a sixteenth", "3"],
        ["Windows of 4 bars, one from every bar on"],
        ["train", "from 1 file", "1,500"],
        ["validation", "from 2 files", "510"],
        ["test", "from 0 files", "0"],
        ["style", "windows", "files"],
        ["rock", "2,010", "2"],
        ["jazz", "0", "1"],
        ["tambourine (54)", "60"],
        ["train", "0", "0"],
    ):
        assert row in page.rows
    assert page.texts[:2] == ["groove.zip: what is in the data", "groove.zip"]
    for text in (
        *("2,010", "four-bar windows", "of 4 files kept", "40 min", "1,200 bars"),
        *("kept", "3 (75.0 %)", "not in 4/4", "1 (25.0 %)"),
        *("1 skipped", "d.mid", "not in 4/4: 3/4", "1 listed in info.csv but not there", "gone.mid"),
        *("1 there but not listed in info.csv", "new.mid"),
        *("1 performance is in more than one split", "1 played alike in more than one split", "a.mid", "b.mid"),
        "10 of 510 distinct validation windows are in train too",
        *("styles", "rock, jazz", "all in drum map", "roland"),
    ):
        assert text in page.texts
    assert not {"version", "drummers"} & set(page.texts)


def test_the_heat_map_has_every_cell(report):
    page = Page(dataset_page.page_html(report))
    assert len(page.cells) == 16 * 9
    assert page.cells[:16][6] == "ride, 2.3: 900"
    assert page.cells[-16:][:2] == ["kick, 1.1: 3,600", "kick, 1.2: 0"]
    assert ["ride", *("0 " * 6).split(), "900", *("0 " * 9).split(), "900"] in page.rows
    assert [row[0] for row in page.rows if row[0] in drums.CLASS_NAMES] == list(reversed(drums.CLASS_NAMES))
    opacities = [float(opacity) for opacity in re.findall(r"opacity:([\d.]+)", dataset_page.page_html(report))]
    assert sorted(opacities)[-2:] == [0.5, 1.0]


def test_bars_are_in_proportion(report):
    page = dataset_page.page_html(report)
    (files_row,) = re.findall(r'<th scope="row">with windows</th><td class="bar"><i style="width:([\d.]+)%', page)
    (split_row,) = re.findall(r'<th scope="row">validation</th><td class="bar"><i style="width:([\d.]+)%', page)
    assert (files_row, split_row) == ("50.00", "34.00")
    assert re.findall(r'class="c\d" style="flex-grow:(\d+)"', page) == ["3", "1"]
    assert max(Page(page).widths) == 100


def test_the_page_needs_nothing_else(report):
    text = dataset_page.page_html(report)
    assert Page(text).links == []
    for part in ("://", "url(", "@import", "<script", "<link"):
        assert part not in text
    assert "$" not in text


def test_everything_is_escaped():
    evil = '<u>&"$title'
    text = dataset_page.page_html(
        report_of(
            kept(evil, "train", evil, [1], grid_digest=b"the same"),
            kept(evil + "2", "test", "funk", [1], metres=(evil,), drum_map=evil, grid_digest=b"the same"),
            Converted(evil + "3", evil, "train", skipped=f"{evil}: {evil}"),
            given=evil,
            settings={evil: evil},
            missing=[evil],
            unlisted=[evil],
        )
    )
    assert "<u>" not in text
    assert '&"' not in text
    page = Page(text)
    assert {evil, f"{evil}2", f"{evil}3", f"{evil}: {evil}", f"{evil}: what is in the data"} <= set(page.texts)


def test_of_many_names_a_thousand_are_listed():
    files = [Converted(f"{n:06d}.mid", "groove", "train", skipped="no notes") for n in range(5000)]
    report = report_of(*files, missing=[f"gone {n:06d}.mid" for n in range(1001)])
    text = dataset_page.page_html(report)
    page = Page(text)
    assert {"5,000 skipped", "000999.mid", "and 4,000 more, all of them counted above", "gone 000999.mid"} <= set(
        page.texts
    )
    assert "001000.mid" not in text
    assert "and 1 more, all of them counted above" in page.texts
    assert len(text) < 200_000


def test_many_styles_reasons_and_pitches_stay_a_picture():
    files = [
        kept(f"{n}.mid", "train", f"style {n:02d}", range(n), unmapped={n: n + 1}, num_hits=1500 + n + 1)
        for n in range(30)
    ]
    files += [Converted(f"s{n}.mid", "groove", "train", skipped=f"reason {n}: x") for n in range(9)]
    page = Page(dataset_page.page_html(report_of(*files)))
    assert ["style 29", "29", "1"] in page.rows
    assert ["18 others", str(sum(range(18))), "18"] in page.rows
    assert ["pitch 29", "30"] in page.rows
    assert ["18 other pitches", str(sum(range(1, 19)))] in page.rows
    assert max(page.widths) == 100
    assert {f"reason {n}" for n in range(9)} <= set(page.texts)


def test_several_inputs_make_the_title():
    settings = {"input": ["/some/where/groove.zip", "starter"]}
    page = Page(dataset_page.page_html(report_of(given="…", settings=settings)))
    assert page.texts[1] == "groove.zip + starter"


def test_nothing_makes_a_page():
    page = Page(dataset_page.page_html(report_of()))
    assert "No split shares a performance or a window with another." in page.texts
    assert ["found", "0"] in page.rows


def test_the_same_report_gives_the_same_page_soon(report, tmp_path):
    dataset_page.write(report, tmp_path / "a.html")
    start = time.perf_counter()
    dataset_page.write(report, tmp_path / "b.html")
    assert time.perf_counter() - start < 0.5  # It takes a hundredth of it; other work may slow it down.
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
