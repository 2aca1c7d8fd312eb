"""MIDI's channels, counted from 1: which of them has the drums, and what there is where it has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

NUM_CHANNELS = 16
PERCUSSION = 10  # General MIDI's.
ALL = "all"  # Every note of every channel is a drum.
CHOICES = (*map(str, range(1, NUM_CHANNELS + 1)), ALL)

DrumChannel = int | Literal["all"]


def parse(text: str) -> DrumChannel:
    """Returns the drums' channel of one of `CHOICES`.

    Raises:
        ValueError: it is none of them.
    """
    if text not in CHOICES:
        raise ValueError(f"--drum_channel={text}: a channel is a number from 1 to {NUM_CHANNELS}, or {ALL} of them")
    return ALL if text == ALL else int(text)


def has_drums(channel: int, drum_channel: DrumChannel) -> bool:
    """Whether the notes of a channel, counted from 1, are drums."""
    return drum_channel in (ALL, channel)


def where_notes_are(drum_channel: DrumChannel, count_by_channel: Mapping[int, int] | None = None) -> str:
    """Says of a performance without drums where its notes are, and how to take them as drums.

    Args:
        drum_channel: Where drums were looked for.
        count_by_channel: The number of notes of each channel; None where nobody has counted. What says no channel, or
            a number that is none, stands under others than 1 to 16.
    """
    if count_by_channel is None:
        return f"nothing on MIDI channel {drum_channel}"
    known = {channel: count for channel, count in count_by_channel.items() if 1 <= channel <= NUM_CHANNELS and count}
    if not known:
        return f"no note is marked as a drum, and none has a MIDI channel; --drum_channel={ALL} takes them as drums"
    *others, last = (f"{channel} ({known[channel]})" for channel in sorted(known))
    where = f"channels {', '.join(others)} and {last}" if others else f"channel {last}"
    fullest = max(sorted(known), key=known.get)
    which = f"those on {fullest}" if others else "them"
    return (
        f"nothing on MIDI channel {drum_channel}; notes are on {where}; --drum_channel={fullest} takes {which} as drums"
    )
