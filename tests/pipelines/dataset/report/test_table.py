"""The report on a terminal."""

from __future__ import annotations

from pipelines.dataset.report import table, tally
from tests.tallies import FILES, count, kept, report_of, skipped


def test_print_report(capsys):
    report = count(FILES).report("in", {}, ["gone.mid"], ["u", "v"])
    table.print_report(report, "out dir")
    assert capsys.readouterr().out.splitlines() == [
        "10 files found, 4 kept, 6 skipped",
        "  no drums: 1 (y.mid)",
        "  no notes: 1 (s.mid)",
        "  not in 4/4: 2 (t.mid, w.mid)",
        "  not selected: 1 (z.mid)",
        "  unreadable MIDI: 1 (x.mid)",
        "  listed in info.csv but not there: 1",
        "  there but not listed in info.csv: 2",
        "22 hits → 18 in the nine classes → 10 on the grid of sixteenths → 4 of 512 tokens",
        "  4 hits in no class, left out: tambourine 3, pitch 90 1",
        "split          files   windows   bpm            files   windows   style          files   windows",
        "train              2         3   60-79              1         2   funk               2         3",
        "validation         1         2   80-99              1         0   jazz               1         3",
        "test               1         3   120-139            2         6   unknown            1         2",
        "  1 of the files kept have no four bars without a pause",
        "  1 performance is in more than one split (c.mid = d.mid)",
        "  1 of 2 distinct validation windows are in train too",
        "  1 of 2 distinct test windows are in train too",
        "  1 of 2 distinct test windows are in validation too",
        "written to out dir; each skipped file with its reason is in report.json, pictures are in report.html",
    ]


def test_it_says_where_not_all_skipped_files_are_named(capsys, monkeypatch):
    monkeypatch.setattr(tally, "MAX_SKIPPED_NAMED", 2)
    table.print_report(report_of(*(skipped(f"{number}.mid", "no notes") for number in range(3))), "out")
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "  no notes: 3 (0.mid, 1.mid)"
    assert lines[-1].startswith("written to out; the first 2 skipped files of each reason are in report.json, pictures")


def test_a_printed_report_stays_small(capsys):
    files = [
        kept(f"{n}.mid", style=f"a style with a long name {n}", bpm=10 + 7 * n, unmapped={n: 1}, num_hits=3)
        for n in range(40)
    ]
    files += [skipped(f"{'folder/' * 12}{n}.mid", "no notes") for n in range(5)]
    table.print_report(report_of(*files), "out")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 16
    assert lines[1] == f"  no notes: 5 ({'folder/' * 12}0.mid, …)"
    assert lines[3] == "  40 hits in no class, left out: pitch 0 1, pitch 1 1, pitch 2 1, pitch 3 1, 36 others"
    assert lines[-3].endswith("32 others         32         0")
    assert max(map(len, lines[2:-1])) <= 96
