"""Windows that were evaluated, to see and hear: what was played above what the model made of it.

Of each there are two MIDI files at the performance's tempo, two pictures with signs where they differ, and two WAVs.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

import configs
from grooves import drums, timing, tokens
from grooves.groove import Groove
from models.magenta import note_seq
from pipelines.audio import rendering
from pipelines.evaluation import metrics
from pipelines.evaluation.ranking import Ranked
from pipelines.generation import outputs as midi_outputs
from pipelines.pages import listening, pianoroll
from pipelines.review import figures

PLAYED, RECONSTRUCTED = "played", "reconstructed"
SAMPLE_RATE_HZ = 32_000  # Of some twenty WAVs beside each evaluation: two thirds of the bytes of 48 kHz.


@dataclasses.dataclass(frozen=True)
class Side:
    """One of a window's two sides, with the names of its files."""

    name: str  # `PLAYED` or `RECONSTRUCTED`.
    midi: str
    png: str
    wav: str | None  # None where nothing can play it.
    roll: listening.Roll
    description: str  # What the picture shows.


@dataclasses.dataclass(frozen=True)
class Window:
    ranked: Ranked
    name: str  # Of its performance.
    facts: Mapping[str, str]
    sides: Sequence[Side]


def write(
    folder: pathlib.Path,
    config: configs.Config,
    outputs: metrics.Outputs,
    qpm: np.ndarray,
    chosen: Sequence[Ranked],
    names: Mapping[int, str],
    soundfont_path: pathlib.Path | None,
) -> list[Window]:
    """Writes the files of some windows into a folder.

    Args:
        folder: It must be there.
        config: Its converter makes notes of tensors.
        outputs: Of drums, with what was decoded.
        qpm: `[n]`, the tempo of each window.
        chosen: Which windows.
        names: Of performances, by number.
        soundfont_path: What plays; None writes no WAVs.

    Raises:
        OSError: a file cannot be written.
    """
    written = [
        _write_window(folder, config, outputs, float(qpm[ranked.row]), number, ranked, names)
        for number, ranked in enumerate(chosen, start=1)
    ]
    if soundfont_path is None:
        return written
    midi_paths = [folder / side.midi for window in written for side in window.sides]
    jobs = [(path, path.with_suffix(".wav")) for path in midi_paths]
    options = rendering.Options(sample_rate_hz=SAMPLE_RATE_HZ)
    rendered, _ = rendering.render(jobs, soundfont_path, options)  # Silent ones have no WAV, and say so.
    return [_with_sound(window, {path.name for path in rendered}) for window in written]


def cells_of(outputs: metrics.Outputs, row: int) -> tuple[Groove, Groove]:
    """Returns a window as it was played and as it was decoded, hits without velocity and offset left out."""
    pairs = zip((outputs.groove, outputs.decoded_groove), outputs.cells[::-1], strict=True)
    return tuple(
        Groove(hits[row], groove.velocities[row] * hits[row], groove.offsets[row] * hits[row]) for groove, hits in pairs
    )


def differences(played: Groove, decoded: Groove, qpm: float) -> tuple[list[pianoroll.Sign], list[pianoroll.Sign]]:
    """Returns a box for each hit that was played and not decoded, and a cross for each that is the other way about."""
    missed = _signs(pianoroll.BOX, played, played.hits & ~decoded.hits, qpm)
    return missed, _signs(pianoroll.CROSS, decoded, decoded.hits & ~played.hits, qpm)


def to_sequence(config: configs.Config, groove: Groove, is_tokens: bool, qpm: float) -> note_seq.NoteSequence:
    """Returns a groove's notes as the config's converter makes them, at a tempo, such that MIDI can hold them."""
    tensor = tokens.to_one_hot(tokens.from_hits(groove.hits)) if is_tokens else groove.join()
    (sequence,) = config.data_converter.from_tensors(tensor[np.newaxis])
    sequence = note_seq.sequences_lib.stretch_note_sequence(sequence, timing.QPM / qpm)
    midi_outputs.make_playable(sequence)
    return sequence


def describe(ranked: Ranked, played: Groove, decoded: Groove) -> dict[str, str]:
    """Returns a window's scores, and how many hits it has and how many differ."""
    missed, added = (played.hits & ~decoded.hits).sum(), (decoded.hits & ~played.hits).sum()
    scores = {
        figures.in_words(name): figures.with_unit(name, value)
        for name, value in ranked.scores.items()
        if not np.isnan(value)
    }
    return scores | {"hits played": str(played.hits.sum()), "missed": str(missed), "added": str(added)}


def _write_window(
    folder: pathlib.Path,
    config: configs.Config,
    outputs: metrics.Outputs,
    qpm: float,
    number: int,
    ranked: Ranked,
    names: Mapping[int, str],
) -> Window:
    played, decoded = cells_of(outputs, ranked.row)
    missed, added = differences(played, decoded, qpm)
    facts = describe(ranked, played, decoded)
    says = {
        PLAYED: f"{facts['hits played']} hits were played; boxes are round the {len(missed)} that the model missed",
        RECONSTRUCTED: f"{decoded.hits.sum()} hits were decoded; boxes are where {len(missed)} are missing,"
        f" crosses on the {len(added)} that were added",
    }
    sides = []
    for side, groove, signs in ((PLAYED, played, missed), (RECONSTRUCTED, decoded, [*missed, *added])):
        sequence = to_sequence(config, groove, outputs.tokens is not None, qpm)
        midi_path = folder / f"{number:02d}-{ranked.group}-{side}.mid"
        note_seq.sequence_proto_to_midi_file(sequence, str(midi_path))
        score = pianoroll.read(midi_path, len(groove.hits) // timing.STEPS_PER_BAR)
        left, right = pianoroll.draw(score, midi_path.with_suffix(".png"), signs)
        roll = listening.Roll(left, right, score.bar_secs[-1], listening.BAR_WIDTH_REM * score.num_bars)
        sides.append(Side(side, midi_path.name, midi_path.with_suffix(".png").name, None, roll, says[side]))
    name = names[int(outputs.performance[ranked.row])]
    return Window(ranked, name, facts | {"tempo": f"{qpm:.0f} qpm"}, sides)


def _with_sound(window: Window, rendered: set[str]) -> Window:
    def sound_of(side: Side) -> str | None:
        wav = pathlib.PurePath(side.midi).with_suffix(".wav").name
        return wav if wav in rendered else None

    return dataclasses.replace(window, sides=[dataclasses.replace(s, wav=sound_of(s)) for s in window.sides])


def _signs(kind: str, groove: Groove, cells: np.ndarray, qpm: float) -> list[pianoroll.Sign]:
    """Returns a sign at the time of each of a groove's hits that is among some cells `[steps, 9]`."""
    late_secs = -timing.offsets_to_ms(groove.offsets, qpm) / 1000
    return [
        pianoroll.Sign(
            kind, max(0.0, timing.steps_to_secs(int(step), qpm) + float(late_secs[step, drum])), drums.CLASS_NAMES[drum]
        )
        for step, drum in np.argwhere(cells)
    ]
