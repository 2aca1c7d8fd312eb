"""Which performances to convert: filters on the columns of info.csv, on the tempo and on the metre."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from grooves.metadata import SPLITS
from pipelines.dataset.inputs.info_csv import TABLE_NAME

if TYPE_CHECKING:
    from pipelines.dataset.inputs.source import Source

DEFAULT_METRE = "4/4"  # Of a MIDI file that names none.


@dataclasses.dataclass(frozen=True)
class Selection:
    """Filters, all of which a performance has to pass; an empty one lets everything pass.

    Attributes:
        styles: Of info.csv, in full as "funk/groove1", or the part before the slash alone; in any case.
        drummers: As in info.csv.
        beat_types: "beat" or "fill".
        min_bpm: Quarters a minute, inclusive; None is no bound.
        max_bpm: Quarters a minute, inclusive; None is no bound.
        time_signatures: As "4-4" or "4/4"; a performance with several passes with one of them.
        splits: "train", "validation" or "test".
    """

    styles: Sequence[str] = ()
    drummers: Sequence[str] = ()
    beat_types: Sequence[str] = ()
    min_bpm: float | None = None
    max_bpm: float | None = None
    time_signatures: Sequence[str] = ()
    splits: Sequence[str] = ()

    def check(self, known: Callable[[str], Iterable[str]]) -> None:
        """Checks the filters against the data.

        Args:
            known: Returns the values of a column, with "" where some performance has none, as `Collection.known` does.

        Raises:
            ValueError: a value is unknown, or the data says nothing of a column; says what is accepted.
        """
        self._check_bpm()
        _check_values("splits", self.splits, SPLITS)
        for column, wanted in self._wanted().items():
            values = [value for value in known(column) if value]
            if not values:
                raise ValueError(
                    f"--{column}s={','.join(wanted)}: the input does not say the {_noun(column)} of its files;"
                    f"\n  that is the column {column} of a table {TABLE_NAME} beside them, as the Groove MIDI"
                    f" Dataset has one (midi_filename,split,{column},…)"
                )
            _check_values(f"{column}s", wanted, values)
        self._check_time_signatures(known)

    def reason_before_reading(self, source: Source) -> str:
        """Returns why a file need not be read; "" where it does, because it passes or its columns do not tell."""
        return self._reason(source.columns, source.split)

    def reason_to_leave_out(self, row: Mapping[str, str], split: str, bpm: float | None, metres: Sequence[str]) -> str:
        """Returns why a performance is left out, as "not selected: style rock"; "" where it passes.

        Args:
            row: Its columns; {} without an info.csv.
            split: Its split.
            bpm: Of the MIDI itself, quarters a minute; counts where the columns have none.
            metres: Of the MIDI itself, as "4/4"; count where the columns have none.
        """
        return self._reason(row, split, bpm, metres or (DEFAULT_METRE,))

    def _reason(self, row: Mapping[str, str], split: str, bpm: float | None = None, metres: Sequence[str] = ()) -> str:
        if self.splits and split not in map(str.lower, self.splits):
            return f"not selected: split {split}"
        for column, wanted in self._wanted().items():
            value = row.get(column, "")
            if not any(_is_same(given, value) for given in wanted):
                return f"not selected: {_noun(column)} {value or 'unknown'}"
        bpm = _number(row.get("bpm"), otherwise=bpm)
        if bpm is not None and not (self.min_bpm or 0) <= bpm <= (math.inf if self.max_bpm is None else self.max_bpm):
            return f"not selected: {bpm:g} bpm"
        played = {_metre(metre) for metre in ([row["time_signature"]] if row.get("time_signature") else metres)}
        if self.time_signatures and played and not played & set(map(_metre, self.time_signatures)):
            return f"not selected: time signature {', '.join(sorted(played))}"
        return ""

    def _wanted(self) -> dict[str, Sequence[str]]:
        """Returns by column the wanted values of the filters that columns alone can answer; flags are the plurals."""
        wanted = {"style": self.styles, "drummer": self.drummers, "beat_type": self.beat_types}
        return {column: values for column, values in wanted.items() if values}

    def _check_bpm(self) -> None:
        for flag, bpm in (("min_bpm", self.min_bpm), ("max_bpm", self.max_bpm)):
            if bpm is not None and not 0 <= bpm < math.inf:
                raise ValueError(f"--{flag}={bpm:g}: a tempo is a number of quarters a minute, 0 or more")
        if self.min_bpm is not None and self.max_bpm is not None and self.min_bpm > self.max_bpm:
            raise ValueError(f"--min_bpm={self.min_bpm:g} is above --max_bpm={self.max_bpm:g}: no tempo is selected")

    def _check_time_signatures(self, known: Callable[[str], Iterable[str]]) -> None:
        for given in self.time_signatures:
            if not re.fullmatch(r"\d+[/-]\d+", given.strip()):
                raise ValueError(f"--time_signatures={given}: write it as 4/4, 4-4 or 6/8")
        if self.time_signatures:
            values = set(known("time_signature"))
            if "" not in values:  # Else the MIDI files say it.
                wanted = [given.strip().replace("/", "-") for given in self.time_signatures]
                _check_values("time_signatures", wanted, [value.replace("/", "-") for value in values])


def _check_values(flag: str, wanted: Iterable[str], known: Iterable[str]) -> None:
    known = sorted({value.strip() for value in known})
    for given in wanted:
        if not any(_is_same(given, value) for value in known):
            listed = ", ".join(_nearest_first(given, known))
            raise ValueError(f"--{flag}={given}: unknown; known, nearest first: {listed}")


def _nearest_first(given: str, known: Iterable[str]) -> list[str]:
    """Returns the known values, those spelled most like `given` first; of a style, also its part before the slash."""
    matcher = difflib.SequenceMatcher(b=given.strip().lower())
    values = dict.fromkeys(part for value in known for part in (value.split("/")[0], value))

    def distance(value: str) -> tuple[float, str]:
        matcher.set_seq1(value.lower())
        return -matcher.ratio(), value

    return sorted(values, key=distance)


def _is_same(given: str, value: str) -> bool:
    """Whether a filter's value means this one: in full, or the part before the slash; in any case."""
    given, value = given.strip().lower(), value.strip().lower()
    return bool(given) and given in (value, value.split("/")[0])


def _metre(text: str) -> str:
    """Returns "4/4" for "4-4"."""
    return "/".join(str(int(part)) for part in re.findall(r"\d+", text))


def _noun(column: str) -> str:
    return column.replace("_", " ")


def _number(text: str | None, otherwise: float | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return otherwise
    return value if math.isfinite(value) else otherwise
