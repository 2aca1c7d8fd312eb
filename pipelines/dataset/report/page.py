"""One HTML page with pictures of what a conversion found: what was kept, what was left out and why, what is in it.

The page needs nothing but itself: it opens from the disk, without a server and without internet. Its pictures are
tables and bars that the template makes of the numbers of report.json: importing matplotlib and drawing them would take
longer than converting all of Groove.
"""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Iterator, Mapping

from pipelines.dataset.report import table

TEMPLATE = "report.html"
MAX_NAMES = 1000  # Of each list; report.json has them all.
MAX_ROWS = 12
NUM_COLOURS = 6  # Those in the template for parts of a whole, the last for all further parts.

_BREAKDOWNS = {
    "by_style": "style",
    "by_tempo": "tempo, bpm",
    "by_metre": "metre",
    "by_drum_map": "drum map",
    "by_collection": "collection",
}
_STEP_NAMES = {"drum check": "with drums", "4/4 check": "in 4/4"}  # The others are called as in the report.

Row = tuple[str, int, int, str]  # Of a table with bars: its name, a count, what a full bar stands for, and a note.


def prepare() -> None:
    """Loads the template, for whoever has time before there is a report."""
    from pipelines.pages import template

    template.load(TEMPLATE)


def page_html(report: Mapping) -> str:
    """Returns the whole page of a `Tally`'s report; the same report gives the same page, byte for byte."""
    from pipelines.pages import template

    performances, windows = report["duplicates"]["performances"], report["duplicates"]["windows"]
    return template.render(
        TEMPLATE,
        title=_title(report),
        tiles=_tiles(report),
        facts=_facts(report),
        parts=list(_parts(report)),
        lists=list(_lists(report)),
        drums=_drums(report),
        most_onsets=max(1, *map(max, report["onsets"])),
        most_hits=max(1, *report["hits_per_class"].values()),
        way=list(_way(report)),
        sentences=table.describe_duplicates(report, with_names=False),
        num_alike=performances["across"]["groups"],
        alike=list(map(_alike, performances["across"]["named"])),
        repeats={split: (count, windows["within"][split]) for split, count in performances["within"].items()},
        breakdowns=list(_breakdowns(report)),
        unmapped=list(_unmapped(report)),
    )


def _title(report: Mapping) -> str:
    """Returns the names of what was converted, without the folders that they lie in."""
    given = report["settings"].get("input", [report["input"]])
    return " + ".join(pathlib.PurePath(name).name or name for name in given)


