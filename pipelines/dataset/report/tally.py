"""What a conversion counts: the numbers of report.json.

A `Tally` takes one file after the other, in any order, and can be merged with others: workers and Apache Beam count
apart and get the same report. Its memory does not grow with the files: what is to be compared goes to a temporary file
(`repeats.py`), and of the skipped, the first of each reason are named.
"""

from __future__ import annotations

import collections
import heapq
import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from grooves import drums, metadata, timing, tokens
from pipelines.dataset.report.repeats import Repeats

if TYPE_CHECKING:
    from pipelines.dataset.performance import Converted

REPORT_NAME, PAGE_NAME = "report.json", "report.html"
TEMPO_BIN_BPM, MAX_TEMPO_BPM = 20, 300
MAX_SKIPPED_NAMED = 10_000  # For each kind of reason.
UNKNOWN = "unknown"
_BREAKDOWNS = ("style", "tempo", "metre", "drum_map", "collection")

# A file's way, and the step that each kind of reason ends it at. Selection is first: what its table's columns rule out
# is never read, so nothing can be said of its content.
NO_DRUMS = "no drums"
READABLE = "readable"  # What is in no row below ends here.
_FILE_STEPS = ("selected", READABLE, "drum check", "4/4 check")
_STEP_BY_REASON = {
    "not selected": "selected",
    "no notes": "drum check",
    NO_DRUMS: "drum check",
    "not in 4/4": "4/4 check",
}

FIRST_GM_PITCH = 35
GM_DRUM_NAMES = (  # General MIDI Level 1, percussion key map: pitches 35 to 81.
    "acoustic bass drum", "bass drum 1", "side stick", "acoustic snare", "hand clap", "electric snare",
    "low floor tom", "closed hi-hat", "high floor tom", "pedal hi-hat", "low tom", "open hi-hat", "low-mid tom",
    "hi-mid tom", "crash cymbal 1", "high tom", "ride cymbal 1", "chinese cymbal", "ride bell", "tambourine",
    "splash cymbal", "cowbell", "crash cymbal 2", "vibraslap", "ride cymbal 2", "hi bongo", "low bongo",
    "mute hi conga", "open hi conga", "low conga", "high timbale", "low timbale", "high agogo", "low agogo", "cabasa",
    "maracas", "short whistle", "long whistle", "short guiro", "long guiro", "claves", "hi wood block",
    "low wood block", "mute cuica", "open cuica", "mute triangle", "open triangle",
)  # fmt: skip


