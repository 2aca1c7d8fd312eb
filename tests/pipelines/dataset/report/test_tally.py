"""Counts: exact, adding up at every step, and the same in whatever order and grouping they were made."""

from __future__ import annotations

import json
import pickle
import random

import numpy as np
import pytest

from grooves import drums, metadata
from pipelines.dataset.report import tally
from tests.tallies import FILES, KICK, SNARE, count, kept, report_of, skipped, windows


def test_every_number_of_a_report():
    report = count(FILES).report(["in", "more"], {"stride_bars": 2, "drum_map": "auto"}, ["n", "m"], ["u"], ["t"])
    assert report["duplicates"].keys() == {"performances", "windows"}
    del report["duplicates"]  # They have their own tests.
    onsets = np.zeros([16, 9], int)
    onsets[0, KICK], onsets[4, SNARE], onsets[15, SNARE] = 6, 3, 1
    assert report == {
        "input": "in, more",
        "settings": {"drum_map": "auto", "stride_bars": 2},
        "files_found": 10,
        "files_kept": 4,
        "files_skipped": 6,
        "files_without_a_four_bar_window": 1,
        "windows": {"train": 3, "validation": 2, "test": 3},
        "splits": {
            "train": {"files": 2, "windows": 3},
            "validation": {"files": 1, "windows": 2},
            "test": {"files": 1, "windows": 3},
        },
        "steps": {
            "files": [
                {"step": "found", "files": 10, "lost": {}},
                {"step": "selected", "files": 9, "lost": {"not selected": 1}},
                {"step": "readable", "files": 8, "lost": {"unreadable MIDI": 1}},
                {"step": "drum check", "files": 6, "lost": {"no drums": 1, "no notes": 1}},
                {"step": "4/4 check", "files": 4, "lost": {"not in 4/4": 2}},
            ],
            "hits": {
                "read": 22,
                "in_no_class": 4,
                "in_classes": 18,
                "fell_together": 3,
                "fell_together_or_outside_4/4": 5,
                "cells": 10,
            },
            "tokens": {"distinct": 4, "of": 512},
            "windows": {"bars": 4, "stride_bars": 2, "by_split": {"train": 3, "validation": 2, "test": 3}},
        },
        "bars": 6 + 1 + 4 + 1,
        "secs": 12 + 2 + 16 + 2,  # 12, 2.402, 16 and 2.
        "by_style": {
            "funk": {"files": 2, "windows": 3},
            "jazz": {"files": 1, "windows": 3},
            "unknown": {"files": 1, "windows": 2},
        },
        "by_tempo": {
            "60-79": {"files": 1, "windows": 2},
            "80-99": {"files": 1, "windows": 0},
            "120-139": {"files": 2, "windows": 6},
        },
        "by_metre": {"3/4 and 4/4": {"files": 1, "windows": 3}, "4/4": {"files": 3, "windows": 5}},
        "by_drum_map": {"gm": {"files": 1, "windows": 3}, "roland": {"files": 3, "windows": 5}},
        "by_collection": {"groove": {"files": 3, "windows": 5}, "mine": {"files": 1, "windows": 3}},
        "hits_per_class": dict(zip(drums.CLASS_NAMES, [6, 4, 0, 0, 0, 0, 0, 0, 0], strict=True)),
        "onsets": onsets.tolist(),
        "unmapped_pitches": {"54": {"name": "tambourine", "hits": 3}, "90": {"name": "pitch 90", "hits": 1}},
        "skipped_by_reason": {"no drums": 1, "no notes": 1, "not in 4/4": 2, "not selected": 1, "unreadable MIDI": 1},
        "skipped": {
            "s.mid": "no notes",
            "t.mid": "not in 4/4: 6/8",
            "w.mid": "not in 4/4: 3/4",
            "x.mid": "unreadable MIDI: the file ends too early",
            "y.mid": "no drums: nothing on MIDI channel 10",
            "z.mid": "not selected: style",
        },
        "listed_but_missing": ["m", "n"],
        "found_but_not_listed": ["u"],
        "found_twice": ["t"],
    }


def test_orders_and_groups_do_not_matter():
    expected = json.dumps(count(FILES).report("in", {}, ["m"]))
    rng = random.Random(1)
    for _ in range(20):
        files = rng.sample(FILES, len(FILES))
        cuts = sorted(rng.sample(range(len(files) + 1), 3))
        parts = [
            pickle.loads(pickle.dumps(count(files[first:last])))
            for first, last in zip([0, *cuts], [*cuts, None], strict=True)
        ]
        rng.shuffle(parts)
        merged = tally.Tally().merge(parts[0].merge(parts[1])).merge(parts[2]).merge(parts[3])
        assert json.dumps(merged.report("in", {}, ["m"])) == expected


