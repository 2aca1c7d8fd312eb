"""One HTML page with pictures of what a conversion found: what was kept, what was left out and why, what is in it.

The page needs nothing but itself: it opens from the disk, without a server and without internet. Its pictures are
tables and bars made here from the numbers of report.json: importing matplotlib and drawing them would take longer
than converting all of Groove.
"""

from __future__ import annotations

import html
import itertools
import os
import pathlib
import string
from collections.abc import Iterable, Mapping, Sequence

from pipelines.dataset.inputs import sources
from pipelines.dataset.report import table
from pipelines.files import atomic

MAX_NAMES = 1000  # Of each list; report.json has them all.
MAX_ROWS = 12
NUM_COLOURS = 6  # Those in the template for parts of a whole, the last for all further parts.
_TEMPLATE = pathlib.Path(__file__).parents[2] / "pages" / "templates" / "dataset.html"

_BREAKDOWNS = {
    "by_style": "style",
    "by_tempo": "tempo, bpm",
    "by_metre": "metre",
    "by_drum_map": "drum map",
    "by_collection": "collection",
}
_STEP_NAMES = {
    "found": "found",
    "readable": "readable",
    "drum check": "with drums",
    "4/4 check": "in 4/4",
    "selected": "selected",
}


def write(report: Mapping, path: str | os.PathLike[str]) -> None:
    """Writes the page of a `Tally`'s report; the same report gives the same page, byte for byte.

    Raises:
        OSError: the page cannot be written.
    """
    atomic.write_text(path, page_html(report))


def page_html(report: Mapping) -> str:
    """Returns the whole page; every name is escaped."""
    return string.Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=html.escape(_title(report)),
        tiles=_tiles(report),
        facts=_definitions(_facts(report)),
        way=_way(report),
        kept=_kept(report),
        onsets=_heat_map(report["onsets"], report["hits_per_class"]),
        breakdowns=_breakdowns(report),
        unmapped=_unmapped(report),
        duplicates=_duplicates(report),
        lists=_lists(report),
    )


def _title(report: Mapping) -> str:
    """Returns the names of what was converted, without the folders that they lie in."""
    given = report["settings"].get("input")
    given = given if isinstance(given, list) else [report["input"]]
    return " + ".join(pathlib.PurePath(name).name or name for name in given)


