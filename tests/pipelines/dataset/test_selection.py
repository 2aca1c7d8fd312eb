"""Filters: what passes, why the others do not, and what is said of a filter that cannot be meant."""

from __future__ import annotations

import pickle

import pytest

from pipelines.dataset.inputs.source import Source, Unreadable
from pipelines.dataset.selection import Selection

ROW = {"drummer": "drummer1", "style": "funk/groove1", "bpm": "96", "beat_type": "beat", "time_signature": "4-4"}
KNOWN = {
    "style": ("afrobeat", "funk/groove1", "funk/groove2", "jazz", "rock", "rock/halftime"),
    "drummer": ("drummer1", "drummer10", "drummer2"),
    "beat_type": ("beat", "fill"),
    "time_signature": ("3-4", "4-4"),
}


def source(columns: dict[str, str], split: str = "train") -> Source:
    return Source("a.mid", "groove", split, "midi", columns, Unreadable("not to be read"))


@pytest.mark.parametrize(
    ("selection", "reason"),
    [
        (Selection(), ""),
        (Selection(styles=["funk"]), ""),
        (Selection(styles=["FUNK/Groove1"]), ""),
        (Selection(styles=["rock", " funk "]), ""),
        (Selection(styles=["groove1"]), "not selected: style funk/groove1"),
        (Selection(styles=["funk/groove2"]), "not selected: style funk/groove1"),
        (Selection(styles=["fun"]), "not selected: style funk/groove1"),
        (Selection(drummers=["drummer1", "drummer2"]), ""),
        (Selection(drummers=["drummer10"]), "not selected: drummer drummer1"),
        (Selection(beat_types=["beat"]), ""),
        (Selection(beat_types=["fill"]), "not selected: beat type beat"),
        (Selection(min_bpm=96, max_bpm=96), ""),
        (Selection(min_bpm=96.5), "not selected: 96 bpm"),
        (Selection(max_bpm=95), "not selected: 96 bpm"),
        (Selection(max_bpm=0), "not selected: 96 bpm"),
        (Selection(time_signatures=["4/4"]), ""),
        (Selection(time_signatures=["6-8", "04-4"]), ""),
        (Selection(time_signatures=["3-4"]), "not selected: time signature 4/4"),
        (Selection(splits=["train"]), ""),
        (Selection(splits=["Test", "validation"]), "not selected: split train"),
        (Selection(styles=["funk"], max_bpm=90), "not selected: 96 bpm"),
    ],
)
def test_what_the_columns_tell_is_decided_before_the_file_is_read(selection, reason):
    selection = pickle.loads(pickle.dumps(selection))
    assert selection.reason_before_reading(source(ROW)) == reason
    assert selection.reason_to_leave_out(ROW, "train", 200, ["7/8"]) == reason


@pytest.mark.parametrize(
    ("selection", "bpm", "metres", "reason"),
    [
        (Selection(min_bpm=90, max_bpm=100), 96.004, ["4/4"], ""),
        (Selection(min_bpm=90, max_bpm=100), 100.5, ["4/4"], "not selected: 100.5 bpm"),
        (Selection(time_signatures=["4-4"]), 96, ["3/4", "4/4"], ""),
        (Selection(time_signatures=["4-4"]), 96, ["6/8", "3/4"], "not selected: time signature 3/4, 6/8"),
        (Selection(time_signatures=["4-4"]), 96, [], ""),
        (Selection(time_signatures=["3-4"]), 96, [], "not selected: time signature 4/4"),
    ],
)
@pytest.mark.parametrize("row", [{}, {"bpm": "", "time_signature": ""}, {"bpm": "fast"}])
def test_what_the_columns_do_not_tell_the_midi_tells(selection, bpm, metres, reason, row):
    assert selection.reason_before_reading(source(row)) == ""
    assert selection.reason_to_leave_out(row, "train", bpm, metres) == reason


@pytest.mark.parametrize(
    ("selection", "reason"),
    [
        (Selection(styles=["rock"]), "not selected: style unknown"),
        (Selection(drummers=["drummer1"]), "not selected: drummer unknown"),
        (Selection(beat_types=["beat"]), "not selected: beat type unknown"),
    ],
)
def test_what_only_columns_could_tell_leaves_out_files_without(selection, reason):
    assert selection.reason_before_reading(source({})) == reason


@pytest.mark.parametrize(
    "selection",
    [
        Selection(),
        Selection(styles=["Funk", "rock/halftime"], drummers=["drummer10"], beat_types=["FILL"], splits=["TRAIN"]),
        Selection(min_bpm=0, max_bpm=100, time_signatures=["4/4", "3-4"]),
    ],
)
def test_filters_that_can_be_meant_pass_the_check(selection):
    selection.check(KNOWN.get)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (
            Selection(styles=["rock", "fnk"]),
            "--styles=fnk: unknown; known, nearest first: funk, ",
        ),
        (
            Selection(styles=["funk/groove3"]),
            "--styles=funk/groove3: unknown; known, nearest first: funk/groove1, funk/groove2, funk, ",
        ),
        (
            Selection(drummers=["drumer2"]),
            "--drummers=drumer2: unknown; known, nearest first: drummer2, drummer1, drummer10",
        ),
        (Selection(beat_types=["fil"]), "--beat_types=fil: unknown; known, nearest first: fill, beat"),
        (
            Selection(splits=["eval"]),
            "--splits=eval: unknown; known, nearest first: ",
        ),
        (
            Selection(time_signatures=["4/4", "6/8"]),
            "--time_signatures=6-8: unknown; known, nearest first: 3-4, 4-4",
        ),
        (Selection(time_signatures=["four"]), "--time_signatures=four: write it as 4/4, 4-4 or 6/8"),
        (Selection(styles=[""]), "--styles=: unknown; known, nearest first: "),
        (Selection(min_bpm=120, max_bpm=90), "--min_bpm=120 is above --max_bpm=90: no tempo is selected"),
        (Selection(min_bpm=-1), "--min_bpm=-1: a tempo is a number of quarters a minute, 0 or more"),
        (Selection(max_bpm=float("nan")), "--max_bpm=nan: a tempo is a number of quarters a minute, 0 or more"),
    ],
)
def test_a_filter_that_cannot_be_meant_says_what_can(selection, expected):
    with pytest.raises(ValueError) as caught:
        selection.check(KNOWN.get)
    assert str(caught.value).startswith(expected)


def test_an_unknown_style_lists_all_that_there_are():
    with pytest.raises(ValueError, match="known, nearest first: ") as caught:
        Selection(styles=["x"]).check(KNOWN.get)
    listed = str(caught.value).split("nearest first: ")[1].split(", ")
    assert sorted(listed) == sorted([*KNOWN["style"], "funk"])


@pytest.mark.parametrize("values", [(), ("",)])
def test_a_filter_on_columns_that_nothing_has_says_what_info_csv_is(values):
    with pytest.raises(ValueError) as caught:
        Selection(styles=["funk", "rock"]).check(lambda _: values)
    assert str(caught.value) == (
        "--styles=funk,rock: the input does not say the style of its files;\n"
        "  that is the column style of a table info.csv beside them, as the Groove MIDI Dataset has one"
        " (midi_filename,split,style,…)"
    )


def test_a_time_signature_may_stand_in_the_midi_alone():
    Selection(time_signatures=["7-8"]).check(lambda _: ("", "4-4"))
