"""MIDI's channels: which has the drums, and what is said where none has."""

from __future__ import annotations

import pytest

from grooves import channels


def test_each_choice_is_a_channel_or_all_of_them():
    assert [channels.parse(choice) for choice in channels.CHOICES] == [*range(1, 17), "all"]


@pytest.mark.parametrize("given", ["0", "17", "-1", "1.0", "01", "", "ten", "ALL", "9 "])
def test_what_is_no_channel_is_refused_with_what_is_accepted(given):
    with pytest.raises(ValueError) as caught:
        channels.parse(given)
    assert str(caught.value) == f"--drum_channel={given}: a channel is a number from 1 to 16, or all of them"


def test_drums_are_on_one_channel_or_on_all():
    assert [channel for channel in range(1, 17) if channels.has_drums(channel, 10)] == [10]
    assert [channel for channel in range(1, 17) if channels.has_drums(channel, 1)] == [1]
    assert all(channels.has_drums(channel, "all") for channel in range(17))


@pytest.mark.parametrize(
    ("drum_channel", "counted", "expected"),
    [
        (10, None, "nothing on MIDI channel 10"),
        (
            10,
            {1: 312},
            "nothing on MIDI channel 10; notes are on channel 1 (312); --drum_channel=1 takes them as drums",
        ),
        (
            10,
            {3: 40, 1: 312},
            "nothing on MIDI channel 10; notes are on channels 1 (312) and 3 (40);"
            " --drum_channel=1 takes those on 1 as drums",
        ),
        (
            1,
            {2: 7, 16: 7, 10: 8, 0: 99, 17: 99, 4: 0},
            "nothing on MIDI channel 1; notes are on channels 2 (7), 10 (8) and 16 (7);"
            " --drum_channel=10 takes those on 10 as drums",
        ),
        (
            1,
            {},
            "no note is marked as a drum, and none has a MIDI channel; --drum_channel=all takes them as drums",
        ),
        (
            10,
            {0: 12},
            "no note is marked as a drum, and none has a MIDI channel; --drum_channel=all takes them as drums",
        ),
    ],
)
def test_where_notes_are(drum_channel, counted, expected):
    assert channels.where_notes_are(drum_channel, counted) == expected