def test_a_merged_tally_stays_as_it_is():
    other = count(FILES)
    before = json.dumps(other.report("in", {}))
    both = count(FILES).merge(other).add(FILES[0])
    assert both.report("in", {})["files_found"] == 2 * len(FILES) + 1
    assert json.dumps(other.report("in", {})) == before


@pytest.mark.parametrize("num_files", range(len(FILES) + 1))
def test_everything_adds_up(num_files):
    report = count(FILES[:num_files]).report("in", {})
    assert report["files_found"] == report["files_kept"] + report["files_skipped"] == num_files
    assert sum(report["skipped_by_reason"].values()) == report["files_skipped"] == len(report["skipped"])
    left = num_files
    for step in report["steps"]["files"]:
        left -= sum(step["lost"].values())
        assert step["files"] == left
    assert left == report["files_kept"]
    hits = report["steps"]["hits"]
    assert hits["read"] == hits["in_no_class"] + hits["in_classes"]
    together = hits["fell_together"] + hits["fell_together_or_outside_4/4"]
    assert hits["in_classes"] == together + hits["cells"]
    assert hits["in_no_class"] == sum(drum["hits"] for drum in report["unmapped_pitches"].values())
    assert hits["cells"] == sum(report["hits_per_class"].values()) == sum(map(sum, report["onsets"]))
    for kind in ("splits", "by_style", "by_tempo", "by_metre", "by_drum_map", "by_collection"):
        assert sum(counts["files"] for counts in report[kind].values()) == report["files_kept"]
        assert sum(counts["windows"] for counts in report[kind].values()) == sum(report["windows"].values())


def test_a_reason_of_an_unknown_kind_counts_as_unreadable():
    report = report_of(skipped("a.mid", "took longer than 60 s"))
    assert report["steps"]["files"][2] == {"step": "readable", "files": 0, "lost": {"took longer than 60 s": 1}}


def test_where_the_notes_are_is_told_of_the_first_file_without_drums():
    told = "no drums: nothing on MIDI channel 10; notes are on channel 1 (3); --drum_channel=1 takes them as drums"
    report = report_of(skipped("a.mid", "no notes"), skipped("c.mid", told), skipped("b.mid", told.replace("1", "2")))
    assert report["skipped_by_reason"] == {"no drums": 2, "no notes": 1}
    assert tally.where_notes_are(report) == f"b.mid: {told.replace('1', '2').removeprefix('no drums: ')}"
    assert tally.where_notes_are(report_of(skipped("a.mid", "no notes"), skipped("b.mid", "no drums: nothing"))) == ""


def test_files_of_one_name_are_all_listed():
    report = report_of(
        skipped("a.mid", "no notes", "one"),
        skipped("a.mid", "no drums", "two"),
        skipped("a.mid", "no drums", "two"),
    )
    assert report["skipped"] == {"a.mid": "no notes", "a.mid (two)": "no drums", "a.mid (two, 2)": "no drums"}


def test_of_many_skipped_files_the_first_of_each_reason_are_named(monkeypatch):
    monkeypatch.setattr(tally, "MAX_SKIPPED_NAMED", 3)
    files = [skipped(f"{number:02d}.mid", "no notes" if number % 20 else "no drums: none") for number in range(60)]
    random.Random(1).shuffle(files)
    expected = {f"{number:02d}.mid": "no notes" for number in (1, 2, 3)}
    expected |= {f"{number:02d}.mid": "no drums: none" for number in (0, 20, 40)}
    merged = count(files[:25]).merge(count(files[25:]))
    for report in (report_of(*files), merged.report("in", {})):
        assert report["skipped"] == expected
        assert list(report["skipped"]) == sorted(expected)
        assert report["skipped_by_reason"] == {"no drums": 3, "no notes": 57}
        assert report["files_skipped"] == report["files_found"] == 60
    assert len(merged._skipped["no notes"]) <= 6


def test_performances_in_several_splits_are_named():
    report = report_of(
        kept("b/2.mid", "validation"),
        kept("a/ü.mid", "train"),
        kept("a/1.mid", "train"),
        kept("alone.mid", "test", grid_digest=b"another."),
        kept("twice.mid", "test", grid_digest=b"in test."),
        kept("twice as well.mid", "test", grid_digest=b"in test."),
    )
    assert report["duplicates"]["performances"] == {
        "within": {"train": 1, "validation": 0, "test": 1},
        "across": {
            "groups": 1,
            "named": [{"files": 3, "names": {"train": ["a/1.mid", "a/ü.mid"], "validation": ["b/2.mid"]}}],
        },
    }


