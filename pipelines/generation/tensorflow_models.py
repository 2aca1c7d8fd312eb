"""Samples and interpolations of models that only TensorFlow computes here: melodies, trios, other kinds of drums."""

from __future__ import annotations

import numpy as np

from models.inference import TrainedModel
from models.magenta import data, note_seq
from pipelines.generation import sequences
from pipelines.generation.latent import slerp


def sample(model: TrainedModel, n: int, temperature: float) -> list[note_seq.NoteSequence]:
    """Returns `n` NoteSequences decoded from latent vectors that the model draws; errors as `interpolate`."""
    _check(model)
    return sequences.to_sequences(model, model.decode(model.draw(n), temperature))


def interpolate(
    model: TrainedModel, start: data.ConverterTensors, end: data.ConverterTensors, n: int, temperature: float
) -> list[note_seq.NoteSequence]:
    """Returns `n` NoteSequences on the way from one example to the other, both reconstructions included.

    The way is along the great circle between the posteriors' means (White, arXiv 1609.04468), as in Magenta.

    Raises:
        ValueError: the config decodes under controls, which nobody gave.
    """
    _check(model)
    steps = max(len(start.inputs[0]), len(end.inputs[0]))
    inputs, controls = (
        np.stack([np.pad(field[0], [(0, steps - len(field[0])), (0, 0)]) for field in fields])
        for fields in ((start.inputs, end.inputs), (start.controls, end.controls))
    )
    means = model.encode(inputs, np.array([start.lengths[0], end.lengths[0]]), controls)
    z = np.stack([slerp(means[0], means[1], t) for t in np.linspace(0, 1, n)])
    return sequences.to_sequences(model, model.decode(z, temperature))


def _check(model: TrainedModel) -> None:
    if model.config.data_converter.control_depth:
        raise ValueError("this config decodes under controls (hits or chords), which sampling does not have")
