"""Plays the starter data set: drum performances in the layout of the Groove MIDI Dataset.

    python -m data.make_starter

Three imaginary drummers play every style of `data/styles` at six tempos. A performance has two
sections, fills that lead back into a downbeat, and the timing and dynamics of its drummer. The same bytes
come out every time, on every platform: randomness is `random.Random(name).random()`, nothing else.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import pathlib
import random
import re
from collections.abc import Sequence

import mido
from absl import flags

from data.starter_arrange import arrange
from data.starter_feel import DRUMMERS, TICKS_PER_BEAT, Note, perform
from data.starter_styles import STYLES, Style
from pipelines import cli
from pipelines.files import atomic

STARTER_DIR = pathlib.Path(__file__).resolve().parent / "starter"

DRUM_CHANNEL = 9  # Channel 10, counted from 0.
# Written into every file, so that a later run can tell its own files from somebody's recordings.
SIGNATURE = "played by data/make_starter.py"

TAKES_PER_SESSION = 15
# Bars of each take of a style, and of its sections.
FORMS = ((16, 8), (16, 4), (12, 4), (16, 8), (16, 4), (12, 4))


@dataclasses.dataclass(frozen=True)
class Take:
    """One performance: `number` counts the takes of a style from 0, `drummer` is an index into `DRUMMERS`."""

    style: Style
    number: int
    drummer: int
    session: str
    id: str
    split: str

    @property
    def bpm(self) -> int:
        return self.style.tempos_qpm[self.number]

    @property
    def midi_filename(self) -> str:
        return f"{self.id}_{self.style.name.replace('/', '-')}_{self.bpm}_beat_4-4.mid"


def takes() -> list[Take]:
    """Returns every performance. Of each style one is for validation and one for test, in turn."""
    result = []
    for nth, style in enumerate(STYLES):
        held_out = {nth % len(FORMS): "validation", (nth + 2) % len(FORMS): "test"}
        for number in range(len(FORMS)):
            drummer = number % len(DRUMMERS)
            session, take = divmod(len(result) // len(DRUMMERS), TAKES_PER_SESSION)
            folder = f"drummer{drummer + 1}/session{session + 1}"
            split = held_out.get(number, "train")
            result.append(Take(style, number, drummer, folder, f"{folder}/{take + 1}", split))
    return result


def midi_file(notes: Sequence[Note], bpm: int) -> mido.MidiFile:
    """Returns notes as a MIDI file of one track, as in Groove: tempo, metre, then the hits."""
    messages = [(note.tick, 1, note.pitch, note.velocity) for note in notes]
    messages += [(note.tick + note.length, 0, note.pitch, 0) for note in notes]
    track = mido.MidiTrack(
        [
            mido.MetaMessage("text", text=SIGNATURE),
            mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm)),
            mido.MetaMessage("time_signature", numerator=4, denominator=4),
        ]
    )
    now = 0
    for tick, _, pitch, velocity in sorted(messages):
        track.append(mido.Message("note_on", channel=DRUM_CHANNEL, note=pitch, velocity=velocity, time=tick - now))
        now = tick
    return mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_BEAT, tracks=[track])


def play(take: Take) -> tuple[bytes, float]:
    """Returns the MIDI file of a performance and its duration in seconds."""
    rng = random.Random(take.midi_filename)
    num_bars, section_bars = FORMS[take.number]
    hits = arrange(take.style, take.number, num_bars, section_bars, rng)
    notes = perform(hits, take.style, DRUMMERS[take.drummer], take.bpm, rng)
    buffer = io.BytesIO()
    midi_file(notes, take.bpm).save(file=buffer)
    end = max(note.tick + note.length for note in notes)
    return buffer.getvalue(), end * mido.bpm2tempo(take.bpm) / TICKS_PER_BEAT / 1_000_000


def make_starter(output_dir: pathlib.Path) -> dict[str, int]:
    """Writes the data set, removes what an earlier run had besides, and returns the performances in each split.

    Raises:
        ValueError: `output_dir` holds performances that this script has not made.
        OSError: a file cannot be written.
    """
    earlier = _earlier_files(output_dir)
    rows, counts = [], {"train": 0, "validation": 0, "test": 0}
    for take in takes():
        midi, duration_secs = play(take)
        with atomic.replacing(output_dir / take.midi_filename) as partial:
            partial.write_bytes(midi)
        rows.append(_info(take, duration_secs))
        counts[take.split] += 1
    with atomic.replacing(output_dir / "info.csv") as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    current = {output_dir / row["midi_filename"] for row in rows}
    for stale in earlier - current:
        stale.unlink()
    return counts


def _earlier_files(output_dir: pathlib.Path) -> set[pathlib.Path]:
    """Returns the performances already in a folder, all of which must be this script's own."""
    earlier = {
        path
        for path in output_dir.glob("drummer*/session*/*.mid")
        if re.fullmatch(r"\d+_[\w-]+_\d+_beat_4-4\.mid", path.name)
    }
    for path in sorted(earlier):
        if SIGNATURE.encode() not in path.read_bytes()[:256]:
            raise ValueError(f"{path} was not made by this script; give another folder with --output_dir")
    return earlier


def _info(take: Take, duration_secs: float) -> dict[str, str]:
    """Returns a row of `info.csv`."""
    return {
        "drummer": take.session.split("/")[0],
        "session": take.session,
        "id": take.id,
        "style": take.style.name,
        "bpm": str(take.bpm),
        "beat_type": "beat",
        "time_signature": "4-4",
        "midi_filename": take.midi_filename,
        "audio_filename": "",
        "duration": f"{duration_secs:.6f}",
        "split": take.split,
    }


def define_flags() -> None:
    flags.DEFINE_string("output_dir", str(STARTER_DIR), "Folder to write the data set to.")


def main() -> None:
    output_dir = pathlib.Path(flags.FLAGS.output_dir).expanduser()
    counts = make_starter(output_dir)
    splits = ", ".join(f"{count} {split}" for split, count in counts.items())
    print(f"{output_dir}: {sum(counts.values())} performances ({splits}) in {len(STYLES)} styles")


if __name__ == "__main__":
    cli.run(main, define_flags)