def test_silence_is_no_duplicate():
    silent = {"onsets": np.zeros([16, 9], np.uint32), "num_hits": 0}
    report = report_of(kept("a.mid", "train", **silent), kept("b.mid", "test", **silent), kept("c.mid", "test"))
    assert report["duplicates"]["performances"]["across"] == {"groups": 0, "named": []}


def test_of_many_groups_and_names_the_first_are_named():
    files = [
        kept(f"{group:02d} {split} {number}.mid", split, grid_digest=group.to_bytes(8, "big"))
        for group in range(60)
        for split in ("train", "test")
        for number in range(20)
    ]
    across = report_of(*reversed(files))["duplicates"]["performances"]["across"]
    assert across["groups"] == 60
    assert len(across["named"]) == 50
    assert across["named"][49] == {
        "files": 40,
        "names": {split: sorted(f"49 {split} {n}.mid" for n in range(20))[:8] for split in ("train", "test")},
    }


def test_windows_that_splits_share_are_counted_once():
    report = report_of(
        kept("a.mid", "train", window_digests=windows(1, 2, 2**63)),
        kept("b.mid", "train", window_digests=windows(2)),
        kept("c.mid", "validation", window_digests=windows(2**63, 2, 5)),
        kept("d.mid", "validation", window_digests=windows(2)),
        kept("e.mid", "test", window_digests=windows(5)),
    )
    assert report["duplicates"]["windows"] == {
        "distinct": {"train": 3, "validation": 3, "test": 1},
        "within": {"train": 1, "validation": 1, "test": 0},
        "across": {"train/validation": 2, "train/test": 0, "validation/test": 1},
    }


@pytest.mark.parametrize(
    ("bpm", "expected"),
    [
        (0.5, "0-19"),
        (79.999, "60-79"),
        (80, "80-99"),
        (299.9, "280-299"),
        (300, "300 and more"),
        (6e7, "300 and more"),
        (0, "unknown"),
        (-1, "unknown"),
        (float("nan"), "unknown"),
        (float("inf"), "unknown"),
    ],
)
def test_every_tempo_has_a_bin(bpm, expected):
    report = report_of(kept("a.mid", bpm=bpm))
    assert report["by_tempo"] == {expected: {"files": 1, "windows": 0}}


@pytest.mark.parametrize(
    ("metres", "expected"),
    [
        ((), "unknown"),
        (("4/4",), "4/4"),
        (("4/4", "3/4", "4/4"), "3/4 and 4/4"),
        (("4/4", "3/4", "5/4"), "three or more"),
    ],
)
def test_metres_have_few_labels(metres, expected):
    assert tally.metre_label(metres) == expected


@pytest.mark.parametrize(
    ("pitch", "expected"),
    [
        (34, "pitch 34"),
        (35, "acoustic bass drum"),
        (49, "crash cymbal 1"),
        (59, "ride cymbal 2"),
        (75, "claves"),
        (81, "open triangle"),
        (82, "pitch 82"),
    ],
)
def test_drums_are_called_as_in_general_midi(pitch, expected):
    assert tally.drum_name(pitch) == expected


def test_memory_is_flat():
    counts = tally.Tally()
    name = "x" * 60
    for number in range(2000):
        counts.add(kept(f"{name}{number}", grid_digest=number.to_bytes(8, "big"), window_digests=np.arange(100)))
    assert len(pickle.dumps(counts)) < 2000 * (100 * 8 + 8 + 70) + 10_000


def test_nothing_gives_a_report():
    report = report_of()
    assert report["files_found"] == 0
    assert report["duplicates"]["windows"]["across"] == {"train/validation": 0, "train/test": 0, "validation/test": 0}
    assert list(report["splits"]) == list(metadata.SPLITS)


def test_groove_is_counted_whole(groove_zip, tmp_path):
    from pipelines.dataset import conversion

    report = conversion.convert(str(groove_zip), tmp_path, num_workers=1)
    assert report["windows"] == {"train": 15_629, "validation": 1_910, "test": 0}
    assert report["skipped_by_reason"] == {"not in 4/4": 12}
    assert report["steps"]["hits"] == {
        "read": 388_974,
        "in_no_class": 0,
        "in_classes": 388_974,
        "fell_together": 27_144,
        "fell_together_or_outside_4/4": 0,
        "cells": 361_830,
    }
    assert report["duplicates"]["windows"]["across"] == {"train/validation": 2, "train/test": 0, "validation/test": 0}
    assert [group["names"] for group in report["duplicates"]["performances"]["across"]["named"]] == [
        {
            "train": ["groove/drummer1/session1/122_funk_95_fill_4-4.mid"],
            "validation": ["groove/drummer1/session1/121_funk_95_fill_4-4.mid"],
        }
    ]