class Tally:
    """Counts of converted files. It can be pickled; `add` and `merge` in any order and grouping give one report."""

    def __init__(self) -> None:
        self._files = collections.Counter()  # By what is counted and its value, as ("style", "funk").
        self._windows = collections.Counter()  # Likewise.
        self._totals = collections.Counter()
        self._unmapped = collections.Counter()
        self._onsets = np.zeros((timing.STEPS_PER_BAR, drums.NUM_CLASSES), np.uint64)
        self._has_token = np.zeros(tokens.NUM_TOKENS, bool)
        self._num_skipped = collections.Counter()  # By kind of reason.
        self._skipped: dict[str, list[tuple[str, str, str]]] = {}  # Likewise, of the first: name, collection, reason.
        self._repeats = Repeats()

    def add(self, converted: Converted) -> Tally:
        """Counts one file, kept or skipped, and returns the tally itself."""
        if converted.skipped:
            self._skip({kind_of(converted.skipped): 1}, [(converted.name, converted.collection, converted.skipped)])
            return self
        facts, num_windows = converted.facts, len(converted.facts.window_digests)
        for value in _values(converted).items():
            self._files[value] += 1
            self._windows[value] += num_windows
        num_in_classes, num_cells = facts.num_hits - sum(facts.unmapped.values()), int(facts.onsets.sum())
        # Of a performance in several metres, the bars that are not in 4/4 are left out, with all that is in them.
        lost_to = "fell_together" if len(facts.metres) <= 1 else "fell_together_or_outside_4/4"
        self._totals.update(
            {lost_to: num_in_classes - num_cells},
            files=1,
            in_classes=num_in_classes,
            hits=facts.num_hits,
            bars=facts.num_steps // timing.STEPS_PER_BAR,
            ms=_duration_ms(facts.num_steps, facts.bpm),
            without_a_window=not num_windows,
        )
        self._unmapped.update(facts.unmapped)
        self._onsets += facts.onsets
        self._has_token[facts.tokens] = True
        grid_digest = facts.grid_digest if num_cells else None
        self._repeats.add(converted.split, converted.name, grid_digest, facts.window_digests)
        return self

    def merge(self, other: Tally) -> Tally:
        """Adds all that another tally counted, which stays as it is, and returns the tally itself."""
        self._files.update(other._files)
        self._windows.update(other._windows)
        self._totals.update(other._totals)
        self._unmapped.update(other._unmapped)
        self._onsets += other._onsets
        self._has_token |= other._has_token
        self._skip(other._num_skipped, itertools.chain.from_iterable(other._skipped.values()))
        self._repeats.merge(other._repeats)
        return self

    def report(
        self,
        given: str | Sequence[str],
        settings: Mapping[str, object],
        missing: Iterable[str] = (),
        unlisted: Iterable[str] = (),
        repeated: Iterable[str] = (),
    ) -> dict:
        """Returns everything counted as what JSON can hold, in an order that depends on the content alone.

        Args:
            given: What was converted, as the user named it: one or several.
            settings: What it was converted with; `stride_bars` is how many bars lie between two windows (1 without).
            missing: Files that a table lists and that are not there.
            unlisted: Files that are there and that no table lists.
            repeated: Files that were left out because they are there already, each with what it repeats.
        """
        splits = {split: self._files_and_windows("split", split) for split in metadata.SPLITS}
        windows = {split: counts["windows"] for split, counts in splits.items()}
        skipped_by_reason = dict(sorted(self._num_skipped.items()))
        return {
            "input": given if isinstance(given, str) else ", ".join(given),
            "settings": dict(sorted(settings.items())),
            "files_found": self._totals["files"] + self._num_skipped.total(),
            "files_kept": self._totals["files"],
            "files_skipped": self._num_skipped.total(),
            "files_without_a_four_bar_window": self._totals["without_a_window"],
            "windows": windows,
            "splits": splits,
            "steps": {
                "files": self._file_steps(skipped_by_reason),
                "hits": self._hits(),
                "tokens": {"distinct": int(self._has_token.sum()), "of": tokens.NUM_TOKENS},
                "windows": {
                    "bars": timing.BARS,
                    "stride_bars": settings.get("stride_bars", 1),
                    "by_split": windows,
                },
            },
            "bars": self._totals["bars"],
            "secs": self._totals["ms"] // 1000,
            **{f"by_{kind}": self._breakdown(kind) for kind in _BREAKDOWNS},
            "hits_per_class": dict(zip(drums.CLASS_NAMES, self._onsets.sum(axis=0).tolist(), strict=True)),
            "onsets": self._onsets.tolist(),
            "unmapped_pitches": {
                str(pitch): {"name": drum_name(pitch), "hits": hits} for pitch, hits in sorted(self._unmapped.items())
            },
            "duplicates": self._repeats.count(),
            "skipped_by_reason": skipped_by_reason,
            "skipped": _label_uniquely(
                skipped for found in self._skipped.values() for skipped in sorted(found)[:MAX_SKIPPED_NAMED]
            ),
            "listed_but_missing": sorted(missing),
            "found_but_not_listed": sorted(unlisted),
            "found_twice": sorted(repeated),
        }

    def _skip(self, num_skipped: Mapping[str, int], skipped: Iterable[tuple[str, str, str]]) -> None:
        """Counts skipped files by kind of reason; of each kind, those of the first names are kept."""
        self._num_skipped.update(num_skipped)
        for found in skipped:
            kept = self._skipped.setdefault(kind_of(found[2]), [])
            kept.append(found)
            if len(kept) > 2 * MAX_SKIPPED_NAMED:
                kept[:] = heapq.nsmallest(MAX_SKIPPED_NAMED, kept)

    def _files_and_windows(self, kind: str, value: str) -> dict[str, int]:
        return {"files": self._files[kind, value], "windows": self._windows[kind, value]}

    def _breakdown(self, kind: str) -> dict[str, dict[str, int]]:
        values = sorted((value for counted, value in self._files if counted == kind), key=_number_first)
        return {value: self._files_and_windows(kind, value) for value in values}

    def _file_steps(self, skipped_by_reason: Mapping[str, int]) -> list[dict]:
        """Returns the way of the files: what each step lost is what it has less than the step before."""
        lost = {step: {} for step in _FILE_STEPS}
        for reason, count in skipped_by_reason.items():
            lost[_STEP_BY_REASON.get(reason, READABLE)][reason] = count
        files = self._totals["files"] + self._num_skipped.total()
        rows = [{"step": "found", "files": files, "lost": {}}]
        for step, reasons in lost.items():
            files -= sum(reasons.values())
            rows.append({"step": step, "files": files, "lost": reasons})
        return rows

    def _hits(self) -> dict[str, int]:
        """Returns the way of the hits: all that were read are on the grid in the end, or lost in one of three ways."""
        return {
            "read": self._totals["hits"],
            "in_no_class": self._unmapped.total(),
            "in_classes": self._totals["in_classes"],
            "fell_together": self._totals["fell_together"],
            "fell_together_or_outside_4/4": self._totals["fell_together_or_outside_4/4"],
            "cells": int(self._onsets.sum()),
        }


