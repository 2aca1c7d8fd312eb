"""Drums out of latent space: sampled from the prior, or on the way from one MIDI to another."""

from __future__ import annotations

import os
import pathlib

import numpy as np

import configs
from grooves import drums, timing
from models.inference import TrainedModel
from models.magenta import data, note_seq
from pipelines.examples import loading
from pipelines.files import atomic
from pipelines.generation import bars

MIN_NOTE_SECS = 0.01


def sample(model: TrainedModel, n: int, temperature: float) -> list[note_seq.NoteSequence]:
    """Returns `n` NoteSequences decoded from latent vectors that are drawn from the prior.

    Raises:
        ValueError: the config decodes under controls, which nobody gave.
    """
    converter = model.config.data_converter
    if converter.control_depth:
        raise ValueError("this config decodes under controls (hits or chords), which sampling does not have")
    return _to_sequences(model, model.decode(model.draw(n), temperature))


def interpolate(
    model: TrainedModel, start: data.ConverterTensors, end: data.ConverterTensors, n: int, temperature: float
) -> list[note_seq.NoteSequence]:
    """Returns `n` NoteSequences on the way from one example to the other, both reconstructions included.

    The way is along the great circle between the posteriors' means (White, arXiv 1609.04468), as in Magenta.
    """
    steps = max(len(start.inputs[0]), len(end.inputs[0]))
    inputs, controls = (
        np.stack([np.pad(field[0], [(0, steps - len(field[0])), (0, 0)]) for field in fields])
        for fields in ((start.inputs, end.inputs), (start.controls, end.controls))
    )
    means = model.encode(inputs, np.array([start.lengths[0], end.lengths[0]]), controls)
    z = np.stack([slerp(means[0], means[1], t) for t in np.linspace(0, 1, n)])
    return _to_sequences(model, model.decode(z, temperature))


def slerp(start: np.ndarray, end: np.ndarray, t: float) -> np.ndarray:
    """Returns the point at `t` in [0, 1] on the great circle between two vectors; on the line if they are parallel."""
    cosine = np.dot(start, end) / (np.linalg.norm(start) * np.linalg.norm(end))
    omega = np.arccos(np.clip(cosine, -1, 1))
    if not np.sin(omega) > 1e-6:
        return (1 - t) * start + t * end
    return (np.sin((1 - t) * omega) * start + np.sin(t * omega) * end) / np.sin(omega)


def read_example(config: configs.Config, path: str, start_bar: int | None) -> data.ConverterTensors:
    """Returns the one example that a MIDI file gives.

    Args:
        config: Whose encoder it is for.
        path: A MIDI file; for drum configs with at least four bars of drums.
        start_bar: Which four bars, counted from 1; None takes the first four that have drums in them.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it gives no example, and why.
    """
    midi = pathlib.Path(path).expanduser().read_bytes()
    try:
        sequence = bars.read_at_constant_tempo(midi)
        if not isinstance(config.data_converter, data.DrumsConverter | data.GrooveConverter):
            return _only_example(loading.tensors_of(config.data_converter, sequence))
        reason = drums.reason_to_skip(sequence)
        if reason:
            raise ValueError(reason)
        num_bars = config.hparams.max_seq_len // timing.STEPS_PER_BAR
        for first_bar in [start_bar] if start_bar else range(1, bars.num_bars(sequence) + 1):
            tensors = loading.tensors_of(config.data_converter, bars.cut_bars(sequence, first_bar, num_bars))
            if tensors.inputs:
                return tensors
        place = f"bars {start_bar} to {start_bar + num_bars - 1}" if start_bar else f"any {num_bars} bars in a row"
        raise ValueError(
            f"no drums throughout {place} of its {bars.num_bars(sequence)};"
            f" {num_bars} bars without a bar of silence are needed, --start_bar chooses where they begin"
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _only_example(tensors: data.ConverterTensors) -> data.ConverterTensors:
    if len(tensors.inputs) != 1:
        raise ValueError(f"gives {len(tensors.inputs)} examples for this config; one is needed, so cut the MIDI to it")
    return tensors


def _to_sequences(model: TrainedModel, tensors: np.ndarray) -> list[note_seq.NoteSequence]:
    sequences = model.config.data_converter.from_tensors(tensors)
    for sequence in sequences:
        make_playable(sequence)
    return sequences


def make_playable(sequence: note_seq.NoteSequence) -> None:
    """Mends in place what MIDI cannot hold.

    GrooVAE's offsets can put the first hit before time 0; its velocities can be 0, which MIDI reads as a note's end.
    """
    for note in sequence.notes:
        note.start_time = max(0.0, note.start_time)
        note.end_time = max(note.start_time + MIN_NOTE_SECS, note.end_time)
        note.velocity = max(1, note.velocity)
    sequence.total_time = max((note.end_time for note in sequence.notes), default=0.0)


def write_midi(
    sequences: list[note_seq.NoteSequence], output_dir: str | os.PathLike[str], stem: str
) -> list[pathlib.Path]:
    """Writes `stem-000-of-00N.mid` and so on, each file whole or not at all. Returns the paths."""
    paths = []
    for number, sequence in enumerate(sequences):
        path = pathlib.Path(output_dir) / f"{stem}-{number:03d}-of-{len(sequences):03d}.mid"
        with atomic.replacing(path) as partial:
            note_seq.sequence_proto_to_midi_file(sequence, str(partial))
        paths.append(path)
    return paths
