"""What a conversion counts: the numbers of report.json.

A `Tally` takes one file after the other, in any order, and can be merged with others: workers and Apache Beam count
apart and get the same report. Its memory does not grow with the records: digests are kept in arrays, 8 bytes a window.
"""

from __future__ import annotations

import array
import collections
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from grooves import drums, timing, tokens
from pipelines.dataset.inputs import sources

if TYPE_CHECKING:
    from pipelines.dataset.performance import Converted

REPORT_NAME, PAGE_NAME = "report.json", "report.html"
TEMPO_BIN_BPM, MAX_TEMPO_BPM = 20, 300
MAX_GROUPS_NAMED, MAX_NAMES_IN_A_GROUP = 50, 8
UNKNOWN = "unknown"
NOT_SELECTED, READABLE = "not selected", "readable"

# A file's way: what is checked, and the kinds of reasons that end it there. What is in no row ends it at "readable".
# Selection is first: what its table's columns rule out is never read, so nothing can be said of its content.
FILE_STEPS = (
    ("selected", (NOT_SELECTED,)),
    (READABLE, ()),
    ("drum check", ("no notes", "no drums")),
    ("4/4 check", ("not in 4/4",)),
)
_STEP_BY_REASON = {reason: step for step, reasons in FILE_STEPS for reason in reasons}

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
        self._counts = {
            kind: (collections.Counter(), collections.Counter())  # Files and windows, by value.
            for kind in ("split", "style", "tempo", "metre", "drum_map", "collection")
        }
        self._totals = collections.Counter()
        self._unmapped = collections.Counter()
        self._onsets = np.zeros((timing.STEPS_PER_BAR, drums.NUM_CLASSES), np.uint64)
        self._has_token = np.zeros(tokens.NUM_TOKENS, bool)
        self._skipped: list[tuple[str, str, str]] = []  # Name, collection, reason.
        self._grids = {split: array.array("Q") for split in sources.SPLITS}
        self._names = {split: bytearray() for split in sources.SPLITS}  # One for each of `_grids`, each ended by a NUL.
        self._windows = {split: array.array("Q") for split in sources.SPLITS}

    def add(self, converted: Converted) -> Tally:
        """Counts one file, kept or skipped, and returns the tally itself."""
        if converted.skipped:
            self._skipped.append((converted.name, converted.collection, converted.skipped))
            return self
        facts, num_windows = converted.facts, len(converted.facts.window_digests)
        for kind, value in _values(converted).items():
            files, windows = self._counts[kind]
            files[value] += 1
            windows[value] += num_windows
        num_in_classes, num_cells = facts.num_hits - sum(facts.unmapped.values()), int(facts.onsets.sum())
        # Of a performance in several metres, the bars that are not in 4/4 are left out, with all that is in them.
        lost_to = "fell_together" if len(facts.metres) <= 1 else "fell_together_or_outside_4/4"
        self._totals.update(
            {lost_to: num_in_classes - num_cells},
            in_classes=num_in_classes,
            hits=facts.num_hits,
            bars=facts.num_steps // timing.STEPS_PER_BAR,
            ms=_duration_ms(facts.num_steps, facts.bpm),
            without_a_window=not num_windows,
        )
        self._unmapped.update({int(pitch): int(hits) for pitch, hits in facts.unmapped.items()})
        self._onsets += facts.onsets
        self._has_token[facts.tokens] = True
        self._windows[converted.split].frombytes(np.asarray(facts.window_digests, np.uint64).tobytes())
        if facts.onsets.any():  # Silence is no duplicate of silence.
            self._grids[converted.split].frombytes(facts.grid_digest)
            self._names[converted.split] += _encode(converted.name)
        return self

    def merge(self, other: Tally) -> Tally:
        """Adds all that another tally counted, which stays as it is, and returns the tally itself."""
        for kind, pair in self._counts.items():
            for mine, others in zip(pair, other._counts[kind], strict=True):
                mine.update(others)
        self._totals.update(other._totals)
        self._unmapped.update(other._unmapped)
        self._onsets += other._onsets
        self._has_token |= other._has_token
        self._skipped += other._skipped
        for split in sources.SPLITS:
            self._grids[split] += other._grids[split]
            self._names[split] += other._names[split]
            self._windows[split] += other._windows[split]
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
            repeated: Files that were reached a second time, through a link, and left out.
        """
        splits = {split: self._files_and_windows("split", split) for split in sources.SPLITS}
        num_kept, num_skipped = self._counts["split"][0].total(), len(self._skipped)
        return {
            "input": given if isinstance(given, str) else ", ".join(given),
            "settings": dict(sorted(settings.items())),
            "files_found": num_kept + num_skipped,
            "files_kept": num_kept,
            "files_skipped": num_skipped,
            "files_without_a_four_bar_window": self._totals["without_a_window"],
            "windows": {split: counts["windows"] for split, counts in splits.items()},
            "splits": splits,
            "steps": self._steps(settings),
            "bars": self._totals["bars"],
            "secs": self._totals["ms"] // 1000,
            **{
                f"by_{kind}": {value: self._files_and_windows(kind, value) for value in _sorted_values(files)}
                for kind, (files, _) in self._counts.items()
                if kind != "split"
            },
            "hits_per_class": dict(zip(drums.CLASS_NAMES, self._onsets.sum(axis=0).tolist(), strict=True)),
            "onsets": self._onsets.tolist(),
            "unmapped_pitches": {
                str(pitch): {"name": drum_name(pitch), "hits": hits} for pitch, hits in sorted(self._unmapped.items())
            },
            "duplicates": {"performances": self._duplicate_performances(), "windows": self._duplicate_windows()},
            "skipped_by_reason": self._skipped_by_reason(),
            "skipped": _label_uniquely(self._skipped),
            "listed_but_missing": sorted(missing),
            "found_but_not_listed": sorted(unlisted),
            "found_twice": sorted(repeated),
        }

    def _files_and_windows(self, kind: str, value: str) -> dict[str, int]:
        files, windows = self._counts[kind]
        return {"files": files[value], "windows": windows[value]}

    def _skipped_by_reason(self) -> dict[str, int]:
        counts = collections.Counter(kind_of(reason) for _, _, reason in self._skipped)
        return dict(sorted(counts.items()))

    def _steps(self, settings: Mapping[str, object]) -> dict:
        """Returns the way of a groove. What a step lost and what is left is what the step before had left."""
        lost = {step: {} for step, _ in FILE_STEPS}
        for reason, count in self._skipped_by_reason().items():
            lost[_STEP_BY_REASON.get(reason, READABLE)][reason] = count
        files = self._counts["split"][0].total() + len(self._skipped)
        rows = [{"step": "found", "files": files, "lost": {}}]
        for step, reasons in lost.items():
            files -= sum(reasons.values())
            rows.append({"step": step, "files": files, "lost": reasons})
        return {
            "files": rows,
            "hits": {
                "read": self._totals["hits"],
                "in_no_class": self._unmapped.total(),
                "in_classes": self._totals["in_classes"],
                "fell_together": self._totals["fell_together"],
                "fell_together_or_outside_4/4": self._totals["fell_together_or_outside_4/4"],
                "cells": int(self._onsets.sum()),
            },
            "tokens": {"distinct": int(self._has_token.sum()), "of": tokens.NUM_TOKENS},
            "windows": {
                "bars": timing.BARS,
                "stride_bars": settings.get("stride_bars", 1),
                "by_split": {split: len(digests) for split, digests in self._windows.items()},
            },
        }

    def _duplicate_performances(self) -> dict:
        """Finds performances with the same quantized hits: how often within a split, and which ones across splits."""
        grids = {split: np.array(digests) for split, digests in self._grids.items()}
        distinct = {split: np.unique(digests) for split, digests in grids.items()}
        once_a_split = np.concatenate(list(distinct.values()))
        values, num_splits = np.unique(once_a_split, return_counts=True)
        groups = self._name_groups(grids, values[num_splits > 1])
        return {
            "within": {split: len(grids[split]) - len(distinct[split]) for split in sources.SPLITS},
            "across": {"groups": len(groups), "named": groups[:MAX_GROUPS_NAMED]},
        }

    def _name_groups(self, grids: Mapping[str, np.ndarray], shared: np.ndarray) -> list[dict]:
        """Returns, for each digest in `shared`, how many files have it and their first names by split."""
        names = {digest: {} for digest in shared.tolist()}
        for split in sources.SPLITS:
            found = np.flatnonzero(np.isin(grids[split], shared))
            all_names = self._names[split].split(b"\0") if len(found) else []
            for index in found:
                names[int(grids[split][index])].setdefault(split, []).append(all_names[index].decode())
        groups = [
            {
                "files": sum(map(len, by_split.values())),
                "names": {split: sorted(given)[:MAX_NAMES_IN_A_GROUP] for split, given in by_split.items()},
            }
            for by_split in names.values()
        ]
        return sorted(groups, key=lambda group: [list(given) for given in group["names"].items()])

    def _duplicate_windows(self) -> dict:
        """Counts windows that occur more than once in a split, and distinct ones that two splits share."""
        distinct = {split: np.unique(np.array(digests)) for split, digests in self._windows.items()}
        pairs = [(one, other) for i, one in enumerate(sources.SPLITS) for other in sources.SPLITS[i + 1 :]]
        return {
            "distinct": {split: len(digests) for split, digests in distinct.items()},
            "within": {split: len(self._windows[split]) - len(distinct[split]) for split in sources.SPLITS},
            "across": {
                f"{one}/{other}": len(np.intersect1d(distinct[one], distinct[other], assume_unique=True))
                for one, other in pairs
            },
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


def _encode(name: str) -> bytes:
    return name.replace("\0", "").encode("utf-8", "backslashreplace") + b"\0"


def kind_of(reason: str) -> str:
    """Returns "not in 4/4" of "not in 4/4: 3/4"."""
    return reason.split(":")[0]


def _sorted_values(values: Iterable[str]) -> list[str]:
    """Sorts by the number that a value begins with, then by text; "unknown" is last."""

    def key(value: str) -> tuple[bool, int, str]:
        digits = value[: len(value) - len(value.lstrip("0123456789"))]
        return value == UNKNOWN, int(digits or 0), value

    return sorted(values, key=key)


def _label_uniquely(skipped: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """Returns reasons by name; where two files have one name, the later one's gets its collection or a number."""
    reason_by_label = {}
    for name, collection, reason in sorted(skipped):
        label, number = name, 1
        while label in reason_by_label:
            label, number = f"{name} ({collection}{f', {number}' if number > 1 else ''})", number + 1
        reason_by_label[label] = reason
    return reason_by_label
