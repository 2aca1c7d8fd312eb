"""The report of a conversion as a person reads it on a terminal."""

from __future__ import annotations

import collections
import itertools
import os
import textwrap
from collections.abc import Mapping, Sequence

from pipelines.dataset.report import tally

NAME_WIDTH, MAX_ROWS = 13, 8
_LINE_WIDTH = 96
NAME_LISTS = {  # Of a report, with what to call them.
    "listed_but_missing": "listed in info.csv but not there",
    "found_but_not_listed": "there but not listed in info.csv",
    "found_twice": "there twice, through a link, a name or as sheet music; one counts",
}


def print_report(report: Mapping, output_dir: str | os.PathLike[str]) -> None:
    """Prints the report as a person reads it, in lines of at most 96 columns where names are not longer."""
    files = "1 file" if report["files_found"] == 1 else f"{report['files_found']:,} files"
    print(f"{files} found, {report['files_kept']:,} kept, {report['files_skipped']:,} skipped")
    print(*_reason_lines(report), *_hit_lines(report), *_table_lines(report), *_duplicate_lines(report), sep="\n")
    named = "each skipped file with its reason is"
    if len(report["skipped"]) < report["files_skipped"]:
        named = f"the first {tally.MAX_SKIPPED_NAMED:,} skipped files of each reason are"
    print(f"written to {output_dir}; {named} in {tally.REPORT_NAME}, pictures are in {tally.PAGE_NAME}")


def describe_duplicates(report: Mapping, *, with_names: bool = True) -> list[str]:
    """Returns a sentence for each way in which a split holds what another one holds too, with one example by name."""
    sentences = []
    groups = report["duplicates"]["performances"]["across"]
    if groups["groups"]:
        verb = "performance is" if groups["groups"] == 1 else "performances are"
        names = " = ".join(names[0] for names in groups["named"][0]["names"].values())
        example = f" ({names})" if with_names else ""
        sentences.append(f"{groups['groups']:,} {verb} in more than one split{example}")
    windows = report["duplicates"]["windows"]
    for pair, shared in windows["across"].items():
        one, other = pair.split("/")
        if shared:
            sentences.append(f"{shared:,} of {windows['distinct'][other]:,} distinct {other} windows are in {one} too")
    return sentences


def commonest_unmapped(report: Mapping) -> list[tuple[str, Mapping]]:
    """Returns the pitches that are in no class, those with the most hits first."""
    return sorted(report["unmapped_pitches"].items(), key=lambda item: (-item[1]["hits"], int(item[0])))


def _reason_lines(report: Mapping) -> list[str]:
    names_by_reason = collections.defaultdict(list)
    for name, reason in report["skipped"].items():
        names_by_reason[tally.kind_of(reason)].append(name)
    lines = []
    for reason, count in report["skipped_by_reason"].items():
        lines.append(f"  {reason}: {count:,} ({_some(names_by_reason[reason], _LINE_WIDTH - len(reason) - 12)})")
        if reason == tally.NO_DRUMS:
            lines += [f"    {line}" for line in textwrap.wrap(tally.where_notes_are(report), _LINE_WIDTH - 4)]
    for key, text in NAME_LISTS.items():
        if report[key]:
            lines.append(f"  {text}: {len(report[key]):,}")
    return lines


def _some(names: Sequence[str], width: int) -> str:
    """Joins the first names, at most three and at least one, that fit into `width`."""
    num_shown = 1
    while num_shown < min(3, len(names)) and len(", ".join(names[: num_shown + 1])) + 3 <= width:
        num_shown += 1
    return ", ".join(names[:num_shown]) + (", …" if num_shown < len(names) else "")


def _hit_lines(report: Mapping) -> list[str]:
    hits, tokens = report["steps"]["hits"], report["steps"]["tokens"]
    lines = [
        f"{hits['read']:,} hits → {hits['in_classes']:,} in the nine classes → {hits['cells']:,} on the grid of"
        f" sixteenths → {tokens['distinct']} of {tokens['of']} tokens"
    ]
    if hits["in_no_class"]:
        commonest = commonest_unmapped(report)
        named = [f"{drum['name']} {drum['hits']:,}" for _, drum in commonest[:4]]
        named += [f"{len(commonest) - 4} others"] if len(commonest) > 4 else []
        lines.append(f"  {hits['in_no_class']:,} hits in no class, left out: {', '.join(named)}")
    return lines


def _table_lines(report: Mapping) -> list[str]:
    """Sets the tables of splits, tempos and styles side by side, for a screen is wider than it is high."""
    tables = [
        _table("split", report["splits"]),
        _table("bpm", shorten(report["by_tempo"], MAX_ROWS)),
        _table("style", shorten(by_windows(report["by_style"]), MAX_ROWS)),
    ]
    blank = " " * len(tables[0][0])
    lines = ["   ".join(cells).rstrip() for cells in itertools.zip_longest(*tables, fillvalue=blank)]
    if without := report["files_without_a_four_bar_window"]:
        lines.append(f"  {without:,} of the files kept have no four bars without a pause")
    return lines


def by_windows(rows: Mapping[str, Mapping[str, int]]) -> dict[str, Mapping[str, int]]:
    """Returns the rows with the most windows first."""
    return dict(sorted(rows.items(), key=lambda row: (-row[1]["windows"], -row[1]["files"], row[0])))


def shorten(rows: Mapping[str, Mapping[str, int]], max_rows: int) -> dict[str, Mapping[str, int]]:
    """Keeps the rows with the most windows, in their order, and adds the rest up as "others"."""
    if len(rows) <= max_rows + 1:  # A single other row needs no more room than its sum.
        return dict(rows)
    kept = set(list(by_windows(rows))[:max_rows])
    others = [counts for value, counts in rows.items() if value not in kept]
    total = {key: sum(counts[key] for counts in others) for key in ("files", "windows")}
    return {value: rows[value] for value in rows if value in kept} | {f"{len(others):,} others": total}


def _table(title: str, rows: Mapping[str, Mapping[str, int]]) -> list[str]:
    lines = [f"{title:<{NAME_WIDTH}}{'files':>7}{'windows':>10}"]
    for value, counts in rows.items():
        name = value if len(value) <= NAME_WIDTH else value[: NAME_WIDTH - 1] + "…"
        lines.append(f"{name:<{NAME_WIDTH}}{counts['files']:>7,}{counts['windows']:>10,}")
    return lines


def _duplicate_lines(report: Mapping) -> list[str]:
    sentences = describe_duplicates(report)
    return [f"  {line}" for sentence in sentences for line in textwrap.wrap(sentence, _LINE_WIDTH - 2)]
