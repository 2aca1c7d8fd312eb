"""Magenta's converters, with every window of a performance and a stride that can be chosen."""

from __future__ import annotations

import copy

import numpy as np

from grooves import drums, grid
from models.magenta import data, note_seq

_VELOCITIES, _OFFSETS = 1, 2  # Behind the hits.
_TAPPED = 3  # The class that GrooveConverter taps on.
# What a performance can have that keeps Magenta's GrooveConverter from converting it.
_UNFIT = (
    note_seq.BadTimeSignatureError,
    note_seq.NonIntegerStepsPerBarError,
    note_seq.NegativeTimeError,
    note_seq.MultipleTimeSignatureError,
    note_seq.MultipleTempoError,
)


class DrumsConverter(data.DrumsConverter):
    """Four-bar windows of nine drums; the same as Magenta's, all of them, each once a performance, in order of time.

    Magenta's own keeps five of a performance, takes its first 100 bars, and knows no other stride than a bar.

    Args:
        stride_bars: From the start of one window to the start of the next.
    """

    def __init__(self, stride_bars: int = 1) -> None:
        super().__init__(
            max_bars=None,
            slice_bars=grid.BARS,
            steps_per_quarter=drums.STEPS_PER_QUARTER,
            roll_input=True,
            pitch_classes=data.ROLAND_DRUM_PITCH_CLASSES,
            max_tensors_per_notesequence=None,
        )
        self.stride_bars = stride_bars

    def to_tensors(self, item: note_seq.NoteSequence) -> data.ConverterTensors:
        """Converts a performance on the Roland kit.

        Returns:
            inputs `[64, 10]`, nine hits and whether there is none, and outputs `[64, 512]`, one-hot tokens; booleans.
        """
        tokens = grid.windows(item, drums.ROLAND, self.stride_bars)
        hits = (tokens[..., np.newaxis] >> np.arange(grid.NUM_CLASSES, dtype=np.uint16) & 1).astype(bool)
        inputs = np.concatenate([hits, ~hits.any(axis=-1, keepdims=True)], axis=-1)
        outputs = tokens[..., np.newaxis] == np.arange(grid.NUM_TOKENS, dtype=np.uint16)
        return data.ConverterTensors(inputs=list(inputs), outputs=list(outputs))


class GrooveConverter(data.GrooveConverter):
    """Hits, velocities and offsets; the same as Magenta's to the last bit, several times as fast.

    Args:
        stride_bars: From the start of one window to the start of the next; None is the length of a window.
        options: Magenta's. Those that change what a step is made of are left to Magenta's own code.
    """

    def __init__(self, stride_bars: int | None = None, **options) -> None:
        super().__init__(**options)
        if stride_bars:
            self._hop_size = stride_bars * self._steps_per_bar

    def to_tensors(self, item: note_seq.NoteSequence) -> data.ConverterTensors:
        """Converts a performance on the Roland kit.

        Returns:
            inputs and outputs `[steps, 27]`, 9 hits | 9 velocities in [0, 1] | 9 offsets in [-1, 1], float64.
        """
        is_unusual = self._note_dropout or self._categorical_outputs or self._add_instruments
        if is_unusual or self._split_instruments or self._hits_as_controls or not self._split_bars:
            return super().to_tensors(item)
        played = self._play(item)
        seen = self._hide(played)
        size = self._split_bars * self._steps_per_bar
        starts = range(0, len(played) - size + 1, self._hop_size or size)
        inputs, outputs = (
            [steps[start : start + size].reshape(size, -1) for start in starts] for steps in (seen, played)
        )
        return data.ConverterTensors(inputs=inputs, outputs=outputs)

    def _play(self, sequence: note_seq.NoteSequence) -> np.ndarray:
        """Returns `[whole bars, 3, drums]`, hits, velocities and offsets; nothing where the metre does not fit."""
        steps, pitches, velocities, offsets = self._quantize(sequence)
        num_bars = -(-(steps.max(initial=-1) + 1) // self._steps_per_bar)
        played = np.zeros([num_bars * self._steps_per_bar, 3, self._num_drums])
        distinct, which = np.unique(pitches.astype(np.int64), return_inverse=True)
        numbers = np.array([self.pitch_class_map[pitch] for pitch in distinct.tolist()], np.int64)[which]
        quietest_first = np.lexsort((-np.arange(len(steps)), velocities))  # Of several hits in a cell the last stays.
        values = np.stack([np.ones(len(steps)), velocities / 127.0, offsets], axis=1)
        played[steps[quietest_first], :, numbers[quietest_first]] = values[quietest_first]
        return played

    def _quantize(self, sequence: note_seq.NoteSequence) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Returns step, pitch, velocity (0 to 127) and offset (half steps, early is positive) of each note.

        `[n]` each, steps int64, the others float64; of no notes where the metre does not fit.
        """
        nothing = np.zeros([0], np.int64), *np.zeros([3, 0])
        bare = copy.copy(sequence)
        bare.ClearField("notes")  # note-seq would quantize them one by one.
        try:
            bare = note_seq.quantize_note_sequence(bare, self._steps_per_quarter)
            if note_seq.steps_per_bar_in_quantized_sequence(bare) != self._steps_per_bar:
                return nothing
        except _UNFIT:
            return nothing
        notes = np.array([(n.pitch, n.velocity, n.start_time, n.end_time) for n in sequence.notes], np.float64)
        pitches, velocities, start_secs, end_secs = notes.reshape(-1, 4).T
        qpm = bare.tempos[0].qpm
        steps_per_sec = note_seq.steps_per_quarter_to_steps_per_second(self._steps_per_quarter, qpm)
        steps, ends = (grid.nearest_steps(secs, steps_per_sec) for secs in (start_secs, end_secs))
        if (steps < 0).any() or (ends < 0).any():
            return nothing
        step_secs = 60.0 / qpm / self._steps_per_quarter
        return steps, pitches, velocities, (step_secs * steps - start_secs) / step_secs * 2

    def _hide(self, played: np.ndarray) -> np.ndarray:
        """Returns what the encoder gets to see."""
        seen = played.copy()
        if self._tapify:  # The loudest of each step, tapped on the open hi-hat.
            loudest = played[:, _VELOCITIES].argmax(axis=-1)
            seen[:] = 0
            seen[:, :, _TAPPED] = played[np.arange(len(played)), :, loudest]
        if self._humanize or self._fixed_velocities:
            seen[:, _VELOCITIES] = 0
        if self._humanize:
            seen[:, _OFFSETS] = 0
        return seen


def with_stride(converter: data.BaseNoteSequenceConverter, stride_bars: int) -> data.BaseNoteSequenceConverter:
    """Returns a copy of a converter whose windows begin so many bars after each other.

    Raises:
        ValueError: its windows cannot be moved.
    """
    converter = copy.deepcopy(converter)
    if isinstance(converter, DrumsConverter):
        converter.stride_bars = stride_bars
    elif isinstance(converter, data.GrooveConverter) and converter._split_bars:
        converter._hop_size = stride_bars * converter._steps_per_bar
    elif stride_bars != 1 or not getattr(converter, "_slice_steps", None):
        raise ValueError(
            f"--stride_bars={stride_bars}: {type(converter).__name__} of this config does not take it;"
            " the configs of this project and those of GrooVAE do"
        )
    return converter