def drum_name(pitch: int) -> str:
    """Returns General MIDI's name of a drum, or "pitch N" where it has none."""
    index = pitch - FIRST_GM_PITCH
    return GM_DRUM_NAMES[index] if 0 <= index < len(GM_DRUM_NAMES) else f"pitch {pitch}"


def primary_style(style: str) -> str:
    """Returns the first part of Groove's style: "funk" of "funk/groove1"; "unknown" where there is none."""
    return style.split("/")[0].strip() or UNKNOWN


def tempo_bin(bpm: float) -> str:
    """Returns the bin of 20 bpm that a tempo is in: "80-99" has tempos from 80 up to, and without, 100."""
    if not (math.isfinite(bpm) and bpm > 0):
        return UNKNOWN
    if bpm >= MAX_TEMPO_BPM:
        return f"{MAX_TEMPO_BPM} and more"
    first = int(bpm // TEMPO_BIN_BPM) * TEMPO_BIN_BPM
    return f"{first}-{first + TEMPO_BIN_BPM - 1}"


def metre_label(metres: Sequence[str]) -> str:
    """Returns one label for a performance's metres, of which there are few different ones."""
    distinct = sorted(set(metres))
    if len(distinct) > 2:
        return "three or more"
    return " and ".join(distinct) or UNKNOWN


def _values(converted: Converted) -> dict[str, str]:
    """Returns what a file counts as, of each kind that is counted by."""
    facts = converted.facts
    return {
        "split": converted.split,
        "style": primary_style(facts.style),
        "tempo": tempo_bin(facts.bpm),
        "metre": metre_label(facts.metres),
        "drum_map": facts.drum_map or UNKNOWN,
        "collection": converted.collection or UNKNOWN,
    }


def _duration_ms(num_steps: int, bpm: float) -> int:
    """Returns how long sixteenths last; whole numbers, because a sum of fractions depends on its order."""
    return round(timing.steps_to_ms(num_steps, bpm)) if math.isfinite(bpm) and bpm > 0 else 0


def kind_of(reason: str) -> str:
    """Returns "not in 4/4" of "not in 4/4: 3/4"."""
    return reason.split(":")[0]


def where_notes_are(report: Mapping) -> str:
    """Returns, of the first file without drums, its name, where its notes are and how to take them; "" without one."""
    reasons = ((name, *reason.partition(": ")) for name, reason in report["skipped"].items())
    told = (f"{name}: {detail}" for name, kind, _, detail in reasons if kind == NO_DRUMS and "--drum_channel" in detail)
    return next(told, "")


def _number_first(value: str) -> tuple[bool, int, str]:
    """Returns a key that sorts by the number a value begins with, then by text; "unknown" is last."""
    return value == UNKNOWN, int(re.match("[0-9]*", value)[0] or 0), value


def _label_uniquely(skipped: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """Returns reasons by name; where two files have one name, the later one's gets its collection or a number."""
    reason_by_label = {}
    for name, collection, reason in sorted(skipped):
        label, number = name, 1
        while label in reason_by_label:
            label, number = f"{name} ({collection}{f', {number}' if number > 1 else ''})", number + 1
        reason_by_label[label] = reason
    return reason_by_label
