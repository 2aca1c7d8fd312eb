"""Magenta's converters, with every window of a performance and a stride that can be chosen."""

from __future__ import annotations

import copy

import numpy as np

from grooves import drums, groove, timing, tokens, transforms, views, windows
from models.magenta import data, note_seq

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

    Attributes:
        stride_bars: From the start of one window to the start of the next.
    """

    def __init__(self) -> None:
        super().__init__(
            max_bars=None,
            slice_bars=timing.BARS,
            steps_per_quarter=timing.STEPS_PER_QUARTER,
            roll_input=True,
            pitch_classes=data.ROLAND_DRUM_PITCH_CLASSES,
            max_tensors_per_notesequence=None,
        )
        self.stride_bars = 1

    def to_tensors(self, item: note_seq.NoteSequence) -> data.ConverterTensors:
        """Converts a performance on the Roland kit.

        Returns:
            inputs `[64, 10]`, nine hits and whether there is none, and outputs `[64, 512]`, one-hot tokens; booleans.
        """
        cut = windows.cut(item, drums.ROLAND, self.stride_bars)
        hits = tokens.to_hits(cut)
        inputs = self.encoder_inputs(groove.Groove(hits, hits, hits))
        return data.ConverterTensors(inputs=list(inputs), outputs=list(tokens.to_one_hot(cut)))

    def encoder_inputs(self, played: groove.Groove) -> np.ndarray:
        """Returns what the encoder sees of windows, `[…, 64, 10]` booleans."""
        return views.see(views.DRUMS, played)


class GrooveConverter(data.GrooveConverter):
    """Hits, velocities and offsets; the same as Magenta's to the last bit, several times as fast.

    Options that change what a step is made of are left to Magenta's own code.
    """

    def to_tensors(self, item: note_seq.NoteSequence) -> data.ConverterTensors:
        """Converts a performance on the Roland kit.

        Returns:
            inputs and outputs `[steps, 27]`, the layout of `grooves.groove`, float64.
        """
        is_unusual = self._note_dropout or self._categorical_outputs or self._add_instruments
        if is_unusual or self._split_instruments or self._hits_as_controls or not self._split_bars:
            return super().to_tensors(item)
        played = self._play(item)
        seen, shown = self.encoder_inputs(played), played.join()
        size = self._split_bars * self._steps_per_bar
        starts = range(0, len(shown) - size + 1, self._hop_size or size)
        inputs, outputs = ([steps[start : start + size] for start in starts] for steps in (seen, shown))
        return data.ConverterTensors(inputs=inputs, outputs=outputs)

    def _play(self, sequence: note_seq.NoteSequence) -> groove.Groove:
        """Returns a performance as a groove of whole bars; of none where the metre does not fit."""
        notes, qpm = self._usable_notes(sequence)
        pitches, velocities, start_secs, _ = notes.T
        steps = timing.nearest_steps(start_secs, qpm, self._steps_per_quarter)
        num_bars = -(-(steps.max(initial=-1) + 1) // self._steps_per_bar)
        distinct, which = np.unique(pitches.astype(np.int64), return_inverse=True)
        return groove.Groove.from_notes(
            steps,
            np.array([self.pitch_class_map[pitch] for pitch in distinct.tolist()], np.int64)[which],
            velocities / 127.0,
            timing.offsets_of(start_secs, steps, qpm, self._steps_per_quarter),
            num_steps=num_bars * self._steps_per_bar,
            num_drums=self._num_drums,
            qpm=qpm,
        )

    def _usable_notes(self, sequence: note_seq.NoteSequence) -> tuple[np.ndarray, float]:
        """Returns pitch, velocity (0 to 127), start and end in seconds of each note, `[n, 4]`, and the tempo in qpm.

        There are no notes where the metre does not fit, or where one begins or ends before time 0.
        """
        bare = copy.copy(sequence)
        bare.ClearField("notes")  # note-seq would quantize them one by one.
        try:
            bare = note_seq.quantize_note_sequence(bare, self._steps_per_quarter)
            fits = note_seq.steps_per_bar_in_quantized_sequence(bare) == self._steps_per_bar
        except _UNFIT:
            fits = False
        notes = [(n.pitch, n.velocity, n.start_time, n.end_time) for n in sequence.notes]
        notes, qpm = np.array(notes, np.float64).reshape(-1, 4), timing.qpm_of(bare)
        fits = fits and (timing.nearest_steps(notes[:, 2:], qpm, self._steps_per_quarter) >= 0).all()
        return notes[: len(notes) if fits else 0], qpm

    def encoder_inputs(self, played: groove.Groove) -> np.ndarray:
        """Returns what the encoder sees of grooves, `[…, steps, 27]`: all of them, or what the options leave."""
        if view := view_of(self):
            return views.see(view, played)
        seen = transforms.tapped(played) if self._tapify else played
        if self._humanize:
            return transforms.only_hits(seen).join()
        return (transforms.with_fixed_velocities(seen) if self._fixed_velocities else seen).join()


def view_of(converter: data.BaseNoteSequenceConverter) -> str:
    """Returns which of `grooves.views` the encoder sees; empty where it is none of them, or no four-four drums."""
    if isinstance(converter, data.DrumsConverter):
        is_usual = len(converter._pitch_classes) == drums.NUM_CLASSES and not converter._roll_output
        return views.DRUMS if is_usual and converter._roll_input and converter.end_token in (None, False) else ""
    if not isinstance(converter, data.GrooveConverter) or not converter._split_bars:
        return ""
    others = ("_categorical_outputs", "_add_instruments", "_split_instruments", "_hits_as_controls")
    is_usual = len(converter.pitch_classes) == drums.NUM_CLASSES and not any(getattr(converter, o) for o in others)
    hidden = converter._humanize, converter._tapify, converter._fixed_velocities
    views_of = {(False, False, False): views.GROOVE, (False, True, True): views.TAPS}
    view = views.HITS if converter._humanize and not converter._tapify else views_of.get(hidden, "")
    return view if is_usual else ""


def kit_of(converter: data.BaseNoteSequenceConverter) -> str:
    """Returns the drum map that the classes of a converter of drums are, "roland" or "gm"; empty where neither."""
    classes = getattr(converter, "pitch_classes", None) or getattr(converter, "_pitch_classes", None) or ()
    kits = {drums.ROLAND.name: drums.ROLAND_CLASSES, drums.GM.name: drums.GM_CLASSES}
    ours = [set(pitches) for pitches in classes]
    return next((name for name, theirs in kits.items() if ours == [set(pitches) for pitches in theirs]), "")


def describe(config) -> dict[str, str]:
    """Returns what has to be known of a config to compute its model without TensorFlow, beside a checkpoint.

    That is what its encoder sees, one of `grooves.views.ALL`, and the kit that it plays, "roland" or "gm". Empty where
    `models.numpy_vae` does not know its layers.
    """
    view, kit = view_of(config.data_converter), kit_of(config.data_converter)
    if not view or not kit or config.hparams.residual_encoder or config.hparams.residual_decoder:
        return {}
    bars_of_steps = [timing.STEPS_PER_BAR, config.hparams.max_seq_len // timing.STEPS_PER_BAR]
    in_bars = (getattr(config.model.encoder, "_level_lengths", bars_of_steps) == bars_of_steps) and (
        getattr(config.model.decoder, "_level_lengths", bars_of_steps[::-1]) == bars_of_steps[::-1]
    )
    return {"encoder_sees": view, "kit": kit} if in_bars else {}


def hides_something(converter: data.BaseNoteSequenceConverter) -> bool:
    """Whether the encoder sees a part of what the decoder answers, as to humanize it or to make a kit of taps."""
    return any(getattr(converter, name, False) for name in ("_humanize", "_tapify", "_add_instruments"))


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