def _tiles(report: Mapping) -> str:
    hours, minutes = divmod(report["secs"] // 60, 60)
    tiles = {
        "four-bar windows": _number(sum(report["windows"].values())),
        f"of {_number(report['files_found'])} files kept": _number(report["files_kept"]),
        "hits": _number(report["steps"]["hits"]["read"]),
        f"{_number(report['bars'])} bars": f"{_number(hours)} h {minutes} min" if hours else f"{minutes} min",
    }
    return "".join(f"<div><dd>{value}</dd><dt>{html.escape(name)}</dt></div>" for name, value in tiles.items())


def _facts(report: Mapping) -> dict[str, str]:
    """Returns the settings, and what is the same for all files and so needs no picture."""
    facts = {"input": report["input"]}
    for key, value in report["settings"].items():
        if key not in ("input", "version") and value not in (None, "", [], ()):
            text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            facts[key.replace("_", " ")] = text
    for key, name in _BREAKDOWNS.items():
        if len(report[key]) == 1:
            facts[f"all in {name}"] = next(iter(report[key]))
    return facts


def _way(report: Mapping) -> str:
    """Draws what each step from the files to the windows leaves, as bars that get shorter."""
    steps = report["steps"]
    found = max(1, steps["files"][0]["files"])
    rows = [_group("Files")]
    for step in steps["files"]:
        lost = ", ".join(f"{_number(count)} {reason}" for reason, count in step["lost"].items())
        rows.append(_row(_STEP_NAMES[step["step"]], step["files"], step["files"] / found, lost and f"left out: {lost}"))
    without = report["files_without_a_four_bar_window"]
    with_windows = report["files_kept"] - without
    note = f"left out: {_number(without)} with no four bars without a pause" if without else ""
    rows.append(_row("with windows", with_windows, with_windows / found, note))

    hits, tokens, windows = steps["hits"], steps["tokens"], steps["windows"]
    read = max(1, hits["read"])
    rows += [
        _group("Hits"),
        _row("read", hits["read"], hits["read"] / read),
        _row("in nine drums", hits["in_classes"], hits["in_classes"] / read, _without_unmapped(hits)),
        _row("on sixteenths", hits["cells"], hits["cells"] / read, _without_fallen(hits)),
        _group("Tokens"),
        _row(
            "distinct",
            tokens["distinct"],
            tokens["distinct"] / tokens["of"],
            f"of {tokens['of']}, one for each set of drums on a sixteenth",
        ),
        _group(f"Windows of {windows['bars']} bars, {_every(windows['stride_bars'])}"),
    ]
    most = max(1, *windows["by_split"].values())
    for split, count in windows["by_split"].items():
        files = report["splits"][split]["files"]
        rows.append(_row(split, count, count / most, f"from {_number(files)} file{'s' if files != 1 else ''}"))
    return "\n".join(rows)


def _every(stride_bars: int) -> str:
    return "one from every bar on" if stride_bars == 1 else f"one from every {stride_bars} bars on"


def _without_unmapped(hits: Mapping[str, int]) -> str:
    return f"left out: {_number(hits['in_no_class'])} of other pitches" if hits["in_no_class"] else ""


def _without_fallen(hits: Mapping[str, int]) -> str:
    """Says how many hits are not on the grid by themselves, and why."""
    together, mixed = hits["fell_together"], hits["fell_together_or_outside_4/4"]
    notes = []
    if together:
        notes.append(f"{_number(together)} that fell on a sixteenth together with another hit of their drum")
    if mixed:
        notes.append(f"{_number(mixed)} that did, or lie outside of 4/4, in performances that change their metre")
    return f"left out: {' and '.join(notes)}" if notes else ""


def _group(title: str) -> str:
    return f'<tr class="group"><th colspan="3" scope="colgroup">{html.escape(title)}</th></tr>'


def _row(name: str, count: int, share: float, note: str = "") -> str:
    below = f"<small>{html.escape(note)}</small>" if note else ""
    return (
        f'<tr><th scope="row">{html.escape(name)}</th><td class="bar">{_bar(share)}{below}</td>'
        f"<td>{_number(count)}</td></tr>"
    )


def _bar(share: float) -> str:
    """Returns a bar; what is not nothing can be seen."""
    return f'<i style="width:{100 * share:.2f}%{";min-width:1px" if share else ""}"></i>'


def _kept(report: Mapping) -> str:
    """Draws one bar of all files found: those kept, and those skipped by reason."""
    parts = [("kept", report["files_kept"])]
    parts += sorted(report["skipped_by_reason"].items(), key=lambda part: (-part[1], part[0]))
    found = max(1, report["files_found"])
    bar, legend = [], []
    for number, (name, count) in enumerate(parts):
        colour = f"c{min(number, NUM_COLOURS - 1)}"
        share = f"{_number(count)} ({100 * count / found:.1f} %)"
        if count:
            bar.append(f'<i class="{colour}" style="flex-grow:{count}" title="{html.escape(name)}: {share}"></i>')
        legend.append(f'<li><i class="{colour}"></i>{html.escape(name)} <b>{share}</b></li>')
    return f'<div class="whole" aria-hidden="true">{"".join(bar)}</div>\n<ul class="legend">{"".join(legend)}</ul>'


def _heat_map(onsets: Sequence[Sequence[int]], hits_per_class: Mapping[str, int]) -> str:
    """Draws `[16, 9]` onsets, a row for each drum with the kick lowest, and beside it the drum's hits."""
    # The root lets the seldom drums be seen beside the hi-hat's eighths.
    most, most_of_class = max(1, *map(max, onsets)), max(1, *hits_per_class.values())
    heads = "".join(_beat_head(step) for step in range(len(onsets)))
    rows = [f'<tr><th scope="col"><span class="sr">drum</span></th>{heads}<th scope="col" colspan="2">hits</th></tr>']
    for number, (name, hits) in reversed(list(enumerate(hits_per_class.items()))):
        cells = "".join(
            f'<td class="cell" title="{name}, {_position(step)}: {_number(counts[number])}">'
            f'<i style="opacity:{(counts[number] / most) ** 0.5:.3f}"></i>'
            f'<span class="sr">{counts[number]}</span></td>'
            for step, counts in enumerate(onsets)
        )
        rows.append(
            f'<tr><th scope="row">{html.escape(name)}</th>{cells}'
            f'<td class="bar">{_bar(hits / most_of_class)}</td><td>{_number(hits)}</td></tr>'
        )
    return "\n".join(rows)


def _position(step: int) -> str:
    """Returns where a sixteenth is in the bar: "2.3" is the third sixteenth of the second beat."""
    return f"{step // 4 + 1}.{step % 4 + 1}"


def _beat_head(step: int) -> str:
    text = str(step // 4 + 1) if step % 4 == 0 else f'<span class="sr">{_position(step)}</span>'
    return f'<th scope="col">{text}</th>'


def _breakdowns(report: Mapping) -> str:
    cards = []
    for key, name in _BREAKDOWNS.items():
        rows = report[key] if key == "by_tempo" else table.by_windows(report[key])
        if len(rows) > 1:
            cards.append(_breakdown(name, table.shorten(rows, MAX_ROWS)))
    return "\n".join(cards)


def _breakdown(name: str, rows: Mapping[str, Mapping[str, int]]) -> str:
    most = max(1, *(counts["windows"] for counts in rows.values()))
    body = "".join(
        f'<tr><th scope="row">{html.escape(value)}</th><td class="bar">{_bar(counts["windows"] / most)}</td>'
        f"<td>{_number(counts['windows'])}</td><td>{_number(counts['files'])}</td></tr>\n"
        for value, counts in rows.items()
    )
    return (
        f'<article><table class="bars"><thead><tr><th scope="col">{html.escape(name)}</th><td></td>'
        f'<th scope="col">windows</th><th scope="col">files</th></tr></thead>\n<tbody>{body}</tbody></table></article>'
    )


def _unmapped(report: Mapping) -> str:
    drums = sorted(report["unmapped_pitches"].items(), key=lambda item: (-item[1]["hits"], int(item[0])))
    if not drums:
        return ""
    most, rows = drums[0][1]["hits"], []
    for pitch, drum in drums[:MAX_ROWS]:
        name = drum["name"] if drum["name"].startswith("pitch") else f"{drum['name']} ({pitch})"
        rows.append(_row(name, drum["hits"], drum["hits"] / most))
    if drums[MAX_ROWS:]:
        others = sum(drum["hits"] for _, drum in drums[MAX_ROWS:])
        rows.append(_row(f"{len(drums) - MAX_ROWS} other pitches", others, min(1, others / most)))
    return (
        "<article><h2>Hits in none of the nine drums</h2>\n<p>They are left out. General MIDI calls them:</p>\n"
        f'<table class="bars">{"".join(rows)}</table></article>'
    )


def _duplicates(report: Mapping) -> str:
    """Says what a split shares with another, in words, with the names, and what it holds twice."""
    sentences = table.describe_duplicates(report, with_names=False)
    found = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
    text = (
        f'<ul class="found">{found}</ul>' if found else "<p>No split shares a performance or a window with another.</p>"
    )
    performances, windows = (report["duplicates"][key] for key in ("performances", "windows"))
    rows = "".join(
        f'<tr><th scope="row">{split}</th><td>{_number(performances["within"][split])}</td>'
        f"<td>{_number(windows['within'][split])}</td></tr>"
        for split in sources.SPLITS
    )
    return (
        f'{text}\n{_groups(performances["across"])}\n<table class="numbers"><thead><tr>'
        '<th scope="col">more than once in</th><th scope="col">performances</th><th scope="col">windows</th></tr>'
        f"</thead><tbody>{rows}</tbody></table>"
    )


def _groups(across: Mapping) -> str:
    if not across["named"]:
        return ""
    items = []
    for group in across["named"]:
        names = [f"{name} <b>{split}</b>" for split, name in _escaped_names(group)]
        more = group["files"] - len(names)
        items.append(f"<li>{'<br>'.join(names)}{f'<br>and {_number(more)} more' if more else ''}</li>")
    return _details(f"{_number(across['groups'])} played alike in more than one split", items, across["groups"])


def _escaped_names(group: Mapping) -> Iterable[tuple[str, str]]:
    return ((split, html.escape(name)) for split, names in group["names"].items() for name in names)


def _lists(report: Mapping) -> str:
    """Lists the files skipped with their reasons, and those that are listed or there alone."""
    skipped = (
        f"<li>{html.escape(name)} <b>{html.escape(reason)}</b></li>"
        for name, reason in itertools.islice(report["skipped"].items(), MAX_NAMES)
    )
    lists = [_details(f"{_number(report['files_skipped'])} skipped", list(skipped), report["files_skipped"])]
    for key, text in table.NAME_LISTS.items():
        names = [f"<li>{html.escape(name)}</li>" for name in report[key][:MAX_NAMES]]
        lists.append(_details(f"{_number(len(report[key]))} {text}", names, len(report[key])))
    return "\n".join(filter(None, lists))


def _details(summary: str, items: Sequence[str], count: int) -> str:
    """Returns a list that a click opens; `count` is how many there are, some perhaps not in `items`."""
    if not items:
        return ""
    more = f"<p>and {_number(count - len(items))} more, all of them counted above</p>" if count > len(items) else ""
    return f"<details><summary>{html.escape(summary)}</summary><ul>{''.join(items)}</ul>{more}</details>"


def _definitions(facts: Mapping[str, str]) -> str:
    items = "".join(
        f"<div><dt>{html.escape(str(key))}</dt><dd>{html.escape(str(value))}</dd></div>" for key, value in facts.items()
    )
    return f"<dl>{items}</dl>"


def _number(count: int) -> str:
    return f"{count:,}"