def _tiles(report: Mapping) -> list[tuple[str, str]]:
    hours, minutes = divmod(report["secs"] // 60, 60)
    return [
        ("four-bar windows", f"{sum(report['windows'].values()):,}"),
        (f"of {report['files_found']:,} files kept", f"{report['files_kept']:,}"),
        ("hits", f"{report['steps']['hits']['read']:,}"),
        (f"{report['bars']:,} bars", f"{hours:,} h {minutes} min" if hours else f"{minutes} min"),
    ]


def _facts(report: Mapping) -> dict[str, str]:
    """Returns the settings, and what is the same for all files and so needs no picture."""
    facts = {"input": report["input"]}
    for key, value in report["settings"].items():
        if value and key not in ("input", "version"):
            facts[key.replace("_", " ")] = ", ".join(value) if isinstance(value, list) else str(value)
    for key, name in _BREAKDOWNS.items():
        if len(report[key]) == 1:
            facts[f"all in {name}"] = next(iter(report[key]))
    return facts


def _parts(report: Mapping) -> Iterator[dict]:
    """Yields the parts of all files found: those kept, and those skipped by reason."""
    found = max(1, report["files_found"])
    skipped = sorted(report["skipped_by_reason"].items(), key=lambda part: (-part[1], part[0]))
    for number, (name, count) in enumerate([("kept", report["files_kept"]), *skipped]):
        share = f"{count:,} ({100 * count / found:.1f} %)"
        yield {"name": name, "count": count, "share": share, "colour": f"c{min(number, NUM_COLOURS - 1)}"}


def _lists(report: Mapping) -> Iterator[tuple[str, list[tuple[str, str]], int]]:
    """Yields a title, the first names, each with a reason or "", and how many there are."""
    count = report["files_skipped"]
    yield f"{count:,} skipped", list(itertools.islice(report["skipped"].items(), MAX_NAMES)), count
    for key, text in table.NAME_LISTS.items():
        yield f"{len(report[key]):,} {text}", [(name, "") for name in report[key][:MAX_NAMES]], len(report[key])


def _drums(report: Mapping) -> list[dict]:
    """Returns the rows of the heat map, the kick's last: each drum's hits, and those on each sixteenth of a bar."""
    rows = zip(report["hits_per_class"].items(), zip(*report["onsets"], strict=True), strict=True)
    return [{"name": name, "hits": hits, "onsets": onsets} for (name, hits), onsets in rows][::-1]


def _way(report: Mapping) -> Iterator[tuple[str, list[Row]]]:
    """Yields what each step from the files to the windows leaves, for bars that get shorter."""
    hits, tokens, windows = (report["steps"][name] for name in ("hits", "tokens", "windows"))
    yield "Files", list(_file_rows(report))
    read = max(1, hits["read"])
    others = f"{hits['in_no_class']:,} of other pitches" if hits["in_no_class"] else ""
    yield (
        "Hits",
        [
            ("read", hits["read"], read, ""),
            ("in nine drums", hits["in_classes"], read, _left_out(others)),
            ("on sixteenths", hits["cells"], read, _left_out(_fallen(hits))),
        ],
    )
    note = f"of {tokens['of']}, one for each set of drums on a sixteenth"
    yield "Tokens", [("distinct", tokens["distinct"], tokens["of"], note)]
    every = "bar" if windows["stride_bars"] == 1 else f"{windows['stride_bars']} bars"
    yield f"Windows of {windows['bars']} bars, one from every {every} on", list(_split_rows(report))


def _file_rows(report: Mapping) -> Iterator[Row]:
    found = max(1, report["files_found"])
    for step in report["steps"]["files"]:
        lost = ", ".join(f"{count:,} {reason}" for reason, count in step["lost"].items())
        yield _STEP_NAMES.get(step["step"], step["step"]), step["files"], found, _left_out(lost)
    without = report["files_without_a_four_bar_window"]
    lost = f"{without:,} with no four bars without a pause" if without else ""
    yield "with windows", report["files_kept"] - without, found, _left_out(lost)


def _split_rows(report: Mapping) -> Iterator[Row]:
    most = max(1, *report["windows"].values())
    for split, counts in report["splits"].items():
        yield split, counts["windows"], most, f"from {counts['files']:,} file{'s' if counts['files'] != 1 else ''}"


def _left_out(lost: str) -> str:
    return lost and f"left out: {lost}"


def _fallen(hits: Mapping[str, int]) -> str:
    """Says how many hits are not on the grid by themselves, and why; "" where all are."""
    together, mixed = hits["fell_together"], hits["fell_together_or_outside_4/4"]
    notes = []
    if together:
        notes.append(f"{together:,} that fell on a sixteenth together with another hit of their drum")
    if mixed:
        notes.append(f"{mixed:,} that did, or lie outside of 4/4, in performances that change their metre")
    return " and ".join(notes)


def _alike(group: Mapping) -> tuple[list[tuple[str, str]], int]:
    """Returns the names of performances that are played alike, each with its split, and how many more there are."""
    shown = [(name, split) for split, names in group["names"].items() for name in names]
    return shown, group["files"] - len(shown)


def _breakdowns(report: Mapping) -> Iterator[tuple[str, int, dict]]:
    """Yields a name, the windows that a full bar stands for, and files and windows by value."""
    for key, name in _BREAKDOWNS.items():
        rows = report[key] if key == "by_tempo" else table.by_windows(report[key])
        if len(rows) > 1:
            rows = table.shorten(rows, MAX_ROWS)
            yield name, max(1, *(counts["windows"] for counts in rows.values())), rows


def _unmapped(report: Mapping) -> Iterator[Row]:
    drums = table.commonest_unmapped(report)
    most = drums[0][1]["hits"] if drums else 0
    for pitch, drum in drums[:MAX_ROWS]:
        name = drum["name"] if drum["name"].startswith("pitch") else f"{drum['name']} ({pitch})"
        yield name, drum["hits"], most, ""
    if drums[MAX_ROWS:]:
        others = sum(drum["hits"] for _, drum in drums[MAX_ROWS:])
        yield f"{len(drums) - MAX_ROWS} other pitches", others, max(most, others), ""
